/* model: the weights as whole numbers in memory, and the loop that adds them up.
 *
 * Whole numbers, because their sum does not depend on the order of adding: a text scores the same on every machine and
 * with every compiler, and the processor may add several at a time.
 */
#include "proto/model.h"

#include "proto/features.h"
#include "proto/model_file.h"
#include "proto/text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct model {
    enum model_kind kind;
    unsigned table_bits;
    double bias;
    double slope;
    double offset;
    double unit;     /* what 1 in a table is worth */
    int32_t *wide;   /* weights of a MODEL_FLOAT32 file, else NULL */
    int8_t *narrow;  /* weights of a MODEL_INT8 file, else NULL */
};

enum {
    WIDE_LARGEST = 1 << 30, /* the largest weight of a table; the others keep 30 bits below it */
    SEEN_WORDS = (1 << MODEL_TABLE_BITS_MAX) / 64,
};

#define SELF_TEST_TOLERANCE 1e-5

/* They cover each step from bytes to indices, and hold nobody's words. */
static const char *const self_tests[MODEL_SELF_TESTS] = {
    "",
    "The quick brown fox jumps over the lazy dog, 42 times; don't stop_here!",
    "\xEF\xBC\xB4\xEF\xBD\x88\xEF\xBD\x85 "
    "\xD0\x9F\xD0\xA0\xD0\x98\xD0\x92\xD0\x95\xD0\xA2 \xCE\x91\xCE\x92\xCE\x93 \xC3\x89t\xC3\xA9",
    "\xE5\xA4\xA9\xE6\xB0\x94\xE5\xBE\x88\xE5\xA5\xBD\xEF\xBC\x8C"
    "\xE6\x88\x91\xE4\xBB\xAC\xE5\x8E\xBB\xE5\x85\xAC\xE5\x9B\xAD\xE3\x80\x82",
    "in\xE2\x80\x8Bvisible\xC2\xADly \xFF\xC0\xAF broken \xED\xA0\x80 \xF0\x9F\x98\x80",
    "a",
};

void model_close(struct model **model)
{
    if (*model != NULL) {
        free((*model)->wide);
        free((*model)->narrow);
        free(*model);
        *model = NULL;
    }
}

enum model_kind model_kind_of(const struct model *model)
{
    return model->kind;
}

uint32_t model_feature_version(const struct model *model)
{
    (void)model; /* model_open refuses every other */
    return FEATURES_VERSION;
}

static void load_wide(struct model *model, const struct model_file *file)
{
    size_t count = (size_t)1 << file->table_bits;
    float largest = 0;

    for (size_t index = 0; index < count; index++) {
        largest = fmaxf(largest, fabsf(model_file_float(file, index)));
    }
    model->unit = largest > 0 ? (double)largest / WIDE_LARGEST : 1;
    for (size_t index = 0; index < count; index++) {
        model->wide[index] = (int32_t)lrint((double)model_file_float(file, index) / model->unit);
    }
    model->unit *= file->scale;
}

static void load_narrow(struct model *model, const struct model_file *file)
{
    for (size_t index = 0; index < (size_t)1 << file->table_bits; index++) {
        model->narrow[index] = model_file_int8(file, index);
    }
    model->unit = file->scale;
}

static enum status load(struct model **out, const struct model_file *file)
{
    size_t count = (size_t)1 << file->table_bits;
    struct model *model = calloc(1, sizeof *model);

    if (model == NULL) {
        return STATUS_NO_MEMORY;
    }
    model->kind = file->kind;
    model->table_bits = file->table_bits;
    model->bias = file->bias;
    model->slope = file->slope;
    model->offset = file->offset;
    if (file->storage == MODEL_INT8) {
        model->narrow = malloc(count * sizeof *model->narrow);
    } else {
        model->wide = malloc(count * sizeof *model->wide);
    }
    if (model->narrow != NULL) {
        load_narrow(model, file);
    } else if (model->wide != NULL) {
        load_wide(model, file);
    } else {
        model_close(&model);
        return STATUS_NO_MEMORY;
    }
    *out = model;
    return STATUS_OK;
}

/* A sum over different features. */
struct tally {
    int64_t sum;
    int64_t count;
};

/* One bit a feature: seen in this block, seen in the one before. */
struct seen {
    uint64_t now[SEEN_WORDS];
    uint64_t before[SEEN_WORDS];
};

