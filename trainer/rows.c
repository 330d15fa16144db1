/* rows: bags of features, packed one behind the other; what a fit reaches for is packed again, by how often it does. */
#include "trainer/rows.h"

#include "trainer/bag.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS = 2,
    TABLE_SHARE = 8,        /* the table of rows may have an eighth of all bytes */
    PART_MASK = (1 << ROW_PART_BITS) - 1,
    FETCH_LINES = 4, /* of a row: after so many the processor has seen where it goes */
    LINE_BYTES = 64,
    LENGTH_WORDS = 2, /* of 16 bits: the length of a part */
    LANE_BITS = 16, /* of 64 */
    LANES = 64 / LANE_BITS,
    LANE_MAX = (1 << LANE_BITS) - 1,
    RANKS_AN_OCTAVE = 8,
    RANKS = 32 * RANKS_AN_OCTAVE, /* of numbers of 32 bits */
};

#define NO_PLACE UINT32_MAX
#define EACH_LANE 0x0001000100010001u

struct rows {
    unsigned table_bits;
    struct bag *bag;              /* of the row in hand */
    uint32_t longest;             /* features of the longest row */
    size_t count[LABELS];         /* rows */
    struct buffer packed[LABELS]; /* row after row, see row_words */
    struct buffer table;          /* of struct row, in the order they came */
    uint32_t width;               /* places */
    uint32_t *features;           /* by their places; NULL while each is its own place */
};

enum status rows_open(struct rows **out, unsigned table_bits, bool counted, size_t bytes_max)
{
    struct rows *rows = calloc(1, sizeof *rows);
    enum status status;

    assert(bytes_max <= TRAIN_ROWS_BYTES_MAX);
    if (rows == NULL) {
        return STATUS_NO_MEMORY;
    }
    rows->table_bits = table_bits;
    rows->width = (uint32_t)1 << table_bits;
    buffer_init(&rows->table, bytes_max / TABLE_SHARE);
    for (size_t label = 0; label < LABELS; label++) {
        buffer_init(&rows->packed[label], (bytes_max - bytes_max / TABLE_SHARE) / LABELS);
    }
    status = bag_open(&rows->bag, table_bits, counted);
    if (status != STATUS_OK) {
        rows_close(&rows);
        return status;
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
        bag_close(&(*rows)->bag);
        free((*rows)->features);
        free(*rows);
        *rows = NULL;
    }
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

