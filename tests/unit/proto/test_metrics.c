/* metrics: what is counted is printed, label sets are bounded, and a label value cannot forge a line. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/metrics.h"

#include <math.h>
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
    series_observe(series, 0.00005);
    series_observe(series, 0.000051);
    series_observe(series, 0.0001);
    series_observe(series, 0.000101);
    series_observe(series, 600);
    series_observe(series, 601);
    text = print(metrics);
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.00005\"} 1\nt_seconds_bucket{le=\"0.0001\"} 3\n"
                                 "t_seconds_bucket{le=\"0.00025\"} 4\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"300\"} 4\nt_seconds_bucket{le=\"600\"} 5\n"
                                 "t_seconds_bucket{le=\"+Inf\"} 6\n"));
    assert_non_null(strstr(text, "t_seconds_count 6\n"));
    metrics_close(&metrics);
}

static double number(const char *text)
{
    double value = 0;

    assert_int_equal(1, sscanf(text, "%lf", &value));
    return value;
}

static void the_words_of_the_buckets_are_their_numbers_and_grow(void **state)
{
    static const char word[] = "t_seconds_bucket{le=\"";
    struct metrics *metrics = NULL;
    double before = 0;
    size_t buckets = 0;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    (void)metrics_series(metrics, METRIC_HISTOGRAM, "t_seconds", "Time.", NULL, 0);
    for (const char *at = print(metrics); (at = strstr(at, word)) != NULL; at += sizeof word - 1) {
        double bound = at[sizeof word - 1] == '+' ? 1e9 : number(at + sizeof word - 1);
        struct series *series = metrics_series(metrics, METRIC_HISTOGRAM, "one_seconds", "Time.", NULL, 0);

        assert_true(bound > before);
        before = bound;
        series_observe(series, bound);
        buckets++;
    }
    /* One observation at each bound: every bucket holds one. */
    for (const char *at = print(metrics); (at = strstr(at, "one_seconds_bucket{")) != NULL; at++) {
        buckets--;
        assert_true(number(strchr(at, ' ')) > 0);
    }
    assert_int_equal(0, buckets);
    metrics_close(&metrics);
}

static void a_gauge_that_knows_nothing_yet_says_nan(void **state)
{
    struct metrics *metrics = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series_set_real(metrics_series(metrics, METRIC_GAUGE, "auc", "Area.", NULL, 0), (double)NAN);
    assert_non_null(strstr(print(metrics), "auc NaN\n"));
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
    value[METRICS_LABELS_BYTES_MAX - (sizeof "key=\"\"" - 1)] = '\0';
    assert_status(STATUS_OK, metrics_open(&metrics));
    series_add(metrics_series(metrics, METRIC_COUNTER, "keys_total", "Keys.", &label, 1), 1);
    assert_non_null(strstr(print(metrics), "keys_total{key=\"xxx"));
    assert_null(strstr(print(metrics), "other"));
    value[strlen(value)] = 'x'; /* one more */
    value[METRICS_LABELS_BYTES_MAX - (sizeof "key=\"\"" - 1) + 1] = '\0';
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

static void a_metric_without_any_room_is_counted_nowhere_and_harms_nothing(void **state)
{
    static char names[METRICS_SERIES_MAX + 1][16]; /* borrowed by the metrics, as literals are */
    struct metrics *metrics = NULL;
    struct series *lost;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    for (size_t index = 0; index <= METRICS_SERIES_MAX; index++) {
        (void)snprintf(names[index], sizeof names[index], "m%zu", index);
        series_add(metrics_series(metrics, METRIC_COUNTER, names[index], "Many.", NULL, 0), 1);
    }
    lost = metrics_series(metrics, METRIC_GAUGE, "one_more", "One more.", NULL, 0);
    series_add(lost, -5); /* a gauge may fall; the count of folded look-ups may not */
    series_set(lost, -7);
    series_set_real(lost, 0.5);
    series_observe(lost, 1);
    /* The folded counter's own place aside, all but METRICS_FOLDED_MAX fitted; those took the places kept back; three had none. */
    assert_non_null(strstr(print(metrics), "prismguard_metrics_folded_total 103\n"));
    assert_non_null(strstr(print(metrics), "m1998 1\n"));
    assert_null(strstr(print(metrics), "m1999"));
    assert_null(strstr(print(metrics), "one_more"));
    metrics_close(&metrics);
}

static void an_observation_that_is_no_time_is_bounded(void **state)
{
    struct metrics *metrics = NULL;
    struct series *series;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    series = metrics_series(metrics, METRIC_HISTOGRAM, "odd_seconds", "Odd.", NULL, 0);
    series_observe(series, -1);
    series_observe(series, (double)NAN);
    assert_non_null(strstr(print(metrics), "odd_seconds_sum 0.000000\nodd_seconds_count 2\n"));
    series_observe(series, (double)INFINITY);
    assert_non_null(strstr(print(metrics), "odd_seconds_sum 1000000.000000\nodd_seconds_count 3\n"));
    assert_non_null(strstr(print(metrics), "odd_seconds_bucket{le=\"600\"} 2\n"));
    metrics_close(&metrics);
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
        cmocka_unit_test(the_words_of_the_buckets_are_their_numbers_and_grow),
        cmocka_unit_test(a_gauge_that_knows_nothing_yet_says_nan),
        cmocka_unit_test(a_label_value_cannot_forge_a_line),
        cmocka_unit_test(label_sets_past_the_bound_are_counted_as_other),
        cmocka_unit_test(labels_too_long_for_a_series_are_counted_as_other),
        cmocka_unit_test(a_metric_without_any_room_is_counted_nowhere_and_harms_nothing),
        cmocka_unit_test(an_observation_that_is_no_time_is_bounded),
        cmocka_unit_test(threads_count_into_one_series_without_losing_any),
        cmocka_unit_test(a_print_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
