/* message_task: a body is packed once and read back segment by segment; every bound and every damaged byte is met. */
#include "support/unit.h"

#include "proto/message.h"

#include <math.h>
#include <stdlib.h>

static const struct message_task_head sample_head = {
    .nonce = UINT64_MAX, .sequence = 7, .kind = SLOT_REVIEW, .remaining_ms = 800, .drawn = DRAWN_RANDOM, .score = 0.25f,
    .model_version = 12};

/* A body of three segments for the profile "default". */
static void make_body(struct buffer *out)
{
    struct message_body body;

    assert_status(STATUS_OK, message_body_open(&body, out, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){2, BYTES("hello")}));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){255, {"a\0b", 3}}));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){1, BYTES("")}));
    message_body_end(&body);
}

static void make_task(struct buffer *out)
{
    struct buffer body;

    buffer_init(&body, KIB);
    make_body(&body);
    assert_status(STATUS_OK, message_write_task(&sample_head, buffer_view(&body), out));
    buffer_free(&body);
}

static void a_task_comes_back_as_it_was(void **state)
{
    struct buffer out;
    struct message_task task;
    struct segment segment;

    (void)state;
    buffer_init(&out, KIB);
    make_task(&out);
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_true(task.head.nonce == UINT64_MAX);
    assert_int_equal(7, task.head.sequence);
    assert_int_equal(SLOT_REVIEW, task.head.kind);
    assert_int_equal(800, task.head.remaining_ms);
    assert_int_equal(DRAWN_RANDOM, task.head.drawn);
    assert_true(task.head.score == 0.25f);
    assert_int_equal(12, task.head.model_version);
    assert_bytes("team-a", task.caller);
    assert_bytes("default", task.profile);
    assert_int_equal(3, task.segment_count);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_int_equal(2, segment.role);
    assert_bytes("hello", segment.text);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_int_equal(255, segment.role);
    assert_int_equal(3, segment.text.count);
    assert_memory_equal("a\0b", segment.text.data, 3);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_bytes("", segment.text);
    assert_status(STATUS_NOT_FOUND, message_next_segment(&task.segments, &segment));
    buffer_free(&out);
}

static const struct message_task_head local_head = {
    .nonce = 0x1122334455667788, .sequence = 7, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};

#define NAME "0123456789abcdef"

/* Of three segments: without a name, with one, and with one alone. */
static void make_recall(struct buffer *out)
{
    struct message_body body;
    struct buffer packed;

    buffer_init(&packed, KIB);
    assert_status(STATUS_OK, message_body_open(&body, &packed, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){1, BYTES("be kind")}));
    assert_status(STATUS_OK, message_body_add_named(&body, &(struct segment){2, BYTES("hello")}, BYTES(NAME)));
    assert_status(STATUS_OK, message_body_add_named(&body, &(struct segment){2, BYTES("")}, BYTES("fedcba9876543210")));
    message_body_end(&body);
    assert_status(STATUS_OK, message_write_recall(&local_head, buffer_view(&packed), out));
    buffer_free(&packed);
}

static void a_recall_comes_back_with_its_names(void **state)
{
    struct buffer out;
    struct message_task task;
    struct segment segment;
    struct bytes name;

    (void)state;
    buffer_init(&out, KIB);
    make_recall(&out);
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_int_equal(7, task.head.sequence);
    assert_bytes("team-a", task.caller);
    assert_int_equal(3, task.segment_count);
    assert_int_equal(1, task.left_out_count);
    assert_status(STATUS_OK, message_next_named(&task.segments, &segment, &name));
    assert_bytes("be kind", segment.text);
    assert_bytes("", name);
    assert_status(STATUS_OK, message_next_named(&task.segments, &segment, &name));
    assert_int_equal(2, segment.role);
    assert_bytes("hello", segment.text);
    assert_bytes(NAME, name);
    assert_status(STATUS_OK, message_next_named(&task.segments, &segment, &name));
    assert_bytes("", segment.text);
    assert_bytes("fedcba9876543210", name);
    assert_status(STATUS_NOT_FOUND, message_next_named(&task.segments, &segment, &name));
    buffer_free(&out);
}

