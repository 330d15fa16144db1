/* json_scan: the wide loops stop exactly where the byte by byte ones do, for every byte at every position. */
#include "support/unit.h"

#include "proto/json_scan.h"

#include <stdlib.h>

enum { RUN_MAX = 40 };

static void wide_scans_stop_at_the_byte_that_the_narrow_one_stops_at(void **state)
{
    (void)state;
    for (size_t count = 0; count <= RUN_MAX; count++) {
        unsigned char *text = malloc(count == 0 ? 1 : count); /* its own size, so that reading on is seen */

        assert_non_null(text);
        for (size_t position = 0; position < count; position++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                const unsigned char *expected;

                memset(text, 'a', count);
                text[position] = (unsigned char)byte;
                expected = json_plain_end_by_bytes(text, text + count);
                assert_ptr_equal(expected, json_plain_end_by_words(text, text + count));
                assert_ptr_equal(expected, json_plain_end(text, text + count));
            }
        }
        free(text);
    }
}

static void pairs_of_special_bytes_hide_nothing_from_each_other(void **state)
{
    static const unsigned char special[] = {0x00, 0x1F, 0x20, 0x21, '"', '#', '[', '\\', ']', 0x7F, 0x80, 0xFF};
    unsigned char text[24];

    (void)state;
    for (size_t first = 0; first < sizeof special; first++) {
        for (size_t second = 0; second < sizeof special; second++) {
            for (size_t at = 0; at + 1 < sizeof text; at++) {
                memset(text, 'a', sizeof text);
                text[at] = special[first];
                text[at + 1] = special[second];
                assert_ptr_equal(json_plain_end_by_bytes(text, text + sizeof text),
                                 json_plain_end_by_words(text, text + sizeof text));
                assert_ptr_equal(json_plain_end_by_bytes(text, text + sizeof text),
                                 json_plain_end(text, text + sizeof text));
            }
        }
    }
}

static void four_hex_digits_are_a_number_and_nothing_else_is(void **state)
{
    const unsigned char good[] = "aF09";
    const unsigned char *bad[] = {(const unsigned char *)"00g0", (const unsigned char *)"-001",
                                  (const unsigned char *)"0x01", (const unsigned char *)"@000",
                                  (const unsigned char *)"000`"};

    (void)state;
    assert_int_equal(0xAF09, json_hex4(good, good + 4));
    assert_int_equal(-1, json_hex4(good, good + 3));
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_int_equal(-1, json_hex4(bad[index], bad[index] + 4));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_scans_stop_at_the_byte_that_the_narrow_one_stops_at),
        cmocka_unit_test(pairs_of_special_bytes_hide_nothing_from_each_other),
        cmocka_unit_test(four_hex_digits_are_a_number_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
