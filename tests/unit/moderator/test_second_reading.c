/* test_second_reading: what is shown from right to left, what tag characters and escapes say, and that pieces overlap. */
#include "support/unit.h"

#include "moderator/second_reading.h"
#include "proto/utf8.h"

#include <stdlib.h>

/* All pieces, each with a bar behind it. */
static void reads(const char *text, const char *expected)
{
    struct second_reading *reading = malloc(sizeof *reading);
    struct buffer out;
    struct bytes piece;

    assert_non_null(reading);
    buffer_init(&out, KIB);
    second_reading_begin(reading, bytes_of(text));
    while (second_reading_next(reading, &piece)) {
        assert_status(STATUS_OK, buffer_append(&out, piece));
        assert_status(STATUS_OK, buffer_append_text(&out, "|"));
    }
    assert_bytes(expected, buffer_view(&out));
    assert_false(second_reading_next(reading, &piece));
    buffer_free(&out);
    free(reading);
}

static void a_plain_text_has_none(void **state)
{
    (void)state;
    reads("", "");
    reads("plain \u8D4C\u535A", "");
    reads("\u2066isolated\u2069 \u202Bembedded\u202C", "");
}

static void what_is_shown_from_right_to_left_is_turned_round(void **state)
{
    (void)state;
    reads("see \u202Enab\u202C and", "see ban\u202C and|");
    reads("con\u202Enabart\u202C", "contraban\u202C|"); /* in its place: what is before it goes on in it */
    reads("c\u202Eno\u202Ct\u202Ear\u202Cban", "con\u202Ctra\u202Cban|");
    reads("\u202E\u535A\u8D4Ca", "a\u8D4C\u535A|");
    reads("\u202Eone\ntwo", "eno\ntwo|");
    reads("\u202E", "");
    reads("\u202E\u202Ea", "a\u202E|"); /* one in the other: dropped by whoever compares */
    reads("\u202E" "a\xFF" "b", "b\xFF" "a|");
}

static void tag_characters_are_gathered_as_ascii(void **state)
{
    (void)state;
    reads("\U000E0063\U000E006F\U000E006E", "con|");
    reads("co\U000E0061\U000E0062n", "ab|");
    reads("\U0001F3F4\U000E0067\U000E0062\U000E007F\U000E0001x", "gb  |"); /* a flag, its end, a language */
    reads("a\U000E0100b\xF3\xA0", ""); /* a variation selector; cut off */
}

static void escapes_are_read_as_json_has_them(void **state)
{
    (void)state;
    reads("{\"t\":\"\\u8d4C\\u535A!\"}", "{\"t\":\"\u8D4C\u535A!\"}|");
    reads("b\\u0061n", "ban|");
    reads("\\u0062an\\u0020", "ban |");
    reads("\\ud83d\\uDE00 \\ud83d \\ude00 \\ud83d\\u0061 \\u0000", "\U0001F600   a |"); /* half of a pair, and what no text has */
    reads("{\"inner\":\"{\\\\\"t\\\\\":\\\\\"\\\\u0061", "{\"inner\":\"{\\\\\"t\\\\\":\\\\\"\\a|"); /* JSON in JSON */
    reads("\u8D4C \\u535A", "\u8D4C \u535A|");
    reads("\\user C:\\users \\u12 \\u12g4 \\", "");
    reads("\\u006", "");
}

static size_t count_pieces(struct bytes text, struct bytes wanted, size_t *out_found)
{
    struct second_reading *reading = malloc(sizeof *reading);
    size_t count = 0;
    struct bytes piece;

    assert_non_null(reading);
    *out_found = 0;
    second_reading_begin(reading, text);
    while (second_reading_next(reading, &piece)) {
        assert_true(piece.count <= SECOND_READING_BYTES_MAX);
        *out_found += memmem(piece.data, piece.count, wanted.data, wanted.count) != NULL;
        count++;
    }
    free(reading);
    return count;
}

/* A word of KEYWORD_BYTES_MAX at every place around the border of a piece. */
static void a_long_part_comes_in_pieces_that_overlap(void **state)
{
    size_t count = 2 * SECOND_READING_BYTES_MAX;
    char *text = malloc(count + 3);
    char word[KEYWORD_BYTES_MAX];
    size_t found;

    (void)state;
    assert_non_null(text);
    memset(word, 'k', sizeof word);
    for (size_t at = SECOND_READING_BYTES_MAX - 1100; at < SECOND_READING_BYTES_MAX + 100; at += 7) {
        memcpy(text, "\u202E", 3);
        memset(text + 3, '.', count);
        memcpy(text + 3 + at, word, sizeof word);
        assert_int_equal(3, count_pieces((struct bytes){text, count + 3}, (struct bytes){word, sizeof word}, &found));
        assert_true(found >= 1);
    }
    assert_int_equal(1, count_pieces((struct bytes){text, SECOND_READING_BYTES_MAX + 3}, BYTES("."), &found));
    assert_int_equal(2, count_pieces((struct bytes){text, SECOND_READING_BYTES_MAX + 4}, BYTES("."), &found));
    free(text);
}

