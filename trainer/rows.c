/* rows: a bit a feature collects what a text holds; scanning the bits gives the indices in order and without doubles. */
#include "trainer/rows.h"

#include "proto/features.h"
#include "proto/text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS = 2,
    WORD_BITS = 64,
    TABLE_SHARE = 8,        /* the table of rows may have an eighth of all bytes */
    PART_MASK = (1 << ROW_PART_BITS) - 1,
    FETCH_LINES = 4, /* of a row: after so many the processor has seen where it goes */
    LINE_BYTES = 64,
    LENGTH_WORDS = 2, /* of 16 bits: the length of a part */
};

struct rows {
    unsigned table_bits;
    uint64_t *present;            /* a bit a feature, all 0 between two calls, as the next two */
    uint64_t *touched;            /* a bit a word of `present` that is not 0 */
    uint8_t *counts;              /* how often a feature was marked; NULL where that is not asked for */
    uint32_t marked;              /* features that are present */
    uint32_t read;                /* each of them as often as it is counted */
    uint32_t longest;             /* features of the longest row */
    size_t count[LABELS];         /* rows */
    struct buffer packed[LABELS]; /* row after row, see row_words */
    struct buffer table;          /* of struct row, in the order they came */
    uint32_t code_points[MODEL_BLOCK_CODE_POINTS];
    uint32_t indices[FEATURES_PER_CODE_POINT * MODEL_BLOCK_CODE_POINTS];
};

static size_t words_of(size_t bits)
{
    return (bits + WORD_BITS - 1) / WORD_BITS;
}

static size_t touched_words(const struct rows *rows)
{
    return words_of(words_of((size_t)1 << rows->table_bits));
}

enum status rows_open(struct rows **out, unsigned table_bits, bool counted, size_t bytes_max)
{
    struct rows *rows = calloc(1, sizeof *rows);

    assert(bytes_max <= TRAIN_ROWS_BYTES_MAX);
    if (rows == NULL) {
        return STATUS_NO_MEMORY;
    }
    rows->table_bits = table_bits;
    buffer_init(&rows->table, bytes_max / TABLE_SHARE);
    for (size_t label = 0; label < LABELS; label++) {
        buffer_init(&rows->packed[label], (bytes_max - bytes_max / TABLE_SHARE) / LABELS);
    }
    rows->present = calloc(words_of((size_t)1 << table_bits), sizeof *rows->present);
    rows->touched = calloc(touched_words(rows), sizeof *rows->touched);
    rows->counts = counted ? calloc((size_t)1 << table_bits, sizeof *rows->counts) : NULL;
    if (rows->present == NULL || rows->touched == NULL || (counted && rows->counts == NULL)) {
        rows_close(&rows);
        return STATUS_NO_MEMORY;
    }
    *out = rows;
    return STATUS_OK;
}

void rows_close(struct rows **rows)
{
    if (*rows != NULL) {
        for (size_t label = 0; label < LABELS; label++) {
            buffer_free(&(*rows)->packed[label]);
        }
        buffer_free(&(*rows)->table);
        free((*rows)->present);
        free((*rows)->touched);
        free((*rows)->counts);
        free(*rows);
        *rows = NULL;
    }
}

static void mark(struct rows *rows, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        uint32_t index = rows->indices[at];
        uint32_t word = index / WORD_BITS;
        uint64_t bit = (uint64_t)1 << index % WORD_BITS;

        rows->marked += (rows->present[word] & bit) == 0;
        rows->present[word] |= bit;
        rows->touched[word / WORD_BITS] |= (uint64_t)1 << word % WORD_BITS;
        if (rows->counts != NULL && rows->counts[index] < MODEL_TF_COUNT_MAX) {
            rows->counts[index]++;
            rows->read++;
        }
    }
}

static size_t count_code_points(struct rows *rows, struct bytes text)
{
    struct text_reader reader;
    size_t total = 0;
    size_t count;

    text_begin(&reader, text);
    do {
        count = text_read(&reader, rows->code_points, MODEL_BLOCK_CODE_POINTS);
        total += count;
    } while (count > 0);
    return total;
}

