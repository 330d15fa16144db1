/* model_bow: tf-idf over a vocabulary.
 *
 * What one more occurrence adds to a term's tf is a step from a table, so that the dot product and the norm of a window grow with
 * each feature read and nothing is gone through twice.
 */
#include "proto/model_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A block counts to MODEL_TF_COUNT_MAX, two of them to twice that: what is past it adds nothing. */
enum { STEPS = 2 * MODEL_TF_COUNT_MAX + 1 };

double model_tf(unsigned count)
{
    return count == 0 ? 0 : 1 + log(count < MODEL_TF_COUNT_MAX ? count : MODEL_TF_COUNT_MAX);
}

static enum status load(struct model *model, const struct model_file *file)
{
    size_t count = (size_t)1 << file->table_bits;
    uint16_t number = 0;

    model->term_numbers = calloc(count, sizeof *model->term_numbers);
    model->terms = calloc(MODEL_TERMS_MAX + 1, sizeof *model->terms);
    model->steps = calloc(STEPS, sizeof *model->steps);
    if (model->term_numbers == NULL || model->terms == NULL || model->steps == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (unsigned held = 0; held < STEPS; held++) {
        double before = model_tf(held), after = model_tf(held + 1);

        model->steps[held] = (struct model_step){(float)(after - before), (float)(after * after - before * before)};
    }
    for (size_t index = 0; index < count; index++) {
        double idf = model_file_idf(file, index);

        if (idf > 0) {
            model->term_numbers[index] = ++number; /* model_file_read has counted them */
            model->terms[number] = (struct model_term){
                .weight = (float)(file->scale * (file->storage == MODEL_INT8 ? (double)model_file_int8(file, index)
                                                                             : (double)model_file_float(file, index))),
                .square = (float)(idf * idf),
            };
        }
    }
    return STATUS_OK;
}

static double take(const struct model *model, union model_scratch *scratch, bool paired, const uint32_t *indices, size_t count)
{
    struct model_counts *counts = &scratch->counts;
    double dot = 0, square = 0; /* of the block by itself */
    double window_dot, window_square;

    if (paired) {
        memcpy(counts->earlier, counts->now, sizeof counts->earlier);
    } else {
        memset(counts->earlier, 0, sizeof counts->earlier);
        counts->dot = counts->square = 0;
    }
    memset(counts->now, 0, sizeof counts->now);
    window_dot = counts->dot;
    window_square = counts->square;
    for (size_t at = 0; at < count; at++) {
        uint16_t number = model->term_numbers[indices[at]];
        struct model_term term = model->terms[number];
        const struct model_step *step = &model->steps[counts->now[number]];
        const struct model_step *window_step = &model->steps[counts->now[number] + counts->earlier[number]];

        dot += (double)(term.weight * step->tf);
        square += (double)(term.square * step->square);
        window_dot += (double)(term.weight * window_step->tf);
        window_square += (double)(term.square * window_step->square);
        counts->now[number] = (uint8_t)(counts->now[number] + (counts->now[number] < MODEL_TF_COUNT_MAX));
    }
    counts->dot = dot;
    counts->square = square;
    return window_square > 0 ? model->bias + window_dot / sqrt(window_square) : model->bias;
}

const struct model_rules model_bow = {
    .kind = MODEL_KIND_BOW,
    .name = "bow",
    .load = load,
    .take = take,
};