/* A quarter of a MiB of it into `out`, the caller's to free. */
static void repeat(struct buffer *out, const char *part)
{
    buffer_init(out, MIB);
    while (out->count + strlen(part) <= 256 * KIB) {
        assert_status(STATUS_OK, buffer_append_text(out, part));
    }
}

/* Whatever ends them: 4 MiB of such parts took 13.6 s when each was a piece, and looked for what ends it to the end of the text. */
static void many_short_parts_cost_as_much_as_the_text_is_long(void **state)
{
    static const char *const parts[] = {"\u202Ea\u202C", "\u202Ea\n", "\u202E\u202C", "\u202Ea", "\u202Eab\u202C\u202E\n"};

    (void)state;
    for (size_t kind = 0; kind < sizeof parts / sizeof parts[0]; kind++) {
        struct second_reading *reading = malloc(sizeof *reading);
        size_t scanned = 0, pieces = 0;
        struct buffer text;
        struct bytes piece;

        assert_non_null(reading);
        repeat(&text, parts[kind]);
        second_reading_begin(reading, buffer_view(&text));
        while (second_reading_next(reading, &piece)) {
            scanned += piece.count;
            pieces++;
        }
        assert_true(scanned <= 8 * text.count);
        assert_true(pieces <= 1 + scanned / (SECOND_READING_BYTES_MAX - KEYWORD_BYTES_MAX - KIB));
        assert_true(reading->looked_bytes <= 3 * text.count);
        buffer_free(&text);
        free(reading);
    }
}

/* "tsrif", dots of that length, "tsal": each part from right to left. Returns how many bytes. */
static size_t write_parts(char *out, size_t length)
{
    char *at = out;

    memcpy(at, "\u202Etsrif\u202C\u202E", 11 + 3);
    at += 11 + 3;
    memset(at, '.', length);
    at += length;
    memcpy(at, "\u202C\u202Etsal", 10);
    return (size_t)(at + 10 - out);
}

static void parts_of_every_length_are_whole_in_a_piece(void **state)
{
    size_t found;

    (void)state;
    for (size_t length = SECOND_READING_BYTES_MAX - 50; length <= SECOND_READING_BYTES_MAX + 2; length++) {
        char *text = test_malloc(length + 64);
        size_t count = write_parts(text, length);

        (void)count_pieces((struct bytes){text, count}, BYTES("first"), &found);
        assert_true(found >= 1);
        (void)count_pieces((struct bytes){text, count}, BYTES("last"), &found);
        assert_true(found >= 1);
        test_free(text);
    }
}

static void many_tags_come_in_pieces_that_overlap(void **state)
{
    const struct bytes word = BYTES("forbidden");
    size_t tags = SECOND_READING_BYTES_MAX + 100;
    struct buffer text;
    size_t found;

    (void)state;
    buffer_init(&text, MIB);
    for (size_t at = SECOND_READING_BYTES_MAX - 12; at < SECOND_READING_BYTES_MAX + 3; at++) {
        buffer_clear(&text);
        for (size_t index = 0; index < tags; index++) {
            char tag[UTF8_POINT_BYTES_MAX];
            char letter = index >= at && index - at < word.count ? word.data[index - at] : '.';

            assert_int_equal(4, utf8_encode(0xE0000 + (uint32_t)letter, tag));
            assert_status(STATUS_OK, buffer_append(&text, (struct bytes){tag, 4}));
        }
        assert_int_equal(2, count_pieces(buffer_view(&text), word, &found));
        assert_true(found >= 1);
    }
    assert_int_equal(1, count_pieces(bytes_first(buffer_view(&text), 4 * SECOND_READING_BYTES_MAX), word, &found));
    buffer_free(&text);
}

static void bytes_that_are_no_text_end_too(void **state)
{
    size_t count = 3 * SECOND_READING_BYTES_MAX;
    char *text = malloc(count);
    size_t found;

    (void)state;
    assert_non_null(text);
    memset(text, 0x80, count);
    memcpy(text, "\u202E", 3);
    assert_true(count_pieces((struct bytes){text, count}, BYTES("x"), &found) <= 4);
    memset(text, 0xF3, count);
    assert_int_equal(0, count_pieces((struct bytes){text, count}, BYTES("x"), &found));
    free(text);
}

