/* test_tally: rates and intervals against known ones, weights against a population, and the error of a difference against chance. */
#include "support/unit.h"

#include "trainer/random.h"
#include "trainer/tally.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 400, DRAWN = 600 };

static void assert_near(double expected, double found, double by)
{
    if (!(fabs(expected - found) <= by)) {
        fail_msg("%.6f is not %.6f", found, expected);
    }
}

static void add(struct tally_row *rows, size_t *count, size_t times, double weight, int label, bool first, bool second)
{
    for (size_t index = 0; index < times; index++) {
        rows[(*count)++] = (struct tally_row){.weight = weight, .label = label, .says = {first, second}};
    }
}

/* 10 of 12, and 10 of 15. */
static void rates_and_their_intervals_are_wilsons(void **state)
{
    struct tally_row rows[100];
    struct tally_figures figures;
    size_t count = 0;

    (void)state;
    add(rows, &count, 10, 1, 1, true, true);
    add(rows, &count, 2, 1, 0, true, true);
    add(rows, &count, 5, 1, 1, false, false);
    add(rows, &count, 83, 1, 0, false, false);
    tally_figures(rows, count, 0, &figures);
    assert_int_equal(100, figures.count);
    assert_int_equal(15, figures.violations);
    assert_near(10.0 / 12, figures.precision.value, 1e-12);
    assert_near(0.55196, figures.precision.low, 1e-4);
    assert_near(0.95301, figures.precision.high, 1e-4);
    assert_near(10.0 / 15, figures.recall.value, 1e-12);
    assert_near(0.41713, figures.recall.low, 1e-4);
    assert_near(0.84823, figures.recall.high, 1e-4);
}

static void what_nothing_tells_is_unknown(void **state)
{
    struct tally_row rows[2] = {{.weight = 1}};
    struct tally_figures figures;
    struct tally_drop precision;
    struct tally_drop recall;
    size_t count = 0;

    (void)state;
    tally_figures(rows, 0, 0, &figures);
    assert_true(isnan(figures.precision.value) && isnan(figures.recall.low));
    add(rows, &count, 2, 3, 0, false, true);
    tally_figures(rows, count, 0, &figures);
    assert_true(isnan(figures.precision.value) && isnan(figures.recall.value));
    tally_figures(rows, count, 1, &figures);
    assert_true(figures.precision.value == 0 && figures.precision.low == 0 && isnan(figures.recall.value));
    tally_compare(rows, count, &precision, &recall);
    assert_true(isnan(precision.value) && isnan(recall.value));
}

/* A text that was drawn with a probability of 0.1 stands for ten; one weight for all changes nothing. */
static void weights_make_up_for_how_texts_were_drawn(void **state)
{
    struct tally_row rows[200];
    struct tally_figures even;
    struct tally_figures figures;
    size_t count = 0;

    (void)state;
    add(rows, &count, 40, 1, 1, true, true); /* of a day when all were drawn */
    add(rows, &count, 10, 1, 0, true, true);
    add(rows, &count, 10, 10, 1, true, true); /* and of one when a tenth was */
    add(rows, &count, 10, 10, 0, true, true);
    tally_figures(rows, count, 0, &figures);
    assert_near(140.0 / 250, figures.precision.value, 1e-12); /* unweighted it would be 50 of 70 */
    tally_figures(rows, 50, 0, &even);
    for (size_t index = 0; index < 50; index++) {
        rows[index].weight = 7;
    }
    tally_figures(rows, 50, 0, &figures);
    assert_near(even.precision.low, figures.precision.low, 1e-12);
    assert_near(even.precision.high, figures.precision.high, 1e-12);
}

static bool chance(uint64_t *random, double probability)
{
    return (double)(random_next(random) >> 11) * 0x1p-53 < probability;
}

/* Two judges that err by themselves: how often the difference is found beyond its errors is what chance says. */
static void the_error_of_a_difference_is_what_it_varies_by(void **state)
{
    struct tally_row *rows = calloc(DRAWN, sizeof *rows);
    uint64_t random = 5;
    double squares = 0;
    double errors = 0;
    int beyond = 0;

    (void)state;
    assert_non_null(rows);
    for (int round = 0; round < ROUNDS; round++) {
        struct tally_drop precision;
        struct tally_drop recall;

        for (size_t index = 0; index < DRAWN; index++) {
            int label = chance(&random, 0.3);
            bool both = chance(&random, label ? 0.8 : 0.1); /* most errors they share */

            rows[index] = (struct tally_row){.weight = index % 3 == 0 ? 4 : 1, .label = label};
            rows[index].says[0] = chance(&random, 0.1) ? !both : both;
            rows[index].says[1] = chance(&random, 0.1) ? !both : both;
        }
        tally_compare(rows, DRAWN, &precision, &recall);
        squares += recall.value * recall.value;
        errors += recall.error * recall.error;
        beyond += fabs(precision.value) > 2 * precision.error;
    }
    assert_near(1, sqrt(errors / squares), 0.15);
    assert_in_range(beyond, ROUNDS / 100, ROUNDS / 10); /* about one in twenty */
    free(rows);
}

static void judges_that_agree_have_no_difference(void **state)
{
    struct tally_row rows[20];
    struct tally_drop precision;
    struct tally_drop recall;
    size_t count = 0;

    (void)state;
    add(rows, &count, 10, 2, 1, true, true);
    add(rows, &count, 10, 1, 0, true, true);
    tally_compare(rows, count, &precision, &recall);
    assert_true(precision.value == 0 && precision.error == 0 && recall.value == 0 && recall.error == 0);
    rows[0].says[1] = false;
    tally_compare(rows, count, &precision, &recall);
    assert_near(0.1, recall.value, 1e-12);
    assert_true(recall.error > 0);
    assert_true(precision.value > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_and_their_intervals_are_wilsons),
        cmocka_unit_test(what_nothing_tells_is_unknown),
        cmocka_unit_test(weights_make_up_for_how_texts_were_drawn),
        cmocka_unit_test(the_error_of_a_difference_is_what_it_varies_by),
        cmocka_unit_test(judges_that_agree_have_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
