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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_json_is_refused_as_that_in_every_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_is_an_object_in_every_dialect, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
