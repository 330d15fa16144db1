/* logistic: the solution satisfies the conditions of its minimum, leaves out what it is told to, and repeats bit for bit. */
#include "support/unit.h"

#include "proto/model.h"
#include "trainer/logistic.h"

#include <math.h>
#include <stdio.h>

enum { BITS = 14, ROWS = 600 };

#define C 16.0

/* Texts whose label mostly follows two words, with noise; every third row is a violation. They weigh weights[number % 4], or 1. */
static struct rows *make_weighed_rows(size_t count, const double *weights)
{
    struct rows *rows = NULL;
    uint32_t random = 7;

    assert_status(STATUS_OK, rows_open(&rows, BITS, false, 4 * MIB));
    for (size_t number = 0; number < count; number++) {
        int label = number % 3 == 0;
        char text[96];

        random = random * 1664525u + 1013904223u;
        (void)snprintf(text, sizeof text, "%s %u common %u", ((random >> 28) < 12) == (label == 1) ? "awful" : "pleasant",
                       random >> 24, (random >> 16) & 31);
        assert_status(STATUS_OK, rows_add(rows, bytes_of(text), label));
        if (weights != NULL) {
            rows_weigh(rows, weights[number % 4], 1);
        }
    }
    return rows;
}

static struct rows *make_rows(size_t count)
{
    return make_weighed_rows(count, NULL);
}

static struct logistic *open_logistic(const struct rows *rows)
{
    struct logistic *logistic = NULL;

