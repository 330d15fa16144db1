/* message: a frame is one message of its type or none; what a reader takes is written and read back the same. */
#include "fuzz/fuzz.h"

#include "proto/message.h"
#include "proto/settings.h"

static struct buffer frame_out;

static struct bytes written(enum status status)
{
    fuzz_hold(status == STATUS_OK);
    return buffer_view(&frame_out);
}

static bool floats_equal(float left, float right)
{
    return memcmp(&left, &right, sizeof left) == 0 || (left != left && right != right) || !(left < right || left > right);
}

static void read_task(struct bytes frame)
{
    struct message_task task, again;
    struct message_body body;
    struct segment segment;
    struct buffer packed;
    struct bytes name;
    size_t count = 0;
    size_t left_out_count = 0;

    if (message_read_task(frame, &task) != STATUS_OK) {
        return;
    }
    buffer_init(&packed, 16 * MIB);
    fuzz_hold(message_body_open(&body, &packed, task.caller, task.profile) == STATUS_OK);
    for (struct bytes rest = task.segments; message_next_named(&rest, &segment, &name) == STATUS_OK; count++) {
        fuzz_hold((name.count > 0 ? message_body_add_named(&body, &segment, name) : message_body_add(&body, &segment)) == STATUS_OK);
        left_out_count += name.count > 0 && segment.text.count == 0;
    }
    message_body_end(&body);
    fuzz_hold(count == task.segment_count && count <= SEGMENTS_MAX);
    fuzz_hold(left_out_count == task.left_out_count);
    frame = written((body.name_count > 0 ? message_write_recall : message_write_task)(&task.head, buffer_view(&packed), &frame_out));
    fuzz_hold(message_read_task(frame, &again) == STATUS_OK);
    fuzz_hold(again.head.nonce == task.head.nonce && again.head.sequence == task.head.sequence);
    fuzz_hold(again.head.kind == task.head.kind && again.head.remaining_ms == task.head.remaining_ms);
    fuzz_hold(again.segment_count == count && bytes_equal(again.profile, task.profile));
    buffer_free(&packed);
}

static void read_verdict(struct bytes frame)
{
    struct message_verdict verdict, again;

    if (message_read_verdict(frame, &verdict) != STATUS_OK) {
        return;
    }
    fuzz_hold(verdict.category.count <= CATEGORY_BYTES_MAX && verdict.unsure.count <= UNSURE_BYTES_MAX);
    fuzz_hold(!(verdict.score < 0.0F) && !(verdict.score > 1.0F));
    fuzz_hold((verdict.outcome == OUTCOME_UNSURE) == (verdict.unsure.count != 0));
    if (verdict.unsure.count > 0) {
        size_t end = message_unsure_end(verdict.unsure);

        fuzz_hold(end <= SEGMENTS_MAX && end + 8 > 8 * verdict.unsure.count && message_unsure_has(verdict.unsure, end - 1));
    }
    frame = written(message_write_verdict(&verdict, &frame_out));
    fuzz_hold(message_read_verdict(frame, &again) == STATUS_OK);
    fuzz_hold(again.nonce == verdict.nonce && again.sequence == verdict.sequence && again.outcome == verdict.outcome);
    fuzz_hold(again.source == verdict.source && bytes_equal(again.category, verdict.category));
    fuzz_hold(floats_equal(again.score, verdict.score) && again.model_version == verdict.model_version);
    fuzz_hold(bytes_equal(again.unsure, verdict.unsure));
}

