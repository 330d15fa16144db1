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

static void no_prefix_of_a_task_is_a_task(void **state)
{
    struct buffer out;
    struct message_task task;

    (void)state;
    buffer_init(&out, KIB);
    make_task(&out);
    for (size_t count = 0; count < out.count; count++) {
        char *exact = malloc(count + 1); /* its own block, so that the sanitizer sees a read past its end */

        memcpy(exact, out.data, count);
        assert_status(STATUS_MALFORMED, message_read_task((struct bytes){exact, count}, &task));
        free(exact);
    }
    buffer_free(&out);
}

/* Whatever one byte is changed to, a task that is taken can be walked to its end. */
static void a_damaged_task_is_refused_or_can_be_walked(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    make_task(&out);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_comes_back_as_it_was),
        cmocka_unit_test(no_prefix_of_a_task_is_a_task),
        cmocka_unit_test(a_damaged_task_is_refused_or_can_be_walked),
        cmocka_unit_test(the_number_of_segments_is_bounded_exactly),
        cmocka_unit_test(a_body_keeps_its_buffers_bound_and_what_fitted),
        cmocka_unit_test(a_profile_and_a_caller_have_names_of_bounded_length),
        cmocka_unit_test(a_selection_has_the_named_segments_in_their_order),
        cmocka_unit_test(a_selection_that_does_not_fit_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
