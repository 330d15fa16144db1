/* chat_request: what a chat may look like, what of it is judged, and that no shape hides a word. */
#include "support/body.h"
#include "support/file.h"
#include "support/unit.h"

#define VECTORS TEST_VECTORS "/json"
#define MESSAGES(messages) "{\"model\":\"m\",\"messages\":[" messages "]}"

static enum status read_scope(struct bytes body, enum unknown_choice unknown, unsigned scope, size_t text_bytes_max)
{
    return read_as(DIALECT_OPENAI_CHAT, body, unknown, scope, text_bytes_max);
}

static enum status read_body(const char *body, enum unknown_choice unknown)
{
    return read_scope(bytes_of(body), unknown, SCOPE_DEFAULT, TEXT_BYTES);
}

static void a_request_gives_model_messages_and_stream(void **state)
{
    (void)state;
    assert_status(STATUS_OK,
                  read_body("{\"stream\":true,\"model\":\"org\\/m\",\"messages\":[{\"role\":\"user\",\"content\":"
                            "\"hi\"}],\"n\":1}",
                            UNKNOWN_BLOCK));
    assert_true(request.stream);
    assert_true(json_string_is(&json, request.model, "org/m"));
    assert_int_equal(1, request.extracted.segment_count);
    assert_int_equal(3, request.extracted.text_bytes);
    assert_status(STATUS_OK,
                  read_body("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":null}",
                            UNKNOWN_BLOCK));
    assert_false(request.stream);
}

static void what_no_request_has_is_refused_with_its_place(void **state)
{
    static const struct body_case cases[] = {
        {"[]", ""},
        {"\"x\"", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "model"},
        {"{\"model\":7,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "model"},
        {"{\"model\":\"m\"}", "messages"},
        {"{\"model\":\"m\",\"messages\":\"hello\"}", "messages"},
        {"{\"model\":\"m\",\"messages\":{\"0\":{\"role\":\"user\",\"content\":\"x\"}}}", "messages"},
        {"{\"model\":\"m\",\"messages\":[]}", "messages"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":1}", "stream"},
        {MESSAGES("\"hello\""), "messages[0]"},
        {MESSAGES("{\"content\":\"x\"}"), "messages[0].role"},
        {MESSAGES("{\"role\":7,\"content\":\"x\"}"), "messages[0].role"},
        {MESSAGES("{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":7}"), "messages[1].content"},
        {MESSAGES("{\"role\":\"user\",\"content\":true}"), "messages[0].content"},
        {MESSAGES("{\"role\":\"user\",\"content\":null}"), "messages[0].content"},
        {MESSAGES("{\"role\":\"tool\",\"tool_call_id\":\"c\"}"), "messages[0].content"},
        {MESSAGES("{\"role\":\"user\",\"content\":\"x\",\"name\":7}"), "messages[0].name"},
        {MESSAGES("{\"role\":\"user\",\"content\":[7]}"), "messages[0].content[0]"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"text\"}]}"),
         "messages[0].content[1].text"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":7}]}"), "messages[0].content[0].text"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":7}}]}"),
         "messages[0].content[0].image_url.url"},
        {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":7}"), "messages[0].tool_calls"},
        {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":7}}]}"),
         "messages[0].tool_calls[0].function.arguments"},
    };

    (void)state;
    assert_refused(DIALECT_OPENAI_CHAT, cases, sizeof cases / sizeof cases[0]);
}

static void an_unknown_role_with_content_of_no_type_is_refused_either_way(void **state)
{
    static const char body[] = MESSAGES("{\"role\":\"wizard\",\"content\":7}");

    (void)state;
    assert_status(STATUS_MALFORMED, read_body(body, UNKNOWN_SCAN));
    assert_string_equal("messages[0].content", problem.path);
    assert_status(STATUS_UNSUPPORTED, read_body(body, UNKNOWN_BLOCK));
    assert_string_equal("messages[0].role", problem.path);
}

