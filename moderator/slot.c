/* slot: the lock-step of one REQ socket, its silence and its back-off. */
#include "moderator/slot.h"

#include "proto/backoff.h"
#include "proto/limits.h"

#include <assert.h>
#include <sys/epoll.h>

void slot_init(struct slot *slot, const char *endpoint, const struct wire_security *security, const struct message_ready *ready,
               uint64_t now_ms)
{
    assert(slot != NULL && endpoint != NULL && ready != NULL);
    *slot = (struct slot){
        .endpoint = endpoint, .security = security, .ready = *ready, .state = SLOT_CLOSED, .due_ms = now_ms, .bell = -1};
}

/* libzmq closes the descriptor only later, in a thread of its own. */
static void close_socket(struct slot *slot)
{
    if (slot->bell >= 0 && slot->wire != NULL) {
        (void)epoll_ctl(slot->bell, EPOLL_CTL_DEL, wire_descriptor(slot->wire), NULL);
    }
    wire_close(&slot->wire);
}

void slot_close(struct slot *slot)
{
    close_socket(slot);
    slot->state = SLOT_GONE;
    slot->due_ms = UINT64_MAX;
}

void *slot_socket(const struct slot *slot)
{
    return slot->wire == NULL ? NULL : wire_handle(slot->wire);
}

void slot_rang(struct slot *slot)
{
    if (slot->wire != NULL) {
        wire_rang(slot->wire);
    }
}

bool slot_may_have_changed(const struct slot *slot)
{
    return (slot->state == SLOT_WAITING || slot->state == SLOT_JOINING) && wire_may_have_changed(slot->wire);
}

bool slot_has_input(struct slot *slot)
{
    return slot->state == SLOT_WAITING && wire_untold(slot->wire);
}

bool slot_may_join(struct slot *slot)
{
    return slot->state == SLOT_JOINING && wire_opened(slot->wire);
}

static void give_up(struct slot *slot, uint64_t now_ms)
{
    close_socket(slot);
    if (slot->leaving) {
        slot_close(slot);
        return;
    }
    slot->state = SLOT_CLOSED;
    slot->due_ms = now_ms + backoff_ms(slot->rebuilds, SLOT_BACKOFF_MS, SLOT_BACKOFF_MAX_MS);
    slot->heard_ms = 0;
    slot->rebuilds++;
}

/* When the connection is looked for next. All slots of a thread look at the same times: it wakes once for all of them. */
static uint64_t next_check_ms(uint64_t now_ms)
{
    return now_ms - now_ms % SLOT_CHECK_MS + SLOT_CHECK_MS;
}

/* The only way into WAITING. */
static void wait(struct slot *slot, uint64_t now_ms)
{
    slot->state = SLOT_WAITING;
    slot->silent_ms = now_ms + GATEWAY_SILENCE_MS;
    slot->due_ms = next_check_ms(now_ms);
}

static enum status hang_on_bell(const struct slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = slot->number};

    return slot->bell < 0 || epoll_ctl(slot->bell, EPOLL_CTL_ADD, wire_descriptor(slot->wire), &event) == 0 ? STATUS_OK
                                                                                                            : STATUS_NO_MEMORY;
}

/* libzmq connects again by itself while JOINING, but not after a gateway has refused our key. */
static enum status open_socket(struct slot *slot, uint64_t now_ms)
{
    enum status status = wire_open(&slot->wire, WIRE_SLOT, slot->ready.text_bytes_max + TASK_OVERHEAD_BYTES_MAX);

    if (status == STATUS_OK) {
        wire_secure(slot->wire, slot->security);
        status = wire_attach(slot->wire, slot->endpoint);
    }
    if (status == STATUS_OK) {
        status = hang_on_bell(slot);
    }
    if (status != STATUS_OK) {
        give_up(slot, now_ms);
        return status;
    }
    slot->state = SLOT_JOINING;
    slot->due_ms = now_ms + SLOT_JOIN_MS;
    return STATUS_OK;
}

enum status slot_turn(struct slot *slot, uint64_t now_ms)
{
    if (now_ms < slot->due_ms) {
        return STATUS_OK;
    }
    if (slot->state == SLOT_CLOSED) {
        return open_socket(slot, now_ms);
    }
    if (slot->state == SLOT_GONE) {
        slot_close(slot);
        return STATUS_OK;
    }
    assert(slot->state == SLOT_WAITING || slot->state == SLOT_JOINING);
    if (slot->state == SLOT_WAITING && now_ms < slot->silent_ms && wire_connected(slot->wire)) {
        slot->due_ms = next_check_ms(now_ms) < slot->silent_ms ? next_check_ms(now_ms) : slot->silent_ms;
        return STATUS_OK;
    }
    give_up(slot, now_ms);
    return STATUS_OK;
}

void slot_reply(struct slot *slot, uint64_t now_ms, enum status written, const struct buffer *out)
{
    assert(written == STATUS_OK); /* our own message, of our own making, into a buffer that fits the longest */
    if (wire_send(slot->wire, buffer_view(out)) == STATUS_OK) {
        wait(slot, now_ms);
    } else {
        give_up(slot, now_ms);
    }
}

