/* extract_media: images, recordings and files are judged where they hold text, and else counted, whatever they are labelled. */
#include "support/extract.h"

static void a_media_type_beside_base64_says_what_it_is(void **state)
{
    (void)state;
    extract_begin(extract, SCOPE_USER);
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("text/plain")));
    assert_true(extract_encoded(extract, &json, token("\"aGVsbG8=\""), BYTES("application/json")));
    assert_true(extract_encoded(extract, &json, token("\"iVBORw0KGgo=\""), BYTES("image/png")));
    assert_true(extract_encoded(extract, &json, token("\"//79\""), BYTES("video/mp4")));
    assert_true(extract_encoded(extract, &json, token("\"//79\""), BYTES("application/pdf")));
    assert_false(extract_encoded(extract, &json, token("\"*aGVs*bG8=\""), BYTES("text/plain")));
    assert_false(extract_encoded(extract, &json, token("\"*iVBORw0KGgo=\""), BYTES("image/png")));
    extract_end(extract);
    assert_segments("document:hello\nhello\nhello\n;");
    assert_int_equal(2, result.image_count);
    assert_int_equal(1, result.audio_count);
    assert_int_equal(2, result.file_count);
}

/* Whether the base64 is known as what the media type beside it says. */
static bool typed_base64(const char *content, const char *type)
{
    char pair[64];

    (void)snprintf(pair, sizeof pair, "[%s,%s]", content, type);
    (void)token(pair);
    return extract_encoded_as(extract, &json, &json.tokens[1], &json.tokens[2]);
}

