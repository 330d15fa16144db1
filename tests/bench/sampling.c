/* sampling: reads one profile's samples, by the trainer's sampler or in the ways that come to mind first, and tells its time and
 * its peak memory. */
#include "proto/clock.h"
#include "trainer/priority.h"
#include "trainer/sample.h"
#include "trainer/training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 50000 }; /* of one draw, as training.max_samples has it by itself; a training may be told another number */

struct seen {
    int64_t rows;
    int64_t bytes;
    const char *end; /* of a training */
    double auc;
};

static enum status count(void *context, const struct sample *sample)
{
    struct seen *seen = context;

    seen->rows++;
    seen->bytes += (int64_t)sample->text.count;
    return STATUS_OK;
}

static enum status draw(const struct database_settings *settings, int64_t profile_id, uint64_t seed, struct seen *seen,
                        struct sample_figures figures[SAMPLE_LABELS])
{
    const struct sample_request request = {
        .profile_id = profile_id, .rows_max = ROWS, .bytes_max = TRAIN_BYTES_MAX, .seed = seed};
    const struct sample_taker taker = {count, seen};
    struct store *store = NULL;
    enum status status = store_open(&store, settings, NULL);

    if (status == STATUS_OK) {
        status = sample_measure(store, &request, figures);
    }
    if (status == STATUS_OK) {
        status = sample_draw(store, &request, figures, &taker);
    }
    store_close(&store);
    return status;
}

/* Every row of the profile in memory, then choose: as the predecessor did. */
static const char all_rows[] = "select label, text from samples where profile_id = $1::int";

/* The server chooses, and sorts all rows for it. */
static const char random_rows[] =
    "(select label, text from samples where profile_id = $1::int and label = 0 order by random() limit 25000) union all "
    "(select label, text from samples where profile_id = $1::int and label = 1 order by random() limit 25000)";

static enum status read_by(const char *query, const struct database_settings *settings, int64_t profile_id, struct seen *seen)
{
    const struct db_value value = {.type = DB_BIGINT, .bigint = profile_id};
    struct db *db = NULL;
    struct db_rows *rows = NULL;
    enum status status = db_open(&db, settings, "bench");

    if (status == STATUS_OK) {
        status = db_run(db, query, &value, 1, &rows);
    }
    for (size_t row = 0; status == STATUS_OK && row < db_rows_count(rows); row++) {
        seen->rows++;
        seen->bytes += (int64_t)db_bytes(rows, row, 1).count;
    }
    db_rows_close(&rows);
    db_close(&db);
    return status;
}

/* A whole training, as the trainer's leader has it run, or at the priority of everybody else. */
static enum status train(const struct database_settings *settings, int64_t profile_id, bool give_way, uint64_t seed, uint64_t rows,
                         struct seen *seen, struct sample_figures figures[SAMPLE_LABELS])
{
    const struct profile_settings profile = {.name = "default", .model_kind = MODEL_KIND_HASHLINEAR,
                                             .training = {.min_samples = 20, .max_samples = rows, .max_regression = 1}};
    const atomic_bool cancelled = false;
    struct training training = {.database = settings, .profile = &profile, .profile_id = profile_id, .seed = seed,
                                .cancelled = &cancelled};
    struct training_result result;
    struct store *store = NULL;
    enum status status = store_open(&store, settings, NULL);

    if (status == STATUS_OK) {
        status = store_raise_epoch(store, &training.epoch);
    }
    store_close(&store);
    if (status != STATUS_OK) {
        return status;
    }
    if (give_way) {
        priority_give_way();
    }
    training_run(&training, &result);
    seen->end = training_end_name(result.end);
    seen->auc = result.figures.auc;
    seen->rows = result.rows;
    memcpy(figures, result.sampled, sizeof result.sampled);
    return result.end == TRAINING_LIVE || result.end == TRAINING_REFUSED ? STATUS_OK : result.status;
}

static long peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = -1;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

int main(int argc, char **argv)
{
    struct database_settings settings = {0};
    struct sample_figures figures[SAMPLE_LABELS] = {{0}};
    struct seen seen = {.end = ""};
    uint64_t started_us = clock_us();
    enum status status;

    if (argc < 5 || argc > 6 || bytes_copy(bytes_of(argv[1]), settings.url, sizeof settings.url) != STATUS_OK) {
        (void)fprintf(stderr, "usage: bench_sampling URL PROFILE_ID draw|train|train_boldly|random|all SEED [ROWS]\n");
        return 2;
    }
    if (strcmp(argv[3], "draw") == 0) {
        status = draw(&settings, strtoll(argv[2], NULL, 10), strtoull(argv[4], NULL, 10), &seen, figures);
    } else if (strcmp(argv[3], "train") == 0 || strcmp(argv[3], "train_boldly") == 0) {
        status = train(&settings, strtoll(argv[2], NULL, 10), strcmp(argv[3], "train") == 0, strtoull(argv[4], NULL, 10),
                       argc == 6 ? strtoull(argv[5], NULL, 10) : ROWS, &seen, figures);
    } else {
        status = read_by(strcmp(argv[3], "all") == 0 ? all_rows : random_rows, &settings, strtoll(argv[2], NULL, 10), &seen);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "bench_sampling: %s\n", status_sentence(status));
        return 1;
    }
    (void)printf("{\"rows\":%lld,\"mib\":%.1f,\"ms\":%.1f,\"peak_kib\":%ld,\"pass\":\"%s %lld of %lld\",\"violation\":"
                 "\"%s %lld of %lld\",\"end\":\"%s\",\"auc\":%.4f,\"cpu_s\":%.2f}\n",
                 (long long)seen.rows, (double)seen.bytes / MIB, (double)(clock_us() - started_us) / 1000, peak_kib(),
                 sample_way_name(figures[0].way), (long long)figures[0].drawn, (long long)figures[0].existing,
                 sample_way_name(figures[1].way), (long long)figures[1].drawn, (long long)figures[1].existing, seen.end,
                 seen.auc > 0 ? seen.auc : 0.0, (double)clock() / CLOCKS_PER_SEC);
    return 0;
}
