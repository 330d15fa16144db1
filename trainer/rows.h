/* rows: the texts of one training run as bags of features, packed, with how often each stands in the text where asked for.
 *
 * A row holds the different features of its text, as numbers that are called places: the index of a feature itself, until
 * rows_keep deals others. They stand in up to ROW_PARTS_MAX parts, by their leading bits, within one in any order. Only the 16
 * trailing bits are kept, so that 2 bytes a feature are read as they lie; 4 more tell a part's length. Counted rows keep a byte
 * more each.
 * Memory follows the rows that were added and stops at TRAIN_ROWS_BYTES_MAX, half of it for each label: a draw which hands out
 * one label after the other leaves room for both.
 * Thread: one at a time.
 */
#ifndef TRAINER_ROWS_H
#define TRAINER_ROWS_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"
#include "trainer/turn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows;

struct row {
    size_t at;      /* of its first byte in the bytes of its label */
    uint32_t count; /* of features */
    uint32_t read;  /* features as they stood in the text: each as often as it is counted */
    float stands_for; /* so many texts, where they are counted; 1, as the weight, unless rows_weigh says otherwise */
    uint16_t weight_steps; /* a fit counts it as so many rows, in steps of 1 / ROW_WEIGHT_STEPS */
    uint8_t label;  /* 0 or 1 */
    uint8_t fold;   /* 0 to TRAIN_FOLDS - 1, dealt in turn within the label */
    bool is_old;    /* of before a change: rows_discount is for it */
};

/* Whole steps can be added up and taken away again without a trace. */
enum { ROW_WEIGHT_STEPS = 64, ROW_WEIGHT_MAX = 16 };

enum { ROW_PART_BITS = 16, ROW_PARTS_MAX = 1 << (MODEL_TABLE_BITS_MAX - ROW_PART_BITS) };

/* The features of a row whose places have the same leading bits. */
struct row_part {
    uint32_t first;         /* a place is this plus what stands in `rest` */
    uint32_t count;         /* of features; may be 0 */
    const uint16_t *rest;
    const uint8_t *counts;  /* 1 to MODEL_TF_COUNT_MAX; NULL where rows are not counted */
};

/* `bytes_max` is at most TRAIN_ROWS_BYTES_MAX; tests take less. STATUS_NO_MEMORY. */
MUST_CHECK enum status rows_open(struct rows **out, unsigned table_bits, bool counted, size_t bytes_max);
void rows_close(struct rows **rows);

/* Borrows `text`. STATUS_FULL when the half of its label is full (the row is not added, the next shorter one may be),
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status rows_add(struct rows *rows, struct bytes text, int label);

/* The last row that was added counts as `weight` (above 0, up to ROW_WEIGHT_MAX; to the nearest step) of its kind in every fit,
 * and is kept once. It stands for `stands_for` (above 0) texts, which no fit looks at. */
void rows_weigh(struct rows *rows, double weight, double stands_for);

/* The last row that was added is of before a change of what violates. */
void rows_mark_old(struct rows *rows);

/* All rows that are marked count as `share` (above 0, up to 1) of what they did, to the nearest step. */
void rows_discount(struct rows *rows, double share);

double rows_weight(const struct row *row);

unsigned rows_table_bits(const struct rows *rows);
size_t rows_count(const struct rows *rows);
size_t rows_count_of(const struct rows *rows, int label);

/* Lends until the next rows_add or rows_keep. */
const struct row *rows_at(const struct rows *rows, size_t number);

/* Features of the longest row. */
uint32_t rows_longest(const struct rows *rows);

/* Writes the parts of a row, the `first` of those that hold something rising, and returns how many: the same number for all
 * rows. Lent until the next rows_add or rows_keep. */
size_t rows_parts(const struct rows *rows, const struct row *row, struct row_part out[ROW_PARTS_MAX]);

/* Will soon be asked for: the processor has time to fetch what rows_at and then rows_parts lend. A hint, no more. */
void rows_fetch_entry(const struct rows *rows, size_t number);
void rows_fetch(const struct rows *rows, size_t number);

/* Writes row->count places to `out`; of counted rows their counts, 1 to MODEL_TF_COUNT_MAX, to `counts`, which is else NULL. */
void rows_unpack(const struct rows *rows, const struct row *row, uint32_t *out, uint8_t *counts);

/* How many places there are: 2^table_bits, until rows_keep. All are below it. */
uint32_t rows_width(const struct rows *rows);

/* Whose place it is. */
uint32_t rows_feature_at(const struct rows *rows, uint32_t place);

/* Writes for each of the 2^table_bits features how many rows hold it. `turn`: in which it computes, NULL = none. */
void rows_count_holders(const struct rows *rows, struct turn *turn, uint32_t *out);

/* Takes out of every row the features whose entry in `holders`, one of 2^table_bits, is 0. Rows stay, if only without features.
 * The others get places: the larger the entry, to an eighth of an octave, the smaller, so that what a fit reaches for most lies
 * side by side in the processor's nearest caches. No row is added any more. STATUS_NO_MEMORY, with all as it was; STATUS_CLOSED
 * once the turn is cancelled, and the rows are of no more use. */
MUST_CHECK enum status rows_keep(struct rows *rows, const uint32_t *holders, struct turn *turn);

#endif
