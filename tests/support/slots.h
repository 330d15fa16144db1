/* slots: moderator slots that say what a test tells them to, over real ZeroMQ sockets, and the jobs they are asked about. */
#ifndef TESTS_SUPPORT_SLOTS_H
#define TESTS_SUPPORT_SLOTS_H

#include "support/unit.h"

#include "gateway/job.h"
#include "proto/clock.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <math.h>
#include <zmq.h>

enum { SCRIPT_WAIT_MS = 10000, SCRIPT_TEXT_BYTES_MAX = 128 * KIB };

struct scripted {
    struct wire *wire;
    struct buffer out;
    const char *worker;       /* of READY, 16 characters; NULL = that of all others */
    struct message_tasks tasks; /* the last ones; their views live until the next frame */
    struct message_task task; /* the first of them */
    unsigned pings;           /* answered on the way */
};

/* One frame, now or when the connection is up. */
static inline void scripted_send(struct scripted *slot, struct bytes frame)
{
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;
    enum status status;

    while ((status = wire_send(slot->wire, frame)) == STATUS_AGAIN && clock_ms() < end_ms) {
        zmq_pollitem_t item = {wire_handle(slot->wire), 0, ZMQ_POLLOUT, 0};

        (void)zmq_poll(&item, 1, 100);
    }
    assert_status(STATUS_OK, status);
}

/* What has been packed into slot->out. */
static inline void scripted_flush(struct scripted *slot)
{
    scripted_send(slot, buffer_view(&slot->out));
    buffer_clear(&slot->out);
}

static inline void scripted_ready(struct scripted *slot, enum slot_kind kind, const char *profile, uint64_t text_bytes_max)
{
    const char *worker = slot->worker == NULL ? "worker-worker-16" : slot->worker;
    struct message_ready ready = {bytes_of(worker), kind, bytes_of(profile), text_bytes_max};

    assert_status(STATUS_OK, message_write_ready(&ready, &slot->out));
    scripted_flush(slot);
}

