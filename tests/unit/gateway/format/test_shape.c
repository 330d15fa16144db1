/* shape: members go to their readers, what no table names is scanned or refused, and a refusal says where. */
#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/shape.h"

static struct segments segments;
static struct json json;
static struct extract *extract;
static struct problem problem;
static struct shape_walk walk;

static int set_up(void **state)
{
    const struct extract_options options = {
        .scope_roles = SCOPE_USER, .text_bytes_max = KIB, .add = segments_add, .context = &segments};

    (void)state;
    segments_init(&segments);
    json_init(&json);
    assert_status(STATUS_OK, extract_open(&extract, &options));
    walk = (struct shape_walk){.json = &json, .extract = extract, .problem = &problem, .unknown = UNKNOWN_SCAN};
    extract_begin(extract, SCOPE_USER);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
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

static void assert_extracted(const char *expected)
{
    struct extract_result result;

    extract_end(extract);
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_bytes(expected, buffer_view(&segments.text));
    extract_begin(extract, SCOPE_USER);
}

enum { KIND_ONE = 1, KIND_TWO = 2 };

static const struct shape_member members[] = {
    {"text", SHAPE_ANY, shape_text},        {"only_one", KIND_ONE, shape_text},    {"id", SHAPE_ANY, shape_identifier},
    {"skipped", SHAPE_ANY, shape_anything}, {"argument", SHAPE_ANY, shape_string},
};

static enum status read_members(const char *text, unsigned kind)
{
    return shape_members(&walk, token(text), members, sizeof members / sizeof members[0], kind);
}

static void known_members_go_to_their_readers(void **state)
{
    (void)state;
    assert_status(STATUS_OK,
                  read_members("{\"te\\u0078t\":\"a\",\"only_one\":\"b\",\"id\":\"c\",\"skipped\":{\"d\":\"e\"},"
                               "\"argument\":\"f\"}",
                               KIND_ONE));
    assert_extracted("user:ab\n;");
}

static void unknown_members_are_scanned(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_members("{\"only_one\":\"a\",\"x\":[\"b\"],\"y\":7,\"z\":null}", KIND_TWO));
    assert_extracted("user:a\nb\n;");
}

static void the_key_of_an_unknown_member_is_text_where_it_is_no_identifier(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_members("{\"a key\":7,\"text\":\"b\",\"another key\":null,\"c\":8,\"\\u0064\":{}}", KIND_TWO));
    assert_extracted("user:b\n;user:a key\nanother key\nd\n;");
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_OK, read_members("{\"a key\":7}", KIND_TWO));
    assert_extracted("user:b\n;user:a key\nanother key\nd\n;user:a key\n;");
}

static void unknown_members_are_refused_where_the_profile_says_so(void **state)
{
    (void)state;
    walk.unknown = UNKNOWN_BLOCK;
    walk.places[0] = (struct shape_place){"messages", 3};
    walk.depth = 1;
    assert_status(STATUS_OK, read_members("{\"text\":\"a\",\"y\":7,\"n\":true,\"z\":null}", KIND_TWO));
    assert_status(STATUS_UNSUPPORTED, read_members("{\"x\":[]}", KIND_TWO));
    assert_string_equal("messages[3] has an unknown member", problem.sentence);
    assert_status(STATUS_UNSUPPORTED, read_members("{\"only_one\":\"a\"}", KIND_TWO));
    assert_string_equal("messages[3]", problem.path);
}

static void null_is_as_if_it_were_not_there(void **state)
{
    (void)state;
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_OK, read_members("{\"text\":null,\"id\":null,\"argument\":null,\"x\":null}", KIND_ONE));
    assert_extracted("");
}

static void a_wrong_type_is_refused_or_scanned_when_text_can_be_in_it(void **state)
{
    (void)state;
    assert_status(STATUS_MALFORMED, read_members("{\"text\":7}", KIND_ONE));
    assert_string_equal("text must be a string", problem.sentence);
    assert_status(STATUS_OK, read_members("{\"text\":{\"a\":[\"hidden\"]}}", KIND_ONE));
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_MALFORMED, read_members("{\"text\":{\"a\":[\"hidden\"]}}", KIND_ONE));
    assert_extracted("user:hidden\n;");
}

