/* evaluate: figures of pairs small enough to reckon by hand, in whatever order they come. */
#include "support/unit.h"

#include "support/reviewed.h"
#include "trainer/evaluate.h"

#include <math.h>

#define LOW 0.2
#define HIGH 0.8

struct pair {
    double probability;
    int label;
};

static void fill(struct evaluate *evaluate, const struct pair *pairs, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, evaluate_add(evaluate, pairs[index].probability, pairs[index].label, 1));
    }
}

static struct evaluate_figures figures_of(const struct pair *pairs, size_t count)
{
    struct evaluate *evaluate = NULL;
    struct evaluate_figures figures;

    assert_status(STATUS_OK, evaluate_open(&evaluate));
    fill(evaluate, pairs, count);
    assert_status(STATUS_OK, evaluate_figures(evaluate, LOW, HIGH, &figures));
    evaluate_close(&evaluate);
    assert_null(evaluate);
    return figures;
}

static void assert_near(double expected, double actual)
{
    assert_true(fabs(expected - actual) < 1e-12);
}

static void a_perfect_ranking_has_auc_one_and_a_reversed_one_zero(void **state)
{
    const struct pair right[] = {{0.1, 0}, {0.3, 0}, {0.7, 1}, {0.9, 1}};
    const struct pair wrong[] = {{0.1, 1}, {0.3, 1}, {0.7, 0}, {0.9, 0}};

    (void)state;
    assert_near(1, figures_of(right, 4).auc);
    assert_near(1, figures_of(right, 4).pr_auc);
    assert_near(1, figures_of(right, 4).f1);
    assert_near(0, figures_of(wrong, 4).auc);
    assert_near((1.0 / 3 + 2.0 / 4) / 2, figures_of(wrong, 4).pr_auc);
    assert_near(0, figures_of(wrong, 4).f1);
}

static void a_mixed_ranking_counts_pairs(void **state)
{
    /* Of the six pairs of a violation and a pass, 0.9 wins 3 and 0.4 wins 1. */
    const struct pair pairs[] = {{0.4, 1}, {0.5, 0}, {0.9, 1}, {0.2, 0}, {0.7, 0}};
    struct evaluate_figures figures = figures_of(pairs, 5);

    (void)state;
    assert_near(4.0 / 6, figures.auc);
    assert_near((1.0 + 2.0 / 4) / 2, figures.pr_auc);
    assert_near(2 * 1.0 / (3 + 2), figures.f1); /* 0.5 itself counts as flagged */
    assert_int_equal(5, figures.count);
    assert_int_equal(2, figures.violations);
}

static void equal_scores_count_half_whatever_their_order(void **state)
{
    const struct pair one[] = {{0.5, 1}, {0.5, 0}, {0.5, 0}, {0.5, 1}};
    const struct pair other[] = {{0.5, 0}, {0.5, 0}, {0.5, 1}, {0.5, 1}};

    (void)state;
    assert_near(0.5, figures_of(one, 4).auc);
    assert_near(0.5, figures_of(other, 4).auc);
    assert_near(0.5, figures_of(one, 4).pr_auc);
    assert_near(0.5, figures_of(other, 4).pr_auc);
}

static void calibration_error_is_the_distance_between_said_and_true(void **state)
{
    const struct pair sure[] = {{0, 0}, {1, 1}};
    const struct pair liar[] = {{0, 1}, {1, 0}};
    const struct pair even[] = {{0.25, 0}, {0.25, 1}, {0.25, 0}, {0.25, 0}, {1, 1}};
    /* Two bins: 0.1 said, half true; 0.9 said, all true. */
    const struct pair off[] = {{0.1, 0}, {0.1, 1}, {0.9, 1}, {0.9, 1}};

    (void)state;
    assert_near(0, figures_of(sure, 2).calibration_error);
    assert_near(1, figures_of(liar, 2).calibration_error);
    assert_near(0, figures_of(even, 5).calibration_error);
    assert_near((2 * 0.4 + 2 * 0.1) / 4, figures_of(off, 4).calibration_error);
}

static void only_scores_beyond_the_thresholds_are_decided(void **state)
{
    const struct pair pairs[] = {{0.19, 0}, {0.2, 1}, {0.8, 0}, {0.81, 0}, {0.95, 1}, {0.5, 1}};
    const struct pair unsure[] = {{0.4, 0}, {0.6, 1}};
    struct evaluate_figures figures = figures_of(pairs, 6);

    (void)state;
    assert_near(3.0 / 6, figures.decided);
    assert_near(2.0 / 3, figures.agreement);
    assert_near(0, figures_of(unsure, 2).decided);
    assert_true(isnan(figures_of(unsure, 2).agreement));
}

static void a_missing_label_has_no_figures(void **state)
{
    const struct evaluate_figures before = {.auc = 7};
    struct evaluate *evaluate = NULL;
    struct evaluate_figures figures = before;

    (void)state;
    assert_status(STATUS_OK, evaluate_open(&evaluate));
    assert_status(STATUS_TOO_FEW, evaluate_figures(evaluate, LOW, HIGH, &figures));
    assert_status(STATUS_OK, evaluate_add(evaluate, 0.5, 0, 1));
    assert_status(STATUS_TOO_FEW, evaluate_figures(evaluate, LOW, HIGH, &figures));
    assert_near(7, figures.auc);
    /* More pairs may come after figures were asked for. */
    assert_status(STATUS_OK, evaluate_add(evaluate, 0.6, 1, 1));
    assert_status(STATUS_OK, evaluate_figures(evaluate, LOW, HIGH, &figures));
    assert_status(STATUS_OK, evaluate_add(evaluate, 0.1, 1, 1));
    assert_status(STATUS_OK, evaluate_figures(evaluate, LOW, HIGH, &figures));
    assert_near(0.5, figures.auc);
    evaluate_close(&evaluate);
    evaluate_close(&evaluate);
}

