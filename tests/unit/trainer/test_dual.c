/* dual: wherever it begins, the step ends inside its bounds and where the slope of what it minimises is 0. */
#include "support/unit.h"

#include "trainer/dual.h"

#include <math.h>

static void a_step_ends_where_the_slope_is_nothing(void **state)
{
    static const double alphas[] = {1e-8, 1e-3, 0.3, 0.5, 0.7, 0.999}; /* of the cost */
    static const double norms[] = {1, 2, 7};
    static const double slopes[] = {-20, -3, -0.1, 0, 0.1, 3, 20};
    static const double costs[] = {0.5, 16, 400};

    (void)state;
    for (size_t number = 0; number < 6 * 3 * 7 * 3; number++) {
        double cost = costs[number % 3];
        double slope = slopes[number / 3 % 7];
        double norm = norms[number / 21 % 3];
        double alpha = alphas[number / 63] * cost;
        double z = dual_best(alpha, norm, slope, cost);

        assert_true(z > 0 && z < cost);
        assert_true(fabs(norm * (z - alpha) + slope + log(z / (cost - z))) < 1e-4);
    }
}

static void a_row_that_is_right_by_far_is_let_go_and_one_that_is_wrong_pulled_in(void **state)
{
    (void)state;
    assert_true(dual_best(8, 2, 30, 16) < 1e-3);
    assert_true(dual_best(8, 2, -30, 16) > 16 - 1e-3);
}

/* A row that is wrong by more than a double tells apart from the bound, and is right later on: it goes there and comes back. */
static void at_its_bound_a_row_can_still_be_moved(void **state)
{
    static const double costs[] = {0.14801702774347861, 0.80384525205158264, 0.25, 1.0 / 3, 0.7};
    static const double slopes[] = {-36, -37, -60, -180, -1000};

    (void)state;
    for (size_t number = 0; number < 5 * 5; number++) {
        double cost = costs[number % 5];
        double slope = slopes[number / 5];
        double far = dual_best(1e-8, 2, slope, cost);

        assert_true(far > cost * (1 - 1e-9) && far < cost);
        for (int beyond = 0; beyond < 3; beyond++) {
            double alpha = beyond == 0 ? far : beyond == 1 ? cost : nextafter(cost, 2 * cost);
            double stays = dual_best(alpha, 2, slope, cost);
            double back = dual_best(alpha, 2, 3, cost);

            assert_true(stays > cost * (1 - 1e-9) && stays < cost);
            assert_true(back > 0 && back < cost);
            assert_true(fabs(2 * (back - alpha) + 3 + log(back / (cost - back))) < 1e-4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_ends_where_the_slope_is_nothing),
        cmocka_unit_test(a_row_that_is_right_by_far_is_let_go_and_one_that_is_wrong_pulled_in),
        cmocka_unit_test(at_its_bound_a_row_can_still_be_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
