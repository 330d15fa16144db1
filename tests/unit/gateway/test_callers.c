/* Tests of callers: whose key it is, both sides of each bound, and what outlives a reload. */
#include "gateway/callers.h"

#include "proto/limits.h"
#include "proto/secret.h"
#include "support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECOND_US = 1000000, NOW_US = 5 * SECOND_US, THREADS = 4, TURNS = 5000 };

struct fixture {
    struct settings settings;
    struct key_settings keys[KEYS_COUNTED_MAX + 2];
    struct metrics *metrics;
    struct callers *callers;
};

static void set_key(struct key_settings *key, const char *name, const char *secret)
{
    unsigned char sha256[SHA256_BYTES];

    *key = (struct key_settings){0};
    (void)snprintf(key->name, sizeof key->name, "%s", name);
    secret_sha256(sha256, bytes_of(secret));
    secret_hex(key->sha256, (struct bytes){(const char *)sha256, sizeof sha256});
}

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    set_key(&fixture->keys[0], "team-a", "secret-a");
    set_key(&fixture->keys[1], "team-b", "secret-b");
    fixture->settings.keys = fixture->keys;
    fixture->settings.key_count = 2;
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    *state = fixture;
    return secret_start() == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    callers_close(&fixture->callers);
    callers_close(&fixture->callers);
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

/* Opens the callers of the keys as they are now, with the accounts there were. */
static void open_callers(struct fixture *fixture)
{
    struct callers *before = fixture->callers;

    fixture->callers = NULL;
    assert_status(STATUS_OK, callers_open(&fixture->callers, &fixture->settings, before, fixture->metrics));
    callers_close(&before);
}

static struct caller *find(const struct fixture *fixture, const char *secret)
{
    struct caller *caller = callers_find(fixture->callers, bytes_of(secret));

    assert_non_null(caller);
    return caller;
}

static enum caller_result enter(struct caller *caller, uint64_t now_us, unsigned *wait_s)
{
    *wait_s = 0;
    return caller_enter(caller, now_us, wait_s);
}

static int64_t counted(const struct fixture *fixture, const char *name, const char *result)
{
    return series_value(metrics_series(fixture->metrics, METRIC_COUNTER, "prismguard_gateway_key_requests_total", "",
                                       (const struct metric_label[]){{"key", name}, {"result", result}}, 2));
}

static void a_credential_is_found_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    char longest[CREDENTIAL_BYTES_MAX + 2];

    memset(longest, 'x', sizeof longest);
    longest[CREDENTIAL_BYTES_MAX] = '\0';
    set_key(&fixture->keys[2], "long", longest);
    longest[CREDENTIAL_BYTES_MAX] = 'x';
    longest[CREDENTIAL_BYTES_MAX + 1] = '\0';
    set_key(&fixture->keys[3], "longer", longest);
    fixture->settings.key_count = 4;
    open_callers(fixture);
    assert_true(callers_are_known(fixture->callers));
    assert_bytes("team-a", caller_name(find(fixture, "secret-a")));
    assert_bytes("team-b", caller_name(find(fixture, "secret-b")));
    assert_null(callers_find(fixture->callers, BYTES("secret-")));
    assert_null(callers_find(fixture->callers, BYTES("secret-aa")));
    assert_null(callers_find(fixture->callers, BYTES("")));
    assert_null(callers_find(fixture->callers, bytes_of(fixture->keys[0].sha256)));
    assert_bytes("long", caller_name(callers_find(fixture->callers, (struct bytes){longest, CREDENTIAL_BYTES_MAX})));
    assert_null(callers_find(fixture->callers, (struct bytes){longest, CREDENTIAL_BYTES_MAX + 1}));
    fixture->settings.key_count = 0;
    open_callers(fixture);
    assert_false(callers_are_known(fixture->callers));
    assert_null(callers_find(fixture->callers, BYTES("secret-a")));
}

static void a_hash_that_is_none_opens_nothing(void **state)
{
    struct fixture *fixture = *state;

    fixture->keys[1].sha256[SETTINGS_SHA256_DIGITS - 1] = '\0';
    assert_status(STATUS_MALFORMED, callers_open(&fixture->callers, &fixture->settings, NULL, fixture->metrics));
    assert_null(fixture->callers);
}

