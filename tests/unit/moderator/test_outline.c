/* test_outline: the letters that are left, that chunks never show, the way back to the text, and words whose symbols may be letters. */
#include "support/unit.h"

#include "moderator/outline.h"
#include "proto/utf8.h"

#include <stdlib.h>

static int open_outline(void **state)
{
    struct outline *outline = NULL;
    struct skeleton *skeleton = NULL;

    assert_status(STATUS_OK, skeleton_open(&skeleton));
    assert_status(STATUS_OK, outline_open(&outline, skeleton, false));
    *state = outline;
    return 0;
}

static int close_outline(void **state)
{
    struct outline *outline = *state;
    struct skeleton *skeleton = (struct skeleton *)(uintptr_t)outline->skeleton;

    outline_close(&outline);
    outline_close(&outline); /* takes NULL */
    skeleton_close(&skeleton);
    return 0;
}

/* Also in the middle of a step of ASCII, where it goes by pairs. */
static void outlines(const struct outline *like, const char *text, bool symbols, const char *expected)
{
    struct outline *outline = NULL;
    struct bytes view = bytes_of(text);
    struct buffer padded;

    assert_status(STATUS_OK, outline_open(&outline, like->skeleton, symbols));
    assert_int_equal(view.count, outline_fill(outline, view, 0, view.count, 0));
    assert_bytes(expected, ((struct bytes){outline->bytes, outline->count}));
    buffer_init(&padded, KIB);
    for (size_t before = 1; before < 3; before++) {
        buffer_clear(&padded);
        assert_status(STATUS_OK, buffer_append(&padded, bytes_first(BYTES("  "), before)));
        assert_status(STATUS_OK, buffer_append(&padded, view));
        for (size_t index = 0; index < OUTLINE_STEP_BYTES; index++) {
            assert_status(STATUS_OK, buffer_append(&padded, BYTES(".")));
        }
        outline->count = 0;
        (void)outline_fill(outline, buffer_view(&padded), 0, padded.count, 0);
        assert_bytes(expected, ((struct bytes){outline->bytes, outline->count}));
    }
    buffer_free(&padded);
    outline_close(&outline);
}

static void letters_are_left_and_digits_are_the_letters_they_are_put_for(void **state)
{
    outlines(*state, "The c0n-TR a.b\u0430nd!", false, "thecontraband");
    outlines(*state, "0123456789", false, "oizeasgtbg");
    outlines(*state, "Ill", false, "iii");
    outlines(*state, " \n.,-", false, "");
    outlines(*state, "\u8CED*\u535A", false, "\u8D4C\u535A");
    outlines(*state, "\uAC00\u0E01\u0E34", false, "\u1100\u1161\u0E01"); /* Hangul whole, Thai without its vowel */
}

static void symbols_are_gaps_or_letters(void **state)
{
    outlines(*state, "(@$+!|\u20AC)", false, "");
    outlines(*state, "(@$+!|\u20AC)", true, "castiie");
    outlines(*state, "#%^&*)-_=[]{};:'\",.<>/?\\`~", true, "");
}

static void what_stands_for_a_letter_is_a_digit_or_a_symbol(void **state)
{
    (void)state;
    assert_true(outline_stands_for('1', 'i'));
    assert_true(outline_stands_for('1', 'l'));
    assert_true(outline_stands_for('@', 'a'));
    assert_true(outline_stands_for(0x20AC, 'e'));
    assert_false(outline_stands_for('l', 'i')); /* letters are themselves */
    assert_false(outline_stands_for('a', '4'));
    assert_false(outline_stands_for('6', '9'));
    assert_false(outline_stands_for('1', 'o'));
}

