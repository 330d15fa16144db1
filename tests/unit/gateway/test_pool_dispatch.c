/* pool_dispatch: the walk of a job, with real sockets and slots that follow a script; every end it can come to. */
#include "support/desk.h"

#include <stdio.h>
#include <stdlib.h>

static const struct profile_settings plain = {.name = "default"};
static const struct profile_settings reviewed = {.name = "default", .review = {.url = "http://127.0.0.1:1/"}};

/* The only job that has come back. */
static const struct job_result *only_result(struct desk *desk)
{
    desk_until(desk, desk->finished_count == 1);
    return &desk->finished[0]->result;
}

static void a_text_is_allowed(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct segment segment;
    const struct job_result *result;
    struct job *job;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    job = desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    assert_int_equal(SLOT_LOCAL, slot.task.head.kind);
    assert_int_equal(800, slot.task.head.remaining_ms);
    assert_true(isnan(slot.task.head.score));
    assert_bytes("default", slot.task.profile);
    assert_int_equal(2, slot.task.segment_count);
    assert_status(STATUS_OK, message_next_segment(&slot.task.segments, &segment));
    assert_bytes("first", segment.text);
    assert_status(STATUS_OK, message_next_segment(&slot.task.segments, &segment));
    assert_int_equal(SCOPE_USER, segment.role);
    assert_bytes("hello", segment.text);
    assert_int_equal(0, desk.finished_count);
    scripted_answer(&slot, OUTCOME_ALLOW);
    result = only_result(&desk);
    assert_ptr_equal(job, desk.finished[0]);
    assert_status(STATUS_OK, result->status);
    assert_int_equal(OUTCOME_ALLOW, result->outcome);
    assert_int_equal(SOURCE_MODEL, result->source);
    assert_bytes("", job_category(job));
    assert_true(result->score == 0.125f);
    assert_int_equal(12, result->model_version);
    assert_memory_equal("worker-worker-16", result->worker, WORKER_ID_BYTES);
    assert_true(result->judge_us > 0);
    assert_int_equal(0, result->review_us);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_text_is_blocked_with_its_category(void **state)
{
    struct desk desk;
    struct scripted slot;
    const struct job_result *result;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    result = only_result(&desk);
    assert_status(STATUS_OK, result->status);
    assert_int_equal(OUTCOME_BLOCK, result->outcome);
    assert_string_equal("violence", result->category);
    assert_bytes("violence", job_category(desk.finished[0]));
    scripted_close(&slot);
    desk_close(&desk);
}

static void without_a_moderator_a_job_comes_back_at_once(void **state)
{
    struct desk desk;
    struct scripted review;

    (void)state;
    desk_open(&desk);
    (void)desk_submit(&desk, &plain, "hello");
    assert_int_equal(1, desk.finished_count);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default"); /* judges nothing by itself */
    (void)desk_submit(&desk, &plain, "hello");
    assert_int_equal(2, desk.finished_count);
    assert_status(STATUS_UNAVAILABLE, desk.finished[1]->result.status);
    scripted_close(&review);
    desk_close(&desk);
}

static void jobs_wait_in_turn_and_the_queue_holds_its_bound(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *waiting[4];

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    for (size_t index = 0; index < 4; index++) {
        waiting[index] = desk_submit(&desk, &plain, "waiting");
    }
    assert_int_equal(0, desk.finished_count);
    (void)desk_submit(&desk, &plain, "one too many");
    assert_int_equal(1, desk.finished_count);
    assert_status(STATUS_FULL, desk.finished[0]->result.status);
    for (size_t index = 0; index < 5; index++) { /* the newest was refused; the others keep their turn */
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == index + 2);
        if (index > 0) {
            assert_ptr_equal(waiting[index - 1], desk.finished[index + 1]);
        }
    }
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_full_queue_makes_room_for_who_has_less_of_it(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *waiting[4];
    struct job *modest = scripted_job(&plain, 0, "modest");

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    for (size_t index = 0; index < 4; index++) {
        waiting[index] = desk_submit(&desk, &plain, "greedy");
    }
    job_set_caller(modest, BYTES("modest"));
    message_body_end(&modest->packing);
    pool_dispatch_submit(desk.dispatch, modest, desk.now_ms);
    assert_int_equal(1, desk.finished_count);
    assert_ptr_equal(waiting[3], desk.finished[0]);
    assert_status(STATUS_FULL, waiting[3]->result.status);
    for (size_t index = 0; index < 3; index++) { /* running, greedy's first, modest */
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == index + 2);
    }
    assert_ptr_equal(waiting[0], desk.finished[2]);
    assert_ptr_equal(modest, desk.finished[3]);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_hung_moderator_s_task_keeps_its_room_until_it_answers(void **state)
{
    struct desk desk;
    struct scripted hangs, idles;
    char text[601];

    (void)state;
    (void)snprintf(text, sizeof text, "%0600d", 0);
    desk_init(&desk);
    desk.settings.queue_bytes = 1000;
    desk_start(&desk);
    desk_add_slot(&desk, &hangs, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, text);
    scripted_task(&hangs);
    desk_add_slot_of(&desk, &idles, SLOT_LOCAL, "", "another-worker-2");
    (void)desk_submit(&desk, &plain, text);
    assert_int_equal(1, desk.dispatch->queue.count); /* not beside the first */
    (void)desk_submit(&desk, &plain, "small");
    assert_int_equal(2, desk.dispatch->queue.count); /* and nobody passes it */
    desk_pass_ms(&desk, 800); /* the first has been late */
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_TIMEOUT, desk.finished[0]->result.status);
    assert_int_equal(2, desk.dispatch->queue.count);
    scripted_answer(&hangs, OUTCOME_ALLOW);
    desk_until(&desk, desk.dispatch->queue.count == 0);
    scripted_task(&idles);
    scripted_task(&hangs);
    scripted_close(&hangs);
    scripted_close(&idles);
    desk_close(&desk);
}