static void a_bucket_holds_its_rate_and_fills_again(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;
    unsigned wait_s;

    fixture->keys[0].rate = (struct rate_settings){3, 60000};
    open_callers(fixture);
    caller = find(fixture, "secret-a");
    for (int index = 0; index < 3; index++) {
        assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US, &wait_s));
        caller_leave(caller);
    }
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US, &wait_s));
    assert_int_equal(20, wait_s); /* one comes back each 20 s */
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US + 1500000, &wait_s));
    assert_int_equal(19, wait_s); /* 18.5, rounded up */
    assert_int_equal(0, caller_in_flight(caller));
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US + 20 * SECOND_US - 1, &wait_s));
    assert_int_equal(1, wait_s);
    assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US + 20 * SECOND_US, &wait_s));
    caller_leave(caller);
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US + 20 * SECOND_US, &wait_s));
    for (int index = 0; index < 3; index++) { /* full again, and not fuller */
        assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US + 900ULL * SECOND_US, &wait_s));
        caller_leave(caller);
    }
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US + 900ULL * SECOND_US, &wait_s));
    assert_int_equal(CALLER_ADMITTED, enter(find(fixture, "secret-b"), NOW_US, &wait_s)); /* another's is another */
    caller_leave(find(fixture, "secret-b"));
    assert_int_equal(7, counted(fixture, "team-a", "admitted"));
    assert_int_equal(5, counted(fixture, "team-a", "rate"));
}

static void requests_in_flight_have_a_bound_and_cost_no_turn_beyond_it(void **state)
{
    struct fixture *fixture = *state;
    struct caller *caller;
    unsigned wait_s;

    fixture->keys[0].in_flight = 2;
    fixture->keys[0].rate = (struct rate_settings){3, 1000};
    open_callers(fixture);
    caller = find(fixture, "secret-a");
    assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US, &wait_s));
    assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US, &wait_s));
    assert_int_equal(CALLER_IN_FLIGHT, enter(caller, NOW_US, &wait_s));
    assert_int_equal(RETRY_AFTER_S, wait_s);
    assert_int_equal(2, caller_in_flight(caller));
    caller_leave(caller);
    assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US, &wait_s)); /* the third of the bucket is there still */
    caller_leave(caller);
    assert_int_equal(CALLER_RATE, enter(caller, NOW_US, &wait_s));
    caller_leave(caller);
    assert_int_equal(0, caller_in_flight(caller));
    assert_int_equal(1, counted(fixture, "team-a", "in_flight"));
}

static void a_key_is_bound_to_its_routes(void **state)
{
    struct fixture *fixture = *state;

    fixture->keys[0].route_count = 2;
    (void)snprintf(fixture->keys[0].routes[0], sizeof fixture->keys[0].routes[0], "/one");
    (void)snprintf(fixture->keys[0].routes[1], sizeof fixture->keys[0].routes[1], "/two");
    open_callers(fixture);
    assert_true(caller_may_use(find(fixture, "secret-a"), "/two"));
    assert_false(caller_may_use(find(fixture, "secret-a"), "/two/more"));
    assert_false(caller_may_use(find(fixture, "secret-a"), "/"));
    assert_true(caller_may_use(find(fixture, "secret-b"), "/two/more"));
    assert_int_equal(2, counted(fixture, "team-a", "forbidden"));
}

static void a_name_that_is_kept_keeps_what_runs_and_its_bucket(void **state)
{
    struct fixture *fixture = *state;
    struct callers *old;
    struct caller *of_a_request;
    unsigned wait_s;
    char digests[2][CALLER_DIGEST_DIGITS + 1];

    fixture->keys[0].in_flight = 1;
    fixture->keys[0].rate = (struct rate_settings){1, 3600000};
    open_callers(fixture);
    of_a_request = find(fixture, "secret-a");
    assert_int_equal(CALLER_ADMITTED, enter(of_a_request, NOW_US, &wait_s));
    callers_digest(fixture->callers, BYTES("strange"), digests[0]);

    old = fixture->callers; /* held by the request's snapshot */
    fixture->callers = NULL;
    set_key(&fixture->keys[2], "team-a", "rotated"); /* a new key, and other bounds, under the name */
    fixture->keys[2].in_flight = 2;
    fixture->keys[2].rate = (struct rate_settings){2, 1000};
    fixture->settings.keys = &fixture->keys[1];
    assert_status(STATUS_OK, callers_open(&fixture->callers, &fixture->settings, old, fixture->metrics));
    callers_digest(fixture->callers, BYTES("strange"), digests[1]);
    assert_string_equal(digests[0], digests[1]);
    assert_null(callers_find(fixture->callers, BYTES("secret-a")));
    assert_int_equal(1, caller_in_flight(find(fixture, "rotated")));
    assert_int_equal(CALLER_RATE, enter(find(fixture, "rotated"), NOW_US, &wait_s)); /* empty by the old rate */
    assert_int_equal(1, wait_s);                                                   /* and filled by the new one */
    assert_int_equal(CALLER_ADMITTED, enter(find(fixture, "rotated"), NOW_US + SECOND_US, &wait_s));
    assert_int_equal(CALLER_IN_FLIGHT, enter(find(fixture, "rotated"), NOW_US + SECOND_US, &wait_s));
    caller_leave(of_a_request);
    callers_close(&old);
    assert_int_equal(1, caller_in_flight(find(fixture, "rotated")));
    caller_leave(find(fixture, "rotated"));
}

