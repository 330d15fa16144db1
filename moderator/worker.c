/* worker: polls the local slots of each thread, judges their tasks and counts what came of them. */
#include "moderator/worker.h"

#include "moderator/outfit.h"
#include "moderator/worker_slots.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { REASONS = BUSY_LATER + 1 };

enum other { OTHER_STOP, OTHER_WATCH }; /* what ends a wait beside the slots */

/* A long task that waits until the one before it is judged; its slot lends its views. */
struct held {
    struct slot *slot;
    struct message_task task;
    uint64_t seen_ms;
};

struct thread {
    struct worker *worker;
    pthread_t handle;
    bool started;
    struct outfit *outfit;
    _Atomic(struct outfit *) next; /* to be used from the next task on */
    struct lookup_watch *watch;
    struct addresses gateways;
    struct slot_want want;
    struct worker_slots set;
    bool has_long; /* one is being judged */
    uint64_t looked_us; /* at the other slots, while it is */
    uint64_t give_up_ms; /* when nobody waits for it any more */
    struct held *held; /* as many as there are slots, the first one is next */
    size_t held_count;
};

struct worker {
    struct worker_parts parts;
    int stop; /* eventfd: readable from worker_leave on */
    _Atomic uint64_t heard_ms;
    struct series *judge_seconds;
    struct series *tasks_refused[REASONS]; /* by enum busy_reason */
    struct series *judged_between;
    struct series *given_up;
    size_t thread_count;
    struct thread threads[];
};

uint64_t worker_heard_ms(const struct worker *worker)
{
    return atomic_load_explicit(&worker->heard_ms, memory_order_relaxed);
}

/* Between two tasks. */
static void change_outfit(struct thread *thread)
{
    struct outfit *next = atomic_exchange_explicit(&thread->next, NULL, memory_order_acq_rel);

    if (next != NULL) {
        outfit_close(thread->outfit);
        thread->outfit = next;
    }
}

static void count_refusal(struct thread *thread, const struct message_task *task, enum busy_reason reason)
{
    bool is_usual = reason == BUSY_UNKNOWN_TEXT || reason == BUSY_LATER;

    series_add(thread->worker->tasks_refused[reason], 1);
    log_event_limited_each(reason, REASONS, is_usual ? LOG_DEBUG : LOG_WARN, "task_refused", LOG_BYTES("profile", task->profile),
                           LOG_NUMBER("reason", reason));
}

static void refuse(struct thread *thread, struct slot *slot, const struct message_task *task, enum busy_reason reason)
{
    count_refusal(thread, task, reason);
    slot_busy(slot, clock_ms(), &task->head, reason);
}

static bool is_long(const struct message_task *task)
{
    return task->segments.count > LONG_TEXT_BYTES;
}

static enum busy_reason busy_reason_of(enum status status)
{
    switch (status) {
    case STATUS_TIMEOUT:
        return BUSY_EXPIRED;
    case STATUS_NOT_FOUND:
        return BUSY_UNKNOWN_PROFILE;
    case STATUS_AGAIN:
        return BUSY_UNKNOWN_TEXT;
    default:
        return BUSY_FAILED;
    }
}

/* BUSY_NONE: there is a verdict, and it is counted. `*now_us` is when it begins, and then when it has ended. */
static enum busy_reason judge_one(struct thread *thread, struct judge *judge, const struct message_task *task,
                                  struct message_verdict *out, uint64_t *now_us)
{
    uint64_t started_us = *now_us;
    enum status status = judge_task(judge, task, out);
    uint64_t took_us;

    *now_us = clock_us();
    took_us = *now_us - started_us;
    if (status != STATUS_OK) {
        series_add(thread->worker->given_up, status == STATUS_TIMEOUT);
        return busy_reason_of(status);
    }
    out->worker_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
    series_observe(thread->worker->judge_seconds, (double)took_us / 1e6);
    outfit_count(thread->outfit, task->profile, out);
    return BUSY_NONE;
}

/* Counted before it is answered: a failed answer closes the socket that lends the task. */
static void answer_one(struct thread *thread, struct judge *judge, struct slot *slot, const struct message_task *task)
{
    uint64_t now_us = clock_us();
    struct message_verdict verdict;
    enum busy_reason reason = judge_one(thread, judge, task, &verdict, &now_us);

    if (reason == BUSY_NONE) {
        slot_verdict(slot, now_us / 1000, &verdict);
    } else {
        refuse(thread, slot, task, reason);
    }
}

