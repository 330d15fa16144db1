/* metrics: what is counted is printed, label sets are bounded, and a label value cannot forge a line. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/metrics.h"

#include <pthread.h>
#include <stdio.h>

static char *print(struct metrics *metrics)
{
    static char text[METRICS_TEXT_BYTES_MAX];
    struct buffer out;

    buffer_init(&out, sizeof text - 1);
    assert_status(STATUS_OK, metrics_print(metrics, &out));
    assert_status(STATUS_OK, bytes_copy(buffer_view(&out), text, sizeof text));
    buffer_free(&out);
    return text;
}

static void series_of_one_metric_stand_together_under_one_head(void **state)
{
    struct metrics *metrics = NULL;
    struct metric_label one = {"route", "/a"};
    struct metric_label two = {"route", "/b"};

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series_add(metrics_series(metrics, METRIC_COUNTER, "requests_total", "Requests.", &one, 1), 2);
    series_set(metrics_series(metrics, METRIC_GAUGE, "streams", "Streams.", NULL, 0), -3);
    series_add(metrics_series(metrics, METRIC_COUNTER, "requests_total", "Requests.", &two, 1), 1);
    series_add(metrics_series(metrics, METRIC_COUNTER, "requests_total", "Requests.", &one, 1), 5);
    assert_non_null(strstr(print(metrics), "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
                                           "requests_total{route=\"/a\"} 7\nrequests_total{route=\"/b\"} 1\n"));
    assert_non_null(strstr(print(metrics), "# TYPE streams gauge\nstreams -3\n"));
    metrics_close(&metrics);
    assert_null(metrics);
}

static void a_histogram_counts_both_sides_of_a_bucket_s_bound(void **state)
{
    struct metrics *metrics = NULL;
    struct series *series;
    const char *text;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series = metrics_series(metrics, METRIC_HISTOGRAM, "t_seconds", "Time.", NULL, 0);
    series_observe(series, 0.0001);
    series_observe(series, 0.000101);
    series_observe(series, 1000);
    text = print(metrics);
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.0001\"} 1\nt_seconds_bucket{le=\"0.00025\"} 2\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"100\"} 2\nt_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "t_seconds_count 3\n"));
    metrics_close(&metrics);
}

static void a_label_value_cannot_forge_a_line(void **state)
{
    struct metrics *metrics = NULL;
    struct metric_label label = {"model", "a\"} 1\nfake_total 9\\\x01"};

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series_add(metrics_series(metrics, METRIC_COUNTER, "real_total", "Real.", &label, 1), 1);
    assert_non_null(strstr(print(metrics), "real_total{model=\"a\\\"} 1\\nfake_total 9\\\\?\"} 1\n"));
    metrics_close(&metrics);
}

static void label_sets_past_the_bound_are_counted_as_other(void **state)
{
    struct metrics *metrics = NULL;
    char value[16];
    struct metric_label label = {"key", value};
    struct series *last = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    for (int index = 0; index < METRICS_SERIES_MAX + 10; index++) {
        (void)snprintf(value, sizeof value, "%d", index);
        last = metrics_series(metrics, METRIC_COUNTER, "keys_total", "Keys.", &label, 1);
        series_add(last, 1);
    }
    /* One place is the folded counter's own, METRICS_FOLDED_MAX are kept back; all above share one series. */
    assert_int_equal(METRICS_FOLDED_MAX + 11, series_value(last));
    assert_non_null(strstr(print(metrics), "keys_total{key=\"other\"} 111\n"));
    assert_non_null(strstr(print(metrics), "prismguard_metrics_folded_total 111\n"));
    (void)snprintf(value, sizeof value, "0");
    assert_int_equal(1, series_value(metrics_series(metrics, METRIC_COUNTER, "keys_total", "Keys.", &label, 1)));
    metrics_close(&metrics);
}

static void labels_too_long_for_a_series_are_counted_as_other(void **state)
{
    struct metrics *metrics = NULL;
    char value[METRICS_LABELS_BYTES_MAX + 1];
    struct metric_label label = {"key", value};

    (void)state;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    assert_status(STATUS_OK, metrics_open(&metrics));
    series_add(metrics_series(metrics, METRIC_COUNTER, "keys_total", "Keys.", &label, 1), 1);
    assert_non_null(strstr(print(metrics), "keys_total{key=\"other\"} 1\n"));
    metrics_close(&metrics);
}

static void *add_many(void *series)
{
    for (int turn = 0; turn < 100000; turn++) {
        series_add(series, 1);
    }
    return NULL;
}

static void threads_count_into_one_series_without_losing_any(void **state)
{
    struct metrics *metrics = NULL;
    struct series *series;
    pthread_t threads[4];

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series = metrics_series(metrics, METRIC_COUNTER, "n_total", "N.", NULL, 0);
    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, add_many, series));
    }
    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    assert_int_equal(400000, series_value(series));
    metrics_close(&metrics);
}

static void a_print_that_does_not_fit_says_so(void **state)
{
    struct metrics *metrics = NULL;
    struct buffer out;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    buffer_init(&out, 20);
    assert_status(STATUS_TOO_LARGE, metrics_print(metrics, &out));
    buffer_free(&out);
    metrics_close(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_of_one_metric_stand_together_under_one_head),
        cmocka_unit_test(a_histogram_counts_both_sides_of_a_bucket_s_bound),
        cmocka_unit_test(a_label_value_cannot_forge_a_line),
        cmocka_unit_test(label_sets_past_the_bound_are_counted_as_other),
        cmocka_unit_test(labels_too_long_for_a_series_are_counted_as_other),
        cmocka_unit_test(threads_count_into_one_series_without_losing_any),
        cmocka_unit_test(a_print_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
