/* rows: what is packed is unpacked, a long text keeps head and tail, each label stops at its half. */
#include "support/unit.h"

#include "proto/features.h"
#include "proto/text.h"
#include "trainer/rows.h"

#include <math.h>
#include <stdlib.h>

enum { BITS = 18, SMALL_BYTES = 64 * KIB };

static struct rows *open_rows(unsigned bits, size_t bytes_max)
{
    struct rows *rows = NULL;

    assert_status(STATUS_OK, rows_open(&rows, bits, false, bytes_max));
    return rows;
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* The different features of a text in rising order; the caller frees them. */
static uint32_t *features_of(struct bytes text, unsigned bits, size_t *out_count)
{
    uint32_t *code_points = test_malloc((text.count + 1) * sizeof *code_points);
    uint32_t *indices = test_malloc(FEATURES_PER_CODE_POINT * (text.count + 2) * sizeof *indices);
    struct text_reader reader;
    struct features features;
    size_t count, different = 0;

    text_begin(&reader, text);
    count = text_read(&reader, code_points, text.count + 1);
    features_begin(&features, bits);
    count = features_take(&features, code_points, count, NULL, indices);
    count += features_end(&features, NULL, indices + count);
    qsort(indices, count, sizeof *indices, compare);
    for (size_t at = 0; at < count; at++) {
        if (at == 0 || indices[at] != indices[different - 1]) {
            indices[different++] = indices[at];
        }
    }
    test_free(code_points);
    *out_count = different;
    return indices;
}

static void assert_row_holds(const struct rows *rows, size_t number, struct bytes text)
{
    const struct row *row = rows_at(rows, number);
    uint32_t *unpacked = test_malloc(((size_t)rows_longest(rows) + 1) * sizeof *unpacked);
    size_t count;
    uint32_t *expected = features_of(text, rows_table_bits(rows), &count);

    assert_int_equal(count, row->count);
    assert_true(row->count <= rows_longest(rows));
    rows_unpack(rows, row, unpacked, NULL);
    assert_memory_equal(expected, unpacked, count * sizeof *unpacked);
    test_free(unpacked);
    test_free(expected);
}

static void what_is_packed_is_unpacked(void **state)
{
    static const char *const texts[] = {"a", "", "Hello, world", "the the the", "\xE5\xA4\xA9\xE6\xB0\x94 \xFF",
                                        "A longer text with more words than the others have, for distances of one byte."};
    static const unsigned bits[] = {MODEL_TABLE_BITS_MIN, 18, MODEL_TABLE_BITS_MAX};

    (void)state;
    for (size_t table = 0; table < 3; table++) {
        struct rows *rows = open_rows(bits[table], SMALL_BYTES);

        for (size_t index = 0; index < 6; index++) {
            assert_status(STATUS_OK, rows_add(rows, bytes_of(texts[index]), (int)index % 2));
        }
        assert_int_equal(6, rows_count(rows));
        assert_int_equal(3, rows_count_of(rows, 0));
        for (size_t index = 0; index < 6; index++) {
            assert_int_equal(index % 2, rows_at(rows, index)->label);
            assert_int_equal(index / 2, rows_at(rows, index)->fold);
            assert_row_holds(rows, index, bytes_of(texts[index]));
        }
        rows_close(&rows);
        assert_null(rows);
        rows_close(&rows);
    }
}

/* Text of `count` different-looking code points. */
static char *long_text(size_t count)
{
    char *text = test_malloc(count);

    for (size_t at = 0; at < count; at++) {
        text[at] = (char)('a' + (at * at / 7 + at / 31) % 26);
    }
    return text;
}

static void a_long_text_keeps_head_and_tail(void **state)
{
    enum { MAX = TRAIN_TEXT_CODE_POINTS_MAX, HALF = MAX / 2 };
    struct rows *rows = open_rows(BITS, MIB);
    char *text = long_text(3 * MAX);
    char *kept = test_malloc(MAX + 1);

    (void)state;
    assert_status(STATUS_OK, rows_add(rows, (struct bytes){text, MAX}, 0));
    assert_row_holds(rows, 0, (struct bytes){text, MAX});
    for (size_t extra = 1; extra < 2 * MAX; extra = extra * 3 + 1) {
        size_t count = MAX + extra;

        memcpy(kept, text, HALF);
        kept[HALF] = ' ';
        memcpy(kept + HALF + 1, text + count - HALF, HALF);
        assert_status(STATUS_OK, rows_add(rows, (struct bytes){text, count}, 0));
        assert_row_holds(rows, rows_count(rows) - 1, (struct bytes){kept, MAX + 1});
    }
    test_free(text);
    test_free(kept);
    rows_close(&rows);
}

static void each_label_stops_at_its_half(void **state)
{
    struct rows *rows = open_rows(BITS, SMALL_BYTES);
    char *text = long_text(2000);
    enum status status;
    size_t full;

    (void)state;
    do {
        status = rows_add(rows, (struct bytes){text, 2000}, 0);
    } while (status == STATUS_OK);
    assert_status(STATUS_FULL, status);
    full = rows_count_of(rows, 0);
    assert_true(full > 2);
    /* A shorter one still fits, the other label has its own half, and what is there stays as it was. */
    assert_status(STATUS_OK, rows_add(rows, BYTES("short"), 0));
    assert_status(STATUS_OK, rows_add(rows, (struct bytes){text, 2000}, 1));
    assert_status(STATUS_FULL, rows_add(rows, (struct bytes){text, 2000}, 0));
    assert_int_equal(full + 2, rows_count(rows));
    assert_row_holds(rows, full - 1, (struct bytes){text, 2000});
    assert_row_holds(rows, full, BYTES("short"));
    assert_row_holds(rows, full + 1, (struct bytes){text, 2000});
    test_free(text);
    rows_close(&rows);
}

static void rows_without_text_have_an_end_too(void **state)
{
    struct rows *rows = open_rows(MODEL_TABLE_BITS_MIN, SMALL_BYTES);
    size_t count = 0;

    (void)state;
    while (rows_add(rows, BYTES(""), 1) == STATUS_OK) {
        count++;
    }
    assert_true(count > 0 && count <= SMALL_BYTES / sizeof(struct row));
    assert_int_equal(count, rows_count_of(rows, 1));
    rows_close(&rows);
}

/* Unpacks a counted row; the caller's arrays have room. */
static uint32_t unpack_counted(const struct rows *rows, size_t number, uint32_t *indices, uint8_t *counts)
{
    const struct row *row = rows_at(rows, number);

    rows_unpack(rows, row, indices, counts);
    return row->count;
}

static void counted_rows_know_how_often_a_feature_stands_in_them(void **state)
{
    struct rows *rows = NULL;
    struct rows *plain = open_rows(BITS, MIB);
    char many[600];
    uint32_t indices[2048], alike[2048];
    uint8_t counts[2048];
    uint32_t count;
    unsigned sum = 0, most = 0;

    (void)state;
    memset(many, 'z', sizeof many);
    assert_status(STATUS_OK, rows_open(&rows, BITS, true, MIB));
    assert_status(STATUS_OK, rows_add(rows, BYTES("aa"), 0)); /* "a" twice; " a", " aa", "aa", "aa ", "a " and so on once */
    assert_status(STATUS_OK, rows_add(rows, (struct bytes){many, sizeof many}, 0));
    assert_status(STATUS_OK, rows_add(rows, (struct bytes){many, MODEL_TF_COUNT_MAX}, 0));
    assert_status(STATUS_OK, rows_add(plain, BYTES("aa"), 0));
    count = unpack_counted(rows, 0, indices, counts);
    assert_int_equal(rows_at(plain, 0)->count, count);
    rows_unpack(plain, rows_at(plain, 0), alike, NULL);
    assert_memory_equal(alike, indices, count * sizeof *indices);
    for (uint32_t at = 0; at < count; at++) {
        sum += counts[at];
        most = counts[at] > most ? counts[at] : most;
    }
    assert_int_equal(2, most);
    assert_int_equal(count + 1, sum);
    for (size_t row = 1; row < 3; row++) { /* what a row says of one feature ends there, and is whole up to there */
        most = 0;
        count = unpack_counted(rows, row, indices, counts);
        for (uint32_t at = 0; at < count; at++) {
            most = counts[at] > most ? counts[at] : most;
        }
        assert_int_equal(MODEL_TF_COUNT_MAX, most);
    }
    count = unpack_counted(rows, 0, indices, counts);
    assert_int_equal(rows_at(plain, 0)->count, count); /* and no row has left a mark on the next */
    rows_close(&rows);
    rows_close(&plain);
}

static void parts_hold_what_is_unpacked_by_its_leading_bits(void **state)
{
    static const struct {
        unsigned bits;
        size_t parts;
    } tables[] = {{MODEL_TABLE_BITS_MIN, 1}, {ROW_PART_BITS, 1}, {ROW_PART_BITS + 1, 2}, {18, 4},
                  {MODEL_TABLE_BITS_MAX, ROW_PARTS_MAX}};
    static uint32_t indices[FEATURES_PER_CODE_POINT * TRAIN_TEXT_CODE_POINTS_MAX + FEATURES_END];
    static uint8_t counts[sizeof indices / sizeof indices[0]];
    char *text = long_text(TRAIN_TEXT_CODE_POINTS_MAX);

    (void)state;
    for (size_t table = 0; table < 2 * sizeof tables / sizeof tables[0]; table++) {
        bool counted = table % 2 == 1;
        struct row_part parts[ROW_PARTS_MAX];
        struct rows *rows = NULL;
        size_t number = 0;

        assert_status(STATUS_OK, rows_open(&rows, tables[table / 2].bits, counted, MIB));
        assert_status(STATUS_OK, rows_add(rows, BYTES("before"), 0));
        assert_status(STATUS_OK, rows_add(rows, (struct bytes){text, TRAIN_TEXT_CODE_POINTS_MAX}, 0));
        assert_status(STATUS_OK, rows_add(rows, BYTES("behind"), 0));
        rows_fetch_entry(rows, 1);
        rows_fetch(rows, 1);
        rows_unpack(rows, rows_at(rows, 1), indices, counted ? counts : NULL);
        assert_int_equal(tables[table / 2].parts, rows_parts(rows, rows_at(rows, 1), parts));
        for (size_t part = 0; part < tables[table / 2].parts; part++) {
            assert_int_equal(part << ROW_PART_BITS, parts[part].first);
            assert_true(parts[part].count > 0);
            for (uint32_t at = 0; at < parts[part].count; at++, number++) {
                assert_int_equal(indices[number], parts[part].first + parts[part].rest[at]);
                assert_true(number == 0 || indices[number] > indices[number - 1]);
                assert_true(!counted || parts[part].counts[at] == counts[number]);
            }
            assert_int_equal(counted, parts[part].counts != NULL);
        }
        assert_int_equal(number, rows_at(rows, 1)->count);
        rows_close(&rows);
    }
    test_free(text);
}

static void features_that_are_not_kept_leave_every_row(void **state)
{
    static const char *const texts[] = {"one two three", "", "two", "three three three", "one two three four five"};
    static unsigned char kept[1 << BITS];
    static uint32_t holders[1 << BITS], left[1 << BITS];

    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        uint32_t before[5][512], after[512];
        uint8_t before_counts[5][512], after_counts[512];
        uint32_t before_count[5], read[5];
        struct rows *rows = NULL;

        assert_status(STATUS_OK, rows_open(&rows, BITS, counted == 1, MIB));
        for (size_t row = 0; row < 5; row++) {
            assert_status(STATUS_OK, rows_add(rows, bytes_of(texts[row]), (int)row % 2));
            before_count[row] = rows_at(rows, row)->count;
            rows_unpack(rows, rows_at(rows, row), before[row], counted == 1 ? before_counts[row] : NULL);
            read[row] = 0;
            for (uint32_t at = 0; at < before_count[row]; at++) {
                read[row] += counted == 1 ? before_counts[row][at] : 1;
            }
            assert_int_equal(read[row], rows_at(rows, row)->read);
        }
        rows_count_holders(rows, holders);
        for (size_t index = 0; index < 1 << BITS; index++) {
            kept[index] = holders[index] != 2;
        }
        rows_keep(rows, kept);
        rows_count_holders(rows, left);
        for (size_t index = 0; index < 1 << BITS; index++) {
            assert_int_equal(kept[index] != 0 ? holders[index] : 0, left[index]);
        }
        for (size_t row = 0; row < 5; row++) {
            uint32_t at = 0;

            rows_unpack(rows, rows_at(rows, row), after, counted == 1 ? after_counts : NULL);
            for (uint32_t old = 0; old < before_count[row]; old++) {
                if (kept[before[row][old]] != 0) {
                    assert_int_equal(before[row][old], after[at]);
                    assert_true(counted == 0 || before_counts[row][old] == after_counts[at]);
                    at++;
                }
            }
            assert_int_equal(at, rows_at(rows, row)->count);
            assert_true(at <= rows_longest(rows));
            assert_int_equal(read[row], rows_at(rows, row)->read); /* as it was */
        }
        rows_close(&rows);
    }
}

