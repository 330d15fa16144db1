/* ratios: what is counted can be taken back, and of many rows only features that tell the labels apart stay. */
#include "support/unit.h"

#include "trainer/logistic.h"
#include "trainer/ratios.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { BITS = 13, TABLE = 1 << BITS, FEATURES_MAX = 512 };

/* "awful" and "pleasant" tell the label, "common" and a number do not. */
static struct rows *make_rows(size_t count, bool is_changed)
{
    struct rows *rows = NULL;
    uint32_t random = 7;

    assert_status(STATUS_OK, rows_open(&rows, BITS, false, 32 * MIB));
    for (size_t number = 0; number < count; number++) {
        int label = number % 2 == 1;
        char text[64];

        random = random * 1664525u + 1013904223u;
        (void)snprintf(text, sizeof text, "%s common %u", label == 1 ? "awful" : "pleasant", random >> 30);
        assert_status(STATUS_OK, rows_add(rows, bytes_of(text), label));
        if (is_changed && number % 3 == 0) {
            rows_mark_old(rows);
        }
    }
    return rows;
}

/* Rows of each label that hold each feature. */
static void count_labels(const struct rows *rows, uint32_t out[TABLE][2])
{
    uint32_t places[FEATURES_MAX];

    memset(out, 0, TABLE * sizeof *out);
    for (size_t number = 0; number < rows_count(rows); number++) {
        const struct row *row = rows_at(rows, number);

        assert_true(row->count <= FEATURES_MAX);
        rows_unpack(rows, row, places, NULL);
        for (uint32_t at = 0; at < row->count; at++) {
            out[rows_feature_at(rows, places[at])][row->label]++;
        }
    }
}

static double ratio_of(const uint32_t seen[2])
{
    return log((1.0 + seen[1]) / (1.0 + seen[0]));
}

static void only_what_tells_labels_apart_stays_of_many_rows(void **state)
{
    static uint32_t before[TABLE][2], after[TABLE][2];
    struct rows *rows = make_rows(TRAIN_THINNED_ROWS_MIN, false);
    struct logistic *logistic = NULL;
    const float *weights;
    uint32_t read = rows_at(rows, 0)->read;
    size_t left = 0, stayed = 0;

    (void)state;
    count_labels(rows, before);
    assert_status(STATUS_OK, ratios_thin_out(rows, NULL));
    count_labels(rows, after);
    for (size_t feature = 0; feature < TABLE; feature++) {
        if (before[feature][0] + before[feature][1] == 0) {
            continue;
        }
        if (after[feature][0] + after[feature][1] == 0) {
            assert_true(fabs(ratio_of(before[feature])) < 0.5);
            left++;
        } else {
            assert_memory_equal(before[feature], after[feature], sizeof after[feature]);
            assert_true(fabs(ratio_of(before[feature])) > 1);
            stayed++;
        }
    }
    assert_true(left > 10 && stayed > 10);
    assert_int_equal(read, rows_at(rows, 0)->read);
    assert_status(STATUS_OK, logistic_open(&logistic, rows, NULL, NULL));
    assert_status(STATUS_OK, logistic_fit(logistic, 1, 0));
    for (size_t number = 0; number < 100; number++) {
        assert_true((logistic_score(logistic, number) > 0) == (rows_at(rows, number)->label == 1));
    }
    weights = logistic_weights(logistic);
    for (size_t feature = 0; feature < TABLE; feature++) {
        assert_true((fabsf(weights[feature]) > 0) == (after[feature][0] + after[feature][1] > 0));
    }
    logistic_close(&logistic);
    rows_close(&rows);
}

static void nothing_leaves_few_rows_or_those_of_a_change(void **state)
{
    static uint32_t before[TABLE][2], after[TABLE][2];

    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        struct rows *rows = make_rows(TRAIN_THINNED_ROWS_MIN - (changed == 0), changed == 1);

        count_labels(rows, before);
        assert_status(STATUS_OK, ratios_thin_out(rows, NULL));
        assert_status(STATUS_OK, ratios_thin_out(rows, NULL)); /* for a second fit, with other weights */
        count_labels(rows, after);
        assert_memory_equal(before, after, sizeof after);
        rows_close(&rows);
    }
}

static void it_ends_when_it_is_cancelled(void **state)
{
    const atomic_bool cancelled = true;
    struct turn turn = {.cancelled = &cancelled};
    struct rows *rows = make_rows(TRAIN_THINNED_ROWS_MIN, false);
    uint32_t count = rows_at(rows, 0)->count;

    (void)state;
    assert_status(STATUS_CLOSED, ratios_thin_out(rows, &turn));
    assert_int_equal(count, rows_at(rows, 0)->count);
    assert_int_equal(TABLE, rows_width(rows));
    rows_close(&rows);
}

static void what_was_counted_is_taken_back_without_a_trace(void **state)
{
    static struct tally tallies[TABLE], once[TABLE];
    struct rows *rows = make_rows(30, false);

    (void)state;
    for (size_t number = 0; number < 30; number++) {
        ratios_count(once, rows, rows_at(rows, number), 1);
        ratios_count(tallies, rows, rows_at(rows, number), 1);
    }
    for (size_t number = 0; number < 7; number++) {
        ratios_count(tallies, rows, rows_at(rows, number), -1);
        ratios_count(tallies, rows, rows_at(rows, number), 1);
    }
    assert_memory_equal(once, tallies, sizeof tallies);
    for (size_t number = 0; number < 30; number++) {
        ratios_count(tallies, rows, rows_at(rows, number), -1);
    }
    for (size_t feature = 0; feature < TABLE; feature++) {
        assert_int_equal(0, tallies[feature].seen[0] + tallies[feature].seen[1]);
        assert_int_equal(0, tallies[feature].share);
        assert_true(ratios_square(&tallies[feature], 1) <= 0); /* never seen, whatever the others are like */
    }
    rows_close(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_tells_labels_apart_stays_of_many_rows),
        cmocka_unit_test(nothing_leaves_few_rows_or_those_of_a_change),
        cmocka_unit_test(it_ends_when_it_is_cancelled),
        cmocka_unit_test(what_was_counted_is_taken_back_without_a_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