/* Of a batch, what may still be begun; the first one always is, unless its time is over. */
static enum busy_reason may_begin(const struct message_task *task, size_t index, uint64_t seen_ms, uint64_t began_us,
                                  uint64_t now_us)
{
    if (now_us / 1000 - seen_ms >= task->head.remaining_ms) {
        return BUSY_EXPIRED;
    }
    return index > 0 && now_us - began_us >= BATCH_JUDGE_US ? BUSY_LATER : BUSY_NONE;
}

/* Each answer is written at once: the next task takes the judge's views. */
static void answer_batch(struct thread *thread, struct slot *slot, const struct message_tasks *tasks, uint64_t seen_ms)
{
    struct judge *judge = thread->has_long ? thread->outfit->second : thread->outfit->judge;
    uint64_t began_us = clock_us();
    uint64_t now_us = began_us;
    REPLY_BUFFER(out);
    enum status status = message_write_verdicts(&tasks->tasks[0].head, tasks->count, &out);

    for (size_t index = 0; index < tasks->count && status == STATUS_OK; index++) {
        const struct message_task *task = &tasks->tasks[index];
        enum busy_reason reason = may_begin(task, index, seen_ms, began_us, now_us);
        struct message_verdict verdict;

        if (reason == BUSY_NONE) {
            reason = judge_one(thread, judge, task, &verdict, &now_us);
        }
        if (reason == BUSY_NONE) {
            status = message_write_verdicts_next(&verdict, &out);
        } else {
            count_refusal(thread, task, reason);
            status = message_write_verdicts_busy(reason, &out);
        }
    }
    slot_reply(slot, now_us / 1000, status, &out);
}

/* `seen_ms`: when the poll said that the task was there; it has waited at least since then, behind other tasks. */
static void judge_in_time(struct thread *thread, struct slot *slot, const struct message_task *task, uint64_t seen_ms)
{
    if (clock_ms() - seen_ms >= task->head.remaining_ms) {
        refuse(thread, slot, task, BUSY_EXPIRED);
        return;
    }
    if (thread->has_long) {
        answer_one(thread, thread->outfit->second, slot, task);
        return;
    }
    thread->has_long = is_long(task);
    thread->looked_us = thread->has_long ? clock_us() : 0;
    thread->give_up_ms = seen_ms + task->head.remaining_ms;
    answer_one(thread, thread->outfit->judge, slot, task);
    thread->has_long = false;
}

static void serve(struct thread *thread, size_t place, uint64_t seen_ms)
{
    struct slot *slot = &thread->set.slots[place];
    uint64_t now_ms = clock_ms();
    struct message_tasks tasks;
    enum status status = slot_take_tasks(slot, now_ms, &tasks);

    if (slot->heard_ms == now_ms) {
        atomic_store_explicit(&thread->worker->heard_ms, now_ms, memory_order_relaxed);
    }
    if (status == STATUS_UNSUPPORTED) {
        series_add(thread->worker->tasks_refused[BUSY_UNSUPPORTED], 1);
        log_event_limited_by(&thread->set.places[place].home->refused, LOG_WARN, "frame_refused",
                             LOG_TEXT("gateway", slot->endpoint));
    }
    if (status != STATUS_OK) {
        return;
    }
    if (tasks.is_batch) {
        series_add(thread->worker->judged_between, thread->has_long ? (int64_t)tasks.count : 0);
        answer_batch(thread, slot, &tasks, seen_ms);
        return;
    }
    if (is_long(&tasks.tasks[0]) && (thread->has_long || thread->held_count > 0)) { /* in the order in which they came */
        thread->held[thread->held_count++] = (struct held){slot, tasks.tasks[0], seen_ms};
        return;
    }
    series_add(thread->worker->judged_between, thread->has_long);
    judge_in_time(thread, slot, &tasks.tasks[0], seen_ms);
}

/* What the slots have. */
static void serve_slots(struct thread *thread)
{
    uint64_t now_ms = clock_ms();

    for (size_t index = 0; index < thread->set.count; index++) {
        struct slot *slot = &thread->set.slots[index];

        if (slot_has_input(slot)) {
            serve(thread, index, now_ms);
        } else if (slot_may_join(slot)) {
            slot_join(slot, now_ms);
        }
    }
}

