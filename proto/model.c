/* model: the table of kinds, the weights in memory, and the walk through the windows of a text.
 *
 * Weights are whole numbers in memory, because their sum does not depend on the order of adding: a text scores the same on every
 * machine and with every compiler, and the processor may add several at a time.
 */
#include "proto/model.h"

#include "proto/features.h"
#include "proto/model_kinds.h"
#include "proto/text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDE_LARGEST = 1 << 30, /* the largest weight of a table; the others keep 30 bits below it */
};

#define SELF_TEST_TOLERANCE 1e-5

/* A hardened build fills every variable with zeros. A room of them would take longer than a short text. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef UNINITIALIZED
#define UNINITIALIZED
#endif

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
        free((*model)->term_numbers);
        free((*model)->terms);
        free((*model)->steps);
        free(*model);
        *model = NULL;
    }
}

enum model_kind model_kind_of(const struct model *model)
{
    return model->rules->kind;
}

static const struct model_rules *rules_of(enum model_kind kind)
{
    static const struct model_rules *const all[] = {&model_hashlinear, &model_bow, &model_fasttext};

    for (size_t index = 0; index < sizeof all / sizeof all[0]; index++) {
        if (all[index]->kind == kind) {
            return all[index];
        }
    }
    return NULL;
}

const char *model_kind_name(enum model_kind kind)
{
    const struct model_rules *rules = rules_of(kind);

    return rules == NULL ? "none" : rules->name;
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

enum status model_load_weights(struct model *model, const struct model_file *file)
{
    size_t count = (size_t)1 << file->table_bits;

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
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status load(struct model **out, const struct model_file *file)
{
    struct model *model = calloc(1, sizeof *model);
    enum status status;

    if (model == NULL) {
        return STATUS_NO_MEMORY;
    }
    model->rules = rules_of(file->kind);
    model->table_bits = file->table_bits;
    model->bias = file->bias;
    model->slope = file->slope;
    model->offset = file->offset;
    assert(model->rules != NULL); /* the file has been checked, or we have written it */
    status = model->rules->load(model, file);
    if (status != STATUS_OK) {
        model_close(&model);
        return status;
    }
    *out = model;
    return STATUS_OK;
}

enum status model_room_open(struct model_room **out)
{
    struct model_room *room = malloc(sizeof *room);

    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    *out = room;
    return STATUS_OK;
}

void model_room_close(struct model_room **room)
{
    free(*room);
    *room = NULL;
}

/* The worst window; *out_score is its score before calibration. */
static struct model_reading worst_window(const struct model *model, struct model_room *room, struct bytes text,
                                         const struct pause *pause, double *out_score)
{
    struct model_reading reading = {.window_count = 1};
    size_t begin = 0; /* of the window: where the block before this one begins */
    size_t middle = 0;
    struct text_reader reader;
    struct features features;
    uint64_t *seen;
    double worst = model->bias;
    bool last = false;

    text_begin(&reader, text);
    features_begin(&features, model->table_bits);
    for (size_t number = 0; !last && !reading.stopped; number++) {
        size_t count = text_read(&reader, room->code_points, MODEL_BLOCK_CODE_POINTS);
        double score;

        last = reader.rest.count == 0;
        seen = model->rules->mark == NULL ? NULL : model->rules->mark(model, &room->scratch, number > 0);
        count = features_take(&features, room->code_points, count, seen, room->indices);
        if (last) {
            count += features_end(&features, seen, room->indices + count);
        }
        score = model->rules->take(model, &room->scratch, number > 0, room->indices, count);
        if ((number > 0 || last) && (number <= 1 || score > worst)) {
            worst = score;
            reading.worst_begin = begin;
            reading.worst_end = text.count - reader.rest.count;
        }
        reading.window_count = number > 0 ? number : 1;
        reading.stopped = !pause_call(pause);
        begin = middle;
        middle = text.count - reader.rest.count;
    }
    *out_score = worst;
    return reading;
}

struct model_reading model_read(const struct model *model, struct model_room *room, struct bytes text,
                                const struct pause *pause)
{
    double score = 0;
    struct model_reading reading = worst_window(model, room, text, pause, &score);

    reading.probability = 1 / (1 + exp(-(model->slope * score + model->offset)));
    return reading;
}

double model_score(const struct model *model, struct bytes text)
{
    UNINITIALIZED struct model_room room;

    return model_read(model, &room, text, NULL).probability;
}

static void score_self_tests(const struct model *model, double out[MODEL_SELF_TESTS])
{
    UNINITIALIZED struct model_room room;

    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        (void)worst_window(model, &room, bytes_of(self_tests[index]), NULL, &out[index]);
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
