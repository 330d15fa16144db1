/* bag: a bit or a count a feature tells, as the text is read, whether it was there before. */
#include "trainer/bag.h"

#include "proto/text.h"

#include <stdlib.h>

enum {
    WORD_BITS = 64,
    /* Of one text; where it is cut there is a space, and one may come behind it. */
    FEATURES_MAX = FEATURES_PER_CODE_POINT * (TRAIN_TEXT_CODE_POINTS_MAX + 1) + FEATURES_END,
};

enum status bag_open(struct bag **out, unsigned table_bits, bool counted)
{
    struct bag *bag = calloc(1, sizeof *bag);
    size_t table = (size_t)1 << table_bits;

    if (bag == NULL) {
        return STATUS_NO_MEMORY;
    }
    bag->table_bits = table_bits;
    bag->present = counted ? NULL : calloc(table / WORD_BITS, sizeof *bag->present);
    bag->times = counted ? calloc(table, sizeof *bag->times) : NULL;
    bag->features = calloc(FEATURES_MAX, sizeof *bag->features);
    bag->counts = counted ? calloc(FEATURES_MAX, sizeof *bag->counts) : NULL;
    if (bag->features == NULL || (counted ? bag->times == NULL || bag->counts == NULL : bag->present == NULL)) {
        bag_close(&bag);
        return STATUS_NO_MEMORY;
    }
    *out = bag;
    return STATUS_OK;
}

void bag_close(struct bag **bag)
{
    if (*bag != NULL) {
        free((*bag)->present);
        free((*bag)->times);
        free((*bag)->features);
        free((*bag)->counts);
        free(*bag);
        *bag = NULL;
    }
}

static void count_features(struct bag *bag, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        uint8_t *times = &bag->times[bag->indices[at]];

        if (*times == 0) {
            bag->features[bag->count++] = bag->indices[at];
        }
        if (*times < MODEL_TF_COUNT_MAX) {
            (*times)++;
            bag->read++;
        }
    }
}

/* Where features are to be written, all of them or each the first time that it stands there. */
static uint32_t *out_room(struct bag *bag)
{
    return bag->present == NULL ? bag->indices : bag->features + bag->count;
}

static void take(struct bag *bag, size_t count)
{
    if (bag->present == NULL) {
        count_features(bag, count);
    } else {
        bag->count += (uint32_t)count;
    }
}

static size_t count_code_points(struct bag *bag, struct bytes text)
{
    struct text_reader reader;
    size_t total = 0;
    size_t count;

    text_begin(&reader, text);
    do {
        count = text_read(&reader, bag->code_points, MODEL_BLOCK_CODE_POINTS);
        total += count;
    } while (count > 0);
    return total;
}

/* Takes the features of the code points outside [cut, cut_end). A cut reads as a space. */
static void take_features(struct bag *bag, struct bytes text, size_t cut, size_t cut_end)
{
    static const uint32_t space = ' ';
    struct text_reader reader;
    struct features features;
    size_t at = 0;
    size_t count;

    text_begin(&reader, text);
    features_begin(&features, bag->table_bits);
    for (;;) {
        size_t room = MODEL_BLOCK_CODE_POINTS;

        /* Blocks end where the cut begins and ends. */
        if (at < cut && cut - at < room) {
            room = cut - at;
        } else if (at >= cut && at < cut_end && cut_end - at < room) {
            room = cut_end - at;
        }
        count = text_read(&reader, bag->code_points, room);
        if (count == 0) {
            break;
        }
        if (at < cut || at >= cut_end) {
            take(bag, features_take(&features, bag->code_points, count, bag->present, out_room(bag)));
        } else if (at == cut) {
            take(bag, features_take(&features, &space, 1, bag->present, out_room(bag)));
        }
        at += count;
    }
    take(bag, features_end(&features, bag->present, out_room(bag)));
}

static void take_text(struct bag *bag, struct bytes text)
{
    /* Code points are no more than bytes. */
    size_t total = text.count > TRAIN_TEXT_CODE_POINTS_MAX ? count_code_points(bag, text) : text.count;
    size_t cut = total;
    size_t cut_end = total;

    if (total > TRAIN_TEXT_CODE_POINTS_MAX) {
        cut = TRAIN_TEXT_CODE_POINTS_MAX / 2;
        cut_end = total - TRAIN_TEXT_CODE_POINTS_MAX / 2;
    }
    take_features(bag, text, cut, cut_end);
}

/* For the next text nothing was there. */
static void forget(struct bag *bag)
{
    for (uint32_t at = 0; at < bag->count; at++) {
        uint32_t feature = bag->features[at];

        if (bag->present != NULL) {
            bag->present[feature / WORD_BITS] = 0;
        } else {
            bag->counts[at] = bag->times[feature];
            bag->times[feature] = 0;
        }
    }
}

void bag_fill(struct bag *bag, struct bytes text)
{
    bag->count = 0;
    bag->read = 0;
    take_text(bag, text);
    forget(bag);
    bag->read = bag->present != NULL ? bag->count : bag->read;
}
