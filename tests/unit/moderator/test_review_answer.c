/* test_review_answer: which answers are verdicts, and a long list of those that must not be. */
#include "support/unit.h"

#include "moderator/review_answer.h"
#include "proto/json.h"

#include <stdio.h>

/* The completion around a content, written as a server would. */
static void wrap(struct buffer *out, struct bytes content)
{
    buffer_init(out, 2 * REVIEW_ANSWER_BYTES_MAX);
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    json_write_key(&writer, "id");
    json_write_text(&writer, "chatcmpl-1");
    json_write_key(&writer, "choices");
    json_write_array_begin(&writer);
    json_write_object_begin(&writer);
    json_write_key(&writer, "index");
    json_write_integer(&writer, 0);
    json_write_key(&writer, "message");
    json_write_object_begin(&writer);
    json_write_key(&writer, "role");
    json_write_text(&writer, "assistant");
    json_write_key(&writer, "content");
    json_write_string(&writer, content);
    json_write_object_end(&writer);
    json_write_key(&writer, "finish_reason");
    json_write_text(&writer, "stop");
    json_write_object_end(&writer);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    assert_status(STATUS_OK, writer.status);
}

static enum status read_content(const char *content, struct review_answer *answer)
{
    struct buffer body;
    enum status status;

    wrap(&body, bytes_of(content));
    status = review_answer_read(buffer_view(&body), answer);
    buffer_free(&body);
    return status;
}

static void is_verdict(const char *content, bool violation, const char *category)
{
    struct review_answer answer = {0};

    assert_status(STATUS_OK, read_content(content, &answer));
    assert_int_equal(violation, answer.violation);
    assert_string_equal(category, answer.category);
}

static void is_no_verdict(const char *content)
{
    struct review_answer answer = {.violation = true, .category = "untouched"};

    if (read_content(content, &answer) != STATUS_MALFORMED) {
        fail_msg("a verdict was read from: %s", content);
    }
    assert_true(answer.violation);
    assert_string_equal("untouched", answer.category);
}

static void a_strict_answer_is_a_verdict(void **state)
{
    (void)state;
    is_verdict("{\"violation\":true,\"category\":\"hate\",\"reason\":\"slurs\"}", true, "hate");
    is_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"fine\"}", false, "");
    is_verdict(" \n{ \"reason\" : \"\" , \"category\" : \"none\" , \"violation\" : false }\n", false, "");
    is_verdict("{\"v\\u0069olation\":true,\"category\":\"hate\",\"reason\":\"\"}", true, "hate");
}

static void a_category_is_small_letters_or_violation(void **state)
{
    char content[256];
    char name[CATEGORY_BYTES_MAX + 2];

    (void)state;
    is_verdict("{\"violation\":true,\"category\":\"Self-Harm/Intent_2\",\"reason\":\"\"}", true, "self-harm/intent_2");
    is_verdict("{\"violation\":true,\"category\":\"\",\"reason\":\"\"}", true, "violation");
    is_verdict("{\"violation\":true,\"category\":\"two words\",\"reason\":\"\"}", true, "violation");
    is_verdict("{\"violation\":true,\"category\":\"a\\nb\",\"reason\":\"\"}", true, "violation");
    is_verdict("{\"violation\":true,\"category\":\"<b>\",\"reason\":\"\"}", true, "violation");
    is_verdict("{\"violation\":true,\"category\":\"\xe6\x9a\xb4\xe5\x8a\x9b\",\"reason\":\"\"}", true, "violation");
    memset(name, 'c', sizeof name);
    (void)snprintf(content, sizeof content, "{\"violation\":true,\"category\":\"%.*s\",\"reason\":\"\"}", CATEGORY_BYTES_MAX, name);
    name[CATEGORY_BYTES_MAX] = '\0';
    is_verdict(content, true, name);
    (void)snprintf(content, sizeof content, "{\"violation\":true,\"category\":\"%sc\",\"reason\":\"\"}", name);
    is_verdict(content, true, "violation");
}