/* Adds up the features of a block: each once to `block`, and those that were in the block before to `shared` as well. There is
 * no branch on what a text holds. `narrow` and `paired` are constants of each call, so that four loops are compiled. */
static inline __attribute__((always_inline)) void add_up(const struct model *model, bool narrow, bool paired,
                                                         const uint32_t *indices, size_t count, struct seen *seen,
                                                         struct tally *block, struct tally *shared)
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
            int64_t again = (int64_t)(seen->before[index / 64] >> index % 64 & 1);

            shared->sum += weight & -again;
            shared->count += fresh & again;
        }
    }
}

static void add_block(const struct model *model, bool paired, const uint32_t *indices, size_t count, struct seen *seen,
                      struct tally *out_block, struct tally *out_shared)
{
    struct tally block = {0};
    struct tally shared = {0};

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

static double window_score(const struct model *model, struct tally window)
{
    return window.count == 0 ? model->bias
                             : model->bias + model->unit * (double)window.sum / sqrt((double)window.count);
}

/* The score of the worst window, before calibration.
 *
 *   block      0         1         2         3           A window's features are those of its two blocks together:
 *   windows  [-- first --]                               sum(A or B) = sum(A) + sum(B) - sum(A and B).
 *                      [-- second -]                     So each block is read, hashed and added up once.
 *                                [--- third --]
 */
static double worst_score(const struct model *model, struct bytes text)
{
    uint32_t code_points[MODEL_BLOCK_CODE_POINTS];
    uint32_t indices[FEATURES_PER_CODE_POINT * MODEL_BLOCK_CODE_POINTS + FEATURES_END];
    size_t seen_bytes = ((size_t)1 << model->table_bits) / 8;
    struct seen seen;
    struct text_reader reader;
    struct features features;
    struct tally before = {0};
    double worst = model->bias;
    bool last = false;

    text_begin(&reader, text);
    features_begin(&features, model->table_bits);
    for (size_t number = 0; !last; number++) {
        struct tally block, shared;
        size_t count = text_read(&reader, code_points, MODEL_BLOCK_CODE_POINTS);

        last = reader.rest.count == 0;
        count = features_take(&features, code_points, count, indices);
        if (last) {
            count += features_end(&features, indices + count);
        }
        if (number > 0) {
            memcpy(seen.before, seen.now, seen_bytes);
        }
        memset(seen.now, 0, seen_bytes);
        add_block(model, number > 0, indices, count, &seen, &block, &shared);
        if (number > 0 || last) {
            struct tally window = {before.sum + block.sum - shared.sum, before.count + block.count - shared.count};
            double score = window_score(model, window);

            worst = number <= 1 || score > worst ? score : worst;
        }
        before = block;
    }
    return worst;
}

double model_score(const struct model *model, struct bytes text)
{
    return 1 / (1 + exp(-(model->slope * worst_score(model, text) + model->offset)));
}

static void score_self_tests(const struct model *model, double out[MODEL_SELF_TESTS])
{
    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        out[index] = worst_score(model, bytes_of(self_tests[index]));
    }
}

enum status model_open(struct model **out, struct bytes file)
{
    struct model_file read;
    struct model *model = NULL;
    double scores[MODEL_SELF_TESTS];
    enum status status = model_file_read(&read, file);

    if (status == STATUS_OK) {
        status = load(&model, &read);
    }
    if (status != STATUS_OK) {
        return status;
    }
    score_self_tests(model, scores);
    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        if (!(fabs(scores[index] - read.self_test[index]) <= SELF_TEST_TOLERANCE)) {
            model_close(&model);
            return STATUS_CORRUPT;
        }
    }
    *out = model;
    return STATUS_OK;
}

enum status model_write(struct buffer *out, const struct model_parts *parts)
{
    struct model_file begun;
    struct model *model = NULL;
    double scores[MODEL_SELF_TESTS];
    enum status status;

    buffer_clear(out);
    status = model_file_begin(out, parts);
    if (status == STATUS_OK) {
        model_file_look(&begun, out);
        status = load(&model, &begun);
    }
    if (status == STATUS_OK) {
        score_self_tests(model, scores);
        status = model_file_seal(out, scores);
    }
    model_close(&model);
    if (status != STATUS_OK) {
        buffer_clear(out);
    }
    return status;
}
