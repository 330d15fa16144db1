/* rows: the texts of one training run as sets of feature indices, packed, with how often each stands in the text where asked for.
 *
 * A row holds its different indices in rising order, each as the distance to the one before: 2 bytes a feature, and 2 more where
 * a distance is beyond that, which is rare. (7 bits a byte take an eighth less memory and three times as long to read.) Counted
 * rows keep one bit more of each, and 2 bytes where the feature stands in the text more than once. Memory follows
 * the rows that were added and stops at TRAIN_ROWS_BYTES_MAX, half of it for each label, so that a draw which hands out one label
 * after the other leaves room for both. A text longer than TRAIN_TEXT_CODE_POINTS_MAX is read by its head and tail.
 * Thread: one at a time.
 */
#ifndef TRAINER_ROWS_H
#define TRAINER_ROWS_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows;

struct row {
    size_t at;      /* of its first byte in the bytes of its label */
    uint32_t count; /* of features */
    uint8_t label;  /* 0 or 1 */
    uint8_t weight; /* it counts as so many rows; 1 unless rows_weigh says otherwise */
    uint8_t fold;   /* 0 to TRAIN_FOLDS - 1, dealt in turn within the label */
};

/* `bytes_max` is at most TRAIN_ROWS_BYTES_MAX; tests take less. STATUS_NO_MEMORY. */
MUST_CHECK enum status rows_open(struct rows **out, unsigned table_bits, bool counted, size_t bytes_max);
void rows_close(struct rows **rows);

/* Borrows `text`. STATUS_FULL when the half of its label is full (the row is not added, the next shorter one may be),
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status rows_add(struct rows *rows, struct bytes text, int label);

/* The last row that was added counts as `weight` (1 to 255) of its kind in every fit, and is kept once. */
void rows_weigh(struct rows *rows, unsigned weight);

unsigned rows_table_bits(const struct rows *rows);
size_t rows_count(const struct rows *rows);
size_t rows_count_of(const struct rows *rows, int label);

/* Lends until the next rows_add. */
const struct row *rows_at(const struct rows *rows, size_t number);

/* Features of the longest row. */
uint32_t rows_longest(const struct rows *rows);

/* Writes row->count indices to `out`; of counted rows their counts, 1 to MODEL_TF_COUNT_MAX, to `counts`, which is else NULL. */
void rows_unpack(const struct rows *rows, const struct row *row, uint32_t *out, uint8_t *counts);

/* Writes for each of the 2^table_bits indices how many rows hold it. */
void rows_count_holders(const struct rows *rows, uint32_t *out);

/* Takes out of every row the features whose entry in `kept`, one an index, is 0. Rows stay, if only without features. */
void rows_keep(struct rows *rows, const unsigned char *kept);

#endif
