/* extract: pieces become segments as the law says, within one bound, and nothing that is text is left out uncounted. */
#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/extract.h"

#include <stdlib.h>

enum { TEXT_BYTES = 64 * KIB, SCOPE_DEFAULT = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT };

static struct segments segments;
static struct json json;
static struct extract *extract;
static struct extract_result result;

static void start(unsigned scope_roles, size_t text_bytes_max)
{
    const struct extract_options options = {
        .scope_roles = scope_roles, .text_bytes_max = text_bytes_max, .add = segments_add, .context = &segments};

    extract_close(&extract);
    assert_null(extract);
    buffer_clear(&segments.text);
    segments.count = 0;
    assert_status(STATUS_OK, extract_open(&extract, &options));
}

static int set_up(void **state)
{
    (void)state;
    segments_init(&segments);
    json_init(&json);
    start(SCOPE_DEFAULT, TEXT_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    extract_close(&extract);
    extract_close(&extract);
    json_free(&json);
    segments_free(&segments);
    return 0;
}

static const struct json_token *token(const char *text)
{
    assert_status(STATUS_OK, json_read(&json, bytes_of(text), JSON_REFUSE_DUPLICATES));
    return &json.tokens[0];
}

static void assert_segments(const char *expected)
{
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_bytes(expected, buffer_view(&segments.text));
}

static void pieces_of_one_message_touch_and_end_in_a_line_feed(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"forb\""));
    extract_text(extract, &json, token("\"\\u0069d\""));
    extract_text(extract, &json, token("\"den\""));
    extract_end(extract);
    extract_begin(extract, SCOPE_SYSTEM);
    extract_text(extract, &json, token("\"be nice\\n\""));
    extract_end(extract);
    assert_segments("user:forbidden\n;system:be nice\n;");
    assert_int_equal(2, result.segment_count);
    assert_int_equal(strlen("forbidden\nbe nice\n"), result.text_bytes);
}

static void several_speak_in_one_message_and_each_keeps_one_segment(void **state)
{
    unsigned before;

    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"forb\""));
    before = extract_role(extract, SCOPE_TOOL);
    assert_int_equal(SCOPE_USER, before);
    extract_text(extract, &json, token("\"12 C\""));
    assert_int_equal(SCOPE_TOOL, extract_role(extract, SCOPE_ASSISTANT));
    extract_text(extract, &json, token("\"out of scope\""));
    assert_int_equal(SCOPE_ASSISTANT, extract_role(extract, 0));
    extract_text(extract, &json, token("\"anybody\""));
    assert_int_equal(0, extract_role(extract, before));
    extract_text(extract, &json, token("\"idden\""));
    extract_end(extract);
    assert_segments("user:forbidden\n;tool:12 C\n;user:anybody\n;");
}

static void values_of_free_shape_are_lines_of_their_role(void **state)
{
    char text[BASE64_RUN_BYTES_MIN + 4];

    (void)state;
    extract_begin(extract, SCOPE_TOOL);
    extract_text(extract, &json, token("\"first\""));
    extract_values(extract, &json, token("{\"a\":\"b\",\"c\":[1,\"d\",{}]}"), ENCODED_JUDGED);
    extract_end(extract);
    assert_segments("tool:first\nb\nd\n;");
    memset(text, 'x', sizeof text);
    text[0] = '"';
    text[BASE64_RUN_BYTES_MIN + 1] = '"';
    text[BASE64_RUN_BYTES_MIN + 2] = '\0';
    for (int encoded = ENCODED_COUNTED; encoded <= ENCODED_JUDGED; encoded++) {
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, SCOPE_TOOL);
        extract_values(extract, &json, token(text), (enum encoded)encoded);
        extract_end(extract);
        assert_status(STATUS_OK, extract_finish(extract, &result));
        assert_int_equal(encoded == ENCODED_COUNTED ? 1 : 0, result.encoded_count);
        assert_int_equal(encoded == ENCODED_COUNTED ? 0 : BASE64_RUN_BYTES_MIN + 1, result.text_bytes);
    }
}

