/* bag: the features of one text, each once, and how often it stands in it where that is asked for.
 *
 * A text longer than TRAIN_TEXT_CODE_POINTS_MAX is read by its head and tail. Thread: one at a time. Memory: 0.7 MiB and, of a
 * table, a bit a feature or where counted a byte.
 */
#ifndef TRAINER_BAG_H
#define TRAINER_BAG_H

#include "proto/bytes.h"
#include "proto/features.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bag {
    uint32_t count;     /* of features */
    uint32_t read;      /* each of them as often as it is counted */
    uint32_t *features; /* in any order, the same for equal texts; whoever filled the bag may write others over them */
    uint8_t *counts;    /* of each, 1 to MODEL_TF_COUNT_MAX; NULL where that is not asked for */

    /* Its own. */
    unsigned table_bits;
    uint64_t *present; /* a bit a feature, all 0 between two calls; NULL where features are counted */
    uint8_t *times;    /* how often a feature stood in the text, all 0 between two calls; NULL where they are not */
    uint32_t code_points[MODEL_BLOCK_CODE_POINTS];
    uint32_t indices[FEATURES_PER_CODE_POINT * MODEL_BLOCK_CODE_POINTS];
};

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status bag_open(struct bag **out, unsigned table_bits, bool counted);
void bag_close(struct bag **bag);

/* Borrows `text`; what was in the bag is forgotten. */
void bag_fill(struct bag *bag, struct bytes text);

#endif
