/* review: one poll over slots and HTTP calls; a task joins a flight, whose verdict answers all that joined it. */
#include "moderator/review.h"

#include "moderator/review_call.h"
#include "moderator/review_flights.h"
#include "moderator/review_profile.h"
#include "moderator/worker_slots.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { OWN_ITEMS = 4 };

/* What a slot's task is about. */
struct job {
    struct review_profile *profile; /* of the slot that has the task */
    struct message_task task;       /* lent by the slot while it is WORKING */
    uint64_t started_us;
    uint64_t due_ms; /* when it is given up; UINT64_MAX: there is none */
    size_t flight;
};

struct review {
    struct review_parts parts;
    const struct settings *settings;
    struct review_profile *profiles; /* as settings.profiles */
    struct lookup_watch *watch;
    struct addresses gateways;
    size_t want_count;
    struct slot_want *wants;                      /* one a profile that has a review */
    struct review_profile **want_profiles; /* of each want */
    struct worker_slots set;
    struct job *jobs; /* one a place of the set */
    struct review_flights *flights;
    zmq_pollitem_t *items; /* [0] = stop, [1] = watch, [2] = look-ups, [3] = slots, then the sockets of the calls */
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

static uint64_t earlier(uint64_t left_ms, uint64_t right_ms)
{
    return left_ms < right_ms ? left_ms : right_ms;
}

/* `decided` is NULL without a verdict. */
static void answer_slot(struct review *review, size_t place, enum review_result result, const struct review_verdict *decided)
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

    if (decided != NULL) {
        verdict.outcome = decided->answer.violation ? OUTCOME_BLOCK : OUTCOME_ALLOW;
        verdict.fallback = OUTCOME_ALLOW;
        verdict.drawn = DRAWN_UNSURE;
        verdict.source = decided->source;
        verdict.category = bytes_of(decided->answer.category);
        verdict.unsure = BYTES("");
    }
    series_add(job->profile->results[result], 1);
    series_observe(review->seconds, (double)took_us / 1e6);
    job->due_ms = UINT64_MAX;
    slot_verdict(&review->set.slots[place], clock_ms(), &verdict);
}

static bool is_running(const struct job *job)
{
    return job->due_ms != UINT64_MAX;
}

/* What the flight found, to every task that waits for it. */
static void finish(struct review *review, size_t flight, const struct review_verdict *verdict)
{
    for (size_t place = 0; place < review->set.count; place++) {
        if (is_running(&review->jobs[place]) && review->jobs[place].flight == flight) {
            answer_slot(review, place, verdict->result, verdict->decided ? verdict : NULL);
        }
    }
    review_flights_end(review->flights, flight);
}

/* The task's time is over, whatever others still wait for. */
static void give_up(struct review *review, size_t place)
{
    const struct message_task *heir = NULL;
    struct job *job = &review->jobs[place];

    answer_slot(review, place, REVIEW_TIMEOUT, NULL);
    for (size_t other = 0; heir == NULL && other < review->set.count; other++) {
        if (is_running(&review->jobs[other]) && review->jobs[other].flight == job->flight) {
            heir = &review->jobs[other].task;
        }
    }
    review_flights_leave(review->flights, job->flight, heir);
}

/* Joins a flight. It ends early enough for the answer to reach the gateway in time; what it was late with is given up between. */
static void begin(struct review *review, size_t place)
{
    struct job *job = &review->jobs[place];
    uint64_t left_ms = job->task.head.remaining_ms;
    uint64_t margin_ms = earlier(left_ms / 10, REVIEW_MARGIN_MS);
    uint64_t deadline_ms = clock_ms() + left_ms - margin_ms;

    job->due_ms = deadline_ms + margin_ms / 2;
    job->flight = review_flights_join(review->flights, job->profile, &job->task, deadline_ms);
}

static void take(struct review *review, size_t place)
{
    struct slot *slot = &review->set.slots[place];
    struct job *job = &review->jobs[place];

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
        begin(review, place);
    }
}

static uint64_t jobs_due_ms(const struct review *review)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t place = 0; place < review->set.count; place++) {
        due_ms = earlier(due_ms, review->jobs[place].due_ms);
    }
    return due_ms;
}

/* What calls, look-ups and time have brought. */
static void settle(struct review *review)
{
    struct review_verdict verdict;
    uint64_t now_ms = clock_ms();
    size_t flight;

    review_flights_turn(review->flights);
    while (review_flights_next(review->flights, &flight, &verdict)) {
        finish(review, flight, &verdict);
    }
    for (size_t place = 0; place < review->set.count; place++) {
        if (now_ms >= review->jobs[place].due_ms) {
            give_up(review, place);
        }
    }
}

static void turn(struct review *review, uint64_t until_ms)
{
    struct review_calls *calls = review_flights_calls(review->flights);
    uint64_t now_ms = clock_ms();
    uint64_t due_ms = worker_slots_turn(&review->set, now_ms);
    zmq_pollitem_t *sockets = review->items + OWN_ITEMS;
    size_t socket_count = review_calls_poll(calls, sockets);

    due_ms = earlier(earlier(due_ms, until_ms), earlier(review_calls_due_ms(calls), review_flights_due_ms(review->flights)));
    due_ms = earlier(due_ms, worker_slots_ready(&review->set) ? now_ms : jobs_due_ms(review));
    if (zmq_poll(review->items, (int)(OWN_ITEMS + socket_count), worker_slots_wait_ms(now_ms, due_ms)) < 0) {
        return; /* a signal */
    }
    (void)worker_slots_wait(&review->set, 0);
    for (size_t index = 0; index < review->set.count; index++) {
        if (slot_has_input(&review->set.slots[index])) {
            take(review, index);
        } else if (slot_may_join(&review->set.slots[index])) {
            slot_join(&review->set.slots[index], clock_ms());
        }
    }
    review_calls_turn(calls, sockets, socket_count);
    settle(review);
}

