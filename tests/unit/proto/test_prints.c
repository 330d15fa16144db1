/* prints: what is kept is found with what belongs to it, and a full set loses the least recently used. */
#include "support/unit.h"

#include "proto/prints.h"

enum { COUNT = 4 * PRINTS_WAYS };

/* Of the set `set`, the `number`th there. */
static struct print print_of(unsigned char set, unsigned char number)
{
    struct print print = {{set}};

    print.bytes[TABLE_HASH_BYTES - 1] = (unsigned char)(number + 1);
    return print;
}

static bool has(struct prints *prints, struct print print, struct print expected)
{
    struct print other;
    bool found = prints_find(prints, &print, &other);

    if (found) {
        assert_memory_equal(&expected, &other, sizeof other);
    }
    return found;
}

static void keep(struct prints *prints, struct print print, struct print other)
{
    prints_keep(prints, &print, &other);
}

static void what_is_kept_is_found_with_what_belongs_to_it(void **state)
{
    struct prints *prints = NULL;

    (void)state;
    assert_status(STATUS_OK, prints_open(&prints, COUNT));
    assert_false(has(prints, print_of(1, 0), print_of(9, 0)));
    keep(prints, print_of(1, 0), print_of(9, 0));
    keep(prints, print_of(1, 1), print_of(9, 1));
    assert_true(has(prints, print_of(1, 0), print_of(9, 0)));
    assert_true(has(prints, print_of(1, 1), print_of(9, 1)));
    assert_false(has(prints, print_of(2, 0), print_of(9, 0)));
    keep(prints, print_of(1, 0), print_of(9, 2));
    assert_true(has(prints, print_of(1, 0), print_of(9, 2)));
    prints_close(&prints);
    prints_close(&prints);
}

static void a_full_set_loses_the_least_recently_used_and_no_other_does(void **state)
{
    struct prints *prints = NULL;

    (void)state;
    assert_status(STATUS_OK, prints_open(&prints, COUNT));
    keep(prints, print_of(2, 0), print_of(9, 0));
    for (unsigned char number = 0; number < PRINTS_WAYS; number++) {
        keep(prints, print_of(1, number), print_of(9, number));
    }
    assert_true(has(prints, print_of(1, 0), print_of(9, 0))); /* used: the second is the oldest now */
    keep(prints, print_of(1, PRINTS_WAYS), print_of(9, PRINTS_WAYS));
    assert_false(has(prints, print_of(1, 1), print_of(9, 1)));
    for (unsigned char number = 0; number <= PRINTS_WAYS; number++) {
        assert_true(number == 1 || has(prints, print_of(1, number), print_of(9, number)));
    }
    assert_true(has(prints, print_of(2, 0), print_of(9, 0)));
    prints_close(&prints);
}

static void what_is_dropped_is_gone_and_the_others_stay(void **state)
{
    struct prints *prints = NULL;

    (void)state;
    assert_status(STATUS_OK, prints_open(&prints, COUNT));
    for (unsigned char dropped = 0; dropped < PRINTS_WAYS; dropped++) {
        struct print print = print_of(1, dropped);

        for (unsigned char number = 0; number < PRINTS_WAYS; number++) {
            keep(prints, print_of(1, number), print_of(9, number));
        }
        prints_drop(prints, &print);
        prints_drop(prints, &print);
        for (unsigned char number = 0; number < PRINTS_WAYS; number++) {
            assert_int_equal(number != dropped, has(prints, print_of(1, number), print_of(9, number)));
        }
    }
    prints_close(&prints);
}

static void its_size_is_told(void **state)
{
    (void)state;
    assert_true(prints_bytes(RECALL_TEXTS_MAX) >= RECALL_TEXTS_MAX * 2 * sizeof(struct print));
    assert_true(prints_bytes(RECALL_TEXTS_MAX) <= MIB + KIB); /* as proto/limits.h says */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_found_with_what_belongs_to_it),
        cmocka_unit_test(a_full_set_loses_the_least_recently_used_and_no_other_does),
        cmocka_unit_test(what_is_dropped_is_gone_and_the_others_stay),
        cmocka_unit_test(its_size_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
