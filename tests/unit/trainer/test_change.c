/* change: a reviewer who changes his mind is noticed and dated; hard texts, chance and a single odd text are no change. */
#include "support/unit.h"

#include "proto/limits.h"
#include "trainer/change.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 600, SEEDS = 200 };

static double roll(uint64_t *dice)
{
    *dice = *dice * 6364136223846793005u + 1442695040888963407u;
    return (double)(*dice >> 11) / 9007199254740992.0;
}

/* A text that a calibrated model knows: mostly it is sure, every fifth time it is not; the sure ones stand for twenty. From
 * `changed` on violations that it is sure of pass. */
static struct change_row make_row(uint64_t *dice, size_t number, size_t changed)
{
    double probability = roll(dice) < 0.2 ? 0.2 + 0.6 * roll(dice) : roll(dice) < 0.5 ? 0.03 * roll(dice) : 1 - 0.03 * roll(dice);
    int label = roll(dice) < probability;

    if (number >= changed && probability > 0.8 && roll(dice) < 0.5) {
        label = 0;
    }
    return (struct change_row){
        .made_us = 1000 * (int64_t)number,
        .probability = probability,
        .weight = probability > 0.2 && probability < 0.8 ? 1 : 20,
        .label = label,
    };
}

static void fill(struct change_row *rows, uint64_t seed, size_t changed)
{
    uint64_t dice = seed;

    for (int warm = 0; warm < 8; warm++) {
        (void)roll(&dice);
    }
    for (size_t number = 0; number < ROWS; number++) {
        rows[number] = make_row(&dice, number, changed);
    }
}

static struct change_sums sum_up(const struct change_row *rows, size_t count)
{
    struct change_sums sums = {0};

    for (size_t at = 0; at < count; at++) {
        change_add(&sums, rows[at].probability, rows[at].weight, rows[at].label);
    }
    return sums;
}

static void where_nothing_changes_nothing_is_found(void **state)
{
    static struct change_row rows[ROWS], older[ROWS];

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const struct change_sums none = {0};
        struct change_found found;
        struct change_sums before;

        fill(older, SEEDS + seed, ROWS);
        before = sum_up(older, ROWS);
        fill(rows, seed, ROWS);
        assert_false(change_find(&none, rows, ROWS, &found));
        assert_false(change_find(&before, rows, ROWS, &found));
    }
}

static void a_change_is_found_near_its_moment(void **state)
{
    static struct change_row rows[ROWS];
    size_t near = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const struct change_sums none = {0};
        struct change_found found;

        fill(rows, seed, ROWS / 2);
        assert_true(change_find(&none, rows, ROWS, &found));
        assert_true(found.rise > 0.1 && found.rise > CHANGE_ERRORS * found.error);
        assert_in_range(found.since_us, 1000 * (ROWS / 2 - 100), 1000 * (ROWS / 2 + 100));
        near += llabs(found.since_us - 1000 * ROWS / 2) <= 10000;
    }
    assert_true(near > SEEDS / 2);
}

static void the_order_in_which_rows_come_does_not_matter(void **state)
{
    static struct change_row rows[ROWS], turned[ROWS];
    const struct change_sums none = {0};
    struct change_found one, other;

    (void)state;
    fill(rows, 5, ROWS / 2);
    for (size_t at = 0; at < ROWS; at++) {
        turned[at] = rows[ROWS - 1 - at];
    }
    assert_true(change_find(&none, rows, ROWS, &one));
    assert_true(change_find(&none, turned, ROWS, &other));
    assert_memory_equal(&one, &other, sizeof one);
}

/* All rows came after it: what came before is known by its sums alone. */
static void a_change_before_all_rows_is_the_first_ones(void **state)
{
    static struct change_row rows[ROWS], older[ROWS];
    const struct change_sums none = {0};
    struct change_found found = {.since_us = 7};
    struct change_sums before;

    (void)state;
    fill(older, 1, ROWS);
    before = sum_up(older, ROWS);
    fill(rows, 2, 0);
    assert_false(change_find(&none, rows, ROWS, &found));
    assert_int_equal(7, found.since_us);
    assert_true(change_find(&before, rows, ROWS, &found));
    assert_in_range(found.since_us, 0, 1000 * 50);
    /* Of one moment they are not parted, though the first half is as before. */
    fill(rows, 2, ROWS / 2);
    for (size_t at = 0; at < ROWS; at++) {
        rows[at].made_us = 5;
    }
    assert_false(change_find(&none, rows, ROWS, &found));
    assert_true(change_find(&before, rows, ROWS, &found));
    assert_int_equal(5, found.since_us);
}

