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

/* What a model might have said instead of one token, twenty times over, as a request with top_logprobs gets it. */
static void write_logprob(struct buffer *out)
{
    assert_status(STATUS_OK, buffer_append_text(out, "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":["));
    for (int other = 0; other < 20; other++) {
        assert_status(STATUS_OK, buffer_append_text(out, other == 0 ? "" : ","));
        assert_status(STATUS_OK, buffer_append_text(out, "{\"token\":\"secret\",\"logprob\":-9.5,\"bytes\":[98,99]}"));
    }
    assert_status(STATUS_OK, buffer_append_text(out, "]},"));
}

/* An answer with the logprobs of so many tokens, and `zeros` numbers beside them; null-terminated, to be freed. */
static struct buffer answer_with_logprobs(size_t tokens, size_t zeros)
{
    struct buffer out;

    buffer_init(&out, 8 * MIB);
    assert_status(STATUS_OK, buffer_append_text(&out, "{\"choices\":[{\"index\":0,\"logprobs\":{\"content\":["));
    for (size_t index = 0; index < tokens; index++) {
        write_logprob(&out);
    }
    assert_status(STATUS_OK, buffer_append_text(&out, "0"));
    for (size_t index = 1; index < zeros; index++) {
        assert_status(STATUS_OK, buffer_append_text(&out, ",0"));
    }
    assert_status(STATUS_OK, buffer_append_text(&out, "]},\"message\":{\"role\":\"assistant\",\"content\":\"words\"}}]}"));
    assert_status(STATUS_OK, buffer_append(&out, (struct bytes){"", 1}));
    return out;
}

/* JSON of as many values as are read at most; logprobs are what has so many. With one more no text is known, and nothing goes out. */
static void logprobs_up_to_the_bound_of_json_are_read_over_and_one_value_more_is_refused(void **state)
{
    enum { TOKENS = 600 };
    struct buffer body = answer_with_logprobs(TOKENS, 1);
    struct json json;
    size_t zeros;

    (void)state;
    json_init(&json);
    assert_status(STATUS_OK, json_read(&json, bytes_of(body.data), JSON_LAST_DUPLICATE_WINS));
    assert_in_range(json.token_count, 180 * TOKENS, JSON_TOKENS_MAX - 1);
    zeros = 1 + JSON_TOKENS_MAX - json.token_count;
    buffer_free(&body);
    body = answer_with_logprobs(TOKENS, zeros);
    answers_assert_says(DIALECT_OPENAI_CHAT, body.data, WORDS("words"));
    buffer_free(&body);
    body = answer_with_logprobs(TOKENS, zeros + 1);
    answers_assert_refused(DIALECT_OPENAI_CHAT, STATUS_TOO_LARGE, body.data);
    buffer_free(&body);
    json_free(&json);
}

static void what_is_in_logprobs_is_no_text(void **state)
{
    struct buffer body = answer_with_logprobs(1, 1);
    struct segments segments;

    (void)state;
    segments_init(&segments);
    assert_status(STATUS_OK, answers_read(DIALECT_OPENAI_CHAT, body.data, ANSWER_TEXT_BYTES, &segments));
    assert_null(memmem(segments.text.data, segments.text.count, "secret", 6));
    segments_free(&segments);
    buffer_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_sound_json_is_refused_in_every_dialect),
        cmocka_unit_test(a_text_of_the_bound_is_read_and_one_byte_more_is_refused),
        cmocka_unit_test(logprobs_up_to_the_bound_of_json_are_read_over_and_one_value_more_is_refused),
        cmocka_unit_test(what_is_in_logprobs_is_no_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
