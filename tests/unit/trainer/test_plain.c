/* plain: what a terminal would follow is spelled out, everything else stays, and a cut is between characters. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/utf8.h"
#include "trainer/plain.h"

#include <stdio.h>
#include <string.h>

static void check(struct bytes text, const char *expected)
{
    struct buffer line;

    buffer_init(&line, KIB);
    assert_status(STATUS_OK, buffer_append(&line, BYTES("before ")));
    assert_status(STATUS_OK, plain_append(&line, text));
    assert_status(STATUS_OK, buffer_append(&line, (struct bytes){"", 1}));
    assert_memory_equal("before ", line.data, 7);
    assert_string_equal(expected, line.data + 7);
    buffer_free(&line);
}

static void text_stands_in_quotes_as_it_is(void **state)
{
    (void)state;
    check(BYTES(""), "\"\"");
    check(BYTES("good day"), "\"good day\"");
    check(BYTES("\u00a0 \u00e9 \u4e2d\u6587 \u05e9\u05dc\u05d5\u05dd \u2026 \U0001f600"),
          "\"\u00a0 \u00e9 \u4e2d\u6587 \u05e9\u05dc\u05d5\u05dd \u2026 \U0001f600\"");
}

static void what_json_escapes_is_escaped(void **state)
{
    (void)state;
    check(BYTES("a\"b\\c\nd\x1b[31m"), "\"a\\\"b\\\\c\\nd\\u001b[31m\"");
    check((struct bytes){"\0", 1}, "\"\\u0000\"");
    check(BYTES("\x9b" "31m"), "\"" UTF8_REPLACEMENT "31m\""); /* CSI of a terminal of eight bits is no UTF-8 */
}

/* Each of them, alone, at the front and at the end; and both sides of every bound. */
static void what_a_terminal_follows_is_spelled_out(void **state)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } escaped[] = {{0x7F, 0x9F}, {0x61C, 0x61C}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};

    (void)state;
    for (uint32_t point = 0x20; point < 0x3000; point++) {
        char utf8[UTF8_POINT_BYTES_MAX], text[16], expected[32];
        int count = (int)utf8_encode(point, utf8);
        bool is_escaped = false;

        for (size_t index = 0; index < sizeof escaped / sizeof *escaped; index++) {
            is_escaped |= point >= escaped[index].first && point <= escaped[index].last;
        }
        if (point == '"' || point == '\\') {
            continue;
        }
        (void)snprintf(text, sizeof text, "%.*sa%.*s", count, utf8, count, utf8);
        if (is_escaped) {
            (void)snprintf(expected, sizeof expected, "\"\\u%04xa\\u%04x\"", (unsigned)point, (unsigned)point);
        } else {
            (void)snprintf(expected, sizeof expected, "\"%s\"", text);
        }
        check(bytes_of(text), expected);
    }
}

static void no_room_is_told(void **state)
{
    struct buffer line;

    (void)state;
    buffer_init(&line, 13);
    assert_status(STATUS_TOO_LARGE, plain_append(&line, BYTES("\x7f\x7f")));
    buffer_free(&line);
    buffer_init(&line, 14);
    assert_status(STATUS_OK, plain_append(&line, BYTES("\x7f\x7f")));
    buffer_free(&line);
}

static size_t first(struct bytes text, size_t bytes_max)
{
    struct bytes found = plain_first(text, bytes_max);

    assert_ptr_equal(text.data, found.data);
    return found.count;
}

static void a_cut_is_between_characters(void **state)
{
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    const struct bytes text = BYTES("a\u00e9\u4e2d\U0001f600b"); /* of 1, 2, 3, 4 and 1 bytes */

    (void)state;
    for (size_t bytes_max = 0; bytes_max < sizeof expected / sizeof *expected; bytes_max++) {
        assert_int_equal(expected[bytes_max], first(text, bytes_max));
    }
    assert_int_equal(0, first(BYTES(""), 5));
}

static void bytes_of_no_character_are_cut_anywhere(void **state)
{
    const struct bytes text = BYTES("\x80\x80\x80\x80\x80\xe4\xb8");

    (void)state;
    for (size_t bytes_max = 0; bytes_max <= text.count; bytes_max++) {
        assert_int_equal(bytes_max, first(text, bytes_max));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stands_in_quotes_as_it_is),
        cmocka_unit_test(what_json_escapes_is_escaped),
        cmocka_unit_test(what_a_terminal_follows_is_spelled_out),
        cmocka_unit_test(no_room_is_told),
        cmocka_unit_test(a_cut_is_between_characters),
        cmocka_unit_test(bytes_of_no_character_are_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
