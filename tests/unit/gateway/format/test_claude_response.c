/* Tests of claude_response: every string of every block is read, and what only repeats or counts is not. */
#include "support/answers.h"

static void all_that_a_block_says_is_read(void **state)
{
    (void)state;
    answers_assert_says(
        DIALECT_CLAUDE_CHAT,
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":["
        "{\"type\":\"text\",\"text\":\"f\\u0069rst\",\"citations\":[{\"cited_text\":\"second one\"}]},"
        "{\"type\":\"thinking\",\"thinking\":\"third\",\"signature\":\"AAAA\"},"
        "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"fourth\",\"input\":{\"a\":[\"fifth\"]}},"
        "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{\"query\":\"sixth\"}},"
        "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"s\",\"content\":[{\"type\":\"web_search_result\",\"title\":"
        "\"seventh one\"}]},{\"type\":\"new\",\"text\":\"eighth\"}],\"stop_reason\":\"refusal\",\"stop_sequence\":null,"
        "\"stop_details\":{\"explanation\":\"ninth\"},\"usage\":{\"input_tokens\":1}}",
        WORDS("first", "second one", "third", "fourth", "fifth", "sixth", "seventh one", "eighth", "ninth"));
}

static void what_says_nothing_gives_no_text(void **state)
{
    (void)state;
    answers_assert_silent(DIALECT_CLAUDE_CHAT, "{\"input_tokens\":7}");
    answers_assert_silent(DIALECT_CLAUDE_CHAT, "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}");
}

static void what_no_answer_looks_like_is_refused(void **state)
{
    (void)state;
    answers_assert_refused(DIALECT_CLAUDE_CHAT, STATUS_MALFORMED, "{\"content\":7}");
    answers_assert_refused(DIALECT_CLAUDE_CHAT, STATUS_MALFORMED, "{\"content\":[7]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_block_says_is_read),
        cmocka_unit_test(what_says_nothing_gives_no_text),
        cmocka_unit_test(what_no_answer_looks_like_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
