/* compare: the areas are those of all pairs, the error that of DeLong's definition, and equal judges differ by nothing. */
#include "support/unit.h"

#include "support/reviewed.h"
#include "trainer/compare.h"

#include <math.h>
#include <stdint.h>

enum { ROWS = 60 };

static double roll(uint64_t *dice)
{
    *dice = *dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*dice >> 40) / (double)(1 << 24);
}

/* Violations score higher, with many equal scores among them. */
static void fill(struct compare_row rows[ROWS])
{
    uint64_t dice = 7;

    for (size_t at = 0; at < ROWS; at++) {
        int label = at % 3 == 0;

        rows[at] = (struct compare_row){
            .one = floor(10 * (roll(&dice) + 0.4 * label)), .other = floor(10 * (roll(&dice) + 0.2 * label)), .weight = 1, .label = label};
    }
}

static double outscores(double violation, double pass)
{
    return violation > pass ? 1 : violation < pass ? 0 : 0.5;
}

/* By the definition: every pair of a violation and a pass. */
static void by_all_pairs(const struct compare_row rows[ROWS], struct compare_figures *out)
{
    double placements[ROWS] = {0}; /* differences */
    double mean[2] = {0};
    double count[2] = {0};
    double variance[2] = {0};

    *out = (struct compare_figures){0};
    for (size_t at = 0; at < ROWS; at++) {
        count[rows[at].label]++;
    }
    for (size_t v = 0; v < ROWS; v++) {
        for (size_t p = 0; p < ROWS; p++) {
            if (rows[v].label == 1 && rows[p].label == 0) {
                double one = outscores(rows[v].one, rows[p].one);
                double other = outscores(rows[v].other, rows[p].other);

                out->one_auc += one / count[0] / count[1];
                out->other_auc += other / count[0] / count[1];
                placements[v] += (one - other) / count[0];
                placements[p] += (one - other) / count[1];
            }
        }
    }
    for (size_t at = 0; at < ROWS; at++) {
        mean[rows[at].label] += placements[at] / count[rows[at].label];
    }
    for (size_t at = 0; at < ROWS; at++) {
        double off = placements[at] - mean[rows[at].label];

        variance[rows[at].label] += off * off / (count[rows[at].label] - 1);
    }
    out->error = sqrt(variance[0] / count[0] + variance[1] / count[1]);
}

static void figures_are_those_of_all_pairs(void **state)
{
    struct compare_row rows[ROWS];
    struct compare_figures expected;
    struct compare_figures figures;

    (void)state;
    fill(rows);
    by_all_pairs(rows, &expected);
    assert_status(STATUS_OK, compare_rows(rows, ROWS, &figures));
    assert_int_equal(ROWS, figures.count);
    assert_int_equal(ROWS / 3, figures.violations);
    assert_true(figures.one_auc > figures.other_auc && figures.error > 0.01);
    assert_true(fabs(figures.one_auc - expected.one_auc) < 1e-12);
    assert_true(fabs(figures.other_auc - expected.other_auc) < 1e-12);
    assert_true(fabs(figures.error - expected.error) < 1e-12);
}

static void equal_judges_differ_by_nothing(void **state)
{
    struct compare_row rows[ROWS];
    struct compare_figures figures;

    (void)state;
    fill(rows);
    for (size_t at = 0; at < ROWS; at++) {
        rows[at].other = rows[at].one * 2 + 1; /* the same order */
    }
    assert_status(STATUS_OK, compare_rows(rows, ROWS, &figures));
    assert_true(fabs(figures.one_auc - figures.other_auc) < 1e-12 && figures.error < 1e-9);
}

