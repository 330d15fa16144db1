/* review: one poll over slots and HTTP calls; a task becomes a call, an ended call becomes a verdict and labels. */
#include "moderator/review.h"

#include "moderator/review_answer.h"
#include "moderator/review_call.h"
#include "moderator/review_profile.h"
#include "moderator/review_request.h"
#include "moderator/worker_slots.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HTTP_OK = 200, SLOT_ITEMS = 2 };

/* What a slot's call is about; a slot's number is the place of its call. */
struct job {
    const struct review_profile *profile; /* of the slot that has the task */
    struct message_task task;             /* lent by the slot while it is WORKING */
    uint64_t started_us;
    bool running;
};

struct review {
    struct review_parts parts;
    struct review_profile *profiles; /* as settings.profiles */
    struct lookup_watch *watch;
    struct addresses gateways;
    size_t want_count;
    struct slot_want *wants;                      /* one a profile that has a review */
    const struct review_profile **want_profiles; /* of each want */
    struct worker_slots set;
    struct job *jobs; /* one a place of the set */
    struct review_calls *calls;
    zmq_pollitem_t *items; /* [0] = stop, [1] = watch, then the slots, then the sockets of the calls */
    struct series *seconds;
    int stop; /* eventfd: readable from review_leave on */
    pthread_t thread;
    bool started;
};

bool review_wanted(const struct settings *settings)
{
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (settings->profiles[index].review.url[0] != '\0') {
            return true;
        }
    }
    return false;
}

/* Labels of an answer that says for certain which texts it is about. What cannot be kept is counted by history. */
static void keep_labels(struct review *review, const struct job *job, const struct review_answer *answer)
{
    struct history_label label = {
        .profile = (size_t)(job->profile - review->profiles),
        .violation = answer->violation,
        .drawn = job->task.head.drawn,
        .category = bytes_of(answer->category),
    };
    struct bytes rest = job->task.segments;
    struct segment segment;

    if (review->parts.history == NULL || (answer->violation && job->task.segment_count != 1)) {
        return;
    }
    while (message_next_segment(&rest, &segment) == STATUS_OK) {
        label.text = segment.text;
        if (history_keep(review->parts.history, &label) != STATUS_OK) {
            return;
        }
    }
}

static void answer_slot(struct review *review, size_t place, enum review_result result, const struct review_answer *answer)
{
    struct job *job = &review->jobs[place];
    uint64_t took_us = clock_us() - job->started_us;
    struct message_verdict verdict = {
        .nonce = job->task.head.nonce,
        .sequence = job->task.head.sequence,
        .outcome = OUTCOME_UNSURE,
        .fallback = OUTCOME_BLOCK, /* nobody looks at it: the first verdict's counts */
        .drawn = job->task.head.drawn,
        .source = SOURCE_UNDECIDED,
        .score = job->task.head.score,
        .model_version = job->task.head.model_version,
        .worker_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX,
        .unsure = BYTES("\x01"), /* as one is named; the gateway knows which it asked about */
    };

    if (answer != NULL) {
        verdict.outcome = answer->violation ? OUTCOME_BLOCK : OUTCOME_ALLOW;
        verdict.fallback = OUTCOME_ALLOW;
        verdict.drawn = DRAWN_UNSURE;
        verdict.source = SOURCE_REVIEW;
        verdict.category = bytes_of(answer->category);
        verdict.unsure = BYTES("");
    }
    series_add(job->profile->results[result], 1);
    series_observe(review->seconds, (double)took_us / 1e6);
    job->running = false;
    slot_verdict(&review->set.slots[place], clock_ms(), &verdict);
}

/* What an ended call says; a failure is told, with numbers only. */
static enum review_result read_result(struct review *review, size_t place, struct review_answer *out)
{
    const char *name = review->jobs[place].profile->settings->name;
    enum review_result result = REVIEW_FAILED;
    unsigned http_status = 0;
    struct bytes body = {NULL, 0};
    enum status status = review_call_result(review->calls, place, &http_status, &body);

    if (status == STATUS_TIMEOUT) {
        result = REVIEW_TIMEOUT;
    } else if (status == STATUS_OK && http_status != HTTP_OK) {
        result = REVIEW_HTTP_ERROR;
    } else if (status == STATUS_OK) {
        status = review_answer_read(body, out);
        if (status == STATUS_OK) {
            return out->violation ? REVIEW_BLOCK : REVIEW_ALLOW;
        }
        result = REVIEW_NO_VERDICT;
    }
    log_event_limited(LOG_WARN, "review_failed", LOG_TEXT("profile", name), LOG_TEXT("result", review_result_name(result)),
                      LOG_STATUS("status", status), LOG_NUMBER("http_status", http_status), LOG_NUMBER("bytes", body.count));
    return result;
}