/* Between two steps of a long text: short ones do not wait for it, and it ends when nobody waits for it any more. Whoever is at
 * the slots then asks each what it is now. */
static bool look_aside(void *context)
{
    struct thread *thread = context;

    if (!thread->has_long || clock_us() - thread->looked_us < JUDGE_STEP_US) {
        return true;
    }
    if (worker_slots_wait(&thread->set, 0)) {
        serve_slots(thread);
    }
    thread->looked_us = clock_us();
    return thread->looked_us / 1000 < thread->give_up_ms;
}

static void judge_held(struct thread *thread)
{
    struct held held = thread->held[0];

    thread->held_count--;
    memmove(thread->held, thread->held + 1, thread->held_count * sizeof *thread->held);
    judge_in_time(thread, held.slot, &held.task, held.seen_ms);
}

/* One turn of the loop: timers, and every slot that has something; back by `until_ms` at the latest. */
static void turn(struct thread *thread, uint64_t until_ms)
{
    uint64_t now_ms = clock_ms();
    uint64_t due_ms = worker_slots_turn(&thread->set, now_ms);

    due_ms = until_ms < due_ms ? until_ms : due_ms;
    due_ms = thread->held_count > 0 ? now_ms : due_ms;
    if (worker_slots_wait(&thread->set, worker_slots_wait_ms(now_ms, due_ms))) {
        change_outfit(thread);
        judge_rest(thread->outfit->judge);
        judge_rest(thread->outfit->second);
        serve_slots(thread);
    }
    if (thread->held_count > 0) {
        judge_held(thread);
    }
}

static void leave(struct thread *thread)
{
    uint64_t until_ms = clock_ms() + SLOT_LEAVE_MS;

    worker_slots_leave(&thread->set);
    while (thread->held_count > 0) {
        slot_bye(thread->held[--thread->held_count].slot, clock_ms());
    }
    while (!worker_slots_gone(&thread->set) && clock_ms() < until_ms) {
        turn(thread, until_ms);
    }
    /* Sockets linger 0 ms, so the last replies get a moment of their own. */
    (void)zmq_poll(NULL, 0, SLOT_FLUSH_MS);
}

static void *run(void *context)
{
    struct thread *thread = context;

    while (!thread->set.rang[OTHER_STOP]) {
        if (lookup_watch_read(thread->watch, &thread->gateways) || thread->set.wanting) {
            worker_slots_follow(&thread->set, &thread->gateways, clock_ms());
        }
        turn(thread, UINT64_MAX);
    }
    leave(thread);
    worker_slots_close(&thread->set); /* a socket is closed by the thread that used it */
    return NULL;
}

static enum status thread_open(struct thread *thread, struct worker *worker)
{
    const struct settings *settings = rules_settings(worker->parts.judge.rules);
    enum status status;