/* A word in escapes at every place around the border of a piece. */
static void escapes_come_in_pieces_that_overlap(void **state)
{
    static const char word[] = "\\u8d4c\\ud83d\\ude00\\u0061";
    size_t count = SECOND_READING_BYTES_MAX + 2 * KIB;
    char *text = malloc(count);
    size_t found;

    (void)state;
    assert_non_null(text);
    for (size_t at = SECOND_READING_BYTES_MAX - 60; at < SECOND_READING_BYTES_MAX + 100; at++) {
        memset(text, '.', count);
        for (size_t other = 0; other < SECOND_READING_BYTES_MAX - KIB; other += KIB) {
            memcpy(text + other, "\\u002e", 6); /* near enough to each other */
        }
        memcpy(text + at, word, strlen(word));
        assert_int_equal(2, count_pieces((struct bytes){text, count}, BYTES("\u8D4C\U0001F600a"), &found));
        assert_true(found >= 1);
    }
    free(text);
}

/* What is far from all escapes was read once. */
static void only_what_is_near_an_escape_is_read_again(void **state)
{
    size_t count = 64 * KIB;
    size_t first = 20 * KIB;
    char *text = malloc(count);

    (void)state;
    assert_non_null(text);
    for (size_t second = first + 2 * KEYWORD_BYTES_MAX - 2; second <= first + 2 * KEYWORD_BYTES_MAX + 20; second++) {
        bool apart = second - first - 6 > 2 * KEYWORD_BYTES_MAX;
        struct second_reading *reading = malloc(sizeof *reading);
        struct bytes piece;

        assert_non_null(reading);
        memset(text, '.', count);
        memcpy(text + first, "\\u0061", 6);
        memcpy(text + second, "\\u0062", 6);
        second_reading_begin(reading, (struct bytes){text, count});
        assert_true(second_reading_next(reading, &piece));
        assert_int_equal('a', piece.data[KEYWORD_BYTES_MAX]);
        if (apart) {
            assert_int_equal(2 * KEYWORD_BYTES_MAX + 1, piece.count);
            assert_true(second_reading_next(reading, &piece));
            assert_int_equal('b', piece.data[KEYWORD_BYTES_MAX]);
            assert_int_equal(2 * KEYWORD_BYTES_MAX + 1, piece.count);
        } else {
            assert_int_equal(2 * KEYWORD_BYTES_MAX + 2 + (second - first - 6), piece.count);
        }
        assert_false(second_reading_next(reading, &piece));
        free(reading);
    }
    free(text);
}

/* Twice the text, whatever it is made of. */
static void escapes_cost_as_much_as_the_text_is_long(void **state)
{
    static const char *const parts[] = {"\\u0061", "\\u006", "\\", "\\ud83d", "\\ud83d\\ude00", "\\u0000"};

    (void)state;
    for (size_t kind = 0; kind < sizeof parts / sizeof parts[0]; kind++) {
        struct second_reading *reading = malloc(sizeof *reading);
        size_t pieces = 0;
        struct buffer text;
        struct bytes piece;

        assert_non_null(reading);
        repeat(&text, parts[kind]);
        second_reading_begin(reading, buffer_view(&text));
        while (second_reading_next(reading, &piece)) {
            pieces++;
        }
        assert_true(pieces <= 1 + text.count / (SECOND_READING_BYTES_MAX - KEYWORD_BYTES_MAX - KIB));
        assert_true(reading->looked_bytes <= 4 * text.count);
        buffer_free(&text);
        free(reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_text_has_none),
        cmocka_unit_test(what_is_shown_from_right_to_left_is_turned_round),
        cmocka_unit_test(tag_characters_are_gathered_as_ascii),
        cmocka_unit_test(escapes_are_read_as_json_has_them),
        cmocka_unit_test(escapes_come_in_pieces_that_overlap),
        cmocka_unit_test(only_what_is_near_an_escape_is_read_again),
        cmocka_unit_test(escapes_cost_as_much_as_the_text_is_long),
        cmocka_unit_test(a_long_part_comes_in_pieces_that_overlap),
        cmocka_unit_test(many_short_parts_cost_as_much_as_the_text_is_long),
        cmocka_unit_test(parts_of_every_length_are_whole_in_a_piece),
        cmocka_unit_test(many_tags_come_in_pieces_that_overlap),
        cmocka_unit_test(bytes_that_are_no_text_end_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
