/* moderations_request: what an input may be, which segments it gives, and where each refusal points. */
#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/body.h"
#include "gateway/format/moderations_request.h"

#include <stdio.h>
#include <stdlib.h>

static struct segments segments;
static struct json json;
static struct body request;
static struct problem problem;

static int set_up(void **state)
{
    (void)state;
    segments_init(&segments);
    json_init(&json);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_free(&json);
    segments_free(&segments);
    return 0;
}

static enum status read_body(const char *body, size_t text_bytes_max)
{
    const struct extract_options options = {.scope_roles = SCOPE_USER | SCOPE_DOCUMENT,
                                            .text_bytes_max = text_bytes_max,
                                            .add = segments_add,
                                            .context = &segments};
    struct extract *extract = NULL;
    enum status status;

    buffer_clear(&segments.text);
    segments.count = 0;
    memset(&problem, 0, sizeof problem);
    assert_status(STATUS_OK, extract_open(&extract, &options));
    status = body_walk(moderations_request_walk, &json, bytes_of(body), UNKNOWN_BLOCK, extract, &request, &problem);
    extract_close(&extract);
    return status;
}

static void assert_read_as(const char *body, const char *texts, size_t segment_count, bool is_list)
{
    assert_status(STATUS_OK, read_body(body, KIB));
    assert_bytes(texts, buffer_view(&segments.text));
    assert_int_equal(segment_count, request.extracted.segment_count);
    assert_int_equal(is_list, moderations_request_is_list(&json));
}

static void assert_refused(const char *body, const char *path, const char *sentence)
{
    assert_true(read_body(body, KIB) != STATUS_OK);
    assert_string_equal(path, problem.path);
    if (strstr(problem.sentence, sentence) == NULL) {
        fail_msg("%s: %s", body, problem.sentence);
    }
}

static void a_string_is_one_input_and_a_list_of_strings_an_input_each(void **state)
{
    (void)state;
    assert_read_as("{\"input\":\"h\\u0065llo\"}", "user:hello\n;", 1, false);
    assert_read_as("{\"model\":\"omni-moderation-latest\",\"input\":\"a\"}", "user:a\n;", 1, false);
    assert_read_as("{\"input\":[\"a\",\"b\",\"a\"],\"model\":null}", "user:a\n;user:b\n;user:a\n;", 3, true);
    assert_read_as("{\"input\":[\" \"]}", "user: \n;", 1, true);
}

static void parts_are_one_input_whose_texts_touch_and_whose_images_are_counted(void **state)
{
    (void)state;
    assert_read_as("{\"input\":[{\"type\":\"text\",\"text\":\"forb\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
                   "\"https://a.example/x.png\"}},{\"type\":\"text\",\"text\":\"idden\"},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}",
                   "user:forbidden\n;", 1, false);
    assert_int_equal(2, request.extracted.image_count);
}

static void text_that_comes_as_an_image_is_judged(void **state)
{
    (void)state;
    assert_read_as("{\"input\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:text/plain;base64,aGVsbG8=\"}}]}",
                   "document:hello\n;", 1, false);
}

static void an_input_without_a_text_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"input\":\"\"}", "input", "must not be empty");
    assert_refused("{\"input\":[]}", "input", "must not be empty");
    assert_refused("{\"input\":[\"a\",\"\"]}", "input[1]", "must not be empty");
    assert_refused("{\"input\":[{\"type\":\"text\",\"text\":\"\"}]}", "input", "has no text");
    assert_refused("{\"input\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.example/x.png\"}}]}", "input",
                   "images are not judged here");
}

static void what_is_no_input_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("{}", "input", "is missing");
    assert_refused("{\"input\":null}", "input", "is missing");
    assert_refused("{\"input\":1}", "input", "must be a string, or an array");
    assert_refused("{\"input\":{\"type\":\"text\",\"text\":\"a\"}}", "input", "must be a string, or an array");
    assert_refused("{\"input\":\"a\",\"model\":1}", "model", "must be a string");
    assert_refused("{\"input\":\"a\",\"inputs\":\"b\"}", "", "neither input nor model");
    assert_refused("{\"input\":[1]}", "input[0]", "must be a string");
    assert_refused("{\"input\":[\"a\",{\"type\":\"text\",\"text\":\"b\"}]}", "input[1]", "must be a string");
    assert_refused("{\"input\":[{\"type\":\"text\",\"text\":\"b\"},\"a\"]}", "input[1]", "must be an object");
    assert_refused("{\"input\":[{\"type\":\"text\"}]}", "input[0].text", "is missing");
    assert_refused("{\"input\":[{\"type\":\"text\",\"text\":7}]}", "input[0].text", "must be a string");
    assert_refused("{\"input\":[{\"type\":\"text\",\"text\":\"a\",\"more\":\"b\"}]}", "input[0]", "unknown member");
    assert_refused("{\"input\":[{\"type\":\"audio\",\"text\":\"a\"}]}", "input[0]", "unknown type");
    assert_refused("{\"input\":[{\"type\":\"image_url\",\"image_url\":{}}]}", "input[0].image_url", "has no url");
    assert_refused("{\"input\":[{\"type\":\"image_url\",\"image_url\":\"https://a.example\"}]}", "input[0].image_url", "object");
    assert_refused("{\"input\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"file:///a\"}}]}", "input[0].image_url.url",
                   "must be a web address");
    assert_refused("[]", "", "must be a JSON object");
    assert_refused("{\"input\":\"a\",\"input\":\"b\"}", "", "a key twice");
}

static void the_number_of_inputs_has_a_bound(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, MIB);
    assert_status(STATUS_OK, buffer_append_text(&body, "{\"input\":[1"));
    for (size_t count = 1; count < MODERATION_INPUTS_MAX; count++) {
        assert_status(STATUS_OK, buffer_append_text(&body, ",1"));
    }
    assert_status(STATUS_OK, buffer_append(&body, (struct bytes){"]}\0", 3}));
    assert_refused(body.data, "input[0]", "must be a string");
    body.count -= 3;
    assert_status(STATUS_OK, buffer_append(&body, (struct bytes){",1]}\0", 5}));
    assert_refused(body.data, "input", "has too many items");
    buffer_free(&body);
}

static void the_text_of_all_inputs_has_one_bound_and_nothing_is_cut(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_body("{\"input\":[\"aaa\",\"bbb\"]}", 8));
    assert_status(STATUS_TOO_LARGE, read_body("{\"input\":[\"aaa\",\"bbb\"]}", 7));
    assert_int_equal(ERROR_PROMPT_TOO_LONG, problem.kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_string_is_one_input_and_a_list_of_strings_an_input_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_are_one_input_whose_texts_touch_and_whose_images_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_that_comes_as_an_image_is_judged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_input_without_a_text_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_input_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_number_of_inputs_has_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_text_of_all_inputs_has_one_bound_and_nothing_is_cut, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
