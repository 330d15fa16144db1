/* message_task: TASK, whose body (caller, profile and segments) is packed once and sent as often as needed. */
#include "proto/message_pack.h"

#include "proto/message_check.h"

#include <assert.h>

enum {
    TASK_ITEMS = 12,
    SEGMENT_ITEMS = 2,      /* role and text, side by side in one flat array */
    ARRAY32_HEAD_BYTES = 5, /* the byte 0xdd and the count, most significant byte first */
    ARRAY32_COUNT_BYTES = 4,
};

/* msgpack-c writes the shortest header and could not be patched later: the segments' array has always the long one. */
enum status message_body_open(struct message_body *body, struct buffer *out, struct bytes caller, struct bytes profile)
{
    static const char head[ARRAY32_HEAD_BYTES] = {'\xdd', 0, 0, 0, 0};
    struct packer packer;

    if (caller.count > CALLER_NAME_BYTES_MAX || !profile_is_sound(profile)) {
        return STATUS_MALFORMED;
    }
    pack_begin(&packer, out);
    pack_text(&packer, caller);
    pack_text(&packer, profile);
    pack_packed(&packer, (struct bytes){head, sizeof head});
    if (pack_end(&packer) != STATUS_OK) {
        return packer.status;
    }
    *body = (struct message_body){.out = out, .segment_count = 0, .count_at = out->count - ARRAY32_COUNT_BYTES};
    return STATUS_OK;
}

enum status message_body_add(struct message_body *body, const struct segment *segment)
{
    struct packer packer;

    if (body->segment_count == SEGMENTS_MAX) {
        return STATUS_FULL;
    }
    pack_begin(&packer, body->out);
    pack_unsigned(&packer, segment->role);
    pack_text(&packer, segment->text);
    if (pack_end(&packer) != STATUS_OK) {
        return packer.status;
    }
    body->segment_count++;
    return STATUS_OK;
}

void message_body_end(struct message_body *body)
{
    size_t items = SEGMENT_ITEMS * body->segment_count;
    char *at = body->out->data + body->count_at;

    assert(body->count_at + ARRAY32_COUNT_BYTES <= body->out->count);
    for (size_t index = ARRAY32_COUNT_BYTES; index > 0; index--) {
        at[index - 1] = (char)(items & 0xff);
        items >>= 8;
    }
}

/* Caller, profile and segments of a task, every segment looked at; nothing may stand behind them. */
static enum status read_body(struct unpacker *unpacker, struct message_task *task)
{
    struct segment segment;
    struct bytes rest;
    size_t items;
    size_t count = 0;
    enum status status;

    task->caller = unpack_text(unpacker, CALLER_NAME_BYTES_MAX);
    task->profile = unpack_text(unpacker, PROFILE_NAME_BYTES_MAX);
    items = unpack_array(unpacker, SEGMENT_ITEMS * SEGMENTS_MAX);
    if (unpacker->bad || !profile_is_sound(task->profile)) {
        return STATUS_MALFORMED;
    }
    task->segments = unpacker->rest;
    rest = unpacker->rest;
    while ((status = message_next_segment(&rest, &segment)) == STATUS_OK) {
        count++;
    }
    task->segment_count = count;
    return status == STATUS_NOT_FOUND && SEGMENT_ITEMS * count == items ? STATUS_OK : STATUS_MALFORMED;
}

enum status message_next_segment(struct bytes *rest, struct segment *out)
{
    struct unpacker unpacker = {.rest = *rest};
    struct segment segment;

    if (rest->count == 0) {
        return STATUS_NOT_FOUND;
    }
    segment.role = (uint8_t)unpack_unsigned(&unpacker, UINT8_MAX);
    segment.text = unpack_text(&unpacker, unpacker.rest.count);
    if (unpacker.bad) {
        return STATUS_MALFORMED;
    }
    *rest = unpacker.rest;
    *out = segment;
    return STATUS_OK;
}

enum status message_body_select(struct bytes body, struct bytes unsure, struct buffer *out)
{
    struct unpacker unpacker = {.rest = body};
    struct message_body selection;
    struct message_task task;
    struct segment segment;
    size_t start = out->count;
    enum status status = read_body(&unpacker, &task);

    if (status != STATUS_OK) {
        return status;
    }
    if (message_unsure_end(unsure) > task.segment_count) {
        return STATUS_NOT_FOUND;
    }
    status = message_body_open(&selection, out, task.caller, task.profile);
    for (size_t index = 0; status == STATUS_OK && message_next_segment(&task.segments, &segment) == STATUS_OK; index++) {
        if (message_unsure_has(unsure, index)) {
            status = message_body_add(&selection, &segment);
        }
    }
    if (status != STATUS_OK) {
        out->count = start;
        return status;
    }
    message_body_end(&selection);
    return STATUS_OK;
}

static bool task_head_is_sound(const struct message_task_head *head)
{
    return (unsigned)head->kind <= SLOT_REVIEW && (unsigned)head->drawn <= DRAWN_RANDOM && score_is_sound(head->score);
}

enum status message_write_task(const struct message_task_head *head, struct bytes body, struct buffer *out)
{
    struct packer packer;

    assert(task_head_is_sound(head));
    pack_begin(&packer, out);
    pack_head(&packer, TASK_ITEMS, MESSAGE_TASK);
    pack_unsigned(&packer, head->nonce);
    pack_unsigned(&packer, head->sequence);
    pack_unsigned(&packer, head->kind);
    pack_unsigned(&packer, head->remaining_ms);
    pack_unsigned(&packer, head->drawn);
    pack_real(&packer, head->score);
    pack_unsigned(&packer, head->model_version);
    pack_packed(&packer, body);
    return pack_end(&packer);
}

enum status message_read_task(struct bytes frame, struct message_task *out)
{
    struct unpacker unpacker;
    struct message_task task;
    enum status status = unpack_begin(&unpacker, frame, MESSAGE_TASK, TASK_ITEMS);

    if (status != STATUS_OK) {
        return status;
    }
    task.head.nonce = unpack_unsigned(&unpacker, UINT64_MAX);
    task.head.sequence = unpack_unsigned(&unpacker, UINT64_MAX);
    task.head.kind = (enum slot_kind)unpack_unsigned(&unpacker, SLOT_REVIEW);
    task.head.remaining_ms = (uint32_t)unpack_unsigned(&unpacker, UINT32_MAX);
    task.head.drawn = (enum drawn)unpack_unsigned(&unpacker, DRAWN_RANDOM);
    task.head.score = unpack_score(&unpacker);
    task.head.model_version = unpack_unsigned(&unpacker, UINT64_MAX);
    status = read_body(&unpacker, &task);
    if (status != STATUS_OK) {
        return status;
    }
    *out = task;
    return STATUS_OK;
}