/* Names stand in a RECALL of a local slot only: what reads a TASK never meets a text that is not there. */
static void names_stand_in_a_recall_only(void **state)
{
    enum { TYPE_AT = 2, KIND_AT = 13 };
    struct buffer out;
    struct message_task task;

    (void)state;
    buffer_init(&out, KIB);
    make_recall(&out);
    assert_int_equal(MESSAGE_RECALL, out.data[TYPE_AT]);
    out.data[TYPE_AT] = MESSAGE_TASK;
    assert_status(STATUS_MALFORMED, message_read_task(buffer_view(&out), &task));
    out.data[TYPE_AT] = MESSAGE_RECALL;
    assert_int_equal(SLOT_LOCAL, out.data[KIND_AT]);
    out.data[KIND_AT] = SLOT_REVIEW;
    assert_status(STATUS_MALFORMED, message_read_task(buffer_view(&out), &task));
    out.data[KIND_AT] = SLOT_LOCAL;
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    buffer_free(&out);
}

static void the_number_of_names_is_bounded_exactly(void **state)
{
    struct buffer body;
    struct buffer out;
    struct message_body packing;
    struct message_task task;
    const struct segment segment = {2, BYTES("x")};

    (void)state;
    buffer_init(&body, MIB);
    buffer_init(&out, MIB);
    assert_status(STATUS_OK, message_body_open(&packing, &body, BYTES(""), BYTES("p")));
    for (unsigned index = 0; index < RECALL_NAMES_MAX; index++) {
        assert_status(STATUS_OK, message_body_add_named(&packing, &segment, BYTES(NAME)));
    }
    assert_status(STATUS_FULL, message_body_add_named(&packing, &segment, BYTES(NAME)));
    while (packing.segment_count < SEGMENTS_MAX) {
        assert_status(STATUS_OK, message_body_add(&packing, &segment));
    }
    message_body_end(&packing);
    assert_status(STATUS_OK, message_write_recall(&local_head, buffer_view(&body), &out));
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_int_equal(SEGMENTS_MAX, task.segment_count);

    /* One name for the last segment too, as only a stranger would send it. */
    body.count -= sizeof "\x02\xa1x" - 1;
    packing.name_count++;
    message_body_end(&packing);
    assert_status(STATUS_OK, buffer_append(&body, BYTES("\x02\xc4\x10" NAME "\xa1x")));
    buffer_clear(&out);
    assert_status(STATUS_OK, message_write_recall(&local_head, buffer_view(&body), &out));
    assert_status(STATUS_MALFORMED, message_read_task(buffer_view(&out), &task));
    buffer_free(&body);
    buffer_free(&out);
}

static void a_body_like_another_has_its_caller_and_profile(void **state)
{
    struct buffer first;
    struct buffer second;
    struct buffer out;
    struct message_body body;
    struct message_body like;
    struct message_task task;

    (void)state;
    buffer_init(&first, KIB);
    buffer_init(&second, KIB);
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_body_open(&body, &first, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){1, BYTES("first")}));
    message_body_end(&body);
    assert_status(STATUS_OK, message_body_open_like(&like, &second, &body));
    assert_status(STATUS_OK, message_body_add(&like, &(struct segment){1, BYTES("second")}));
    assert_status(STATUS_OK, message_body_add(&like, &(struct segment){1, BYTES("third")}));
    message_body_end(&like);
    assert_int_equal(2 + sizeof "first" - 1, message_body_segments(&body).count);
    assert_status(STATUS_OK, message_write_task(&local_head, buffer_view(&second), &out));
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_bytes("team-a", task.caller);
    assert_bytes("default", task.profile);
    assert_int_equal(2, task.segment_count);
    assert_int_equal(0, task.left_out_count);
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&out);
}

static void no_prefix_of_a_task_is_a_task(void **state)
{
    void (*const make[])(struct buffer *out) = {make_task, make_recall};
    struct buffer out;
    struct message_task task;

    (void)state;
    buffer_init(&out, KIB);
    for (size_t which = 0; which < sizeof make / sizeof make[0]; which++) {
        buffer_clear(&out);
        make[which](&out);
        for (size_t count = 0; count < out.count; count++) {
            char *exact = malloc(count + 1); /* its own block, so that the sanitizer sees a read past its end */

            memcpy(exact, out.data, count);
            assert_status(STATUS_MALFORMED, message_read_task((struct bytes){exact, count}, &task));
            free(exact);
        }
    }
    buffer_free(&out);
}

/* Whatever one byte is changed to, a task that is taken can be walked to its end. */
static void walk_damaged(void (*make)(struct buffer *out))
{
    struct buffer out;

    buffer_init(&out, KIB);
    make(&out);
    for (size_t at = 0; at < out.count; at++) {
        char kept = out.data[at];

        for (unsigned value = 0; value < 256; value++) {
            struct message_task task;
            struct segment segment;
            size_t count = 0;

            out.data[at] = (char)value;
            if (message_read_task(buffer_view(&out), &task) != STATUS_OK) {
                continue;
            }
            while (message_next_segment(&task.segments, &segment) == STATUS_OK) {
                count++;
            }
            assert_int_equal(0, task.segments.count);
            assert_int_equal(task.segment_count, count);
        }
        out.data[at] = kept;
    }
    buffer_free(&out);
}

