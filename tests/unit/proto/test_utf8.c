/* utf8: what is sound is what the standard's table says, at every edge; what is not is replaced byte by byte. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/utf8.h"

#include <stdlib.h>

/* Written from the table of well formed sequences in the Unicode standard (3-7), unlike the code under test. */
static size_t expected_sequence(const unsigned char *at, size_t count)
{
    static const unsigned char table[][8] = {{0x01, 0x7F, 0, 0, 0, 0, 0, 0},
                                             {0xC2, 0xDF, 0x80, 0xBF, 0, 0, 0, 0},
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
    for (unsigned lead = 1; lead < 256; lead++) {
        for (size_t second = 0; second < sizeof edges; second++) {
            for (size_t third = 0; third < sizeof edges; third++) {
                for (size_t fourth = 0; fourth < sizeof edges; fourth++) {
                    unsigned char text[4] = {(unsigned char)lead, edges[second], edges[third], edges[fourth]};

                    for (size_t count = 1; count <= sizeof text; count++) {
                        assert_int_equal(expected_sequence(text, count), utf8_sequence(text, text + count));
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
    assert_int_equal(12, utf8_end(text, text + sizeof text - 1) - text);
    assert_int_equal(3, utf8_end(broken, broken + sizeof broken - 1) - broken);
}

static void the_sound_part_ends_at_the_first_unsound_byte_wherever_it_stands(void **state)
{
    enum { LENGTH = 40 };

    (void)state;
    for (size_t count = 0; count <= LENGTH; count++) {
        char *text = malloc(count == 0 ? 1 : count); /* its own size, so that reading on is seen */

        assert_non_null(text);
        memset(text, 'a', count == 0 ? 1 : count);
        assert_int_equal(count, utf8_sound_bytes((struct bytes){text, count}));
        for (size_t at = 0; at < count; at++) {
            memset(text, 'a', count);
            text[at] = (char)0xFF;
            assert_int_equal(at, utf8_sound_bytes((struct bytes){text, count}));
            text[at] = (char)0xC3; /* cut off by 'a' or by the end */
            assert_int_equal(at, utf8_sound_bytes((struct bytes){text, count}));
            if (at + 1 < count) {
                text[at + 1] = (char)0xA9;
                assert_int_equal(count, utf8_sound_bytes((struct bytes){text, count}));
            }
        }
        free(text);
    }
}

static void a_copy_replaces_each_byte_that_is_part_of_no_sequence(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"h\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80", "h\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80"},
        {"\xC3(", "\xEF\xBF\xBD("},
        {"a\xE6\x97", "a\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80z", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz"},
        {"\xFF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, KIB);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        buffer_clear(&buffer);
        assert_status(STATUS_OK, utf8_append(&buffer, bytes_of(cases[index].text)));
        assert_bytes(cases[index].expected, buffer_view(&buffer));
    }
    buffer_free(&buffer);
}

static void a_copy_that_does_not_fit_leaves_nothing(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 6);
    assert_status(STATUS_OK, buffer_append(&buffer, BYTES("x")));
    assert_status(STATUS_TOO_LARGE, utf8_append(&buffer, BYTES("abc\xFF")));
    assert_bytes("x", buffer_view(&buffer));
    assert_status(STATUS_OK, utf8_append(&buffer, BYTES("ab\xFF")));
    assert_int_equal(6, buffer.count);
    buffer_free(&buffer);
}

static void a_code_point_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x110000; point++) {
        char bytes[UTF8_POINT_BYTES_MAX];
        const unsigned char *at = (const unsigned char *)bytes;
        size_t count = utf8_encode(point, bytes);

        if (point >= 0xD800 && point < 0xE000) {
            continue; /* no sound sequence */
        }
        assert_int_equal(point, utf8_decode(&at, (const unsigned char *)bytes + count));
        assert_int_equal(count, (const char *)at - bytes);
    }
}

static void characters_are_parted_backwards_as_forwards(void **state)
{
    static const char text[] = "a\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80\xFF\xC3(\x80\x80\xE6\x97z\xED\xA0\x80";
    const struct bytes view = {text, sizeof text - 1};
    const unsigned char *at = (const unsigned char *)text;

    (void)state;
    while ((const char *)at < text + view.count) {
        size_t begin = (size_t)((const char *)at - text);

        (void)utf8_decode(&at, (const unsigned char *)text + view.count);
        assert_int_equal(begin, utf8_character_before(view, (size_t)((const char *)at - text)));
    }
}

static void ascii_is_counted_up_to_the_first_other_byte(void **state)
{
    char text[32];

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t count = 0; count < sizeof text; count++) {
        assert_int_equal(count, utf8_ascii_bytes((struct bytes){text, count}));
        text[count] = (char)0x80;
        assert_int_equal(count, utf8_ascii_bytes((struct bytes){text, sizeof text}));
        text[count] = 'a';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_sequences_are_those_of_the_standard),
        cmocka_unit_test(a_run_ends_at_ascii_or_at_the_first_unsound_byte),
        cmocka_unit_test(the_sound_part_ends_at_the_first_unsound_byte_wherever_it_stands),
        cmocka_unit_test(a_copy_replaces_each_byte_that_is_part_of_no_sequence),
        cmocka_unit_test(a_copy_that_does_not_fit_leaves_nothing),
        cmocka_unit_test(a_code_point_is_read_as_it_was_written),
        cmocka_unit_test(characters_are_parted_backwards_as_forwards),
        cmocka_unit_test(ascii_is_counted_up_to_the_first_other_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
