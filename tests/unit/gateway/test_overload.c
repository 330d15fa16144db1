/* Tests of overload: both sides of every mark, how far each signal goes, and who is refused. */
#include "gateway/overload.h"

#include "support/unit.h"

#include "proto/limits.h"
#include "proto/secret.h"

struct fixture {
    struct metrics *metrics;
    struct overload *overload;
    struct account account;
};

static const unsigned enter[OVERLOAD_STAGES] = {0, 85, 92, 95, 97, 99};
static const struct overload_share fair = {.own = 2, .all = 6, .callers = 3};
static const struct overload_share greedy = {.own = 3, .all = 6, .callers = 3};
static const struct overload_share alone = {.own = 6, .all = 6, .callers = 1};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, overload_open(&fixture->overload, fixture->metrics));
    account_open(&fixture->account, "test", 1000, fixture->metrics);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    account_close(&fixture->account);
    overload_close(&fixture->overload);
    overload_close(&fixture->overload);
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

static enum overload_stage sampled(struct overload *overload, enum overload_signal signal, unsigned percent)
{
    overload_tell(overload, signal, percent);
    overload_sample(overload);
    return overload_stage(overload);
}

static int64_t shed(struct fixture *fixture, const char *what)
{
    return series_value(metrics_series(fixture->metrics, METRIC_COUNTER, "prismguard_gateway_overload_shed_total", "",
                                       &(struct metric_label){"what", what}, 1));
}

static void each_stage_is_entered_at_its_mark_and_left_five_points_below(void **state)
{
    struct overload *overload = ((struct fixture *)*state)->overload;

    for (enum overload_stage stage = OVERLOAD_KEEP_ALIVE; stage < OVERLOAD_STAGES; stage++) {
        assert_int_equal(stage - 1, sampled(overload, SIGNAL_MEMORY, enter[stage] - 1));
        assert_int_equal(stage, sampled(overload, SIGNAL_MEMORY, enter[stage]));
    }
    for (enum overload_stage stage = OVERLOAD_STALLED; stage > OVERLOAD_NONE; stage--) {
        assert_int_equal(stage, sampled(overload, SIGNAL_MEMORY, enter[stage] - 5));
        assert_int_equal(stage - 1, sampled(overload, SIGNAL_MEMORY, enter[stage] - 6));
    }
    assert_int_equal(OVERLOAD_STALLED, sampled(overload, SIGNAL_MEMORY, 200)); /* at once, and back */
    assert_int_equal(OVERLOAD_NONE, sampled(overload, SIGNAL_MEMORY, 0));
}

static void a_signal_goes_no_further_than_what_helps_it(void **state)
{
    static const enum overload_stage last[OVERLOAD_SIGNALS] = {
        [SIGNAL_BODIES] = OVERLOAD_REQUESTS,   [SIGNAL_UNSENT] = OVERLOAD_STALLED, [SIGNAL_CONNECTIONS] = OVERLOAD_KEEP_ALIVE,
        [SIGNAL_REQUESTS] = OVERLOAD_STREAMS,  [SIGNAL_QUEUE] = OVERLOAD_REQUESTS, [SIGNAL_LAG] = OVERLOAD_ACCEPT,
        [SIGNAL_DESCRIPTORS] = OVERLOAD_ACCEPT, [SIGNAL_MEMORY] = OVERLOAD_STALLED};
    struct overload *overload = ((struct fixture *)*state)->overload;

    for (enum overload_signal signal = 0; signal < OVERLOAD_SIGNALS; signal++) {
        assert_int_equal(last[signal], sampled(overload, signal, 100));
        assert_int_equal(OVERLOAD_NONE, sampled(overload, signal, 0));
    }
}

static void the_highest_signal_is_the_stage_and_the_metrics_tell_which(void **state)
{
    struct fixture *fixture = *state;
    const struct metric_label queue = {"signal", "queue"};

    assert_int_equal(OVERLOAD_STREAMS, sampled(fixture->overload, SIGNAL_QUEUE, 93));
    assert_int_equal(OVERLOAD_STREAMS, sampled(fixture->overload, SIGNAL_LAG, 86));
    assert_int_equal(OVERLOAD_KEEP_ALIVE, sampled(fixture->overload, SIGNAL_QUEUE, 7));
    assert_int_equal(3, overload_samples(fixture->overload));
    assert_int_equal(1, series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_overload_stage", "", NULL, 0)));
    assert_int_equal(7, series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_overload_signal_percent",
                                                    "", &queue, 1)));
}

static void streams_of_those_over_their_fair_share_go_first(void **state)
{
    struct fixture *fixture = *state;
    struct overload *overload = fixture->overload;

    assert_int_equal(OVERLOAD_KEEP_ALIVE, sampled(overload, SIGNAL_QUEUE, 91));
    assert_false(overload_refuses(overload, true, &greedy));
    assert_int_equal(OVERLOAD_STREAMS, sampled(overload, SIGNAL_QUEUE, 92));
    assert_true(overload_refuses(overload, true, &greedy));
    assert_false(overload_refuses(overload, true, &fair));
    assert_false(overload_refuses(overload, true, &alone));
    assert_false(overload_refuses(overload, false, &greedy));
    assert_int_equal(1, shed(fixture, "streams"));
}