static void pairs_are_taken_up_to_their_bound(void **state)
{
    struct evaluate *evaluate = NULL;
    struct evaluate_figures figures;

    (void)state;
    assert_status(STATUS_OK, evaluate_open(&evaluate));
    for (int index = 0; index < EVALUATE_PAIRS_MAX; index++) {
        if (evaluate_add(evaluate, index / (double)EVALUATE_PAIRS_MAX, index & 1, 1) != STATUS_OK) {
            fail();
        }
    }
    assert_status(STATUS_FULL, evaluate_add(evaluate, 0.5, 1, 1));
    assert_status(STATUS_OK, evaluate_figures(evaluate, LOW, HIGH, &figures));
    assert_int_equal(EVALUATE_PAIRS_MAX, figures.count);
    evaluate_close(&evaluate);
}

/* A weight of n is n equal pairs, in every figure. */
static void a_pair_counts_by_its_weight(void **state)
{
    static const struct pair pairs[] = {{0.4, 1}, {0.5, 0}, {0.9, 1}, {0.1, 0}, {0.7, 0}, {0.4, 0}, {0.9, 0}, {0.05, 1}};
    static const int weights[] = {3, 1, 5, 7, 2, 4, 1, 1};
    struct evaluate *evaluates[2] = {NULL, NULL};
    struct evaluate_figures weighed, repeated;

    (void)state;
    assert_status(STATUS_OK, evaluate_open(&evaluates[0]));
    assert_status(STATUS_OK, evaluate_open(&evaluates[1]));
    for (size_t index = 0; index < 8; index++) {
        assert_status(STATUS_OK, evaluate_add(evaluates[0], pairs[index].probability, pairs[index].label, weights[index]));
        for (int copy = 0; copy < weights[index]; copy++) {
            assert_status(STATUS_OK, evaluate_add(evaluates[1], pairs[index].probability, pairs[index].label, 1));
        }
    }
    assert_status(STATUS_OK, evaluate_figures(evaluates[0], LOW, HIGH, &weighed));
    assert_status(STATUS_OK, evaluate_figures(evaluates[1], LOW, HIGH, &repeated));
    assert_near(repeated.auc, weighed.auc);
    assert_near(repeated.pr_auc, weighed.pr_auc);
    assert_near(repeated.f1, weighed.f1);
    assert_near(repeated.calibration_error, weighed.calibration_error);
    assert_near(repeated.decided, weighed.decided);
    assert_near(repeated.agreement, weighed.agreement);
    assert_int_equal(8, weighed.count);
    assert_int_equal(3, weighed.violations);
    assert_near(24, repeated.effective);
    assert_near(24.0 * 24 / 106, weighed.effective);
    evaluate_close(&evaluates[0]);
    evaluate_close(&evaluates[1]);
}

enum { ALL, WEIGHED, AS_REVIEWED, WAYS };

/* What all texts say, what those reviewed say by their weights, and what they say without them. */
static void the_figures_of_what_was_reviewed_are_those_of_all_texts_by_weight_alone(void **state)
{
    static struct reviewed_text texts[REVIEWED_TEXTS];
    struct evaluate_figures figures[WAYS];

    (void)state;
    reviewed_make(texts, 7);
    for (int way = 0; way < WAYS; way++) {
        struct evaluate *evaluate = NULL;

        assert_status(STATUS_OK, evaluate_open(&evaluate));
        for (int at = 0; at < REVIEWED_TEXTS; at++) {
            if (way == ALL || texts[at].is_reviewed) {
                double weight = way == WEIGHED ? texts[at].weight : 1;

                assert_status(STATUS_OK, evaluate_add(evaluate, texts[at].probability, texts[at].label, weight));
            }
        }
        assert_status(STATUS_OK, evaluate_figures(evaluate, LOW, HIGH, &figures[way]));
        evaluate_close(&evaluate);
    }
    assert_true(fabs(figures[WEIGHED].auc - figures[ALL].auc) < 0.01);
    assert_true(figures[AS_REVIEWED].auc < figures[ALL].auc - 0.05);
    assert_true(fabs(figures[WEIGHED].pr_auc - figures[ALL].pr_auc) < 0.02);
    assert_true(figures[AS_REVIEWED].pr_auc < figures[ALL].pr_auc - 0.05);
    assert_true(fabs(figures[WEIGHED].f1 - figures[ALL].f1) < 0.02);
    assert_true(figures[AS_REVIEWED].f1 < figures[ALL].f1 - 0.05);
    assert_true(fabs(figures[WEIGHED].decided - figures[ALL].decided) < 0.02);
    assert_true(figures[AS_REVIEWED].decided < figures[ALL].decided - 0.3);
    assert_true(figures[WEIGHED].effective < (double)figures[WEIGHED].count / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_ranking_has_auc_one_and_a_reversed_one_zero),
        cmocka_unit_test(a_mixed_ranking_counts_pairs),
        cmocka_unit_test(equal_scores_count_half_whatever_their_order),
        cmocka_unit_test(calibration_error_is_the_distance_between_said_and_true),
        cmocka_unit_test(only_scores_beyond_the_thresholds_are_decided),
        cmocka_unit_test(a_missing_label_has_no_figures),
        cmocka_unit_test(pairs_are_taken_up_to_their_bound),
        cmocka_unit_test(a_pair_counts_by_its_weight),
        cmocka_unit_test(the_figures_of_what_was_reviewed_are_those_of_all_texts_by_weight_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