static void tasks_that_fit_together_are_sent_together(void **state)
{
    struct desk desk;
    struct scripted slots[2];
    char text[401];

    (void)state;
    (void)snprintf(text, sizeof text, "%0400d", 0);
    desk_init(&desk);
    desk.settings.queue_bytes = 1000;
    desk_start(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot(&desk, &slots[1], SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, text);
    (void)desk_submit(&desk, &plain, text);
    assert_int_equal(0, desk.dispatch->queue.count);
    scripted_task(&slots[0]);
    scripted_task(&slots[1]);
    scripted_close(&slots[0]);
    scripted_close(&slots[1]);
    desk_close(&desk);
}

static void a_job_that_waited_too_long_is_never_sent(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *waiting;

    (void)state;
    desk_init(&desk);
    desk.settings.deadline_local_ms = 60000;
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    waiting = desk_submit(&desk, &plain, "waiting");
    desk_pass_ms(&desk, 1999);
    assert_int_equal(0, desk.finished_count);
    desk_pass_ms(&desk, 1);
    assert_int_equal(1, desk.finished_count);
    assert_ptr_equal(waiting, desk.finished[0]);
    assert_status(STATUS_TIMEOUT, waiting->result.status);
    assert_int_equal(0, waiting->attempts);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_deadline_ends_the_attempt_and_its_late_verdict_frees_the_slot(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *next;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "slow");
    scripted_task(&slot);
    desk_pass_ms(&desk, 799);
    assert_int_equal(0, desk.finished_count);
    desk_pass_ms(&desk, 1);
    assert_int_equal(1, desk.finished_count);
    assert_status(STATUS_TIMEOUT, desk.finished[0]->result.status);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_QUARANTINED));
    next = desk_submit(&desk, &plain, "next"); /* waits: the slot still owes an answer */
    assert_int_equal(1, desk.finished_count);
    scripted_answer(&slot, OUTCOME_BLOCK);
    desk_until(&desk, series_value(desk.dispatch->counts.late) == 1);
    assert_int_equal(1, desk.finished_count); /* the late verdict was nobody's */
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_ptr_equal(next, desk.finished[1]);
    assert_int_equal(OUTCOME_ALLOW, next->result.outcome);
    scripted_close(&slot);
    desk_close(&desk);
}