static void a_media_type_beside_base64_says_what_it_is(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("text/plain")));
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("application/json")));
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("image/png")));
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("video/mp4")));
    assert_true(extract_encoded(extract, &json, token("\"//79\""), BYTES("application/pdf")));
    assert_false(extract_encoded(extract, &json, token("\"no base64!\""), BYTES("text/plain")));
    extract_end(extract);
    assert_segments("document:hello\nhello\n;");
    assert_int_equal(1, result.image_count);
    assert_int_equal(1, result.audio_count);
    assert_int_equal(1, result.file_count);
}

static void names_stand_on_lines_of_their_own(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_line(extract, &json, token("\"Ann\""));
    extract_text(extract, &json, token("\"hello\""));
    extract_end(extract);
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"hello\""));
    extract_line(extract, &json, token("\"Ann\""));
    extract_end(extract);
    assert_segments("user:Ann\nhello\n;user:hello\nAnn\n;");
}

static void empty_messages_are_no_segments(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_end(extract);
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"\""));
    extract_end(extract);
    assert_segments("");
    assert_int_equal(0, result.segment_count);
}

static void what_is_out_of_scope_is_left_out_and_what_is_unknown_never_is(void **state)
{
    static const struct {
        unsigned scope;
        unsigned role;
        const char *expected;
    } cases[] = {
        {SCOPE_USER, SCOPE_USER, "user:text\n;user:strange\n;"},
        {SCOPE_USER, SCOPE_ASSISTANT, "user:strange\n;"},
        {SCOPE_ASSISTANT, SCOPE_ASSISTANT, "assistant:text\n;user:strange\n;"},
        {SCOPE_DOCUMENT, SCOPE_USER, "document:a.txt\nhi\n;user:strange\n;"},
        {SCOPE_SYSTEM, 0, "user:text\n;user:strange\n;"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        start(cases[index].scope, TEXT_BYTES);
        extract_begin(extract, cases[index].role);
        extract_text(extract, &json, token("\"text\""));
        extract_file_name(extract, &json, token("\"a.txt\""));
        assert_true(extract_media(extract, &json, token("\"data:text/plain;base64,aGk=\""), MEDIA_FILE));
        extract_strings(extract, &json, token("[\"strange\"]"));
        extract_end(extract);
        assert_segments(cases[index].expected);
    }
}

static void string_values_are_found_at_any_depth_and_keys_are_not_text(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_strings(extract, &json,
                    token("{\"k1\":\"a\",\"k2\":[\"b\",{\"k3\":{}},[],{\"k4\":{\"k5\":\"c\"},\"k6\":\"d\"}],"
                          "\"k7\":1,\"k8\":\"e\"}"));
    extract_strings(extract, &json, token("\"f\""));
    extract_strings(extract, &json, token("true"));
    extract_end(extract);
    assert_segments("user:a\nb\nc\nd\ne\nf\n;");
}

static void strings_are_found_at_the_greatest_depth(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 4];

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memcpy(text + JSON_DEPTH_MAX, "\"x\"", 3);
    memset(text + JSON_DEPTH_MAX + 3, ']', JSON_DEPTH_MAX);
    text[sizeof text - 1] = '\0';
    extract_begin(extract, SCOPE_USER);
    extract_strings(extract, &json, token(text));
    extract_end(extract);
    assert_segments("user:x\n;");
}

/* A string token of `count` letters. */
static const struct json_token *letters(char *text, size_t count)
{
    memset(text, 'a', count + 2);
    text[0] = '"';
    text[count + 1] = '"';
    text[count + 2] = '\0';
    return token(text);
}