static void a_label_with_fewer_than_two_rows_is_too_few(void **state)
{
    const struct compare_row rows[] = {{0.1, 0.2, 1, 0}, {0.3, 0.1, 1, 0}, {0.5, 0.5, 1, 1}, {0.6, 0.4, 1, 1}};
    struct compare_figures figures;

    (void)state;
    assert_status(STATUS_TOO_FEW, compare_rows(rows, 0, &figures));
    assert_status(STATUS_TOO_FEW, compare_rows(rows, 3, &figures));
    assert_status(STATUS_TOO_FEW, compare_rows(rows + 1, 3, &figures));
    assert_status(STATUS_OK, compare_rows(rows, 4, &figures));
    assert_true(fabs(figures.one_auc - 1) < 1e-12 && fabs(figures.other_auc - 1) < 1e-12);
}

/* A weight of n ranks as n equal rows do; how sure it is, they do not tell: they are one text. */
static void a_row_ranks_by_its_weight(void **state)
{
    struct compare_row weighed[ROWS];
    struct compare_row repeated[4 * ROWS];
    struct compare_figures one, other;
    size_t count = 0;

    (void)state;
    fill(weighed);
    for (size_t at = 0; at < ROWS; at++) {
        weighed[at].weight = (double)(1 + at % 4);
        for (size_t copy = 0; copy <= at % 4; copy++) {
            repeated[count] = weighed[at];
            repeated[count++].weight = 1;
        }
    }
    assert_status(STATUS_OK, compare_rows(weighed, ROWS, &one));
    assert_status(STATUS_OK, compare_rows(repeated, count, &other));
    assert_true(fabs(one.one_auc - other.one_auc) < 1e-12 && fabs(one.other_auc - other.other_auc) < 1e-12);
    assert_true(one.error > 1.2 * other.error);
    assert_true(one.effective[0] < (double)(one.count - one.violations) && one.effective[1] < (double)one.violations);
    assert_true(fabs(other.effective[0] + other.effective[1] - (double)count) < 1e-9);
}

static double difference(const struct compare_figures *figures)
{
    return figures->one_auc - figures->other_auc;
}

/* The other model is better where the first is unsure, which is what was reviewed most, and worse on the whole. */
static void the_difference_by_weight_is_that_of_all_texts_within_its_error(void **state)
{
    static struct reviewed_text texts[REVIEWED_TEXTS];
    static struct compare_row rows[REVIEWED_TEXTS];
    enum { SEEDS = 20 };
    int within = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct compare_figures all, weighed, unweighed;
        size_t count = 0;

        reviewed_make(texts, seed);
        for (size_t at = 0; at < REVIEWED_TEXTS; at++) {
            rows[at] = (struct compare_row){texts[at].probability, texts[at].other, 1, texts[at].label};
        }
        assert_status(STATUS_OK, compare_rows(rows, REVIEWED_TEXTS, &all));
        for (size_t at = 0; at < REVIEWED_TEXTS; at++) {
            if (texts[at].is_reviewed) {
                rows[count++] = (struct compare_row){texts[at].probability, texts[at].other, texts[at].weight, texts[at].label};
            }
        }
        assert_status(STATUS_OK, compare_rows(rows, count, &weighed));
        for (size_t at = 0; at < count; at++) {
            rows[at].weight = 1;
        }
        assert_status(STATUS_OK, compare_rows(rows, count, &unweighed));
        assert_true(difference(&all) > 0.01);
        assert_true(difference(&unweighed) < -0.1);
        assert_true(fabs(difference(&weighed) - difference(&all)) < 4 * weighed.error);
        assert_true(weighed.error < 0.01);
        within += fabs(difference(&weighed) - difference(&all)) < 2 * weighed.error;
    }
    assert_in_range(within, SEEDS * 8 / 10, SEEDS); /* 95 of a hundred */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_all_pairs),
        cmocka_unit_test(equal_judges_differ_by_nothing),
        cmocka_unit_test(a_label_with_fewer_than_two_rows_is_too_few),
        cmocka_unit_test(a_row_ranks_by_its_weight),
        cmocka_unit_test(the_difference_by_weight_is_that_of_all_texts_within_its_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
