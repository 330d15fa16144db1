/* model: small model files whose scores the tests can foresee. */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include "support/unit.h"

#include "proto/limits.h"
#include "proto/model.h"

#include <math.h>
#include <stdlib.h>

/* A file of a model with equal weights: probability = sigmoid(bias + weight * sqrt(different features)), so that with weight 0
 * every text has one score, and with a positive weight a longer text has the greater one. The caller frees `out`. */
static inline void model_file_make(struct buffer *out, double bias, float weight)
{
    size_t count = (size_t)1 << MODEL_TABLE_BITS_MIN;
    float *weights = malloc(count * sizeof *weights);
    const struct model_parts parts = {.kind = MODEL_KIND_HASHLINEAR,
                                      .storage = MODEL_FLOAT32,
                                      .table_bits = MODEL_TABLE_BITS_MIN,
                                      .bias = bias,
                                      .slope = 1,
                                      .offset = 0,
                                      .weights = weights};

    assert_non_null(weights);
    for (size_t index = 0; index < count; index++) {
        weights[index] = weight;
    }
    buffer_init(out, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, model_write(out, &parts));
    free(weights);
}

/* The bias that gives every text this probability. */
static inline double model_bias(double probability)
{
    return log(probability / (1 - probability));
}

static inline struct model *model_make(double bias, float weight)
{
    struct model *model = NULL;
    struct buffer file;

    model_file_make(&file, bias, weight);
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    buffer_free(&file);
    return model;
}

#endif
