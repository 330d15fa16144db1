/* responses_request: what a request of the Responses API may look like, what of it is judged, and that no shape hides a word. */
#include "support/body.h"

#define INPUT(items) "{\"model\":\"m\",\"input\":[" items "]}"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void what_no_request_has_is_refused_with_its_place(void **state)
{
    static const struct body_case cases[] = {
        {"{\"model\":\"m\"}", "input"},
        {"{\"model\":\"m\",\"input\":null}", "input"},
        {"{\"model\":\"m\",\"input\":7}", "input"},
        {"{\"model\":\"m\",\"input\":[]}", "input"},
        {"{\"model\":7,\"input\":\"x\"}", "model"},
        {"{\"model\":\"m\",\"input\":\"x\",\"stream\":\"yes\"}", "stream"},
        {"{\"model\":\"m\",\"input\":\"x\",\"instructions\":7}", "instructions"},
        {INPUT("7"), "input[0]"},
        {INPUT("{\"type\":\"message\",\"content\":\"x\"}"), "input[0].role"},
        {INPUT("{\"role\":7,\"content\":\"x\"}"), "input[0].role"},
        {INPUT("{\"role\":\"user\"}"), "input[0].content"},
        {INPUT("{\"role\":\"user\",\"content\":7}"), "input[0].content"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}"), "input[0].content[0].text"},
        {INPUT("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
               "7}]}"),
         "input[1].content[0].text"},
        {INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\"}"), "input[0].output"},
        {INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":7}"), "input[0].output"},
        {INPUT("{\"type\":\"item_reference\"}"), "input[0].id"},
    };

    (void)state;
    assert_refused(DIALECT_OPENAI_RESPONSES, cases, COUNT(cases));
}

static void every_place_that_holds_text_is_judged_in_its_role(void **state)
{
    static const struct body_case cases[] = {
        {"{\"model\":\"m\",\"input\":\"h\\u0069\",\"stream\":true,\"instructions\":\"be nice\"}",
         "user:hi\n;system:be nice\n;"},
        {"{\"prompt\":{\"id\":\"p\",\"version\":\"2\",\"variables\":{\"a\":\"b\",\"c\":{\"type\":\"input_text\","
         "\"text\":\"d\"}}}}",
         "system:b\nd\n;"},
        {"{\"model\":\"m\",\"previous_response_id\":\"r\",\"input\":null}", ""},
        {INPUT("{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"developer\",\"content\":\"b\"},{\"type\":\"message\","
               "\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":\"past\",\"phase\":"
               "\"commentary\"}"),
         "system:a\n;system:b\n;user:c\n;"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"forbidden-\"},{\"type\":"
               "\"input_image\",\"image_url\":\"https://h/x\",\"detail\":\"low\"},{\"type\":\"input_text\",\"text\":"
               "\"keyword\"}]}"),
         "user:forbidden-keyword\n;"},
        {INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"filename\":\"a.txt\",\"file_data\":"
               "\"data:text/plain;base64,aGVsbG8=\"},{\"type\":\"input_file\",\"file_url\":\"https://h/f.txt\"}]}"),
         "document:a.txt\nhello\nhttps://h/f.txt\n;"},
        {INPUT("{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\","
               "\"status\":\"completed\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"12 C\"}"),
         "tool:f\n;tool:12 C\n;"},
        {INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":\"input_text\",\"text\":"
               "\"a\"},{\"type\":\"input_file\",\"file_data\":\"aGVsbG8=\"}]}"),
         "tool:a\n;document:hello\n;"},
        {INPUT("{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"f\",\"input\":\"x y\"},{\"type\":"
               "\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":\"o\"}"),
         "tool:f\nx y\n;tool:o\n;"},
        {INPUT("{\"type\":\"computer_call_output\",\"call_id\":\"c\",\"output\":{\"type\":\"computer_screenshot\","
               "\"image_url\":\"data:image/png;base64,iVBORw0KGgo=\"}}"),
         ""},
        {INPUT("{\"type\":\"shell_call_output\",\"call_id\":\"c\",\"output\":[{\"stdout\":\"out\",\"stderr\":\"err\","
               "\"outcome\":{\"type\":\"exit\",\"exit_code\":0}}]}"),
         "tool:out\nerr\nexit\n;"},
        {INPUT("{\"type\":\"file_search_call\",\"id\":\"f\",\"status\":\"completed\",\"queries\":[\"q\"],\"results\":"
               "[{\"text\":\"found\",\"score\":1}]}"),
         "tool:q\nfound\n;"},
        {INPUT("{\"type\":\"code_interpreter_call\",\"id\":\"f\",\"code\":\"print()\",\"outputs\":[{\"type\":\"logs\","
               "\"logs\":\"42\"}]},{\"type\":\"mcp_call\",\"id\":\"m\",\"name\":\"n\",\"server_label\":\"s\","
               "\"arguments\":\"{}\",\"output\":\"said\"}"),
         "tool:print()\nlogs\n42\n;tool:n\ns\nsaid\n;"},
        {INPUT("{\"type\":\"image_generation_call\",\"id\":\"f\",\"status\":\"completed\",\"result\":\"iVBORw0KGgo=\"}"), ""},
        {INPUT("{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"t\"}],"
               "\"encrypted_content\":\"gAAA-BB\"},{\"type\":\"item_reference\",\"id\":\"i\"},{\"id\":\"i\"},"
               "{\"type\":\"compaction\",\"encrypted_content\":\"x y\"}"),
         "user:x y\n;"},
        {"{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"t\",\"description\":\"d\"}],"
         "\"text\":{\"format\":{\"type\":\"text\"}},\"extra\":\"judged\"}",
         "user:judged\n;user:x\n;"},
    };

    (void)state;
    assert_judged(DIALECT_OPENAI_RESPONSES, SCOPE_DEFAULT, cases, COUNT(cases));
}

