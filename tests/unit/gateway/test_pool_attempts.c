/* pool_attempts: moderators that die, hang, refuse or leave, and the one second attempt that makes up for them. */
#include "support/desk.h"

static const char first_process[] = "moderator-one-16";
static const char second_process[] = "moderator-two-16";
static const char third_process[] = "moderator-trois!";

static const struct profile_settings plain = {.name = "default"};
static const struct profile_settings reviewed = {.name = "default", .review = {.url = "http://127.0.0.1:1/"}};

/* Two local slots of two processes; the first one is asked first. */
struct pair {
    struct desk desk;
    struct scripted first;
    struct scripted second;
};

static void pair_open(struct pair *pair)
{
    desk_open(&pair->desk);
    desk_add_slot_of(&pair->desk, &pair->first, SLOT_LOCAL, "", first_process);
    desk_add_slot_of(&pair->desk, &pair->second, SLOT_LOCAL, "", second_process);
}

static void pair_close(struct pair *pair)
{
    scripted_close(&pair->first);
    scripted_close(&pair->second);
    desk_close(&pair->desk);
}

static int64_t ends(const struct desk *desk, enum pool_end end)
{
    return series_value(desk->dispatch->counts.ends[end]);
}

static int64_t retries(const struct desk *desk)
{
    return series_value(desk->dispatch->counts.retries);
}

static void a_text_of_a_killed_moderator_goes_to_another(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "hello");
    scripted_task(&pair.first);
    assert_int_equal(400, pair.first.task.head.remaining_ms); /* at most half of the deadline */
    desk_kill_slot(&pair.desk, &pair.first, 1);
    scripted_task(&pair.second);
    assert_int_equal(700, pair.second.task.head.remaining_ms); /* there is no third attempt to keep time for */
    assert_int_equal(0, pair.desk.finished_count);
    scripted_answer(&pair.second, OUTCOME_BLOCK);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_status(STATUS_OK, pair.desk.finished[0]->result.status);
    assert_int_equal(OUTCOME_BLOCK, pair.desk.finished[0]->result.outcome);
    assert_memory_equal(second_process, pair.desk.finished[0]->result.worker, WORKER_ID_BYTES);
    assert_int_equal(1, pair.desk.finished[0]->result.retries);
    assert_int_equal(1, ends(&pair.desk, END_GONE));
    assert_int_equal(1, retries(&pair.desk));
    pair_close(&pair);
}

static void a_late_moderator_is_not_waited_for_and_its_verdict_is_dropped(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "hello");
    scripted_task(&pair.first);
    desk_pass_ms(&pair.desk, 399);
    assert_int_equal(0, retries(&pair.desk));
    desk_pass_ms(&pair.desk, 1);
    scripted_task(&pair.second);
    assert_int_equal(400, pair.second.task.head.remaining_ms);
    scripted_answer(&pair.first, OUTCOME_BLOCK);
    desk_until(&pair.desk, series_value(pair.desk.dispatch->counts.late) == 1);
    assert_int_equal(0, pair.desk.finished_count);
    scripted_answer(&pair.second, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_int_equal(OUTCOME_ALLOW, pair.desk.finished[0]->result.outcome);
    assert_int_equal(1, ends(&pair.desk, END_TIMEOUT));
    pair_close(&pair);
}

static void when_both_are_late_the_deadline_ends_it(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "hello");
    desk_pass_ms(&pair.desk, 400);
    desk_pass_ms(&pair.desk, 399);
    assert_int_equal(0, pair.desk.finished_count);
    desk_pass_ms(&pair.desk, 1);
    assert_int_equal(1, pair.desk.finished_count);
    assert_status(STATUS_TIMEOUT, pair.desk.finished[0]->result.status);
    assert_int_equal(2, ends(&pair.desk, END_TIMEOUT));
    assert_int_equal(1, retries(&pair.desk));
    pair_close(&pair);
}

static void who_is_busy_passes_the_text_on_once(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "hello");
    scripted_task(&pair.first);
    scripted_busy(&pair.first, BUSY_FAILED);
    desk_until(&pair.desk, retries(&pair.desk) == 1);
    scripted_task(&pair.second);
    scripted_busy(&pair.second, BUSY_FAILED);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, pair.desk.finished[0]->result.status);
    assert_int_equal(2, ends(&pair.desk, END_BUSY));
    assert_int_equal(1, retries(&pair.desk));
    pair_close(&pair);
}