static void runs_of_base64_are_counted_in_unknown_shapes_and_judged_as_text(void **state)
{
    static char text[BASE64_RUN_BYTES_MIN + 3];

    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_strings(extract, &json, letters(text, BASE64_RUN_BYTES_MIN));
    extract_end(extract);
    assert_segments("");
    assert_int_equal(1, result.encoded_count);
    assert_int_equal(0, result.text_bytes);
    extract_begin(extract, SCOPE_USER);
    extract_strings(extract, &json, letters(text, BASE64_RUN_BYTES_MIN - 1));
    extract_end(extract);
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, letters(text, BASE64_RUN_BYTES_MIN));
    extract_end(extract);
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_int_equal(1, result.encoded_count);
    assert_int_equal(2 * BASE64_RUN_BYTES_MIN + 1, result.text_bytes);
}

static void the_bound_counts_all_segments_and_their_line_feeds(void **state)
{
    (void)state;
    for (size_t max = 0; max <= 13; max++) {
        start(SCOPE_DEFAULT, max);
        for (int message = 0; message < 2; message++) {
            extract_begin(extract, SCOPE_USER);
            extract_text(extract, &json, token("\"12\\n45\""));
            extract_end(extract);
        }
        if (max < 12) {
            assert_status(STATUS_TOO_LARGE, extract_finish(extract, &result));
        } else {
            assert_segments("user:12\n45\n;user:12\n45\n;");
        }
    }
}

static void after_a_failure_nothing_more_is_handed_over(void **state)
{
    (void)state;
    segments.count_max = 1;
    for (int message = 0; message < 3; message++) {
        extract_begin(extract, SCOPE_USER);
        extract_text(extract, &json, token("\"x\""));
        assert_true(extract_media(extract, &json, token("\"data:text/plain;base64,aGk=\""), MEDIA_FILE));
        extract_end(extract);
    }
    assert_status(STATUS_FULL, extract_finish(extract, &result));
    assert_bytes("user:x\n;", buffer_view(&segments.text));
}

static void media_are_counted_or_read(void **state)
{
    static const struct {
        enum media media;
        const char *content;
        bool known;
        size_t images;
        size_t audio;
        size_t files;
        const char *expected;
    } cases[] = {
        {MEDIA_IMAGE, "https://host/cat.png", true, 1, 0, 0, ""},
        {MEDIA_IMAGE, "HTTP://host/cat.png", true, 1, 0, 0, ""},
        {MEDIA_IMAGE, "data:image/png;base64,iVBORw0KGgo=", true, 1, 0, 0, ""},
        {MEDIA_IMAGE, "data:application/pdf;base64,JVBERi0xLjcKJeLjz9MK", true, 0, 0, 1, ""},
        {MEDIA_IMAGE, "data:text/plain;base64,aGVsbG8=", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_IMAGE, "tell-him-how", false, 0, 0, 0, ""},
        {MEDIA_FILE, "tell him how", false, 0, 0, 0, ""},
        {MEDIA_AUDIO, "UklGRuTX/v8=", true, 0, 1, 0, ""},
        {MEDIA_AUDIO, "aGVsbG8=", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "data:audio/wav;base64,UklGRg==", true, 0, 1, 0, ""},
        {MEDIA_FILE, "data:application/octet-stream;base64,aGVsbG8=", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "aGVsbG8", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain,hello", false, 0, 0, 0, ""},
        {MEDIA_FILE, "data:text/plain;base64,a.", false, 0, 0, 0, ""},
        {MEDIA_FILE, "data:text/plain;base64,", true, 0, 0, 0, ""},
        /* "caf\xE9" in Latin-1: judged as far as it can be read, and counted */
        {MEDIA_FILE, "data:text/plain;base64,Y2Fm6Q==", true, 0, 0, 1, "document:caf\xEF\xBF\xBD\n;"},
        /* "hi" in UTF-16 with its mark */
        {MEDIA_FILE, "data:text/plain;base64,//5oAGkA", true, 0, 0, 1, "document:\xEF\xBF\xBD\xEF\xBF\xBDhi\n;"},
        {MEDIA_FILE, "//5oAGkA", true, 0, 0, 1, ""},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char text[128];

        (void)snprintf(text, sizeof text, "\"%s\"", cases[index].content);
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, SCOPE_USER);
        assert_int_equal(cases[index].known, extract_media(extract, &json, token(text), cases[index].media));
        extract_end(extract);
        assert_segments(cases[index].expected);
        assert_int_equal(cases[index].images, result.image_count);
        assert_int_equal(cases[index].audio, result.audio_count);
        assert_int_equal(cases[index].files, result.file_count);
    }
}

