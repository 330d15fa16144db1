/* Tests of admit: both sides of each bound, and that what is given back can be taken again. */
#include "gateway/admit.h"

#include "gateway/memory_bound.h"
#include "proto/limits.h"
#include "support/unit.h"

#include <pthread.h>

struct fixture {
    struct limit_settings limits;
    struct metrics *metrics;
    struct admit *admit;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    fixture->limits = (struct limit_settings){.connections = 2, .connections_per_address = 2, .in_flight = 3,
                                                .body_budget_bytes = 1000, .stream_budget_bytes = 2000,
                                                .decoders = DECODERS_BROTLI_MAX + 1};
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, admit_open(&fixture->admit, &fixture->limits, fixture->metrics));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    admit_close(&fixture->admit);
    admit_close(&fixture->admit);
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

static void connections_are_served_then_told_then_left_waiting(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;

    assert_status(STATUS_OK, admit_connection(admit));
    assert_status(STATUS_OK, admit_connection(admit));
    for (int index = 0; index < SPARE_CONNECTIONS; index++) {
        assert_status(STATUS_FULL, admit_connection(admit));
    }
    assert_status(STATUS_AGAIN, admit_connection(admit));
    assert_int_equal(2 + SPARE_CONNECTIONS, admit_connections(admit));
    admit_connection_end(admit);
    assert_status(STATUS_FULL, admit_connection(admit));
    for (int index = 0; index < 2 + SPARE_CONNECTIONS; index++) {
        admit_connection_end(admit);
    }
    assert_int_equal(0, admit_connections(admit));
    assert_status(STATUS_OK, admit_connection(admit));
    admit_connection_end(admit);
}

static void requests_in_flight_have_a_bound(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;

    for (int index = 0; index < 3; index++) {
        assert_status(STATUS_OK, admit_request(admit));
    }
    assert_status(STATUS_FULL, admit_request(admit));
    assert_int_equal(3, admit_in_flight(admit));
    admit_request_end(admit);
    assert_status(STATUS_OK, admit_request(admit));
    for (int index = 0; index < 3; index++) {
        admit_request_end(admit);
    }
}

static void bodies_and_unsent_bytes_have_accounts(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;

    assert_status(STATUS_FULL, account_charge(admit_bodies(admit), 1001));
    assert_status(STATUS_OK, account_charge(admit_bodies(admit), 1000));
    assert_int_equal(1000, admit_body_bytes(admit));
    account_release(admit_bodies(admit), 1000);
    assert_status(STATUS_FULL, account_charge(admit_unsent(admit), 2001));
    assert_status(STATUS_OK, account_charge(admit_unsent(admit), 2000));
    account_release(admit_unsent(admit), 2000);
}

/* The stage that a sample finds now. */
static enum overload_stage sampled(const struct admit *admit)
{
    overload_sample(admit_overload(admit));
    return overload_stage(admit_overload(admit));
}

static void the_fullest_budget_makes_the_pressure(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;
    uint64_t unsent = 2000 - 2000 / UNSENT_SPARED_PART;

    assert_int_equal(OVERLOAD_NONE, sampled(admit));
    assert_status(STATUS_OK, account_charge(admit_bodies(admit), 849));
    assert_int_equal(OVERLOAD_NONE, sampled(admit));
    assert_status(STATUS_OK, account_charge(admit_bodies(admit), 1));
    assert_int_equal(OVERLOAD_KEEP_ALIVE, sampled(admit));
    assert_status(STATUS_OK, account_charge(admit_unsent(admit), unsent * 99 / 100 - 1));
    assert_int_equal(OVERLOAD_ACCEPT, sampled(admit));
    assert_status(STATUS_OK, account_charge(admit_unsent(admit), unsent / 100 + 1));
    assert_int_equal(OVERLOAD_STALLED, sampled(admit));
    account_release(admit_unsent(admit), unsent * 99 / 100 + unsent / 100);
    account_release(admit_bodies(admit), 850);
    assert_int_equal(OVERLOAD_NONE, sampled(admit));
}

