/* pool_counts: every result and every reason has its own series. */
#include "support/unit.h"

#include "gateway/pool_counts.h"

static int64_t jobs_with(struct metrics *metrics, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_jobs_total", "", &label, 1));
}

static void each_result_is_counted_as_itself(void **state)
{
    static const struct {
        struct job_result result;
        const char *name;
    } cases[] = {
        {{.status = STATUS_OK, .outcome = OUTCOME_ALLOW}, "allow"},
        {{.status = STATUS_OK, .outcome = OUTCOME_BLOCK}, "block"},
        {{.status = STATUS_UNAVAILABLE, .outcome = OUTCOME_BLOCK}, "unavailable"},
        {{.status = STATUS_FULL}, "full"},
        {{.status = STATUS_TIMEOUT}, "timeout"},
        {{.status = STATUS_CLOSED}, "abandoned"},
    };
    struct metrics *metrics = NULL;
    struct pool_counts counts;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    pool_counts_init(&counts, metrics);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        pool_counts_result(&counts, &cases[index].result);
        for (size_t other = 0; other < sizeof cases / sizeof cases[0]; other++) {
            assert_int_equal(other <= index, jobs_with(metrics, cases[other].name));
        }
    }
    metrics_close(&metrics);
}

static void reasons_have_the_names_of_the_protocol(void **state)
{
    (void)state;
    assert_string_equal("parts", pool_counts_bad_name(BAD_PARTS));
    assert_string_equal("malformed", pool_counts_bad_name(BAD_MALFORMED));
    assert_string_equal("version", pool_counts_bad_name(BAD_VERSION));
    assert_string_equal("turn", pool_counts_bad_name(BAD_TURN));
    assert_string_equal("unknown", pool_counts_bad_name(BAD_UNKNOWN));
    assert_string_equal("peers", pool_counts_bad_name(BAD_PEERS));
    assert_string_equal("text_bound", pool_counts_bad_name(BAD_TEXT_BOUND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_is_counted_as_itself),
        cmocka_unit_test(reasons_have_the_names_of_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
