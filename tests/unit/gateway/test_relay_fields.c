/* relay_fields: what is the answer's passes, what is the upstream's own does not, and ours join. */
#include "gateway/relay_fields.h"

#include "support/unit.h"

#include "proto/limits.h"

static void fields_of_the_answer_pass_and_ours_join(void **state)
{
    struct fields *from = NULL, *added = NULL, *out = NULL;
    struct bytes value;

    (void)state;
    assert_status(STATUS_OK, fields_open(&from, 10, KIB));
    assert_status(STATUS_OK, fields_open(&added, 10, KIB));
    assert_status(STATUS_OK, fields_add(from, BYTES("Retry-After"), BYTES("3")));
    assert_status(STATUS_OK, fields_add(from, BYTES("Set-Cookie"), BYTES("a=b")));
    assert_status(STATUS_OK, fields_add(from, BYTES("Connection"), BYTES("close")));
    assert_status(STATUS_OK, fields_add(from, BYTES("x-request-id"), BYTES("theirs")));
    assert_status(STATUS_OK, fields_add(from, BYTES("X-PrismGuard-Decision"), BYTES("forged")));
    assert_status(STATUS_OK, fields_add(added, BYTES("x-request-id"), BYTES("ours")));
    assert_status(STATUS_OK, fields_add(added, BYTES("x-prismguard-decision"), BYTES("d1")));
    assert_status(STATUS_OK, relay_fields_open(&out, from, added));
    assert_int_equal(3, fields_count(out));
    assert_true(fields_find(out, BYTES("retry-after"), &value));
    assert_bytes("3", value);
    assert_true(fields_find(out, BYTES("x-request-id"), &value));
    assert_bytes("theirs", value);
    assert_true(fields_find(out, BYTES("x-prismguard-decision"), &value));
    assert_bytes("d1", value);
    fields_close(&out);
    assert_status(STATUS_OK, relay_fields_open(&out, from, NULL));
    assert_int_equal(2, fields_count(out));
    fields_close(&out);
    fields_close(&from);
    fields_close(&added);
}

/* nginx in front of us would answer with a file of its own, or keep the answer and give it to others. */
static void no_field_orders_a_server_in_front_of_us_about(void **state)
{
    static const char *const names[] = {"X-Accel-Redirect",   "x-accel-expires",     "X-Accel-Limit-Rate", "X-Accel-Charset",
                                        "X-Sendfile",         "X-LIGHTTPD-send-file", "X-Sendfile2",        "X-LiteSpeed-Location",
                                        "X-Reproxy-URL",      "Clear-Site-Data",     "NEL",                "Report-To",
                                        "Reporting-Endpoints"};
    const size_t count = sizeof names / sizeof names[0];
    struct fields *from = NULL, *out = NULL;
    struct bytes value;

    (void)state;
    assert_status(STATUS_OK, fields_open(&from, count + 1, KIB));
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, fields_add(from, bytes_of(names[index]), BYTES("/secret")));
    }
    assert_status(STATUS_OK, fields_add(from, BYTES("X-Accel-Buffering"), BYTES("no")));
    assert_status(STATUS_OK, relay_fields_open(&out, from, NULL));
    assert_int_equal(1, fields_count(out));
    assert_true(fields_find(out, BYTES("x-accel-buffering"), &value));
    fields_close(&out);
    fields_close(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_answer_pass_and_ours_join),
        cmocka_unit_test(no_field_orders_a_server_in_front_of_us_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