/* Marks the features of the code points outside [cut, cut_end). A cut reads as a space. */
static void mark_features(struct rows *rows, struct bytes text, size_t cut, size_t cut_end)
{
    static const uint32_t space = ' ';
    struct text_reader reader;
    struct features features;
    size_t at = 0;
    size_t count;

    text_begin(&reader, text);
    features_begin(&features, rows->table_bits);
    for (;;) {
        size_t room = MODEL_BLOCK_CODE_POINTS;

        /* Blocks end where the cut begins and ends. */
        if (at < cut && cut - at < room) {
            room = cut - at;
        } else if (at >= cut && at < cut_end && cut_end - at < room) {
            room = cut_end - at;
        }
        count = text_read(&reader, rows->code_points, room);
        if (count == 0) {
            break;
        }
        if (at < cut || at >= cut_end) {
            mark(rows, features_take(&features, rows->code_points, count, NULL, rows->indices));
        } else if (at == cut) {
            mark(rows, features_take(&features, &space, 1, NULL, rows->indices));
        }
        at += count;
    }
    mark(rows, features_end(&features, NULL, rows->indices));
}

static void mark_text(struct rows *rows, struct bytes text)
{
    /* Code points are no more than bytes. */
    size_t total = text.count > TRAIN_TEXT_CODE_POINTS_MAX ? count_code_points(rows, text) : text.count;
    size_t cut = total;
    size_t cut_end = total;

    if (total > TRAIN_TEXT_CODE_POINTS_MAX) {
        cut = TRAIN_TEXT_CODE_POINTS_MAX / 2;
        cut_end = total - TRAIN_TEXT_CODE_POINTS_MAX / 2;
    }
    mark_features(rows, text, cut, cut_end);
}

static size_t part_count(const struct rows *rows)
{
    return rows->table_bits > ROW_PART_BITS ? (size_t)1 << (rows->table_bits - ROW_PART_BITS) : 1;
}

/* A packed row, in words of 16 bits:
 *
 *   length of each part, 2 words | trailing bits of each feature, 1 word | where counted: a byte a feature, filled up to a word
 */
static size_t row_words(const struct rows *rows, uint32_t count)
{
    size_t head = LENGTH_WORDS * part_count(rows);

    return head + count + (rows->counts == NULL ? 0 : ((size_t)count + 1) / 2);
}

static void put_length(uint16_t *at, uint32_t length)
{
    at[0] = (uint16_t)(length & PART_MASK);
    at[1] = (uint16_t)(length >> ROW_PART_BITS);
}

static uint32_t get_length(const uint16_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << ROW_PART_BITS;
}

/* A row that is being written: its features come in rising order. */
struct packer {
    uint16_t *lengths;
    uint16_t *rest;
    uint8_t *counts; /* NULL where rows are not counted */
    uint32_t taken;
};

static void pack(struct packer *packer, uint32_t index, uint8_t count)
{
    uint16_t *length = packer->lengths + LENGTH_WORDS * (size_t)(index >> ROW_PART_BITS);

    put_length(length, get_length(length) + 1);
    packer->rest[packer->taken] = (uint16_t)(index & PART_MASK);
    if (packer->counts != NULL) {
        packer->counts[packer->taken] = count;
    }
    packer->taken++;
}

static void clear_marks(struct rows *rows)
{
    for (size_t group = 0; group < touched_words(rows); group++) {
        for (uint64_t touched = rows->touched[group]; touched != 0; touched &= touched - 1) {
            size_t word = group * WORD_BITS + (size_t)__builtin_ctzll(touched);

            for (uint64_t bits = rows->counts == NULL ? 0 : rows->present[word]; bits != 0; bits &= bits - 1) {
                rows->counts[word * WORD_BITS + (size_t)__builtin_ctzll(bits)] = 0;
            }
            rows->present[word] = 0;
        }
        rows->touched[group] = 0;
    }
    rows->marked = 0;
    rows->read = 0;
}

