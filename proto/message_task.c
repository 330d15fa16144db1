/* message_task: TASK, whose body (caller, profile and segments) is packed once and sent as often as needed, RECALL and TASKS. */
#include "proto/message_pack.h"

#include "proto/message_check.h"
#include "proto/secret.h"

#include <assert.h>
#include <math.h>

enum {
    TASK_ITEMS = 12,
    TASKS_ITEMS = 6,
    BODY_ITEMS = 3, /* caller, profile, segments: of a TASKS an array of its own */
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
    *body = (struct message_body){.out = out, .count_at = out->count - ARRAY32_COUNT_BYTES};
    return STATUS_OK;
}

enum status message_body_open_like(struct message_body *body, struct buffer *out, const struct message_body *other)
{
    struct bytes head = bytes_first(buffer_view(other->out), other->count_at + ARRAY32_COUNT_BYTES);
    enum status status = buffer_append(out, head);

    if (status == STATUS_OK) {
        *body = (struct message_body){.out = out, .count_at = out->count - ARRAY32_COUNT_BYTES};
    }
    return status;
}

struct bytes message_body_segments(const struct message_body *body)
{
    return bytes_from(buffer_view(body->out), body->count_at + ARRAY32_COUNT_BYTES);
}

static enum status add(struct message_body *body, const struct segment *segment, struct bytes name)
{
    size_t name_count = body->name_count + (name.count > 0);
    struct packer packer;

    if (body->segment_count == SEGMENTS_MAX || name_count > RECALL_NAMES_MAX) {
        return STATUS_FULL;
    }
    pack_begin(&packer, body->out);
    pack_unsigned(&packer, segment->role);
    if (name.count > 0) {
        pack_binary(&packer, name);
    }
    pack_text(&packer, segment->text);
    if (pack_end(&packer) != STATUS_OK) {
        return packer.status;
    }
    body->segment_count++;
    body->name_count = name_count;
    return STATUS_OK;
}

enum status message_body_add(struct message_body *body, const struct segment *segment)
{
    return add(body, segment, (struct bytes){NULL, 0});
}

enum status message_body_add_named(struct message_body *body, const struct segment *segment, struct bytes name)
{
    assert(name.count == TABLE_HASH_BYTES);
    return add(body, segment, name);
}

void message_body_end(struct message_body *body)
{
    size_t items = SEGMENT_ITEMS * body->segment_count + body->name_count;
    char *at = body->out->data + body->count_at;

    assert(body->count_at + ARRAY32_COUNT_BYTES <= body->out->count);
    for (size_t index = ARRAY32_COUNT_BYTES; index > 0; index--) {
        at[index - 1] = (char)(items & 0xff);
        items >>= 8;
    }
}

/* The segments of so many objects, every one looked at. */
static enum status read_segments(struct unpacker *unpacker, size_t items, struct message_task *task)
{
    struct bytes rest = unpacker->rest;
    size_t name_count = 0;

    task->segment_count = 0;
    task->left_out_count = 0;
    while (items > 0) {
        struct segment segment;
        struct bytes name;
        size_t taken;

        if (message_next_named(&rest, &segment, &name) != STATUS_OK) {
            return STATUS_MALFORMED;
        }
        taken = SEGMENT_ITEMS + (name.count > 0);
        if (taken > items) {
            return STATUS_MALFORMED;
        }
        items -= taken;
        name_count += name.count > 0;
        task->segment_count++;
        task->left_out_count += name.count > 0 && segment.text.count == 0;
    }
    task->name_count = name_count;
    task->segments = bytes_first(unpacker->rest, unpacker->rest.count - rest.count);
    unpacker->rest = rest;
    return STATUS_OK;
}

/* Caller, profile and segments of a task. */
static enum status read_body(struct unpacker *unpacker, size_t segments_max, size_t names_max, struct message_task *task)
{
    size_t items;

    task->caller = unpack_text(unpacker, CALLER_NAME_BYTES_MAX);
    task->profile = unpack_text(unpacker, PROFILE_NAME_BYTES_MAX);
    items = unpack_array(unpacker, SEGMENT_ITEMS * segments_max + names_max);
    if (unpacker->bad || !profile_is_sound(task->profile) || read_segments(unpacker, items, task) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    return task->segment_count <= segments_max && task->name_count <= names_max ? STATUS_OK : STATUS_MALFORMED;
}

/* Nothing where there is none. As it is always written: each set of names has one form. */
static struct bytes take_name(struct bytes *rest)
{
    static const char head[] = {'\xc4', TABLE_HASH_BYTES};
    struct bytes name = {NULL, 0};

    if (bytes_starts_with(*rest, (struct bytes){head, sizeof head}) && rest->count >= sizeof head + TABLE_HASH_BYTES) {
        name = bytes_first(bytes_from(*rest, sizeof head), TABLE_HASH_BYTES);
        *rest = bytes_from(*rest, sizeof head + TABLE_HASH_BYTES);
    }
    return name;
}

enum status message_next_segment(struct bytes *rest, struct segment *out)
{
    struct bytes name;

    return message_next_named(rest, out, &name);
}

enum status message_next_named(struct bytes *rest, struct segment *out, struct bytes *out_name)
{
    struct unpacker unpacker = {.rest = *rest};
    struct segment segment;
    struct bytes name;