    thread->worker = worker;
    thread->want.ready = (struct message_ready){
        .worker = worker->parts.identity,
        .kind = SLOT_LOCAL,
        .text_bytes_max = settings->gateway.limits.moderated_text_bytes,
    };
    thread->want.count = settings->moderator.slots;
    thread->held = calloc(worker_slots_room(&thread->want, 1), sizeof *thread->held);
    if (thread->held == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = worker_slots_open(&thread->set, &thread->want, 1, SLOT_LOCAL, worker->parts.security, worker->parts.metrics);
    if (status == STATUS_OK) {
        status = lookup_watch_open(&thread->watch, worker->parts.gateways);
    }
    if (status == STATUS_OK) {
        status = worker_slots_other(&thread->set, OTHER_STOP, worker->stop);
    }
    if (status == STATUS_OK) {
        status = worker_slots_other(&thread->set, OTHER_WATCH, lookup_watch_fd(thread->watch));
    }
    if (status == STATUS_OK) {
        status = outfit_open(&thread->outfit, &worker->parts.judge, (struct pause){look_aside, thread},
                             worker->parts.metrics);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (pthread_create(&thread->handle, NULL, run, thread) != 0) {
        return STATUS_NO_MEMORY;
    }
    thread->started = true;
    return STATUS_OK;
}

static size_t thread_count(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->moderator.threads != SETTINGS_AUTO) {
        return settings->moderator.threads;
    }
    return cores > 0 ? (size_t)cores : 1;
}

static void find_series(struct worker *worker)
{
    static const char *const reasons[REASONS] = {
        [BUSY_EXPIRED] = "expired",
        [BUSY_UNKNOWN_PROFILE] = "unknown_profile",
        [BUSY_UNSUPPORTED] = "unsupported",
        [BUSY_FAILED] = "failed",
        [BUSY_UNKNOWN_TEXT] = "unknown_text",
        [BUSY_LATER] = "later",
    };

    worker->judged_between = metrics_series(worker->parts.metrics, METRIC_COUNTER, "prismguard_moderator_judged_between_total",
                                            "Short texts judged between two steps of a long one", NULL, 0);
    worker->given_up = metrics_series(worker->parts.metrics, METRIC_COUNTER, "prismguard_moderator_given_up_total",
                                      "Long texts whose deadline passed while they were judged", NULL, 0);
    worker->judge_seconds = metrics_series(worker->parts.metrics, METRIC_HISTOGRAM, "prismguard_moderator_judge_seconds",
                                           "Time to judge a text by keywords and the local model", NULL, 0);
    for (int reason = BUSY_EXPIRED; reason < REASONS; reason++) {
        const struct metric_label label = {"reason", reasons[reason]};

        worker->tasks_refused[reason] = metrics_series(worker->parts.metrics, METRIC_COUNTER,
                                                       "prismguard_moderator_tasks_refused_total",
                                                       "Frames from a gateway that were answered with BUSY", &label, 1);
    }
}

enum status worker_open(struct worker **out, const struct worker_parts *parts)
{
    size_t count = thread_count(rules_settings(parts->judge.rules));
    struct worker *worker = calloc(1, sizeof *worker + count * sizeof *worker->threads);
    enum status status = STATUS_OK;

    assert(out != NULL);
    if (worker == NULL) {
        return STATUS_NO_MEMORY;
    }
    worker->parts = *parts;
    worker->thread_count = count;
    worker->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->stop < 0) {
        status = STATUS_UNAVAILABLE;
        goto fail;
    }
    find_series(worker);
    for (size_t index = 0; index < count; index++) {
        status = thread_open(&worker->threads[index], worker);
        if (status != STATUS_OK) {
            goto fail;
        }
    }
    *out = worker;
    return STATUS_OK;
fail:
    worker_close(&worker);
    return status;
}

static void thread_close(struct thread *thread)
{
    if (thread->started) {
        (void)pthread_join(thread->handle, NULL);
    }
    worker_slots_close(&thread->set);
    lookup_watch_close(&thread->watch);
    outfit_close(thread->outfit);
    outfit_close(atomic_load(&thread->next));
    free(thread->held);
}

enum status worker_use_rules(struct worker *worker, struct rules *rules)
{
    const struct judge_parts parts = {
        .rules = rules, .live = worker->parts.judge.live, .recent = worker->parts.judge.recent};
    struct outfit **outfits = calloc(worker->thread_count, sizeof *outfits);
    enum status status = outfits == NULL ? STATUS_NO_MEMORY : STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < worker->thread_count; index++) {
        status = outfit_open(&outfits[index], &parts, (struct pause){look_aside, &worker->threads[index]},
                             worker->parts.metrics);
    }
    /* Handed over when all are there; what no thread took, or what is too few, is closed here. */
    for (size_t index = 0; outfits != NULL && index < worker->thread_count; index++) {
        if (status == STATUS_OK) {
            outfits[index] = atomic_exchange_explicit(&worker->threads[index].next, outfits[index], memory_order_acq_rel);
        }
        outfit_close(outfits[index]);
    }
    free(outfits);
    return status;
}

void worker_leave(struct worker *worker)
{
    (void)eventfd_write(worker->stop, 1); /* never read: every thread sees it */
}

void worker_close(struct worker **worker)
{
    assert(worker != NULL);
    if (*worker == NULL) {
        return;
    }
    worker_leave(*worker);
    for (size_t index = 0; index < (*worker)->thread_count; index++) {
        thread_close(&(*worker)->threads[index]);
    }
    if ((*worker)->stop >= 0) {
        (void)close((*worker)->stop);
    }
    free(*worker);
    *worker = NULL;
}
