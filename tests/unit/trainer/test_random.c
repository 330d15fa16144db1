/* random: the sequence that its authors published, and orders in which each number has its chance. */
#include "support/unit.h"

#include "trainer/random.h"

static void the_sequence_is_the_published_one(void **state)
{
    static const uint64_t published[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u};
    uint64_t random = 1234567;

    (void)state;
    for (size_t at = 0; at < sizeof published / sizeof published[0]; at++) {
        assert_true(random_next(&random) == published[at]);
    }
}

static void an_order_holds_each_number_once_and_any_may_come_first(void **state)
{
    enum { COUNT = 5, ORDERS = 5000 };
    size_t first[COUNT] = {0};
    uint64_t random = 1;

    (void)state;
    for (size_t order = 0; order < ORDERS; order++) {
        uint32_t numbers[COUNT] = {0, 1, 2, 3, 4};
        unsigned seen = 0;

        random_shuffle(&random, numbers, COUNT);
        for (size_t at = 0; at < COUNT; at++) {
            seen |= 1u << numbers[at];
        }
        assert_int_equal(31, seen);
        first[numbers[0]]++;
    }
    for (size_t at = 0; at < COUNT; at++) {
        assert_in_range(first[at], ORDERS / COUNT - 150, ORDERS / COUNT + 150);
    }
    random_shuffle(&random, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_the_published_one),
        cmocka_unit_test(an_order_holds_each_number_once_and_any_may_come_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
