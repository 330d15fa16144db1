/* pool_review: whom an unsure text goes to, whom it waits for, and what decides where nobody reviews it. */
#include "support/desk.h"

#include <poll.h>

static const struct profile_settings plain = {.name = "default"};
static const struct profile_settings reviewed = {.name = "default", .review = {.url = "http://127.0.0.1:1/"}};
static const struct profile_settings strict = {.name = "default",
                                               .review = {.url = "http://127.0.0.1:1/", .when_full = WHEN_FULL_BLOCK}};

/* The only job that has come back. */
static const struct job_result *only_result(struct desk *desk)
{
    desk_until(desk, desk->finished_count == 1);
    return &desk->finished[0]->result;
}

/* A local slot says unsure of segment 1, without a review it would be `fallback`. */
static void be_unsure(struct desk *desk, struct scripted *local, const struct profile_settings *profile,
                      enum outcome fallback, enum drawn drawn)
{
    (void)desk_submit(desk, profile, "hello");
    scripted_task(local);
    scripted_unsure(local, fallback, drawn, 1);
}

static void an_unsure_text_is_reviewed_and_the_review_decides(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct message_verdict verdict;
    struct segment segment;
    const struct job_result *result;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    be_unsure(&desk, &local, &reviewed, OUTCOME_ALLOW, DRAWN_RANDOM);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_IDLE)); /* a review holds no local slot */
    scripted_task(&review);
    assert_int_equal(SLOT_REVIEW, review.task.head.kind);
    assert_int_equal(DRAWN_RANDOM, review.task.head.drawn);
    assert_int_equal(10000, review.task.head.remaining_ms);
    assert_true(review.task.head.score == 0.5f);
    assert_int_equal(12, review.task.head.model_version);
    assert_int_equal(1, review.task.segment_count); /* only what the model was unsure of */
    assert_status(STATUS_OK, message_next_segment(&review.task.segments, &segment));
    assert_bytes("hello", segment.text);
    verdict = scripted_verdict(&review, OUTCOME_BLOCK);
    verdict.source = SOURCE_REVIEW;
    verdict.score = NAN;
    verdict.model_version = 0;
    scripted_send_verdict(&review, &verdict);
    result = only_result(&desk);
    assert_status(STATUS_OK, result->status);
    assert_int_equal(OUTCOME_BLOCK, result->outcome);
    assert_int_equal(SOURCE_REVIEW, result->source);
    assert_string_equal("violence", result->category);
    assert_true(result->score == 0.5f); /* the local model's */
    assert_int_equal(12, result->model_version);
    assert_true(result->judge_us > 0 && result->review_us > 0);
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

static void without_a_review_slot_the_fallback_decides(void **state)
{
    static const enum outcome fallbacks[] = {OUTCOME_ALLOW, OUTCOME_BLOCK};
    struct desk desk;
    struct scripted local;
    struct scripted other;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &other, SLOT_REVIEW, "other"); /* of another profile: no help */
    for (size_t index = 0; index < 2; index++) {
        be_unsure(&desk, &local, &reviewed, fallbacks[index], DRAWN_UNSURE);
        desk_until(&desk, desk.finished_count == index + 1);
        assert_status(STATUS_OK, desk.finished[index]->result.status);
        assert_int_equal(fallbacks[index], desk.finished[index]->result.outcome);
        assert_int_equal(SOURCE_MODEL, desk.finished[index]->result.source);
        assert_bytes(index == 0 ? "" : "nearer", job_category(desk.finished[index]));
    }
    scripted_close(&local);
    scripted_close(&other);
    desk_close(&desk);
}

