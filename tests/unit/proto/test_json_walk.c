/* Tests of json_walk: from a value to its siblings, its members and the text it stands in. */
#include "support/unit.h"

#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void walking_goes_from_sibling_to_sibling(void **state)
{
    struct json json;
    const struct json_token *root;
    const struct json_token *at;

    (void)state;
    json_init(&json);
    assert_status(STATUS_OK,
                  json_read(&json, BYTES(" { \"a\" : [ [ 1 ] , { } ] , \"b\" : { \"c\" : null } , \"d\" : true } "),
                            JSON_REFUSE_DUPLICATES));
    root = &json.tokens[0];
    at = json_first(&json, root);
    assert_true(json_string_is(&json, at, "a"));
    at = json_after(&json, root, at);
    assert_true(json_string_is(&json, at, "b"));
    assert_int_equal(JSON_OBJECT, json_value(&json, at)->type);
    at = json_after(&json, root, at);
    assert_true(json_string_is(&json, at, "d"));
    assert_null(json_after(&json, root, at));
    at = json_member(&json, root, "a");
    assert_int_equal(2, at->count);
    assert_int_equal(JSON_OBJECT, json_after(&json, at, json_first(&json, at))->type);
    assert_null(json_after(&json, at, json_after(&json, at, json_first(&json, at))));
    assert_null(json_first(&json, json_member(&json, root, "d")));
    assert_null(json_member(&json, root, "c"));
    assert_null(json_member(&json, at, "a"));
    json_free(&json);
}

/* What is left of `text`, which is `expected`, has no key twice. */
static void assert_cut(const char *text, const char *expected)
{
    char *copy = strdup(text);
    struct json json;
    struct bytes left = {copy, 0};

    assert_non_null(copy);
    json_init(&json);
    assert_status(STATUS_OK, json_read(&json, bytes_of(copy), JSON_MARK_DUPLICATES));
    assert_int_equal(strcmp(text, expected) != 0, json.has_repeats);
    left.count = json_cut_repeats(&json, copy);
    assert_bytes(expected, left);
    assert_status(STATUS_OK, json_read(&json, left, JSON_REFUSE_DUPLICATES));
    assert_false(json.has_repeats);
    json_free(&json);
    free(copy);
}

static void of_members_with_one_key_the_last_is_left(void **state)
{
    char text[4 * KIB] = "{";
    char expected[4 * KIB];

    (void)state;
    assert_cut("{\"a\":1}", "{\"a\":1}");
    assert_cut("[1,2]", "[1,2]");
    assert_cut("{\"a\":1,\"a\":2}", "{\"a\":2}");
    assert_cut(" { \"a\" : 1 , \"b\" : 2 ,\n\"a\" : 3 } ", " { \"b\" : 2 ,\n\"a\" : 3 } ");
    assert_cut("{\"a\":[{\"a\":1,\"a\":2}],\"a\":{\"b\":[],\"\\u0062\":{\"c\":0,\"c\":1}},\"x\":\"a\"}",
               "{\"a\":{\"\\u0062\":{\"c\":1}},\"x\":\"a\"}");
    assert_cut("{\"a\":1,\"a\":2,\"a\":3,\"b\":{\"a\":4},\"a\":5}", "{\"b\":{\"a\":4},\"a\":5}");
    for (int index = 0; index < 100; index++) { /* so many that they are hashed */
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "\"k%d\":%d,", index % 40, index);
    }
    text[strlen(text) - 1] = '}';
    (void)snprintf(expected, sizeof expected, "{%s", strstr(text, "\"k20\":60"));
    assert_cut(text, expected);
}

static void marks_are_of_sound_documents_and_of_what_is_kept(void **state)
{
    static const char *const steps[] = {"a"};
    static const struct json_path path = {steps, 1};
    struct json_reader reader;
    struct json json;

    (void)state;
    json_init(&json);
    assert_status(STATUS_MALFORMED, json_read(&json, BYTES("{\"a\":{\"b\":1,\"b\":2}"), JSON_MARK_DUPLICATES));
    assert_false(json.has_repeats);
    json_reader_begin(&reader, &json, BYTES("{\"c\":1,\"c\":2,\"a\":{\"b\":1,\"b\":2}}"), JSON_MARK_DUPLICATES);
    json_reader_pass_over(&reader, &path);
    assert_status(STATUS_DUPLICATE, json_reader_go_on(&reader, SIZE_MAX));
    assert_false(json.has_repeats);
    json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walking_goes_from_sibling_to_sibling),
        cmocka_unit_test(of_members_with_one_key_the_last_is_left),
        cmocka_unit_test(marks_are_of_sound_documents_and_of_what_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