static void then_their_requests_and_then_everybodys(void **state)
{
    struct fixture *fixture = *state;
    struct overload *overload = fixture->overload;

    assert_int_equal(OVERLOAD_STREAMS, sampled(overload, SIGNAL_QUEUE, 94));
    assert_false(overload_refuses(overload, false, &greedy));
    assert_int_equal(OVERLOAD_REQUESTS, sampled(overload, SIGNAL_QUEUE, 95));
    assert_true(overload_refuses(overload, false, &greedy));
    assert_false(overload_refuses(overload, false, &fair));
    assert_false(overload_refuses(overload, false, &alone));
    overload_tell(overload, SIGNAL_QUEUE, OVERLOAD_ALL_PERCENT);
    assert_true(overload_refuses(overload, false, &fair));
    assert_true(overload_refuses(overload, true, &alone));
    assert_int_equal(3, shed(fixture, "requests"));
}

static void an_account_is_looked_at_again_before_a_request_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct overload *overload = fixture->overload;

    overload_use_account(overload, SIGNAL_BODIES, &fixture->account, 1000);
    assert_status(STATUS_OK, account_charge(&fixture->account, 960));
    overload_sample(overload);
    assert_int_equal(OVERLOAD_REQUESTS, overload_stage(overload));
    assert_true(overload_refuses(overload, false, &fair));
    account_release(&fixture->account, 10);
    assert_false(overload_refuses(overload, false, &fair));
    assert_true(overload_refuses(overload, false, &greedy));
    account_release(&fixture->account, 50);
    assert_true(overload_refuses(overload, false, &greedy));
    account_release(&fixture->account, 10); /* 89 %: there is room, whatever the last sample found */
    assert_int_equal(OVERLOAD_REQUESTS, overload_stage(overload));
    assert_false(overload_refuses(overload, false, &greedy));
    assert_true(overload_refuses(overload, true, &greedy));
    account_release(&fixture->account, 30);
    assert_false(overload_refuses(overload, true, &greedy));
    account_release(&fixture->account, 860);
}

static void lag_is_a_signal_from_a_tenth_of_a_second_on(void **state)
{
    (void)state;
    assert_int_equal(0, overload_lag_percent(0));
    assert_int_equal(84, overload_lag_percent(OVERLOAD_LAG_MS - 1));
    assert_int_equal(85, overload_lag_percent(OVERLOAD_LAG_MS));
    assert_int_equal(99, overload_lag_percent(OVERLOAD_LAG_MAX_MS - 1));
    assert_int_equal(100, overload_lag_percent(OVERLOAD_LAG_MAX_MS));
    assert_int_equal(100, overload_lag_percent(UINT64_MAX));
}

static void a_percentage_of_anything_is_told(void **state)
{
    (void)state;
    assert_int_equal(0, overload_percent(0, 0));
    assert_int_equal(50, overload_percent(1, 2));
    assert_int_equal(84, overload_percent(849, 1000));
    assert_int_equal(85, overload_percent(850, 1000));
    assert_int_equal(99, overload_percent(UINT64_MAX, UINT64_MAX));
    assert_int_equal(0, overload_percent(5, 0));
}

static void those_who_come_back_do_not_come_all_at_once(void **state)
{
    bool seen[OVERLOAD_RETRY_SPREAD_S] = {false};

    (void)state;
    assert_status(STATUS_OK, secret_start());
    for (int index = 0; index < 1000; index++) {
        unsigned seconds = overload_retry_after_s();

        assert_in_range(seconds, RETRY_AFTER_S, RETRY_AFTER_S + OVERLOAD_RETRY_SPREAD_S - 1);
        seen[seconds - RETRY_AFTER_S] = true;
    }
    for (int index = 0; index < OVERLOAD_RETRY_SPREAD_S; index++) {
        assert_true(seen[index]);
    }
}

int main(void)
{
#define with_overload(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_overload(each_stage_is_entered_at_its_mark_and_left_five_points_below),
        with_overload(a_signal_goes_no_further_than_what_helps_it),
        with_overload(the_highest_signal_is_the_stage_and_the_metrics_tell_which),
        with_overload(streams_of_those_over_their_fair_share_go_first),
        with_overload(then_their_requests_and_then_everybodys),
        with_overload(an_account_is_looked_at_again_before_a_request_is_refused),
        cmocka_unit_test(lag_is_a_signal_from_a_tenth_of_a_second_on),
        cmocka_unit_test(a_percentage_of_anything_is_told),
        cmocka_unit_test(those_who_come_back_do_not_come_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