static void a_profile_without_review_asks_for_none(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    be_unsure(&desk, &local, &plain, OUTCOME_BLOCK, DRAWN_UNSURE);
    assert_int_equal(OUTCOME_BLOCK, only_result(&desk)->outcome);
    assert_int_equal(1, desk_slots(&desk, SLOT_REVIEW, SLOT_IDLE));
    assert_int_equal(0, series_value(desk.dispatch->counts.unreviewed[UNREVIEWED_FULL])); /* none was wanted */
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

static int64_t unreviewed(const struct desk *desk, enum pool_unreviewed why)
{
    return series_value(desk->dispatch->counts.unreviewed[why]);
}

static void when_all_reviewers_are_busy_a_strict_profile_blocks(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_UNSURE);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_UNSURE);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(OUTCOME_BLOCK, desk.finished[0]->result.outcome);
    assert_int_equal(SOURCE_UNDECIDED, desk.finished[0]->result.source);
    assert_string_equal("undecided", desk.finished[0]->result.category);
    /* A text drawn at random is no undecided one: the model knew. */
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_RANDOM);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(OUTCOME_ALLOW, desk.finished[1]->result.outcome);
    assert_int_equal(SOURCE_MODEL, desk.finished[1]->result.source);
    assert_int_equal(2, unreviewed(&desk, UNREVIEWED_FULL));
    assert_int_equal(0, unreviewed(&desk, UNREVIEWED_NO_VERDICT));
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

/* The ways in which a review knows no better; in all of them the fallback decides. */
static void review_ends_without_a_verdict(struct desk *desk, struct scripted *review, unsigned how)
{
    switch (how) {
    case 0:
        scripted_unsure(review, OUTCOME_ALLOW, DRAWN_UNSURE, 0);
        break;
    case 1:
        scripted_busy(review, BUSY_FAILED);
        break;
    case 2:
        desk_pass_ms(desk, 10000); /* late */
        break;
    default:
        scripted_close(review);
        break;
    }
}

static void a_review_that_knows_no_better_leaves_the_fallback(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct desk desk;
        struct scripted local;
        struct scripted review;
        const struct job_result *result;

        desk_open(&desk);
        desk_add_slot(&desk, &local, SLOT_LOCAL, "");
        desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
        be_unsure(&desk, &local, &reviewed, OUTCOME_BLOCK, DRAWN_UNSURE);
        desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
        scripted_task(&review);
        review_ends_without_a_verdict(&desk, &review, how);
        for (unsigned tries = 0; tries < 100 && desk.finished_count == 0; tries++) {
            zmq_pollitem_t item = {wire_handle(desk.wire), 0, ZMQ_POLLIN, 0};

            (void)zmq_poll(&item, 1, 10);
            (void)pool_dispatch_receive(desk.dispatch, desk.now_ms);
            if (how == 3) {
                desk_pass_ms(&desk, PROBE_BUSY_MS); /* a probe finds that it is gone */
            }
        }
        result = only_result(&desk);
        assert_status(STATUS_OK, result->status);
        assert_int_equal(OUTCOME_BLOCK, result->outcome);
        assert_int_equal(SOURCE_MODEL, result->source);
        assert_string_equal("nearer", result->category);
        assert_int_equal(1, unreviewed(&desk, UNREVIEWED_NO_VERDICT));
        assert_int_equal(0, unreviewed(&desk, UNREVIEWED_FULL));
        scripted_close(&local);
        if (how != 3) {
            scripted_close(&review);
        }
        desk_close(&desk);
    }
}

static void no_review_is_asked_for_an_abandoned_job(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct job *job;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    job = desk_submit(&desk, &reviewed, "hello");
    scripted_task(&local);
    atomic_store(&job->abandoned, true);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 0);
    assert_status(STATUS_CLOSED, only_result(&desk)->status);
    assert_int_equal(1, desk_slots(&desk, SLOT_REVIEW, SLOT_IDLE));
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

/* A local slot and one of review, which has a PING and owes its PONG. */
static void open_pinged(struct desk *desk, struct scripted *local, struct scripted *review)
{
    struct bytes frame;

    desk_open(desk);
    desk_add_slot(desk, review, SLOT_REVIEW, "default");
    desk_pass_ms(desk, PING_IDLE_MS);
    assert_int_equal(1, desk_slots(desk, SLOT_REVIEW, SLOT_PINGED));
    assert_status(STATUS_OK, scripted_take(review, &frame, SCRIPT_WAIT_MS));
    desk_add_slot_of(desk, local, SLOT_LOCAL, "", "worker-worker-15");
}

static void close_pinged(struct desk *desk, struct scripted *local, struct scripted *review)
{
    scripted_close(local);
    scripted_close(review);
    desk_close(desk);
}

