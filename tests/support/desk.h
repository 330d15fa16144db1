/* desk: the pool's dispatch without its thread: a test brings the time and looks at what comes back. */
#ifndef TESTS_SUPPORT_DESK_H
#define TESTS_SUPPORT_DESK_H

#include "support/slots.h"

#include "gateway/pool_inside.h"
#include "proto/secret.h"

enum { DESK_JOBS_MAX = 128 };

struct desk {
    struct pool_settings settings;
    struct metrics *metrics;
    struct wire *wire;
    struct pool_dispatch *dispatch;
    size_t batch_tasks_max; /* 1: a message has one task */
    uint64_t now_ms;
    struct job *finished[DESK_JOBS_MAX]; /* in the order they came back */
    size_t finished_count;
};

static inline void desk_finish(void *context, struct job *job)
{
    struct desk *desk = context;

    assert_true(desk->finished_count < DESK_JOBS_MAX);
    desk->finished[desk->finished_count++] = job;
}

/* Small bounds, so that tests can meet them; change desk->settings between desk_init and desk_start. */
static inline void desk_init(struct desk *desk)
{
    *desk = (struct desk){.settings = {.queue_jobs = 4,
                                       .queue_bytes = MIB,
                                       .queue_age_ms = 2000,
                                       .deadline_local_ms = 800,
                                       .deadline_review_ms = 10000,
                                       .peers = 8},
                          .batch_tasks_max = 1,
                          .now_ms = 1000000};
}

static inline void desk_start(struct desk *desk)
{
    struct pool_options options = {
        .settings = &desk->settings, .text_bytes_max = SCRIPT_TEXT_BYTES_MAX, .batch_tasks_max = desk->batch_tasks_max};

    assert_status(STATUS_OK, metrics_open(&desk->metrics));
    options.metrics = desk->metrics;
    assert_status(STATUS_OK, wire_open(&desk->wire, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(desk->wire, "tcp://127.0.0.1:*"));
    assert_status(STATUS_OK, pool_dispatch_open(&desk->dispatch, &options, desk->wire, desk_finish, desk));
}

static inline void desk_open(struct desk *desk)
{
    desk_init(desk);
    desk_start(desk);
}

static inline void desk_close(struct desk *desk)
{
    pool_dispatch_stop(desk->dispatch, desk->now_ms);
    for (size_t index = 0; index < desk->finished_count; index++) {
        job_close(&desk->finished[index]);
    }
    pool_dispatch_close(&desk->dispatch);
    wire_close(&desk->wire);
    metrics_close(&desk->metrics);
}

/* Reads what the slots sent until `condition` holds. */
#define desk_until(desk, condition)                                                                                    \
    do {                                                                                                               \
        uint64_t desk_end_ms = clock_ms() + SCRIPT_WAIT_MS;                                                            \
        while (!(condition) && clock_ms() < desk_end_ms) {                                                             \
            zmq_pollitem_t desk_item = {wire_handle((desk)->wire), 0, ZMQ_POLLIN, 0};                                  \
            (void)zmq_poll(&desk_item, 1, 10);                                                                         \
            (void)pool_dispatch_receive((desk)->dispatch, (desk)->now_ms);                                             \
        }                                                                                                              \
        assert_true(condition);                                                                                        \
    } while (0)

static inline size_t desk_slots(const struct desk *desk, enum slot_kind kind, enum slot_state state)
{
    size_t count = 0;

    for (struct slot *slot = pool_slots_first(desk->dispatch->slots, kind, state); slot != NULL; slot = slot->next) {
        count++;
    }
    return count;
}

/* A slot that is known and idle. */
static inline void desk_add_slot(struct desk *desk, struct scripted *slot, enum slot_kind kind, const char *profile)
{
    size_t before = desk_slots(desk, kind, SLOT_IDLE);

    scripted_open(slot, wire_endpoint(desk->wire), kind, profile);
    desk_until(desk, desk_slots(desk, kind, SLOT_IDLE) == before + 1);
}

/* The same, of another moderator process. */
static inline void desk_add_slot_of(struct desk *desk, struct scripted *slot, enum slot_kind kind, const char *profile,
                                    const char *worker)
{
    size_t before = desk_slots(desk, kind, SLOT_IDLE);

    scripted_open_as(slot, wire_endpoint(desk->wire), kind, profile, worker);
    desk_until(desk, desk_slots(desk, kind, SLOT_IDLE) == before + 1);
}

static inline void desk_pass_ms(struct desk *desk, uint64_t ms)
{
    desk->now_ms += ms;
    pool_dispatch_tick(desk->dispatch, desk->now_ms);
}

static inline void desk_submit_job(struct desk *desk, struct job *job)
{
    message_body_end(&job->packing);
    pool_dispatch_name(desk->dispatch, job);
    job->submitted_us = clock_us();
    pool_dispatch_submit(desk->dispatch, job, desk->now_ms);
}

static inline struct job *desk_submit(struct desk *desk, const struct profile_settings *profile, const char *text)
{
    struct job *job = scripted_job(profile, 0, text);

    desk_submit_job(desk, job);
    return job;
}

/* Kills the process of a slot and lets the pool find out: libzmq learns of it when it learns of it. */
static inline void desk_kill_slot(struct desk *desk, struct scripted *slot, size_t left)
{
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;

    scripted_close(slot);
    desk->now_ms += PROBE_BUSY_MS;
    while (pool_dispatch_slot_count(desk->dispatch) > left && clock_ms() < end_ms) {
        zmq_pollitem_t item = {wire_handle(desk->wire), 0, ZMQ_POLLIN, 0};

        (void)zmq_poll(&item, 1, 1);
        desk->dispatch->probe_at_ms = desk->now_ms;
        pool_dispatch_tick(desk->dispatch, desk->now_ms);
    }
    assert_int_equal(left, pool_dispatch_slot_count(desk->dispatch));
}

static inline int64_t desk_bad(const struct desk *desk, enum pool_bad why)
{
    return series_value(desk->dispatch->counts.bad[why]);
}

static inline int desk_group_setup(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

#endif