/* A text of ASCII and others whose every character gives one byte or a known number of them, over several chunks. */
static void chunks_and_steps_never_show(void **state)
{
    static const char *const parts[] = {"abc ", "\u0430", "D3f", "\uFDFA", "--", "x\u0301", "\u8CED", "(", "\xFF"};
    struct outline *outline = *state;
    struct buffer text, whole, pieces;
    uint32_t random = 1;

    buffer_init(&text, MIB);
    buffer_init(&whole, 8 * MIB);
    buffer_init(&pieces, 8 * MIB);
    while (text.count < 5 * OUTLINE_CHUNK_BYTES) {
        random = random * 1664525 + 1013904223;
        assert_status(STATUS_OK, buffer_append_text(&text, parts[(random >> 16) % (sizeof parts / sizeof parts[0])]));
        if ((random >> 8) % 64 == 0) {
            assert_status(STATUS_OK, buffer_append_text(&text, "a line of one hundred characters that are all of them ASCII, "
                                                               "for the sake of the step that takes sixty-four."));
        }
    }
    for (const unsigned char *at = (unsigned char *)text.data, *end = at + text.count; at < end;) {
        char bytes[OUTLINE_CHARACTER_BYTES_MAX];
        size_t count = outline_of(outline->skeleton, utf8_decode(&at, end), false, bytes);

        assert_status(STATUS_OK, buffer_append(&whole, (struct bytes){bytes, count}));
    }
    outline->count = 0;
    for (size_t from = 0, kept = 0; from < text.count; kept = outline->count < 10 ? outline->count : 10) {
        from = outline_fill(outline, buffer_view(&text), from, text.count, kept);
        assert_status(STATUS_OK, buffer_append(&pieces, (struct bytes){outline->bytes + kept, outline->count - kept}));
    }
    assert_true(bytes_equal(buffer_view(&whole), buffer_view(&pieces)));
    buffer_free(&text);
    buffer_free(&whole);
    buffer_free(&pieces);
}

static void every_byte_leads_back_to_its_character(void **state)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog, and the lazy dog over the quick brown fox. "
                               "\u0430-\u00DF-\uFDFA- The quick brown fox jumps over the lazy dog, and so on and on.";
    struct outline *outline = *state;
    struct bytes view = BYTES(text);
    const unsigned char *at = (const unsigned char *)text;
    size_t count = 0;

    outline->count = 0;
    (void)outline_fill(outline, view, 0, view.count, 0);
    while (at < (const unsigned char *)text + view.count) {
        char bytes[OUTLINE_CHARACTER_BYTES_MAX];
        size_t more = outline_of(outline->skeleton, utf8_decode(&at, (const unsigned char *)text + view.count), false, bytes);

        for (size_t index = 0; index < more; index++) {
            assert_int_equal((const char *)at - text, outline_source(outline, view, ++count));
        }
    }
    assert_int_equal(outline->count, count);
}

static void a_full_chunk_of_the_longest_mapping_fits(void **state)
{
    struct outline *outline = *state;
    size_t count = OUTLINE_CHUNK_BYTES / 3 * 3 + 3;
    char *text = malloc(count);

    assert_non_null(text);
    for (size_t at = 0; at < count; at += 3) {
        memcpy(text + at, "\uFDFA", 3);
    }
    outline->count = OUTLINE_BYTES_MAX;
    assert_int_equal(count, outline_fill(outline, (struct bytes){text, count}, 0, count, OUTLINE_BYTES_MAX));
    assert_true(outline->count <= OUTLINE_ROOM);
    free(text);
}

/* The words of a text that are told, with a bar between them. */
static void disguised(struct outline *outline, const char *text, const char *expected)
{
    struct bytes view = bytes_of(text);
    size_t at = 0, begin, end;
    struct buffer out;

    buffer_init(&out, KIB);
    outline->count = 0;
    (void)outline_fill(outline, view, 0, view.count, 0);
    while (outline_disguised(outline, view, view.count, &at, &begin, &end)) {
        assert_status(STATUS_OK, buffer_append(&out, bytes_first(bytes_from(view, begin), end - begin)));
        assert_status(STATUS_OK, buffer_append_text(&out, "/"));
    }
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
}

static void words_with_symbols_inside_or_several_of_them_are_told(void **state)
{
    disguised(*state, "a (on+r@b@nd here", "(on+r@b@nd/");
    disguised(*state, "w!r\u20ACfr@ud p@$$por+", "w!r\u20ACfr@ud/p@$$por+/");
    disguised(*state, "x@y.org, $k!m", "x@y/$k!m/");
    disguised(*state, "4+h", "4+h/");
}

static void what_a_text_has_anyway_is_not(void **state)
{
    disguised(*state, "Hello! (so they say) for $100 | call f(x) + 1", "");
    disguised(*state, "no symbol at all, in a text that is longer than one step of the outline, and has no end of that", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_left_and_digits_are_the_letters_they_are_put_for),
        cmocka_unit_test(symbols_are_gaps_or_letters),
        cmocka_unit_test(what_stands_for_a_letter_is_a_digit_or_a_symbol),
        cmocka_unit_test(chunks_and_steps_never_show),
        cmocka_unit_test(every_byte_leads_back_to_its_character),
        cmocka_unit_test(a_full_chunk_of_the_longest_mapping_fits),
        cmocka_unit_test(words_with_symbols_inside_or_several_of_them_are_told),
        cmocka_unit_test(what_a_text_has_anyway_is_not),
    };

    return cmocka_run_group_tests(tests, open_outline, close_outline);
}
