/* judge: walks the segments of a task, looks at those it does not know, and hands what it found to the ladder. */
#include "moderator/judge.h"

#include "moderator/ladder.h"
#include "moderator/share.h"
#include "proto/clock.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AHEAD = 32 };

/* What is the same for all tasks of a profile. */
struct bench {
    size_t number; /* in `live` */
    size_t trial;  /* the same of its version on trial */
    struct recent_basis bases[RECENT_KINDS];
};

struct judge {
    struct rules *rules;
    struct recent *recent; /* NULL: every text is judged anew */
    struct bench *benches; /* one a profile */
    struct keyword_scanner *scanner;
    struct pause pause;
    struct live_view *view;
    struct model_room *room;
    unsigned char unsure[UNSURE_BYTES_MAX]; /* of the task in hand: a bit for each segment that a review should see */
    unsigned char drawn[UNSURE_BYTES_MAX];  /* and for each that was drawn, of those judged anew that no review has settled */
    char category[CATEGORY_BYTES_MAX + 1];  /* of a verdict that a review had given */
};

/* The task in hand, and what is found out about its segments. */
struct hearing {
    const struct profile_settings *profile;
    struct bench *bench;
    const struct keywords *keywords;
    const struct model *model;
    double draw_rate; /* of the texts that are judged anew, those that go to a review whatever the model says */
    uint64_t now_ms;
    uint64_t wall_us;
    enum ladder_find find; /* LADDER_NO_MODEL as long as nothing decides */
    size_t text_count;     /* segments that have text */
    size_t anew_count;     /* of them judged anew */
    size_t open_count;     /* of them not settled by a review */
    double worst;          /* score of all of them */
    double worst_open;     /* and of those not settled */
    bool worst_known;      /* whether that one was known */
    bool any_drawn;
};

static enum status open_bench(struct bench *bench, const struct judge_parts *parts, size_t index)
{
    enum status status = live_number(parts->live, rules_settings(parts->rules)->profiles[index].name, &bench->number);

    bench->trial = status == STATUS_OK ? live_trial_of(parts->live, bench->number) : 0;

    for (int kind = 0; parts->recent != NULL && status == STATUS_OK && kind < RECENT_KINDS; kind++) {
        status = recent_basis_of(parts->recent, parts->rules, index, (enum recent_kind)kind, &bench->bases[kind]);
    }
    return status;
}

enum status judge_open(struct judge **out, const struct judge_parts *parts)
{
    const struct settings *settings = rules_settings(parts->rules);
    struct judge *judge = calloc(1, sizeof *judge);
    enum status status = STATUS_NO_MEMORY;

    assert(out != NULL);
    if (judge == NULL) {
        return STATUS_NO_MEMORY;
    }
    judge->rules = rules_hold(parts->rules);
    judge->recent = parts->recent;
    judge->pause = parts->pause;
    judge->benches = calloc(settings->profile_count + 1, sizeof *judge->benches);
    if (judge->benches == NULL) {
        goto fail;
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        status = open_bench(&judge->benches[index], parts, index);
        if (status != STATUS_OK) {
            goto fail;
        }
    }
    status = keyword_scanner_open(&judge->scanner, rules_keywords(parts->rules), settings->profile_count);
    if (status != STATUS_OK) {
        goto fail;
    }
    keyword_scanner_pause(judge->scanner, &judge->pause);
    status = live_view_open(&judge->view, parts->live);
    if (status == STATUS_OK) {
        status = model_room_open(&judge->room);
    }
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
    model_room_close(&(*judge)->room);
    live_view_close(&(*judge)->view);
    keyword_scanner_close(&(*judge)->scanner);
    rules_release(&(*judge)->rules);
    free((*judge)->benches);
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

static void mark(unsigned char bits[UNSURE_BYTES_MAX], size_t index)
{
    bits[index / 8] |= (unsigned char)(1u << index % 8);
}

/* The worse of two scores; what is no number stays. */
static double worse(double score, double worst)
{
    return score <= worst || isnan(worst) ? worst : score;
}

/* What keywords and model say of a text. */
static enum status look(struct judge *judge, const struct hearing *hearing, struct bytes text, struct recent_finding *out)
{
    struct recent_finding finding = {.score = (double)NAN};
    enum status status = keywords_scan(hearing->keywords, judge->scanner, text, &finding.violation);

