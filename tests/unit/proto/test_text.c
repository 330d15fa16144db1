/* text: what a reader sees as equal is equal, what shows nothing is gone, broken bytes are one mark each, pieces do not matter. */
#include "support/unit.h"

#include "proto/text.h"
#include "proto/utf8.h"

enum { ROOM = 256 };

/* Reads all of `text` in pieces of `piece` code points. */
static size_t read_all(struct bytes text, size_t piece, uint32_t out[ROOM])
{
    struct text_reader reader;
    size_t total = 0;
    size_t count;

    text_begin(&reader, text);
    do {
        assert_true(total + piece <= ROOM);
        count = text_read(&reader, out + total, piece);
        assert_true(count <= piece);
        total += count;
    } while (count > 0);
    assert_int_equal(0, text_read(&reader, out + total, piece));
    return total;
}

/* The text reads as the code points of `expected`, which is ASCII or given as an array. */
static void assert_reads(const uint32_t *expected, size_t count, struct bytes text)
{
    uint32_t out[ROOM];

    for (size_t piece = 1; piece <= 20; piece++) {
        assert_int_equal(count, read_all(text, piece, out));
        assert_memory_equal(expected, out, count * sizeof out[0]);
    }
}

static void assert_reads_ascii(const char *expected, struct bytes text)
{
    uint32_t code_points[ROOM];
    size_t count = strlen(expected);

    for (size_t index = 0; index < count; index++) {
        code_points[index] = (unsigned char)expected[index];
    }
    assert_reads(code_points, count, text);
}

static void capitals_become_small_letters(void **state)
{
    static const uint32_t latin[] = {0xE0, 0xE9, 0xF8, 0xFE, 0xDF, 0xD7};
    static const uint32_t greek[] = {0x3B1, 0x3C9, 0x3C3, 0x3C3, 0x3AC, 0x3CE};
    static const uint32_t cyrillic[] = {0x43F, 0x440, 0x438, 0x432, 0x435, 0x442, 0x451};

    (void)state;
    assert_reads_ascii("abc xyz 019 [\\]^_`{|}~@", BYTES("ABC xYz 019 [\\]^_`{|}~@"));
    assert_reads(latin, 6, BYTES("\xC3\x80\xC3\x89\xC3\x98\xC3\x9E\xC3\x9F\xC3\x97"));
    assert_reads(greek, 6, BYTES("\xCE\x91\xCE\xA9\xCE\xA3\xCF\x82\xCE\x86\xCE\x8F"));
    assert_reads(cyrillic, 7, BYTES("\xD0\x9F\xD0\xA0\xD0\x98\xD0\x92\xD0\x95\xD0\xA2\xD0\x81"));
}

static void full_width_forms_become_ascii(void **state)
{
    (void)state;
    /* U+FF28 U+FF45 U+FF4C U+FF4C U+FF4F, U+3000, U+FF01 */
    assert_reads_ascii("hello !", BYTES("\xEF\xBC\xA8\xEF\xBD\x85\xEF\xBD\x8C\xEF\xBD\x8C\xEF\xBD\x8F\xE3\x80\x80\xEF\xBC\x81"));
}

static void what_shows_nothing_is_dropped(void **state)
{
    (void)state;
    assert_reads_ascii("kill", BYTES("k\xC2\xADi\xE2\x80\x8Bl\xE2\x80\x8Dl\xEF\xBB\xBF"));             /* U+00AD 200B 200D FEFF */
    assert_reads_ascii("ab", BYTES("\xEF\xB8\x8F\x61\xE2\x81\xA0\xE2\x80\x8F\xE2\x80\xAE\x62"));       /* U+FE0F 2060 200F 202E */
    assert_reads_ascii("ab", BYTES("a\xF3\xA0\x81\x81\xF3\xA0\x84\x80\x62"));                          /* U+E0041 E0100 */
    assert_reads_ascii("ab", BYTES("\x00\x01" "a\x1B\x7F" "b\xC2\x9F"));                               /* controls */
    assert_reads_ascii("", BYTES("\xE2\x80\x8B"));
}

static void a_run_of_white_space_is_one_space_and_none_leads(void **state)
{
    (void)state;
    assert_reads_ascii("a b c ", BYTES(" \t\r\n a \n\n\xC2\xA0\xE2\x80\x83 b\x0B" "c  "));
    /* what is dropped between two spaces does not part them */
    assert_reads_ascii("a b", BYTES("a \xE2\x80\x8B b"));
    assert_reads_ascii("", BYTES("   "));
}