    assert_status(STATUS_OK, logistic_open(&logistic, rows, NULL, NULL));
    return logistic;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void known_words_are_told_apart(void **state)
{
    struct rows *rows = make_rows(ROWS);
    struct logistic *logistic = open_logistic(rows);
    size_t right = 0;

    (void)state;
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    for (size_t row = 0; row < ROWS; row++) {
        right += (logistic_score(logistic, row) > 0) == (rows_at(rows, row)->label == 1);
    }
    assert_true(right > ROWS * 7 / 10);
    logistic_close(&logistic);
    assert_null(logistic);
    logistic_close(&logistic);
    rows_close(&rows);
}

/* At the minimum each dual variable is C times the chance of the wrong label, and the bias is the signed sum of them. */
static void assert_minimum(struct logistic *logistic, const struct rows *rows)
{
    double sum = 0, all = 0;
    double weights[2] = {0, 0};

    for (size_t row = 0; row < ROWS; row++) {
        weights[rows_at(rows, row)->label] += rows_weight(rows_at(rows, row));
    }
    for (size_t row = 0; row < ROWS; row++) {
        int label = rows_at(rows, row)->label;
        double sign = label == 1 ? 1 : -1;
        double cost = C * (weights[0] + weights[1]) / (2 * weights[label]);
        double dual = rows_weight(rows_at(rows, row)) * cost * sigmoid(-sign * logistic_score(logistic, row));

        sum += sign * dual;
        all += dual;
    }
    assert_true(fabs(sum - logistic_bias(logistic)) < 0.1 * all); /* as far as it has settled */
}

static void the_solution_meets_the_condition_of_its_minimum_from_wherever_it_began(void **state)
{
    struct rows *rows = make_rows(ROWS);
    struct logistic *logistic = open_logistic(rows);

    (void)state;
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    assert_minimum(logistic, rows);
    assert_status(STATUS_OK, logistic_fit(logistic, 1, 2));
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    assert_minimum(logistic, rows);
    logistic_close(&logistic);
    rows_close(&rows);
}

/* Each has a dual variable of its weight's part. */
static void a_row_counts_by_its_weight_whole_or_not(void **state)
{
    static const double weights[] = {0.5, 0.25, 0.75, 0.5};
    struct rows *rows = make_weighed_rows(ROWS, weights);
    struct logistic *weighed = open_logistic(rows);

    (void)state;
    assert_status(STATUS_OK, logistic_fit_all(weighed, 1));
    assert_minimum(weighed, rows);
    assert_status(STATUS_OK, logistic_fit(weighed, 1, 2)); /* its counts are taken back and brought again without a trace */
    assert_status(STATUS_OK, logistic_fit_all(weighed, 1));
    assert_minimum(weighed, rows);
    logistic_close(&weighed);
    rows_close(&rows);
}

static void weights_add_up_to_the_score(void **state)
{
    struct rows *rows = make_rows(ROWS);
    struct logistic *logistic = open_logistic(rows);
    uint32_t features[1024];
    const float *weights;

    (void)state;
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    weights = logistic_weights(logistic);
    assert_true(rows_longest(rows) <= 1024);
    for (size_t number = 0; number < ROWS; number++) {
        const struct row *row = rows_at(rows, number);
        double sum = 0;

        rows_unpack(rows, row, features, NULL);
        for (uint32_t at = 0; at < row->count; at++) {
            sum += (double)weights[rows_feature_at(rows, features[at])];
        }
        assert_true(fabs(logistic_bias(logistic) + sum / sqrt(row->count) - logistic_score(logistic, number)) < 1e-6);
    }
    logistic_close(&logistic);
    rows_close(&rows);
}

static void a_fold_left_out_has_no_say(void **state)
{
    struct rows *rows = NULL;
    struct logistic *logistic;

    (void)state;
    assert_status(STATUS_OK, rows_open(&rows, BITS, false, MIB));
    for (int number = 0; number < 50; number++) {
        /* The first of each five is the only one to say "zzyzx", and only when it is a violation. */
        assert_status(STATUS_OK, rows_add(rows, number % 5 == 0 ? BYTES("zzyzx") : BYTES("awful"), 1));
        assert_status(STATUS_OK, rows_add(rows, BYTES("pleasant"), 0));
    }
    logistic = open_logistic(rows);
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    assert_true(logistic_score(logistic, 0) > 1);
    assert_status(STATUS_OK, logistic_fit(logistic, 1, 0));
    assert_true(fabs(logistic_score(logistic, 0) - logistic_bias(logistic)) < 0.2); /* but for chance collisions */
    assert_true(logistic_score(logistic, 2) > 1);
    logistic_close(&logistic);
    rows_close(&rows);
}

static void equal_rows_and_seeds_give_equal_bits(void **state)
{
    struct rows *rows = make_rows(ROWS);
    struct logistic *first = open_logistic(rows);
    struct logistic *second = open_logistic(rows);

    (void)state;
    assert_status(STATUS_OK, logistic_fit(first, 5, 1));
    assert_status(STATUS_OK, logistic_fit(second, 99, 3)); /* must leave no trace */
    assert_status(STATUS_OK, logistic_fit_all(second, 98)); /* nor this */
    assert_status(STATUS_OK, logistic_fit(second, 5, 1));
    assert_memory_equal(logistic_weights(first), logistic_weights(second), sizeof(float) << BITS);
    assert_true(logistic_bias(first) == logistic_bias(second));
    assert_status(STATUS_OK, logistic_fit_all(first, 5)); /* begins where the fit before ended */
    assert_status(STATUS_OK, logistic_fit_all(second, 5));
    assert_memory_equal(logistic_weights(first), logistic_weights(second), sizeof(float) << BITS);
    assert_true(logistic_bias(first) == logistic_bias(second));
    assert_status(STATUS_OK, logistic_fit_all(second, 6));
    assert_memory_not_equal(logistic_weights(first), logistic_weights(second), sizeof(float) << BITS);
    logistic_close(&first);
    logistic_close(&second);
    rows_close(&rows);
}

/* By idf each row's own norm is 1: the score follows from weights, counts and idfs alone, as a model reckons it. */
static void by_idf_weights_add_up_to_the_score_too(void **state)
{
    static unsigned char idfs[1 << BITS];
    struct logistic *logistic = NULL;
    struct rows *rows = NULL;
    uint32_t features[1024];
    uint8_t counts[1024];
    const float *weights;

    (void)state;
    for (size_t index = 0; index < 1 << BITS; index++) {
        idfs[index] = (unsigned char)(index % 3 == 0 ? 0 : MODEL_IDF_STEPS + index % 64);
    }
    assert_status(STATUS_OK, rows_open(&rows, BITS, true, MIB));
    for (int number = 0; number < 60; number++) {
        assert_status(STATUS_OK, rows_add(rows, number % 3 == 0 ? BYTES("awful awful thing") : BYTES("a pleasant day"), number % 3 == 0));
    }
    assert_status(STATUS_OK, logistic_open(&logistic, rows, idfs, NULL));
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    weights = logistic_weights(logistic);
    for (size_t number = 0; number < 6; number++) {
        const struct row *row = rows_at(rows, number);
        double dot = 0, square = 0;

        rows_unpack(rows, row, features, counts);
        for (uint32_t at = 0; at < row->count; at++) {
            double idf = (double)idfs[features[at]] / MODEL_IDF_STEPS;

            dot += (double)weights[features[at]] * model_tf(counts[at]);
            square += idf * idf * model_tf(counts[at]) * model_tf(counts[at]);
        }
        assert_true(fabs(logistic_bias(logistic) + dot / sqrt(square) - logistic_score(logistic, number)) < 1e-5);
        assert_true((logistic_score(logistic, number) > 0) == (row->label == 1));
    }
    logistic_close(&logistic);
    rows_close(&rows);
}

static void rows_without_features_do_no_harm(void **state)
{
    struct rows *rows = NULL;
    struct logistic *logistic;

    (void)state;
    assert_status(STATUS_OK, rows_open(&rows, BITS, false, MIB));
    assert_status(STATUS_OK, rows_add(rows, BYTES(""), 0));
    assert_status(STATUS_OK, rows_add(rows, BYTES("  "), 1));
    assert_status(STATUS_OK, rows_add(rows, BYTES(""), 1));
    logistic = open_logistic(rows);
    assert_status(STATUS_OK, logistic_fit_all(logistic, 1));
    assert_true(fabs(logistic_score(logistic, 0)) < 0.5); /* both labels weigh the same */
    logistic_close(&logistic);
    rows_close(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_words_are_told_apart),
        cmocka_unit_test(the_solution_meets_the_condition_of_its_minimum_from_wherever_it_began),
        cmocka_unit_test(a_row_counts_by_its_weight_whole_or_not),
        cmocka_unit_test(weights_add_up_to_the_score),
        cmocka_unit_test(a_fold_left_out_has_no_say),
        cmocka_unit_test(equal_rows_and_seeds_give_equal_bits),
        cmocka_unit_test(by_idf_weights_add_up_to_the_score_too),
        cmocka_unit_test(rows_without_features_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