/* Connected, and silent. */
static inline void scripted_connect(struct scripted *slot, const char *endpoint)
{
    *slot = (struct scripted){0};
    buffer_init(&slot->out, SCRIPT_TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX);
    assert_status(STATUS_OK, wire_open(&slot->wire, WIRE_SLOT, SCRIPT_TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(slot->wire, endpoint));
}

/* Connected, and READY is on its way. `profile` is "" for a local slot. */
static inline void scripted_open(struct scripted *slot, const char *endpoint, enum slot_kind kind, const char *profile)
{
    scripted_connect(slot, endpoint);
    scripted_ready(slot, kind, profile, SCRIPT_TEXT_BYTES_MAX);
}

/* The same, of another moderator process. */
static inline void scripted_open_as(struct scripted *slot, const char *endpoint, enum slot_kind kind, const char *profile,
                                    const char *worker)
{
    scripted_connect(slot, endpoint);
    slot->worker = worker;
    scripted_ready(slot, kind, profile, SCRIPT_TEXT_BYTES_MAX);
}

/* Without a word, as a killed process. */
static inline void scripted_close(struct scripted *slot)
{
    wire_close(&slot->wire);
    buffer_free(&slot->out);
}

/* The next frame, whatever it is. */
static inline enum status scripted_take(struct scripted *slot, struct bytes *frame, uint64_t wait_ms)
{
    uint64_t end_ms = clock_ms() + wait_ms;
    enum status status;

    do {
        zmq_pollitem_t item = {wire_handle(slot->wire), 0, ZMQ_POLLIN, 0};
        struct bytes none;

        (void)zmq_poll(&item, 1, (long)(wait_ms < 100 ? wait_ms : 100));
        status = wire_take(slot->wire, &none, frame);
    } while (status == STATUS_AGAIN && clock_ms() < end_ms);
    return status;
}

/* The next TASK, RECALL or TASKS; PINGs before it are answered. STATUS_AGAIN when none came in time. */
static inline enum status scripted_try_task(struct scripted *slot, uint64_t wait_ms)
{
    uint64_t end_ms = clock_ms() + wait_ms;
    struct bytes frame;
    enum message_type type;
    enum status status = STATUS_OK;

    while (status == STATUS_OK && clock_ms() <= end_ms) {
        status = scripted_take(slot, &frame, wait_ms);
        if (status != STATUS_OK) {
            break;
        }
        assert_status(STATUS_OK, message_read_type(frame, &type));
        if (type != MESSAGE_PING) {
            assert_status(STATUS_OK, message_read_tasks(frame, &slot->tasks));
            slot->task = slot->tasks.tasks[0];
            return STATUS_OK;
        }
        slot->pings++;
        assert_status(STATUS_OK, message_write_plain(MESSAGE_PONG, &slot->out));
        scripted_flush(slot);
    }
    return STATUS_AGAIN;
}

static inline void scripted_task(struct scripted *slot)
{
    assert_status(STATUS_OK, scripted_try_task(slot, SCRIPT_WAIT_MS));
}

/* A verdict on the last task, with what every test leaves alone. */
static inline struct message_verdict scripted_verdict(const struct scripted *slot, enum outcome outcome)
{
    return (struct message_verdict){.nonce = slot->task.head.nonce,
                                    .sequence = slot->task.head.sequence,
                                    .outcome = outcome,
                                    .source = SOURCE_MODEL,
                                    .category = outcome == OUTCOME_BLOCK ? BYTES("violence") : BYTES(""),
                                    .score = outcome == OUTCOME_ALLOW ? 0.125f : 0.875f,
                                    .model_version = 12,
                                    .worker_us = 1};
}

static inline void scripted_send_verdict(struct scripted *slot, const struct message_verdict *verdict)
{
    assert_status(STATUS_OK, message_write_verdict(verdict, &slot->out));
    scripted_flush(slot);
}

static inline void scripted_answer(struct scripted *slot, enum outcome outcome)
{
    struct message_verdict verdict = scripted_verdict(slot, outcome);

    scripted_send_verdict(slot, &verdict);
}

/* Unsure of the segment `index`; without a review it is `fallback`. */
static inline void scripted_unsure(struct scripted *slot, enum outcome fallback, enum drawn drawn, unsigned index)
{
    struct message_verdict verdict = scripted_verdict(slot, OUTCOME_UNSURE);

    verdict.fallback = fallback;
    verdict.drawn = drawn;
    verdict.score = 0.5f;
    verdict.category = fallback == OUTCOME_BLOCK ? BYTES("nearer") : BYTES("");
    assert_true(index < 8);
    verdict.unsure = (struct bytes){(const char[]){(char)(1 << index)}, 1};
    scripted_send_verdict(slot, &verdict);
}

static inline void scripted_busy(struct scripted *slot, enum busy_reason reason)
{
    struct message_busy busy = {slot->task.head.nonce, slot->task.head.sequence, reason};

    assert_status(STATUS_OK, message_write_busy(&busy, &slot->out));
    scripted_flush(slot);
}

/* The next TASKS. How many they are. */
static inline size_t scripted_batch(struct scripted *slot)
{
    scripted_task(slot);
    assert_true(slot->tasks.is_batch);
    return slot->tasks.count;
}

/* The last TASKS are answered by so many answers, which follow, and scripted_flush. */
static inline void scripted_begin(struct scripted *slot, size_t count)
{
    assert_status(STATUS_OK, message_write_verdicts(&slot->task.head, count, &slot->out));
}

static inline void scripted_next(struct scripted *slot, enum outcome outcome)
{
    struct message_verdict verdict = scripted_verdict(slot, outcome);

    assert_status(STATUS_OK, message_write_verdicts_next(&verdict, &slot->out));
}

static inline void scripted_next_busy(struct scripted *slot, enum busy_reason reason)
{
    assert_status(STATUS_OK, message_write_verdicts_busy(reason, &slot->out));
}

/* The same for all that there are, one or several. */
static inline void scripted_answer_all(struct scripted *slot, enum outcome outcome)
{
    if (!slot->tasks.is_batch) {
        scripted_answer(slot, outcome);
        return;
    }
    scripted_begin(slot, slot->tasks.count);
    for (size_t index = 0; index < slot->tasks.count; index++) {
        scripted_next(slot, outcome);
    }
    scripted_flush(slot);
}

static inline void scripted_plain(struct scripted *slot, enum message_type type)
{
    assert_status(STATUS_OK, message_write_plain(type, &slot->out));
    scripted_flush(slot);
}

/* A job with two segments, "first" of the system and `text` of the user. */
static inline struct job *scripted_job(const struct profile_settings *profile, size_t loop_index, const char *text)
{
    struct job *job = NULL;

    assert_status(STATUS_OK, job_open(&job, loop_index, NULL, profile, BYTES(""), SCRIPT_TEXT_BYTES_MAX));
    assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_SYSTEM, BYTES("first")}));
    assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, bytes_of(text)}));
    return job;
}

#endif
