/* rows: what is packed is unpacked, each label stops at its half, what is not kept leaves. */
#include "support/bags.h"
#include "support/unit.h"

#include "proto/features.h"
#include "trainer/bag.h"
#include "trainer/random.h"
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

static void assert_row_holds(const struct rows *rows, size_t number, struct bytes text)
{
    const struct row *row = rows_at(rows, number);
    uint32_t *unpacked = test_malloc(((size_t)rows_longest(rows) + 1) * sizeof *unpacked);
    struct bag *bag = NULL;

    assert_status(STATUS_OK, bag_open(&bag, rows_table_bits(rows), false));
    bag_fill(bag, text);
    assert_int_equal(bag->count, row->count);
    assert_int_equal(bag->read, row->read);
    assert_true(row->count <= rows_longest(rows));
    rows_unpack(rows, row, unpacked, NULL);
    qsort(unpacked, row->count, sizeof *unpacked, by_number);
    qsort(bag->features, bag->count, sizeof *unpacked, by_number);
    assert_memory_equal(bag->features, unpacked, row->count * sizeof *unpacked);
    test_free(unpacked);
    bag_close(&bag);
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

/* Of Chinese characters that repeat hardly. */
static size_t write_characters(char *out, size_t count)
{
    uint64_t dice = 1;

    for (size_t at = 0; at < count; at++) {
        uint32_t point = 0x4E00 + (uint32_t)(random_next(&dice) % 0x5000);

        out[3 * at] = (char)(unsigned char)(0xE0 | point >> 12);
        out[3 * at + 1] = (char)(unsigned char)(0x80 | (point >> 6 & 0x3F));
        out[3 * at + 2] = (char)(unsigned char)(0x80 | (point & 0x3F));
    }
    return 3 * count;
}

/* What fits numbers of 16 bits is packed by another way. */
static void a_row_may_have_any_number_of_features(void **state)
{
    enum { LEAST = 11 * KIB, STEP = 256 };
    char *text = test_malloc((size_t)3 * TRAIN_TEXT_CODE_POINTS_MAX);
    struct rows *rows = open_rows(BITS, 8 * MIB);
    size_t few = 0, many = 0;

    (void)state;
    for (size_t count = LEAST; count <= TRAIN_TEXT_CODE_POINTS_MAX; count += STEP) {
        struct bytes written = {text, write_characters(text, count)};

        assert_status(STATUS_OK, rows_add(rows, written, 0));
        assert_row_holds(rows, rows_count(rows) - 1, written);
        few += rows_at(rows, rows_count(rows) - 1)->count <= UINT16_MAX;
        many += rows_at(rows, rows_count(rows) - 1)->count > UINT16_MAX;
    }
    assert_true(few > 0 && many > 0);
    rows_close(&rows);
    test_free(text);
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
                assert_true(!counted || parts[part].counts[at] == counts[number]);
            }
            assert_int_equal(counted, parts[part].counts != NULL);
        }
        assert_int_equal(number, rows_at(rows, 1)->count);
        rows_close(&rows);
    }
    test_free(text);
}

/* How often the row says that its text holds the feature; 0 = not at all. */
static unsigned times_of(const struct rows *rows, size_t number, bool counted, uint32_t feature)
{
    uint32_t places[512];
    uint8_t counts[512];
    unsigned times = 0;

    rows_unpack(rows, rows_at(rows, number), places, counted ? counts : NULL);
    for (uint32_t at = 0; at < rows_at(rows, number)->count; at++) {
        assert_true(places[at] < rows_width(rows));
        if (rows_feature_at(rows, places[at]) == feature) {
            assert_int_equal(0, times);
            times = counted ? counts[at] : 1;
        }
    }
    return times;
}

/* Places begin with what most rows hold, as far as an eighth of an octave tells. */
static void assert_ranked(const struct rows *rows, const uint32_t *holders)
{
    uint32_t fewest = UINT32_MAX;

    for (uint32_t place = 0; place < rows_width(rows); place++) {
        uint32_t held_by = holders[rows_feature_at(rows, place)];

        assert_true(held_by > 0 && (double)held_by < 1.1 * (double)fewest);
        fewest = held_by < fewest ? held_by : fewest;
    }
}

enum { KEPT_BITS = 12, KEPT_ROWS = 5 };

/* Twice: what leaves the second time had another place than its own. */
static void features_that_are_not_kept_leave_every_row(void **state)
{
    static const char *const texts[KEPT_ROWS] = {"one two three", "", "two", "three three three", "one two three four five"};
    static uint32_t holders[1 << KEPT_BITS], left[1 << KEPT_BITS];
    static unsigned char before[KEPT_ROWS][1 << KEPT_BITS];

    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct rows *rows = NULL;
        uint32_t read[KEPT_ROWS];

        assert_status(STATUS_OK, rows_open(&rows, KEPT_BITS, counted == 1, MIB));
        for (size_t row = 0; row < KEPT_ROWS; row++) {
            assert_status(STATUS_OK, rows_add(rows, bytes_of(texts[row]), (int)row % 2));
            read[row] = 0;
            for (uint32_t feature = 0; feature < 1 << KEPT_BITS; feature++) {
                before[row][feature] = (unsigned char)times_of(rows, row, counted == 1, feature);
                read[row] += before[row][feature];
            }
            assert_int_equal(read[row], rows_at(rows, row)->read);
        }
        for (uint32_t step = 0; step < 2; step++) {
            uint32_t width = 0;

            rows_count_holders(rows, NULL, holders);
            for (size_t feature = 0; feature < 1 << KEPT_BITS; feature++) {
                holders[feature] = feature % 3 == step ? 0 : holders[feature];
                width += holders[feature] > 0;
            }
            assert_status(STATUS_OK, rows_keep(rows, holders, NULL));
            assert_int_equal(width, rows_width(rows));
            assert_ranked(rows, holders);
            rows_count_holders(rows, NULL, left);
            assert_memory_equal(holders, left, sizeof left);
            for (size_t row = 0; row < KEPT_ROWS; row++) {
                uint32_t count = 0;

                for (uint32_t feature = 0; feature < 1 << KEPT_BITS; feature++) {
                    unsigned times = feature % 3 <= step ? 0 : before[row][feature];

                    assert_int_equal(times, times_of(rows, row, counted == 1, feature));
                    count += times > 0;
                }
                assert_int_equal(count, rows_at(rows, row)->count);
                assert_true(count <= rows_longest(rows));
                assert_int_equal(read[row], rows_at(rows, row)->read); /* as it was */
            }
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
        cmocka_unit_test(a_row_may_have_any_number_of_features),
        cmocka_unit_test(each_label_stops_at_its_half),
        cmocka_unit_test(rows_without_text_have_an_end_too),
        cmocka_unit_test(parts_hold_what_is_unpacked_by_its_leading_bits),
        cmocka_unit_test(features_that_are_not_kept_leave_every_row),
        cmocka_unit_test(a_weight_is_kept_to_its_nearest_step),
        cmocka_unit_test(only_rows_of_before_a_change_are_discounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