static void what_is_not_json_is_refused_as_that(void **state)
{
    (void)state;
    assert_status(STATUS_MALFORMED, read_body("", UNKNOWN_SCAN));
    assert_int_equal(ERROR_INVALID_JSON, problem.kind);
    assert_status(STATUS_DUPLICATE, read_body("{\"model\":\"m\",\"mod\\u0065l\":\"n\"}", UNKNOWN_SCAN));
    assert_int_equal(ERROR_INVALID_JSON, problem.kind);
    assert_string_equal("the body has a key twice in one object (at byte 14)", problem.sentence);
    assert_status(STATUS_TOO_LARGE,
                  read_body("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", UNKNOWN_SCAN));
    assert_int_equal(ERROR_INVALID_JSON, problem.kind);
}

static void every_place_that_holds_text_is_judged_in_its_role(void **state)
{
    static const struct body_case cases[] = {
        {MESSAGES("{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"developer\",\"content\":\"b\"},"
                  "{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"tool\",\"tool_call_id\":\"i\",\"content\":\"d\"},"
                  "{\"role\":\"function\",\"name\":\"f\",\"content\":\"e\"}"),
         "system:a\n;system:b\n;user:c\n;tool:d\n;tool:f\ne\n;"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"forbidden-\"},"
                  "{\"type\":\"text\",\"text\":\"keyword\",\"cache_control\":{\"type\":\"ephemeral\"}}]}"),
         "user:forbidden-keyword\n;"},
        {MESSAGES("{\"role\":\"user\",\"name\":\"Ann\",\"content\":\"\\u0068i\"}"), "user:Ann\nhi\n;"},
        {MESSAGES("{\"role\":\"user\",\"content\":\"\\ud800 x\"}"), "user:\xEF\xBF\xBD x\n;"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.txt\",\"file_data\":"
                  "\"data:text/plain;base64,aGVsbG8=\"}},{\"type\":\"text\",\"text\":\"see\"}]}"),
         "user:see\n;document:a.txt\nhello\n;"},
        {MESSAGES("{\"role\":\"user\",\"content\":[]}"), ""},
        {MESSAGES("{\"role\":\"assistant\",\"content\":\"past\",\"refusal\":\"no\"}"), ""},
        {MESSAGES(
             "{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"annotations\":[],\"audio\":null,"
             "\"reasoning_content\":\"r\",\"tool_calls\":[{\"id\":\"i\",\"type\":\"function\",\"index\":0,\"function\":"
             "{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"j\",\"type\":\"custom\",\"custom\":"
             "{\"name\":\"g\",\"input\":\"text\"}}]}"),
         "tool:f\ng\ntext\n;"},
        {"{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\",\"description\":\"d\"}}],"
         "\"user\":\"u\",\"stop\":[\"s\"],\"metadata\":{\"a\":\"b\"},\"temperature\":1.0,"
         "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
         "user:x\n;"},
        {"{\"model\":\"m\",\"prompt\":\"legacy\",\"documents\":[{\"text\":\"doc\"}],\"top_k\":4,"
         "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
         "user:legacy\ndoc\n;user:x\n;"},
    };

    (void)state;
    assert_judged(DIALECT_OPENAI_CHAT, SCOPE_DEFAULT, cases, sizeof cases / sizeof cases[0]);
}

static void the_assistant_is_judged_where_the_scope_says_so(void **state)
{
    static const char body[] =
        MESSAGES("{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":"
                 "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"refusal\",\"refusal\":\"b\"}],\"refusal\":\"c\"}");

    (void)state;
    assert_status(STATUS_OK, read_scope(BYTES(body), UNKNOWN_BLOCK, SCOPE_ASSISTANT, TEXT_BYTES));
    assert_bytes("assistant:abc\n;", buffer_view(&segments.text));
    assert_status(STATUS_OK, read_scope(BYTES(body), UNKNOWN_BLOCK, SCOPE_ASSISTANT | SCOPE_USER, TEXT_BYTES));
    assert_bytes("user:u\n;assistant:abc\n;", buffer_view(&segments.text));
    assert_status(STATUS_OK, read_scope(BYTES(body), UNKNOWN_BLOCK, 0, TEXT_BYTES));
    assert_int_equal(0, request.extracted.segment_count);
}

