/* review_models: a circuit breaker for each model, and the choice among those that let calls through. */
#include "moderator/review_models.h"

#include "proto/backoff.h"

#include <assert.h>

_Static_assert(MODELS_MAX <= 32, "a bit each");

void review_models_init(struct review_models *models, size_t count)
{
    assert(count >= 1 && count <= MODELS_MAX);
    *models = (struct review_models){.count = count};
}

static bool lets_through(const struct review_model *model, uint64_t now_ms)
{
    return model->circuit == CIRCUIT_CLOSED || (model->circuit == CIRCUIT_OPEN && now_ms >= model->due_ms);
}

enum status review_models_pick(struct review_models *models, uint32_t tried, uint64_t random, uint64_t now_ms, size_t *out_model,
                               uint64_t *out_at_ms)
{
    size_t found[2][MODELS_MAX]; /* untried, tried */
    size_t counts[2] = {0, 0};
    uint64_t rests_ms = UINT64_MAX;
    size_t which;

    for (size_t index = 0; index < models->count; index++) {
        const struct review_model *model = &models->at[index];

        which = tried >> index & 1;
        if (!lets_through(model, now_ms)) {
            continue;
        }
        if (now_ms < model->rests_ms) {
            rests_ms = model->rests_ms < rests_ms ? model->rests_ms : rests_ms;
            continue;
        }
        found[which][counts[which]++] = index;
    }
    which = counts[0] > 0 ? 0 : 1;
    if (counts[which] == 0) {
        *out_at_ms = rests_ms;
        return rests_ms == UINT64_MAX ? STATUS_UNAVAILABLE : STATUS_AGAIN;
    }
    *out_model = found[which][random % counts[which]];
    if (models->at[*out_model].circuit == CIRCUIT_OPEN) {
        models->at[*out_model].circuit = CIRCUIT_PROBING;
    }
    return STATUS_OK;
}

static void open_circuit(struct review_model *model, uint64_t now_ms)
{
    model->circuit = CIRCUIT_OPEN;
    model->due_ms = now_ms + backoff_ms(model->opened_count, REVIEW_OPEN_MS, REVIEW_OPEN_MAX_MS);
    model->opened_count++;
}

/* The oldest of the ring is the first of as many failures in a row as open the circuit, once there were so many. */
static bool failed_too_often(struct review_model *model, uint64_t now_ms)
{
    uint64_t oldest_ms;

    model->failed_ms[model->failed_next] = now_ms;
    model->failed_next = (model->failed_next + 1) % REVIEW_CIRCUIT_FAILURES;
    oldest_ms = model->failed_ms[model->failed_next];
    return oldest_ms != 0 && now_ms - oldest_ms <= REVIEW_CIRCUIT_MS;
}

bool review_models_ended(struct review_models *models, size_t at, enum review_call_end end, uint64_t pause_ms, uint64_t now_ms)
{
    struct review_model *model = &models->at[at];

    assert(at < models->count);
    pause_ms = pause_ms < REVIEW_REST_MAX_MS ? pause_ms : REVIEW_REST_MAX_MS;
    if (pause_ms > 0 && now_ms + pause_ms > model->rests_ms) {
        model->rests_ms = now_ms + pause_ms;
    }
    if (end == CALL_ABANDONED) {
        /* Due as it was: the next one probes. */
        model->circuit = model->circuit == CIRCUIT_PROBING ? CIRCUIT_OPEN : model->circuit;
        return false;
    }
    if (end == CALL_ANSWERED) {
        bool was_open = model->circuit != CIRCUIT_CLOSED;
        uint64_t rests_ms = model->rests_ms;

        *model = (struct review_model){.rests_ms = rests_ms};
        return was_open;
    }
    switch (model->circuit) {
    case CIRCUIT_PROBING:
        open_circuit(model, now_ms);
        return false;
    case CIRCUIT_CLOSED:
        if (!failed_too_often(model, now_ms)) {
            return false;
        }
        open_circuit(model, now_ms);
        return true;
    case CIRCUIT_OPEN: /* a call that began before it opened */
        break;
    }
    return false;
}

size_t review_models_open_count(const struct review_models *models)
{
    size_t count = 0;

    for (size_t index = 0; index < models->count; index++) {
        count += models->at[index].circuit != CIRCUIT_CLOSED;
    }
    return count;
}

bool review_models_blames(unsigned http_status)
{
    enum { UNAUTHORIZED = 401, REQUEST_TIMEOUT = 408, TOO_MANY_REQUESTS = 429, SERVER_ERRORS = 500 };

    return http_status == UNAUTHORIZED || http_status == REQUEST_TIMEOUT || http_status == TOO_MANY_REQUESTS ||
           http_status >= SERVER_ERRORS;
}