/* Each of them is a task as it stands, and written so it is read again. */
static void read_tasks(struct bytes frame)
{
    struct message_tasks tasks, again;

    if (message_read_tasks(frame, &tasks) != STATUS_OK || !tasks.is_batch) {
        return;
    }
    fuzz_hold(tasks.count > 0 && tasks.count <= BATCH_TASKS_MAX);
    fuzz_hold(message_write_tasks(&tasks.tasks[0].head, tasks.count, &frame_out) == STATUS_OK);
    for (size_t index = 0; index < tasks.count; index++) {
        struct bytes rest = tasks.tasks[index].segments;
        struct message_body body;
        struct segment segment;
        struct bytes name;

        fuzz_hold(message_write_tasks_next(&frame_out) == STATUS_OK);
        fuzz_hold(message_body_open(&body, &frame_out, tasks.tasks[index].caller, tasks.tasks[index].profile) == STATUS_OK);
        while (message_next_named(&rest, &segment, &name) == STATUS_OK) {
            fuzz_hold((name.count > 0 ? message_body_add_named(&body, &segment, name) : message_body_add(&body, &segment)) ==
                      STATUS_OK);
        }
        fuzz_hold(rest.count == 0 && body.segment_count == tasks.tasks[index].segment_count);
        fuzz_hold(body.segment_count <= BATCH_SEGMENTS_MAX && body.name_count == tasks.tasks[index].name_count);
        message_body_end(&body);
    }
    fuzz_hold(message_read_tasks(buffer_view(&frame_out), &again) == STATUS_OK);
    fuzz_hold(again.is_batch && again.count == tasks.count);
    fuzz_hold(again.tasks[0].head.sequence == tasks.tasks[0].head.sequence);
}

static void read_verdicts(struct bytes frame)
{
    struct message_verdicts verdicts, again;

    if (message_read_verdicts(frame, &verdicts) != STATUS_OK) {
        return;
    }
    fuzz_hold(verdicts.count > 0 && verdicts.count <= BATCH_TASKS_MAX);
    const struct message_task_head head = {.nonce = verdicts.nonce, .sequence = verdicts.sequence};
    fuzz_hold(message_write_verdicts(&head, verdicts.count, &frame_out) == STATUS_OK);
    for (size_t index = 0; index < verdicts.count; index++) {
        const struct message_answer *answer = &verdicts.answers[index];

        fuzz_hold((answer->busy == BUSY_NONE ? message_write_verdicts_next(&answer->verdict, &frame_out)
                                             : message_write_verdicts_busy(answer->busy, &frame_out)) == STATUS_OK);
    }
    fuzz_hold(message_read_verdicts(buffer_view(&frame_out), &again) == STATUS_OK);
    fuzz_hold(again.nonce == verdicts.nonce && again.count == verdicts.count);
    for (size_t index = 0; index < verdicts.count; index++) {
        fuzz_hold(again.answers[index].busy == verdicts.answers[index].busy);
    }
}

static void read_ready(struct bytes frame)
{
    struct message_ready ready, again;

    if (message_read_ready(frame, &ready) != STATUS_OK) {
        return;
    }
    fuzz_hold(ready.worker.count == WORKER_ID_BYTES && (ready.kind == SLOT_LOCAL) == (ready.profile.count == 0));
    frame = written(message_write_ready(&ready, &frame_out));
    fuzz_hold(message_read_ready(frame, &again) == STATUS_OK);
    fuzz_hold(bytes_equal(again.worker, ready.worker) && again.kind == ready.kind);
    fuzz_hold(bytes_equal(again.profile, ready.profile) && again.text_bytes_max == ready.text_bytes_max);
}

static void read_short(struct bytes frame)
{
    struct message_busy busy, busy_again;
    struct message_model model, model_again;

    if (message_read_busy(frame, &busy) == STATUS_OK) {
        frame = written(message_write_busy(&busy, &frame_out));
        fuzz_hold(message_read_busy(frame, &busy_again) == STATUS_OK);
        fuzz_hold(busy_again.nonce == busy.nonce && busy_again.sequence == busy.sequence && busy_again.reason == busy.reason);
    } else if (message_read_model(frame, &model) == STATUS_OK) {
        frame = written(message_write_model(&model, &frame_out));
        fuzz_hold(message_read_model(frame, &model_again) == STATUS_OK);
        fuzz_hold(model_again.epoch == model.epoch && model_again.change == model.change);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes frame = fuzz_bytes(data, size);
    enum message_type type = 0;
    enum status status = message_read_type(frame, &type);

    fuzz_hold(status != STATUS_OK || (type >= MESSAGE_READY && type <= MESSAGE_VERDICTS));
    buffer_init(&frame_out, 16 * MIB);
    read_task(frame);
    buffer_clear(&frame_out);
    read_verdict(frame);
    buffer_clear(&frame_out);
    read_tasks(frame);
    buffer_clear(&frame_out);
    read_verdicts(frame);
    buffer_clear(&frame_out);
    read_ready(frame);
    buffer_clear(&frame_out);
    read_short(frame);
    buffer_free(&frame_out);
    return 0;
}
