/* test_skeleton: what characters look like, forwards and backwards; the table against itself and against ICU's folding. */
#include "support/file.h"
#include "support/unit.h"

#include "moderator/fold.h"
#include "moderator/skeleton.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#include <stdlib.h>

enum { POINTS = 0x110000, IOTA_BELOW = 0x345 };

static int open_skeleton(void **state)
{
    struct skeleton *skeleton = NULL;

    assert_status(STATUS_OK, skeleton_open(&skeleton));
    *state = skeleton;
    return 0;
}

static int close_skeleton(void **state)
{
    struct skeleton *skeleton = *state;

    skeleton_close(&skeleton);
    assert_null(skeleton);
    skeleton_close(&skeleton); /* takes NULL */
    return 0;
}

static void append(const struct skeleton *skeleton, struct bytes text, struct buffer *out)
{
    struct skeleton_reader reader;

    skeleton_begin(&reader, skeleton, text, 0, false);
    assert_status(STATUS_OK, skeleton_append(&reader, SIZE_MAX, out));
}

static void looks_like(const struct skeleton *skeleton, const char *text, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 4 * KIB);
    append(skeleton, bytes_of(text), &out);
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
}

static void every_form_of_a_letter_is_the_letter(void **state)
{
    looks_like(*state, "Plain ASCII, 42!", "plain ascii, 42!");
    looks_like(*state, "\uFF26\uFF4F", "fo");                         /* full width */
    looks_like(*state, "\U0001D41C\U0001D4F8\U0001D697", "con");       /* mathematical bold, script, mono */
    looks_like(*state, "\u24D2\U0001F13E\U0001F1F3\U0001F150", "cona"); /* circled, squared, of a flag, dark */
    looks_like(*state, "co\u207F", "con");                             /* superscript */
    looks_like(*state, "\u0441\u043E\u0440 \u041A\u0422", "cop kt");   /* Cyrillic, small and capital */
    looks_like(*state, "\uA730\uA7AF", "fq");                         /* small capitals */
    looks_like(*state, "\u03F2\u03F9", "cc");                         /* lunate sigmas */
    looks_like(*state, "\u0D02\u0C82\u3007", "ooo");                  /* vowel signs, a Chinese zero */
    looks_like(*state, "\u0188\uA740\u1D8F\u2C73\u0221", "ckawd");     /* with hooks, a bar, a curl */
    looks_like(*state, "c\u03BF\u03B7tr\u03B1b\u03B2", "contrabb");    /* Greek */
    looks_like(*state, "Stra\u00DFe \uFB01re", "strasse fire");
    looks_like(*state, "\u04CF\u05C0\u01C0", "i11"); /* strokes: i or l */
}

static void marks_and_what_is_invisible_are_dropped(void **state)
{
    looks_like(*state, "c\u0301o\u0335\u20DDn\u036F", "con");
    looks_like(*state, "c\u200Bo\u00ADn\u2060t\uFEFFr\u034Fa\uFE0Fb\U000E0061a\u202En\u2066d\u061C\u180E", "contraband");
    looks_like(*state, "a\x01" "b\x7F" "c", "abc");
    looks_like(*state, "forb\uFFFDidden", "forbidden");
    looks_like(*state, "forb\xFFidden\xE2\x80", "forbidden");
}

static void a_vowel_mark_stays_on_letters_of_its_script_and_is_dropped_from_others(void **state)
{
    looks_like(*state, "\u0915\u0941", "\u0915\u0941"); /* Devanagari */
    looks_like(*state, "\u0E01\u0E34\u0E19", "\u0E01\u0E34\u0E19");
    looks_like(*state, "c\u0E34o\u0941n", "con");
    looks_like(*state, "\u304C\uFF76\uFF9E", "\u304B\u3099\u30AB\u3099"); /* kana keep their voice */
}

static void chinese_is_simplified_and_hangul_taken_apart(void **state)
{
    looks_like(*state, "\u8CED\u535A\u69CD\u9055", "\u8D4C\u535A\u67AA\u8FDD");
    looks_like(*state, "\uAC00\uD55C", "\u1100\u1161\u1112\u1161\u11AB");
}

static void white_space_and_symbols_stay(void **state)
{
    looks_like(*state, "a b\tc\nd\u00A0e\u3000f\uFF0E*", "a b\tc\nd e f.*");
}

