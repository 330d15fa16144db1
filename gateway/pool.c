/* pool: the pool's thread, and the rings between it and the loops. */
#include "gateway/pool.h"

#include "gateway/pool_dispatch.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/ring.h"
#include "proto/thread.h"
#include "proto/wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CACHE_LINE_BYTES = 64 }; /* the line of every processor we run on; a larger one costs speed, not correctness */

/* What one loop and the pool share. At most as many jobs of a loop are out as it holds, so that neither ring is ever full. */
struct side {
    alignas(CACHE_LINE_BYTES) struct ring *submitted; /* loop to pool */
    struct ring *finished;                            /* pool to loop */
    bool touched;                                     /* the pool's: jobs were finished in this turn */
    alignas(CACHE_LINE_BYTES) size_t out_count;       /* the loop's */
};

/* One order, once given never taken back. */
enum order { ORDER_RUN, ORDER_STOP, ORDER_END };

struct pool {
    size_t loop_count;
    size_t loop_jobs_max;
    struct side *sides;
    struct wire *wire;
    struct pool_dispatch *dispatch;
    void (*wake)(void *context, size_t loop_index);
    void *context;
    int eventfd;
    bool started;
    pthread_t thread;
    _Atomic bool asleep; /* the thread waits, or is about to: who brings something must signal */
    _Atomic bool abandoned; /* a job was, since the last sweep */
    _Atomic int order;
    struct pulse pulse;
    _Atomic size_t review_count; /* under way, as of the same turn */
    _Atomic uint64_t oldest_ms; /* since when a job waits, as of the thread's last turn; UINT64_MAX: none does */
};

/* The pool's thread sets `asleep` and then looks for work once more; here work was put first, then `asleep` is taken. All
 * changes of it are exchanges, so one of the two sees what the other did. */
static void signal_thread(struct pool *pool)
{
    const uint64_t one = 1;

    if (atomic_exchange_explicit(&pool->asleep, false, memory_order_acq_rel)) {
        ssize_t written = write(pool->eventfd, &one, sizeof one);

        assert(written == sizeof one || errno == EAGAIN); /* full means signalled */
    }
}

static void give_back(void *context, struct job *job)
{
    struct pool *pool = context;
    struct side *side = &pool->sides[job->loop_index];
    enum status status = ring_push(side->finished, job);

    assert(status == STATUS_OK); /* no more jobs are out than the ring holds */
    side->touched = true;
}

static void wake_loops(struct pool *pool)
{
    for (size_t index = 0; index < pool->loop_count; index++) {
        if (pool->sides[index].touched) {
            pool->sides[index].touched = false;
            pool->wake(pool->context, index);
        }
    }
}

/* True when a ring had as much as one turn takes. Moves `now_ms` on: no job began to wait before it was submitted. */
static bool take_jobs(struct pool *pool, uint64_t *now_ms)
{
    bool more = false;

    for (size_t index = 0; index < pool->loop_count; index++) {
        size_t count = ring_count(pool->sides[index].submitted);

        count = count < POOL_TURN_JOBS ? count : POOL_TURN_JOBS;
        pool_dispatch_expect(pool->dispatch, count);
        for (; count > 0; count--) {
            struct job *job = ring_pop(pool->sides[index].submitted);

            assert(job != NULL); /* nobody else takes them */
            *now_ms = job->submitted_us / 1000 > *now_ms ? job->submitted_us / 1000 : *now_ms;
            pool_dispatch_submit(pool->dispatch, job, *now_ms);
        }
        more = more || ring_count(pool->sides[index].submitted) > 0;
    }
    return more;
}

static bool loops_have_work(struct pool *pool, enum order seen)
{
    for (size_t index = 0; index < pool->loop_count; index++) {
        if (ring_count(pool->sides[index].submitted) > 0) {
            return true;
        }
    }
    return atomic_load_explicit(&pool->abandoned, memory_order_relaxed) ||
           atomic_load_explicit(&pool->order, memory_order_relaxed) != (int)seen;
}

