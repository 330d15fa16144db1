/* status: every row of the table has a name and a sentence of its own. */
#include "support/unit.h"

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    assert_string_equal("ok", status_name(STATUS_OK));
    assert_string_equal("too_few", status_name(STATUS_TOO_FEW));
    for (int left = 1 - STATUS_COUNT; left <= STATUS_OK; left++) {
        assert_string_not_equal("unknown", status_name((enum status)left));
        for (int right = 1 - STATUS_COUNT; right < left; right++) {
            assert_string_not_equal(status_name((enum status)left), status_name((enum status)right));
        }
    }
}

static void errors_are_negative_and_ok_is_zero(void **state)
{
    (void)state;
    assert_int_equal(0, STATUS_OK);
    assert_true(STATUS_NO_MEMORY < 0);
}

static void a_number_that_is_no_status_is_called_unknown(void **state)
{
    (void)state;
    assert_string_equal("unknown", status_name((enum status)7));
    assert_string_equal("unknown", status_name((enum status)-STATUS_COUNT)); /* the first that is free */
    assert_string_equal("unknown", status_sentence((enum status)-99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name),
        cmocka_unit_test(errors_are_negative_and_ok_is_zero),
        cmocka_unit_test(a_number_that_is_no_status_is_called_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
