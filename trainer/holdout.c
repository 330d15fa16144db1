/* holdout: texts one behind the other in one buffer, and where each begins in another. */
#include "trainer/holdout.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_ONE_IN = 5 };

struct held_row {
    size_t at; /* in `texts`, whose bytes may still move */
    size_t count;
    int label;
};

struct holdout {
    struct buffer texts;
    struct buffer rows; /* of struct held_row */
    size_t count[2];
};

bool holdout_takes(struct bytes hash)
{
    uint64_t bits;

    assert(hash.count == TEXT_HASH_BYTES);
    /* The trailing bytes: the leading ones decide where a draw by pivots begins. */
    memcpy(&bits, hash.data + TEXT_HASH_BYTES - sizeof bits, sizeof bits);
    return bits % HELD_OUT_ONE_IN == 0;
}

enum status holdout_open(struct holdout **out)
{
    struct holdout *holdout = calloc(1, sizeof *holdout);

    if (holdout == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&holdout->texts, TRAIN_BYTES_MAX);
    buffer_init(&holdout->rows, TRAIN_BYTES_MAX);
    *out = holdout;
    return STATUS_OK;
}

void holdout_close(struct holdout **holdout)
{
    if (*holdout != NULL) {
        buffer_free(&(*holdout)->texts);
        buffer_free(&(*holdout)->rows);
        free(*holdout);
        *holdout = NULL;
    }
}

enum status holdout_add(struct holdout *holdout, struct bytes text, int label)
{
    const struct held_row row = {.at = holdout->texts.count, .count = text.count, .label = label};
    enum status status;

    assert(label == 0 || label == 1);
    status = buffer_append(&holdout->rows, (struct bytes){(const char *)&row, sizeof row});
    if (status != STATUS_OK) {
        return status;
    }
    status = buffer_append(&holdout->texts, text);
    if (status != STATUS_OK) {
        holdout->rows.count -= sizeof row;
        return status;
    }
    holdout->count[label]++;
    return STATUS_OK;
}

size_t holdout_count(const struct holdout *holdout, int label)
{
    assert(label == 0 || label == 1);
    return holdout->count[label];
}

static struct bytes text_of(const struct holdout *holdout, const struct held_row *row)
{
    return bytes_first(bytes_from(buffer_view(&holdout->texts), row->at), row->count);
}

static enum status judge_rows(const struct holdout *holdout, const struct model *model, const atomic_bool *cancelled,
                              struct evaluate *evaluate)
{
    enum status status = STATUS_OK;

    for (size_t at = 0; at < holdout->rows.count && status == STATUS_OK; at += sizeof(struct held_row)) {
        struct held_row row;

        if (cancelled != NULL && atomic_load(cancelled)) {
            return STATUS_CLOSED;
        }
        memcpy(&row, holdout->rows.data + at, sizeof row);
        status = evaluate_add(evaluate, model_score(model, text_of(holdout, &row)), row.label);
    }
    return status;
}

enum status holdout_judge(const struct holdout *holdout, const struct model *model, double low, double high,
                          const atomic_bool *cancelled, struct evaluate_figures *out)
{
    struct evaluate *evaluate = NULL;
    enum status status = evaluate_open(&evaluate);

    if (status == STATUS_OK) {
        status = judge_rows(holdout, model, cancelled, evaluate);
    }
    if (status == STATUS_OK) {
        status = evaluate_figures(evaluate, low, high, out);
    }
    evaluate_close(&evaluate);
    return status;
}
