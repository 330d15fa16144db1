/* test_secret_print: prints as an independent implementation makes them, at both sides of a word, a pair and a block. */
#include "support/unit.h"

#include "proto/secret_print.h"

#include <stdlib.h>

enum { WORDS = sizeof(((struct secret_print_key *)0)->words) / sizeof(uint64_t) };

static struct secret_print_key foreseen_key(void)
{
    struct secret_print_key key;

    for (size_t index = 0; index < WORDS; index++) {
        key.words[index] = index * 0x9e3779b97f4a7c15u + 1;
    }
    for (size_t index = 0; index < sizeof key.chain; index++) {
        key.chain[index] = (unsigned char)index;
    }
    return key;
}

static void prints_match_an_independent_implementation(void **state)
{
    static const struct {
        size_t bytes;
        const char *print;
    } cases[] = {
        {0, "3a9c22d1013a42e6451b8ab8e72f319e"},    {1, "fd075e404db94e7c3c831eb8f87a3a84"},
        {15, "1b94cdb0a9a59541d54b9dda2594a7d7"},   {16, "9c6468e4bd1e124e58d5a3da7c4b5e2e"},
        {17, "9317e41cef35f1eeca8be01c7baca6b3"},   {1023, "5737036043ea53aabcfe7163bc2d28c7"},
        {1024, "7631fd0f94fc69bf9be4e5ef78767813"}, {1025, "10ea4c58e95c6d73ec16c00c3a772228"},
        {3000, "4753c3beeebc6401aa5eee321d81571f"},
    };
    const struct secret_print_key key = foreseen_key();

    (void)state;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        char *text = malloc(cases[at].bytes + 1); /* of its own size, so that the sanitizer sees a byte too much */
        unsigned char print[TABLE_HASH_BYTES];
        char hex[2 * TABLE_HASH_BYTES + 1];

        assert_non_null(text);
        for (size_t index = 0; index < cases[at].bytes; index++) {
            text[index] = (char)(index * 7 + 3);
        }
        secret_print(print, &key, (struct bytes){text, cases[at].bytes});
        secret_hex(hex, (struct bytes){(const char *)print, sizeof print});
        assert_string_equal(cases[at].print, hex);
        free(text);
    }
}

static void zeros_at_the_end_count(void **state)
{
    static const char zeros[2 * SECRET_PRINT_BLOCK_BYTES] = {0};
    static unsigned char prints[sizeof zeros][TABLE_HASH_BYTES];
    const struct secret_print_key key = foreseen_key();

    (void)state;
    for (size_t bytes = 0; bytes < sizeof zeros; bytes++) {
        secret_print(prints[bytes], &key, (struct bytes){zeros, bytes});
        for (size_t before = bytes > 20 ? bytes - 20 : 0; before < bytes; before++) {
            assert_memory_not_equal(prints[before], prints[bytes], TABLE_HASH_BYTES);
        }
    }
    assert_memory_not_equal(prints[0], prints[SECRET_PRINT_BLOCK_BYTES], TABLE_HASH_BYTES);
}

static void every_bit_of_a_text_and_the_key_count(void **state)
{
    unsigned char expected[TABLE_HASH_BYTES];
    unsigned char print[TABLE_HASH_BYTES];
    struct secret_print_key keys[2];
    char text[SECRET_PRINT_BLOCK_BYTES + 100];

    (void)state;
    assert_status(STATUS_OK, secret_start());
    secret_print_key_make(&keys[0]);
    secret_print_key_make(&keys[1]);
    secret_random(text, sizeof text);
    secret_print(expected, &keys[0], (struct bytes){text, sizeof text});
    for (size_t bit = 0; bit < 8 * sizeof text; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        secret_print(print, &keys[0], (struct bytes){text, sizeof text});
        assert_memory_not_equal(expected, print, sizeof print);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    }
    secret_print(print, &keys[0], (struct bytes){text, sizeof text});
    assert_memory_equal(expected, print, sizeof print);
    secret_print(print, &keys[1], (struct bytes){text, sizeof text});
    assert_memory_not_equal(expected, print, sizeof print);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_match_an_independent_implementation),
        cmocka_unit_test(zeros_at_the_end_count),
        cmocka_unit_test(every_bit_of_a_text_and_the_key_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