static void an_identifier_with_a_space_or_an_escape_is_unknown_text(void **state)
{
    (void)state;
    assert_status(STATUS_OK, shape_identifier(&walk, token("\"call_1:~!\""), "id"));
    assert_status(STATUS_OK, shape_identifier(&walk, token("\"image\\/png\""), "id"));
    assert_status(STATUS_OK, shape_identifier(&walk, token("\"two words\""), "id"));
    assert_status(STATUS_OK, shape_identifier(&walk, token("\"two\\u0020words\""), "id"));
    assert_status(STATUS_OK, shape_identifier(&walk, token("\"\xE6\x97\xA5\""), "id"));
    assert_extracted("user:two words\ntwo words\n\xE6\x97\xA5\n;");
}

static void an_identifier_beyond_its_bound_is_unknown_text(void **state)
{
    char text[IDENTIFIER_BYTES_MAX + 16];

    (void)state;
    for (int more = 0; more <= 1; more++) {
        (void)snprintf(text, sizeof text, "\"%0*d\"", IDENTIFIER_BYTES_MAX + more, 0);
        walk.unknown = UNKNOWN_BLOCK;
        assert_status(more == 0 ? STATUS_OK : STATUS_UNSUPPORTED, shape_identifier(&walk, token(text), "id"));
        walk.unknown = UNKNOWN_SCAN;
        assert_status(STATUS_OK, shape_identifier(&walk, token(text), "id"));
    }
    (void)snprintf(text, sizeof text, "user:%0*d\n;", IDENTIFIER_BYTES_MAX + 1, 0);
    assert_extracted(text);
}

static enum status refuse_item(struct shape_walk *at, const struct json_token *item)
{
    static const struct shape_member inner[] = {{"url", SHAPE_ANY, shape_text}};

    return item->type == JSON_NULL ? STATUS_OK : shape_inner(at, item, "image_url", inner, 1);
}

static void a_path_leads_from_the_array_to_the_member(void **state)
{
    (void)state;
    walk.places[0] = (struct shape_place){"messages", 2047};
    walk.depth = 1;
    assert_status(STATUS_MALFORMED, shape_list(&walk, token("[null,null,{\"url\":7}]"), "content", refuse_item));
    assert_string_equal("messages[2047].content[2].image_url.url", problem.path);
    assert_status(STATUS_MALFORMED, shape_list(&walk, token("[null,7]"), "content", refuse_item));
    assert_string_equal("messages[2047].content[1].image_url", problem.path);
    assert_status(STATUS_OK, shape_list(&walk, token("[null,{\"url\":\"x\"}]"), "content", refuse_item));
    assert_status(STATUS_MALFORMED, shape_refuse(&walk, STATUS_MALFORMED, "role", "is missing"));
    assert_string_equal("messages[2047].role", problem.path);
    walk.depth = 0;
    assert_status(STATUS_MALFORMED, shape_refuse(&walk, STATUS_MALFORMED, "model", "is missing"));
    assert_string_equal("model", problem.path);
    assert_status(STATUS_MALFORMED, shape_refuse(&walk, STATUS_MALFORMED, NULL, "no"));
    assert_string_equal("", problem.path);
}

static enum status read_typed(struct shape_walk *at, const struct json_token *item)
{
    static const struct shape_kind kinds[] = {{"one", KIND_ONE, "only_one", 0}, {"tool", KIND_TWO, NULL, SCOPE_TOOL}};
    static const struct shape_member typed[] = {
        {"type", SHAPE_ANY, shape_anything}, {"text", KIND_TWO, shape_text}, {"only_one", KIND_ONE, shape_text}};
    static const struct shape_item shape = {kinds, 2, typed, 3};

    return shape_item(at, item, &shape);
}