    return head + count + (rows->bag->counts == NULL ? 0 : ((size_t)count + 1) / 2);
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

/* Writes the lengths of the parts, and the features of the first part, then those of the second, and so on. */
static void deal(const struct bag *bag, uint16_t *lengths, size_t parts, uint16_t *rest, uint8_t *counts)
{
    uint32_t next[ROW_PARTS_MAX + 1] = {0};

    for (uint32_t at = 0; at < bag->count; at++) {
        next[(bag->features[at] >> ROW_PART_BITS) + 1]++;
    }
    for (size_t part = 0; part < parts; part++) {
        put_length(lengths + LENGTH_WORDS * part, next[part + 1]);
        next[part + 1] += next[part];
    }
    for (uint32_t at = 0; at < bag->count; at++) {
        uint32_t to = next[bag->features[at] >> ROW_PART_BITS]++;

        rest[to] = (uint16_t)bag->features[at];
        if (counts != NULL) {
            counts[to] = bag->counts[at];
        }
    }
}

static unsigned lane_of(uint32_t place)
{
    return (place >> ROW_PART_BITS) * LANE_BITS;
}

/* The same for a few parts of a row that is not too long, with the numbers of all of them in one register: in memory each would
 * wait until the one before is written. */
static void deal_few(const struct bag *bag, uint16_t *lengths, size_t parts, uint16_t *rest, uint8_t *counts)
{
    uint64_t length = 0;
    uint64_t next;

    for (uint32_t at = 0; at < bag->count; at++) {
        length += (uint64_t)1 << lane_of(bag->features[at]);
    }
    for (size_t part = 0; part < parts; part++) {
        put_length(lengths + LENGTH_WORDS * part, (uint32_t)(length >> part * LANE_BITS & LANE_MAX));
    }
    next = length * EACH_LANE - length; /* what all parts before it have, in each lane */
    for (uint32_t at = 0; at < bag->count; at++) {
        unsigned lane = lane_of(bag->features[at]);
        size_t to = next >> lane & LANE_MAX;

        next += (uint64_t)1 << lane;
        rest[to] = (uint16_t)bag->features[at];
        if (counts != NULL) {
            counts[to] = bag->counts[at];
        }
    }
}

/* Writes the bag to `out`, which has room for its row_words(). */
static void pack(const struct rows *rows, uint16_t *out)
{
    const struct bag *bag = rows->bag;
    size_t parts = part_count(rows);
    uint16_t *rest = out + LENGTH_WORDS * parts;
    uint8_t *counts = bag->counts == NULL ? NULL : (uint8_t *)(rest + bag->count);

    if (parts <= LANES && bag->count <= LANE_MAX) {
        deal_few(bag, out, parts, rest, counts);
    } else {
        deal(bag, out, parts, rest, counts);
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

    assert((label == 0 || label == 1) && rows->features == NULL);
    bag_fill(rows->bag, text);
    row.count = rows->bag->count;
    row.read = rows->bag->read;
    row.at = packed->count;
    bytes = row_words(rows, row.count) * sizeof(uint16_t);
    status = buffer_reserve(packed, bytes, &at);
    if (status == STATUS_OK) {
        status = buffer_append(&rows->table, (struct bytes){(const char *)&row, sizeof row});
    }
    if (status == STATUS_OK) {
        pack(rows, (uint16_t *)(void *)at);
        buffer_used(packed, bytes);
        rows->count[label]++;
        rows->longest = row.count > rows->longest ? row.count : rows->longest;
    }
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

uint32_t rows_width(const struct rows *rows)
{
    return rows->width;
}

uint32_t rows_feature_at(const struct rows *rows, uint32_t place)
{
    assert(place < rows->width);
    return rows->features == NULL ? place : rows->features[place];
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
    const uint8_t *counts = rows->bag->counts == NULL ? NULL : (const uint8_t *)(rest + row->count);

    for (size_t part = 0; part < count; part++) {
        uint32_t length = get_length(lengths + LENGTH_WORDS * part);

        out[part] = (struct row_part){length == 0 ? 0 : (uint32_t)part << ROW_PART_BITS, length, rest, counts};
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

    assert((counts == NULL) == (rows->bag->counts == NULL));
    for (size_t part = 0; part < count; part++) {
        for (uint32_t at = 0; at < parts[part].count; at++) {
            out[number++] = parts[part].first + parts[part].rest[at];
        }
    }
    if (counts != NULL && row->count > 0) {
        memcpy(counts, parts[0].counts, row->count);
    }
}

void rows_count_holders(const struct rows *rows, struct turn *turn, uint32_t *out)
{
    memset(out, 0, ((size_t)1 << rows->table_bits) * sizeof *out);
    for (size_t number = 0; number < rows_count(rows) && turn_goes_on(turn); number++) {
        struct row_part parts[ROW_PARTS_MAX];
        size_t count = rows_parts(rows, rows_at(rows, number), parts);

        for (size_t part = 0; part < count; part++) {
            for (uint32_t at = 0; at < parts[part].count; at++) {
                out[rows_feature_at(rows, parts[part].first + parts[part].rest[at])]++;
            }
        }
    }
}

/* 0 for what most rows hold. */
static size_t rank_of(uint32_t holders)
{
    unsigned octave = 31 - (unsigned)__builtin_clz(holders);
    uint64_t eighth = ((uint64_t)holders * RANKS_AN_OCTAVE >> octave) - RANKS_AN_OCTAVE;

    return RANKS - 1 - (RANKS_AN_OCTAVE * octave + (size_t)eighth);
}

/* Sorts by counting ranks. Writes places by those of before, and features by place. Returns how many places there are. */
static uint32_t deal_places(const struct rows *rows, const uint32_t *holders, struct turn *turn, uint32_t *places,
                            uint32_t *features)
{
    uint32_t next[RANKS + 1] = {0};

    for (uint32_t before = 0; before < rows->width; before++) {
        uint32_t feature = rows_feature_at(rows, before);

        if (holders[feature] > 0) {
            next[rank_of(holders[feature]) + 1]++;
        }
        turn_passes(turn, before);
    }
    for (size_t rank = 1; rank <= RANKS; rank++) {
        next[rank] += next[rank - 1];
    }
    for (uint32_t before = 0; before < rows->width; before++) {
        uint32_t feature = rows_feature_at(rows, before);

        places[before] = NO_PLACE;
        if (holders[feature] > 0) {
            places[before] = next[rank_of(holders[feature])]++;
            features[places[before]] = feature;
        }
        turn_passes(turn, before);
    }
    return next[RANKS];
}

/* Writes the new places of what stays, and how often each. Returns how many. */
static uint32_t keep_in_part(struct row_part part, const uint32_t *places, uint32_t *out, uint8_t *out_counts)
{
    const uint32_t *of_part = places + part.first;
    uint32_t kept = 0;

    for (uint32_t at = 0; part.counts != NULL && at < part.count; at++) {
        out_counts[kept] = part.counts[at];
        kept += of_part[part.rest[at]] != NO_PLACE;
    }
    kept = 0;
    for (uint32_t at = 0; at < part.count; at++) {
        uint32_t place = of_part[part.rest[at]];

        out[kept] = place;
        kept += place != NO_PLACE;
    }
    return kept;
}

/* What stays is written where the row was read. `places` are by those of before. */
static void keep_in_row(struct rows *rows, struct row *row, const uint32_t *places)
{
    struct bag *bag = rows->bag;
    struct row_part parts[ROW_PARTS_MAX];
    size_t count = rows_parts(rows, row, parts);
    uint32_t kept = 0;

    for (size_t part = 0; part < count; part++) {
        kept += keep_in_part(parts[part], places, bag->features + kept, bag->counts == NULL ? NULL : bag->counts + kept);
    }
    row->count = kept;
    bag->count = kept;
    pack(rows, packed_of(rows, row));
}

enum status rows_keep(struct rows *rows, const uint32_t *holders, struct turn *turn)
{
    size_t table = (size_t)1 << rows->table_bits;
    uint32_t *places = calloc(table, sizeof *places);
    uint32_t *features = calloc(table, sizeof *features);
    uint32_t width;

    if (places == NULL || features == NULL) {
        free(places);
        free(features);
        return STATUS_NO_MEMORY;
    }
    width = deal_places(rows, holders, turn, places, features);
    rows->longest = 0;
    for (size_t number = 0; number < rows_count(rows) && turn_goes_on(turn); number++) {
        struct row *row = entry_at(rows, number);

        keep_in_row(rows, row, places);
        rows->longest = row->count > rows->longest ? row->count : rows->longest;
    }
    free(places);
    free(rows->features);
    rows->features = features;
    rows->width = width;
    return turn_goes_on(turn) ? STATUS_OK : STATUS_CLOSED;
}