    if (status == STATUS_OK && !finding.violation && hearing->model != NULL) {
        struct model_reading reading = model_read(hearing->model, judge->room, text, &judge->pause);

        finding.score = reading.probability;
        status = reading.stopped ? STATUS_TIMEOUT : STATUS_OK;
    }
    *out = finding;
    return status;
}

/* What is known about one text of the task. */
struct hint {
    const struct recent_finding *review; /* NULL where none has settled it */
    bool known;                          /* of late: it was not judged anew */
    bool drawn;
};

/* Adds what is found about one text to what is found about all. */
static void add(struct judge *judge, struct hearing *hearing, size_t index, const struct recent_finding *finding,
                const struct hint *hint)
{
    hearing->text_count++;
    hearing->anew_count += !hint->known;
    if (finding->violation) {
        hearing->find = LADDER_KEYWORD;
        hearing->worst_known = hint->known;
        return;
    }
    hearing->worst = worse(finding->score, hearing->worst);
    if (hint->review != NULL && hint->review->violation) {
        hearing->find = LADDER_REVIEWED_VIOLATION;
        memcpy(judge->category, hint->review->category, sizeof judge->category);
    }
    if (hint->review != NULL) {
        return;
    }
    if (hearing->open_count++ == 0 || !(finding->score <= hearing->worst_open)) {
        hearing->worst_known = hint->known;
    }
    hearing->worst_open = worse(finding->score, hearing->worst_open);
    if (!(finding->score < hearing->profile->low)) { /* without a model too */
        mark(judge->unsure, index);
    }
    if (hint->drawn) {
        hearing->any_drawn = true;
        mark(judge->drawn, index);
    }
}

/* Whether a text that is judged anew goes to a review whatever the model says. */
static bool is_drawn(const struct judge *judge, const struct hearing *hearing, struct bytes text)
{
    return hearing->draw_rate > 0 &&
           share_draws(share_of(rules_share(judge->rules), 0, text), hearing->wall_us, hearing->draw_rate);
}

/* A segment, and what its text is looked for by. */
struct piece {
    struct bytes text;
    struct bytes name; /* of the text, which may be left out then; empty: none */
    bool has_print;
    struct print print;
};

/* A segment that has text, or the name of one. */
static enum status hear(struct judge *judge, struct hearing *hearing, size_t index, const struct piece *piece)
{
    struct recent_basis *bases = hearing->bench->bases;
    struct recent_finding finding;
    struct recent_finding review;
    struct hint hint = {.review = NULL};
    enum status status = STATUS_OK;
    bool may_be_drawn;

    if (piece->has_print) {
        hint.known = recent_find(judge->recent, &bases[RECENT_JUDGED], &piece->print, hearing->now_ms, &finding);
        if (ladder_has_review(hearing->profile) &&
            recent_find(judge->recent, &bases[RECENT_REVIEWED], &piece->print, hearing->now_ms, &review)) {
            hint.review = &review;
        }
    }
    may_be_drawn = !hint.known || (finding.drawn && hint.review == NULL);
    if (may_be_drawn && piece->text.count == 0) {
        return STATUS_AGAIN;
    }
    if (!hint.known) {
        status = look(judge, hearing, piece->text, &finding);
    }
    if (status != STATUS_OK) {
        return status;
    }
    finding.drawn = may_be_drawn && !finding.violation && is_drawn(judge, hearing, piece->text);
    hint.drawn = finding.drawn && hint.review == NULL;
    if (piece->has_print && !hint.known) {
        recent_keep(judge->recent, &bases[RECENT_JUDGED], &piece->print, hearing->now_ms, &finding);
    }
    add(judge, hearing, index, &finding, &hint);
    return STATUS_OK;
}

/* The next LOOK_AHEAD segments, or those that are left: STATUS_NOT_FOUND. What is known of them lies anywhere in memory:
 * while one is waited for the others are fetched. */
static enum status read_pieces(struct judge *judge, const struct hearing *hearing, struct bytes *rest,
                               struct piece pieces[LOOK_AHEAD], size_t *out_count)
{
    struct recent_basis *basis = &hearing->bench->bases[RECENT_JUDGED];
    bool remembers = judge->recent != NULL && basis->ttl_ms > 0;
    enum status status = STATUS_OK;
    struct segment segment;
    size_t count = 0;

    while (count < LOOK_AHEAD && (status = message_next_named(rest, &segment, &pieces[count].name)) == STATUS_OK) {
        pieces[count].text = segment.text;
        if (remembers) {
            recent_expect_name(judge->recent, pieces[count].name);
        }
        count++;
    }
    for (size_t index = 0; index < count; index++) {
        struct piece *piece = &pieces[index];

        piece->has_print = remembers && recent_print_named(judge->recent, piece->name, piece->text, &piece->print);
        if (piece->has_print) {
            recent_expect(judge->recent, basis, &piece->print);
        }
    }
    *out_count = count;
    return status;
}

/* All segments, or as many as it takes to know that the text is blocked. */
static enum status hear_all(struct judge *judge, struct hearing *hearing, struct bytes rest)
{
    struct piece pieces[LOOK_AHEAD];
    enum status status = STATUS_OK;
    size_t first = 0;
    size_t count;

