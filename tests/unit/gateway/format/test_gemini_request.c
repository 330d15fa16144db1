/* gemini_request: what a request of the Gemini API may look like, what of it is judged, and that no shape hides a word. */
#include "support/body.h"

#define CONTENTS(contents) "{\"contents\":[" contents "]}"
#define PARTS(parts) CONTENTS("{\"role\":\"user\",\"parts\":[" parts "]}")
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void what_no_request_has_is_refused_with_its_place(void **state)
{
    static const struct body_case cases[] = {
        {"{\"model\":\"m\"}", "contents"},
        {"{\"contents\":null}", "contents"},
        {"{\"contents\":[]}", "contents"},
        {"{\"contents\":\"hello\"}", "contents"},
        {"{\"contents\":[{\"parts\":[]}],\"systemInstruction\":7}", "systemInstruction"},
        {"{\"generateContentRequest\":[]}", "generateContentRequest"},
        {"{\"generateContentRequest\":{},\"generate_content_request\":{}}", "generateContentRequest"},
        {CONTENTS("\"hello\""), "contents[0]"},
        {CONTENTS("{\"role\":7,\"parts\":[]}"), "contents[0].role"},
        {CONTENTS("{\"parts\":7}"), "contents[0].parts"},
        {PARTS("7"), "contents[0].parts[0]"},
        {PARTS("{\"text\":7}"), "contents[0].parts[0].text"},
        {PARTS("{\"inlineData\":7}"), "contents[0].parts[0].inlineData"},
        {PARTS("{\"inline_data\":{\"data\":7}}"), "contents[0].parts[0].inline_data.data"},
        {PARTS("{\"inlineData\":{\"data\":\"eA==\",\"mimeType\":\"image/png\",\"mime_type\":\"text/plain\"}}"),
         "contents[0].parts[0].inlineData.mimeType"},
        {PARTS("{\"functionResponse\":{\"name\":\"f\",\"parts\":[{\"text\":7}]}}"),
         "contents[0].parts[0].functionResponse.parts[0].text"},
        {"{\"generateContentRequest\":{\"contents\":[{\"parts\":[{\"text\":7}]}]}}",
         "generateContentRequest.contents[0].parts[0].text"},
    };

    (void)state;
    assert_refused(DIALECT_GEMINI_CHAT, cases, COUNT(cases));
}

static void every_place_that_holds_text_is_judged_in_its_role(void **state)
{
    static const struct body_case cases[] = {
        {"{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"systemInstruction\":{\"role\":\"user\",\"parts\":[{\"text\":"
         "\"be nice\"}]},\"generationConfig\":{\"stopSequences\":[\"s\"]},\"tools\":[{\"functionDeclarations\":[{\"name\":"
         "\"f\",\"description\":\"d\"}]}],\"safetySettings\":[],\"extra\":\"e\"}",
         "user:e\n;user:hi\n;system:be nice\n;"},
        {"{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"system_instruction\":{\"parts\":[{\"text\":\"a\"},{\"text\":"
         "\"b\"}]},\"generation_config\":{\"stop_sequences\":[\"s\"]}}",
         "user:hi\n;system:ab\n;"},
        {"{\"systemInstruction\":\"be nice\",\"contents\":[{\"parts\":[\"hi\"]}]}", "system:be nice\n;user:hi\n;"},
        {PARTS("{\"text\":\"forb\"},{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}},{\"text\":"
               "\"idden\"}"),
         "user:forbidden\n;"},
        {PARTS("{\"inline_data\":{\"mime_type\":\"text/plain\",\"data\":\"aGVsbG8=\"}},{\"fileData\":{\"mimeType\":"
               "\"text/plain\",\"fileUri\":\"https://h/f\"}}"),
         "document:hello\nhttps://h/f\n;"},
        {PARTS("{\"text\":\"thought of a user\",\"thought\":true}"), "user:thought of a user\n;"},
        {PARTS("{\"functionResponse\":{\"id\":\"i\",\"name\":\"f\",\"response\":{\"output\":\"12 C\",\"more\":[\"sun\"]},"
               "\"parts\":[{\"inlineData\":{\"mimeType\":\"text/csv\",\"data\":\"aGVsbG8=\"}}]}}"),
         "tool:f\n12 C\nsun\n;document:hello\n;"},
        {CONTENTS("{\"role\":\"function\",\"parts\":[{\"function_response\":{\"name\":\"f\",\"response\":{\"output\":"
                  "\"12 C\"}}}]}"),
         "tool:f\n12 C\n;"},
        {CONTENTS("{\"role\":\"model\",\"parts\":[{\"text\":\"past\"},{\"text\":\"t\",\"thought\":true,"
                  "\"thoughtSignature\":\"eA==\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"b c\"}}},{"
                  "\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"print()\"}},{\"codeExecutionResult\":{"
                  "\"outcome\":\"OUTCOME_OK\",\"output\":\"42\"}}]}"),
         "tool:f\nb c\nprint()\n42\n;"},
        {"{\"generateContentRequest\":{\"model\":\"models/m\",\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],"
         "\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]},\"extra\":\"e\"}}",
         "user:e\n;user:hi\n;system:s\n;"},
    };

    (void)state;
    assert_judged(DIALECT_GEMINI_CHAT, SCOPE_DEFAULT, cases, COUNT(cases));
}

