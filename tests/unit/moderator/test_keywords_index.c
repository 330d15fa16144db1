/* test_keywords_index: every word at every place, against a plain search, with words of all lengths that share most of their bytes. */
#include "support/unit.h"

#include "moderator/keywords_index.h"
#include "proto/limits.h"

#include <stdlib.h>

enum { WORDS = 600, TEXT_BYTES = 3000, WORD_BYTES_MAX = 14 };

struct places {
    size_t count;
    uint64_t sum;   /* of what was found, whatever the order */
    size_t stop_at; /* stops when so many were found; 0 = never */
};

static uint64_t mark_of(size_t word, size_t end)
{
    return ((uint64_t)word * 1000003 + end) * 0x9E3779B97F4A7C15u;
}

static bool count_place(void *context, size_t word, size_t end)
{
    struct places *places = context;

    places->count++;
    places->sum += mark_of(word, end);
    return places->count == places->stop_at;
}

static struct places plain_search(const struct keyword_word *words, size_t count, struct bytes text)
{
    struct places places = {0};

    for (size_t word = 0; word < count; word++) {
        for (size_t at = 0; at + words[word].outline_bytes <= text.count; at++) {
            if (memcmp(text.data + at, words[word].outline, words[word].outline_bytes) == 0) {
                (void)count_place(&places, word, at + words[word].outline_bytes);
            }
        }
    }
    return places;
}

static void finds_what_a_plain_search_finds(const struct keyword_word *words, size_t count, struct bytes text)
{
    struct keyword_index *index = NULL;
    struct places expected = plain_search(words, count, text);
    struct places places = {0};
    char *outline = malloc(text.count + KEYWORD_INDEX_SLACK);

    assert_non_null(outline);
    memset(outline, 'a', text.count + KEYWORD_INDEX_SLACK); /* behind the outline: no part of it */
    memcpy(outline, text.data, text.count);
    assert_status(STATUS_OK, keyword_index_open(&index, words, count));
    assert_false(keyword_index_search(index, (struct bytes){outline, text.count}, count_place, &places));
    assert_int_equal(expected.count, places.count);
    assert_true(expected.sum == places.sum);
    if (expected.count > 1) {
        struct places stopped = {.stop_at = expected.count / 2};

        assert_true(keyword_index_search(index, (struct bytes){outline, text.count}, count_place, &stopped));
        assert_int_equal(expected.count / 2, stopped.count);
    }
    keyword_index_close(&index);
    assert_null(index);
    keyword_index_close(&index); /* takes NULL */
    free(outline);
}

static unsigned draw(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 16;
}

/* Of `letters` letters: few make many hits and many words of the same bytes. */
static void random_words_are_found(unsigned letters, unsigned seed)
{
    static char bytes[WORDS][WORD_BYTES_MAX];
    struct keyword_word words[WORDS] = {{0}};
    char text[TEXT_BYTES];

    for (size_t word = 0; word < WORDS; word++) {
        words[word].outline = bytes[word];
        words[word].outline_bytes = 3 + draw(&seed) % (WORD_BYTES_MAX - 2);
        for (size_t at = 0; at < words[word].outline_bytes; at++) {
            bytes[word][at] = (char)('a' + draw(&seed) % letters);
        }
    }
    for (size_t at = 0; at < TEXT_BYTES; at++) {
        text[at] = (char)('a' + draw(&seed) % letters);
    }
    finds_what_a_plain_search_finds(words, WORDS, (struct bytes){text, sizeof text});
    finds_what_a_plain_search_finds(words, WORDS, (struct bytes){text, 2});
    finds_what_a_plain_search_finds(words, WORDS, (struct bytes){text, 0});
    finds_what_a_plain_search_finds(words, 1, (struct bytes){text, sizeof text});
}

static void random_words_are_found_whatever_they_share(void **state)
{
    (void)state;
    for (unsigned letters = 1; letters <= 4; letters++) {
        random_words_are_found(letters, letters);
    }
    random_words_are_found(26, 5);
}

static void a_word_of_each_length_is_found_at_every_place(void **state)
{
    char letters[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (size_t bytes = 3; bytes <= 26; bytes++) {
        const struct keyword_word word = {.outline = letters, .outline_bytes = bytes};

        for (size_t at = 0; at < 20; at++) {
            char text[64];

            memset(text, '-', sizeof text);
            memcpy(text + at, letters, bytes);
            finds_what_a_plain_search_finds(&word, 1, (struct bytes){text, sizeof text});
            finds_what_a_plain_search_finds(&word, 1, (struct bytes){text, at + bytes});
            finds_what_a_plain_search_finds(&word, 1, (struct bytes){text, at + bytes - 1});
        }
    }
}

static void words_that_are_the_same_are_all_told(void **state)
{
    char same[] = "forbidden";
    const struct keyword_word words[] = {{.outline = same, .outline_bytes = 9}, {.outline = same, .outline_bytes = 9}};
    const struct bytes text = BYTES("a forbidden forbidden");

    (void)state;
    assert_int_equal(4, plain_search(words, 2, text).count);
    finds_what_a_plain_search_finds(words, 2, text);
}

static void an_index_of_no_words_finds_nothing(void **state)
{
    (void)state;
    finds_what_a_plain_search_finds(NULL, 0, BYTES("anything"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_words_are_found_whatever_they_share),
        cmocka_unit_test(a_word_of_each_length_is_found_at_every_place),
        cmocka_unit_test(words_that_are_the_same_are_all_told),
        cmocka_unit_test(an_index_of_no_words_finds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