static void finish(struct review *review, size_t place)
{
    struct review_answer answer = {0};
    enum review_result result = read_result(review, place, &answer);
    bool verdict = result == REVIEW_ALLOW || result == REVIEW_BLOCK;

    review_call_end(review->calls, place);
    if (verdict) {
        keep_labels(review, &review->jobs[place], &answer);
    }
    answer_slot(review, place, result, verdict ? &answer : NULL);
}

/* The call for a task that was just taken. */
static enum review_result begin(struct review *review, size_t place)
{
    struct job *job = &review->jobs[place];
    const struct review_settings *settings = &job->profile->settings->review;
    uint64_t timeout_ms = settings->timeout_ms < job->task.head.remaining_ms ? settings->timeout_ms : job->task.head.remaining_ms;
    struct buffer body;
    enum status status;

    buffer_init(&body, REVIEW_REQUEST_BYTES_MAX);
    status = review_request_write(settings->models[0], job->profile->policy, &job->task, &body);
    if (status == STATUS_OK) {
        status = review_call_start(review->calls, place, job->profile->target, &body, timeout_ms);
    }
    buffer_free(&body);
    if (status == STATUS_OK) {
        job->running = true;
        return REVIEW_ALLOW; /* not yet known; anything but a failure */
    }
    return status == STATUS_TOO_LARGE ? REVIEW_TOO_LARGE : REVIEW_FAILED;
}

static void take(struct review *review, size_t place)
{
    struct slot *slot = &review->set.slots[place];
    struct job *job = &review->jobs[place];
    enum review_result result;

    if (slot_take(slot, clock_ms(), &job->task) != STATUS_OK) {
        return;
    }
    job->profile = review->want_profiles[review->set.places[place].want];
    job->started_us = clock_us();
    if (!bytes_equal(job->task.profile, slot->ready.profile)) {
        slot_busy(slot, clock_ms(), &job->task.head, BUSY_UNKNOWN_PROFILE);
    } else if (job->task.head.remaining_ms == 0) {
        slot_busy(slot, clock_ms(), &job->task.head, BUSY_EXPIRED);
    } else {
        result = begin(review, place);
        if (!job->running) {
            answer_slot(review, place, result, NULL);
        }
    }
}

static void turn(struct review *review, uint64_t until_ms)
{
    uint64_t now_ms = clock_ms();
    uint64_t due_ms = worker_slots_turn(&review->set, now_ms);
    zmq_pollitem_t *sockets = review->items + SLOT_ITEMS + review->set.count;
    size_t socket_count = review_calls_poll(review->calls, sockets);
    size_t place;

    due_ms = until_ms < due_ms ? until_ms : due_ms;
    due_ms = review_calls_due_ms(review->calls) < due_ms ? review_calls_due_ms(review->calls) : due_ms;
    worker_slots_poll(&review->set, review->items + SLOT_ITEMS);
    if (zmq_poll(review->items, (int)(SLOT_ITEMS + review->set.count + socket_count), worker_slots_wait_ms(now_ms, due_ms)) < 0) {
        return; /* a signal */
    }
    for (size_t index = 0; index < review->set.count; index++) {
        if ((review->items[SLOT_ITEMS + index].revents & ZMQ_POLLIN) != 0) {
            take(review, index);
        } else if ((review->items[SLOT_ITEMS + index].revents & ZMQ_POLLOUT) != 0) {
            slot_join(&review->set.slots[index], clock_ms());
        }
    }
    review_calls_turn(review->calls, sockets, socket_count);
    while (review_calls_next(review->calls, &place)) {
        finish(review, place);
    }
}

static bool any_running(const struct review *review)
{
    for (size_t place = 0; place < review->set.count; place++) {
        if (review->jobs[place].running) {
            return true;
        }
    }
    return false;
}

static void leave(struct review *review)
{
    uint64_t drained_ms = clock_ms() + REVIEW_DRAIN_MS;
    uint64_t until_ms = clock_ms() + SLOT_LEAVE_MS;

    review->items[0].fd = review->items[1].fd = -1;
    worker_slots_leave(&review->set);
    while (!worker_slots_gone(&review->set) && clock_ms() < until_ms) {
        turn(review, until_ms);
        if (any_running(review)) {
            until_ms = clock_ms() + SLOT_LEAVE_MS; /* its slot still has a BYE to say afterwards */
        }
        until_ms = until_ms < drained_ms ? until_ms : drained_ms;
    }
    (void)zmq_poll(NULL, 0, SLOT_FLUSH_MS);
}

