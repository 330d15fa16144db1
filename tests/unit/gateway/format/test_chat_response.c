/* Tests of chat_response: every string of every choice is read, and what only repeats or counts is not. */
#include "support/answers.h"

static void all_that_a_choice_says_is_read(void **state)
{
    (void)state;
    answers_assert_says(
        DIALECT_OPENAI_CHAT,
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":["
        "{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"f\\u0069rst\",\"refusal\":null}},"
        "{\"index\":1,\"finish_reason\":\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
        "\"text\":\"second\"}],\"refusal\":\"third\",\"reasoning_content\":\"fourth\",\"tool_calls\":[{\"id\":\"c\",\"type\":"
        "\"function\",\"function\":{\"name\":\"fifth\",\"arguments\":\"{\\\"a\\\":[\\\"s\\\\u0069xth\\\"]}\"}}],"
        "\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"title\":\"seventh one\"}}],"
        "\"audio\":{\"id\":\"a\",\"data\":\"AAAA\",\"expires_at\":1,\"transcript\":\"eighth\"}}},"
        "{\"index\":2,\"text\":\"ninth\",\"new\":{\"x\":\"tenth\"}}],\"newer\":[\"eleventh\"],\"usage\":{\"total_tokens\":3}}",
        WORDS("first", "second", "third", "fourth", "fifth", "sixth", "seventh one", "eighth", "ninth", "tenth", "eleventh"));
}

static void what_says_nothing_gives_no_text(void **state)
{
    (void)state;
    answers_assert_silent(DIALECT_OPENAI_CHAT, "{\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[],\"usage\":{}}");
    answers_assert_silent(DIALECT_OPENAI_CHAT,
                          "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null}},{\"message\":null}]}");
}

static void what_no_answer_looks_like_is_refused(void **state)
{
    (void)state;
    answers_assert_refused(DIALECT_OPENAI_CHAT, STATUS_MALFORMED, "{\"choices\":[7]}");
    answers_assert_refused(DIALECT_OPENAI_CHAT, STATUS_MALFORMED, "{\"choices\":[{\"message\":7}]}");
    answers_assert_refused(DIALECT_OPENAI_CHAT, STATUS_MALFORMED, "{\"choices\":7}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_choice_says_is_read),
        cmocka_unit_test(what_says_nothing_gives_no_text),
        cmocka_unit_test(what_no_answer_looks_like_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
