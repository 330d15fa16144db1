/* memory_bound: one line for each thing in the trainer that holds memory. */
#include "trainer/memory_bound.h"

#include "proto/limits.h"

enum {
    /* Weights, scales, counts of features and a model's file as it is written; or fasttext's vectors with them, 64 bytes each of
     * 2^FIT_TABLE_BITS. */
    FIT_BYTES = 4 * (8 << MODEL_TABLE_BITS_MAX),
    /* Of two versions in use, one's file beside what they unfold to (trainer/trial). */
    TRIAL_BYTES = 3 * (8 << MODEL_TABLE_BITS_MAX),
    /* libpq's, and the rows of a draw that came at once: they may be longer than those before tell. */
    SESSIONS_BYTES = 8 * MIB + (SAMPLE_SLICE_ROWS + 1) * SAMPLE_TEXT_BYTES_MAX,
};

/* One run at a time: the largest profile's sample. */
static uint64_t sample_bytes(const struct settings *settings)
{
    uint64_t largest = 0;

    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];
        uint64_t rows = profile->model_kind == MODEL_KIND_NONE ? 0 : profile->training.max_samples;
        uint64_t bytes = rows < TRAIN_BYTES_MAX / SAMPLE_TEXT_BYTES_MAX ? rows * SAMPLE_TEXT_BYTES_MAX : TRAIN_BYTES_MAX;

        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

void memory_bound_reckon(const struct settings *settings, struct memory_bound *out)
{
    uint64_t sample = sample_bytes(settings);

    memory_bound_limit(out, NULL, 0);
    memory_bound_add(out, "the program and its libraries", NULL, MEMORY_BASE_BYTES + MEMORY_THREAD_BYTES);
    memory_bound_add(out, "texts of one training run", "profiles.*.training.max_samples", sample);
    memory_bound_add(out, "features of its rows", "profiles.*.training.max_samples", sample);
    memory_bound_add(out, "the model that is fitted", NULL, FIT_BYTES);
    memory_bound_add(out, "versions in use, looked at", NULL, TRIAL_BYTES);
    memory_bound_add(out, "the database's sessions", NULL, SESSIONS_BYTES);
    memory_bound_add(out, "log and metrics", NULL, LOG_QUEUE_BYTES_MAX + MEMORY_METRICS_BYTES);
}
