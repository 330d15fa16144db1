/* models: trains one kind of model on one set, judges the other part, times, disguises; prints its figures as one JSON object.
 *
 * usage: bench_models KIND FOLDER/SET [inside]     inside: trains on four fifths of the train part and judges the last fifth, to
 *                                                  choose settings by; see tests/bench/models
 */
#include "support/disguise.h"
#include "support/labelled.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/secret.h"
#include "trainer/evaluate.h"
#include "trainer/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SEED = 1, PASSES = 5, SMALL_ROWS = 200, SMALL_DRAWS = 5, LONG_BYTES = KIB, FIFTH = 5 };

struct job {
    enum model_kind kind;
    const char *folder, *set;
    bool inside;
};

struct result {
    struct evaluate_figures figures;
    double train_s;  /* of this process: adding, fits for the calibration, one for the weights */
    double peak_mib; /* until the model file was made */
    double file_mib, int8_mib;
    double latency_us; /* of one text, median */
    double long_us;    /* of a KiB, over texts of at least one */
    double int8_loss, full_width_loss, zero_width_loss, filler_loss; /* of ROC-AUC */
    double small_auc;                                                /* mean of trainings on few rows */
};

struct texts {
    size_t count;
    struct bytes *at;
    int *labels;
};

static void must(enum status status, const char *what)
{
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "bench_models: %s: %s\n", what, status_sentence(status));
        exit(2);
    }
}

static void *must_have(void *block)
{
    must(block == NULL ? STATUS_NO_MEMORY : STATUS_OK, "memory");
    return block;
}

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double peak_mib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

enum part { TRAIN, TEST };

/* Whether a row of the file is one of the part. */
static bool takes(const struct job *job, enum part part, size_t number)
{
    return !job->inside || (number % FIFTH == 0) == (part == TEST);
}

static void open_part(struct labelled *rows, const struct job *job, enum part part)
{
    const char *name = part == TRAIN || job->inside ? "train" : "test";

    must(labelled_open(rows, job->folder, job->set, name) ? STATUS_OK : STATUS_NOT_FOUND, job->set);
}

static struct texts load(const struct job *job, enum part part)
{
    struct texts texts = {0};
    struct labelled rows;
    size_t room = 0;

    open_part(&rows, job, part);
    for (size_t number = 0; labelled_next(&rows); number++) {
        if (!takes(job, part, number)) {
            continue;
        }
        if (texts.count == room) {
            room = room == 0 ? 1024 : 2 * room;
            texts.at = must_have(realloc(texts.at, room * sizeof *texts.at));
            texts.labels = must_have(realloc(texts.labels, room * sizeof *texts.labels));
        }
        texts.at[texts.count] = (struct bytes){must_have(malloc(rows.text.count + 1)), rows.text.count};
        memcpy((char *)(uintptr_t)texts.at[texts.count].data, rows.text.data, rows.text.count);
        texts.labels[texts.count++] = rows.label;
    }
    labelled_close(&rows);
    return texts;
}

static struct model *open_model(struct fit *fit, struct buffer *file)
{
    struct model *model = NULL;

    buffer_init(file, MODEL_FILE_BYTES_MAX);
    must(fit_finish(fit, file), "fit");
    must(model_open(&model, buffer_view(file)), "open the model");
    return model;
}

static struct fit *open_fit(const struct job *job, enum model_storage storage, uint64_t seed)
{
    const struct fit_options options = {.kind = job->kind, .seed = seed, .storage = storage};
    struct fit *fit = NULL;

    must(fit_open(&fit, &options), "open the fit");
    return fit;
}

/* Row by row from the file, as from a database. */
static struct model *train(const struct job *job, enum model_storage storage, struct result *out)
{
    struct fit *fit = open_fit(job, storage, SEED);
    double adding_s = 0, begin_s;
    struct model *model;
    struct labelled rows;
    struct buffer file;

    open_part(&rows, job, TRAIN);
    for (size_t number = 0; labelled_next(&rows); number++) {
        if (takes(job, TRAIN, number)) {
            begin_s = cpu_s();
            must(fit_add(fit, rows.text, rows.label), "add a row");
            adding_s += cpu_s() - begin_s;
        }
    }
    labelled_close(&rows);
    begin_s = cpu_s();
    model = open_model(fit, &file);
    out->train_s = adding_s + cpu_s() - begin_s;
    out->peak_mib = peak_mib();
    out->file_mib = (double)file.count / MIB;
    fit_close(&fit);
    buffer_free(&file);
    return model;
}

static struct evaluate_figures judge(const struct model *model, const struct texts *texts, disguise *change)
{
    struct evaluate *evaluate = NULL;
    struct evaluate_figures figures;

