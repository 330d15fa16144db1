/* watch: one look at everything, then a short sleep. */
#include "gateway/watch.h"

#include "proto/descriptors.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/memory_limit.h"
#include "proto/thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct watched {
    struct pulse *pulse;
    uint64_t seen;      /* beats */
    unsigned same_looks; /* in a row that saw no new one */
};

struct watch {
    struct admit *admit;
    const struct pool *pool;
    uint64_t queue_age_ms;
    uint64_t look_ms;
    struct descriptors *descriptors; /* NULL = not to be had */
    struct memory_group memory;
    int end; /* an eventfd */
    bool started;
    pthread_t thread;
    size_t count;
    struct watched at[];
};

/* The log's last line, and no core: proto/sandbox. */
static void end_process(const struct pulse *pulse)
{
    log_event(LOG_ERROR, "thread_stuck", LOG_TEXT("thread", pulse->name), LOG_NUMBER("silent_ms", pulse_silent_ms(pulse)));
    log_close();
    abort();
}

static void look_for_stuck(struct watch *watch)
{
    for (size_t index = 0; index < watch->count; index++) {
        struct watched *watched = &watch->at[index];
        uint64_t beats = pulse_count(watched->pulse);

        watched->same_looks = pulse_is_expected(watched->pulse) && beats == watched->seen ? watched->same_looks + 1 : 0;
        watched->seen = beats;
        if (watched->same_looks * OVERLOAD_SAMPLE_MS >= THREAD_STUCK_MS) {
            end_process(watched->pulse);
        }
    }
}

/* The worst of all. */
static uint64_t take_late_ms(struct watch *watch)
{
    uint64_t worst_ms = 0;

    for (size_t index = 0; index < watch->count; index++) {
        uint64_t late_ms = pulse_take_late_ms(watch->at[index].pulse);

        worst_ms = late_ms > worst_ms ? late_ms : worst_ms;
    }
    return worst_ms;
}

static void tell_signals(struct watch *watch)
{
    struct overload *overload = admit_overload(watch->admit);
    uint64_t used;

    overload_tell(overload, SIGNAL_LAG, overload_lag_percent(take_late_ms(watch)));
    if (watch->pool != NULL) {
        overload_tell(overload, SIGNAL_QUEUE, overload_percent(pool_waited_ms(watch->pool), watch->queue_age_ms));
    }
    if (watch->descriptors != NULL) {
        overload_tell(overload, SIGNAL_DESCRIPTORS,
                      overload_percent(descriptors_count(watch->descriptors), descriptors_limit()));
    }
    if (memory_group_used(&watch->memory, &used) == STATUS_OK) {
        overload_tell(overload, SIGNAL_MEMORY, overload_percent(used, watch->memory.limit_bytes));
    }
}

static void *run(void *context)
{
    struct watch *watch = context;
    struct pollfd end = {.fd = watch->end, .events = POLLIN};

    (void)pthread_setname_np(pthread_self(), "watch");
    while (poll(&end, 1, (int)watch->look_ms) <= 0) { /* time over, or a signal */
        look_for_stuck(watch);
        tell_signals(watch);
        overload_sample(admit_overload(watch->admit));
    }
    return NULL;
}

enum status watch_open(struct watch **out, const struct watch_options *options)
{
    struct watch *watch = calloc(1, sizeof *watch + options->pulse_count * sizeof watch->at[0]);
    enum status status = STATUS_OK;

    if (watch == NULL) {
        return STATUS_NO_MEMORY;
    }
    watch->admit = options->admit;
    watch->pool = options->pool;
    watch->queue_age_ms = options->queue_age_ms;
    watch->look_ms = options->look_ms == 0 ? OVERLOAD_SAMPLE_MS : options->look_ms;
    watch->count = options->pulse_count;
    for (size_t index = 0; index < watch->count; index++) {
        watch->at[index].pulse = options->pulses[index];
    }
    memory_group_find(&watch->memory);
    watch->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->end < 0) {
        status = STATUS_IO;
    } else if (descriptors_open(&watch->descriptors) == STATUS_NO_MEMORY) {
        status = STATUS_NO_MEMORY;
    } else {
        status = thread_start(&watch->thread, run, watch);
        watch->started = status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        watch_close(&watch);
        return status;
    }
    *out = watch;
    return STATUS_OK;
}

void watch_close(struct watch **out)
{
    struct watch *watch = *out;

    if (watch == NULL) {
        return;
    }
    if (watch->started) {
        thread_end(watch->thread, watch->end);
    }
    descriptors_close(&watch->descriptors);
    if (watch->end >= 0) {
        (void)close(watch->end);
    }
    free(watch);
    *out = NULL;
}

bool watch_is_alive(const struct watch *watch, const char **why)
{
    for (size_t index = 0; index < watch->count; index++) {
        if (pulse_silent_ms(watch->at[index].pulse) >= THREAD_ALIVE_MS) {
            *why = "a thread has not turned for 3 s";
            return false;
        }
    }
    return true;
}
