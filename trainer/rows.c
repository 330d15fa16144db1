/* rows: a bit a feature collects what a text holds; scanning the bits gives the indices in order and without doubles. */
#include "trainer/rows.h"

#include "proto/features.h"
#include "proto/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS = 2,
    WORD_BITS = 64,
    TABLE_SHARE = 8,        /* the table of rows may have an eighth of all bytes */
    DISTANCE_MORE = 0xFFFF, /* so much, and what follows */
    /* Of one row: its distances add up to no more than the table, with the bit of a count to twice that. */
    MORE_MAX = (2 << MODEL_TABLE_BITS_MAX) / DISTANCE_MORE + 1,
};

struct rows {
    unsigned table_bits;
    uint64_t *present;            /* a bit a feature, all 0 between two calls, as the next two */
    uint64_t *touched;            /* a bit a word of `present` that is not 0 */
    uint8_t *counts;              /* how often a feature was marked; NULL where that is not asked for */
    uint32_t marked;              /* features that are present */
    uint32_t longest;             /* features of the longest row */
    size_t count[LABELS];         /* rows */
    struct buffer packed[LABELS]; /* distances, row after row */
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
        if (rows->counts != NULL) {
            rows->counts[index] = (uint8_t)(rows->counts[index] + (rows->counts[index] < MODEL_TF_COUNT_MAX));
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
            mark(rows, features_take(&features, rows->code_points, count, rows->indices));
        } else if (at == cut) {
            mark(rows, features_take(&features, &space, 1, rows->indices));
        }
        at += count;
    }
    mark(rows, features_end(&features, rows->indices));
}

static void mark_text(struct rows *rows, struct bytes text)
{
    size_t total = count_code_points(rows, text);
    size_t cut = total;
    size_t cut_end = total;

    if (total > TRAIN_TEXT_CODE_POINTS_MAX) {
        cut = TRAIN_TEXT_CODE_POINTS_MAX / 2;
        cut_end = total - TRAIN_TEXT_CODE_POINTS_MAX / 2;
    }
    mark_features(rows, text, cut, cut_end);
}

static uint16_t *put_distance(uint16_t *at, uint32_t distance)
{
    while (distance >= DISTANCE_MORE) {
        *at++ = DISTANCE_MORE;
        distance -= DISTANCE_MORE;
    }
    *at++ = (uint16_t)distance;
    return at;
}

static uint16_t *put_feature(const struct rows *rows, uint16_t *at, uint32_t distance, uint8_t count)
{
    if (rows->counts == NULL) {
        return put_distance(at, distance);
    }
    at = put_distance(at, distance << 1 | (count > 1));
    if (count > 1) {
        *at++ = count;
    }
    return at;
}

/* Writes what is marked to `out`, which has room for row_bytes_max(), or nowhere (NULL), and clears the marks. Returns the bytes
 * written. */
static size_t take_marks(struct rows *rows, uint16_t *out)
{
    uint16_t *at = out;
    uint32_t last = 0;

    for (size_t group = 0; group < touched_words(rows); group++) {
        for (uint64_t touched = rows->touched[group]; touched != 0; touched &= touched - 1) {
            size_t word = group * WORD_BITS + (size_t)__builtin_ctzll(touched);

            for (uint64_t bits = rows->present[word]; bits != 0; bits &= bits - 1) {
                uint32_t index = (uint32_t)(word * WORD_BITS) + (uint32_t)__builtin_ctzll(bits);
                uint8_t count = rows->counts == NULL ? 1 : rows->counts[index];

                if (out != NULL) {
                    at = put_feature(rows, at, index - last, count);
                }
                if (rows->counts != NULL) {
                    rows->counts[index] = 0;
                }
                last = index;
            }
            rows->present[word] = 0;
        }
        rows->touched[group] = 0;
    }
    rows->marked = 0;
    return (size_t)(at - out) * sizeof *at;
}

/* A distance a feature, and a count. */
static size_t row_bytes_max(const struct rows *rows)
{
    return (MORE_MAX + (rows->counts == NULL ? 1 : 2) * (size_t)rows->marked) * sizeof(uint16_t);
}

