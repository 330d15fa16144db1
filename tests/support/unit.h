/* unit: what every unit test includes: cmocka in its required order, and helpers that read well. */
#ifndef TESTS_SUPPORT_UNIT_H
#define TESTS_SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/bytes.h"
#include "proto/status.h"

#define assert_status(expected, actual) assert_string_equal(status_name(expected), status_name(actual))

#define assert_bytes(expected_text, view)                                                                              \
    do {                                                                                                               \
        struct bytes assert_view = (view);                                                                             \
        assert_int_equal(strlen(expected_text), assert_view.count);                                                    \
        assert_memory_equal(expected_text, assert_view.count == 0 ? "" : assert_view.data, assert_view.count);         \
    } while (0)

#endif