    memset(judge->unsure, 0, sizeof judge->unsure);
    memset(judge->drawn, 0, sizeof judge->drawn);
    for (; status == STATUS_OK; first += count) {
        status = read_pieces(judge, hearing, &rest, pieces, &count);
        for (size_t index = 0; index < count; index++) {
            enum status heard = STATUS_OK;

            if (pieces[index].text.count > 0 || pieces[index].name.count > 0) {
                heard = hear(judge, hearing, first + index, &pieces[index]);
            }
            if (heard != STATUS_OK || hearing->find != LADDER_NO_MODEL) {
                return heard;
            }
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (hearing->text_count == 0) {
        hearing->find = LADDER_NO_TEXT;
    } else if (hearing->open_count == 0) {
        hearing->find = LADDER_REVIEWED_ALL;
    } else if (hearing->model != NULL) {
        hearing->find = LADDER_SCORE;
    }
    return STATUS_OK;
}

/* Segments the model is sure to be harmless need no review but where they were drawn. */
static struct bytes name_unsure(struct judge *judge)
{
    size_t count = 0;

    for (size_t index = 0; index < UNSURE_BYTES_MAX; index++) {
        judge->unsure[index] |= judge->drawn[index];
        count = judge->unsure[index] != 0 ? index + 1 : count;
    }
    return (struct bytes){(const char *)judge->unsure, count};
}

/* Whether what decided was known before. */
static bool is_known(const struct hearing *hearing, const struct message_verdict *verdict)
{
    switch (verdict->source) {
    case SOURCE_KEYWORD:
        return hearing->worst_known;
    case SOURCE_MODEL:
        return verdict->outcome == OUTCOME_BLOCK ? hearing->worst_known
                                                 : verdict->outcome == OUTCOME_ALLOW && hearing->anew_count == 0;
    default:
        return false;
    }
}

static void decide(struct judge *judge, const struct hearing *hearing, struct message_verdict *verdict)
{
    ladder_decide(hearing->profile, hearing->find, hearing->worst_open, hearing->any_drawn, verdict);
    if (hearing->find == LADDER_REVIEWED_VIOLATION && judge->category[0] != '\0') {
        verdict->category = bytes_of(judge->category);
    }
    if (hearing->find != LADDER_NO_TEXT && hearing->find != LADDER_KEYWORD && hearing->model != NULL) {
        verdict->score = (float)hearing->worst;
    }
    if (verdict->outcome == OUTCOME_UNSURE) {
        verdict->unsure = name_unsure(judge);
    } else if (is_known(hearing, verdict)) {
        verdict->source = SOURCE_CACHE;
    }
}

/* Whether the task is among the part that the version decides. The same texts are, wherever they are judged. */
static bool tries(const struct judge *judge, const struct message_task *task, uint64_t version, double part)
{
    struct bytes rest = task->segments;
    struct segment segment;
    uint64_t decision = 0;

    while (message_next_segment(&rest, &segment) == STATUS_OK) {
        decision = share_of(rules_share(judge->rules), decision, segment.text);
    }
    return share_tries(decision, version, part);
}

/* The live version, or the one on trial. Its version; 0 = no model. STATUS_AGAIN: that is chosen by the texts, of which some were
 * left out. */
static enum status choose_model(struct judge *judge, const struct message_task *task, struct hearing *hearing,
                                uint64_t *out_version)
{
    const struct bench *bench = hearing->bench;
    double part = hearing->profile->training.canary;
    const struct model *trial = NULL;
    uint64_t version = 0;

    if (hearing->profile->model_kind == MODEL_KIND_NONE) {
        live_view_refresh(judge->view);
        *out_version = 0;
        return STATUS_OK;
    }
    live_view_use(judge->view, bench->number);
    if (part > 0) {
        live_view_await(judge->view, bench->trial);
        trial = live_view_model(judge->view, bench->trial, &version);
    }
    if (trial != NULL && task->left_out_count > 0) {
        return STATUS_AGAIN;
    }
    if (trial != NULL && tries(judge, task, version, part)) {
        live_view_use(judge->view, bench->trial);
        hearing->model = live_view_model(judge->view, bench->trial, &version);
    }
    if (hearing->model == NULL) {
        hearing->model = live_view_model(judge->view, bench->number, &version);
    }
    *out_version = version;
    return STATUS_OK;
}

enum status judge_task(struct judge *judge, const struct message_task *task, struct message_verdict *out)
{
    struct message_verdict verdict = {.nonce = task->head.nonce, .sequence = task->head.sequence, .score = NAN};
    struct hearing hearing = {.find = LADDER_NO_MODEL, .now_ms = clock_ms(), .wall_us = clock_wall_us()};
    uint64_t model_version;
    size_t index = 0;
    enum status status;

    hearing.profile = judge_profile(judge, task->profile, &index);
    if (hearing.profile == NULL) {
        return STATUS_NOT_FOUND;
    }
    hearing.bench = &judge->benches[index];
    hearing.keywords = rules_keywords(judge->rules)[index];
    hearing.draw_rate = ladder_has_review(hearing.profile) ? hearing.profile->review.sample_rate : 0;
    status = choose_model(judge, task, &hearing, &model_version);
    if (status != STATUS_OK) {
        return status;
    }
    for (int kind = 0; kind < RECENT_KINDS; kind++) {
        hearing.bench->bases[kind].model_version = model_version;
    }
    hearing.bench->bases[RECENT_REVIEWED].labels_version = recent_labels_version(judge->recent, hearing.bench->number);
    status = hear_all(judge, &hearing, task->segments);
    if (status != STATUS_OK) {
        return status;
    }
    verdict.model_version = hearing.find == LADDER_NO_TEXT || hearing.find == LADDER_KEYWORD ? 0 : model_version;
    decide(judge, &hearing, &verdict);
    *out = verdict;
    return STATUS_OK;
}