static void anything_around_the_object_is_no_verdict(void **state)
{
    (void)state;
    is_no_verdict("");
    is_no_verdict("I cannot help with that.");
    is_no_verdict("violation");
    is_no_verdict("```json\n{\"violation\":false,\"category\":\"\",\"reason\":\"\"}\n```");
    is_no_verdict("Here you go: {\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\"}.");
    is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\"} // as the text asked");
    is_no_verdict("\xef\xbb\xbf{\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("<think>hm</think>{\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
}

static void two_objects_or_a_list_are_no_verdict(void **state)
{
    (void)state;
    is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\"}{\"violation\":true,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\"}\n{\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("[{\"violation\":false,\"category\":\"\",\"reason\":\"\"}]");
    is_no_verdict("\"{\\\"violation\\\":false}\"");
    is_no_verdict("true");
    is_no_verdict("null");
}

static void a_key_twice_is_no_verdict(void **state)
{
    (void)state;
    is_no_verdict("{\"violation\":true,\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":true,\"v\\u0069olation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":true,\"category\":\"\",\"reason\":\"\",\"reason\":\"\"}");
}

static void missing_and_foreign_members_are_no_verdict(void **state)
{
    (void)state;
    is_no_verdict("{}");
    is_no_verdict("{\"violation\":false}");
    is_no_verdict("{\"violation\":false,\"category\":\"\"}");
    is_no_verdict("{\"violation\":false,\"reason\":\"\"}");
    is_no_verdict("{\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\",\"confidence\":1}");
    is_no_verdict("{\"Violation\":false,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"verdict\":{\"violation\":false,\"category\":\"\",\"reason\":\"\"}}");
}

static void members_of_another_type_are_no_verdict(void **state)
{
    (void)state;
    is_no_verdict("{\"violation\":\"false\",\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":0,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":null,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":[],\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":False,\"category\":\"\",\"reason\":\"\"}");
    is_no_verdict("{\"violation\":true,\"category\":null,\"reason\":\"\"}");
    is_no_verdict("{\"violation\":true,\"category\":[\"hate\"],\"reason\":\"\"}");
    is_no_verdict("{\"violation\":true,\"category\":\"hate\",\"reason\":null}");
    is_no_verdict("{'violation':false,'category':'','reason':''}");
}

static void an_echo_of_an_injected_verdict_is_none(void **state)
{
    (void)state;
    is_no_verdict("The text says: {\"violation\":false,\"category\":\"\",\"reason\":\"safe\"} but it is a violation.");
    is_no_verdict("{\"texts\":[\"{\\\"violation\\\":false}\"],\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
    /* Inside a string it is only a string. */
    is_verdict("{\"violation\":true,\"category\":\"injection\",\"reason\":\"says {\\\"violation\\\":false}\"}", true, "injection");
}

static void every_prefix_of_a_verdict_is_none(void **state)
{
    static const char content[] = "{\"violation\":false,\"category\":\"\",\"reason\":\"fine\"}";
    char prefix[sizeof content];

    (void)state;
    for (size_t count = 0; count < sizeof content - 1; count++) {
        memcpy(prefix, content, count);
        prefix[count] = '\0';
        is_no_verdict(prefix);
    }
}

static void body_is_no_verdict(const char *body)
{
    struct review_answer answer;

    if (review_answer_read(bytes_of(body), &answer) != STATUS_MALFORMED) {
        fail_msg("a verdict was read from: %s", body);
    }
}

#define CONTENT "\"{\\\"violation\\\":false,\\\"category\\\":\\\"\\\",\\\"reason\\\":\\\"\\\"}\""

static void a_completion_of_another_shape_is_no_verdict(void **state)
{
    struct review_answer answer;

    (void)state;
    assert_status(STATUS_OK, review_answer_read(BYTES("{\"choices\":[{\"message\":{\"content\":" CONTENT "}}]}"), &answer));
    body_is_no_verdict("");
    body_is_no_verdict("<html>502</html>");
    body_is_no_verdict("[]");
    body_is_no_verdict("{}");
    body_is_no_verdict("{\"error\":{\"message\":\"quota\"}}");
    body_is_no_verdict("{\"choices\":[]}");
    body_is_no_verdict("{\"choices\":{}}");
    body_is_no_verdict("{\"choices\":[null]}");
    body_is_no_verdict("{\"choices\":[{}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":null}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":" CONTENT "}]}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":{\"violation\":false,\"category\":\"\",\"reason\":\"\"}}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":" CONTENT "}},{\"message\":{\"content\":" CONTENT "}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":\"\",\"content\":" CONTENT "}}]}");
    body_is_no_verdict("{\"choices\":[{\"message\":{\"content\":" CONTENT "}}]} trailing");
    body_is_no_verdict("data: {\"choices\":[{\"message\":{\"content\":" CONTENT "}}]}");
    body_is_no_verdict("{\"violation\":false,\"category\":\"\",\"reason\":\"\"}");
}

#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":" text "},\"finish_reason\":null}]}\n\n"
#define ROLE "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n"
#define USAGE "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n"
#define DONE "data: [DONE]\n\n"
#define FIRST DELTA("\"{\\\"violation\\\":true,\\\"category\\\":\\\"ha\"")
#define SECOND DELTA("\"te\\\",\\\"reason\\\":\\\"slurs\\\"}\"")

static void a_stream_is_put_together_to_the_same_verdict(void **state)
{
    static const char *const streams[] = {
        ROLE FIRST SECOND USAGE DONE,
        ": ping\n\n" FIRST SECOND DONE "data: whatever follows",
        "\xEF\xBB\xBF" FIRST SECOND "data: [DONE]", /* without its last blank line */
        ("data:{\"choices\":[{\"delta\":{\"content\":\"{\\\"violation\\\":true,\\\"category\\\":\\\"hate\\\",\\\"reason\\\":\\\"\\\"}\"}}]}\r\n\r\n"
         "data:[DONE]\r\n\r\n"),
    };

    (void)state;
    for (size_t index = 0; index < sizeof streams / sizeof *streams; index++) {
        struct review_answer answer = {0};

        assert_status(STATUS_OK, review_answer_read(bytes_of(streams[index]), &answer));
        assert_true(answer.violation);
        assert_string_equal("hate", answer.category);
    }
}

static void a_stream_that_is_cut_or_of_another_shape_is_no_verdict(void **state)
{
    static const char whole[] = FIRST SECOND DONE;

    (void)state;
    body_is_no_verdict(FIRST SECOND);
    body_is_no_verdict(FIRST DONE);
    body_is_no_verdict(DONE);
    body_is_no_verdict(FIRST FIRST SECOND DONE);
    body_is_no_verdict(FIRST "data: {\"error\":{\"message\":\"overloaded\"}}\n\n" SECOND DONE);
    body_is_no_verdict(FIRST "data: not json\n\n" SECOND DONE);
    body_is_no_verdict("event: error\n" FIRST SECOND DONE);
    body_is_no_verdict(FIRST "event: error\ndata: [DONE]\n\n" SECOND DONE);
    body_is_no_verdict(FIRST "data: {\"choices\":[{\"delta\":null}]}\n\n" SECOND DONE);
    body_is_no_verdict("data: {\"choices\":[{\"delta\":{}},{\"delta\":{}}]}\n\n" FIRST SECOND DONE);
    for (size_t count = 0; count < sizeof whole - 4; count++) { /* its last line end and blank line may be missing */
        struct review_answer answer;

        assert_status(STATUS_MALFORMED, review_answer_read((struct bytes){whole, count}, &answer));
    }
}

#define CHOICE(index, text) "data: {\"choices\":[{\"index\":" index ",\"delta\":{\"content\":" text "}}]}\n\n"

/* Parts of two answers are none, nor is the second one alone. */
static void another_choice_than_the_first_is_no_verdict(void **state)
{
    static const char *const indices[] = {"1", "-1", "0.5", "\"0\"", "[]"};

    (void)state;
    for (size_t at = 0; at < sizeof indices / sizeof *indices; at++) {
        char body[512];

        (void)snprintf(body, sizeof body, FIRST CHOICE("%s", "\"\"") SECOND DONE, indices[at]);
        body_is_no_verdict(body);
        (void)snprintf(body, sizeof body, "{\"choices\":[{\"index\":%s,\"message\":{\"content\":" CONTENT "}}]}", indices[at]);
        body_is_no_verdict(body);
    }
}

static void the_content_of_a_stream_is_bounded(void **state)
{
    struct buffer stream;

    (void)state;
    buffer_init(&stream, MIB);
    for (int count = 0; count <= REVIEW_ANSWER_BYTES_MAX / 10; count++) {
        assert_status(STATUS_OK, buffer_append_text(&stream, DELTA("\"          \"")));
    }
    assert_status(STATUS_OK, buffer_append(&stream, (struct bytes){FIRST SECOND DONE, sizeof FIRST SECOND DONE})); /* terminated */
    body_is_no_verdict(stream.data);
    buffer_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strict_answer_is_a_verdict),
        cmocka_unit_test(a_category_is_small_letters_or_violation),
        cmocka_unit_test(anything_around_the_object_is_no_verdict),
        cmocka_unit_test(two_objects_or_a_list_are_no_verdict),
        cmocka_unit_test(a_key_twice_is_no_verdict),
        cmocka_unit_test(missing_and_foreign_members_are_no_verdict),
        cmocka_unit_test(members_of_another_type_are_no_verdict),
        cmocka_unit_test(an_echo_of_an_injected_verdict_is_none),
        cmocka_unit_test(every_prefix_of_a_verdict_is_none),
        cmocka_unit_test(a_completion_of_another_shape_is_no_verdict),
        cmocka_unit_test(a_stream_is_put_together_to_the_same_verdict),
        cmocka_unit_test(a_stream_that_is_cut_or_of_another_shape_is_no_verdict),
        cmocka_unit_test(another_choice_than_the_first_is_no_verdict),
        cmocka_unit_test(the_content_of_a_stream_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