static void slots_are_used_in_turn(void **state)
{
    struct desk desk;
    struct scripted slots[3];

    (void)state;
    desk_open(&desk);
    for (size_t index = 0; index < 3; index++) {
        desk_add_slot(&desk, &slots[index], SLOT_LOCAL, "");
    }
    for (size_t round = 0; round < 6; round++) {
        (void)desk_submit(&desk, &plain, "hello");
        scripted_task(&slots[round % 3]);
        scripted_answer(&slots[round % 3], OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == round + 1);
    }
    for (size_t index = 0; index < 3; index++) {
        scripted_close(&slots[index]);
    }
    desk_close(&desk);
}

static void an_abandoned_job_that_waits_comes_back_unsent(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *abandoned;
    struct job *other;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    abandoned = desk_submit(&desk, &plain, "abandoned");
    other = desk_submit(&desk, &plain, "other");
    atomic_store(&abandoned->abandoned, true);
    pool_dispatch_sweep(desk.dispatch, desk.now_ms);
    assert_int_equal(1, desk.finished_count);
    assert_ptr_equal(abandoned, desk.finished[0]);
    assert_status(STATUS_CLOSED, abandoned->result.status);
    atomic_store(&other->abandoned, true); /* and without a sweep it is found when its turn comes */
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 3);
    assert_status(STATUS_CLOSED, other->result.status);
    assert_int_equal(0, other->attempts);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_verdict_for_which_nobody_waits_is_dropped_and_counted_as_late(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *job;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    job = desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    atomic_store(&job->abandoned, true);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_status(STATUS_CLOSED, only_result(&desk)->status);
    assert_int_equal(1, series_value(desk.dispatch->counts.late));
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_IDLE));
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_slot_that_is_gone_is_passed_over(void **state)
{
    struct desk desk;
    struct scripted gone;
    struct scripted there;
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;
    struct slot *slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &gone, SLOT_LOCAL, "");
    desk_add_slot(&desk, &there, SLOT_LOCAL, "");
    slot = pool_slots_idle(desk.dispatch->slots, SLOT_LOCAL, "", NULL);
    scripted_close(&gone);
    while (wire_probe(desk.wire, (struct bytes){slot->identity, slot->identity_bytes}) != STATUS_CLOSED &&
           clock_ms() < end_ms) {
        zmq_pollitem_t item = {wire_handle(desk.wire), 0, ZMQ_POLLIN, 0};

        (void)zmq_poll(&item, 1, 1);
    }
    (void)desk_submit(&desk, &plain, "hello");
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    scripted_task(&there);
    scripted_answer(&there, OUTCOME_ALLOW);
    assert_int_equal(OUTCOME_ALLOW, only_result(&desk)->outcome);
    scripted_close(&there);
    desk_close(&desk);
}

static void stopping_answers_all_that_is_held_and_all_that_comes(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    (void)desk_submit(&desk, &plain, "waiting");
    pool_dispatch_stop(desk.dispatch, desk.now_ms);
    assert_int_equal(2, desk.finished_count);
    (void)desk_submit(&desk, &plain, "new");
    assert_int_equal(3, desk.finished_count);
    for (size_t index = 0; index < 3; index++) {
        assert_status(STATUS_UNAVAILABLE, desk.finished[index]->result.status);
    }
    scripted_close(&slot);
    desk_close(&desk);
}

/* A text of `count` bytes. */
static struct job *submit_letters(struct desk *desk, const struct profile_settings *profile, size_t count)
{
    char *text = malloc(count + 1 - strlen("first")); /* that is there already */
    struct job *job;

    assert_non_null(text);
    memset(text, 'a', count - strlen("first"));
    text[count - strlen("first")] = '\0';
    job = desk_submit(desk, profile, text);
    free(text);
    return job;
}

