/* platt: finds the numbers that made the labels, weighs a balanced draw back, and never turns a ranking over. */
#include "support/unit.h"

#include "trainer/platt.h"

#include <math.h>

enum { COUNT = 20000 };

static double scores[COUNT];
static uint8_t labels[COUNT];

/* Labels drawn with the probability that slope and offset say. Returns how many are 1. */
static size_t draw(double slope, double offset)
{
    uint64_t random = 42;
    size_t violations = 0;

    for (size_t row = 0; row < COUNT; row++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        scores[row] = (double)row / COUNT * 8 - 4;
        labels[row] = (double)(random >> 33) / 2147483648.0 < 1 / (1 + exp(-(slope * scores[row] + offset)));
        violations += labels[row];
    }
    return violations;
}

static double mean_probability(const struct platt *platt, int label)
{
    double sum = 0, count = 0;

    for (size_t row = 0; row < COUNT; row++) {
        if (labels[row] == label) {
            sum += 1 / (1 + exp(-(platt->slope * scores[row] + platt->offset)));
            count++;
        }
    }
    return sum / count;
}

static void the_numbers_that_made_the_labels_are_found(void **state)
{
    static const double truths[][2] = {{1, 0}, {0.5, 1.5}, {4, -3}};

    (void)state;
    for (size_t index = 0; index < 3; index++) {
        struct platt platt;

        (void)draw(truths[index][0], truths[index][1]);
        platt_fit(&platt, scores, labels, COUNT, (double)NAN);
        assert_true(fabs(platt.slope - truths[index][0]) < 0.05 * truths[index][0] + 0.02);
        assert_true(fabs(platt.offset - truths[index][1]) < 0.12);
    }
}

static void probabilities_follow_the_true_share_of_a_balanced_draw(void **state)
{
    size_t violations = draw(1, 0);
    struct platt as_drawn, weighted;

    (void)state;
    platt_fit(&as_drawn, scores, labels, COUNT, (double)NAN);
    platt_fit(&weighted, scores, labels, COUNT, 0.05);
    /* Over texts as they are, the mean probability is the share of violations. */
    assert_true(fabs(0.05 * mean_probability(&weighted, 1) + 0.95 * mean_probability(&weighted, 0) - 0.05) < 0.001);
    assert_true(fabs(weighted.slope - as_drawn.slope) < 0.05);
    assert_true(fabs(weighted.offset - as_drawn.offset - log(0.05 / 0.95)) < 0.05);
    platt_fit(&weighted, scores, labels, COUNT, (double)violations / COUNT);
    assert_true(fabs(weighted.offset - as_drawn.offset) < 1e-6);
}

static void scores_that_tell_nothing_give_the_base_rate(void **state)
{
    struct platt platt;

    (void)state;
    for (size_t row = 0; row < COUNT; row++) {
        scores[row] = 3;
        labels[row] = row % 4 == 0;
    }
    platt_fit(&platt, scores, labels, COUNT, (double)NAN);
    assert_true(fabs(mean_probability(&platt, 0) - 0.25) < 0.01);
    platt_fit(&platt, scores, labels, COUNT, 0.01);
    assert_true(fabs(mean_probability(&platt, 0) - 0.01) < 0.001);
}

static void a_reversed_ranking_is_not_turned_over(void **state)
{
    struct platt platt;

    (void)state;
    (void)draw(-2, 0);
    platt_fit(&platt, scores, labels, COUNT, (double)NAN);
    assert_true(platt.slope > 0 && platt.slope < 0.01);
    assert_true(fabs(mean_probability(&platt, 0) - 0.5) < 0.02);
}

static void scores_that_part_the_labels_give_finite_numbers(void **state)
{
    const double few[] = {-2, -1, 1, 2};
    const uint8_t two[] = {0, 0, 1, 1};
    struct platt platt;

    (void)state;
    platt_fit(&platt, few, two, 4, (double)NAN);
    assert_true(isfinite(platt.slope) && isfinite(platt.offset) && platt.slope > 0);
    /* Four rows do not prove certainty. */
    assert_true(1 / (1 + exp(-(2 * platt.slope + platt.offset))) < 0.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_that_made_the_labels_are_found),
        cmocka_unit_test(probabilities_follow_the_true_share_of_a_balanced_draw),
        cmocka_unit_test(scores_that_tell_nothing_give_the_base_rate),
        cmocka_unit_test(a_reversed_ranking_is_not_turned_over),
        cmocka_unit_test(scores_that_part_the_labels_give_finite_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
