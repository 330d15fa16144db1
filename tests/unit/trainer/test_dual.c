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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_ends_where_the_slope_is_nothing),
        cmocka_unit_test(a_row_that_is_right_by_far_is_let_go_and_one_that_is_wrong_pulled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
