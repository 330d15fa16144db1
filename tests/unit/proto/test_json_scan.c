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

/* Written from the table of well formed sequences in the Unicode standard (3-7), unlike the code under test. */
static size_t expected_sequence(const unsigned char *at, size_t count)
{
    static const unsigned char table[][8] = {{0xC2, 0xDF, 0x80, 0xBF, 0, 0, 0, 0},
                                             {0xE0, 0xE0, 0xA0, 0xBF, 0x80, 0xBF, 0, 0},
                                             {0xE1, 0xEC, 0x80, 0xBF, 0x80, 0xBF, 0, 0},
                                             {0xED, 0xED, 0x80, 0x9F, 0x80, 0xBF, 0, 0},
                                             {0xEE, 0xEF, 0x80, 0xBF, 0x80, 0xBF, 0, 0},
                                             {0xF0, 0xF0, 0x90, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
                                             {0xF1, 0xF3, 0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
                                             {0xF4, 0xF4, 0x80, 0x8F, 0x80, 0xBF, 0x80, 0xBF}};

    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++) {
        size_t length = 0;

        while (length < 4 && table[row][2 * length] != 0) {
            if (length >= count || at[length] < table[row][2 * length] || at[length] > table[row][2 * length + 1]) {
                break;
            }
            length++;
        }
        if (length > 0 && (length == 4 || table[row][2 * length] == 0)) {
            return length;
        }
    }
    return 0;
}

static void utf8_sequences_are_those_of_the_standard(void **state)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xFF};

    (void)state;
    for (unsigned lead = 0x80; lead < 256; lead++) {
        for (size_t second = 0; second < sizeof edges; second++) {
            for (size_t third = 0; third < sizeof edges; third++) {
                for (size_t fourth = 0; fourth < sizeof edges; fourth++) {
                    unsigned char text[4] = {(unsigned char)lead, edges[second], edges[third], edges[fourth]};

                    for (size_t count = 1; count <= sizeof text; count++) {
                        assert_int_equal(expected_sequence(text, count), json_utf8_bytes(text, text + count));
                    }
                }
            }
        }
    }
}

static void a_run_ends_at_ascii_or_at_the_first_unsound_byte(void **state)
{
    static const unsigned char text[] = "\xE6\x97\xA5\xC3\xA9\xF0\x9F\x98\x80\xED\x9F\xBF"
                                        "a";
    static const unsigned char broken[] = "\xE6\x97\xA5\xE6\x97";

    (void)state;
    assert_int_equal(12, json_utf8_end(text, text + sizeof text - 1) - text);
    assert_int_equal(3, json_utf8_end(broken, broken + sizeof broken - 1) - broken);
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
        cmocka_unit_test(utf8_sequences_are_those_of_the_standard),
        cmocka_unit_test(a_run_ends_at_ascii_or_at_the_first_unsound_byte),
        cmocka_unit_test(four_hex_digits_are_a_number_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