static void another_slot_of_the_same_process_is_no_other_moderator(void **state)
{
    struct desk desk;
    struct scripted first;
    struct scripted second;

    (void)state;
    desk_open(&desk);
    desk_add_slot_of(&desk, &first, SLOT_LOCAL, "", first_process);
    desk_add_slot_of(&desk, &second, SLOT_LOCAL, "", first_process);
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&first);
    assert_int_equal(800, first.task.head.remaining_ms); /* nobody to keep time for */
    scripted_busy(&first, BUSY_FAILED);
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(0, retries(&desk));
    scripted_close(&first);
    scripted_close(&second);
    desk_close(&desk);
}

static void a_text_that_two_moderators_die_of_is_blocked(void **state)
{
    const struct profile_settings open = {.name = "default", .when_unavailable = WHEN_UNAVAILABLE_ALLOW};
    struct pair pair;
    struct scripted third;

    (void)state;
    pair_open(&pair);
    desk_add_slot_of(&pair.desk, &third, SLOT_LOCAL, "", third_process);
    (void)desk_submit(&pair.desk, &open, "poison");
    scripted_task(&pair.first);
    desk_kill_slot(&pair.desk, &pair.first, 2);
    scripted_task(&pair.second);
    desk_kill_slot(&pair.desk, &pair.second, 1);
    assert_int_equal(1, pair.desk.finished_count);
    assert_status(STATUS_OK, pair.desk.finished[0]->result.status);
    assert_int_equal(OUTCOME_BLOCK, pair.desk.finished[0]->result.outcome);
    assert_int_equal(SOURCE_UNDECIDED, pair.desk.finished[0]->result.source);
    assert_int_equal(1, series_value(pair.desk.dispatch->counts.poisons));
    assert_int_equal(1, desk_slots(&pair.desk, SLOT_LOCAL, SLOT_IDLE)); /* the third was not asked */
    scripted_close(&third);
    desk_close(&pair.desk);
}

static void a_text_that_killed_is_not_asked_about_again(void **state)
{
    const struct profile_settings open = {.name = "other", .when_unavailable = WHEN_UNAVAILABLE_ALLOW};
    struct pair pair;
    struct scripted third;
    struct job *waiting;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "poison");
    (void)desk_submit(&pair.desk, &plain, "harmless");
    waiting = desk_submit(&pair.desk, &plain, "poison");
    scripted_task(&pair.first);
    scripted_task(&pair.second);
    scripted_answer(&pair.second, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    scripted_task(&pair.second);
    scripted_answer(&pair.second, OUTCOME_ALLOW); /* of the one that waited: it is not poison yet */
    desk_until(&pair.desk, pair.desk.finished_count == 2);
    assert_ptr_equal(waiting, pair.desk.finished[1]);
    desk_kill_slot(&pair.desk, &pair.first, 1);
    scripted_task(&pair.second);
    desk_add_slot_of(&pair.desk, &third, SLOT_LOCAL, "", third_process);
    desk_kill_slot(&pair.desk, &pair.second, 1);
    assert_int_equal(3, pair.desk.finished_count);
    assert_int_equal(0, series_value(pair.desk.dispatch->counts.quarantined));
    (void)desk_submit(&pair.desk, &open, "poison");
    assert_int_equal(4, pair.desk.finished_count);
    assert_status(STATUS_OK, pair.desk.finished[3]->result.status);
    assert_int_equal(OUTCOME_BLOCK, pair.desk.finished[3]->result.outcome);
    assert_int_equal(1, series_value(pair.desk.dispatch->counts.quarantined));
    assert_int_equal(1, series_value(pair.desk.dispatch->counts.poisons));
    (void)desk_submit(&pair.desk, &plain, "harmless");
    (void)desk_submit(&pair.desk, &plain, "poison");
    assert_int_equal(5, pair.desk.finished_count); /* the harmless one is asked about */
    scripted_task(&third);
    scripted_answer(&third, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 6);
    scripted_close(&third);
    desk_close(&pair.desk);
}

