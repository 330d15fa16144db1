/* bench: what the programs of benches share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "moderator/live.h"
#include "proto/limits.h"
#include "proto/model.h"

#include <stdio.h>
#include <stdlib.h>

static inline void must(enum status status, const char *what)
{
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, status_sentence(status));
        exit(1);
    }
}

/* One of the largest, as a trained one is read: it allows everything. */
static inline struct model *bench_model(void)
{
    size_t count = (size_t)1 << MODEL_TABLE_BITS_MAX;
    float *weights = calloc(count, sizeof *weights);
    const struct model_parts parts = {.kind = MODEL_KIND_HASHLINEAR, .storage = MODEL_INT8, .table_bits = MODEL_TABLE_BITS_MAX,
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

/* Such a model for each profile. */
static inline struct live *bench_live(size_t profiles)
{
    struct live *live = NULL;

    must(live_open(&live, profiles), "live");
    for (size_t index = 0; index < profiles; index++) {
        must(live_put(live, index, bench_model(), 1), "live");
    }
    return live;
}

#endif