void slot_join(struct slot *slot, uint64_t now_ms)
{
    REPLY_BUFFER(out);

    assert(slot->state == SLOT_JOINING);
    slot_reply(slot, now_ms, message_write_ready(&slot->ready, &out), &out);
}

static void answer_ping(struct slot *slot, uint64_t now_ms)
{
    REPLY_BUFFER(out);

    slot_reply(slot, now_ms, message_write_plain(MESSAGE_PONG, &out), &out);
}

/* In answer to a task too: the gateway asks another slot. One that is busy is sent no PING, and would never come to leave. */
void slot_bye(struct slot *slot, uint64_t now_ms)
{
    REPLY_BUFFER(out);

    assert(slot->state == SLOT_WORKING && slot->leaving);
    slot_reply(slot, now_ms, message_write_plain(MESSAGE_BYE, &out), &out);
    if (slot->state == SLOT_WAITING) {
        /* The socket stays open for a moment, so that the BYE leaves it. */
        wire_linger(slot->wire, SLOT_LINGER_MS);
        slot->state = SLOT_GONE;
        slot->due_ms = now_ms + SLOT_FLUSH_MS;
    }
}

void slot_verdict(struct slot *slot, uint64_t now_ms, const struct message_verdict *verdict)
{
    REPLY_BUFFER(out);

    assert(slot->state == SLOT_WORKING);
    slot_reply(slot, now_ms, message_write_verdict(verdict, &out), &out);
}

void slot_busy(struct slot *slot, uint64_t now_ms, const struct message_task_head *head, enum busy_reason reason)
{
    struct message_busy busy = {.nonce = head->nonce, .sequence = head->sequence, .reason = reason};
    REPLY_BUFFER(out);

    assert(slot->state == SLOT_WORKING);
    slot_reply(slot, now_ms, message_write_busy(&busy, &out), &out);
}

/* What the frame is: STATUS_OK what this slot does, STATUS_AGAIN a PING, STATUS_UNSUPPORTED anything else. */
static enum status read_frame(const struct slot *slot, struct bytes frame, struct message_tasks *out)
{
    enum message_type type;

    /* Read for what it mostly is: each reader walks the whole frame first. */
    if (message_read_tasks(frame, out) == STATUS_OK) {
        return out->tasks[0].head.kind == slot->ready.kind ? STATUS_OK : STATUS_UNSUPPORTED;
    }
    out->count = 0;
    return message_read_type(frame, &type) == STATUS_OK && type == MESSAGE_PING ? STATUS_AGAIN : STATUS_UNSUPPORTED;
}

/* The next frame, and with it the turn to answer. STATUS_AGAIN: there is none. STATUS_MALFORMED: it is no frame. */
static enum status take_frame(struct slot *slot, uint64_t now_ms, struct bytes *out)
{
    struct bytes identity;
    enum status status;

    assert(slot->state == SLOT_WAITING);
    status = wire_take(slot->wire, &identity, out);
    if (status == STATUS_AGAIN) {
        return status;
    }
    if (status != STATUS_OK && status != STATUS_MALFORMED) {
        give_up(slot, now_ms);
        return STATUS_AGAIN;
    }
    slot->heard_ms = now_ms;
    slot->rebuilds = 0;
    slot->state = SLOT_WORKING; /* nothing is due while the gateway waits for us */
    slot->due_ms = UINT64_MAX;
    return status;
}

enum status slot_take_tasks(struct slot *slot, uint64_t now_ms, struct message_tasks *out)
{
    static const struct message_task_head none; /* zeroes name no attempt */
    struct bytes frame;
    enum status status = take_frame(slot, now_ms, &frame);

    if (status == STATUS_AGAIN) {
        return status;
    }
    out->count = 0;
    if (slot->leaving) {
        slot_bye(slot, now_ms);
        return STATUS_AGAIN;
    }
    status = status == STATUS_OK ? read_frame(slot, frame, out) : STATUS_UNSUPPORTED;
    if (status == STATUS_AGAIN) {
        answer_ping(slot, now_ms);
    } else if (status == STATUS_UNSUPPORTED) {
        /* Lock-step wants an answer. */
        slot_busy(slot, now_ms, out->count > 0 ? &out->tasks[0].head : &none, BUSY_UNSUPPORTED);
    }
    return status;
}

enum status slot_take(struct slot *slot, uint64_t now_ms, struct message_task *out)
{
    struct message_tasks tasks;
    enum status status = slot_take_tasks(slot, now_ms, &tasks);

    if (status == STATUS_OK && tasks.is_batch) {
        slot_busy(slot, now_ms, &tasks.tasks[0].head, BUSY_UNSUPPORTED);
        return STATUS_UNSUPPORTED;
    }
    if (status == STATUS_OK) {
        *out = tasks.tasks[0];
    }
    return status;
}

void slot_leave(struct slot *slot)
{
    slot->leaving = true;
    if (slot->state == SLOT_CLOSED || slot->state == SLOT_JOINING) {
        slot_close(slot);
    }
}
