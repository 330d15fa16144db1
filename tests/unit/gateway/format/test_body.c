/* body: what is wrong before any dialect looks, and bounds that hold in every dialect. */
#include "support/body.h"

static enum status read_plain(int dialect, const char *body)
{
    return read_as((enum dialect)dialect, bytes_of(body), UNKNOWN_SCAN, SCOPE_DEFAULT, TEXT_BYTES);
}

static void what_is_not_json_is_refused_as_that_in_every_dialect(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        assert_status(STATUS_MALFORMED, read_plain(dialect, ""));
        assert_int_equal(ERROR_INVALID_JSON, problem.kind);
        assert_status(STATUS_DUPLICATE, read_plain(dialect, "{\"model\":\"m\",\"mod\\u0065l\":\"n\"}"));
        assert_int_equal(ERROR_INVALID_JSON, problem.kind);
        assert_status(STATUS_TOO_LARGE,
                      read_plain(dialect, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["));
        assert_int_equal(ERROR_INVALID_JSON, problem.kind);
    }
}

static void a_body_is_an_object_in_every_dialect(void **state)
{
    static const char *const bodies[] = {"[]", "\"x\"", "7", "null", "{}", "{\"model\":\"m\"}"};

    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        for (size_t index = 0; index < sizeof bodies / sizeof bodies[0]; index++) {
            assert_status(STATUS_MALFORMED, read_plain(dialect, bodies[index]));
            assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
        }
    }
}

#define IN(dialect, before, after) [dialect] = {before, after}

/* Where a part of a user's message stands in each dialect. */
static const struct {
    const char *before, *after;
} frames[DIALECT_COUNT] = {
    IN(DIALECT_OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[", "]}]}"),
    IN(DIALECT_OPENAI_RESPONSES, "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[", "]}]}"),
    IN(DIALECT_CLAUDE_CHAT, "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[", "]}]}"),
    IN(DIALECT_GEMINI_CHAT, "{\"contents\":[{\"parts\":[", "]}]}"),
};

static enum status read_part(enum dialect dialect, const char *part, enum unknown_choice unknown, enum images_choice images)
{
    struct buffer body;
    enum status status;

    buffer_init(&body, 4 * KIB);
    assert_status(STATUS_OK, buffer_append_text(&body, frames[dialect].before));
    assert_status(STATUS_OK, buffer_append_text(&body, part));
    assert_status(STATUS_OK, buffer_append_text(&body, frames[dialect].after));
    status = read_with(dialect, buffer_view(&body), unknown,
                       (struct extract_options){.scope_roles = SCOPE_DEFAULT, .text_bytes_max = TEXT_BYTES, .images = images});
    buffer_free(&body);
    return status;
}

static void what_cannot_be_judged_is_counted_or_refused_in_every_dialect(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *part;
        const char *path; /* of the refusal */
    } cases[] = {
        {DIALECT_OPENAI_CHAT, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://h/x\"}}",
         "messages[0].content[0].image_url.url"},
        {DIALECT_OPENAI_CHAT, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"//79\",\"format\":\"mp3\"}}",
         "messages[0].content[0].input_audio.data"},
        {DIALECT_OPENAI_CHAT, "{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}", "messages[0].content[0].file.file_id"},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"input_image\",\"image_url\":\"https://h/x\"}",
         "input[0].content[0].image_url"},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"//79\",\"format\":\"mp3\"}}",
         "input[0].content[0].input_audio.data"},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"input_file\",\"file_url\":\"https://h/x\"}", "input[0].content[0].file_url"},
        {DIALECT_CLAUDE_CHAT, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://h/x\"}}",
         "messages[0].content[0].source.url"},
        {DIALECT_CLAUDE_CHAT,
         "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"//79\"}}",
         "messages[0].content[0].source"},
        {DIALECT_CLAUDE_CHAT, "{\"type\":\"container_upload\",\"file_id\":\"f\"}", "messages[0].content[0].file_id"},
        {DIALECT_GEMINI_CHAT, "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"iVBORw0KGgo=\"}}",
         "contents[0].parts[0].inlineData"},
        {DIALECT_GEMINI_CHAT, "{\"inlineData\":{\"mimeType\":\"audio/mp3\",\"data\":\"SUQzBAA=\"}}",
         "contents[0].parts[0].inlineData"},
        {DIALECT_GEMINI_CHAT, "{\"fileData\":{\"fileUri\":\"https://h/x\"}}", "contents[0].parts[0].fileData.fileUri"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        assert_status(STATUS_OK, read_part(cases[index].dialect, cases[index].part, UNKNOWN_BLOCK, IMAGES_ALLOW));
        assert_int_equal(1, extract_unjudged(&request.extracted));
        assert_status(STATUS_UNSUPPORTED, read_part(cases[index].dialect, cases[index].part, UNKNOWN_SCAN, IMAGES_BLOCK));
        assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
        assert_string_equal(cases[index].path, problem.path);
    }
}