static void a_weight_is_kept_to_its_nearest_step(void **state)
{
    static const double weights[] = {1, TRAIN_PERSON_WEIGHT, ROW_WEIGHT_MAX, 0.5, 1.0 / ROW_WEIGHT_STEPS, 1.4 / ROW_WEIGHT_STEPS, 1e-9};
    static const double kept[] = {1, TRAIN_PERSON_WEIGHT, ROW_WEIGHT_MAX, 0.5, 1.0 / ROW_WEIGHT_STEPS, 1.0 / ROW_WEIGHT_STEPS,
                                  1.0 / ROW_WEIGHT_STEPS};
    struct rows *rows = open_rows(BITS, MIB);

    (void)state;
    for (size_t row = 0; row < sizeof weights / sizeof *weights; row++) {
        assert_status(STATUS_OK, rows_add(rows, BYTES("one"), 0));
        assert_true(fabs(rows_weight(rows_at(rows, row)) - 1) < 1e-12);
        rows_weigh(rows, weights[row], 1);
        assert_true(fabs(rows_weight(rows_at(rows, row)) - kept[row]) < 1e-12);
    }
    rows_close(&rows);
}

static void only_rows_of_before_a_change_are_discounted(void **state)
{
    struct rows *rows = open_rows(BITS, MIB);

    (void)state;
    for (int row = 0; row < 4; row++) {
        assert_status(STATUS_OK, rows_add(rows, BYTES("one"), row % 2));
        rows_weigh(rows, row < 2 ? 1 : TRAIN_PERSON_WEIGHT, 1);
        if (row % 2 == 0) {
            rows_mark_old(rows);
        }
    }
    rows_discount(rows, 0.25);
    assert_true(fabs(rows_weight(rows_at(rows, 0)) - 0.25) < 1e-12);
    assert_true(fabs(rows_weight(rows_at(rows, 1)) - 1) < 1e-12);
    assert_true(fabs(rows_weight(rows_at(rows, 2)) - 0.25 * TRAIN_PERSON_WEIGHT) < 1e-12);
    assert_true(fabs(rows_weight(rows_at(rows, 3)) - TRAIN_PERSON_WEIGHT) < 1e-12);
    rows_close(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(a_long_text_keeps_head_and_tail),
        cmocka_unit_test(each_label_stops_at_its_half),
        cmocka_unit_test(rows_without_text_have_an_end_too),
        cmocka_unit_test(counted_rows_know_how_often_a_feature_stands_in_them),
        cmocka_unit_test(parts_hold_what_is_unpacked_by_its_leading_bits),
        cmocka_unit_test(features_that_are_not_kept_leave_every_row),
        cmocka_unit_test(a_weight_is_kept_to_its_nearest_step),
        cmocka_unit_test(only_rows_of_before_a_change_are_discounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
