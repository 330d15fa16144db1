/* Tests of answer: what is no sound JSON is refused in every dialect, and text is bounded from both sides. */
#include "support/answers.h"

static void what_is_no_sound_json_is_refused_in_every_dialect(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "<html>");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "[]");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "{\"id\":\"x\"");
        answers_assert_refused((enum dialect)dialect, STATUS_DUPLICATE, "{\"id\":\"x\",\"i\\u0064\":\"y\"}");
        answers_assert_silent((enum dialect)dialect, "{\"n\":1}");
    }
}

/* Beside all messages: what no reader of the list begins. */
static void an_object_in_place_of_the_list_is_judged(void **state)
{
    (void)state;
    answers_assert_says(DIALECT_OPENAI_CHAT, "{\"choices\":{\"0\":{\"message\":{\"content\":\"words\"}}}}", WORDS("words"));
    answers_assert_says(DIALECT_OPENAI_RESPONSES, "{\"output\":{\"0\":{\"content\":[{\"text\":\"words\"}]}}}", WORDS("words"));
    answers_assert_says(DIALECT_GEMINI_CHAT, "{\"candidates\":{\"0\":{\"content\":{\"parts\":[{\"text\":\"words\"}]}}}}", WORDS("words"));
    answers_assert_says(DIALECT_CLAUDE_CHAT, "{\"content\":{\"0\":{\"type\":\"text\",\"text\":\"words\"}}}", WORDS("words"));
}

static void a_text_of_the_bound_is_read_and_one_byte_more_is_refused(void **state)
{
    static const char body[] = "{\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}"; /* and its line feed */
    struct segments segments;

    (void)state;
    segments_init(&segments);
    assert_status(STATUS_OK, answers_read(DIALECT_CLAUDE_CHAT, body, 6, &segments));
    assert_status(STATUS_TOO_LARGE, answers_read(DIALECT_CLAUDE_CHAT, body, 5, &segments));
    segments_free(&segments);
}

/* Where a dialect has logprobs: what stands before them, one token's with what the model might have said instead, and what is behind. */
static const struct {
    enum dialect dialect;
    const char *before;
    const char *token;
    const char *behind;
} logprobs[] = {
    {DIALECT_OPENAI_CHAT, "{\"choices\":[{\"index\":0,\"logprobs\":{\"content\":[",
     "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[{\"token\":\"secret\",\"logprob\":-9.5,\"bytes\":[98]}]}",
     "]},\"message\":{\"role\":\"assistant\",\"content\":\"words\"}}]"},
    {DIALECT_OPENAI_RESPONSES,
     "{\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"logprobs\":[",
     "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[{\"token\":\"secret\",\"logprob\":-9.5,\"bytes\":[98]}]}",
     "],\"text\":\"words\",\"annotations\":[]}]}]"},
    {DIALECT_GEMINI_CHAT, "{\"candidates\":[{\"logprobsResult\":{\"topCandidates\":[",
     "{\"candidates\":[{\"token\":\"secret\",\"tokenId\":7,\"logProbability\":-0.5}]}",
     "]},\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"words\"}]}}]"},
};

/* An answer with the logprobs of so many tokens, and `zeros` numbers beside them; null-terminated, to be freed. */
static struct buffer answer_with_logprobs(size_t of, size_t tokens, size_t zeros)
{
    struct buffer out;

    buffer_init(&out, 16 * MIB);
    assert_status(STATUS_OK, buffer_append_text(&out, logprobs[of].before));
    for (size_t index = 0; index < tokens; index++) {
        assert_status(STATUS_OK, buffer_append_text(&out, index == 0 ? "" : ","));
        assert_status(STATUS_OK, buffer_append_text(&out, logprobs[of].token));
    }
    assert_status(STATUS_OK, buffer_append_text(&out, logprobs[of].behind));
    assert_status(STATUS_OK, buffer_append_text(&out, ",\"usage\":[1"));
    for (size_t index = 0; index < zeros; index++) {
        assert_status(STATUS_OK, buffer_append_text(&out, ",0"));
    }
    assert_status(STATUS_OK, buffer_append(&out, (struct bytes){"]}", 3}));
    return out;
}

/* So many that they alone are more values than JSON_TOKENS_MAX. */
static void logprobs_are_read_over_however_many_they_are(void **state)
{
    enum { TOKENS = 30000 };

    (void)state;
    for (size_t of = 0; of < sizeof logprobs / sizeof logprobs[0]; of++) {
        struct buffer body = answer_with_logprobs(of, TOKENS, 0);
        struct json json;

        json_init(&json);
        assert_status(STATUS_TOO_LARGE, json_read(&json, bytes_of(body.data), JSON_REFUSE_DUPLICATES));
        json_free(&json);
        answers_assert_says(logprobs[of].dialect, body.data, WORDS("words"));
        buffer_free(&body);
    }
}

static void what_is_in_logprobs_is_no_text_and_is_checked(void **state)
{
    (void)state;
    for (size_t of = 0; of < sizeof logprobs / sizeof logprobs[0]; of++) {
        struct buffer body = answer_with_logprobs(of, 1, 0);
        struct segments segments;

        segments_init(&segments);
        assert_status(STATUS_OK, answers_read(logprobs[of].dialect, body.data, ANSWER_TEXT_BYTES, &segments));
        assert_null(memmem(segments.text.data, segments.text.count, "secret", 6));
        segments_free(&segments);
        *strstr(body.data, "-0.5") = '+'; /* no number of JSON */
        answers_assert_refused(logprobs[of].dialect, STATUS_MALFORMED, body.data);
        buffer_free(&body);
    }
}

/* JSON of as many values beside logprobs as are read at most. With one more no text is known, and nothing goes out. */
static void values_up_to_the_bound_of_json_are_read_and_one_more_is_refused(void **state)
{
    struct buffer body = answer_with_logprobs(0, 0, 0);
    struct json json;
    size_t zeros;

    (void)state;
    json_init(&json);
    assert_status(STATUS_OK, json_read(&json, bytes_of(body.data), JSON_REFUSE_DUPLICATES));
    zeros = JSON_TOKENS_MAX - json.token_count + 2; /* of the logprobs neither key nor list is kept */
    json_free(&json);
    buffer_free(&body);
    body = answer_with_logprobs(0, 1, zeros);
    answers_assert_says(DIALECT_OPENAI_CHAT, body.data, WORDS("words"));
    buffer_free(&body);
    body = answer_with_logprobs(0, 1, zeros + 1);
    answers_assert_refused(DIALECT_OPENAI_CHAT, STATUS_TOO_LARGE, body.data);
    buffer_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_sound_json_is_refused_in_every_dialect),
        cmocka_unit_test(an_object_in_place_of_the_list_is_judged),
        cmocka_unit_test(a_text_of_the_bound_is_read_and_one_byte_more_is_refused),
        cmocka_unit_test(logprobs_are_read_over_however_many_they_are),
        cmocka_unit_test(what_is_in_logprobs_is_no_text_and_is_checked),
        cmocka_unit_test(values_up_to_the_bound_of_json_are_read_and_one_more_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
