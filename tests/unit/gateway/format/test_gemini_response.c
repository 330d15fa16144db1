/* Tests of gemini_response: every string of every candidate is read, and what only counts is not. */
#include "support/answers.h"

static void all_that_a_candidate_says_is_read(void **state)
{
    (void)state;
    answers_assert_says(
        DIALECT_GEMINI_CHAT,
        "{\"candidates\":[{\"index\":0,\"finishReason\":\"STOP\",\"content\":{\"role\":\"model\",\"parts\":["
        "{\"text\":\"f\\u0069rst\"},{\"text\":\"second\",\"thought\":true},"
        "{\"functionCall\":{\"name\":\"third\",\"args\":{\"a\":[\"fourth\"]}}},"
        "{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"fifth\"}},"
        "{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\",\"output\":\"sixth\"}}]}},"
        "{\"index\":1,\"content\":{\"parts\":[{\"text\":\"seventh\"}]},\"finishMessage\":\"eighth one\","
        "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"title\":\"ninth one\"}}]},\"new\":\"tenth\"}],"
        "\"usageMetadata\":{\"totalTokenCount\":3},\"modelVersion\":\"m\"}",
        WORDS("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth one", "ninth one", "tenth"));
}

static void what_says_nothing_gives_no_text(void **state)
{
    (void)state;
    answers_assert_silent(DIALECT_GEMINI_CHAT, "{\"totalTokens\":7}");
    answers_assert_silent(DIALECT_GEMINI_CHAT,
                          "{\"candidates\":[{\"finishReason\":\"MAX_TOKENS\"}],\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}");
}

static void what_no_answer_looks_like_is_refused(void **state)
{
    (void)state;
    answers_assert_refused(DIALECT_GEMINI_CHAT, STATUS_MALFORMED, "{\"candidates\":[7]}");
    answers_assert_refused(DIALECT_GEMINI_CHAT, STATUS_MALFORMED, "[{\"candidates\":[]}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_candidate_says_is_read),
        cmocka_unit_test(what_says_nothing_gives_no_text),
        cmocka_unit_test(what_no_answer_looks_like_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
