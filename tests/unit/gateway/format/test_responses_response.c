/* Tests of responses_response: every string of every item is read, and what repeats the request is not. */
#include "support/answers.h"

static void all_that_an_item_says_is_read(void **state)
{
    (void)state;
    answers_assert_says(
        DIALECT_OPENAI_RESPONSES,
        "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":["
        "{\"id\":\"rs\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"first\"}]},"
        "{\"id\":\"msg\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":["
        "{\"type\":\"output_text\",\"text\":\"s\\u0065cond\",\"annotations\":[{\"type\":\"url_citation\",\"title\":\"third one\"}]},"
        "{\"type\":\"refusal\",\"refusal\":\"fourth\"}]},"
        "{\"id\":\"fc\",\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"fifth\",\"arguments\":\"{\\\"a\\\":\\\"sixth\\\"}\"},"
        "{\"id\":\"ci\",\"type\":\"code_interpreter_call\",\"code\":\"seventh\",\"outputs\":[{\"logs\":\"eighth\"}]},"
        "{\"type\":\"new\",\"x\":\"ninth\"}],\"error\":{\"code\":\"server_error\",\"message\":\"tenth one\"}}",
        WORDS("first", "second", "third one", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth one"));
}

static void what_repeats_the_request_gives_no_text(void **state)
{
    (void)state;
    answers_assert_silent(DIALECT_OPENAI_RESPONSES, "{\"object\":\"response.input_tokens\",\"input_tokens\":5}");
    answers_assert_silent(DIALECT_OPENAI_RESPONSES,
                          "{\"id\":\"r\",\"instructions\":\"be kind\",\"tools\":[{\"description\":\"a tool\"}],\"output\":[]}");
}

static void what_no_answer_looks_like_is_refused(void **state)
{
    (void)state;
    answers_assert_refused(DIALECT_OPENAI_RESPONSES, STATUS_MALFORMED, "{\"output\":7}");
    answers_assert_refused(DIALECT_OPENAI_RESPONSES, STATUS_MALFORMED, "{\"output\":[{\"type\":\"message\",\"content\":[]}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_an_item_says_is_read),
        cmocka_unit_test(what_repeats_the_request_gives_no_text),
        cmocka_unit_test(what_no_answer_looks_like_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
