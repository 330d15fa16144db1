/* extract: pieces become segments as the law says, within one bound, and nothing that is text is left out uncounted. */
#include "support/extract.h"

#include <stdlib.h>

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

static void strings_beside_all_messages_are_a_message(void **state)
{
    (void)state;
    extract_strings(extract, &json, token("{\"a\":\"b\"}"));
    extract_begin(extract, SCOPE_USER);
    extract_text(extract, &json, token("\"c\""));
    extract_end(extract);
    extract_strings(extract, &json, token("\"d\""));
    assert_segments("user:b\n;user:c\n;user:d\n;");
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

static void data_urls_in_unknown_shapes_are_judged_or_counted(void **state)
{
    static const struct {
        const char *content;
        size_t images, audio, files;
        const char *expected;
    } cases[] = {
        {"data:image/png;base64,iVBORw0KGgo=", 1, 0, 0, "user:data:image/png;base64,iVBORw0KGgo=\n;"},
        {"data:video/mp4;base64,//79", 0, 1, 0, "user:data:video/mp4;base64,//79\n;"},
        {"data:application/pdf;base64,//79", 0, 0, 1, "user:data:application/pdf;base64,//79\n;"},
        {"data:text/plain;base64,aGVsbG8=", 0, 0, 0, "document:hello\n;user:data:text/plain;base64,aGVsbG8=\n;"},
        {"data:image/svg+xml,%3Csvg>", 1, 0, 0, "document:<svg>\n;user:data:image/svg+xml,%3Csvg>\n;"},
        {"data: one, two", 0, 0, 0, "user:data: one, two\n;"},
    };
    static char text[2 * BASE64_RUN_BYTES_MIN];

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char quoted[128];

        (void)snprintf(quoted, sizeof quoted, "\"%s\"", cases[index].content);
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, SCOPE_USER);
        extract_strings(extract, &json, token(quoted));
        extract_end(extract);
        assert_segments(cases[index].expected);
        assert_int_equal(cases[index].images, result.image_count);
        assert_int_equal(cases[index].audio, result.audio_count);
        assert_int_equal(cases[index].files, result.file_count);
    }
    /* A long one is no words; where documents go themselves it is not lost either. */
    (void)snprintf(text, sizeof text, "\"data:text/plain;base64,%0*d\"", BASE64_RUN_BYTES_MIN, 0);
    memset(strchr(text, ',') + 1, 'A', BASE64_RUN_BYTES_MIN);
    memcpy(strchr(text, ',') + 1, "aGVsbG8g", 8);
    for (int turn = 0; turn < 2; turn++) {
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, turn == 0 ? SCOPE_USER : SCOPE_DOCUMENT);
        if (turn == 0) {
            extract_strings(extract, &json, token(text));
        } else {
            extract_values(extract, &json, token(text), ENCODED_COUNTED);
        }
        extract_end(extract);
        assert_segments("document:hello \n;");
    }
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

static void keys_that_are_more_than_a_name_are_text(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_TOOL);
    extract_values(extract, &json, token("{\"a_name\":1,\"a key of words\":2,\"\\u0061\":{\"b c\":\"d\"}}"), ENCODED_JUDGED);
    extract_end(extract);
    assert_segments("tool:a key of words\na\nb c\nd\n;");
}

static void settings_are_text_where_they_are_no_identifiers(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    extract_settings(extract, &json, token("{\"type\":\"ephemeral\",\"note\":\"two words\",\"n\":[\"one\",\"\\u0031\"]}"));
    extract_end(extract);
    assert_segments("user:two words\n1\n;");
}

static void json_in_a_string_is_read_and_what_is_none_is_text(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"\"{\\\"q\\\":\\\"con\\\\u0074raband\\\",\\\"n\\\":[1,\\\"two\\\"]}\"", "tool:contraband\ntwo\n;"},
        {"\"{\\\"q\\\":\\\"a\\\",\\\"q\\\":\\\"b\\\"}\"", "tool:a\nb\n;"},
        {"\"{\\\"q\\\":\\\"contraband\"", "tool:{\"q\":\"contraband\n;"},
        {"\"plain words\"", "tool:plain words\n;"},
        {"\"\\\"s\\\\u0061id\\\"\"", "tool:said\n\"s\\u0061id\"\n;"}, /* as it is read, and as it is sent */
        {"\"{}\"", ""},
        {"\"\"", ""},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, SCOPE_TOOL);
        extract_json_text(extract, &json, token(cases[index].text));
        extract_end(extract);
        assert_segments(cases[index].expected);
    }
    start(SCOPE_USER, TEXT_BYTES);
    extract_begin(extract, SCOPE_TOOL);
    extract_json_text(extract, &json, token(cases[0].text));
    extract_end(extract);
    assert_segments("");
}

static void walk_turns(void)
{
    static const unsigned roles[] = {SCOPE_USER, SCOPE_ASSISTANT, SCOPE_SYSTEM, SCOPE_USER, SCOPE_ASSISTANT, SCOPE_TOOL, SCOPE_USER};
    char text[] = "\"0\"";

    extract_begin(extract, SCOPE_SYSTEM);
    extract_text(extract, &json, token("\"s\""));
    extract_end(extract);
    extract_begin(extract, 0); /* beside the turns */
    extract_strings(extract, &json, token("\"x\""));
    extract_end(extract);
    extract_turns(extract, true);
    for (size_t index = 0; index < sizeof roles / sizeof roles[0]; index++) {
        text[1]++;
        extract_begin(extract, roles[index]);
        extract_text(extract, &json, token(text));
        extract_end(extract);
    }
    extract_turns(extract, false);
}

static void since_the_last_assistant_only_later_turns_and_the_system_are_judged(void **state)
{
    static const unsigned scope = SCOPE_DEFAULT | SCOPE_ASSISTANT;

    (void)state;
    start_with((struct extract_options){.scope_roles = scope, .text_bytes_max = TEXT_BYTES, .since = SINCE_LAST_ASSISTANT});
    assert_true(extract_counts_turns(extract));
    walk_turns();
    assert_segments("");
    extract_turns_counted(extract);
    assert_false(extract_counts_turns(extract));
    walk_turns();
    assert_segments("system:s\n;user:x\n;system:3\n;tool:6\n;user:7\n;");
    start(scope, TEXT_BYTES);
    assert_false(extract_counts_turns(extract));
    walk_turns();
    assert_segments("system:s\n;user:x\n;user:1\n;assistant:2\n;system:3\n;user:4\n;assistant:5\n;tool:6\n;user:7\n;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_one_message_touch_and_end_in_a_line_feed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_speak_in_one_message_and_each_keeps_one_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_free_shape_are_lines_of_their_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_stand_on_lines_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_messages_are_no_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_out_of_scope_is_left_out_and_what_is_unknown_never_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(string_values_are_found_at_any_depth_and_keys_are_not_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings_beside_all_messages_are_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings_are_found_at_the_greatest_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_urls_in_unknown_shapes_are_judged_or_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_of_base64_are_counted_in_unknown_shapes_and_judged_as_text, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_bound_counts_all_segments_and_their_line_feeds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_failure_nothing_more_is_handed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_that_are_more_than_a_name_are_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_are_text_where_they_are_no_identifiers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_in_a_string_is_read_and_what_is_none_is_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(since_the_last_assistant_only_later_turns_and_the_system_are_judged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