enum status rows_add(struct rows *rows, struct bytes text, int label)
{
    struct buffer *packed = &rows->packed[label];
    struct row row = {.label = (uint8_t)label, .weight = 1, .fold = (uint8_t)(rows->count[label] % TRAIN_FOLDS)};
    char *at = NULL;
    enum status status;

    assert(label == 0 || label == 1);
    mark_text(rows, text);
    row.count = rows->marked;
    row.at = packed->count;
    status = buffer_reserve(packed, row_bytes_max(rows), &at);
    if (status == STATUS_OK) {
        status = buffer_append(&rows->table, (struct bytes){(const char *)&row, sizeof row});
    }
    if (status == STATUS_OK) {
        buffer_used(packed, take_marks(rows, (uint16_t *)(void *)at));
        rows->count[label]++;
        rows->longest = row.count > rows->longest ? row.count : rows->longest;
    } else {
        (void)take_marks(rows, NULL);
    }
    return status == STATUS_TOO_LARGE ? STATUS_FULL : status;
}

void rows_weigh(struct rows *rows, unsigned weight)
{
    size_t count = rows_count(rows);

    assert(count > 0 && weight > 0 && weight <= UINT8_MAX);
    ((struct row *)(void *)rows->table.data)[count - 1].weight = (uint8_t)weight;
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

static inline const uint16_t *get_distance(const uint16_t *at, uint32_t *out)
{
    uint32_t distance = *at++;

    if (distance == DISTANCE_MORE) {
        do {
            distance += *at;
        } while (*at++ == DISTANCE_MORE);
    }
    *out = distance;
    return at;
}

/* Reads the next feature behind the one at `index`. */
static inline const uint16_t *get_feature(const uint16_t *at, bool counted, uint32_t *index, uint8_t *count)
{
    uint32_t distance;

    at = get_distance(at, &distance);
    *count = 1;
    if (counted) {
        if ((distance & 1) != 0) {
            *count = (uint8_t)*at++;
        }
        distance >>= 1;
    }
    *index += distance;
    return at;
}

static const uint16_t *packed_of(const struct rows *rows, const struct row *row)
{
    return (const uint16_t *)(const void *)(rows->packed[row->label].data + row->at);
}

void rows_unpack(const struct rows *rows, const struct row *row, uint32_t *out, uint8_t *counts)
{
    const uint16_t *at = packed_of(rows, row);
    uint32_t index = 0;
    uint8_t count;

    assert((counts == NULL) == (rows->counts == NULL));
    if (counts == NULL) { /* a loop of its own: this one is the fit's hottest */
        for (uint32_t number = 0; number < row->count; number++) {
            at = get_feature(at, false, &index, &count);
            out[number] = index;
        }
        return;
    }
    for (uint32_t number = 0; number < row->count; number++) {
        at = get_feature(at, true, &index, &counts[number]);
        out[number] = index;
    }
}

void rows_count_holders(const struct rows *rows, uint32_t *out)
{
    memset(out, 0, ((size_t)1 << rows->table_bits) * sizeof *out);
    for (size_t number = 0; number < rows_count(rows); number++) {
        const struct row *row = rows_at(rows, number);
        const uint16_t *at = packed_of(rows, row);
        uint32_t index = 0;
        uint8_t count;

        for (uint32_t left = row->count; left > 0; left--) {
            at = get_feature(at, rows->counts != NULL, &index, &count);
            out[index]++;
        }
    }
}

/* A distance over what is left out is never longer than the distances that it replaces: a row is written where it was read. */
void rows_keep(struct rows *rows, const unsigned char *kept)
{
    uint32_t longest = 0;

    for (size_t number = 0; number < rows_count(rows); number++) {
        struct row *row = (struct row *)(void *)rows->table.data + number;
        const uint16_t *from = packed_of(rows, row);
        uint16_t *to = (uint16_t *)(void *)(rows->packed[row->label].data + row->at);
        uint32_t index = 0, last = 0, left = 0;

        for (uint32_t at = 0; at < row->count; at++) {
            uint8_t count;

            from = get_feature(from, rows->counts != NULL, &index, &count);
            if (kept[index] != 0) {
                to = put_feature(rows, to, index - last, count);
                last = index;
                left++;
            }
        }
        row->count = left;
        longest = left > longest ? left : longest;
    }
    rows->longest = longest;
}
