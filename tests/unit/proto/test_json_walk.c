/* Tests of json_walk: from a value to its siblings, its members and the text it stands in. */
#include "support/unit.h"

#include "proto/json.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walking_goes_from_sibling_to_sibling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
