/* Tests of media_type: JSON is known whatever parameters it has, and never with another charset or a doubt about it. */
#include "support/unit.h"

#include "gateway/media_type.h"

static void json_is_known_with_any_parameters(void **state)
{
    static const char *const known[] = {
        "application/json",
        "APPLICATION/Json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json \t;\t charset=utf-8",
        "application/json; charset=\"Utf-8\"",
        "application/json; odata=verbose",
        "application/json; odata=verbose; charset=utf-8;x=1",
        "application/json; profile=\"https://a/b;charset=utf-16\"",
        "application/json; a=\"b\\\"; charset=utf-16\"",
        "application/json;",
        "application/json;;charset=utf-8; ;",
        "application/json; a=\"\"",
    };

    (void)state;
    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++) {
        if (!media_type_is_json(bytes_of(known[index]))) {
            fail_msg("refused: %s", known[index]);
        }
    }
}

static void what_leaves_a_doubt_is_not_json(void **state)
{
    static const char *const others[] = {
        "",
        "application",
        "application/jsonx",
        "application/json+x",
        "text/plain",
        "text/plain; application/json",
        "application/json, text/plain",
        "application/json charset=utf-8",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=iso-8859-1",
        "application/json; charset=\"utf-16\"",
        "application/json; charset=\"utf\\-8\"",
        "application/json; CHARSET=utf-16",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset*=utf-8''utf-16",
        "application/json; charset*0=utf-16",
        "application/json; charset",
        "application/json; charset=",
        "application/json; charset =utf-8",
        "application/json; charset= utf-8",
        "application/json; charset=utf-8 x",
        "application/json; charset=utf-8,text/plain",
        "application/json; =utf-8",
        "application/json; a=\"b",
        "application/json; a=\"b\\",
        "application/json; a=\"b\"c",
        "application/json; a=b\"c\"",
        "application/json; a b=c",
        "application/json; a=b=c",
        "application/json/x",
    };

    (void)state;
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        if (media_type_is_json(bytes_of(others[index]))) {
            fail_msg("taken: %s", others[index]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_known_with_any_parameters),
        cmocka_unit_test(what_leaves_a_doubt_is_not_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