static void a_second_attempt_waits_for_another_moderator_before_all_others(void **state)
{
    struct pair pair;
    struct job *refused;
    struct job *running;
    struct job *waiting;

    (void)state;
    pair_open(&pair);
    refused = desk_submit(&pair.desk, &plain, "refused");
    running = desk_submit(&pair.desk, &plain, "running");
    waiting = desk_submit(&pair.desk, &plain, "waiting");
    scripted_task(&pair.first);
    scripted_task(&pair.second);
    scripted_busy(&pair.first, BUSY_FAILED);
    desk_until(&pair.desk, pair.desk.dispatch->queue.retries[SLOT_LOCAL].count == 1);
    scripted_task(&pair.first); /* what others wait for is not held up */
    scripted_answer(&pair.first, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_ptr_equal(waiting, pair.desk.finished[0]);
    assert_int_equal(1, pair.desk.dispatch->queue.retries[SLOT_LOCAL].count);
    scripted_answer(&pair.second, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 2);
    assert_ptr_equal(running, pair.desk.finished[1]);
    scripted_task(&pair.second);
    scripted_answer(&pair.second, OUTCOME_BLOCK);
    desk_until(&pair.desk, pair.desk.finished_count == 3);
    assert_ptr_equal(refused, pair.desk.finished[2]);
    assert_int_equal(OUTCOME_BLOCK, refused->result.outcome);
    assert_int_equal(0, pair.desk.dispatch->queue.retries[SLOT_LOCAL].count);
    pair_close(&pair);
}

/* One text waits for the second process, which is busy with another. */
static struct job *wait_for_second(struct pair *pair)
{
    struct job *refused;

    pair_open(pair);
    refused = desk_submit(&pair->desk, &plain, "refused");
    (void)desk_submit(&pair->desk, &plain, "running");
    scripted_task(&pair->first);
    scripted_task(&pair->second);
    scripted_busy(&pair->first, BUSY_FAILED);
    desk_until(&pair->desk, pair->desk.dispatch->queue.retries[SLOT_LOCAL].count == 1);
    return refused;
}

static void a_second_attempt_waits_no_longer_than_the_deadline(void **state)
{
    struct pair pair;
    struct job *refused = wait_for_second(&pair);

    (void)state;
    pair.desk.now_ms += 799;
    dispatch_retry(pair.desk.dispatch, pair.desk.now_ms);
    assert_int_equal(1, pair.desk.dispatch->queue.retries[SLOT_LOCAL].count);
    pair.desk.now_ms += 1;
    assert_true(pool_dispatch_due_ms(pair.desk.dispatch) <= pair.desk.now_ms);
    dispatch_retry(pair.desk.dispatch, pair.desk.now_ms);
    assert_int_equal(1, pair.desk.finished_count);
    assert_ptr_equal(refused, pair.desk.finished[0]);
    assert_status(STATUS_TIMEOUT, refused->result.status);
    pair_close(&pair);
}

static void a_second_attempt_does_not_wait_for_whom_has_left_nor_when_its_client_has(void **state)
{
    struct pair pair;
    struct job *refused = wait_for_second(&pair);

    (void)state;
    scripted_plain(&pair.second, MESSAGE_BYE);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, refused->result.status);
    scripted_task(&pair.first); /* and the text that the second one had is asked for anew */
    scripted_answer(&pair.first, OUTCOME_ALLOW);
    desk_until(&pair.desk, pair.desk.finished_count == 2);
    pair_close(&pair);

    refused = wait_for_second(&pair);
    atomic_store(&refused->abandoned, true);
    pool_dispatch_sweep(pair.desk.dispatch, pair.desk.now_ms);
    assert_int_equal(1, pair.desk.finished_count);
    assert_status(STATUS_CLOSED, refused->result.status);
    pair_close(&pair);

    refused = wait_for_second(&pair);
    pool_dispatch_stop(pair.desk.dispatch, pair.desk.now_ms);
    assert_status(STATUS_UNAVAILABLE, refused->result.status);
    pair_close(&pair);
}

/* That a moderator left is no attempt, but does not undo the one before it: who failed is not asked again. */
static void who_leaves_does_not_bring_back_whom_the_text_has_failed_at(void **state)
{
    struct pair pair;
    struct scripted third;

    (void)state;
    pair_open(&pair);
    desk_add_slot_of(&pair.desk, &third, SLOT_LOCAL, "", third_process);
    (void)desk_submit(&pair.desk, &plain, "hello");
    scripted_task(&pair.first);
    scripted_busy(&pair.first, BUSY_FAILED);
    desk_until(&pair.desk, retries(&pair.desk) == 1);
    scripted_task(&pair.second);
    scripted_plain(&pair.second, MESSAGE_BYE);
    desk_until(&pair.desk, pool_dispatch_slot_count(pair.desk.dispatch) == 2);
    scripted_task(&third);
    scripted_plain(&third, MESSAGE_BYE);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, pair.desk.finished[0]->result.status);
    assert_int_equal(1, pair.desk.finished[0]->result.retries); /* one second attempt, sent three times */
    assert_int_equal(1, retries(&pair.desk));
    assert_int_equal(2, series_value(pair.desk.dispatch->counts.passes));
    assert_int_equal(1, desk_slots(&pair.desk, SLOT_LOCAL, SLOT_IDLE));
    scripted_close(&third);
    pair_close(&pair);
}

/* A suspect whose second moderator leaves waits for nobody who may not have it. */
static void a_suspect_that_is_passed_on_does_not_wait_for_the_process_it_ended(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    (void)desk_submit(&pair.desk, &plain, "hello");
    scripted_task(&pair.first);
    desk_kill_slot(&pair.desk, &pair.first, 1);
    scripted_task(&pair.second);
    desk_add_slot_of(&pair.desk, &pair.first, SLOT_LOCAL, "", first_process);
    scripted_plain(&pair.second, MESSAGE_BYE);
    desk_until(&pair.desk, pair.desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, pair.desk.finished[0]->result.status);
    pair_close(&pair);
}

