/* rows: a bit a feature collects what a text holds; scanning the bits gives the indices in order and without doubles. */
#include "trainer/rows.h"

#include "proto/features.h"
#include "proto/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS = 2,
    TABLE_SHARE = 8,        /* the table of rows may have an eighth of all bytes */
    DISTANCE_BYTES_MAX = 3, /* 7 bits a byte */
    DISTANCE_BITS = 7,
    DISTANCE_MORE = 0x80, /* another byte follows */
};

_Static_assert(MODEL_TABLE_BITS_MAX <= DISTANCE_BYTES_MAX * DISTANCE_BITS, "every distance fits");

struct rows {
    unsigned table_bits;
    uint64_t *present;            /* a bit a feature, all 0 between two calls */
    uint32_t longest;             /* features of the longest row */
    size_t count[LABELS];         /* rows */
    struct buffer packed[LABELS]; /* distances, row after row */
    struct buffer table;          /* of struct row, in the order they came */
    uint32_t code_points[MODEL_BLOCK_CODE_POINTS];
    uint32_t indices[FEATURES_PER_CODE_POINT * MODEL_BLOCK_CODE_POINTS];
};

static size_t present_words(const struct rows *rows)
{
    return ((size_t)1 << rows->table_bits) / 64;
}

enum status rows_open(struct rows **out, unsigned table_bits, size_t bytes_max)
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
    rows->present = calloc(present_words(rows), sizeof *rows->present);
    if (rows->present == NULL) {
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
        free(*rows);
        *rows = NULL;
    }
}

static void mark(struct rows *rows, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        uint32_t index = rows->indices[at];

        rows->present[index / 64] |= (uint64_t)1 << index % 64;
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

static uint32_t count_marks(const struct rows *rows)
{
    uint32_t count = 0;

    for (size_t word = 0; word < present_words(rows); word++) {
        count += (uint32_t)__builtin_popcountll(rows->present[word]);
    }
    return count;
}

static void clear_marks(struct rows *rows)
{
    memset(rows->present, 0, present_words(rows) * sizeof *rows->present);
}

/* Writes the marked indices as distances; `out` has room for DISTANCE_BYTES_MAX each. Returns the bytes written. */
static size_t pack(const struct rows *rows, unsigned char *out)
{
    unsigned char *at = out;
    uint32_t last = 0;

    for (size_t word = 0; word < present_words(rows); word++) {
        for (uint64_t bits = rows->present[word]; bits != 0; bits &= bits - 1) {
            uint32_t index = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            uint32_t distance = index - last;

            while (distance >= DISTANCE_MORE) {
                *at++ = (unsigned char)(distance | DISTANCE_MORE);
                distance >>= DISTANCE_BITS;
            }
            *at++ = (unsigned char)distance;
            last = index;
        }
    }
    return (size_t)(at - out);
}

enum status rows_add(struct rows *rows, struct bytes text, int label)
{
    struct buffer *packed = &rows->packed[label];
    struct row row = {.label = (uint8_t)label, .fold = (uint8_t)(rows->count[label] % TRAIN_FOLDS)};
    char *at;
    enum status status;

    assert(label == 0 || label == 1);
    mark_text(rows, text);
    row.count = count_marks(rows);
    row.at = packed->count;
    status = buffer_reserve(packed, (size_t)row.count * DISTANCE_BYTES_MAX, &at);
    if (status == STATUS_OK) {
        status = buffer_append(&rows->table, (struct bytes){(const char *)&row, sizeof row});
    }
    if (status == STATUS_OK) {
        buffer_used(packed, pack(rows, (unsigned char *)at));
        rows->count[label]++;
        rows->longest = row.count > rows->longest ? row.count : rows->longest;
    }
    clear_marks(rows);
    return status == STATUS_TOO_LARGE ? STATUS_FULL : status;
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

void rows_unpack(const struct rows *rows, const struct row *row, uint32_t *out)
{
    const unsigned char *at = (const unsigned char *)rows->packed[row->label].data + row->at;
    uint32_t index = 0;

    for (uint32_t count = 0; count < row->count; count++) {
        uint32_t distance = *at++;

        if (distance >= DISTANCE_MORE) {
            distance = (distance & (DISTANCE_MORE - 1)) | (uint32_t)*at++ << DISTANCE_BITS;
            if (distance >= DISTANCE_MORE << DISTANCE_BITS) {
                distance = (distance & ((DISTANCE_MORE << DISTANCE_BITS) - 1)) | (uint32_t)*at++ << 2 * DISTANCE_BITS;
            }
        }
        index += distance;
        out[count] = index;
    }
}