static void a_shape_that_nobody_knows_is_scanned_or_refused_in_every_dialect(void **state)
{
    static const char part[] = "{\"type\":\"new\",\"new\":{\"words\":[\"forbidden-keyword\"],\"a forbidden key\":1}}";

    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        assert_status(STATUS_OK, read_part((enum dialect)dialect, part, UNKNOWN_SCAN, IMAGES_BLOCK));
        assert_true(holds_keyword(buffer_view(&segments.text)));
        assert_non_null(memmem(segments.text.data, segments.text.count, "a forbidden key", 15));
        assert_status(STATUS_UNSUPPORTED, read_part((enum dialect)dialect, part, UNKNOWN_BLOCK, IMAGES_ALLOW));
        assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
    }
}

/* Beside all that a table knows, base64 is refused too: nobody knows what it is. */
static void a_run_of_base64_beside_the_messages_is_refused_with_the_images(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, 4 * KIB);
    assert_status(STATUS_OK, buffer_append_format(&body, "{\"contents\":[{\"parts\":[]}],\"extra\":\"a%0*d\"}",
                                                  BASE64_RUN_BYTES_MIN, 0));
    for (int images = IMAGES_ALLOW; images <= IMAGES_BLOCK; images++) {
        assert_status(images == IMAGES_ALLOW ? STATUS_OK : STATUS_UNSUPPORTED,
                      read_with(DIALECT_GEMINI_CHAT, buffer_view(&body), UNKNOWN_SCAN,
                                (struct extract_options){.scope_roles = SCOPE_DEFAULT, .text_bytes_max = TEXT_BYTES,
                                                         .images = (enum images_choice)images}));
    }
    assert_string_equal("", problem.path);
    buffer_free(&body);
}

static void since_the_last_assistant_what_stands_before_it_is_not_judged(void **state)
{
    static const char *const bodies[DIALECT_COUNT] = {
        [DIALECT_OPENAI_CHAT] =
            "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"old\"},"
            "{\"role\":\"assistant\",\"content\":\"past\"},{\"role\":\"user\",\"content\":\"new\"}],\"extra\":\"x\"}",
        [DIALECT_OPENAI_RESPONSES] =
            "{\"model\":\"m\",\"extra\":\"x\",\"input\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
            "\"old\"},{\"role\":\"assistant\",\"content\":\"past\"},{\"role\":\"user\",\"content\":\"new\"}]}",
        [DIALECT_CLAUDE_CHAT] =
            "{\"model\":\"m\",\"extra\":\"x\",\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"old\"},"
            "{\"role\":\"assistant\",\"content\":\"past\"},{\"role\":\"user\",\"content\":\"new\"}]}",
        [DIALECT_GEMINI_CHAT] =
            "{\"extra\":\"x\",\"systemInstruction\":\"s\",\"contents\":[{\"parts\":[\"old\"]},{\"role\":\"model\",\"parts\":"
            "[\"past\"]},{\"parts\":[\"new\"]}]}",
    };

    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct extract_options options = {.scope_roles = SCOPE_DEFAULT | SCOPE_ASSISTANT, .text_bytes_max = TEXT_BYTES};

        assert_status(STATUS_OK, read_with((enum dialect)dialect, bytes_of(bodies[dialect]), UNKNOWN_BLOCK, options));
        assert_int_equal(5, request.extracted.segment_count);
        options.since = SINCE_LAST_ASSISTANT;
        assert_status(STATUS_OK, read_with((enum dialect)dialect, bytes_of(bodies[dialect]), UNKNOWN_BLOCK, options));
        assert_int_equal(3, request.extracted.segment_count);
        assert_null(memmem(segments.text.data, segments.text.count, "old", 3));
        assert_null(memmem(segments.text.data, segments.text.count, "past", 4));
        assert_non_null(memmem(segments.text.data, segments.text.count, "system:s", 8));
        assert_non_null(memmem(segments.text.data, segments.text.count, "user:x", 6));
        assert_non_null(memmem(segments.text.data, segments.text.count, "user:new", 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_json_is_refused_as_that_in_every_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_is_an_object_in_every_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_judged_is_counted_or_refused_in_every_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shape_that_nobody_knows_is_scanned_or_refused_in_every_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_of_base64_beside_the_messages_is_refused_with_the_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(since_the_last_assistant_what_stands_before_it_is_not_judged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