    if (rest->count == 0) {
        return STATUS_NOT_FOUND;
    }
    segment.role = (uint8_t)unpack_unsigned(&unpacker, UINT8_MAX);
    name = take_name(&unpacker.rest);
    segment.text = unpack_text(&unpacker, unpacker.rest.count);
    if (unpacker.bad) {
        return STATUS_MALFORMED;
    }
    *rest = unpacker.rest;
    *out = segment;
    *out_name = name;
    return STATUS_OK;
}

enum status message_body_select(struct bytes body, struct bytes unsure, struct buffer *out)
{
    struct unpacker unpacker = {.rest = body};
    struct message_body selection;
    struct message_task task;
    struct segment segment;
    size_t start = out->count;
    enum status status = read_body(&unpacker, SEGMENTS_MAX, 0, &task);

    if (status != STATUS_OK || unpack_end(&unpacker) != STATUS_OK) {
        return STATUS_MALFORMED;
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

static enum status write_message(enum message_type type, const struct message_task_head *head, struct bytes body,
                                 struct buffer *out)
{
    struct packer packer;

    assert(task_head_is_sound(head));
    pack_begin(&packer, out);
    pack_head(&packer, TASK_ITEMS, type);
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

enum status message_write_task(const struct message_task_head *head, struct bytes body, struct buffer *out)
{
    return write_message(MESSAGE_TASK, head, body, out);
}

enum status message_write_recall(const struct message_task_head *head, struct bytes body, struct buffer *out)
{
    assert(head->kind == SLOT_LOCAL);
    return write_message(MESSAGE_RECALL, head, body, out);
}

enum status message_write_tasks(const struct message_task_head *head, size_t count, struct buffer *out)
{
    struct packer packer;

    assert(head->kind == SLOT_LOCAL && count > 0 && count <= BATCH_TASKS_MAX);
    pack_begin(&packer, out);
    pack_head(&packer, TASKS_ITEMS, MESSAGE_TASKS);
    pack_unsigned(&packer, head->nonce);
    pack_unsigned(&packer, head->sequence);
    pack_unsigned(&packer, head->remaining_ms);
    pack_array(&packer, count);
    return pack_end(&packer);
}

enum status message_write_tasks_next(struct buffer *out)
{
    struct packer packer;

    pack_begin(&packer, out);
    pack_array(&packer, BODY_ITEMS);
    return pack_end(&packer);
}

/* What stands behind version and type of a TASK or a RECALL. */
static enum status read_one(struct unpacker *unpacker, enum message_type type, struct message_task *task)
{
    enum status status;

    task->head.nonce = unpack_unsigned(unpacker, UINT64_MAX);
    task->head.sequence = unpack_unsigned(unpacker, UINT64_MAX);
    task->head.kind = (enum slot_kind)unpack_unsigned(unpacker, SLOT_REVIEW);
    task->head.remaining_ms = (uint32_t)unpack_unsigned(unpacker, UINT32_MAX);
    task->head.drawn = (enum drawn)unpack_unsigned(unpacker, DRAWN_RANDOM);
    task->head.score = unpack_score(unpacker);
    task->head.model_version = unpack_unsigned(unpacker, UINT64_MAX);
    status = read_body(unpacker, SEGMENTS_MAX, type == MESSAGE_RECALL ? RECALL_NAMES_MAX : 0, task);
    return status == STATUS_OK && type == MESSAGE_RECALL && task->head.kind != SLOT_LOCAL ? STATUS_MALFORMED : status;
}

/* The same of a TASKS. */
static enum status read_several(struct unpacker *unpacker, struct message_tasks *out)
{
    struct message_task_head head = {.kind = SLOT_LOCAL, .drawn = DRAWN_UNSURE, .score = NAN};
    size_t count;

    head.nonce = unpack_unsigned(unpacker, UINT64_MAX);
    head.sequence = unpack_unsigned(unpacker, UINT64_MAX);
    head.remaining_ms = (uint32_t)unpack_unsigned(unpacker, UINT32_MAX);
    count = unpack_array(unpacker, BATCH_TASKS_MAX);
    for (size_t index = 0; index < count; index++) {
        out->tasks[index].head = head;
        if (unpack_array(unpacker, BODY_ITEMS) != BODY_ITEMS ||
            read_body(unpacker, BATCH_SEGMENTS_MAX, BATCH_SEGMENTS_MAX, &out->tasks[index]) != STATUS_OK) {
            return STATUS_MALFORMED;
        }
    }
    out->count = count;
    return count > 0 ? STATUS_OK : STATUS_MALFORMED;
}

enum status message_read_tasks(struct bytes frame, struct message_tasks *out)
{
    struct unpacker unpacker;
    enum message_type type;
    size_t items;
    enum status status = unpack_head(&unpacker, frame, &items, &type);

    if (status != STATUS_OK) {
        return status;
    }
    out->is_batch = type == MESSAGE_TASKS;
    if (items == TASKS_ITEMS && type == MESSAGE_TASKS) {
        status = read_several(&unpacker, out);
    } else if (items == TASK_ITEMS && (type == MESSAGE_TASK || type == MESSAGE_RECALL)) {
        out->count = 1;
        status = read_one(&unpacker, type, &out->tasks[0]);
    } else {
        status = STATUS_MALFORMED;
    }
    return status == STATUS_OK ? unpack_end(&unpacker) : status;
}

enum status message_read_task(struct bytes frame, struct message_task *out)
{
    struct unpacker unpacker;
    struct message_task task;
    enum message_type type;
    size_t items;
    enum status status = unpack_head(&unpacker, frame, &items, &type);

    if (status != STATUS_OK) {
        return status;
    }
    if (items != TASK_ITEMS || (type != MESSAGE_TASK && type != MESSAGE_RECALL)) {
        return STATUS_MALFORMED;
    }
    status = read_one(&unpacker, type, &task);
    if (status != STATUS_OK || unpack_end(&unpacker) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *out = task;
    return STATUS_OK;
}
