/* rows: values and rows of a database that may hold anything: a value of a wrong length is none, a broken row is counted and passed
 * over, and what is kept of a sound one unpacks to rising features. */
#include "fuzz/fuzz.h"

#include "proto/db_values.h"
#include "proto/utf8.h"
#include "trainer/rows.h"
#include "trainer/sample.h"

#include <math.h>

enum { TABLE_BITS = 12, ROWS_MAX = 64, BYTES_MAX = 4096 };

/* The table: the input that is left, row by row. It stands in for trainer/store_draws. */
struct table {
    struct bytes rest;
    int64_t rows;
};

static struct bytes take(struct table *table, size_t count)
{
    struct bytes taken = bytes_first(table->rest, count);

    table->rest = bytes_from(table->rest, taken.count);
    return taken;
}

static unsigned take_byte(struct table *table)
{
    struct bytes taken = take(table, 1);

    return taken.count == 0 ? 0 : (unsigned char)taken.data[0];
}

/* A row: how long its hash is, its label, what is said of its text's length, the text. Mostly sound, as the bytes fall. */
static enum status hand_out(struct table *table, struct store_place place, int64_t limit, const struct store_reader *reader)
{
    enum status status = STATUS_OK;

    for (int64_t index = 0; index < limit && table->rest.count > 0 && status == STATUS_OK; index++) {
        unsigned kind = take_byte(table), length = take_byte(table);
        struct store_sample row = {
            .source = length % 4,
            .hash = take(table, (kind & 7) == 7 ? kind >> 3 : TEXT_HASH_BYTES),
            .label = (kind & 0x18) == 0x18 ? (int64_t)kind - 128 : place.label,
            .reviewed_share = kind == 255 ? (double)NAN : (double)(kind + 1) / 200,
        };

        row.text = take(table, length);
        row.text_bytes = (kind & 0x60) == 0x60 ? (int64_t)kind << (kind & 31) : (int64_t)row.text.count;
        status = reader->on_sample(reader->context, &row);
    }
    return status;
}

enum status store_count(struct store *store, struct store_place place, int64_t limit, int64_t *out)
{
    (void)place;
    *out = ((struct table *)store)->rows < limit ? ((struct table *)store)->rows : limit;
    return STATUS_OK;
}

enum status store_hash_at(struct store *store, struct store_place place, int64_t index, unsigned char out[TEXT_HASH_BYTES])
{
    (void)place;
    (void)index;
    memset(out, (int)take_byte((struct table *)store), TEXT_HASH_BYTES);
    return STATUS_OK;
}

enum status store_find_leaf(struct store *store, struct store_place place, struct store_leaf *out)
{
    *out = (struct store_leaf){.label = place.label, .number = 0, .pages = (int64_t)take_byte((struct table *)store) + 1};
    return STATUS_OK;
}

enum status store_count_leaf(struct store *store, const struct store_leaf *leaf, struct store_draw draw, double *out_rows)
{
    fuzz_hold(draw.percent > 0 && draw.percent <= 100);
    *out_rows = (double)leaf->pages * take_byte((struct table *)store);
    return STATUS_OK;
}

enum status store_count_draw(struct store *store, struct store_place place, struct store_draw draw, int64_t *out)
{
    (void)place;
    fuzz_hold(draw.percent > 0 && draw.percent <= 100);
    *out = (int64_t)take_byte((struct table *)store);
    return STATUS_OK;
}

enum status store_read_draw(struct store *store, struct store_place place, struct store_draw draw, const struct store_reader *reader)
{
    fuzz_hold(draw.percent > 0 && draw.percent <= 100);
    return hand_out((struct table *)store, place, ROWS_MAX, reader);
}

enum status store_read_hashes(struct store *store, struct store_place place, struct bytes hash, int64_t limit,
                              const struct store_reader *reader)
{
    (void)hash;
    return hand_out((struct table *)store, place, limit, reader);
}

enum status store_read_people(struct store *store, struct store_place place, struct bytes hash, int64_t limit,
                              const struct store_reader *reader)
{
    return store_read_hashes(store, place, hash, limit, reader);
}

enum status store_read_latest(struct store *store, struct store_place place, int64_t limit, const struct store_reader *reader)
{
    return hand_out((struct table *)store, place, limit, reader);
}

enum status store_count_latest(struct store *store, int64_t profile_id, int64_t limit, int64_t out[2])
{
    (void)profile_id;
    out[0] = (int64_t)take_byte((struct table *)store) % (limit + 1);
    out[1] = limit - out[0];
    return STATUS_OK;
}

static enum status on_sample(void *context, const struct sample *sample)
{
    enum status status;

