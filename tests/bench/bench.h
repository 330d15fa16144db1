/* bench: what the programs of benches share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "moderator/live.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "trainer/fit.h"

#include <stdio.h>
#include <stdlib.h>

static inline void must(enum status status, const char *what)
{
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, status_sentence(status));
        exit(1);
    }
}

/* It allows everything, and is read as a trained one is. */
static inline struct model *bench_model(unsigned table_bits, enum model_storage storage)
{
    size_t count = (size_t)1 << table_bits;
    float *weights = calloc(count, sizeof *weights);
    const struct model_parts parts = {.kind = MODEL_KIND_HASHLINEAR, .storage = storage, .table_bits = table_bits,
                                      .bias = -3, .slope = 1, .weights = weights};
    struct model *model = NULL;
    struct buffer file;

    must(weights == NULL ? STATUS_NO_MEMORY : STATUS_OK, "model");
    weights[1] = 1;
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    must(model_write(&file, &parts), "model");
    must(model_open(&model, buffer_view(&file)), "model");
    buffer_free(&file);
    free(weights);
    return model;
}

/* Of the size and storage that the trainer makes where no profile says another. */
static inline struct model *bench_trained_model(void)
{
    return bench_model(FIT_TABLE_BITS, MODEL_FLOAT32);
}

/* Such a model for each profile. */
static inline struct live *bench_live(size_t profiles)
{
    struct live *live = NULL;

    must(live_open(&live, profiles), "live");
    for (size_t index = 0; index < profiles; index++) {
        must(live_put(live, index, bench_trained_model(), 1), "live");
    }
    return live;
}

#endif