/* Until a slot or a loop has something, or something is due. True when a slot has. */
static bool sleep_until_work(struct pool *pool, enum order seen)
{
    uint64_t due_ms = pool_dispatch_due_ms(pool->dispatch);
    uint64_t now_ms = clock_ms();
    int wait_ms = due_ms <= now_ms ? 0 : due_ms - now_ms < POOL_TURN_MS ? (int)(due_ms - now_ms) : POOL_TURN_MS;
    struct pollfd items[] = {{wire_descriptor(pool->wire), POLLIN, 0}, {pool->eventfd, POLLIN, 0}};
    bool readable = false;
    uint64_t count;

    (void)atomic_exchange_explicit(&pool->asleep, true, memory_order_acq_rel);
    if (!loops_have_work(pool, seen)) {
        readable = wire_untold(pool->wire);
        (void)poll(items, 2, readable ? 0 : wait_ms);
    }
    (void)atomic_exchange_explicit(&pool->asleep, false, memory_order_acq_rel);
    if (items[1].revents != 0) {
        ssize_t got = read(pool->eventfd, &count, sizeof count);

        assert(got == sizeof count || errno == EAGAIN);
    }
    return readable || items[0].revents != 0;
}

static void *run(void *context)
{
    struct pool *pool = context;
    enum order seen = ORDER_RUN;
    bool readable = true; /* asking a ROUTER that has nothing costs two system calls */

    (void)pthread_setname_np(pthread_self(), pool->pulse.name);
    while (seen != ORDER_END) {
        uint64_t now_ms = clock_ms();
        enum order order = (enum order)atomic_load_explicit(&pool->order, memory_order_acquire);
        bool more;

        if (order != seen) {
            pool_dispatch_stop(pool->dispatch, now_ms);
            seen = order;
        }
        readable = readable && pool_dispatch_receive(pool->dispatch, now_ms);
        more = take_jobs(pool, &now_ms);
        if (atomic_exchange_explicit(&pool->abandoned, false, memory_order_acq_rel)) {
            pool_dispatch_sweep(pool->dispatch, now_ms);
        }
        pool_dispatch_tick(pool->dispatch, now_ms);
        wake_loops(pool);
        atomic_store_explicit(&pool->oldest_ms, pool_dispatch_oldest_ms(pool->dispatch), memory_order_relaxed);
        atomic_store_explicit(&pool->review_count, pool_dispatch_review_count(pool->dispatch), memory_order_relaxed);
        pulse_beat(&pool->pulse);
        readable = readable || more || seen == ORDER_END || sleep_until_work(pool, seen);
    }
    return NULL;
}

static enum status open_sides(struct pool *pool)
{
    enum status status = STATUS_OK;
    size_t ring_jobs = 1;

    while (ring_jobs < pool->loop_jobs_max) {
        ring_jobs *= 2;
    }
    pool->sides = aligned_alloc(CACHE_LINE_BYTES, pool->loop_count * sizeof *pool->sides);
    if (pool->sides == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < pool->loop_count; index++) {
        pool->sides[index] = (struct side){0};
    }
    for (size_t index = 0; index < pool->loop_count && status == STATUS_OK; index++) {
        status = ring_open(&pool->sides[index].submitted, ring_jobs);
        if (status == STATUS_OK) {
            status = ring_open(&pool->sides[index].finished, ring_jobs);
        }
    }
    return status;
}

static enum status start_thread(struct pool *pool)
{
    enum status status;

    pulse_begin(&pool->pulse, "pool", POOL_TURN_MS);
    status = thread_start(&pool->thread, run, pool);
    pool->started = status == STATUS_OK;
    return status;
}

enum status pool_open(struct pool **out, const struct pool_options *options)
{
    struct pool *pool = calloc(1, sizeof *pool);
    enum status status;

    assert(options->loop_count > 0 && options->loop_jobs_max > 0 && options->wake != NULL);
    if (pool == NULL) {
        return STATUS_NO_MEMORY;
    }
    pool->loop_count = options->loop_count;
    pool->loop_jobs_max = options->loop_jobs_max;
    pool->wake = options->wake;
    pool->context = options->context;
    atomic_init(&pool->oldest_ms, UINT64_MAX);
    pool->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = pool->eventfd < 0 ? STATUS_FULL : open_sides(pool);
    if (status == STATUS_OK) {
        status = wire_open(&pool->wire, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX);
    }
    if (status == STATUS_OK) {
        wire_secure(pool->wire, options->security);
        status = wire_attach(pool->wire, options->settings->bind);
    }
    if (status == STATUS_OK) {
        status = pool_dispatch_open(&pool->dispatch, options, pool->wire, give_back, pool);
    }
    if (status == STATUS_OK) {
        status = start_thread(pool);
    }
    if (status != STATUS_OK) {
        pool_close(&pool);
        return status;
    }
    *out = pool;
    return STATUS_OK;
}

