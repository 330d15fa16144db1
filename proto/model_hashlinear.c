/* model_hashlinear: adds up the weights of the different features of a window.
 *
 * For two blocks A and B: sum(A or B) = sum(A) + sum(B) - sum(A and B), so that each block is added up once.
 */
#include "proto/model_kinds.h"

#include <math.h>
#include <string.h>

/* Where the different features of the next block are marked; those of the block before are kept. */
static uint64_t *mark(const struct model *model, union model_scratch *scratch, bool paired)
{
    size_t seen_bytes = ((size_t)1 << model->table_bits) / 8;
    struct model_seen *seen = &scratch->seen;

    if (paired) {
        memcpy(seen->earlier, seen->now, seen_bytes);
    } else {
        seen->before = (struct model_tally){0};
    }
    memset(seen->now, 0, seen_bytes);
    return seen->now;
}

/* The weights of different features. `narrow` is a constant of each call, so that two loops are compiled. */
static inline __attribute__((always_inline)) int64_t add_up(const struct model *model, bool narrow, const uint32_t *indices,
                                                            size_t count)
{
    int64_t sum = 0;

#pragma GCC unroll 4
    for (size_t at = 0; at < count; at++) {
        sum += narrow ? model->narrow[indices[at]] : model->wide[indices[at]];
    }
    return sum;
}

/* The same of those that the block before had as well. There is no branch on what a text holds. */
static inline __attribute__((always_inline)) struct model_tally add_up_shared(const struct model *model, bool narrow,
                                                                              const uint64_t *earlier, const uint32_t *indices,
                                                                              size_t count)
{
    struct model_tally shared = {0};

    for (size_t at = 0; at < count; at++) {
        uint32_t index = indices[at];
        int64_t again = (int64_t)(earlier[index / 64] >> index % 64 & 1);

        shared.sum += (narrow ? model->narrow[index] : model->wide[index]) & -again;
        shared.count += again;
    }
    return shared;
}

static double take(const struct model *model, union model_scratch *scratch, bool paired, const uint32_t *indices, size_t count)
{
    struct model_seen *seen = &scratch->seen;
    bool narrow = model->narrow != NULL;
    struct model_tally shared = {0};
    struct model_tally block = {.count = (int64_t)count};
    struct model_tally window;

    block.sum = narrow ? add_up(model, true, indices, count) : add_up(model, false, indices, count);
    if (paired) {
        shared = narrow ? add_up_shared(model, true, seen->earlier, indices, count)
                        : add_up_shared(model, false, seen->earlier, indices, count);
    }
    window.sum = seen->before.sum + block.sum - shared.sum;
    window.count = seen->before.count + block.count - shared.count;
    seen->before = block;
    return window.count == 0 ? model->bias : model->bias + model->unit * (double)window.sum / sqrt((double)window.count);
}

const struct model_rules model_hashlinear = {
    .kind = MODEL_KIND_HASHLINEAR,
    .name = "hashlinear",
    .load = model_load_weights,
    .mark = mark,
    .take = take,
};