static bool any_running(const struct review *review)
{
    for (size_t place = 0; place < review->set.count; place++) {
        if (is_running(&review->jobs[place])) {
            return true;
        }
    }
    return false;
}

/* What is still under way is another moderator's. */
static void pass_on(struct review *review)
{
    for (size_t place = 0; place < review->set.count; place++) {
        if (is_running(&review->jobs[place])) {
            review->jobs[place].due_ms = UINT64_MAX;
            slot_bye(&review->set.slots[place], clock_ms());
        }
    }
}

static void leave(struct review *review)
{
    uint64_t drained_ms = clock_ms() + REVIEW_DRAIN_MS;
    uint64_t until_ms = clock_ms() + SLOT_LEAVE_MS;

    review->items[0].fd = review->items[1].fd = -1;
    worker_slots_leave(&review->set);
    while (!worker_slots_gone(&review->set) && clock_ms() < until_ms) {
        turn(review, until_ms);
        if (any_running(review) && clock_ms() < drained_ms) {
            until_ms = clock_ms() + SLOT_LEAVE_MS; /* its slot still has a BYE to say afterwards */
        }
    }
    pass_on(review);
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

static void add_want(struct review *review, struct review_profile *profile)
{
    review->want_profiles[review->want_count] = profile;
    review->wants[review->want_count++] = (struct slot_want){
        .ready = {.worker = review->parts.identity,
                  .kind = SLOT_REVIEW,
                  .profile = bytes_of(profile->settings->name),
                  .text_bytes_max = review->settings->gateway.limits.moderated_text_bytes},
        .count = profile->settings->review.concurrency,
    };
}

static enum status open_profiles(struct review *review, FILE *errors)
{
    const struct settings *settings = review->settings;
    enum status first = STATUS_OK;

    for (size_t index = 0; index < settings->profile_count; index++) {
        enum status status;

        if (settings->profiles[index].review.url[0] == '\0') {
            continue;
        }
        status = review_profile_open(&review->profiles[index], &settings->profiles[index],
                                     &settings->gateway.allow_private_upstreams, review->parts.metrics, errors);
        if (status == STATUS_OK && review->parts.recent != NULL) {
            status = recent_basis_of(review->parts.recent, review->parts.rules, index, RECENT_REVIEWED,
                                     &review->profiles[index].basis);
        }
        if (status == STATUS_OK) {
            add_want(review, &review->profiles[index]);
        }
        first = first == STATUS_OK ? status : first;
    }
    return first;
}

static enum status prepare(struct review *review, FILE *errors)
{
    const struct settings *settings = review->settings;
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
    for (size_t place = 0; place < room; place++) {
        review->jobs[place].due_ms = UINT64_MAX;
    }
    status = worker_slots_open(&review->set, review->wants, review->want_count, SLOT_REVIEW, review->parts.security,
                               review->parts.metrics);
    if (status == STATUS_OK) {
        const struct review_flights_parts flights = {settings, review->profiles, review->parts.history,
                                                     review->parts.recent, room};

        status = review_flights_open(&review->flights, &flights);
    }
    if (status == STATUS_OK) {
        status = lookup_watch_open(&review->watch, review->parts.gateways);
    }
    if (status != STATUS_OK) {
        return status;
    }
    review->items = calloc(OWN_ITEMS + review_calls_items_max(review_flights_calls(review->flights)), sizeof *review->items);
    review->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (review->items == NULL || review->stop < 0) {
        return review->items == NULL ? STATUS_NO_MEMORY : STATUS_UNAVAILABLE;
    }
    review->items[0] = (zmq_pollitem_t){.fd = review->stop, .events = ZMQ_POLLIN};
    review->items[1] = (zmq_pollitem_t){.fd = lookup_watch_fd(review->watch), .events = ZMQ_POLLIN};
    review->items[2] = (zmq_pollitem_t){.fd = review_flights_lookup_fd(review->flights), .events = ZMQ_POLLIN};
    review->items[3] = (zmq_pollitem_t){.fd = review->set.bell, .events = ZMQ_POLLIN};
    review->seconds = metrics_series(review->parts.metrics, METRIC_HISTOGRAM, "prismguard_moderator_review_seconds",
                                     "Time of a review, answered or not", NULL, 0);
    return STATUS_OK;
}

enum status review_open(struct review **out, const struct review_parts *parts, FILE *errors)
{
    struct review *review = calloc(1, sizeof *review);
    enum status status;

    assert(out != NULL && review_wanted(rules_settings(parts->rules)));
    if (review == NULL) {
        return STATUS_NO_MEMORY;
    }
    review->parts = *parts;
    review->settings = rules_settings(parts->rules);
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
    review_flights_close(&(*review)->flights);
    worker_slots_close(&(*review)->set);
    lookup_watch_close(&(*review)->watch);
    for (size_t index = 0; (*review)->profiles != NULL && index < (*review)->settings->profile_count; index++) {
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
