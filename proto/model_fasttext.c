/* model_fasttext: adds up the weights of all features of a window, each as often as it stands there.
 *
 * The sum of embeddings, multiplied by the output vector, is the sum of the embeddings' products with it: the trainer multiplies
 * once and stores one number a feature instead of a vector. It is divided by the root of their number, which filler around a text
 * changes less than the number itself (trainer/fit_fasttext).
 */
#include "proto/model_kinds.h"

#include <math.h>

static double take(const struct model *model, union model_scratch *scratch, bool paired, const uint32_t *indices, size_t count)
{
    struct model_tally before = paired ? scratch->before : (struct model_tally){0};
    struct model_tally block = {.count = (int64_t)count};
    int64_t together = before.count + block.count;

    for (size_t at = 0; at < count; at++) {
        block.sum += model->narrow != NULL ? model->narrow[indices[at]] : model->wide[indices[at]];
    }
    scratch->before = block;
    return together == 0 ? model->bias : model->bias + model->unit * (double)(before.sum + block.sum) / sqrt((double)together);
}

const struct model_rules model_fasttext = {
    .kind = MODEL_KIND_FASTTEXT,
    .name = "fasttext",
    .load = model_load_weights,
    .take = take,
};