static void the_model_is_judged_where_the_scope_says_so(void **state)
{
    static const struct body_case cases[] = {
        {CONTENTS("{\"role\":\"user\",\"parts\":[{\"text\":\"u\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"a\"},{"
                  "\"text\":\"t\",\"thought\":true},{\"text\":\"b\",\"thought\":false}]}"),
         "assistant:ab\n;"},
    };

    (void)state;
    assert_judged(DIALECT_GEMINI_CHAT, SCOPE_ASSISTANT, cases, COUNT(cases));
}

static void what_is_not_judged_is_counted(void **state)
{
    (void)state;
    assert_status(STATUS_OK,
                  read_as(DIALECT_GEMINI_CHAT,
                          BYTES(PARTS("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}},{"
                                      "\"inlineData\":{\"mimeType\":\"audio/mp3\",\"data\":\"SUQzBAA=\"}},{"
                                      "\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"//79\"}}")),
                          UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
    assert_int_equal(1, request.extracted.image_count);
    assert_int_equal(1, request.extracted.audio_count);
    assert_int_equal(1, request.extracted.file_count);
    assert_int_equal(0, request.extracted.segment_count);
}

/* Each of these may be read by some server and is known to no table. */
static void an_unknown_shape_is_scanned_or_refused_but_never_passed_over(void **state)
{
    static const char *const bodies[] = {
        CONTENTS("{\"role\":\"wizard\",\"parts\":[{\"text\":\"forbidden-keyword\"}]}"),
        CONTENTS("{\"role\":\"forbidden-keyword\",\"parts\":[]}"),
        CONTENTS("{\"parts\":{\"text\":\"forbidden-keyword\"}}"),
        CONTENTS("{\"parts\":[],\"note\":\"forbidden-keyword\"}"),
        PARTS("{\"words\":\"forbidden-keyword\"}"),
        PARTS("{\"text\":[\"forbidden-keyword\"]}"),
        PARTS("{\"thought\":\"forbidden-keyword\"}"),
        PARTS("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"forbidden-keyword\"}}}"),
        PARTS("{\"executable_code\":{\"code\":\"forbidden-keyword\"}}"),
        PARTS("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"eA==\",\"alt\":\"forbidden-keyword\"}}"),
        PARTS("{\"inlineData\":{\"mimeType\":\"text/plain\",\"data\":\"a forbidden-keyword!\"}}"),
        PARTS("{\"inlineData\":{\"mimeType\":\"a forbidden-keyword\",\"data\":\"eA==\"}}"),
        PARTS("{\"functionResponse\":{\"name\":\"f\",\"said\":\"forbidden-keyword\"}}"),
    };

    (void)state;
    assert_scanned_or_refused(DIALECT_GEMINI_CHAT, "contents[0]", bodies, COUNT(bodies));
}

static void what_a_function_returned_is_judged_even_when_it_looks_like_base64(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, 4 * KIB);
    assert_status(STATUS_OK, buffer_append_format(
                                 &body, PARTS("{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"%0*d\"}}}"),
                                 BASE64_RUN_BYTES_MIN, 0));
    assert_status(STATUS_OK,
                  read_as(DIALECT_GEMINI_CHAT, buffer_view(&body), UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
    assert_int_equal(BASE64_RUN_BYTES_MIN + 1 + 2, request.extracted.text_bytes);
    buffer_free(&body);
}

static void no_prefix_of_a_request_is_a_request(void **state)
{
    (void)state;
    assert_no_prefix_is_read(DIALECT_GEMINI_CHAT, PARTS("{\"text\":\"h\\u00e9\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_no_request_has_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_place_that_holds_text_is_judged_in_its_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_model_is_judged_where_the_scope_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_judged_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_shape_is_scanned_or_refused_but_never_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_function_returned_is_judged_even_when_it_looks_like_base64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_prefix_of_a_request_is_a_request, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
