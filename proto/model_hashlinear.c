/* model_hashlinear: adds up the weights of the different features of a window.
 *
 * For two blocks A and B: sum(A or B) = sum(A) + sum(B) - sum(A and B), so that each block is added up once.
 */
#include "proto/model_kinds.h"

#include <math.h>
#include <string.h>

/* Adds up the features of a block: each once to `block`, and those that were in the block before to `shared` as well. There is
 * no branch on what a text holds. `narrow` and `paired` are constants of each call, so that four loops are compiled. */
static inline __attribute__((always_inline)) void add_up(const struct model *model, bool narrow, bool paired,
                                                         const uint32_t *indices, size_t count, struct model_seen *seen,
                                                         struct model_tally *block, struct model_tally *shared)
{
    for (size_t at = 0; at < count; at++) {
        uint32_t index = indices[at];
        uint64_t *word = &seen->now[index / 64];
        int64_t fresh = (int64_t)(~*word >> index % 64 & 1);
        int64_t weight = (narrow ? model->narrow[index] : model->wide[index]) & -fresh;

        *word |= (uint64_t)1 << index % 64;
        block->sum += weight;
        block->count += fresh;
        if (paired) {
            int64_t again = (int64_t)(seen->earlier[index / 64] >> index % 64 & 1);

            shared->sum += weight & -again;
            shared->count += fresh & again;
        }
    }
}

static void add_block(const struct model *model, bool paired, const uint32_t *indices, size_t count, struct model_seen *seen,
                      struct model_tally *out_block, struct model_tally *out_shared)
{
    struct model_tally block = {0};
    struct model_tally shared = {0};

    if (model->narrow != NULL && paired) {
        add_up(model, true, true, indices, count, seen, &block, &shared);
    } else if (model->narrow != NULL) {
        add_up(model, true, false, indices, count, seen, &block, &shared);
    } else if (paired) {
        add_up(model, false, true, indices, count, seen, &block, &shared);
    } else {
        add_up(model, false, false, indices, count, seen, &block, &shared);
    }
    *out_block = block;
    *out_shared = shared;
}

static double take(const struct model *model, union model_scratch *scratch, bool paired, const uint32_t *indices, size_t count)
{
    size_t seen_bytes = ((size_t)1 << model->table_bits) / 8;
    struct model_seen *seen = &scratch->seen;
    struct model_tally block, shared, window;

    if (paired) {
        memcpy(seen->earlier, seen->now, seen_bytes);
    } else {
        seen->before = (struct model_tally){0};
    }
    memset(seen->now, 0, seen_bytes);
    add_block(model, paired, indices, count, seen, &block, &shared);
    window.sum = seen->before.sum + block.sum - shared.sum;
    window.count = seen->before.count + block.count - shared.count;
    seen->before = block;
    return window.count == 0 ? model->bias : model->bias + model->unit * (double)window.sum / sqrt((double)window.count);
}

const struct model_rules model_hashlinear = {
    .kind = MODEL_KIND_HASHLINEAR,
    .name = "hashlinear",
    .load = model_load_weights,
    .take = take,
};