static void kinds_are_told(void **state)
{
    static const struct {
        uint32_t point;
        enum glyph_kind kind;
    } cases[] = {
        {'a', GLYPH_LETTER},    {'Z', GLYPH_LETTER},   {'7', GLYPH_LETTER},    {' ', GLYPH_GAP},      {'\n', GLYPH_GAP},
        {'@', GLYPH_GAP},       {0x410, GLYPH_LETTER}, {0x4E00, GLYPH_ALONE},  {0x9FFF, GLYPH_ALONE}, {0x20000, GLYPH_ALONE},
        {0x3042, GLYPH_ALONE},  {0x1100, GLYPH_LETTER}, {0x1161, GLYPH_MARK},  {0xE34, GLYPH_MARK},   {0x20AC, GLYPH_GAP},
        {0x1F600, GLYPH_GAP},
    };
    struct glyph glyphs[SKELETON_GLYPHS_MAX];

    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        assert_int_equal(1, skeleton_of(*state, cases[index].point, glyphs));
        assert_int_equal(cases[index].kind, glyphs[0].kind);
    }
    assert_int_equal(SKELETON_GLYPHS_MAX, skeleton_of(*state, 0xFDFA, glyphs));
    assert_int_equal(0, skeleton_of(*state, 0x200B, glyphs));
}

static void a_glyph_looks_like_itself(void **state)
{
    struct glyph glyphs[SKELETON_GLYPHS_MAX], again[SKELETON_GLYPHS_MAX];

    for (uint32_t point = 0; point < POINTS; point++) {
        size_t count = skeleton_of(*state, point, glyphs);

        assert_true(count <= SKELETON_GLYPHS_MAX);
        for (size_t index = 0; index < count; index++) {
            assert_int_equal(1, skeleton_of(*state, glyphs[index].point, again));
            assert_int_equal(glyphs[index].point, again[0].point);
            assert_int_equal(glyphs[index].kind, again[0].kind);
        }
    }
}

/* The keywords' second form hides nothing that the first one shows. An installed ICU may know later letters than the table. */
static void folding_first_changes_nothing(void **state)
{
    struct fold *fold = NULL;
    struct buffer folded, one, two;
    size_t differing = 0;

    assert_status(STATUS_OK, fold_open(&fold));
    buffer_init(&folded, KIB);
    buffer_init(&one, KIB);
    buffer_init(&two, KIB);
    for (uint32_t point = 1; point < POINTS; point++) {
        char text[UTF8_POINT_BYTES_MAX];
        struct bytes character = {text, utf8_encode(point, text)};

        if (point >= 0xD800 && point < 0xE000) {
            continue;
        }
        buffer_clear(&folded);
        buffer_clear(&one);
        buffer_clear(&two);
        assert_status(STATUS_OK, fold_append(fold, character, &folded));
        append(*state, character, &one);
        append(*state, buffer_view(&folded), &two);
        differing += !bytes_equal(buffer_view(&one), buffer_view(&two));
    }
    /* The iota below and the 63 letters with one, which fold to a whole iota; the lunate sigmas; some letters of a later Unicode. */
    assert_in_range(differing, 66, 66 + 150);
    buffer_free(&folded);
    buffer_free(&one);
    buffer_free(&two);
    fold_close(&fold);
}

