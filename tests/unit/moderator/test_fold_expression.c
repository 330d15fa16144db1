/* test_fold_expression: what is text, plain bytes in patterns, and expressions folded character by character. */
#include "support/unit.h"

#include "moderator/fold_expression.h"

#include <stdlib.h>

static void text_is_utf8_without_zero_bytes(void **state)
{
    (void)state;
    assert_true(fold_is_text(BYTES("")));
    assert_true(fold_is_text(BYTES("plain \xc3\xa9 \xe8\xb5\x8c \xf0\x9f\x98\x80")));
    assert_false(fold_is_text(BYTES("a\0b")));
    assert_false(fold_is_text(BYTES("\xff")));
    assert_false(fold_is_text(BYTES("\xc0\xaf")));         /* longer than it need be */
    assert_false(fold_is_text(BYTES("\xed\xa0\x80")));     /* half of a pair */
    assert_false(fold_is_text(BYTES("\xf4\x90\x80\x80"))); /* past U+10FFFF */
}

static void every_prefix_that_cuts_a_character_is_no_text(void **state)
{
    static const char character[] = "\xf0\x9f\x98\x80";

    (void)state;
    for (size_t count = 1; count < 4; count++) {
        assert_false(fold_is_text((struct bytes){character, count}));
    }
}

static void plain_bytes_are_letters_digits_and_escapes(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 100);
    assert_status(STATUS_OK, fold_append_plain(&out, BYTES("az09A.\xc3")));
    assert_bytes("az09\\x41\\x2e\\xc3", buffer_view(&out));
    buffer_free(&out);
}

static void expression_becomes(struct fold *fold, const char *text, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 100);
    assert_status(STATUS_OK, fold_append_expression(fold, bytes_of(text), &out));
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
}

static void operators_stay_and_characters_are_folded(void **state)
{
    struct fold *fold = NULL;
    struct buffer out;

    (void)state;
    assert_status(STATUS_OK, fold_open(&fold));
    expression_becomes(fold, "\\W+A[^B]{2}", "\\W+A[^B]{2}");
    expression_becomes(fold, "[\xd0\x90-\xd0\xaf]", "[\xd0\xb0-\xd1\x8f]");
    expression_becomes(fold, "\xef\xbc\xa1", "a");
    expression_becomes(fold, "\xef\xbc\x8a", "\\x2a");
    buffer_init(&out, 100);
    assert_status(STATUS_UNSUPPORTED, fold_append_expression(fold, BYTES("\xc3\x9f+"), &out));
    assert_status(STATUS_UNSUPPORTED, fold_append_expression(fold, BYTES("\xe2\x80\x8b"), &out));
    buffer_free(&out);
    buffer_init(&out, 3);
    assert_status(STATUS_OK, fold_append_expression(fold, BYTES("abc"), &out));
    assert_status(STATUS_TOO_LARGE, fold_append_expression(fold, BYTES("d"), &out));
    buffer_free(&out);
    fold_close(&fold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_utf8_without_zero_bytes),
        cmocka_unit_test(every_prefix_that_cuts_a_character_is_no_text),
        cmocka_unit_test(plain_bytes_are_letters_digits_and_escapes),
        cmocka_unit_test(operators_stay_and_characters_are_folded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