static void what_is_not_judged_is_counted(void **state)
{
    (void)state;
    assert_status(
        STATUS_OK,
        read_body(MESSAGES("{\"role\":\"user\",\"content\":["
                           "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://h/x.png\",\"detail\":\"low\"}},"
                           "{\"type\":\"image_url\",\"image_url\":\"https://h/y.png\"},"
                           "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklGRuTX/v8=\",\"format\":\"wav\"}},"
                           "{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}"),
                  UNKNOWN_BLOCK));
    assert_int_equal(2, request.extracted.image_count);
    assert_int_equal(1, request.extracted.audio_count);
    assert_int_equal(1, request.extracted.file_count);
    assert_int_equal(0, request.extracted.segment_count);
}

/* Each of these may be read by some server and is known to no table. */
static void an_unknown_shape_is_scanned_or_refused_but_never_passed_over(void **state)
{
    static const char *const bodies[] = {
        MESSAGES("{\"role\":\"wizard\",\"content\":\"forbidden-keyword\"}"),
        MESSAGES("{\"role\":\"wizard\",\"content\":[{\"type\":\"text\",\"text\":\"forbidden-\"},"
                 "{\"type\":\"text\",\"text\":\"keyword\"}]}"),
        MESSAGES("{\"role\":\"forbidden-keyword\",\"content\":\"x\"}"),
        MESSAGES("{\"role\":\"user\",\"content\":{\"text\":\"forbidden-keyword\"}}"),
        MESSAGES("{\"role\":\"user\",\"content\":[\"forbidden-keyword\"]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[[\"forbidden-keyword\"]]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"text\":\"forbidden-keyword\"}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":7,\"text\":\"forbidden-keyword\"}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"forbidden-\"},"
                 "{\"type\":\"input_text\",\"text\":\"keyword\"}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\",\"note\":\"forbidden-keyword\"}]}"),
        MESSAGES(
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\",\"refusal\":\"forbidden-keyword\"}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":[\"forbidden-keyword\"]}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://h/\","
                 "\"alt\":\"forbidden-keyword\"}}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"a "
                 "forbidden-keyword!\"}}]}"),
        MESSAGES("{\"role\":\"user\",\"content\":\"x\",\"context\":\"forbidden-keyword\"}"),
        MESSAGES("{\"role\":\"user\",\"content\":\"x\",\"reasoning_content\":\"forbidden-keyword\"}"),
        MESSAGES("{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[{\"function\":{\"arguments\":\"forbidden-"
                 "keyword\"}}]}"),
        MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":"
                 "\"forbidden-keyword\"}}}]}"),
        MESSAGES("{\"role\":\"assistant\",\"content\":\"\",\"thoughts\":[\"forbidden-keyword\"]}"),
        MESSAGES("{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"forbidden-keyword in an id that is longer "
                 "than any id may be\"}"),
    };

    (void)state;
    assert_scanned_or_refused(DIALECT_OPENAI_CHAT, "messages[0]", bodies, sizeof bodies / sizeof bodies[0]);
}

static void unknown_text_is_judged_whatever_the_scope_is(void **state)
{
    (void)state;
    assert_status(
        STATUS_OK,
        read_scope(BYTES("{\"model\":\"m\",\"prompt\":\"p\",\"messages\":[{\"role\":\"wizard\",\"content\":\"w\"},"
                         "{\"role\":\"assistant\",\"content\":\"x\",\"extra\":\"e\"}]}"),
                   UNKNOWN_SCAN, SCOPE_SYSTEM, TEXT_BYTES));
    assert_bytes("user:p\n;user:w\n;user:wizard\n;user:e\n;", buffer_view(&segments.text));
}

static void messages_are_bounded_in_number(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, MIB);
    for (size_t count = MESSAGES_MAX; count <= MESSAGES_MAX + 1; count++) {
        buffer_clear(&body);
        assert_status(STATUS_OK, buffer_append_text(&body, "{\"model\":\"m\",\"messages\":["));
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_format(&body, "%s{\"role\":\"user\",\"content\":\"x\"}",
                                                          index == 0 ? "" : ","));
        }
        assert_status(STATUS_OK, buffer_append_text(&body, "]}"));
        assert_status(count == MESSAGES_MAX ? STATUS_OK : STATUS_MALFORMED,
                      read_scope(buffer_view(&body), UNKNOWN_SCAN, SCOPE_DEFAULT, TEXT_BYTES));
    }
    assert_string_equal("messages", problem.path);
    buffer_free(&body);
}