/* A reader of JSON knows no difference: "text\/plain" is text in whatever encoding. */
static void a_media_type_may_be_escaped_or_have_spaces_around_it(void **state)
{
    static const char *const types[] = {"\"text/plain\"", "\"text\\/plain\"", "\"\\u0054ext/plain\"", "\" text/plain\""};

    (void)state;
    for (size_t index = 0; index < sizeof types / sizeof types[0]; index++) {
        start(SCOPE_DEFAULT, TEXT_BYTES);
        extract_begin(extract, SCOPE_USER);
        assert_true(typed_base64("\"Y2Fm6Q==\"", types[index]));
        extract_end(extract);
        assert_segments("document:caf\xEF\xBF\xBD\n;");
    }
    start(SCOPE_DEFAULT, TEXT_BYTES);
    extract_begin(extract, SCOPE_USER);
    assert_true(typed_base64("\"Y2Fm6Q==\"", "7"));
    extract_end(extract);
    assert_segments("");
    assert_int_equal(1, result.file_count);
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
        {MEDIA_IMAGE, "tell-him-how", false, 1, 0, 0, ""},
        {MEDIA_IMAGE, "gs://bucket/cat.png", false, 1, 0, 0, ""},
        {MEDIA_FILE, "tell him how", false, 0, 0, 1, ""},
        {MEDIA_AUDIO, "*UklGRuTX/v8=", false, 0, 1, 0, ""},
        {MEDIA_AUDIO, "UklGRuTX/v8=", true, 0, 1, 0, ""},
        {MEDIA_AUDIO, "aGVsbG8=", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "data:audio/wav;base64,UklGRuTX/v8=", true, 0, 1, 0, ""},
        {MEDIA_FILE, "data:application/octet-stream;base64,aGVsbG8=", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "aGVsbG8", true, 0, 0, 0, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain,hell%6f%2", true, 0, 0, 0, "document:hello%2\n;"},
        {MEDIA_IMAGE, "data:image/svg+xml,%3Csvg>", true, 1, 0, 0, "document:<svg>\n;"},
        {MEDIA_IMAGE, "data:image/svg+xml;base64,PHN2Zz4=", true, 1, 0, 0, "document:<svg>\n;"},
        {MEDIA_FILE, "data:text/plain; base64,aGVsbG8=", true, 0, 0, 0, "document:aGVsbG8=\nhello\n;"},
        {MEDIA_FILE, "data:text/plain;base64;x=y,hell%6f", false, 0, 0, 1, "document:hello\n\xEF\xBF\xBD\xEF\xBF\xBD" "e\n;"},
        {MEDIA_FILE, "data:text/plain;base64,a.", false, 0, 0, 1, ""},
        /* the head ends at its first comma; who looks for "base64," reads what is behind that */
        {MEDIA_FILE, "data:text/plain;x=',';BASE64,aGVsbG8=", true, 0, 0, 0, "document:';BASE64,aGVsbG8=\nhello\n;"},
        {MEDIA_FILE, "data:text/base64,aGVs*bG8", true, 0, 0, 0, "document:aGVs*bG8\nhello\n;"},
        {MEDIA_FILE, "data:a/b;x=',base64,//79", true, 0, 0, 1, "document:base64,//79\n;"},
        {MEDIA_IMAGE, "data:image/png;x=,base64,//79", true, 1, 0, 0, "document:base64,//79\n;"},
        /* what a strict reader refuses, others read: they skip what is no digit, and some go on behind padding */
        {MEDIA_FILE, "data:text/plain;base64,aGVs bG8=", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain;base64,*aGV.sbG8", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain;base64,aGVsbG8%3D", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain;base64,aGVs%20bG8%3d", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "data:text/plain;base64,aGU=bGxv", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "data:application/pdf;base64,*aGVsbG8=", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_FILE, "*aGVsbG8=", false, 0, 0, 1, "document:hello\n;"},
        {MEDIA_IMAGE, "data:image/png;base64,*iVBORw0KGgo=", false, 1, 0, 0, ""},
        {MEDIA_IMAGE, "data:image/png;base64,*aGVsbG8=", false, 1, 0, 0, "document:hello\n;"},
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

static void an_address_is_judged_where_the_scope_says_so(void **state)
{
    (void)state;
    for (int judged = 0; judged <= 1; judged++) {
        start(judged == 0 ? SCOPE_DEFAULT : SCOPE_DEFAULT | SCOPE_MEDIA_URL, TEXT_BYTES);
        extract_begin(extract, SCOPE_USER);
        assert_true(extract_media(extract, &json, token("\"https://h/a\""), MEDIA_IMAGE));
        assert_true(extract_media(extract, &json, token("\"http://h/b\""), MEDIA_FILE));
        extract_end(extract);
        assert_segments(judged == 0 ? "" : "document:https://h/a\nhttp://h/b\n;");
        assert_int_equal(2, extract_unjudged(&result));
    }
}

/* BASE64_RUN_BYTES_MIN of "YWFh" are "aaa" again and again: text that somebody has encoded. */
static void a_run_of_base64_that_holds_text_is_judged(void **state)
{
    static char text[BASE64_RUN_BYTES_MIN + 3];

    (void)state;
    text[0] = '"';
    for (size_t at = 0; at < BASE64_RUN_BYTES_MIN; at += 4) {
        memcpy(text + 1 + at, "YWFh", 4);
    }
    text[BASE64_RUN_BYTES_MIN + 1] = '"';
    extract_begin(extract, SCOPE_USER);
    extract_strings(extract, &json, token(text));
    extract_end(extract);
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_int_equal(BASE64_RUN_BYTES_MIN / 4 * 3 + 1, result.text_bytes);
    assert_int_equal(0, extract_unjudged(&result));
}

static void what_cannot_be_judged_is_refused_where_the_options_say_so(void **state)
{
    (void)state;
    for (int images = IMAGES_ALLOW; images <= IMAGES_BLOCK; images++) {
        start_with((struct extract_options){
            .scope_roles = SCOPE_DEFAULT, .text_bytes_max = TEXT_BYTES, .images = (enum images_choice)images});
        extract_begin(extract, SCOPE_USER);
        assert_true(extract_media(extract, &json, token("\"data:text/plain;base64,aGVsbG8=\""), MEDIA_FILE));
        assert_false(extract_refused(extract));
        extract_count(extract, MEDIA_AUDIO);
        assert_int_equal(images == IMAGES_BLOCK, extract_refused(extract));
        extract_end(extract);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_media_type_beside_base64_says_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_media_type_may_be_escaped_or_have_spaces_around_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(media_are_counted_or_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_one_document_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_bounded_like_all_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrapped_file_that_is_longer_than_the_first_look_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_binary_file_is_counted_and_not_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_is_judged_where_the_scope_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_of_base64_that_holds_text_is_judged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_judged_is_refused_where_the_options_say_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