static void long_texts_have_half_of_the_slots_and_short_ones_pass_them(void **state)
{
    struct scripted slots[4];
    struct message_verdict verdict;
    struct desk desk;

    (void)state;
    desk_open(&desk);
    for (size_t index = 0; index < 4; index++) {
        desk_add_slot(&desk, &slots[index], SLOT_LOCAL, "");
    }
    for (size_t index = 0; index < 3; index++) {
        (void)submit_letters(&desk, &plain, LONG_TEXT_BYTES + 1);
    }
    assert_int_equal(2, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY));
    assert_int_equal(1, desk.dispatch->queue.count);
    assert_int_equal(1, series_value(desk.dispatch->counts.held));
    assert_int_equal(UINT64_MAX, pool_dispatch_oldest_ms(desk.dispatch)); /* it waits for the other long ones */
    (void)submit_letters(&desk, &plain, LONG_TEXT_BYTES); /* not one of them */
    (void)submit_letters(&desk, &plain, 6);
    assert_int_equal(4, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY));
    assert_int_equal(1, desk.dispatch->queue.count);
    scripted_task(&slots[2]); /* a short one */
    verdict = scripted_verdict(&slots[2], OUTCOME_ALLOW);
    scripted_send_verdict(&slots[2], &verdict);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(1, desk.dispatch->queue.count); /* a free slot is no room for it */
    scripted_task(&slots[0]);
    verdict = scripted_verdict(&slots[0], OUTCOME_ALLOW);
    scripted_send_verdict(&slots[0], &verdict);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(0, desk.dispatch->queue.count);
    /* Late ones hold their slots until they are answered. */
    desk_pass_ms(&desk, 800);
    assert_int_equal(3, desk_slots(&desk, SLOT_LOCAL, SLOT_QUARANTINED));
    assert_false(pool_slots_long_room(desk.dispatch->slots));
    for (size_t index = 0; index < 4; index++) {
        scripted_close(&slots[index]);
    }
    desk_close(&desk);
}

static void a_buffer_for_long_texts_goes_with_its_task(void **state)
{
    struct scripted local, review;
    struct desk desk;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    (void)submit_letters(&desk, &reviewed, LONG_TEXT_BYTES);
    assert_in_range(desk.dispatch->frame.room, LONG_TEXT_BYTES, TASK_KEPT_BYTES);
    scripted_task(&local);
    scripted_answer(&local, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    (void)submit_letters(&desk, &reviewed, SCRIPT_TEXT_BYTES_MAX);
    assert_int_equal(0, desk.dispatch->frame.room);
    scripted_task(&local);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&review);
    assert_int_equal(1, review.task.segment_count);
    assert_int_equal(0, desk.dispatch->frame.room);
    assert_int_equal(0, desk.dispatch->body.room);
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_texts_have_half_of_the_slots_and_short_ones_pass_them),
        cmocka_unit_test(a_buffer_for_long_texts_goes_with_its_task),
        cmocka_unit_test(a_text_is_allowed),
        cmocka_unit_test(a_text_is_blocked_with_its_category),
        cmocka_unit_test(without_a_moderator_a_job_comes_back_at_once),
        cmocka_unit_test(jobs_wait_in_turn_and_the_queue_holds_its_bound),
        cmocka_unit_test(a_full_queue_makes_room_for_who_has_less_of_it),
        cmocka_unit_test(a_hung_moderator_s_task_keeps_its_room_until_it_answers),
        cmocka_unit_test(tasks_that_fit_together_are_sent_together),
        cmocka_unit_test(a_job_that_waited_too_long_is_never_sent),
        cmocka_unit_test(a_deadline_ends_the_attempt_and_its_late_verdict_frees_the_slot),
        cmocka_unit_test(slots_are_used_in_turn),
        cmocka_unit_test(an_abandoned_job_that_waits_comes_back_unsent),
        cmocka_unit_test(a_verdict_for_which_nobody_waits_is_dropped_and_counted_as_late),
        cmocka_unit_test(a_slot_that_is_gone_is_passed_over),
        cmocka_unit_test(stopping_answers_all_that_is_held_and_all_that_comes),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}
