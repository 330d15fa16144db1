/* bags: texts for bags of features, and their order. */
#ifndef TESTS_SUPPORT_BAGS_H
#define TESTS_SUPPORT_BAGS_H

#include "support/unit.h"

#include <stddef.h>
#include <stdint.h>

/* For qsort, of uint32_t. */
static inline int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* Text of `count` different-looking code points; the caller frees it. */
static inline char *long_text(size_t count)
{
    char *text = test_malloc(count);

    for (size_t at = 0; at < count; at++) {
        text[at] = (char)('a' + (at * at / 7 + at / 31) % 26);
    }
    return text;
}

#endif