/* Writes what is marked to `out`, which has room for its row_words(). */
static void pack_marks(const struct rows *rows, uint16_t *out)
{
    size_t head = LENGTH_WORDS * part_count(rows);
    uint16_t *rest = out + head;
    struct packer packer = {
        .lengths = out,
        .rest = rest,
        .counts = rows->counts == NULL ? NULL : (uint8_t *)(rest + rows->marked),
    };

    memset(out, 0, head * sizeof *out);
    for (size_t group = 0; group < touched_words(rows); group++) {
        for (uint64_t touched = rows->touched[group]; touched != 0; touched &= touched - 1) {
            size_t word = group * WORD_BITS + (size_t)__builtin_ctzll(touched);

            for (uint64_t bits = rows->present[word]; bits != 0; bits &= bits - 1) {
                uint32_t index = (uint32_t)(word * WORD_BITS) + (uint32_t)__builtin_ctzll(bits);

                pack(&packer, index, rows->counts == NULL ? 1 : rows->counts[index]);
            }
        }
    }
}

enum status rows_add(struct rows *rows, struct bytes text, int label)
{
    struct buffer *packed = &rows->packed[label];
    struct row row = {
        .label = (uint8_t)label,
        .weight_steps = ROW_WEIGHT_STEPS,
        .stands_for = 1,
        .fold = (uint8_t)(rows->count[label] % TRAIN_FOLDS),
    };
    char *at = NULL;
    size_t bytes;
    enum status status;

    assert(label == 0 || label == 1);
    mark_text(rows, text);
    row.count = rows->marked;
    row.read = rows->counts == NULL ? rows->marked : rows->read;
    row.at = packed->count;
    bytes = row_words(rows, rows->marked) * sizeof(uint16_t);
    status = buffer_reserve(packed, bytes, &at);
    if (status == STATUS_OK) {
        status = buffer_append(&rows->table, (struct bytes){(const char *)&row, sizeof row});
    }
    if (status == STATUS_OK) {
        pack_marks(rows, (uint16_t *)(void *)at);
        buffer_used(packed, bytes);
        rows->count[label]++;
        rows->longest = row.count > rows->longest ? row.count : rows->longest;
    }
    clear_marks(rows);
    return status == STATUS_TOO_LARGE ? STATUS_FULL : status;
}

static struct row *entry_at(struct rows *rows, size_t number)
{
    return (struct row *)(void *)rows->table.data + number;
}

/* A row never loses its say wholly: its dual variable needs room. */
static uint16_t steps_of(double weight)
{
    return (uint16_t)fmax(1, rint(weight * ROW_WEIGHT_STEPS));
}

void rows_weigh(struct rows *rows, double weight, double stands_for)
{
    size_t count = rows_count(rows);
    struct row *row = entry_at(rows, count - 1);

    assert(count > 0 && weight > 0 && weight <= ROW_WEIGHT_MAX && stands_for > 0);
    row->weight_steps = steps_of(weight);
    row->stands_for = (float)stands_for;
}

void rows_mark_old(struct rows *rows)
{
    size_t count = rows_count(rows);

    assert(count > 0);
    entry_at(rows, count - 1)->is_old = true;
}

void rows_discount(struct rows *rows, double share)
{
    assert(share > 0 && share <= 1);
    for (size_t number = 0; number < rows_count(rows); number++) {
        struct row *row = entry_at(rows, number);

        if (row->is_old) {
            row->weight_steps = steps_of(rows_weight(row) * share);
        }
    }
}

double rows_weight(const struct row *row)
{
    return (double)row->weight_steps / ROW_WEIGHT_STEPS;
}

unsigned rows_table_bits(const struct rows *rows)
{
    return rows->table_bits;
}

size_t rows_count(const struct rows *rows)
{
    return rows->count[0] + rows->count[1];
}

size_t rows_count_of(const struct rows *rows, int label)
{
    assert(label == 0 || label == 1);
    return rows->count[label];
}

const struct row *rows_at(const struct rows *rows, size_t number)
{
    assert(number < rows_count(rows));
    return (const struct row *)(const void *)rows->table.data + number;
}

