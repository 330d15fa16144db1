/* holdout: texts one behind the other in one buffer, and where each begins in another. */
#include "trainer/holdout.h"

#include "proto/limits.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_ONE_IN = 5, HELD_OUT_ONE_IN_SINCE = 2 };

struct held_row {
    size_t at; /* in `texts`, whose bytes may still move */
    size_t count;
    double weight;
    int64_t made_us;
    int label;
    enum band script;
    enum band length;
};

struct holdout {
    struct buffer texts;
    struct buffer rows; /* of struct held_row */
    size_t count[2];
};

int64_t holdout_share(int64_t rows, int64_t drawn)
{
    double share = fmin(1.0 / HELD_OUT_ONE_IN, (double)TRAIN_HELD_OUT_MAX / (double)drawn);
    int64_t held = (int64_t)((double)rows * share);

    return held > 0 ? held : 1;
}

int64_t holdout_share_since(int64_t rows, int64_t drawn, int64_t since)
{
    int64_t usual = holdout_share(rows, drawn);
    int64_t held = since / HELD_OUT_ONE_IN_SINCE;

    held = held < TRAIN_HELD_OUT_MIN ? TRAIN_HELD_OUT_MIN : held;
    return held < usual ? held : usual;
}

/* What is drawn of a label is drawn from among so many, the newest. */
static int64_t rows_of(const struct sample_figures *figures)
{
    bool of_newest = figures->way == SAMPLE_LATEST && figures->wanted < figures->existing;

    return of_newest ? figures->wanted : figures->existing;
}

/* Cuts one label's rows. `since` is how many of them came after the change, -1 where there was none. */
static enum status cut(struct store *store, struct store_place place, const struct sample_figures *figures, int64_t since,
                       struct holdout_cut *out)
{
    int64_t rows = rows_of(figures);
    int64_t held = since < 0 ? holdout_share(rows, figures->wanted) : holdout_share_since(rows, figures->wanted, since);

    return store_row_at(store, place, held - 1, &out->made_us, out->hash);
}

enum status holdout_find_cuts(struct store *store, int64_t profile_id, const struct sample_figures sampled[SAMPLE_LABELS],
                              struct holdout_cuts *out)
{
    int64_t usual = 0;
    int64_t came = 0;
    enum status status = store_last_change(store, profile_id, &out->changed_us);

    for (int label = 0; label < SAMPLE_LABELS && status == STATUS_OK; label++) {
        const struct store_place place = {.profile_id = profile_id, .label = label};
        int64_t since = -1;

        if (out->changed_us != 0) {
            status = store_count_since(store, place, out->changed_us, rows_of(&sampled[label]), &since);
            usual += holdout_share(rows_of(&sampled[label]), sampled[label].wanted);
            came += since;
        }
        if (status == STATUS_OK) {
            status = cut(store, place, &sampled[label], since, &out->of[label]);
        }
    }
    out->is_old_news = came >= HELD_OUT_ONE_IN_SINCE * usual;
    return status == STATUS_NOT_FOUND ? STATUS_TOO_FEW : status;
}

bool holdout_takes(const struct holdout_cuts *cuts, int label, int64_t made_us, struct bytes hash)
{
    const struct holdout_cut *cut = &cuts->of[label];

    assert(hash.count == TEXT_HASH_BYTES);
    return made_us > cut->made_us || (made_us == cut->made_us && memcmp(hash.data, cut->hash, TEXT_HASH_BYTES) <= 0);
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

enum status holdout_add(struct holdout *holdout, struct bytes text, int label, double weight, int64_t made_us)
{
    const struct held_row row = {.at = holdout->texts.count,
                                 .count = text.count,
                                 .weight = weight,
                                 .made_us = made_us,
                                 .label = label,
                                 .script = band_of_script(text),
                                 .length = band_of_length(text)};
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

static enum status judge_rows(const struct holdout *holdout, const struct model *model, struct turn *turn,
                              double *scores, struct evaluate *evaluate)
{
    enum status status = STATUS_OK;

    for (size_t at = 0; at < holdout->rows.count && status == STATUS_OK; at += sizeof(struct held_row)) {
        struct held_row row;
        double score;

        if (!turn_goes_on(turn)) {
            return STATUS_CLOSED;
        }
        memcpy(&row, holdout->rows.data + at, sizeof row);
        score = model_score(model, text_of(holdout, &row));
        if (scores != NULL) {
            scores[at / sizeof row] = score;
        }
        status = evaluate_add(evaluate, score, row.label, row.weight);
    }
    return status;
}

enum status holdout_judge(const struct holdout *holdout, const struct model *model, double low, double high,
                          struct turn *turn, double *scores, struct evaluate_figures *out)
{
    struct evaluate *evaluate = NULL;
    enum status status = evaluate_open(&evaluate);

    if (status == STATUS_OK) {
        status = judge_rows(holdout, model, turn, scores, evaluate);
    }
    if (status == STATUS_OK) {
        status = evaluate_figures(evaluate, low, high, out);
    }
    evaluate_close(&evaluate);
    return status;
}

enum status holdout_compare(const struct holdout *holdout, enum band band, const double *ones, const double *others,
                            struct compare_figures *out)
{
    size_t row_count = holdout->rows.count / sizeof(struct held_row);
    struct compare_row *rows = calloc(row_count + 1, sizeof *rows);
    size_t count = 0;
    enum status status;

    if (rows == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < row_count; index++) {
        struct held_row row;

        memcpy(&row, holdout->rows.data + index * sizeof row, sizeof row);
        if (row.script == band || row.length == band) {
            rows[count++] = (struct compare_row){ones[index], others[index], row.weight, row.label};
        }
    }
    status = compare_rows(rows, count, out);
    free(rows);
    return status;
}

enum status holdout_find_change(const struct holdout *holdout, const double *scores,
                                const double factor[SAMPLE_LABELS], const struct change_sums *before,
                                struct change_found *out)
{
    size_t count = holdout->rows.count / sizeof(struct held_row);
    struct change_row *rows = calloc(count + 1, sizeof *rows);
    bool is_found;

    if (rows == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < count; index++) {
        struct held_row row;

        memcpy(&row, holdout->rows.data + index * sizeof row, sizeof row);
        rows[index] = (struct change_row){row.made_us, scores[index], row.weight * factor[row.label], row.label};
    }
    is_found = change_find(before, rows, count, out);
    free(rows);
    return is_found ? STATUS_OK : STATUS_NOT_FOUND;
}
