/* claude_request: what a request of the Messages API may look like, what of it is judged, and that no shape hides a word. */
#include "support/body.h"

#define MESSAGES(messages) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" messages "]}"
#define USER(blocks) MESSAGES("{\"role\":\"user\",\"content\":[" blocks "]}")
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void what_no_request_has_is_refused_with_its_place(void **state)
{
    static const struct body_case cases[] = {
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "model"},
        {"{\"model\":\"m\"}", "messages"},
        {"{\"model\":\"m\",\"messages\":[]}", "messages"},
        {"{\"model\":\"m\",\"stream\":1,\"messages\":[]}", "stream"},
        {"{\"model\":\"m\",\"system\":7,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "system"},
        {MESSAGES("\"hello\""), "messages[0]"},
        {MESSAGES("{\"content\":\"x\"}"), "messages[0].role"},
        {MESSAGES("{\"role\":7,\"content\":\"x\"}"), "messages[0].role"},
        {MESSAGES("{\"role\":\"user\"}"), "messages[0].content"},
        {MESSAGES("{\"role\":\"user\",\"content\":7}"), "messages[0].content"},
        {USER("7"), "messages[0].content[0]"},
        {USER("{\"type\":\"text\"}"), "messages[0].content[0].text"},
        {USER("{\"type\":\"text\",\"text\":7}"), "messages[0].content[0].text"},
        {USER("{\"type\":\"image\"}"), "messages[0].content[0].source"},
        {USER("{\"type\":\"image\",\"source\":7}"), "messages[0].content[0].source"},
        {USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":7}}"), "messages[0].content[0].source.data"},
        {USER("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":7}"), "messages[0].content[0].content"},
        {USER("{\"type\":\"tool_result\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":"
              "[{\"type\":\"text\",\"text\":7}]}}]}"),
         "messages[0].content[0].content[0].source.content[0].text"},
    };

    (void)state;
    assert_refused(DIALECT_CLAUDE_CHAT, cases, COUNT(cases));
}

static void every_place_that_holds_text_is_judged_in_its_role(void **state)
{
    static const struct body_case cases[] = {
        {"{\"model\":\"m\",\"system\":\"be nice\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
         "\"metadata\":{\"user_id\":\"u\"},\"tools\":[{\"name\":\"t\",\"description\":\"d\"}],\"stop_sequences\":[\"s\"]}",
         "system:be nice\n;user:hi\n;"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":[{\"type\":\"text\",\"text\":"
         "\"for\"},{\"type\":\"text\",\"text\":\"bidden\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"extra\":\"e\"}",
         "user:e\n;user:hi\n;system:forbidden\n;"},
        {USER("{\"type\":\"text\",\"text\":\"forb\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"12 C\","
              "\"is_error\":false},{\"type\":\"text\",\"text\":\"idden\"}"),
         "user:forbidden\n;tool:12 C\n;"},
        {USER("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
              "\"text\",\"text\":\"b\"},{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[{\"type\":"
              "\"text\",\"text\":\"c\"}]},{\"type\":\"tool_reference\",\"tool_name\":\"n\"}]}"),
         "tool:ab\ns\nt\nc\nn\n;"},
        {USER("{\"type\":\"document\",\"title\":\"t\",\"context\":\"c\",\"citations\":{\"enabled\":true},\"source\":{"
              "\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"words\"}},{\"type\":\"text\",\"text\":\"see\"}"),
         "user:see\n;document:t\nc\nwords\n;"},
        {USER("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
              "\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://h/x\"}},{\"type\":\"text\",\"text\":"
              "\"b\"}]}},{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":\"c\"}}"),
         "document:abc\n;"},
        {USER("{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"text\\/plain\",\"data\":"
              "\"aGVsbG8=\"}}"),
         "document:hello\n;"},
        {USER("{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"web_search_result\","
              "\"title\":\"found\",\"url\":\"https://h\"}]}"),
         "tool:web_search_result\nfound\nhttps://h\n;"},
        {USER("{\"type\":\"mid_conv_system\",\"content\":[{\"type\":\"text\",\"text\":\"s\"}]}"), "system:s\n;"},
        {MESSAGES("{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"assistant\",\"content\":\"past\"}"),
         "system:s\n;"},
        {MESSAGES("{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{"
                  "\"type\":\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\","
                  "\"input\":{\"a\":\"b\"}},{\"type\":\"server_tool_use\",\"id\":\"i\",\"name\":\"m\",\"input\":{}}]}"),
         "tool:n\nb\nm\n;"},
    };

    (void)state;
    assert_judged(DIALECT_CLAUDE_CHAT, SCOPE_DEFAULT, cases, COUNT(cases));
}

