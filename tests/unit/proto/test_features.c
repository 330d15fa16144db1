/* features: the n-grams and words the header promises, as many as it promises, and the same however a text is cut. */
#include "support/unit.h"

#include "proto/features.h"
#include "proto/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 20, ROOM = 4096 };

static size_t features_of(const char *text, unsigned bits, size_t piece, uint32_t *out)
{
    struct text_reader reader;
    struct features features;
    uint32_t code_points[64];
    size_t total = 0;
    size_t count;

    text_begin(&reader, bytes_of(text));
    features_begin(&features, bits);
    while ((count = text_read(&reader, code_points, piece)) > 0) {
        size_t written = features_take(&features, code_points, count, NULL, out + total);

        assert_true(written <= FEATURES_PER_CODE_POINT * count);
        total += written;
    }
    count = features_end(&features, NULL, out + total);
    assert_true(count <= FEATURES_END);
    assert_true(total + count + FEATURES_PER_CODE_POINT <= ROOM);
    return total + count;
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* How many features two texts have in common, each as often as it comes. */
static size_t common(const char *left, const char *right)
{
    uint32_t a[ROOM], b[ROOM];
    size_t a_count = features_of(left, BITS, 64, a);
    size_t b_count = features_of(right, BITS, 64, b);
    size_t count = 0;

    qsort(a, a_count, sizeof a[0], compare);
    qsort(b, b_count, sizeof b[0], compare);
    for (size_t at = 0, other = 0; at < a_count && other < b_count;) {
        int order = compare(&a[at], &b[other]);

        count += order == 0;
        at += order <= 0;
        other += order >= 0;
    }
    return count;
}

static size_t count_of(const char *text)
{
    uint32_t out[ROOM];

    return features_of(text, BITS, 64, out);
}

static void a_text_has_the_features_the_header_tells(void **state)
{
    (void)state;
    assert_int_equal(0, count_of(""));
    assert_int_equal(0, count_of("   "));
    assert_int_equal(7 + 1, count_of("a"));        /* "a" by itself, three that end with it, three with the space; the word */
    assert_int_equal(11 + 1, count_of("no"));      /* four a letter, three for the space */
    assert_int_equal(11 + 1, count_of(" no  "));
    assert_int_equal(22 + 3, count_of("no no"));   /* twice as many, two words, one pair */
    assert_int_equal(19 + 1, count_of("abcd"));
    assert_int_equal(19 + 3, count_of("a-bc"));    /* two words and their pair */
    assert_int_equal(11 + 3, count_of("\xE5\xA4\xA9\xE6\xB0\x94")); /* two characters: each a word */
    assert_int_equal(23 + 5, count_of("ab\xE5\xA4\xA9" "cd"));     /* ab, the character, cd */
}

static void ngrams_reach_over_white_space_and_words_do_not(void **state)
{
    (void)state;
    assert_int_equal(12, common("no", "no xyz"));       /* all of the first */
    assert_int_equal(5, common("xa by", "za bw"));      /* a, b, "a ", " b", "a b"; no word */
    assert_int_equal(2, common("xa-by", "za bw"));      /* a, b */
}

static void different_texts_have_different_features(void **state)
{
    (void)state;
    assert_int_equal(0, common("abc", "xyz"));
    assert_int_equal(12, common("no", "no"));
    assert_int_equal(2, common("no", "on"));       /* the two letters */
    assert_int_equal(0, common("\xE5\xA4\xA9", "\xE6\xB0\x94"));
    assert_true(common("a b", "b a") < count_of("a b")); /* the order of words tells */
}

static void the_cut_of_a_text_does_not_matter(void **state)
{
    static const char text[] = "Some words, don't_stop \xE5\xA4\xA9\xE6\xB0\x94 42! \xF0\x9F\x98\x80 end";
    uint32_t whole[ROOM];
    size_t count = features_of(text, BITS, 64, whole);

    (void)state;
    for (size_t piece = 1; piece < 40; piece++) {
        uint32_t out[ROOM];

        assert_int_equal(count, features_of(text, BITS, piece, out));
        assert_memory_equal(whole, out, count * sizeof out[0]);
    }
}

/* The different features of a text, sorted, by bits that are kept from piece to piece. */
static size_t new_features_of(const char *text, unsigned bits, size_t piece, uint32_t *out)
{
    static uint64_t seen[(1 << BITS) / 64];
    struct text_reader reader;
    struct features features;
    uint32_t code_points[ROOM];
    size_t total = 0;
    size_t count;

    memset(seen, 0, sizeof seen);
    text_begin(&reader, bytes_of(text));
    features_begin(&features, bits);
    while ((count = text_read(&reader, code_points, piece)) > 0) {
        total += features_take(&features, code_points, count, seen, out + total);
    }
    total += features_end(&features, seen, out + total);
    qsort(out, total, sizeof out[0], compare);
    for (size_t at = 0; at < total; at++) {
        assert_true((seen[out[at] / 64] >> out[at] % 64 & 1) != 0);
    }
    return total;
}

static size_t different(uint32_t *indices, size_t count)
{
    size_t kept = 0;

    qsort(indices, count, sizeof indices[0], compare);
    for (size_t at = 0; at < count; at++) {
        if (kept == 0 || indices[kept - 1] != indices[at]) {
            indices[kept++] = indices[at];
        }
    }
    return kept;
}

static void with_bits_each_feature_comes_once_however_the_text_is_cut(void **state)
{
    static const char *const texts[] = {
        "", " ", "a", "no no", "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p",
        "b a-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u-v-w-x-y-z-a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t-u-v-w-x-y-z",
        "a word of more than sixty-four letters: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz!",
        "Some words, don't_stop \xE5\xA4\xA9\xE6\xB0\x94 42! some words again \xF0\x9F\x98\x80 end \xE5\xA4\xA9 end",
        "a!a\"a#a$a%a&a'a(a)a*a+a,a-a.a/a:a;a<a=a>a?a@a[a\\a]a^a_a`a{a|a}a~a0b1b2b3b4b5b6b7b8b9b, and words of them, c_c'c 4_2'",
        "caf\xC3\xA9s and caf\xC3\xA9s, \xE2\x80\x9Cquoted\xE2\x80\x9D and quoted; it's 4_2",
    };

    (void)state;
    for (unsigned bits = MODEL_TABLE_BITS_MIN; bits <= MODEL_TABLE_BITS_MAX; bits++) {
        for (size_t text = 0; text < sizeof texts / sizeof texts[0]; text++) {
            uint32_t all[ROOM], out[ROOM];
            size_t count = different(all, features_of(texts[text], bits, 64, all));

            for (size_t piece = 1; piece < 140; piece++) {
                assert_int_equal(count, new_features_of(texts[text], bits, piece, out));
                assert_memory_equal(all, out, count * sizeof out[0]);
            }
        }
    }
}

static void indices_stay_within_the_table_and_spread_over_it(void **state)
{
    uint32_t out[ROOM];
    unsigned char hit[1 << MODEL_TABLE_BITS_MIN] = {0};
    size_t taken = 0;
    size_t hits = 0;

    (void)state;
    for (int number = 0; number < 400; number++) {
        char text[64];
        size_t count;

        (void)snprintf(text, sizeof text, "w%d", number * 7919);
        count = features_of(text, MODEL_TABLE_BITS_MIN, 64, out);
        for (size_t index = 0; index < count; index++) {
            assert_true(out[index] < 1u << MODEL_TABLE_BITS_MIN);
        }
        /* The word's own feature is the last but for the pair's, which is not there. */
        taken++;
        hits += hit[out[count - 1]] == 0;
        hit[out[count - 1]] = 1;
    }
    /* 400 balls into 4096 boxes hit 381 of them, give or take 5. */
    assert_true(hits > 360 && hits <= taken);
}

/* The indices are what a stored model was trained on: other numbers need another FEATURES_VERSION. */
static void the_indices_of_this_version_are_fixed(void **state)
{
    uint32_t out[ROOM];
    uint64_t sum = 0;
    size_t count = features_of("The QUICK br\xC3\xB6wn fox \xE5\xA4\xA9\xE6\xB0\x94 d\xC3\xA9j\xC3\xA0-vu \xF0\x9F\x98\x80 it's 4_2", 18, 64, out);

    (void)state;
    for (size_t index = 0; index < count; index++) {
        sum = (sum + out[index]) * 0x9E3779B97F4A7C15u;
    }
    assert_int_equal(1, FEATURES_VERSION);
    assert_int_equal(0xB2, count);
    assert_int_equal(0x9b1d1805168b8810, sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_the_features_the_header_tells),
        cmocka_unit_test(ngrams_reach_over_white_space_and_words_do_not),
        cmocka_unit_test(different_texts_have_different_features),
        cmocka_unit_test(the_cut_of_a_text_does_not_matter),
        cmocka_unit_test(with_bits_each_feature_comes_once_however_the_text_is_cut),
        cmocka_unit_test(indices_stay_within_the_table_and_spread_over_it),
        cmocka_unit_test(the_indices_of_this_version_are_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