static void normal_forms_look_the_same(void **state)
{
    struct bytes file = file_read(TEST_VECTORS "/unicode", "NormalizationTest-sample.txt");
    struct bytes rest = file;
    size_t lines = 0;

    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        struct bytes whole = line;
        struct buffer forms[5];

        if (line.count == 0 || line.data[0] == '#' || line.data[0] == '@') {
            continue;
        }
        for (size_t form = 0; form < 5; form++) {
            struct buffer text;

            buffer_init(&text, KIB);
            buffer_init(&forms[form], KIB);
            while (line.count > 0 && line.data[0] != ';') {
                char *end;
                char bytes[UTF8_POINT_BYTES_MAX];
                uint32_t point = (uint32_t)strtoul(line.data, &end, 16);

                assert_status(STATUS_OK, buffer_append(&text, (struct bytes){bytes, utf8_encode(point, bytes)}));
                line = bytes_from(line, (size_t)(end - line.data) + (*end == ' '));
            }
            line = bytes_from(line, 1);
            append(*state, buffer_view(&text), &forms[form]);
            buffer_free(&text);
        }
        /* The order of marks is left as it is, so what keeps them is compared where they were in order. */
        for (size_t form = 1; form < 5; form++) {
            if (forms[0].count != forms[form].count) {
                fail_msg("line %zu: %.*s", lines, (int)whole.count, whole.data);
            }
        }
        /* The lunate sigma is a letter c to who looks, and a sigma when it is folded. */
        assert_int_equal(!bytes_starts_with(whole, BYTES("03F2;")), bytes_equal(buffer_view(&forms[1]), buffer_view(&forms[3])));
        for (size_t form = 0; form < 5; form++) {
            buffer_free(&forms[form]);
        }
        lines++;
    }
    assert_true(lines > 1000);
    free((char *)(uintptr_t)file.data);
}

/* From every place to both ends: what is read forwards is what is read backwards, turned round. */
static void reading_back_gives_the_same_glyphs(void **state)
{
    static const char text[] = "aB\u0301\u200B c\u0E34\u0E01\u0E34\u0E48\uFDFA\xFF\xE2\x80 \uAC01\u304C\U0001D41C\u00DF";
    struct bytes view = BYTES(text);
    struct skeleton_reader forwards, backwards;
    struct glyph glyphs[64], glyph;
    size_t count = 0;

    skeleton_begin(&forwards, *state, view, 0, false);
    while (skeleton_read(&forwards, &glyphs[count])) {
        count++;
        assert_true(count < 64);
    }
    assert_int_equal(view.count, forwards.at);
    skeleton_begin(&backwards, *state, view, view.count, true);
    while (skeleton_read(&backwards, &glyph)) {
        assert_true(count > 0);
        assert_int_equal(glyphs[--count].point, glyph.point);
    }
    assert_int_equal(0, count);
    assert_int_equal(0, backwards.at);
}

static void the_end_is_the_end_however_often_it_is_read(void **state)
{
    static const char *const texts[] = {"", "\u200B", "\uFDFA\u200B", "\u200B\uFDFA"};

    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct bytes text = bytes_of(texts[index]);

        for (int backwards = 0; backwards < 2; backwards++) {
            struct skeleton_reader reader;
            struct glyph glyph;

            skeleton_begin(&reader, *state, text, backwards ? text.count : 0, backwards);
            while (skeleton_read(&reader, &glyph)) {
            }
            assert_false(skeleton_read(&reader, &glyph));
        }
    }
}

static void appending_stops_at_its_bound_and_goes_on_from_there(void **state)
{
    struct skeleton_reader reader;
    struct buffer out;

    buffer_init(&out, 100);
    skeleton_begin(&reader, *state, BYTES("abc\u00DF"), 0, false);
    assert_status(STATUS_OK, skeleton_append(&reader, 2, &out));
    assert_bytes("ab", buffer_view(&out));
    assert_status(STATUS_OK, skeleton_append(&reader, 4, &out));
    assert_bytes("abcs", buffer_view(&out));
    assert_status(STATUS_OK, skeleton_append(&reader, 100, &out));
    assert_bytes("abcss", buffer_view(&out));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_letter_is_the_letter),
        cmocka_unit_test(marks_and_what_is_invisible_are_dropped),
        cmocka_unit_test(a_vowel_mark_stays_on_letters_of_its_script_and_is_dropped_from_others),
        cmocka_unit_test(chinese_is_simplified_and_hangul_taken_apart),
        cmocka_unit_test(white_space_and_symbols_stay),
        cmocka_unit_test(kinds_are_told),
        cmocka_unit_test(a_glyph_looks_like_itself),
        cmocka_unit_test(folding_first_changes_nothing),
        cmocka_unit_test(normal_forms_look_the_same),
        cmocka_unit_test(reading_back_gives_the_same_glyphs),
        cmocka_unit_test(the_end_is_the_end_however_often_it_is_read),
        cmocka_unit_test(appending_stops_at_its_bound_and_goes_on_from_there),
    };

    return cmocka_run_group_tests(tests, open_skeleton, close_skeleton);
}