static void the_assistant_is_judged_where_the_scope_says_so(void **state)
{
    static const struct body_case cases[] = {
        {INPUT("{\"role\":\"user\",\"content\":\"u\"},{\"type\":\"message\",\"id\":\"msg\",\"status\":\"completed\","
               "\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\",\"annotations\":[]},"
               "{\"type\":\"refusal\",\"refusal\":\"b\"}]}"),
         "assistant:ab\n;"},
    };

    (void)state;
    assert_judged(DIALECT_OPENAI_RESPONSES, SCOPE_ASSISTANT, cases, COUNT(cases));
}

static void what_is_not_judged_is_counted(void **state)
{
    (void)state;
    assert_status(STATUS_OK,
                  read_as(DIALECT_OPENAI_RESPONSES,
                          BYTES(INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"f\"},"
                                      "{\"type\":\"input_file\",\"file_id\":\"f\"},{\"type\":\"input_audio\","
                                      "\"input_audio\":{\"data\":\"UklGRuTX/v8=\",\"format\":\"wav\"}}]}")),
                          UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
    assert_int_equal(1, request.extracted.image_count);
    assert_int_equal(1, request.extracted.file_count);
    assert_int_equal(1, request.extracted.audio_count);
    assert_int_equal(0, request.extracted.segment_count);
}

/* Each of these may be read by some server and is known to no table. */
static void an_unknown_shape_is_scanned_or_refused_but_never_passed_over(void **state)
{
    static const char *const bodies[] = {
        INPUT("\"forbidden-keyword\""),
        INPUT("{\"text\":\"forbidden-keyword\"}"),
        INPUT("{\"type\":\"new_item\",\"said\":\"forbidden-keyword\"}"),
        INPUT("{\"type\":7,\"said\":\"forbidden-keyword\"}"),
        INPUT("{\"id\":\"i\",\"said\":\"forbidden-keyword\"}"),
        INPUT("{\"id\":\"a forbidden-keyword in an id\"}"),
        INPUT("{\"role\":\"wizard\",\"content\":\"forbidden-keyword\"}"),
        INPUT("{\"role\":\"user\",\"content\":{\"text\":\"forbidden-keyword\"}}"),
        INPUT("{\"role\":\"user\",\"content\":[\"forbidden-keyword\"]}"),
        INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"forbidden-\"},{\"type\":\"text\",\"text\":"
              "\"keyword\"}]}"),
        INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"x\",\"note\":\"forbidden-keyword\"}]}"),
        INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"a forbidden-keyword!\"}]}"),
        INPUT("{\"role\":\"user\",\"content\":\"x\",\"encrypted_content\":\"forbidden-keyword\"}"),
        INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":{\"said\":\"forbidden-keyword\"}}"),
        INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\",\"more\":\"forbidden-keyword\"}"),
        INPUT("{\"type\":\"reasoning\",\"id\":\"r\",\"said\":\"forbidden-keyword\"}"),
        INPUT("{\"type\":\"item_reference\",\"id\":\"i\",\"content\":\"forbidden-keyword\"}"),
    };

    (void)state;
    assert_scanned_or_refused(DIALECT_OPENAI_RESPONSES, "input[0]", bodies, COUNT(bodies));
}

static void a_model_may_be_left_to_the_stored_prompt(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_as(DIALECT_OPENAI_RESPONSES, BYTES("{\"prompt\":{\"id\":\"p\"},\"stream\":true}"),
                                     UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
    assert_null(request.model);
    assert_true(request.stream);
}

static void no_prefix_of_a_request_is_a_request(void **state)
{
    (void)state;
    assert_no_prefix_is_read(DIALECT_OPENAI_RESPONSES,
                             INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"h\\u00e9\"}]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_no_request_has_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_place_that_holds_text_is_judged_in_its_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_assistant_is_judged_where_the_scope_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_judged_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_shape_is_scanned_or_refused_but_never_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_may_be_left_to_the_stored_prompt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_prefix_of_a_request_is_a_request, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
