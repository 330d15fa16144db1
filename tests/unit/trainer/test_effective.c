/* effective: as many as there are where all weigh the same, and fewer the more they differ. */
#include "support/unit.h"

#include "trainer/effective.h"

#include <math.h>

static void equal_weights_tell_as_much_as_there_are_of_them(void **state)
{
    (void)state;
    for (int weight = 1; weight <= 100; weight *= 10) {
        struct effective effective = {0, 0};

        for (int row = 0; row < 7; row++) {
            effective_add(&effective, weight);
        }
        assert_true(fabs(effective_count(&effective) - 7) < 1e-12);
    }
}

static void one_that_outweighs_all_others_tells_hardly_more_than_itself(void **state)
{
    struct effective effective = {0, 0};

    (void)state;
    assert_true(effective_count(&effective) < 1e-12);
    effective_add(&effective, 0);
    assert_true(effective_count(&effective) < 1e-12);
    for (int row = 0; row < 10; row++) {
        effective_add(&effective, 1);
    }
    effective_add(&effective, 1000);
    assert_true(fabs(effective_count(&effective) - 1010.0 * 1010 / 1000010) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_weights_tell_as_much_as_there_are_of_them),
        cmocka_unit_test(one_that_outweighs_all_others_tells_hardly_more_than_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
