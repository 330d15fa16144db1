/* memory_bound: one line for each thing in the moderator that holds memory. */
#include "moderator/memory_bound.h"

#include "moderator/recent.h"
#include "proto/limits.h"
#include "proto/model.h"

#include <sys/stat.h>
#include <unistd.h>

enum {
    MODEL_BYTES = 4 << MODEL_TABLE_BITS_MAX, /* its table, and as much for its file while it is read */
    CALL_BYTES = 2 * REVIEW_REQUEST_BYTES_MAX + REVIEW_ANSWER_BYTES_MAX + MEMORY_TRANSFER_BYTES,
    LOOKUP_BYTES = (HISTORY_QUESTIONS_MAX + 2) * (SEGMENTS_MAX * (TEXT_HASH_BYTES + sizeof(struct bytes)) + 2 * KIB),
    JUDGES_BYTES = 2 * (MODEL_ROOM_BYTES + MIB / 2), /* of a thread: one, and one for short texts beside a long one */
    TEXTS_OF_A_THREAD = 2, /* as received, and folded pieces of it */
    KEYWORD_FACTOR = 64,   /* bytes of a compiled list for one of its file */
};

static uint64_t threads_of(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->moderator.threads != SETTINGS_AUTO) {
        return settings->moderator.threads;
    }
    return cores > 0 ? (uint64_t)cores : 1;
}

static uint64_t keyword_bytes(const struct profile_settings *profile)
{
    uint64_t bytes = 0;

    for (size_t index = 0; index < profile->keyword_file_count; index++) {
        struct stat file;

        if (stat(profile->keyword_files[index], &file) == 0 && file.st_size > 0) {
            bytes += (uint64_t)file.st_size;
        }
    }
    return bytes * KEYWORD_FACTOR;
}

void memory_bound_reckon(const struct settings *settings, struct memory_bound *out)
{
    uint64_t text_bytes = settings->gateway.limits.moderated_text_bytes + TASK_OVERHEAD_BYTES_MAX;
    uint64_t threads = threads_of(settings);
    uint64_t gateways = settings->moderator.gateways.count;
    uint64_t models = 0;
    uint64_t reviews = 0;
    uint64_t keywords = 0;
    uint64_t recent = 0;

    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];

        models += profile->model_kind == MODEL_KIND_NONE ? 0 : 1;
        models += profile->model_kind != MODEL_KIND_NONE && profile->training.canary > 0; /* one on trial beside it */
        reviews += profile->review.url[0] == '\0' ? 0 : profile->review.concurrency;
        keywords += keyword_bytes(profile);
        recent += recent_table_bytes(profile->cache.entries);
    }
    models = models < settings->moderator.live_models ? models : settings->moderator.live_models;
    memory_bound_limit(out, NULL, 0);
    memory_bound_add(out, "the program and its libraries", NULL, MEMORY_BASE_BYTES);
    memory_bound_add_each(out, "threads that judge", "moderator.threads", threads,
                          MEMORY_THREAD_BYTES + JUDGES_BYTES + TEXTS_OF_A_THREAD * text_bytes);
    memory_bound_add_each(out, "texts that wait at slots", "moderator.slots", threads * settings->moderator.slots * gateways,
                          text_bytes);
    memory_bound_add_each(out, "reviews", "profiles.*.review.concurrency", reviews * gateways, text_bytes + CALL_BYTES);
    memory_bound_add_each(out, "models, each twice while one is renewed", "moderator.live_models", 2 * models, MODEL_BYTES);
    memory_bound_add(out, "keywords, twice while they are renewed", NULL, 2 * keywords);
    memory_bound_add(out, "what is known of texts", "profiles.*.cache.entries", recent + prints_bytes(RECALL_TEXTS_MAX));
    memory_bound_add(out, "labels on their way to the database and from it", NULL,
                     settings->database.url[0] == '\0' ? 0 : 2 * (uint64_t)HISTORY_QUEUE_BYTES_MAX + LOOKUP_BYTES);
    memory_bound_add(out, "log and metrics", NULL, LOG_QUEUE_BYTES_MAX + MEMORY_METRICS_BYTES);
}