static void a_damaged_task_is_refused_or_can_be_walked(void **state)
{
    (void)state;
    walk_damaged(make_task);
    walk_damaged(make_recall);
}

static void the_number_of_segments_is_bounded_exactly(void **state)
{
    struct buffer body;
    struct buffer out;
    struct message_body packing;
    struct message_task task;
    struct segment segment = {1, BYTES("x")};

    (void)state;
    buffer_init(&body, MIB);
    buffer_init(&out, MIB);
    assert_status(STATUS_OK, message_body_open(&packing, &body, BYTES("team-a"), BYTES("p")));
    for (unsigned index = 0; index < SEGMENTS_MAX; index++) {
        assert_status(STATUS_OK, message_body_add(&packing, &segment));
    }
    assert_status(STATUS_FULL, message_body_add(&packing, &segment));
    message_body_end(&packing);
    assert_status(STATUS_OK, message_write_task(&sample_head, buffer_view(&body), &out));
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_int_equal(SEGMENTS_MAX, task.segment_count);

    /* One more, as only a stranger would send it: the count is patched and a segment put behind. */
    packing.segment_count++;
    message_body_end(&packing);
    buffer_clear(&out);
    assert_status(STATUS_OK, buffer_append(&body, BYTES("\x01\xa1x")));
    assert_status(STATUS_OK, message_write_task(&sample_head, buffer_view(&body), &out));
    assert_status(STATUS_MALFORMED, message_read_task(buffer_view(&out), &task));
    buffer_free(&body);
    buffer_free(&out);
}

static void a_body_keeps_its_buffers_bound_and_what_fitted(void **state)
{
    struct buffer out;
    struct message_body body;

    (void)state;
    buffer_init(&out, 1 + 1 + 1 + 5 + 1 + 1 + 4); /* no caller, "p", the array's head, one segment of four bytes */
    assert_status(STATUS_OK, message_body_open(&body, &out, BYTES(""), BYTES("p")));
    assert_status(STATUS_TOO_LARGE, message_body_add(&body, &(struct segment){1, BYTES("abcde")}));
    assert_status(STATUS_OK, message_body_add(&body, &(struct segment){1, BYTES("abcd")}));
    assert_status(STATUS_TOO_LARGE, message_body_add(&body, &(struct segment){1, BYTES("")}));
    message_body_end(&body);
    assert_int_equal(out.max, out.count);
    assert_int_equal(1, body.segment_count);
    buffer_free(&out);
}

static void a_profile_and_a_caller_have_names_of_bounded_length(void **state)
{
    char name[PROFILE_NAME_BYTES_MAX + 1];
    struct buffer out;
    struct message_body body;

    (void)state;
    memset(name, 'n', sizeof name);
    buffer_init(&out, KIB);
    assert_status(STATUS_MALFORMED, message_body_open(&body, &out, BYTES("team-a"), BYTES("")));
    assert_status(STATUS_MALFORMED, message_body_open(&body, &out, BYTES("team-a"), (struct bytes){name, sizeof name}));
    assert_status(STATUS_MALFORMED, message_body_open(&body, &out, (struct bytes){name, CALLER_NAME_BYTES_MAX + 1}, BYTES("p")));
    assert_int_equal(0, out.count);
    assert_status(STATUS_OK, message_body_open(&body, &out, (struct bytes){name, CALLER_NAME_BYTES_MAX},
                                               (struct bytes){name, PROFILE_NAME_BYTES_MAX}));
    buffer_free(&out);
}

static void a_selection_has_the_named_segments_in_their_order(void **state)
{
    struct buffer body;
    struct buffer chosen;
    struct buffer out;
    struct message_task task;
    struct segment segment;

    (void)state;
    buffer_init(&body, KIB);
    buffer_init(&chosen, KIB);
    buffer_init(&out, KIB);
    make_body(&body);
    assert_status(STATUS_NOT_FOUND, message_body_select(buffer_view(&body), BYTES("\x08"), &chosen));
    assert_int_equal(0, chosen.count);
    assert_status(STATUS_OK, message_body_select(buffer_view(&body), BYTES("\x05"), &chosen));
    assert_status(STATUS_OK, message_write_task(&sample_head, buffer_view(&chosen), &out));
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_bytes("team-a", task.caller);
    assert_bytes("default", task.profile);
    assert_int_equal(2, task.segment_count);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_bytes("hello", segment.text);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_int_equal(1, segment.role);
    assert_bytes("", segment.text);
    buffer_free(&body);
    buffer_free(&chosen);
    buffer_free(&out);
}