/* The only idle review slot is asked about an unsure text, and refuses it. */
static void be_refused(struct desk *desk, struct scripted *local, struct scripted *review, const struct profile_settings *profile,
                       enum outcome fallback)
{
    be_unsure(desk, local, profile, fallback, DRAWN_UNSURE);
    desk_until(desk, desk_slots(desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(review);
    scripted_busy(review, BUSY_FAILED);
}

static void an_unsure_text_waits_for_a_slot_that_owes_a_pong_and_a_second_does_not(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;

    (void)state;
    open_pinged(&desk, &local, &review);
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_UNSURE);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    assert_int_equal(0, unreviewed(&desk, UNREVIEWED_FULL));
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_UNSURE);
    desk_until(&desk, desk.finished_count == 1);
    assert_string_equal("undecided", desk.finished[0]->result.category);
    assert_int_equal(1, unreviewed(&desk, UNREVIEWED_FULL));
    scripted_plain(&review, MESSAGE_PONG);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    assert_int_equal(0, desk.dispatch->queue.retries[SLOT_REVIEW].count);
    scripted_task(&review);
    assert_int_equal(10000, review.task.head.remaining_ms);
    scripted_answer(&review, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(OUTCOME_ALLOW, desk.finished[1]->result.outcome);
    assert_int_equal(0, desk.finished[1]->result.retries);
    close_pinged(&desk, &local, &review);
}

static void another_slot_that_is_done_takes_the_text_that_waits(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct scripted other;

    (void)state;
    open_pinged(&desk, &local, &review);
    desk_add_slot(&desk, &other, SLOT_REVIEW, "default");
    be_unsure(&desk, &local, &reviewed, OUTCOME_BLOCK, DRAWN_UNSURE);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&other);
    be_unsure(&desk, &local, &reviewed, OUTCOME_BLOCK, DRAWN_UNSURE);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    scripted_answer(&other, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    scripted_task(&other);
    scripted_answer(&other, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(OUTCOME_ALLOW, desk.finished[1]->result.outcome);
    scripted_close(&other);
    close_pinged(&desk, &local, &review);
}

/* A silent slot is forgotten; its deadline may come first; the client may go; the pool may end. */
enum vain { VAIN_SILENT, VAIN_DEADLINE, VAIN_CLIENT, VAIN_STOP, VAINS };

static void a_text_that_waits_in_vain_is_not_reviewed(void **state)
{
    (void)state;
    for (enum vain vain = 0; vain < VAINS; vain++) {
        struct desk desk;
        struct scripted local;
        struct scripted review;
        struct job *job;

        open_pinged(&desk, &local, &review);
        job = desk_submit(&desk, &strict, "hello");
        scripted_task(&local);
        scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
        desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
        if (vain == VAIN_SILENT) {
            desk_pass_ms(&desk, GATEWAY_SILENCE_MS - 1);
            assert_int_equal(0, desk.finished_count);
            desk_pass_ms(&desk, 1);
        } else if (vain == VAIN_DEADLINE) {
            job->give_up_ms = desk.now_ms + 1;
            assert_true(pool_dispatch_due_ms(desk.dispatch) <= desk.now_ms + 1);
            desk_pass_ms(&desk, 1);
        } else if (vain == VAIN_CLIENT) {
            atomic_store(&job->abandoned, true);
            pool_dispatch_sweep(desk.dispatch, desk.now_ms);
        } else {
            pool_dispatch_stop(desk.dispatch, desk.now_ms);
        }
        assert_int_equal(1, desk.finished_count);
        assert_status(vain == VAIN_CLIENT ? STATUS_CLOSED : vain == VAIN_STOP ? STATUS_UNAVAILABLE : STATUS_OK, job->result.status);
        assert_int_equal(vain < VAIN_CLIENT ? 1 : 0, unreviewed(&desk, UNREVIEWED_FULL));
        if (vain < VAIN_CLIENT) {
            assert_string_equal("undecided", job->result.category);
        }
        assert_int_equal(0, desk.dispatch->queue.retries[SLOT_REVIEW].count);
        close_pinged(&desk, &local, &review);
    }
}

static void a_review_whose_moderator_refuses_waits_for_another_that_owes_a_pong(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct scripted other;

    (void)state;
    open_pinged(&desk, &local, &review);
    desk_add_slot_of(&desk, &other, SLOT_REVIEW, "default", "worker-worker-17");
    be_refused(&desk, &local, &other, &reviewed, OUTCOME_BLOCK);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    scripted_plain(&review, MESSAGE_PONG);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&review);
    scripted_answer(&review, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(OUTCOME_ALLOW, desk.finished[0]->result.outcome);
    assert_int_equal(1, desk.finished[0]->result.retries);
    scripted_close(&other);
    close_pinged(&desk, &local, &review);
}

/* What a reviewer was asked about and nobody answers is no matter of `when_full`, and does not wait for whom it may not go to. */
static void a_review_that_failed_ends_with_the_local_verdict(void **state)
{
    (void)state;
    for (unsigned other_is_pinged = 0; other_is_pinged < 2; other_is_pinged++) {
        struct desk desk;
        struct scripted local;
        struct scripted review;
        struct scripted other;

        open_pinged(&desk, &local, &review);
        desk_add_slot_of(&desk, &other, SLOT_REVIEW, "default", other_is_pinged != 0 ? "worker-worker-17" : "worker-worker-16");
        be_refused(&desk, &local, &other, &strict, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count + desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
        assert_int_equal(other_is_pinged, desk.dispatch->queue.retries[SLOT_REVIEW].count);
        desk_pass_ms(&desk, GATEWAY_SILENCE_MS); /* the other one is silent */
        assert_int_equal(1, desk.finished_count);
        assert_int_equal(OUTCOME_ALLOW, desk.finished[0]->result.outcome);
        assert_int_equal(1, unreviewed(&desk, UNREVIEWED_NO_VERDICT));
        assert_int_equal(0, unreviewed(&desk, UNREVIEWED_FULL));
        scripted_close(&other);
        close_pinged(&desk, &local, &review);
    }
}

/* One that may go to one slot only, and behind it one that may go to all three. */
static void each_waits_for_slots_it_may_go_to(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct scripted refusing;
    struct scripted other;

    (void)state;
    open_pinged(&desk, &local, &review);
    desk_add_slot_of(&desk, &other, SLOT_REVIEW, "default", "worker-worker-17");
    dispatch_suspect(desk.dispatch, (const unsigned char *)"worker-worker-17", desk.now_ms);
    desk_add_slot(&desk, &refusing, SLOT_REVIEW, "default");
    be_refused(&desk, &local, &refusing, &reviewed, OUTCOME_BLOCK);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    dispatch_suspect(desk.dispatch, (const unsigned char *)"worker-worker-16", desk.now_ms);
    be_unsure(&desk, &local, &reviewed, OUTCOME_BLOCK, DRAWN_UNSURE);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 2);
    desk_pass_ms(&desk, 1);
    assert_int_equal(2, desk.dispatch->queue.retries[SLOT_REVIEW].count);
    scripted_plain(&review, MESSAGE_PONG);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    scripted_task(&review);
    scripted_answer(&review, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(0, desk.finished[0]->result.retries);
    assert_status(STATUS_AGAIN, scripted_try_task(&other, 50)); /* it answers its PING */
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 0);
    scripted_task(&other);
    scripted_answer(&other, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(1, desk.finished[1]->result.retries);
    scripted_close(&refusing);
    scripted_close(&other);
    close_pinged(&desk, &local, &review);
}

/* The PONG, and then another unsure verdict, in one turn. */
static void who_comes_later_does_not_pass_the_text_that_waits(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct job *waiting;

    (void)state;
    open_pinged(&desk, &local, &review);
    waiting = desk_submit(&desk, &strict, "first");
    scripted_task(&local);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    desk_until(&desk, desk.dispatch->queue.retries[SLOT_REVIEW].count == 1);
    (void)desk_submit(&desk, &strict, "second");
    scripted_task(&local);
    scripted_plain(&review, MESSAGE_PONG);
    (void)poll(NULL, 0, 50); /* so that the PONG is first */
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    (void)poll(NULL, 0, 50);
    desk_until(&desk, desk.finished_count == 1);
    assert_ptr_not_equal(waiting, desk.finished[0]);
    assert_string_equal("undecided", desk.finished[0]->result.category);
    scripted_task(&review);
    scripted_answer(&review, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_int_equal(OUTCOME_ALLOW, waiting->result.outcome);
    close_pinged(&desk, &local, &review);
}

/* Whom nobody waits for, or whose time is over, goes to no other moderator. */
static void a_bye_passes_nothing_on_that_is_over(void **state)
{
    (void)state;
    for (unsigned abandoned = 0; abandoned < 2; abandoned++) {
        struct desk desk;
        struct scripted local;
        struct scripted first;
        struct scripted second;
        struct job *job;

        desk_open(&desk);
        desk_add_slot_of(&desk, &local, SLOT_LOCAL, "", "worker-worker-15");
        desk_add_slot(&desk, &first, SLOT_REVIEW, "default");
        desk_add_slot_of(&desk, &second, SLOT_REVIEW, "default", "worker-worker-17");
        job = desk_submit(&desk, &reviewed, "hello");
        scripted_task(&local);
        scripted_unsure(&local, OUTCOME_BLOCK, DRAWN_UNSURE, 1);
        desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
        scripted_task(&first);
        scripted_plain(&first, MESSAGE_BYE);
        atomic_store(&job->abandoned, abandoned != 0);
        desk.now_ms += abandoned != 0 ? 0 : 10000;
        desk_until(&desk, desk.finished_count == 1);
        assert_status(abandoned != 0 ? STATUS_CLOSED : STATUS_OK, job->result.status);
        assert_int_equal(0, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY));
        assert_int_equal(abandoned != 0 ? 0 : 1, unreviewed(&desk, UNREVIEWED_NO_VERDICT));
        scripted_close(&local);
        scripted_close(&first);
        scripted_close(&second);
        desk_close(&desk);
    }
}

static void a_moderator_that_leaves_passes_its_review_on(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted first;
    struct scripted second;

    (void)state;
    desk_open(&desk);
    desk_add_slot_of(&desk, &local, SLOT_LOCAL, "", "worker-worker-15");
    desk_add_slot(&desk, &first, SLOT_REVIEW, "default");
    desk_add_slot_of(&desk, &second, SLOT_REVIEW, "default", "worker-worker-17");
    be_unsure(&desk, &local, &strict, OUTCOME_ALLOW, DRAWN_UNSURE);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&first);
    scripted_plain(&first, MESSAGE_BYE);
    desk_until(&desk, pool_slots_count(desk.dispatch->slots, SLOT_REVIEW) == 1);
    scripted_task(&second);
    scripted_plain(&second, MESSAGE_BYE); /* nobody is left */
    desk_until(&desk, desk.finished_count == 1);
    assert_string_equal("undecided", desk.finished[0]->result.category);
    assert_int_equal(1, unreviewed(&desk, UNREVIEWED_FULL));
    assert_int_equal(0, desk.finished[0]->result.retries);
    assert_int_equal(0, series_value(desk.dispatch->counts.ends[END_LEFT]));
    scripted_close(&local);
    scripted_close(&first);
    scripted_close(&second);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unsure_text_is_reviewed_and_the_review_decides),
        cmocka_unit_test(without_a_review_slot_the_fallback_decides),
        cmocka_unit_test(a_profile_without_review_asks_for_none),
        cmocka_unit_test(when_all_reviewers_are_busy_a_strict_profile_blocks),
        cmocka_unit_test(a_review_that_knows_no_better_leaves_the_fallback),
        cmocka_unit_test(no_review_is_asked_for_an_abandoned_job),
        cmocka_unit_test(an_unsure_text_waits_for_a_slot_that_owes_a_pong_and_a_second_does_not),
        cmocka_unit_test(another_slot_that_is_done_takes_the_text_that_waits),
        cmocka_unit_test(a_text_that_waits_in_vain_is_not_reviewed),
        cmocka_unit_test(a_review_whose_moderator_refuses_waits_for_another_that_owes_a_pong),
        cmocka_unit_test(a_review_that_failed_ends_with_the_local_verdict),
        cmocka_unit_test(each_waits_for_slots_it_may_go_to),
        cmocka_unit_test(who_comes_later_does_not_pass_the_text_that_waits),
        cmocka_unit_test(a_bye_passes_nothing_on_that_is_over),
        cmocka_unit_test(a_moderator_that_leaves_passes_its_review_on),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}