static void the_assistant_is_judged_where_the_scope_says_so(void **state)
{
    static const struct body_case cases[] = {
        {MESSAGES("{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":"
                  "\"a\"},{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":"
                  "\"b\"}]},{\"role\":\"assistant\",\"content\":\"c\"}"),
         "assistant:ab\n;assistant:c\n;"},
    };

    (void)state;
    assert_judged(DIALECT_CLAUDE_CHAT, SCOPE_ASSISTANT, cases, COUNT(cases));
}

static void what_is_not_judged_is_counted(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_as(DIALECT_CLAUDE_CHAT,
                                     BYTES(USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
                                                "\"image/png\",\"data\":\"iVBORw0KGgo=\"}},{\"type\":\"document\",\"source\":{"
                                                "\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":"
                                                "\"//79\"}},{\"type\":\"image\",\"source\":{\"type\":\"file\","
                                                "\"file_id\":\"f\"}},{\"type\":\"container_upload\",\"file_id\":\"f\"}")),
                                     UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
    assert_int_equal(2, request.extracted.image_count);
    assert_int_equal(2, request.extracted.file_count);
    assert_int_equal(0, request.extracted.segment_count);
}

/* Each of these may be read by some server and is known to no table. */
static void an_unknown_shape_is_scanned_or_refused_but_never_passed_over(void **state)
{
    static const char *const bodies[] = {
        MESSAGES("{\"role\":\"wizard\",\"content\":\"forbidden-keyword\"}"),
        MESSAGES("{\"role\":\"forbidden-keyword\",\"content\":\"x\"}"),
        MESSAGES("{\"role\":\"user\",\"content\":{\"text\":\"forbidden-keyword\"}}"),
        MESSAGES("{\"role\":\"user\",\"content\":\"x\",\"name\":\"forbidden-keyword\"}"),
        USER("\"forbidden-keyword\""),
        USER("{\"text\":\"forbidden-keyword\"}"),
        USER("{\"type\":\"input_text\",\"text\":\"forbidden-\"},{\"type\":\"input_text\",\"text\":\"keyword\"}"),
        USER("{\"type\":\"text\",\"text\":\"x\",\"note\":\"forbidden-keyword\"}"),
        USER("{\"type\":\"thinking\",\"thinking\":\"forbidden-keyword\"}"),
        USER("{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":{\"a\":\"forbidden-keyword\"}}"),
        USER("{\"type\":\"image\",\"source\":{\"type\":\"text\",\"data\":\"forbidden-keyword\"}}"),
        USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"a forbidden-keyword!\"}}"),
        USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"a forbidden-keyword!\"}}"),
        USER("{\"type\":\"document\",\"source\":{\"type\":\"new\",\"words\":\"forbidden-keyword\"}}"),
        USER("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://h\",\"data\":\"forbidden-keyword\"}}"),
        USER("{\"type\":\"tool_result\",\"content\":[{\"type\":\"video\",\"caption\":\"forbidden-keyword\"}]}"),
        USER("{\"type\":\"tool_result\",\"tool_use_id\":\"a forbidden-keyword in an id\"}"),
        USER("{\"type\":\"search_result\",\"content\":[{\"type\":\"image\",\"alt\":\"forbidden-keyword\"}]}"),
    };

    (void)state;
    assert_scanned_or_refused(DIALECT_CLAUDE_CHAT, "messages[0]", bodies, COUNT(bodies));
}

static void no_prefix_of_a_request_is_a_request(void **state)
{
    (void)state;
    assert_no_prefix_is_read(DIALECT_CLAUDE_CHAT, USER("{\"type\":\"text\",\"text\":\"h\\u00e9\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_no_request_has_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_place_that_holds_text_is_judged_in_its_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_assistant_is_judged_where_the_scope_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_judged_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_shape_is_scanned_or_refused_but_never_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_prefix_of_a_request_is_a_request, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