uint32_t rows_longest(const struct rows *rows)
{
    return rows->longest;
}

static uint16_t *packed_of(const struct rows *rows, const struct row *row)
{
    return (uint16_t *)(void *)(rows->packed[row->label].data + row->at);
}

size_t rows_parts(const struct rows *rows, const struct row *row, struct row_part out[ROW_PARTS_MAX])
{
    size_t count = part_count(rows);
    const uint16_t *lengths = packed_of(rows, row);
    const uint16_t *rest = lengths + LENGTH_WORDS * count;
    const uint8_t *counts = rows->counts == NULL ? NULL : (const uint8_t *)(rest + row->count);

    for (size_t part = 0; part < count; part++) {
        uint32_t length = get_length(lengths + LENGTH_WORDS * part);

        out[part] = (struct row_part){(uint32_t)part << ROW_PART_BITS, length, rest, counts};
        rest += length;
        counts = counts == NULL ? NULL : counts + length;
    }
    return count;
}

void rows_fetch_entry(const struct rows *rows, size_t number)
{
    __builtin_prefetch(rows_at(rows, number));
}

void rows_fetch(const struct rows *rows, size_t number)
{
    const char *at = (const char *)packed_of(rows, rows_at(rows, number));

    for (size_t line = 0; line < FETCH_LINES; line++) {
        __builtin_prefetch(at + line * LINE_BYTES);
    }
}

void rows_unpack(const struct rows *rows, const struct row *row, uint32_t *out, uint8_t *counts)
{
    struct row_part parts[ROW_PARTS_MAX];
    size_t count = rows_parts(rows, row, parts);
    size_t number = 0;

    assert((counts == NULL) == (rows->counts == NULL));
    for (size_t part = 0; part < count; part++) {
        for (uint32_t at = 0; at < parts[part].count; at++) {
            out[number++] = parts[part].first + parts[part].rest[at];
        }
    }
    if (counts != NULL && row->count > 0) {
        memcpy(counts, parts[0].counts, row->count);
    }
}

void rows_count_holders(const struct rows *rows, uint32_t *out)
{
    memset(out, 0, ((size_t)1 << rows->table_bits) * sizeof *out);
    for (size_t number = 0; number < rows_count(rows); number++) {
        struct row_part parts[ROW_PARTS_MAX];
        size_t count = rows_parts(rows, rows_at(rows, number), parts);

        for (size_t part = 0; part < count; part++) {
            for (uint32_t at = 0; at < parts[part].count; at++) {
                out[parts[part].first + parts[part].rest[at]]++;
            }
        }
    }
}

/* What is kept moves towards the row's beginning: it is written where it was read. */
static uint32_t keep_in_row(const struct rows *rows, const struct row *row, const unsigned char *kept)
{
    struct row_part parts[ROW_PARTS_MAX];
    size_t count = rows_parts(rows, row, parts);
    size_t head = LENGTH_WORDS * count;
    uint16_t *at = packed_of(rows, row);
    struct packer packer = {
        .lengths = at,
        .rest = at + head,
        .counts = rows->counts == NULL ? NULL : (uint8_t *)(at + head + row->count),
    };

    memset(at, 0, head * sizeof *at);
    for (size_t part = 0; part < count; part++) {
        for (uint32_t old = 0; old < parts[part].count; old++) {
            uint32_t index = parts[part].first + parts[part].rest[old];

            if (kept[index] != 0) {
                pack(&packer, index, rows->counts == NULL ? 1 : parts[part].counts[old]);
            }
        }
    }
    if (packer.counts != NULL) {
        memmove(packer.rest + packer.taken, packer.counts, packer.taken);
    }
    return packer.taken;
}

void rows_keep(struct rows *rows, const unsigned char *kept)
{
    rows->longest = 0;
    for (size_t number = 0; number < rows_count(rows); number++) {
        struct row *row = entry_at(rows, number);

        row->count = keep_in_row(rows, row, kept);
        rows->longest = row->count > rows->longest ? row->count : rows->longest;
    }
}