static void text_is_bounded_and_never_cut(void **state)
{
    static const char body[] =
        MESSAGES("{\"role\":\"user\",\"content\":\"12345\"},{\"role\":\"user\",\"content\":\"678\"}");

    (void)state;
    assert_status(STATUS_OK, read_scope(BYTES(body), UNKNOWN_SCAN, SCOPE_DEFAULT, 10));
    assert_int_equal(10, request.extracted.text_bytes);
    assert_status(STATUS_TOO_LARGE, read_scope(BYTES(body), UNKNOWN_SCAN, SCOPE_DEFAULT, 9));
    assert_int_equal(ERROR_PROMPT_TOO_LONG, problem.kind);
    assert_null(problem_param(&problem));
}

static void segments_are_bounded_by_their_taker(void **state)
{
    static const char body[] = MESSAGES("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}");

    (void)state;
    segments.count_max = 2;
    assert_status(STATUS_OK, read_body(body, UNKNOWN_SCAN));
    segments.count_max = 1;
    assert_status(STATUS_FULL, read_body(body, UNKNOWN_SCAN));
    assert_int_equal(ERROR_PROMPT_TOO_LONG, problem.kind);
}

static void no_prefix_of_a_request_is_a_request(void **state)
{
    static const char body[] = MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\"}]},"
                                        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\"}]}");

    (void)state;
    assert_no_prefix_is_read(DIALECT_OPENAI_CHAT, body);
}

/* What the manifest calls reject is refused; where the keyword stands in a body that is let in, it is in the text. */
static void the_corpus_hides_no_keyword(void **state)
{
    static const char *const split = "pg/split-messages.json"; /* over two messages: each is judged by itself */
    struct bytes manifest = file_read(VECTORS, "manifest.tsv");
    struct bytes rest = manifest;
    size_t let_in = 0;
    char name[256];

    (void)state;
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        struct bytes file = file_next_field(&line);
        struct bytes verdict = file_next_field(&line);
        struct bytes body;

        if (!bytes_starts_with(file, BYTES("pg/"))) {
            continue;
        }
        assert_status(STATUS_OK, bytes_copy(file, name, sizeof name));
        body = file_read(VECTORS, name);
        for (int unknown = UNKNOWN_SCAN; unknown <= UNKNOWN_BLOCK; unknown++) {
            enum status status = read_scope(body, (enum unknown_choice)unknown, SCOPE_DEFAULT, TEXT_BYTES);
            bool found = holds_keyword(buffer_view(&segments.text));

            assert_true(status != STATUS_OK || !bytes_equal(verdict, BYTES("reject")));
            if (bytes_equal(verdict, BYTES("block"))) {
                assert_true(status == STATUS_OK && found);
            }
            if (bytes_equal(verdict, BYTES("scan"))) {
                assert_true(unknown == UNKNOWN_SCAN ? status == STATUS_OK && found : status != STATUS_OK);
            }
            if (status == STATUS_OK && holds_keyword(body)) {
                assert_true(found);
            }
            let_in += status == STATUS_OK ? 1 : 0;
        }
        if (strcmp(name, split) == 0) {
            assert_bytes("user:forbidden-\n;user:keyword\n;", buffer_view(&segments.text));
        }
        free((char *)(uintptr_t)body.data);
    }
    assert_true(let_in >= 12);
    free((char *)(uintptr_t)manifest.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_gives_model_messages_and_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_request_has_is_refused_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_role_with_content_of_no_type_is_refused_either_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_json_is_refused_as_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_place_that_holds_text_is_judged_in_its_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_assistant_is_judged_where_the_scope_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_judged_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_shape_is_scanned_or_refused_but_never_passed_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unknown_text_is_judged_whatever_the_scope_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_are_bounded_in_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_is_bounded_and_never_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_are_bounded_by_their_taker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_prefix_of_a_request_is_a_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_corpus_hides_no_keyword, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
