/* judge: walks the segments of a task, keywords first, and hands what it found to the ladder. */
#include "moderator/judge.h"

#include "moderator/ladder.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct judge {
    struct rules *rules;
    size_t *numbers; /* in `live`; one a profile */
    struct keyword_scanner *scanner;
    struct live_view *view;
    uint64_t random; /* state of splitmix64 */
    unsigned char unsure[UNSURE_BYTES_MAX]; /* of the task in hand: a bit for each segment that a review should see */
    unsigned char texts[UNSURE_BYTES_MAX];  /* and for each that has text */
};

/* What the model says of the segments of one task. */
struct scores {
    double worst;
    bool any_unsure; /* `low` or more */
};

enum status judge_open(struct judge **out, const struct judge_parts *parts, uint64_t seed)
{
    const struct settings *settings = rules_settings(parts->rules);
    struct judge *judge = calloc(1, sizeof *judge);
    enum status status = STATUS_NO_MEMORY;

    assert(out != NULL);
    if (judge == NULL) {
        return STATUS_NO_MEMORY;
    }
    judge->rules = rules_hold(parts->rules);
    judge->random = seed;
    judge->numbers = calloc(settings->profile_count + 1, sizeof *judge->numbers);
    if (judge->numbers == NULL) {
        goto fail;
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        status = live_number(parts->live, settings->profiles[index].name, &judge->numbers[index]);
        if (status != STATUS_OK) {
            goto fail;
        }
    }
    status = keyword_scanner_open(&judge->scanner, rules_keywords(parts->rules), settings->profile_count);
    if (status != STATUS_OK) {
        goto fail;
    }
    status = live_view_open(&judge->view, parts->live);
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = judge;
    return STATUS_OK;
fail:
    judge_close(&judge);
    return status;
}

void judge_close(struct judge **judge)
{
    assert(judge != NULL);
    if (*judge == NULL) {
        return;
    }
    live_view_close(&(*judge)->view);
    keyword_scanner_close(&(*judge)->scanner);
    rules_release(&(*judge)->rules);
    free((*judge)->numbers);
    free(*judge);
    *judge = NULL;
}

const struct profile_settings *judge_profile(const struct judge *judge, struct bytes name, size_t *out_index)
{
    const struct settings *settings = rules_settings(judge->rules);
    const struct profile_settings *profile = settings_profile(settings, name);

    if (profile != NULL) {
        *out_index = (size_t)(profile - settings->profiles);
    }
    return profile;
}

void judge_rest(struct judge *judge)
{
    live_view_refresh(judge->view);
}

/* Uniform, 0 <= draw < 1 (splitmix64, its top 53 bits). Nobody gains by guessing it: it only picks who is reviewed. */
static double draw(struct judge *judge)
{
    uint64_t mixed = (judge->random += 0x9e3779b97f4a7c15u);

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    return (double)(mixed >> 11) * 0x1p-53;
}

/* Whether any segment holds a keyword, and whether there is any text at all. */
static enum status find_keyword(struct judge *judge, size_t profile, struct bytes rest, enum ladder_find *out)
{
    enum ladder_find find = LADDER_NO_TEXT;
    struct segment segment;
    enum status status;

    while ((status = message_next_segment(&rest, &segment)) == STATUS_OK) {
        bool hit = false;

        if (segment.text.count == 0) {
            continue;
        }
        find = LADDER_NO_MODEL;
        status = keywords_scan(rules_keywords(judge->rules)[profile], judge->scanner, segment.text, &hit);
        if (status != STATUS_OK) {
            return status;
        }
        if (hit) {
            find = LADDER_KEYWORD;
            break;
        }
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    *out = find;
    return STATUS_OK;
}

/* Segments the model is sure to be harmless need no review, unless all are; without a model no score is below `low`. */
static enum status score_segments(struct judge *judge, const struct model *model, double low, struct bytes rest,
                                  struct scores *out)
{
    struct scores scores = {0};
    struct segment segment;
    enum status status;

    memset(judge->unsure, 0, sizeof judge->unsure);
    memset(judge->texts, 0, sizeof judge->texts);
    for (size_t index = 0; (status = message_next_segment(&rest, &segment)) == STATUS_OK; index++) {
        double score;

        if (segment.text.count == 0) {
            continue;
        }
        score = model == NULL ? low : model_score(model, segment.text);
        judge->texts[index / 8] |= (unsigned char)(1u << index % 8);
        scores.worst = score <= scores.worst || isnan(scores.worst) ? scores.worst : score; /* what is no number stays */
        if (!(score < low)) {
            scores.any_unsure = true;
            judge->unsure[index / 8] |= (unsigned char)(1u << index % 8);
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    *out = scores;
    return STATUS_OK;
}

static struct bytes name_unsure(const struct judge *judge, bool any_unsure)
{
    const unsigned char *chosen = any_unsure ? judge->unsure : judge->texts;
    size_t count = UNSURE_BYTES_MAX;

    while (count > 0 && chosen[count - 1] == 0) {
        count--;
    }
    return (struct bytes){(const char *)chosen, count};
}

enum status judge_task(struct judge *judge, const struct message_task *task, struct message_verdict *out)
{
    size_t index = 0;
    const struct profile_settings *profile = judge_profile(judge, task->profile, &index);
    struct message_verdict verdict = {.nonce = task->head.nonce, .sequence = task->head.sequence, .score = NAN};
    enum ladder_find find = LADDER_NO_TEXT;
    const struct model *model = NULL;
    struct scores scores = {0};
    enum status status;

    if (profile == NULL) {
        return STATUS_NOT_FOUND;
    }
    status = find_keyword(judge, index, task->segments, &find);
    if (status != STATUS_OK) {
        return status;
    }
    live_view_refresh(judge->view);
    if (find == LADDER_NO_MODEL) {
        if (profile->model_kind != MODEL_KIND_NONE) {
            model = live_view_model(judge->view, judge->numbers[index], &verdict.model_version);
        }
        status = score_segments(judge, model, profile->low, task->segments, &scores);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (model != NULL) {
        find = LADDER_SCORE;
        verdict.score = (float)scores.worst;
    }
    ladder_decide(profile, find, scores.worst, draw(judge), &verdict);
    if (verdict.outcome == OUTCOME_UNSURE) {
        verdict.unsure = name_unsure(judge, scores.any_unsure);
    }
    *out = verdict;
    return STATUS_OK;
}
