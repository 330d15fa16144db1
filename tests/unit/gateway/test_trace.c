/* Tests of trace: what holds is passed on, and what does not is left out. */
#include "gateway/trace.h"

#include "proto/limits.h"
#include "support/unit.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

/* Whether a field passes in a request that has it, and a traceparent that holds. */
static bool passes(const char *name, struct bytes value)
{
    struct fields *fields = NULL;
    bool may;

    assert_status(STATUS_OK, fields_open(&fields, 4, 4 * KIB));
    assert_status(STATUS_OK, fields_add(fields, bytes_of(name), value));
    if (!bytes_equal_nocase(bytes_of(name), BYTES("traceparent"))) {
        assert_status(STATUS_OK, fields_add(fields, BYTES("traceparent"), BYTES("00-" TRACE "-" PARENT "-01")));
    }
    may = trace_may_pass(fields, fields_at(fields, 0));
    fields_close(&fields);
    return may;
}

static void a_traceparent_has_its_form_or_is_left_out(void **state)
{
    static const char *const good[] = {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00", "cc-" TRACE "-" PARENT "-01",
                                       "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like"};
    static const char *const bad[] = {"", "00", "00-" TRACE "-" PARENT "-0", "00-" TRACE "-" PARENT "-01-x",
                                      "cc-" TRACE "-" PARENT "-01.x", "ff-" TRACE "-" PARENT "-01",
                                      "00-0AF7651916cd43dd8448eb211c80319c-" PARENT "-01", "00_" TRACE "-" PARENT "-01",
                                      "00-00000000000000000000000000000000-" PARENT "-01",
                                      "00-" TRACE "-0000000000000000-01", "00-" TRACE "-" PARENT "-0g"};

    (void)state;
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        assert_true(passes("Traceparent", bytes_of(good[index])));
    }
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_false(passes("Traceparent", bytes_of(bad[index])));
    }
}

static void a_tracestate_passes_beside_one_good_traceparent_alone(void **state)
{
    struct fields *fields = NULL;
    char longest[TRACE_STATE_BYTES_MAX + 1];

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_true(passes("tracestate", BYTES("congo=t61rcWkgMzE, rojo=1")));
    assert_true(passes("tracestate", (struct bytes){longest, sizeof longest - 1}));
    assert_false(passes("tracestate", (struct bytes){longest, sizeof longest}));
    assert_false(passes("tracestate", BYTES("a=\xC3\xA9")));
    assert_status(STATUS_OK, fields_open(&fields, 4, 4 * KIB));
    assert_status(STATUS_OK, fields_add(fields, BYTES("tracestate"), BYTES("a=1")));
    assert_false(trace_may_pass(fields, fields_at(fields, 0)));
    for (size_t times = 1; times <= 2; times++) {
        assert_status(STATUS_OK, fields_add(fields, BYTES("traceparent"), BYTES("00-" TRACE "-" PARENT "-01")));
        assert_int_equal(times == 1, trace_may_pass(fields, fields_at(fields, 0)));
        assert_int_equal(times == 1, trace_may_pass(fields, fields_at(fields, 1)));
    }
    fields_close(&fields);
}

static void a_request_id_is_short_visible_and_alone(void **state)
{
    struct fields *fields = NULL;
    struct bytes id = {NULL, 0};
    char longest[REQUEST_ID_BYTES_MAX + 1];

    (void)state;
    memset(longest, 'i', sizeof longest);
    assert_true(passes("X-Request-Id", (struct bytes){longest, sizeof longest - 1}));
    assert_false(passes("X-Request-Id", (struct bytes){longest, sizeof longest}));
    assert_false(passes("X-Request-Id", BYTES("")));
    assert_false(passes("X-Request-Id", BYTES("two words")));
    assert_false(passes("X-Request-Id", BYTES("\xC3\xA9")));
    assert_true(passes("X-Other", BYTES("two words")));
    assert_status(STATUS_OK, fields_open(&fields, 4, KIB));
    assert_false(trace_request_id(fields, &id));
    assert_status(STATUS_OK, fields_add(fields, BYTES("x-request-id"), BYTES("mine")));
    assert_true(trace_request_id(fields, &id));
    assert_bytes("mine", id);
    assert_status(STATUS_OK, fields_add(fields, BYTES("X-REQUEST-ID"), BYTES("mine")));
    assert_false(trace_request_id(fields, &id));
    fields_close(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_has_its_form_or_is_left_out),
        cmocka_unit_test(a_tracestate_passes_beside_one_good_traceparent_alone),
        cmocka_unit_test(a_request_id_is_short_visible_and_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