/* Later texts that the model is unsure of are wrong by half, as it says itself. */
static void texts_that_are_hard_to_tell_are_no_change(void **state)
{
    static struct change_row rows[ROWS];
    const struct change_sums none = {0};
    struct change_found found;
    uint64_t dice = 3;

    (void)state;
    fill(rows, 4, ROWS);
    for (size_t at = ROWS / 2; at < ROWS; at++) {
        rows[at].probability = 0.3 + 0.4 * roll(&dice);
        rows[at].label = roll(&dice) < rows[at].probability;
    }
    assert_false(change_find(&none, rows, ROWS, &found));
}

static void one_odd_text_that_stands_for_many_is_no_change(void **state)
{
    static struct change_row rows[ROWS];
    const struct change_sums none = {0};
    struct change_found found;

    (void)state;
    fill(rows, 4, ROWS);
    rows[ROWS - 5] = (struct change_row){.made_us = rows[ROWS - 5].made_us, .probability = 1, .weight = TRAIN_STANDS_FOR_MAX, .label = 0};
    assert_false(change_find(&none, rows, ROWS, &found));
}

/* A little too sure of itself of late, however many texts say so. */
static void a_small_rise_is_no_change(void **state)
{
    static struct change_row rows[200 * ROWS];
    const struct change_sums none = {0};
    struct change_found found;
    uint64_t dice = 11;

    (void)state;
    for (int rise = 0; rise < 2; rise++) {
        for (size_t at = 0; at < 200 * ROWS; at++) {
            double share = at < 100 * ROWS ? 0.02 : rise == 0 ? 0.03 : 0.06;

            rows[at] = (struct change_row){.made_us = (int64_t)at, .probability = 0.02, .weight = 1, .label = roll(&dice) < share};
        }
        assert_int_equal(rise, change_find(&none, rows, 200 * ROWS, &found));
    }
}

static void too_few_texts_are_no_change(void **state)
{
    static struct change_row rows[ROWS];
    const struct change_sums none = {0};
    struct change_found found;

    (void)state;
    for (size_t at = 0; at < ROWS; at++) {
        bool is_late = at >= ROWS - CHANGE_ROWS_MIN;

        rows[at] = (struct change_row){.made_us = is_late ? 2 : 1, .probability = 0.01, .weight = 1, .label = is_late || at % 50 == 0};
    }
    assert_false(change_find(&none, rows, ROWS - 1, &found)); /* one short */
    assert_true(change_find(&none, rows, ROWS, &found));
    assert_int_equal(2, found.since_us);
    assert_false(change_find(&none, rows, 0, &found));
}

static void sums_are_joined_as_if_their_weights_were_others(void **state)
{
    static struct change_row rows[ROWS];
    struct change_sums one, all, joined = {0};

    (void)state;
    fill(rows, 6, ROWS);
    one = sum_up(rows, ROWS / 2);
    change_join(&joined, &one, 3);
    one = sum_up(rows + ROWS / 2, ROWS / 2);
    change_join(&joined, &one, 0.5);
    for (size_t at = 0; at < ROWS; at++) {
        rows[at].weight *= at < ROWS / 2 ? 3 : 0.5;
    }
    all = sum_up(rows, ROWS);
    assert_true(fabs(all.weights - joined.weights) < 1e-6 && fabs(all.surprises - joined.surprises) < 1e-6);
    assert_true(fabs(all.squares - joined.squares) < 1e-4 && fabs(all.squares_surprises - joined.squares_surprises) < 1e-4);
    assert_true(fabs(all.squares_surprises_squared - joined.squares_surprises_squared) < 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_changes_nothing_is_found),
        cmocka_unit_test(a_change_is_found_near_its_moment),
        cmocka_unit_test(the_order_in_which_rows_come_does_not_matter),
        cmocka_unit_test(a_change_before_all_rows_is_the_first_ones),
        cmocka_unit_test(texts_that_are_hard_to_tell_are_no_change),
        cmocka_unit_test(one_odd_text_that_stands_for_many_is_no_change),
        cmocka_unit_test(a_small_rise_is_no_change),
        cmocka_unit_test(too_few_texts_are_no_change),
        cmocka_unit_test(sums_are_joined_as_if_their_weights_were_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
