/* task: TASK frames for the tests of what reads them. */
#ifndef TESTS_SUPPORT_TASK_H
#define TESTS_SUPPORT_TASK_H

#include "support/unit.h"

#include "proto/limits.h"
#include "proto/message.h"
#include "proto/settings.h"

/* Packs a TASK with one user segment a text into `out`, which is initialised here; the caller frees it. */
static inline void task_pack(struct buffer *out, const struct message_task_head *head, const char *profile,
                             const struct bytes *texts, size_t count)
{
    struct message_body body;
    struct buffer raw;

    buffer_init(&raw, 8 * MIB);
    buffer_init(out, 8 * MIB);
    assert_status(STATUS_OK, message_body_open(&body, &raw, BYTES("team-a"), bytes_of(profile)));
    for (size_t index = 0; index < count; index++) {
        const struct segment segment = {.role = SCOPE_USER, .text = texts[index]};

        assert_status(STATUS_OK, message_body_add(&body, &segment));
    }
    message_body_end(&body);
    assert_status(STATUS_OK, message_write_task(head, buffer_view(&raw), out));
    buffer_free(&raw);
}

/* A RECALL with one user segment of that name (TABLE_HASH_BYTES; empty for none); without text it is left out. */
static inline void task_pack_recall(struct buffer *out, const struct message_task_head *head, const char *profile,
                                    struct bytes name, struct bytes text)
{
    const struct segment segment = {.role = SCOPE_USER, .text = text};
    struct message_body body;
    struct buffer raw;

    buffer_init(&raw, 8 * MIB);
    buffer_init(out, 8 * MIB);
    assert_status(STATUS_OK, message_body_open(&body, &raw, BYTES("team-a"), bytes_of(profile)));
    assert_status(STATUS_OK, name.count == 0 ? message_body_add(&body, &segment) : message_body_add_named(&body, &segment, name));
    message_body_end(&body);
    assert_status(STATUS_OK, message_write_recall(head, buffer_view(&raw), out));
    buffer_free(&raw);
}

/* A TASKS of so many tasks of these profiles with one user segment each. */
static inline void task_pack_several(struct buffer *out, const struct message_task_head *head, const char *const *profiles,
                                     const struct bytes *texts, size_t count)
{
    buffer_init(out, 8 * MIB);
    assert_status(STATUS_OK, message_write_tasks(head, count, out));
    for (size_t index = 0; index < count; index++) {
        const struct segment segment = {.role = SCOPE_USER, .text = texts[index]};
        struct message_body body;

        assert_status(STATUS_OK, message_write_tasks_next(out));
        assert_status(STATUS_OK, message_body_open(&body, out, BYTES("team-a"), bytes_of(profiles[index])));
        assert_status(STATUS_OK, message_body_add(&body, &segment));
        message_body_end(&body);
    }
}

/* The task of task_pack, read back; its views are lent by `packed`. */
static inline struct message_task task_make(struct buffer *packed, const struct message_task_head *head, const char *profile,
                                            const struct bytes *texts, size_t count)
{
    struct message_task task;

    task_pack(packed, head, profile, texts, count);
    assert_status(STATUS_OK, message_read_task(buffer_view(packed), &task));
    return task;
}

#endif