static void give_order(struct pool *pool, enum order order)
{
    atomic_store_explicit(&pool->order, order, memory_order_release);
    signal_thread(pool);
}

void pool_stop(struct pool *pool)
{
    give_order(pool, ORDER_STOP);
}

static void close_side(struct side *side)
{
    struct ring *rings[] = {side->submitted, side->finished};

    for (size_t index = 0; index < sizeof rings / sizeof rings[0]; index++) {
        struct job *job;

        while (rings[index] != NULL && (job = ring_pop(rings[index])) != NULL) {
            job_close(&job);
        }
        ring_close(&rings[index]);
    }
}

void pool_close(struct pool **out)
{
    struct pool *pool;

    assert(out != NULL);
    pool = *out;
    if (pool == NULL) {
        return;
    }
    if (pool->started) {
        int error;

        give_order(pool, ORDER_END);
        error = pthread_join(pool->thread, NULL);
        assert(error == 0);
    }
    pool_dispatch_close(&pool->dispatch);
    wire_close(&pool->wire);
    for (size_t index = 0; pool->sides != NULL && index < pool->loop_count; index++) {
        close_side(&pool->sides[index]);
    }
    free(pool->sides);
    if (pool->eventfd >= 0) {
        (void)close(pool->eventfd);
    }
    free(pool);
    *out = NULL;
}

enum status pool_submit(struct pool *pool, struct job *job)
{
    struct side *side = &pool->sides[job->loop_index];
    enum status status;

    assert(job->loop_index < pool->loop_count);
    if (side->out_count == pool->loop_jobs_max) {
        return STATUS_FULL;
    }
    message_body_end(&job->packing);
    pool_dispatch_name(pool->dispatch, job);
    job->submitted_us = clock_us();
    status = ring_push(side->submitted, job);
    assert(status == STATUS_OK); /* no more jobs are out than the ring holds */
    side->out_count++;
    signal_thread(pool);
    return STATUS_OK;
}

struct job *pool_take(struct pool *pool, size_t loop_index)
{
    struct side *side = &pool->sides[loop_index];
    struct job *job;

    assert(loop_index < pool->loop_count);
    job = ring_pop(side->finished);
    if (job != NULL) {
        assert(side->out_count > 0);
        side->out_count--;
    }
    return job;
}

void pool_abandon(struct pool *pool, struct job *job)
{
    atomic_store_explicit(&job->abandoned, true, memory_order_relaxed);
    atomic_store_explicit(&pool->abandoned, true, memory_order_release);
    signal_thread(pool);
}

bool pool_ready(const struct pool *pool, const char **why)
{
    if (atomic_load_explicit(&pool->order, memory_order_relaxed) != ORDER_RUN) {
        *why = "the pool of moderators is stopping";
        return false;
    }
    if (pool_dispatch_slot_count(pool->dispatch) == 0) {
        *why = "no moderator is connected";
        return false;
    }
    return true;
}

struct pulse *pool_pulse(struct pool *pool)
{
    return &pool->pulse;
}

size_t pool_judging(const struct pool *pool, size_t loop_index)
{
    size_t out_count = pool->sides[loop_index].out_count;
    size_t review_count = atomic_load_explicit(&pool->review_count, memory_order_relaxed);

    return out_count > review_count ? out_count - review_count : 0;
}

uint64_t pool_waited_ms(const struct pool *pool)
{
    uint64_t oldest_ms = atomic_load_explicit(&pool->oldest_ms, memory_order_relaxed);
    uint64_t now_ms = clock_ms();

    return oldest_ms < now_ms ? now_ms - oldest_ms : 0;
}

const char *pool_endpoint(const struct pool *pool)
{
    return wire_endpoint(pool->wire);
}