static void the_type_of_an_item_says_what_it_may_hold(void **state)
{
    (void)state;
    assert_status(STATUS_OK, shape_content(&walk,
                                           token("[{\"type\":\"one\",\"only_one\":\"a\"},{\"type\":\"tool\",\"text\":"
                                                 "\"out of scope\"},{\"type\":\"one\",\"only_one\":\"b\",\"text\":\"x\"}]"),
                                           "content", read_typed));
    assert_extracted("user:ab\n;user:x\n;");
    assert_status(STATUS_MALFORMED, shape_content(&walk, token("[{\"type\":\"one\"}]"), "content", read_typed));
    assert_string_equal("content[0].only_one is missing", problem.sentence);
    assert_status(STATUS_MALFORMED, shape_content(&walk, token("[7]"), "content", read_typed));
    assert_status(STATUS_MALFORMED, shape_content(&walk, token("7"), "content", read_typed));
}

static void an_item_of_an_unknown_type_is_judged_beside_its_neighbours_or_refused(void **state)
{
    (void)state;
    assert_status(STATUS_OK, shape_content(&walk, token("[{\"type\":\"one\",\"only_one\":\"forb\"},{\"type\":\"new\","
                                                        "\"text\":\"id\"},\"den\"]"),
                                           "content", read_typed));
    assert_extracted("user:forbidden\n;user:new\nid\nden\n;");
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_UNSUPPORTED, shape_content(&walk, token("[{\"type\":\"new\"}]"), "content", read_typed));
    assert_string_equal("content[0] is of an unknown type", problem.sentence);
}

static enum status read_whole(struct shape_walk *at, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(at->extract, SCOPE_USER);
    status = shape_text(at, value, name);
    extract_end(at->extract);
    return status;
}

static void the_root_gives_known_members_to_readers_and_judges_the_rest(void **state)
{
    static const struct shape_field fields[] = {
        {"model", NULL}, {"stream", NULL}, {"settings", NULL}, {"messages", read_whole}};
    struct extract_result result;

    (void)state;
    extract_end(extract);
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_OK, shape_conversation(&walk,
                                                token("{\"stream\":true,\"messages\":\"a\",\"settings\":{\"x\":\"y\"},"
                                                      "\"model\":\"m\",\"other\":[\"b\"]}"),
                                                "messages", fields, 4));
    assert_true(walk.stream);
    assert_true(json_string_is(&json, walk.model, "m"));
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_bytes("user:b\n;user:a\n;", buffer_view(&segments.text));
    assert_status(STATUS_MALFORMED, shape_conversation(&walk, token("{\"model\":\"m\",\"messages\":null}"), "messages",
                                                       fields, 4));
    assert_string_equal("messages is missing", problem.sentence);
    assert_status(STATUS_MALFORMED, shape_conversation(&walk, token("{\"messages\":\"x\"}"), "messages", fields, 4));
    assert_string_equal("model must be a string", problem.sentence);
    extract_begin(extract, SCOPE_USER);
}

static void media_of_no_known_form_are_unknown_text(void **state)
{
    (void)state;
    assert_status(STATUS_OK, shape_file(&walk, token("\"data: hello\""), "file_data"));
    assert_status(STATUS_OK, shape_image(&walk, token("\"https://host/x\""), "url"));
    assert_status(STATUS_MALFORMED, shape_audio(&walk, token("7"), "data"));
    assert_extracted("user:data: hello\n;");
    walk.unknown = UNKNOWN_BLOCK;
    assert_status(STATUS_UNSUPPORTED, shape_file(&walk, token("\"data: hello\""), "file_data"));
    assert_string_equal("file_data is unknown", problem.sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_members_go_to_their_readers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_members_are_scanned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_key_of_an_unknown_member_is_text_where_it_is_no_identifier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_members_are_refused_where_the_profile_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_is_as_if_it_were_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_type_is_refused_or_scanned_when_text_can_be_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_identifier_with_a_space_or_an_escape_is_unknown_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_identifier_beyond_its_bound_is_unknown_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_leads_from_the_array_to_the_member, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_type_of_an_item_says_what_it_may_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_item_of_an_unknown_type_is_judged_beside_its_neighbours_or_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_root_gives_known_members_to_readers_and_judges_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(media_of_no_known_form_are_unknown_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
