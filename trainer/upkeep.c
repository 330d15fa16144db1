/* upkeep: a walk through the profiles, a batch at a time. */
#include "trainer/upkeep.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <stdlib.h>

enum { LABELS = 2, PAGE = 64 };

enum reason { TOO_OLD, TOO_MANY, REASONS };

struct upkeep {
    const struct settings *settings;
    struct bytes *names; /* of its profiles */
    struct series *deleted[REASONS];
    uint64_t next_round_ms;
    int64_t last_id; /* of the page before */
    struct store_profile page[PAGE];
    size_t page_count;
    size_t page_at;
};

static void begin_round(struct upkeep *upkeep)
{
    upkeep->last_id = 0;
    upkeep->page_count = 0;
    upkeep->page_at = 0;
}

void upkeep_use(struct upkeep *upkeep, const struct settings *settings)
{
    assert(settings->profile_count <= PROFILES_MAX);
    upkeep->settings = settings;
    upkeep->next_round_ms = 0;
    for (size_t index = 0; index < settings->profile_count; index++) {
        upkeep->names[index] = bytes_of(settings->profiles[index].name);
    }
    begin_round(upkeep);
}

enum status upkeep_open(struct upkeep **out, const struct settings *settings, struct metrics *metrics)
{
    static const char *const reasons[REASONS] = {"retention", "keep_samples"};
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);

    if (upkeep == NULL) {
        return STATUS_NO_MEMORY;
    }
    upkeep->names = calloc(PROFILES_MAX, sizeof *upkeep->names);
    if (upkeep->names == NULL) {
        upkeep_close(&upkeep);
        return STATUS_NO_MEMORY;
    }
    for (int reason = 0; reason < REASONS; reason++) {
        upkeep->deleted[reason] =
            metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_samples_deleted_total", "Samples deleted, by reason.",
                           &(struct metric_label){"reason", reasons[reason]}, 1);
    }
    upkeep_use(upkeep, settings);
    *out = upkeep;
    return STATUS_OK;
}

void upkeep_close(struct upkeep **upkeep)
{
    if (*upkeep != NULL) {
        free((*upkeep)->names);
        free(*upkeep);
        *upkeep = NULL;
    }
}

/* The label to take from, and how many rows, so that `keep` are left; 0 = enough is gone. */
static int64_t choose_excess(const int64_t count[LABELS], int64_t keep, int *out_label)
{
    int larger = count[1] > count[0] ? 1 : 0;
    int64_t excess = count[0] + count[1] - keep;
    int64_t lead = count[larger] - count[1 - larger];

    *out_label = larger;
    if (excess <= 0) {
        return 0;
    }
    /* Down to the other label's number first; from there on the two take turns, a row at a time or half of what is left. */
    return lead > 0 && lead < excess ? lead : lead >= excess ? excess : (excess + 1) / 2;
}

static enum status prune(struct store *store, int64_t epoch, int64_t profile_id, int64_t keep, int64_t *out_deleted)
{
    int64_t count[LABELS] = {0, 0};
    struct store_place place = {.profile_id = profile_id};
    enum status status = STATUS_OK;
    int64_t rows;

    /* Counted up to what makes a difference: the work does not follow the table. */
    for (place.label = 0; place.label < LABELS && status == STATUS_OK; place.label++) {
        status = store_count(store, place, keep + SAMPLE_BATCH_MAX, &count[place.label]);
    }
    if (status != STATUS_OK) {
        return status;
    }
    rows = choose_excess(count, keep, &place.label);
    *out_deleted = 0;
    return rows == 0 ? STATUS_OK : store_prune(store, epoch, place, rows, out_deleted);
}

/* One batch of one profile. *out_deleted is 0 when there is nothing left to do for it. */
static enum status tidy(struct upkeep *upkeep, struct store *store, int64_t epoch, const struct store_profile *at,
                        int64_t *out_deleted)
{
    const struct profile_settings *profile = at->is_known ? &upkeep->settings->profiles[at->name] : NULL;
    int64_t age_ms = profile == NULL ? (int64_t)UPKEEP_RETENTION_S * 1000 : (int64_t)profile->retention_ms;
    enum status status = store_expire(store, epoch, at->profile_id, age_ms, out_deleted);

    if (status == STATUS_OK) {
        series_add(upkeep->deleted[TOO_OLD], *out_deleted);
    }
    if (status != STATUS_OK || *out_deleted > 0 || profile == NULL) {
        return status;
    }
    status = prune(store, epoch, at->profile_id, (int64_t)profile->training.keep_samples, out_deleted);
    if (status == STATUS_OK) {
        series_add(upkeep->deleted[TOO_MANY], *out_deleted);
    }
    return status;
}

/* page_count is 0 at the end of the round. */
static enum status next_page(struct upkeep *upkeep, struct store *store)
{
    upkeep->page_at = 0;
    upkeep->page_count = 0;
    return store_list_profiles(store, upkeep->names, upkeep->settings->profile_count, upkeep->last_id, upkeep->page, PAGE,
                               &upkeep->page_count);
}

enum status upkeep_turn(struct upkeep *upkeep, struct store *store, int64_t epoch)
{
    uint64_t began_ms = clock_ms();

    if (began_ms < upkeep->next_round_ms) {
        return STATUS_OK;
    }
    while (clock_ms() - began_ms < UPKEEP_TURN_MS) {
        int64_t deleted = 0;
        enum status status = upkeep->page_at < upkeep->page_count ? STATUS_OK : next_page(upkeep, store);

        if (status == STATUS_OK && upkeep->page_count == 0) {
            begin_round(upkeep);
            upkeep->next_round_ms = clock_ms() + UPKEEP_EVERY_MS;
            return STATUS_OK;
        }
        if (status == STATUS_OK) {
            status = tidy(upkeep, store, epoch, &upkeep->page[upkeep->page_at], &deleted);
        }
        if (status == STATUS_TIMEOUT && store_alive(store)) {
            break; /* somebody labels these texts right now */
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (deleted == 0) {
            upkeep->last_id = upkeep->page[upkeep->page_at++].profile_id;
        }
    }
    return STATUS_OK;
}