static void a_selection_that_does_not_fit_leaves_nothing_behind(void **state)
{
    struct buffer body;
    struct buffer chosen;

    (void)state;
    buffer_init(&body, KIB);
    buffer_init(&chosen, 16);
    make_body(&body);
    assert_status(STATUS_TOO_LARGE, message_body_select(buffer_view(&body), BYTES("\x01"), &chosen));
    assert_int_equal(0, chosen.count);
    buffer_free(&body);
    buffer_free(&chosen);
}

/* Two tasks, the second one with a name and a text that is left out. */
static void make_tasks(struct buffer *out)
{
    const struct message_task_head head = {.nonce = 3, .sequence = 7, .kind = SLOT_LOCAL, .remaining_ms = 800};
    struct message_body body;

    assert_status(STATUS_OK, message_write_tasks(&head, 2, out));
    assert_status(STATUS_OK, message_write_tasks_next(out));
    make_body(out);
    assert_status(STATUS_OK, message_write_tasks_next(out));
    assert_status(STATUS_OK, message_body_open(&body, out, BYTES(""), BYTES("other")));
    assert_status(STATUS_OK, message_body_add_named(&body, &(struct segment){2, BYTES("hello")}, BYTES(NAME)));
    assert_status(STATUS_OK, message_body_add_named(&body, &(struct segment){2, BYTES("")}, BYTES("fedcba9876543210")));
    message_body_end(&body);
}

static void several_tasks_come_back_as_they_were(void **state)
{
    struct message_tasks tasks;
    struct segment segment;
    struct bytes name;
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    make_tasks(&out);
    assert_status(STATUS_OK, message_read_tasks(buffer_view(&out), &tasks));
    assert_true(tasks.is_batch);
    assert_int_equal(2, tasks.count);
    for (size_t index = 0; index < 2; index++) {
        assert_int_equal(3, tasks.tasks[index].head.nonce);
        assert_int_equal(7, tasks.tasks[index].head.sequence);
        assert_int_equal(SLOT_LOCAL, tasks.tasks[index].head.kind);
        assert_int_equal(800, tasks.tasks[index].head.remaining_ms);
        assert_true(isnan(tasks.tasks[index].head.score));
    }
    assert_bytes("team-a", tasks.tasks[0].caller);
    assert_bytes("default", tasks.tasks[0].profile);
    assert_int_equal(3, tasks.tasks[0].segment_count);
    assert_int_equal(0, tasks.tasks[0].left_out_count);
    for (size_t index = 0; index < 3; index++) {
        assert_status(STATUS_OK, message_next_segment(&tasks.tasks[0].segments, &segment));
    }
    assert_status(STATUS_NOT_FOUND, message_next_segment(&tasks.tasks[0].segments, &segment)); /* the next task is not its own */
    assert_bytes("other", tasks.tasks[1].profile);
    assert_int_equal(2, tasks.tasks[1].name_count);
    assert_int_equal(1, tasks.tasks[1].left_out_count);
    assert_status(STATUS_OK, message_next_named(&tasks.tasks[1].segments, &segment, &name));
    assert_bytes("hello", segment.text);
    assert_bytes(NAME, name);
    buffer_free(&out);
}

static void one_task_and_a_recall_are_read_as_several_too(void **state)
{
    struct message_tasks tasks;
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    make_task(&out);
    assert_status(STATUS_OK, message_read_tasks(buffer_view(&out), &tasks));
    assert_false(tasks.is_batch);
    assert_int_equal(1, tasks.count);
    assert_int_equal(SLOT_REVIEW, tasks.tasks[0].head.kind);
    buffer_clear(&out);
    make_recall(&out);
    assert_status(STATUS_OK, message_read_tasks(buffer_view(&out), &tasks));
    assert_false(tasks.is_batch);
    assert_int_equal(1, tasks.tasks[0].left_out_count);
    buffer_clear(&out);
    make_tasks(&out);
    assert_status(STATUS_MALFORMED, message_read_task(buffer_view(&out), &tasks.tasks[0])); /* who reads one takes one */
    buffer_free(&out);
}