/* A moderator that leaves and comes back for each task. */
static void a_text_is_passed_on_so_often_and_not_more(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot_of(&desk, &slot, SLOT_LOCAL, "", first_process);
    (void)desk_submit(&desk, &plain, "hello");
    for (unsigned pass = 0; pass <= PASSES_MAX; pass++) {
        struct scripted next;
        struct bytes frame;

        scripted_task(&slot);
        assert_int_equal(pass, series_value(desk.dispatch->counts.passes));
        desk_add_slot_of(&desk, &next, SLOT_LOCAL, "", first_process);
        scripted_plain(&slot, MESSAGE_BYE);
        desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_PINGED) == 1);
        assert_status(STATUS_OK, scripted_take(&next, &frame, SCRIPT_WAIT_MS));
        scripted_plain(&next, MESSAGE_PONG);
        scripted_close(&slot);
        slot = next;
        desk_until(&desk, pass == PASSES_MAX || desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY) == 1);
    }
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(1, ends(&desk, END_LEFT));
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_late_slot_makes_its_whole_process_answer_a_ping_first(void **state)
{
    struct desk desk;
    struct scripted late;
    struct scripted idle;
    struct scripted other;

    (void)state;
    desk_open(&desk);
    desk_add_slot_of(&desk, &late, SLOT_LOCAL, "", first_process);
    desk_add_slot_of(&desk, &idle, SLOT_LOCAL, "", first_process);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", second_process);
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&late);
    desk_pass_ms(&desk, 400);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_QUARANTINED));
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_PINGED));
    scripted_task(&other);
    assert_status(STATUS_AGAIN, scripted_try_task(&idle, 100)); /* it answers the PING */
    assert_int_equal(1, idle.pings);
    desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_IDLE) == 1);
    scripted_close(&late);
    scripted_close(&idle);
    scripted_close(&other);
    desk_close(&desk);
}

static void a_review_is_asked_again_when_its_moderator_refuses_but_not_when_it_is_late(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted first;
    struct scripted second;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot_of(&desk, &first, SLOT_REVIEW, "default", first_process);
    desk_add_slot_of(&desk, &second, SLOT_REVIEW, "default", second_process);
    (void)desk_submit(&desk, &reviewed, "hello");
    scripted_task(&local);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&first);
    assert_int_equal(10000, first.task.head.remaining_ms);
    scripted_busy(&first, BUSY_FAILED);
    desk_until(&desk, retries(&desk) == 1);
    scripted_task(&second);
    assert_int_equal(1, second.task.segment_count);
    assert_true(second.task.head.score == 0.5f);
    assert_int_equal(0, desk.finished_count);
    desk_pass_ms(&desk, 10000);
    assert_int_equal(1, desk.finished_count); /* the first process is idle again, and is not asked */
    assert_status(STATUS_OK, desk.finished[0]->result.status);
    assert_int_equal(OUTCOME_ALLOW, desk.finished[0]->result.outcome);
    assert_int_equal(1, retries(&desk));
    scripted_close(&local);
    scripted_close(&first);
    scripted_close(&second);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_of_a_killed_moderator_goes_to_another),
        cmocka_unit_test(a_late_moderator_is_not_waited_for_and_its_verdict_is_dropped),
        cmocka_unit_test(when_both_are_late_the_deadline_ends_it),
        cmocka_unit_test(who_is_busy_passes_the_text_on_once),
        cmocka_unit_test(another_slot_of_the_same_process_is_no_other_moderator),
        cmocka_unit_test(a_text_that_two_moderators_die_of_is_blocked),
        cmocka_unit_test(a_text_that_killed_is_not_asked_about_again),
        cmocka_unit_test(a_second_attempt_waits_for_another_moderator_before_all_others),
        cmocka_unit_test(a_second_attempt_waits_no_longer_than_the_deadline),
        cmocka_unit_test(a_second_attempt_does_not_wait_for_whom_has_left_nor_when_its_client_has),
        cmocka_unit_test(who_leaves_does_not_bring_back_whom_the_text_has_failed_at),
        cmocka_unit_test(a_suspect_that_is_passed_on_does_not_wait_for_the_process_it_ended),
        cmocka_unit_test(a_text_is_passed_on_so_often_and_not_more),
        cmocka_unit_test(a_late_slot_makes_its_whole_process_answer_a_ping_first),
        cmocka_unit_test(a_review_is_asked_again_when_its_moderator_refuses_but_not_when_it_is_late),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}