    fuzz_hold(sample->hash.count == TEXT_HASH_BYTES && (sample->label == 0 || sample->label == 1));
    fuzz_hold(sample->text.count > 0 && sample->text.count <= SAMPLE_TEXT_BYTES_MAX);
    fuzz_hold(utf8_sound_bytes(sample->text) == sample->text.count && memchr(sample->text.data, 0, sample->text.count) == NULL);
    status = rows_add(context, sample->text, sample->label);
    fuzz_hold(status == STATUS_OK || status == STATUS_FULL);
    fuzz_hold(sample->stands_for >= 1 && sample->stands_for <= TRAIN_STANDS_FOR_MAX);
    if (status == STATUS_OK) {
        rows_weigh(context, sample->by_person ? TRAIN_PERSON_WEIGHT : 1, sample->stands_for);
    }
    return STATUS_OK;
}

static void hold_rows(const struct rows *rows, bool counted)
{
    uint32_t *features = calloc((size_t)rows_longest(rows) + 1, sizeof *features);
    uint8_t *counts = calloc((size_t)rows_longest(rows) + 1, sizeof *counts);
    unsigned char *held = calloc((size_t)rows_width(rows) + 1, sizeof *held);

    fuzz_hold(features != NULL && counts != NULL && held != NULL);
    fuzz_hold(rows_count(rows) == rows_count_of(rows, 0) + rows_count_of(rows, 1));
    for (size_t number = 0; number < rows_count(rows); number++) {
        const struct row *row = rows_at(rows, number);

        fuzz_hold(row->count <= rows_longest(rows));
        rows_unpack(rows, row, features, counted ? counts : NULL);
        for (uint32_t index = 0; index < row->count; index++) {
            fuzz_hold(features[index] < rows_width(rows) && held[features[index]]++ == 0);
            fuzz_hold(!counted || (counts[index] > 0 && counts[index] <= MODEL_TF_COUNT_MAX));
        }
        for (uint32_t index = 0; index < row->count; index++) {
            held[features[index]] = 0;
        }
    }
    free(features);
    free(counts);
    free(held);
}

/* Of what rows hold, about one in three leaves. */
static void keep_some(struct rows *rows, uint64_t seed)
{
    uint32_t *holders = calloc((size_t)1 << TABLE_BITS, sizeof *holders);
    uint32_t width = 0;

    fuzz_hold(holders != NULL);
    rows_count_holders(rows, NULL, holders);
    for (uint32_t feature = 0; feature < 1U << TABLE_BITS; feature++) {
        holders[feature] = (feature + seed) % 3 == 0 ? 0 : holders[feature];
        width += holders[feature] > 0;
    }
    fuzz_hold(rows_keep(rows, holders, NULL) == STATUS_OK && rows_width(rows) == width);
    free(holders);
}

static void hold_values(struct bytes data)
{
    static const struct {
        unsigned oid;
        size_t count;
    } types[] = {{16, 1}, {21, 2}, {23, 4}, {20, 8}};
    int64_t number;
    double real;

    for (size_t index = 0; index < sizeof types / sizeof types[0]; index++) {
        number = db_value_bigint(types[index].oid, data);
        fuzz_hold(data.count == types[index].count || number == 0);
    }
    real = db_value_real(700, data);
    fuzz_hold(data.count == 4 || isnan(real));
    real = db_value_real(701, data);
    fuzz_hold(data.count == 8 || isnan(real));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table table = {.rest = fuzz_bytes(data, size)};
    struct sample_request request = {.profile_id = 1, .rows_max = ROWS_MAX, .seed = fuzz_seed(table.rest)};
    struct sample_figures figures[SAMPLE_LABELS];
    struct rows *rows = NULL;
    bool counted = (request.seed & 4) != 0;
    char *copy;

    /* A copy of its own size, so that a read beyond it is seen. */
    copy = malloc((size & 15) + 1);
    fuzz_hold(copy != NULL);
    memset(copy, 0, (size & 15) + 1);
    memcpy(copy, data, size < (size & 15) ? size : (size & 15));
    hold_values((struct bytes){copy, size & 15});
    free(copy);
    request.sampling = (enum sampling_choice)(request.seed % 3);
    request.bytes_max = (int64_t)take_byte(&table) << 8;
    table.rows = take_byte(&table);
    fuzz_hold(rows_open(&rows, TABLE_BITS, counted, BYTES_MAX) == STATUS_OK);
    fuzz_hold(sample_measure((struct store *)&table, &request, figures) == STATUS_OK);
    fuzz_hold(sample_draw((struct store *)&table, &request, figures, &(struct sample_taker){on_sample, rows}) == STATUS_OK);
    for (int label = 0; label < SAMPLE_LABELS; label++) {
        fuzz_hold(figures[label].people <= figures[label].drawn && figures[label].drawn <= figures[label].wanted);
        fuzz_hold(figures[label].wanted <= (request.sampling == SAMPLING_BALANCED ? ROWS_MAX / SAMPLE_LABELS : ROWS_MAX));
    }
    hold_rows(rows, counted);
    keep_some(rows, request.seed);
    hold_rows(rows, counted);
    rows_close(&rows);
    return 0;
}