static void keys_beyond_the_bound_are_counted_together(void **state)
{
    struct fixture *fixture = *state;
    unsigned wait_s;

    for (size_t index = 0; index < KEYS_COUNTED_MAX + 2; index++) {
        char name[32];

        (void)snprintf(name, sizeof name, "key%zu", index);
        set_key(&fixture->keys[index], name, name);
    }
    fixture->settings.key_count = KEYS_COUNTED_MAX + 2;
    open_callers(fixture);
    open_callers(fixture); /* a reload makes no room */
    for (size_t index = 0; index < KEYS_COUNTED_MAX + 2; index++) {
        struct caller *caller = find(fixture, fixture->keys[index].name);

        assert_int_equal(CALLER_ADMITTED, enter(caller, NOW_US, &wait_s));
        caller_leave(caller);
    }
    assert_int_equal(1, counted(fixture, "key0", "admitted"));
    assert_int_equal(1, counted(fixture, fixture->keys[KEYS_COUNTED_MAX - 1].name, "admitted"));
    assert_int_equal(2, counted(fixture, "other", "admitted"));
    callers_count_stranger(fixture->callers, true);
    callers_count_stranger(fixture->callers, false);
    assert_int_equal(1, counted(fixture, "none", "unknown"));
    assert_int_equal(1, counted(fixture, "none", "missing"));
}

static void *enter_and_leave(void *context)
{
    struct caller *caller = context;
    size_t admitted = 0;
    unsigned wait_s;

    for (int index = 0; index < TURNS; index++) {
        if (caller_enter(caller, NOW_US, &wait_s) == CALLER_ADMITTED) {
            admitted++;
            caller_leave(caller);
        }
    }
    return (void *)admitted;
}

static void many_threads_share_one_bucket(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    size_t admitted = 0;

    fixture->keys[0].rate = (struct rate_settings){1000, 1000};
    open_callers(fixture);
    for (int index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, enter_and_leave, find(fixture, "secret-a")));
    }
    for (int index = 0; index < THREADS; index++) {
        void *more;

        assert_int_equal(0, pthread_join(threads[index], &more));
        admitted += (size_t)more;
    }
    assert_int_equal(1000, admitted);
    assert_int_equal(0, caller_in_flight(find(fixture, "secret-a")));
}

static void callers_with_requests_in_flight_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct caller *first, *second;
    unsigned seconds;

    open_callers(fixture);
    first = find(fixture, "secret-a");
    second = find(fixture, "secret-b");
    assert_int_equal(0, callers_in_flight(fixture->callers));
    assert_int_equal(CALLER_ADMITTED, caller_enter(first, NOW_US, &seconds));
    assert_int_equal(CALLER_ADMITTED, caller_enter(first, NOW_US, &seconds));
    assert_int_equal(1, callers_in_flight(fixture->callers));
    assert_int_equal(CALLER_ADMITTED, caller_enter(second, NOW_US, &seconds));
    assert_int_equal(2, callers_in_flight(fixture->callers));
    caller_leave(first);
    caller_leave(second);
    assert_int_equal(1, callers_in_flight(fixture->callers));
    caller_leave(first);
    assert_int_equal(0, callers_in_flight(fixture->callers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_credential_is_found_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hash_that_is_none_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bucket_holds_its_rate_and_fills_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_in_flight_have_a_bound_and_cost_no_turn_beyond_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_bound_to_its_routes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_kept_keeps_what_runs_and_its_bucket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_beyond_the_bound_are_counted_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(callers_with_requests_in_flight_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads_share_one_bucket, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