static void *run(void *context)
{
    struct review *review = context;

    while ((review->items[0].revents & ZMQ_POLLIN) == 0) {
        if (lookup_watch_read(review->watch, &review->gateways) || review->set.wanting) {
            worker_slots_follow(&review->set, &review->gateways, clock_ms());
        }
        turn(review, UINT64_MAX);
    }
    leave(review);
    worker_slots_close(&review->set); /* a socket is closed by the thread that used it */
    return NULL;
}

static void add_want(struct review *review, const struct review_profile *profile)
{
    review->want_profiles[review->want_count] = profile;
    review->wants[review->want_count++] = (struct slot_want){
        .ready = {.worker = review->parts.identity,
                  .kind = SLOT_REVIEW,
                  .profile = bytes_of(profile->settings->name),
                  .text_bytes_max = review->parts.settings->gateway.limits.moderated_text_bytes},
        .count = profile->settings->review.concurrency,
    };
}

static enum status open_profiles(struct review *review, FILE *errors)
{
    const struct settings *settings = review->parts.settings;
    enum status first = STATUS_OK;

    for (size_t index = 0; index < settings->profile_count; index++) {
        enum status status;

        if (settings->profiles[index].review.url[0] == '\0') {
            continue;
        }
        status = review_profile_open(&review->profiles[index], &settings->profiles[index], review->parts.metrics, errors);
        if (status == STATUS_OK) {
            add_want(review, &review->profiles[index]);
        }
        first = first == STATUS_OK ? status : first;
    }
    return first;
}

static enum status prepare(struct review *review, FILE *errors)
{
    const struct settings *settings = review->parts.settings;
    size_t room;
    enum status status;

    review->profiles = calloc(settings->profile_count, sizeof *review->profiles);
    review->wants = calloc(settings->profile_count, sizeof *review->wants);
    review->want_profiles = calloc(settings->profile_count, sizeof *review->want_profiles);
    if (review->profiles == NULL || review->wants == NULL || review->want_profiles == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = open_profiles(review, errors);
    if (status != STATUS_OK) {
        return status;
    }
    room = worker_slots_room(review->wants, review->want_count);
    review->jobs = calloc(room, sizeof *review->jobs);
    if (review->jobs == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = worker_slots_open(&review->set, review->wants, review->want_count, SLOT_REVIEW, review->parts.security,
                               review->parts.metrics);
    if (status == STATUS_OK) {
        status = review_calls_open(&review->calls, room);
    }
    if (status == STATUS_OK) {
        status = lookup_watch_open(&review->watch, review->parts.gateways);
    }
    if (status != STATUS_OK) {
        return status;
    }
    review->items = calloc(SLOT_ITEMS + room + review_calls_items_max(review->calls), sizeof *review->items);
    review->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (review->items == NULL || review->stop < 0) {
        return review->items == NULL ? STATUS_NO_MEMORY : STATUS_UNAVAILABLE;
    }
    review->items[0] = (zmq_pollitem_t){.fd = review->stop, .events = ZMQ_POLLIN};
    review->items[1] = (zmq_pollitem_t){.fd = lookup_watch_fd(review->watch), .events = ZMQ_POLLIN};
    review->seconds = metrics_series(review->parts.metrics, METRIC_HISTOGRAM, "prismguard_moderator_review_seconds",
                                     "Time of a review, answered or not", NULL, 0);
    return STATUS_OK;
}

enum status review_open(struct review **out, const struct review_parts *parts, FILE *errors)
{
    struct review *review = calloc(1, sizeof *review);
    enum status status;

    assert(out != NULL && review_wanted(parts->settings));
    if (review == NULL) {
        return STATUS_NO_MEMORY;
    }
    review->parts = *parts;
    review->stop = -1;
    status = prepare(review, errors);
    if (status == STATUS_OK) {
        review->started = pthread_create(&review->thread, NULL, run, review) == 0;
        status = review->started ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        review_close(&review);
        return status;
    }
    *out = review;
    return STATUS_OK;
}

void review_leave(struct review *review)
{
    (void)eventfd_write(review->stop, 1);
}

void review_close(struct review **review)
{
    assert(review != NULL);
    if (*review == NULL) {
        return;
    }
    if ((*review)->started) {
        review_leave(*review);
        (void)pthread_join((*review)->thread, NULL);
    }
    review_calls_close(&(*review)->calls);
    worker_slots_close(&(*review)->set);
    lookup_watch_close(&(*review)->watch);
    for (size_t index = 0; (*review)->profiles != NULL && index < (*review)->parts.settings->profile_count; index++) {
        review_profile_close(&(*review)->profiles[index]);
    }
    if ((*review)->stop >= 0) {
        (void)close((*review)->stop);
    }
    free((*review)->profiles);
    free((*review)->wants);
    free((*review)->want_profiles);
    free((*review)->jobs);
    free((*review)->items);
    free(*review);
    *review = NULL;
}