static void no_prefix_of_several_tasks_is_a_message(void **state)
{
    struct message_tasks tasks;
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    make_tasks(&out);
    for (size_t count = 0; count < out.count; count++) {
        char *exact = malloc(count + 1);

        memcpy(exact, out.data, count);
        assert_status(STATUS_MALFORMED, message_read_tasks((struct bytes){exact, count}, &tasks));
        free(exact);
    }
    buffer_free(&out);
}

static void damaged_tasks_are_refused_or_can_be_walked(void **state)
{
    struct message_tasks tasks;
    struct segment segment;
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    make_tasks(&out);
    for (size_t at = 0; at < out.count; at++) {
        char kept = out.data[at];

        for (unsigned value = 0; value < 256; value++) {
            out.data[at] = (char)value;
            if (message_read_tasks(buffer_view(&out), &tasks) != STATUS_OK) {
                continue;
            }
            assert_int_equal(2, tasks.count);
            for (size_t index = 0; index < tasks.count; index++) {
                struct bytes rest = tasks.tasks[index].segments;
                size_t count = 0;

                while (message_next_segment(&rest, &segment) == STATUS_OK) {
                    count++;
                }
                assert_int_equal(0, rest.count);
                assert_int_equal(tasks.tasks[index].segment_count, count);
            }
        }
        out.data[at] = kept;
    }
    buffer_free(&out);
}

/* So many tasks of so many named segments are taken, and one more of either is not. */
static enum status read_batch_of(size_t task_count, size_t segment_count)
{
    const struct message_task_head head = {.nonce = 3, .sequence = 7, .kind = SLOT_LOCAL, .remaining_ms = 800};
    struct message_tasks tasks;
    struct message_body body;
    struct buffer out;
    enum status status;

    buffer_init(&out, MIB);
    assert_status(STATUS_OK, message_write_tasks(&head, 1, &out));
    out.count--; /* the count is written by hand, as only a stranger would */
    assert_true(task_count < 256);
    assert_status(STATUS_OK, buffer_append(&out, (struct bytes){(const char[]){'\xdc', 0, (char)task_count}, 3}));
    for (size_t task = 0; task < task_count; task++) {
        assert_status(STATUS_OK, message_write_tasks_next(&out));
        assert_status(STATUS_OK, message_body_open(&body, &out, BYTES(""), BYTES("p")));
        for (size_t index = 0; index < segment_count; index++) {
            assert_status(STATUS_OK, message_body_add_named(&body, &(struct segment){1, BYTES("x")}, BYTES(NAME)));
        }
        message_body_end(&body);
    }
    status = message_read_tasks(buffer_view(&out), &tasks);
    buffer_free(&out);
    return status;
}

static void tasks_of_a_message_and_their_segments_are_bounded_exactly(void **state)
{
    (void)state;
    assert_status(STATUS_OK, read_batch_of(1, 1));
    assert_status(STATUS_OK, read_batch_of(BATCH_TASKS_MAX, BATCH_SEGMENTS_MAX));
    assert_status(STATUS_MALFORMED, read_batch_of(BATCH_TASKS_MAX + 1, 1));
    assert_status(STATUS_MALFORMED, read_batch_of(1, BATCH_SEGMENTS_MAX + 1));
    assert_status(STATUS_MALFORMED, read_batch_of(0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_comes_back_as_it_was),
        cmocka_unit_test(a_recall_comes_back_with_its_names),
        cmocka_unit_test(names_stand_in_a_recall_only),
        cmocka_unit_test(the_number_of_names_is_bounded_exactly),
        cmocka_unit_test(a_body_like_another_has_its_caller_and_profile),
        cmocka_unit_test(no_prefix_of_a_task_is_a_task),
        cmocka_unit_test(a_damaged_task_is_refused_or_can_be_walked),
        cmocka_unit_test(the_number_of_segments_is_bounded_exactly),
        cmocka_unit_test(a_body_keeps_its_buffers_bound_and_what_fitted),
        cmocka_unit_test(a_profile_and_a_caller_have_names_of_bounded_length),
        cmocka_unit_test(a_selection_has_the_named_segments_in_their_order),
        cmocka_unit_test(a_selection_that_does_not_fit_leaves_nothing_behind),
        cmocka_unit_test(several_tasks_come_back_as_they_were),
        cmocka_unit_test(one_task_and_a_recall_are_read_as_several_too),
        cmocka_unit_test(no_prefix_of_several_tasks_is_a_message),
        cmocka_unit_test(damaged_tasks_are_refused_or_can_be_walked),
        cmocka_unit_test(tasks_of_a_message_and_their_segments_are_bounded_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