static void broken_bytes_are_one_mark_each(void **state)
{
    static const uint32_t one[] = {'a', UTF8_REPLACEMENT_POINT, 'b'};
    static const uint32_t two[] = {UTF8_REPLACEMENT_POINT, UTF8_REPLACEMENT_POINT};
    static const uint32_t three[] = {UTF8_REPLACEMENT_POINT, UTF8_REPLACEMENT_POINT, UTF8_REPLACEMENT_POINT};

    (void)state;
    assert_reads(one, 3, BYTES("a\xFF" "b"));
    assert_reads(one, 3, BYTES("a\x80" "b"));
    assert_reads(two, 2, BYTES("\xC0\xAF"));         /* overlong */
    assert_reads(three, 3, BYTES("\xED\xA0\x80"));   /* surrogate */
    assert_reads(three, 3, BYTES("\xF0\x9F\x98"));   /* cut off */
    assert_reads(two, 2, BYTES("\xE4\xBD"));
}

static void each_prefix_of_a_text_reads_within_its_bounds(void **state)
{
    static const char text[] = "A\xC3\x89\xE4\xBD\xA0\xF0\x9F\x98\x80 \xEF\xBC\xA1\xE2\x80\x8Bz";
    static const uint32_t whole[] = {'a', 0xE9, 0x4F60, 0x1F600, ' ', 'a', 'z'};

    (void)state;
    assert_reads(whole, 7, BYTES(text));
    for (size_t count = 0; count < sizeof text; count++) {
        char *copy = test_malloc(count + 1); /* a read past the end is seen by the sanitizer */
        uint32_t out[ROOM];

        memcpy(copy, text, count);
        assert_true(read_all((struct bytes){copy, count}, 3, out) <= count);
        test_free(copy);
    }
    assert_reads(whole, 0, (struct bytes){NULL, 0});
}

/* Eight characters of ASCII are read at once where they allow it; whatever stands among them, it reads as one by one. */
static void any_byte_at_any_place_reads_the_same_one_by_one(void **state)
{
    char text[24];
    uint32_t one_by_one[ROOM], at_once[ROOM];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < sizeof text; place++) {
            size_t count;

            memcpy(text, "Some Words ofASCII, 42! ", sizeof text);
            text[place] = (char)byte;
            count = read_all((struct bytes){text, sizeof text}, 1, one_by_one);
            assert_int_equal(count, read_all((struct bytes){text, sizeof text}, sizeof text, at_once));
            assert_memory_equal(one_by_one, at_once, count * sizeof at_once[0]);
        }
    }
}

static void words_are_runs_of_letters_and_single_chinese_characters(void **state)
{
    static const uint32_t letters[] = {'a', 'z', '0', '9', '_', '\'', 0xE9, 0xAA, 0x3B1, 0x451, 0x5D0, 0x627, 0x915, 0xAC00};
    static const uint32_t alone[] = {0x3400, 0x4E00, 0x9FFF, 0x20000, 0x3042, 0x30AB, 0xF900};
    static const uint32_t breaks[] = {' ', '.', '-', '@', '`', '{', '/', ':', 0xA1, 0xD7, 0x2019, 0x3002, 0xFF5F, 0x1F600, 0xFFFD};

    (void)state;
    for (size_t index = 0; index < sizeof letters / sizeof letters[0]; index++) {
        assert_int_equal(TEXT_LETTER, text_class_of(letters[index]));
    }
    for (size_t index = 0; index < sizeof alone / sizeof alone[0]; index++) {
        assert_int_equal(TEXT_ALONE, text_class_of(alone[index]));
    }
    for (size_t index = 0; index < sizeof breaks / sizeof breaks[0]; index++) {
        assert_int_equal(TEXT_BREAK, text_class_of(breaks[index]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capitals_become_small_letters),
        cmocka_unit_test(full_width_forms_become_ascii),
        cmocka_unit_test(what_shows_nothing_is_dropped),
        cmocka_unit_test(a_run_of_white_space_is_one_space_and_none_leads),
        cmocka_unit_test(broken_bytes_are_one_mark_each),
        cmocka_unit_test(each_prefix_of_a_text_reads_within_its_bounds),
        cmocka_unit_test(any_byte_at_any_place_reads_the_same_one_by_one),
        cmocka_unit_test(words_are_runs_of_letters_and_single_chinese_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