static void connections_and_requests_have_doors_of_their_own(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;

    for (int index = 0; index < 2 + SPARE_CONNECTIONS; index++) {
        assert_true(admit_connection(admit) != STATUS_AGAIN);
    }
    assert_int_equal(OVERLOAD_KEEP_ALIVE, sampled(admit));
    for (int index = 0; index < 3; index++) {
        assert_status(STATUS_OK, admit_request(admit));
    }
    assert_int_equal(OVERLOAD_STREAMS, sampled(admit));
    for (int index = 0; index < 3; index++) {
        admit_request_end(admit);
    }
    for (int index = 0; index < 2 + SPARE_CONNECTIONS; index++) {
        admit_connection_end(admit);
    }
    assert_int_equal(OVERLOAD_NONE, sampled(admit));
}

/* How many connections find a place, and how many of them are served. */
static void fill(struct admit *admit, uint64_t *served, uint64_t *placed)
{
    enum status status;

    *served = *placed = 0;
    while ((status = admit_connection(admit)) != STATUS_AGAIN) {
        *served += status == STATUS_OK ? 1 : 0;
        *placed += 1;
    }
    for (uint64_t index = 0; index < *placed; index++) {
        admit_connection_end(admit);
    }
}

static void connections_have_four_tenths_of_the_descriptors(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;
    uint64_t served, placed;

    assert_int_equal(2, admit_fit(admit, 1000));
    fill(admit, &served, &placed);
    assert_int_equal(2, served);
    assert_int_equal(2 + SPARE_CONNECTIONS, placed);
    assert_int_equal(45, admit_fit(admit, 159)); /* 60 of 150 */
    fill(admit, &served, &placed);
    assert_int_equal(45, served);
    assert_int_equal(60, placed);
}

static void connections_and_requests_are_charged_their_shares(void **state)
{
    struct fixture *fixture = *state;
    const struct metric_label connections = {"account", "connections"}, requests = {"account", "requests"};
    struct series *gauges[] = {
        metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_memory_account_bytes", "", &connections, 1),
        metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_memory_account_bytes", "", &requests, 1)};

    assert_status(STATUS_OK, admit_connection(fixture->admit));
    assert_status(STATUS_OK, admit_request(fixture->admit));
    assert_int_equal(memory_bound_connection_bytes(&fixture->limits), series_value(gauges[0]));
    assert_int_equal(memory_bound_request_bytes(&fixture->limits), series_value(gauges[1]));
    admit_request_end(fixture->admit);
    admit_connection_end(fixture->admit);
    assert_int_equal(0, series_value(gauges[0]) + series_value(gauges[1]));
}

static void decoders_have_a_bound_and_those_of_brotli_a_lower_one(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;

    for (int index = 0; index < DECODERS_BROTLI_MAX; index++) {
        assert_status(STATUS_OK, admit_decoder(admit, true));
    }
    assert_status(STATUS_FULL, admit_decoder(admit, true));
    assert_status(STATUS_OK, admit_decoder(admit, false)); /* what was refused holds nothing */
    assert_status(STATUS_FULL, admit_decoder(admit, false));
    admit_decoder_end(admit, false);
    assert_status(STATUS_FULL, admit_decoder(admit, true));
    admit_decoder_end(admit, true);
    assert_status(STATUS_OK, admit_decoder(admit, true));
    for (int index = 0; index < DECODERS_BROTLI_MAX; index++) {
        admit_decoder_end(admit, true);
    }
}

static void *take_and_give(void *context)
{
    struct admit *admit = context;

    for (int index = 0; index < 20000; index++) {
        if (admit_request(admit) == STATUS_OK) {
            assert_true(admit_in_flight(admit) > 0);
            admit_request_end(admit);
        }
    }
    return NULL;
}

static void many_threads_leave_nothing_behind(void **state)
{
    struct admit *admit = ((struct fixture *)*state)->admit;
    pthread_t threads[4];

    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, take_and_give, admit));
    }
    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    assert_int_equal(0, admit_in_flight(admit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_are_served_then_told_then_left_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_in_flight_have_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_and_unsent_bytes_have_accounts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_fullest_budget_makes_the_pressure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_and_requests_have_doors_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_have_four_tenths_of_the_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_and_requests_are_charged_their_shares, set_up, tear_down),
        cmocka_unit_test_setup_teardown(decoders_have_a_bound_and_those_of_brotli_a_lower_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads_leave_nothing_behind, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
