/* platt: finds the numbers that made the labels, weighs a balanced draw back, and never turns a ranking over. */
#include "support/unit.h"

#include "trainer/platt.h"

#include <math.h>
#include <stdbool.h>

enum { COUNT = 20000 };

static struct platt_row rows[COUNT];

/* Labels drawn with the probability that slope and offset say. Returns how many are 1. */
static size_t draw(double slope, double offset)
{
    uint64_t random = 42;
    size_t violations = 0;

    for (size_t row = 0; row < COUNT; row++) {
        double score = (double)row / COUNT * 8 - 4;

        random = random * 6364136223846793005u + 1442695040888963407u;
        rows[row] = (struct platt_row){
            score, 1, (double)(random >> 33) / 2147483648.0 < 1 / (1 + exp(-(slope * score + offset)))};
        violations += rows[row].label;
    }
    return violations;
}

static double mean_probability(const struct platt *platt, int label)
{
    double sum = 0, count = 0;

    for (size_t row = 0; row < COUNT; row++) {
        if (rows[row].label == label) {
            sum += 1 / (1 + exp(-(platt->slope * rows[row].score + platt->offset)));
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
        platt_fit(&platt, rows, COUNT, (double)NAN);
        assert_true(fabs(platt.slope - truths[index][0]) < 0.05 * truths[index][0] + 0.02);
        assert_true(fabs(platt.offset - truths[index][1]) < 0.12);
    }
}

static void probabilities_follow_the_true_share_of_a_balanced_draw(void **state)
{
    size_t violations = draw(1, 0);
    struct platt as_drawn, weighted;

    (void)state;
    platt_fit(&as_drawn, rows, COUNT, (double)NAN);
    platt_fit(&weighted, rows, COUNT, 0.05);
    /* Over texts as they are, the mean probability is the share of violations. */
    assert_true(fabs(0.05 * mean_probability(&weighted, 1) + 0.95 * mean_probability(&weighted, 0) - 0.05) < 0.001);
    assert_true(fabs(weighted.slope - as_drawn.slope) < 0.05);
    assert_true(fabs(weighted.offset - as_drawn.offset - log(0.05 / 0.95)) < 0.05);
    platt_fit(&weighted, rows, COUNT, (double)violations / COUNT);
    assert_true(fabs(weighted.offset - as_drawn.offset) < 1e-6);
}

static void scores_that_tell_nothing_give_the_base_rate(void **state)
{
    struct platt platt;

    (void)state;
    for (size_t row = 0; row < COUNT; row++) {
        rows[row] = (struct platt_row){3, 1, row % 4 == 0};
    }
    platt_fit(&platt, rows, COUNT, (double)NAN);
    assert_true(fabs(mean_probability(&platt, 0) - 0.25) < 0.01);
    platt_fit(&platt, rows, COUNT, 0.01);
    assert_true(fabs(mean_probability(&platt, 0) - 0.01) < 0.001);
}

static void a_reversed_ranking_is_not_turned_over(void **state)
{
    struct platt platt;

    (void)state;
    (void)draw(-2, 0);
    platt_fit(&platt, rows, COUNT, (double)NAN);
    assert_true(platt.slope > 0 && platt.slope < 0.01);
    assert_true(fabs(mean_probability(&platt, 0) - 0.5) < 0.02);
}

static void scores_that_part_the_labels_give_finite_numbers(void **state)
{
    const struct platt_row few[] = {{-2, 1, 0}, {-1, 1, 0}, {1, 1, 1}, {2, 1, 1}};
    struct platt platt;

    (void)state;
    platt_fit(&platt, few, 4, (double)NAN);
    assert_true(isfinite(platt.slope) && isfinite(platt.offset) && platt.slope > 0);
    /* Four rows do not prove certainty. */
    assert_true(1 / (1 + exp(-(2 * platt.slope + platt.offset))) < 0.9);
}

enum knowledge { ALL, WEIGHED, UNWEIGHED };

/* Labels follow a score that chose which of them are known: all where it is near 0, a twentieth elsewhere. What is fitted knows one
 * half of it. Returns how many rows there are. */
static size_t review(enum knowledge knowledge)
{
    uint64_t random = 9;
    size_t count = 0;

    for (size_t text = 0; text < COUNT; text++) {
        double dice[4];
        double score;
        bool is_unsure;

        for (size_t index = 0; index < 4; index++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            dice[index] = (double)(random >> 33) / 2147483648.0;
        }
        score = 8 * dice[0] + 8 * dice[1] - 8;
        is_unsure = fabs(score) < 1.4;
        if (knowledge == ALL || is_unsure || dice[2] < 0.05) {
            rows[count++] = (struct platt_row){
                8 * dice[0] - 4, is_unsure || knowledge != WEIGHED ? 1 : 20, dice[3] < 1 / (1 + exp(-score))};
        }
    }
    return count;
}

static void what_is_known_by_chance_stands_for_what_is_not(void **state)
{
    struct platt all, weighed, unweighed;

    (void)state;
    platt_fit(&all, rows, review(ALL), (double)NAN);
    platt_fit(&weighed, rows, review(WEIGHED), (double)NAN);
    platt_fit(&unweighed, rows, review(UNWEIGHED), (double)NAN);
    assert_true(fabs(weighed.slope - all.slope) < 0.1 * all.slope);
    assert_true(unweighed.slope < 0.7 * all.slope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_that_made_the_labels_are_found),
        cmocka_unit_test(probabilities_follow_the_true_share_of_a_balanced_draw),
        cmocka_unit_test(scores_that_tell_nothing_give_the_base_rate),
        cmocka_unit_test(a_reversed_ranking_is_not_turned_over),
        cmocka_unit_test(scores_that_part_the_labels_give_finite_numbers),
        cmocka_unit_test(what_is_known_by_chance_stands_for_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