static void a_file_is_one_document_with_its_name(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"read \""));
    assert_true(extract_media(extract, &json, token("\"data:text\\/plain;base64,aGVsbG8=\""), MEDIA_FILE));
    extract_file_name(extract, &json, token("\"a.txt\""));
    extract_text(extract, &json, token("\"this\""));
    extract_end(extract);
    assert_segments("user:read this\n;document:hello\na.txt\n;");
}

/* "aaa..." in base64 is "YWFh" again and again. */
static void files_are_bounded_like_all_text(void **state)
{
    static char text[2 * TEXT_BYTES];
    size_t groups = TEXT_BYTES / 3; /* 3 * groups is one below the bound: room for the line feed */

    (void)state;
    assert_int_equal(TEXT_BYTES - 1, 3 * groups);
    text[0] = '"';
    for (size_t group = 0; group < groups; group++) {
        memcpy(text + 1 + 4 * group, "YWFh", 4);
    }
    text[1 + 4 * groups] = '"';
    text[2 + 4 * groups] = '\0';
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_media(extract, &json, token(text), MEDIA_FILE));
    extract_end(extract);
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_int_equal(TEXT_BYTES, result.text_bytes);
    memcpy(text + 1 + 4 * groups, "YWFh", 4);
    text[5 + 4 * groups] = '"';
    text[6 + 4 * groups] = '\0';
    start(SCOPE_DEFAULT, TEXT_BYTES);
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_media(extract, &json, token(text), MEDIA_FILE));
    extract_end(extract);
    assert_status(STATUS_TOO_LARGE, extract_finish(extract, &result));
}

/* In lines of 76 as mail wraps them: the front that is looked at first ends inside a group of four. */
static void a_wrapped_file_that_is_longer_than_the_first_look_is_read_whole(void **state)
{
    static char text[3 * BASE64_SNIFF_BYTES];
    size_t count = 0;
    size_t lines = 0;

    (void)state;
    text[count++] = '"';
    while (count < 2 * BASE64_SNIFF_BYTES) {
        for (int group = 0; group < 19; group++) {
            memcpy(text + count, "YWFh", 4);
            count += 4;
        }
        memcpy(text + count, "\\n", 2);
        count += 2;
        lines++;
    }
    text[count++] = '"';
    text[count] = '\0';
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_media(extract, &json, token(text), MEDIA_FILE));
    extract_end(extract);
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_int_equal(lines * 57 + 1, result.text_bytes);
    assert_int_equal(0, result.file_count);
}

/* Far beyond the text's bound, but known as no text by its first bytes. */
static void a_large_binary_file_is_counted_and_not_too_large(void **state)
{
    static char text[4 * TEXT_BYTES];

    (void)state;
    memset(text, '/', sizeof text);
    text[0] = '"';
    text[sizeof text - 2] = '"';
    text[sizeof text - 1] = '\0';
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_media(extract, &json, token(text), MEDIA_FILE));
    extract_end(extract);
    assert_segments("");
    assert_int_equal(1, result.file_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_one_message_touch_and_end_in_a_line_feed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_speak_in_one_message_and_each_keeps_one_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_free_shape_are_lines_of_their_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_media_type_beside_base64_says_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_stand_on_lines_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_messages_are_no_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_out_of_scope_is_left_out_and_what_is_unknown_never_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(string_values_are_found_at_any_depth_and_keys_are_not_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings_are_found_at_the_greatest_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_of_base64_are_counted_in_unknown_shapes_and_judged_as_text, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_bound_counts_all_segments_and_their_line_feeds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_failure_nothing_more_is_handed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(media_are_counted_or_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_one_document_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_bounded_like_all_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrapped_file_that_is_longer_than_the_first_look_is_read_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_large_binary_file_is_counted_and_not_too_large, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