    must(evaluate_open(&evaluate), "open the evaluation");
    for (size_t at = 0; at < texts->count; at++) {
        char *text = must_have(malloc(disguise_room(texts->at[at].count)));
        size_t count = change(text, texts->at[at]);

        must(evaluate_add(evaluate, model_score(model, (struct bytes){text, count}), texts->labels[at], 1), "evaluate");
        free(text);
    }
    must(evaluate_figures(evaluate, 0.2, 0.8, &figures), "figures");
    evaluate_close(&evaluate);
    return figures;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The best of a few passes for each text: what the code costs, not what else the machine did. */
static void measure_latency(const struct model *model, const struct texts *texts, struct result *out)
{
    double *best = must_have(malloc(texts->count * sizeof *best));
    double long_us = 0, long_kib = 0, sum = 0;

    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t at = 0; at < texts->count; at++) {
            double begin = now_us();
            double took;

            sum += model_score(model, texts->at[at]);
            took = now_us() - begin;
            best[at] = pass == 0 || took < best[at] ? took : best[at];
        }
    }
    must(sum > 0 ? STATUS_OK : STATUS_CORRUPT, "scores"); /* and no compiler may leave the scoring out */
    for (size_t at = 0; at < texts->count; at++) {
        if (texts->at[at].count >= LONG_BYTES) {
            long_us += best[at];
            long_kib += (double)texts->at[at].count / KIB;
        }
    }
    qsort(best, texts->count, sizeof *best, compare);
    out->latency_us = best[texts->count / 2];
    out->long_us = long_kib > 0 ? long_us / long_kib : (double)NAN;
    free(best);
}

/* Every n-th row, beginning at another one in each draw: rows are in the order of their hash, so any such draw is random. */
static double small_auc(const struct job *job, const struct texts *rows, const struct texts *test)
{
    size_t step = rows->count / SMALL_ROWS;
    double sum = 0;

    for (size_t draw = 0; draw < SMALL_DRAWS; draw++) {
        struct fit *fit = open_fit(job, MODEL_FLOAT32, SEED + draw);
        struct model *model;
        struct buffer file;

        for (size_t row = 0; row < SMALL_ROWS; row++) {
            size_t at = row * step + draw * step / SMALL_DRAWS;

            must(fit_add(fit, rows->at[at], rows->labels[at]), "add a row");
        }
        model = open_model(fit, &file);
        sum += judge(model, test, disguise_none).auc;
        model_close(&model);
        buffer_free(&file);
        fit_close(&fit);
    }
    return sum / SMALL_DRAWS;
}

static void run(const struct job *job, struct result *out)
{
    struct model *model = train(job, MODEL_FLOAT32, out);
    struct model *narrow;
    struct result other;
    struct texts test = load(job, TEST);
    struct texts rows = load(job, TRAIN);
    double auc;

    out->figures = judge(model, &test, disguise_none);
    auc = out->figures.auc;
    measure_latency(model, &test, out);
    narrow = train(job, MODEL_INT8, &other);
    out->int8_mib = other.file_mib;
    out->int8_loss = auc - judge(narrow, &test, disguise_none).auc;
    out->full_width_loss = auc - judge(model, &test, disguise_full_width).auc;
    out->zero_width_loss = auc - judge(model, &test, disguise_zero_width).auc;
    out->filler_loss = auc - judge(model, &test, disguise_wrapped).auc;
    out->small_auc = small_auc(job, &rows, &test);
}

static void print(const struct result *result)
{
    const struct {
        const char *name;
        double value;
    } all[] = {
        {"auc", result->figures.auc},
        {"pr_auc", result->figures.pr_auc},
        {"f1", result->figures.f1},
        {"ece", result->figures.calibration_error},
        {"decided", result->figures.decided},
        {"agreement", result->figures.agreement},
        {"train_s", result->train_s},
        {"peak_mib", result->peak_mib},
        {"file_mib", result->file_mib},
        {"int8_mib", result->int8_mib},
        {"text_us", result->latency_us},
        {"kib_us", result->long_us},
        {"int8_loss", result->int8_loss},
        {"full_width_loss", result->full_width_loss},
        {"zero_width_loss", result->zero_width_loss},
        {"filler_loss", result->filler_loss},
        {"small_auc", result->small_auc},
    };

    for (size_t at = 0; at < sizeof all / sizeof all[0]; at++) {
        (void)printf(isfinite(all[at].value) ? "%s\"%s\": %.6f" : "%s\"%s\": null", at == 0 ? "{" : ", ", all[at].name,
                     all[at].value);
    }
    (void)printf("}\n");
}

int main(int argc, char **argv)
{
    struct job job = {.inside = argc == 4 && strcmp(argv[3], "inside") == 0};
    struct result result = {0};
    char *slash = argc > 2 ? strrchr(argv[2], '/') : NULL;

    for (int kind = MODEL_KIND_NONE + 1; argc > 1 && kind < MODEL_KINDS; kind++) {
        job.kind = strcmp(argv[1], model_kind_name((enum model_kind)kind)) == 0 ? (enum model_kind)kind : job.kind;
    }
    if (slash == NULL || job.kind == MODEL_KIND_NONE || argc > 4 || (argc == 4 && !job.inside)) {
        (void)fprintf(stderr, "usage: bench_models KIND FOLDER/SET [inside]\n");
        return 2;
    }
    *slash = '\0';
    job.folder = argv[2];
    job.set = slash + 1;
    must(secret_start(), "start");
    run(&job, &result);
    print(&result);
    return 0;
}
