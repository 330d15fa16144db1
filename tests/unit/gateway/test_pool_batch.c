/* pool_batch: several tasks in one message where more wait than slots are idle; each is answered once, whatever the others do. */
#include "support/desk.h"

#include <stdio.h>
#include <stdlib.h>

static const char other_process[] = "moderator-two-16";
static const char third_process[] = "moderator-trois!";

static const struct profile_settings plain = {.name = "default"};
static const struct profile_settings reviewed = {.name = "default", .review = {.url = "http://127.0.0.1:1/"}};
static const struct profile_settings cached = {.name = "default", .cache = {.entries = 100, .ttl_ms = 1000}};

enum { WAITING = 5 };

static void open_desk(struct desk *desk)
{
    desk_init(desk);
    desk->batch_tasks_max = 0; /* as it is */
    desk->settings.queue_jobs = DESK_JOBS_MAX;
    desk->settings.queue_bytes = 8 * MIB;
    desk_start(desk);
}

/* A slot that has a task, so that what comes next waits. */
static void open_busy(struct desk *desk, struct scripted *slot)
{
    open_desk(desk);
    desk_add_slot(desk, slot, SLOT_LOCAL, "");
    (void)desk_submit(desk, &plain, "before");
    scripted_task(slot);
    assert_false(slot->tasks.is_batch);
}

static void close_desk(struct desk *desk, struct scripted *slot)
{
    scripted_close(slot);
    desk_close(desk);
}

/* Jobs whose texts are "0", "1", ... */
static void submit_many(struct desk *desk, const struct profile_settings *profile, size_t count, struct job **jobs)
{
    for (size_t index = 0; index < count; index++) {
        char text[24];

        (void)snprintf(text, sizeof text, "%zu", index);
        jobs[index] = desk_submit(desk, profile, text);
    }
}

/* A busy slot, and then a batch of five of this profile in its hands. */
static void open_batch(struct desk *desk, struct scripted *slot, const struct profile_settings *profile, struct job **jobs)
{
    open_busy(desk, slot);
    submit_many(desk, profile, WAITING, jobs);
    scripted_answer(slot, OUTCOME_ALLOW);
    desk_until(desk, desk->finished_count == 1);
    assert_int_equal(WAITING, scripted_batch(slot));
}

static struct bytes second_text(const struct message_task *task)
{
    struct bytes rest = task->segments;
    struct segment segment;

    assert_status(STATUS_OK, message_next_segment(&rest, &segment));
    assert_status(STATUS_OK, message_next_segment(&rest, &segment));
    return segment.text;
}

static int64_t counted(const struct desk *desk, const char *name)
{
    return series_value(metrics_series(desk->metrics, METRIC_COUNTER, name, "", NULL, 0));
}

static void jobs_that_wait_share_the_slot_that_comes_free(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    assert_int_equal(800, slot.task.head.remaining_ms);
    for (size_t index = 0; index < WAITING; index++) {
        char text[] = {(char)('0' + index), 0};

        assert_bytes(text, second_text(&slot.tasks.tasks[index]));
        assert_bytes("default", slot.tasks.tasks[index].profile);
    }
    scripted_begin(&slot, WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        scripted_next(&slot, index % 2 == 0 ? OUTCOME_BLOCK : OUTCOME_ALLOW);
    }
    scripted_flush(&slot);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        assert_ptr_equal(jobs[index], desk.finished[1 + index]);
        assert_status(STATUS_OK, jobs[index]->result.status);
        assert_int_equal(index % 2 == 0 ? OUTCOME_BLOCK : OUTCOME_ALLOW, jobs[index]->result.outcome);
        assert_true(jobs[index]->result.judge_us > 0);
        assert_int_equal(0, jobs[index]->result.retries);
    }
    assert_int_equal(1, counted(&desk, "prismguard_gateway_pool_batches_total"));
    assert_int_equal(WAITING, counted(&desk, "prismguard_gateway_pool_batched_tasks_total"));
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_IDLE));
    close_desk(&desk, &slot);
}

/* As many jobs come in one turn, for three slots that are idle. */
static void nothing_is_batched_while_slots_are_idle(void **state)
{
    static const size_t expected[][4] = {{2, 1, 1, 0}, {3, 1, 1, 1}, {4, 2, 1, 1}, {7, 3, 2, 2}, {48, 16, 16, 16}};

    (void)state;
    for (size_t index = 0; index < sizeof expected / sizeof expected[0]; index++) {
        struct desk desk;
        struct scripted slots[3];
        struct job *jobs[48];

        open_desk(&desk);
        for (size_t slot = 0; slot < 3; slot++) {
            desk_add_slot(&desk, &slots[slot], SLOT_LOCAL, "");
        }
        pool_dispatch_expect(desk.dispatch, expected[index][0]);
        submit_many(&desk, &plain, expected[index][0], jobs);
        for (size_t slot = 0; slot < 3 && expected[index][1 + slot] > 0; slot++) {
            scripted_task(&slots[slot]);
            assert_int_equal(expected[index][1 + slot], slots[slot].tasks.count);
            assert_int_equal(expected[index][1 + slot] > 1, slots[slot].tasks.is_batch);
        }
        for (size_t slot = 0; slot < 3; slot++) {
            scripted_close(&slots[slot]);
        }
        desk_close(&desk);
    }
}

static void a_full_queue_gives_to_idle_slots_before_it_refuses(void **state)
{
    struct desk desk;
    struct scripted slots[2];
    struct job *jobs[4];

    (void)state;
    desk_init(&desk);
    desk.batch_tasks_max = 0;
    desk.settings.queue_jobs = 1;
    desk_start(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot(&desk, &slots[1], SLOT_LOCAL, "");
    pool_dispatch_expect(desk.dispatch, 4);
    submit_many(&desk, &plain, 4, jobs);
    assert_int_equal(1, desk.finished_count); /* two are at the slots, one waits */
    assert_status(STATUS_FULL, desk.finished[0]->result.status);
    scripted_close(&slots[0]);
    scripted_close(&slots[1]);
    desk_close(&desk);
}

static void a_message_has_a_bounded_number_of_tasks(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[BATCH_TASKS_MAX + 1];

    (void)state;
    open_busy(&desk, &slot);
    submit_many(&desk, &plain, BATCH_TASKS_MAX + 1, jobs);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(BATCH_TASKS_MAX, scripted_batch(&slot));
    scripted_answer_all(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1 + BATCH_TASKS_MAX);
    scripted_task(&slot);
    assert_false(slot.tasks.is_batch); /* one is a TASK */
    close_desk(&desk, &slot);
}

/* The bytes of a body beside its second text. */
static size_t overhead_bytes(void)
{
    struct job *job = scripted_job(&plain, 0, "");
    size_t bytes = job->body.count;

    job_close(&job);
    return bytes + 2; /* the head of a text of some KiB has three bytes, of an empty one one */
}

static void a_message_has_bounded_bytes(void **state)
{
    static char text[BATCH_BYTES_MAX];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct desk desk;
        struct scripted slot;
        size_t bytes = BATCH_BYTES_MAX / 2 - overhead_bytes();

        open_busy(&desk, &slot);
        memset(text, 'x', sizeof text);
        text[bytes] = 0;
        (void)desk_submit(&desk, &plain, text);
        text[bytes] = 'x';
        text[bytes + more] = 0;
        (void)desk_submit(&desk, &plain, text);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 1);
        scripted_task(&slot);
        assert_int_equal(more == 0, slot.tasks.is_batch);
        close_desk(&desk, &slot);
    }
}

/* A job of so many pieces. */
static struct job *job_of(size_t segments)
{
    struct job *job = NULL;

    assert_status(STATUS_OK, job_open(&job, 0, NULL, &plain, BYTES(""), SCRIPT_TEXT_BYTES_MAX));
    for (size_t index = 0; index < segments; index++) {
        assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, BYTES("x")}));
    }
    return job;
}

static void tasks_of_many_pieces_and_long_ones_go_alone(void **state)
{
    static char long_text[LONG_TEXT_BYTES + 1];

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t which = 0; which < 3; which++) {
        struct desk desk;
        struct scripted slot;

        open_busy(&desk, &slot);
        (void)desk_submit(&desk, &plain, "first");
        desk_submit_job(&desk, which < 2 ? job_of(BATCH_SEGMENTS_MAX + which) : scripted_job(&plain, 0, long_text));
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 1);
        scripted_task(&slot);
        assert_int_equal(which == 0, slot.tasks.is_batch);
        assert_bytes("first", second_text(&slot.task));
        if (which > 0) {
            scripted_answer(&slot, OUTCOME_ALLOW);
            desk_until(&desk, desk.finished_count == 2);
            scripted_task(&slot);
            assert_false(slot.tasks.is_batch);
        }
        close_desk(&desk, &slot);
    }
}

static void callers_take_turns_within_a_message(void **state)
{
    static const struct {
        const char *caller;
        const char *text;
    } waiting[] = {{"a", "a1"}, {"a", "a2"}, {"a", "a3"}, {"b", "b1"}, {"c", "c1"}, {"b", "b2"}};
    static const char *const expected[] = {"a1", "b1", "c1", "a2", "b2", "a3"};
    struct desk desk;
    struct scripted slot;

    (void)state;
    open_busy(&desk, &slot);
    for (size_t index = 0; index < sizeof waiting / sizeof waiting[0]; index++) {
        struct job *job = scripted_job(&plain, 0, waiting[index].text);

        job_set_caller(job, bytes_of(waiting[index].caller));
        desk_submit_job(&desk, job);
    }
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(6, scripted_batch(&slot));
    for (size_t index = 0; index < sizeof expected / sizeof expected[0]; index++) {
        assert_bytes(expected[index], second_text(&slot.tasks.tasks[index]));
    }
    close_desk(&desk, &slot);
}

static void what_needs_no_moderator_is_in_no_message(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[WAITING];

    (void)state;
    open_busy(&desk, &slot);
    submit_many(&desk, &plain, WAITING, jobs);
    pool_poison_add(&desk.dispatch->poison, dispatch_text(jobs[1]), desk.now_ms);
    atomic_store(&jobs[2]->abandoned, true);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 3);
    assert_status(STATUS_OK, jobs[1]->result.status);
    assert_int_equal(OUTCOME_BLOCK, jobs[1]->result.outcome);
    assert_status(STATUS_CLOSED, jobs[2]->result.status);
    assert_int_equal(WAITING - 2, scripted_batch(&slot));
    assert_bytes("3", second_text(&slot.tasks.tasks[1]));
    close_desk(&desk, &slot);
}

static void who_has_left_hears_nothing_and_the_others_do(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    atomic_store(&jobs[2]->abandoned, true);
    scripted_answer_all(&slot, OUTCOME_BLOCK);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        assert_status(index == 2 ? STATUS_CLOSED : STATUS_OK, jobs[index]->result.status);
    }
    assert_int_equal(1, series_value(desk.dispatch->counts.late));
    close_desk(&desk, &slot);
}

static void an_unsure_one_is_reviewed_and_holds_nobody(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted review;
    struct job *jobs[WAITING];
    struct message_verdict verdict;

    (void)state;
    open_batch(&desk, &slot, &reviewed, jobs);
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    verdict = scripted_verdict(&slot, OUTCOME_UNSURE);
    verdict.unsure = BYTES("\x02");
    scripted_begin(&slot, WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        if (index == 1) {
            assert_status(STATUS_OK, message_write_verdicts_next(&verdict, &slot.out));
        } else {
            scripted_next(&slot, OUTCOME_ALLOW);
        }
    }
    scripted_flush(&slot);
    desk_until(&desk, desk.finished_count == WAITING);
    scripted_task(&review);
    assert_int_equal(10000, review.task.head.remaining_ms); /* a deadline of its own */
    assert_int_equal(1, review.task.segment_count);
    scripted_answer(&review, OUTCOME_BLOCK);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    assert_ptr_equal(jobs[1], desk.finished[WAITING]);
    assert_int_equal(OUTCOME_BLOCK, jobs[1]->result.outcome);
    scripted_close(&review);
    close_desk(&desk, &slot);
}

/* The slot's batch was lost: each of it is asked about once more, alone, at this slot of another process. */
static void answer_alone(struct desk *desk, struct scripted *other, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        scripted_task(other);
        assert_false(other->tasks.is_batch);
        scripted_answer(other, OUTCOME_ALLOW);
        desk_until(desk, desk->finished_count >= 2 + index);
    }
    for (size_t index = 1; index <= count; index++) {
        assert_status(STATUS_OK, desk->finished[index]->result.status);
        assert_int_equal(OUTCOME_ALLOW, desk->finished[index]->result.outcome);
        assert_int_equal(1, desk->finished[index]->result.retries);
        assert_memory_equal(other_process, desk->finished[index]->result.worker, WORKER_ID_BYTES);
    }
    assert_int_equal(1 + count, desk->finished_count);
}

static void the_tasks_of_a_killed_moderator_are_asked_about_once_more_each_alone(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    desk_kill_slot(&desk, &slot, 1);
    assert_int_equal(WAITING, series_value(desk.dispatch->counts.ends[END_GONE]));
    answer_alone(&desk, &other, WAITING);
    assert_int_equal(0, series_value(desk.dispatch->counts.poisons));
    close_desk(&desk, &other);
}

/* Of a batch that a moderator died of, the one text is found that the next one dies of too. */
static void only_the_text_that_kills_again_is_blocked(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct scripted third;
    struct job *jobs[WAITING];
    struct job *again[WAITING];
    struct job *killer = NULL;

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    desk_kill_slot(&desk, &slot, 1);
    for (size_t asked = 0; killer == NULL; asked++) {
        scripted_task(&other);
        assert_true(asked < WAITING);
        if (bytes_equal(second_text(&other.task), BYTES("3"))) {
            killer = jobs[3];
            continue;
        }
        scripted_answer(&other, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 2 + asked);
    }
    scripted_open_as(&third, wire_endpoint(desk.wire), SLOT_LOCAL, "", third_process);
    desk_until(&desk, pool_dispatch_slot_count(desk.dispatch) == 2);
    while (desk.finished_count < WAITING) { /* those that waited behind it */
        size_t finished = desk.finished_count;

        scripted_task(&third);
        scripted_answer(&third, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count > finished);
    }
    desk_kill_slot(&desk, &other, 1);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        assert_status(STATUS_OK, jobs[index]->result.status);
        assert_int_equal(jobs[index] == killer ? OUTCOME_BLOCK : OUTCOME_ALLOW, jobs[index]->result.outcome);
    }
    assert_int_equal(1, series_value(desk.dispatch->counts.poisons));
    submit_many(&desk, &plain, WAITING, again);
    while (desk.finished_count < 1 + 2 * WAITING) {
        size_t finished = desk.finished_count;

        scripted_task(&third);
        scripted_answer_all(&third, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count > finished);
    }
    for (size_t index = 0; index < WAITING; index++) {
        assert_int_equal(index == 3 ? OUTCOME_BLOCK : OUTCOME_ALLOW, again[index]->result.outcome);
    }
    assert_int_equal(1, series_value(desk.dispatch->counts.quarantined));
    close_desk(&desk, &third);
}

/* Two slots of one process have each a text that a moderator has ended with, "3" among them, when it ends too. */
static void open_suspects(struct desk *desk, struct scripted others[2], struct job **jobs)
{
    struct scripted slot;
    bool has_killer = false;

    open_batch(desk, &slot, &plain, jobs);
    desk_add_slot_of(desk, &others[0], SLOT_LOCAL, "", other_process);
    desk_add_slot_of(desk, &others[1], SLOT_LOCAL, "", other_process);
    desk_kill_slot(desk, &slot, 2);
    scripted_task(&others[0]);
    scripted_task(&others[1]);
    while (!has_killer) { /* the others go by */
        size_t finished = desk->finished_count;
        size_t which = bytes_equal(second_text(&others[0].task), BYTES("3")) ? 1 : 0;

        has_killer = which == 1 || bytes_equal(second_text(&others[1].task), BYTES("3"));
        if (!has_killer) {
            scripted_answer(&others[0], OUTCOME_ALLOW);
            desk_until(desk, desk->finished_count > finished);
            scripted_task(&others[0]);
        }
    }
}

static bool is_killer(const struct scripted *slot)
{
    return bytes_equal(second_text(&slot->task), BYTES("3"));
}

/* The second moderator had two of them: neither is taken for the cause before a third one had it alone. */
static void of_two_suspects_that_were_together_only_the_one_that_kills_alone_is_blocked(void **state)
{
    struct desk desk;
    struct scripted others[2];
    struct scripted thirds[2];
    struct job *jobs[WAITING];
    size_t blocked = 0;

    (void)state;
    open_suspects(&desk, others, jobs);
    scripted_open_as(&thirds[0], wire_endpoint(desk.wire), SLOT_LOCAL, "", third_process);
    desk_until(&desk, pool_dispatch_slot_count(desk.dispatch) == 3);
    while (desk.finished_count < WAITING - 1) { /* what waited behind them */
        size_t finished = desk.finished_count;

        scripted_task(&thirds[0]);
        scripted_answer(&thirds[0], OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count > finished);
    }
    desk_add_slot_of(&desk, &thirds[1], SLOT_LOCAL, "", third_process);
    scripted_close(&others[0]);
    desk_kill_slot(&desk, &others[1], 2);
    assert_int_equal(WAITING - 1, desk.finished_count);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY)); /* one at a time */
    for (size_t which = 0; which < 2; which++) {
        struct scripted *has = scripted_try_task(&thirds[0], 100) == STATUS_OK ? &thirds[0] : &thirds[1];

        if (has == &thirds[1]) {
            scripted_task(has);
        }
        if (is_killer(has)) {
            break;
        }
        scripted_answer(has, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == WAITING + which);
    }
    scripted_close(&thirds[0]);
    desk_kill_slot(&desk, &thirds[1], 0);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        assert_status(STATUS_OK, jobs[index]->result.status);
        blocked += jobs[index]->result.outcome == OUTCOME_BLOCK;
        assert_int_equal(index == 3, pool_poison_has(&desk.dispatch->poison, dispatch_text(jobs[index]), desk.now_ms));
    }
    assert_int_equal(OUTCOME_BLOCK, jobs[3]->result.outcome);
    assert_in_range(blocked, 1, 2); /* the other one too, if it was still to be asked about and nobody was left */
    desk_close(&desk);
}

/* Whoever cannot be told from the cause is blocked where nobody is left to ask, and is asked about when it comes again. */
static void suspects_that_nobody_can_be_asked_about_are_blocked_but_not_remembered(void **state)
{
    struct desk desk;
    struct scripted others[2];
    struct job *jobs[WAITING];
    size_t blocked = 0;

    (void)state;
    open_suspects(&desk, others, jobs);
    scripted_close(&others[0]);
    desk_kill_slot(&desk, &others[1], 0);
    assert_int_equal(1 + WAITING, desk.finished_count);
    for (size_t index = 0; index < WAITING; index++) {
        blocked += jobs[index]->result.status == STATUS_OK && jobs[index]->result.outcome == OUTCOME_BLOCK;
        assert_false(pool_poison_has(&desk.dispatch->poison, dispatch_text(jobs[index]), desk.now_ms));
    }
    assert_int_equal(OUTCOME_BLOCK, jobs[3]->result.outcome);
    assert_int_equal(2, blocked);
    desk_close(&desk);
}

/* Two copies of a text are one suspect: together they hide nothing. */
static void copies_of_a_text_do_not_hide_it(void **state)
{
    struct desk desk;
    struct scripted slots[2];
    struct scripted others[2];
    struct job *jobs[2];

    (void)state;
    open_desk(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot(&desk, &slots[1], SLOT_LOCAL, "");
    for (size_t index = 0; index < 2; index++) {
        jobs[index] = desk_submit(&desk, &plain, "poison");
        scripted_task(&slots[index]);
    }
    desk_add_slot_of(&desk, &others[0], SLOT_LOCAL, "", other_process);
    desk_add_slot_of(&desk, &others[1], SLOT_LOCAL, "", other_process);
    scripted_close(&slots[0]);
    desk_kill_slot(&desk, &slots[1], 2);
    scripted_task(&others[0]);
    scripted_task(&others[1]);
    scripted_close(&others[0]);
    desk_kill_slot(&desk, &others[1], 0);
    assert_int_equal(2, desk.finished_count);
    assert_int_equal(OUTCOME_BLOCK, jobs[0]->result.outcome);
    assert_int_equal(OUTCOME_BLOCK, jobs[1]->result.outcome);
    assert_true(pool_poison_has(&desk.dispatch->poison, dispatch_text(jobs[0]), desk.now_ms));
    desk_close(&desk);
}

static void a_late_batch_is_asked_about_elsewhere_and_its_verdicts_are_dropped(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct job *jobs[WAITING];

    (void)state;
    open_busy(&desk, &slot);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    (void)desk_submit(&desk, &plain, "busy too");
    scripted_task(&other);
    submit_many(&desk, &plain, WAITING, jobs);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    assert_int_equal(WAITING, scripted_batch(&slot));
    assert_int_equal(400, slot.task.head.remaining_ms); /* at most half of the deadline */
    desk_pass_ms(&desk, 399);
    assert_int_equal(0, series_value(desk.dispatch->counts.ends[END_TIMEOUT]));
    scripted_answer(&other, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    desk_pass_ms(&desk, 1);
    assert_int_equal(WAITING, series_value(desk.dispatch->counts.ends[END_TIMEOUT]));
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_QUARANTINED));
    scripted_answer_all(&slot, OUTCOME_BLOCK);
    desk_until(&desk, series_value(desk.dispatch->counts.late) == WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        scripted_task(&other);
        assert_false(other.tasks.is_batch);
        scripted_answer(&other, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 3 + index);
    }
    for (size_t index = 0; index < WAITING; index++) {
        assert_int_equal(OUTCOME_ALLOW, jobs[index]->result.outcome);
        assert_int_equal(1, jobs[index]->result.retries);
    }
    scripted_close(&other);
    close_desk(&desk, &slot);
}

enum lie { LIE_FEWER, LIE_MORE, LIE_SEQUENCE, LIE_NONCE, LIE_ONE, LIE_SEGMENT, LIE_NOISE, LIE_READY, LIES };

/* Answers a batch of five as no sound moderator does: with "block", so that a verdict that was taken would show. */
static void lie_to(struct scripted *slot, enum lie lie)
{
    size_t count = lie == LIE_FEWER ? WAITING - 1 : lie == LIE_MORE ? WAITING + 1 : WAITING;
    struct message_verdict verdict;

    slot->task.head.sequence += lie == LIE_SEQUENCE;
    slot->task.head.nonce += lie == LIE_NONCE;
    verdict = scripted_verdict(slot, OUTCOME_BLOCK);
    switch (lie) {
    case LIE_ONE:
        scripted_answer(slot, OUTCOME_BLOCK);
        return;
    case LIE_NOISE:
        scripted_send(slot, BYTES("\xc1"));
        return;
    case LIE_READY:
        scripted_ready(slot, SLOT_LOCAL, "", SCRIPT_TEXT_BYTES_MAX);
        return;
    default:
        break;
    }
    scripted_begin(slot, count);
    for (size_t index = 0; index < count; index++) {
        bool is_unsure = lie == LIE_SEGMENT && index == 3;

        verdict.outcome = is_unsure ? OUTCOME_UNSURE : OUTCOME_BLOCK;
        verdict.unsure = is_unsure ? BYTES("\x04") : BYTES(""); /* the third piece of two */
        assert_status(STATUS_OK, message_write_verdicts_next(&verdict, &slot->out));
    }
    scripted_flush(slot);
}

static void an_answer_that_is_none_costs_each_one_attempt_and_gives_nobody_a_verdict(void **state)
{
    (void)state;
    for (enum lie lie = 0; lie < LIES; lie++) {
        struct desk desk;
        struct scripted slot;
        struct scripted other;
        struct job *jobs[WAITING];

        open_batch(&desk, &slot, &plain, jobs);
        desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
        lie_to(&slot, lie);
        desk_until(&desk, series_value(desk.dispatch->counts.ends[END_LEFT]) == WAITING);
        answer_alone(&desk, &other, WAITING);
        scripted_close(&other);
        close_desk(&desk, &slot);
    }
}

static void a_moderator_that_leaves_passes_all_of_a_batch_on(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    scripted_plain(&slot, MESSAGE_BYE);
    desk_until(&desk, pool_dispatch_slot_count(desk.dispatch) == 1);
    for (size_t index = 0; index < WAITING; index++) {
        scripted_task(&other);
        scripted_answer(&other, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 2 + index);
    }
    for (size_t index = 0; index < WAITING; index++) {
        assert_int_equal(OUTCOME_ALLOW, jobs[index]->result.outcome);
        assert_int_equal(0, jobs[index]->result.retries);
    }
    assert_int_equal(0, series_value(desk.dispatch->counts.ends[END_LEFT]));
    scripted_close(&other);
    close_desk(&desk, &slot);
}

/* Several verdicts where one task was sent. */
static void verdicts_on_one_task_are_no_answer(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    open_busy(&desk, &slot);
    scripted_begin(&slot, 1);
    scripted_next(&slot, OUTCOME_ALLOW);
    scripted_flush(&slot);
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(1, desk_bad(&desk, BAD_TURN));
    close_desk(&desk, &slot);
}

/* One is refused and asked about elsewhere, one was not begun and comes again without having lost anything. */
static void one_without_a_verdict_goes_on_by_itself(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    scripted_begin(&slot, WAITING);
    scripted_next(&slot, OUTCOME_ALLOW);
    scripted_next_busy(&slot, BUSY_FAILED);
    scripted_next(&slot, OUTCOME_ALLOW);
    scripted_next_busy(&slot, BUSY_LATER);
    scripted_next(&slot, OUTCOME_BLOCK);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    scripted_flush(&slot);
    desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY) == 2);
    assert_int_equal(1 + 3, desk.finished_count);
    scripted_task(&other);
    assert_bytes("1", second_text(&other.task));
    scripted_answer(&other, OUTCOME_ALLOW);
    scripted_task(&slot);
    assert_false(slot.tasks.is_batch);
    assert_bytes("3", second_text(&slot.task));
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1 + WAITING);
    assert_int_equal(1, jobs[1]->result.retries);
    assert_int_equal(0, jobs[3]->result.retries);
    assert_int_equal(OUTCOME_BLOCK, jobs[4]->result.outcome);
    assert_int_equal(1, series_value(desk.dispatch->counts.ends[END_BUSY]));
    assert_int_equal(1, series_value(desk.dispatch->counts.retries));
    scripted_close(&other);
    close_desk(&desk, &slot);
}

/* Its time goes on while it waits to come again. */
static void what_was_not_begun_keeps_its_deadline(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    desk_pass_ms(&desk, 500);
    scripted_begin(&slot, WAITING);
    for (size_t index = 0; index < WAITING; index++) {
        if (index == 0) {
            scripted_next(&slot, OUTCOME_ALLOW);
        } else {
            scripted_next_busy(&slot, BUSY_LATER);
        }
    }
    scripted_flush(&slot);
    desk_until(&desk, desk.finished_count == 2);
    scripted_task(&slot);
    assert_int_equal(300, slot.task.head.remaining_ms);
    desk_pass_ms(&desk, 299);
    assert_int_equal(2, desk.finished_count);
    desk_pass_ms(&desk, 1);
    assert_int_equal(1 + WAITING, desk.finished_count);
    assert_status(STATUS_TIMEOUT, desk.finished[WAITING]->result.status);
    close_desk(&desk, &slot);
}

static void texts_that_a_moderator_has_are_named_in_a_batch_too(void **state)
{
    static char text[RECALL_TEXT_BYTES_MIN + 1];
    struct desk desk;
    struct scripted slot;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    open_busy(&desk, &slot);
    for (size_t round = 0; round < 2; round++) { /* at first whole, then named, and then whole for whom it does not know */
        size_t finished = desk.finished_count;

        (void)desk_submit(&desk, &cached, text);
        (void)desk_submit(&desk, &plain, text);
        (void)desk_submit(&desk, &cached, text);
        scripted_answer_all(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == finished + 1);
        assert_int_equal(3, scripted_batch(&slot));
        assert_int_equal(round, slot.tasks.tasks[0].left_out_count);
        assert_int_equal(0, slot.tasks.tasks[1].left_out_count);
        assert_int_equal(round, slot.tasks.tasks[2].left_out_count);
        if (round == 0) {
            scripted_answer_all(&slot, OUTCOME_ALLOW);
            desk_until(&desk, desk.finished_count == finished + 4);
            (void)desk_submit(&desk, &plain, "again");
            scripted_task(&slot);
        }
    }
    scripted_begin(&slot, 3);
    scripted_next_busy(&slot, BUSY_UNKNOWN_TEXT);
    scripted_next(&slot, OUTCOME_ALLOW);
    scripted_next(&slot, OUTCOME_ALLOW);
    scripted_flush(&slot);
    desk_until(&desk, desk.finished_count == 7);
    scripted_task(&slot);
    assert_false(slot.tasks.is_batch);
    assert_int_equal(0, slot.task.left_out_count);
    assert_bytes(text, second_text(&slot.task));
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 8);
    assert_int_equal(0, desk.finished[7]->result.retries);
    assert_int_equal(1, counted(&desk, "prismguard_gateway_pool_recalls_missed_total"));
    close_desk(&desk, &slot);
}

/* It says what an older one says to a message that it does not know; nothing is lost by it, and it is not tried again. */
static void a_moderator_that_knows_no_batches_is_sent_one_by_one(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted sister;
    struct job *jobs[WAITING];
    struct job *more[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    slot.task.head = (struct message_task_head){0};
    scripted_busy(&slot, BUSY_UNSUPPORTED);
    desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY) == 1 && series_value(desk.dispatch->queue.gauges[SLOT_LOCAL]) == WAITING - 1);
    submit_many(&desk, &plain, WAITING, more);
    for (size_t index = 0; index < 2 * WAITING; index++) {
        scripted_task(&slot);
        assert_false(slot.tasks.is_batch);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 2 + index);
        assert_int_equal(0, desk.finished[1 + index]->result.retries);
        assert_status(STATUS_OK, desk.finished[1 + index]->result.status);
    }
    assert_int_equal(0, series_value(desk.dispatch->counts.retries));
    desk_add_slot(&desk, &sister, SLOT_LOCAL, ""); /* of the same process */
    pool_dispatch_expect(desk.dispatch, 4);
    submit_many(&desk, &plain, 4, more);
    scripted_task(&slot);
    scripted_task(&sister);
    assert_false(slot.tasks.is_batch || sister.tasks.is_batch);
    scripted_close(&sister);
    close_desk(&desk, &slot);
}

static void another_process_still_gets_batches(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted other;
    struct job *jobs[WAITING];
    struct job *more[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", other_process);
    (void)desk_submit(&desk, &plain, "busy too");
    scripted_task(&other);
    scripted_busy(&slot, BUSY_UNSUPPORTED);
    desk_until(&desk, series_value(desk.dispatch->queue.gauges[SLOT_LOCAL]) == WAITING - 1);
    for (size_t index = 0; index < WAITING; index++) {
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 2 + index);
    }
    (void)desk_submit(&desk, &plain, "its own");
    scripted_task(&slot);
    submit_many(&desk, &plain, WAITING, more);
    scripted_answer(&other, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2 + WAITING);
    assert_int_equal(WAITING, scripted_batch(&other));
    scripted_close(&other);
    close_desk(&desk, &slot);
}

/* The process of the first idle slot ends, and libzmq knows it; the pool does not. */
static void await_end(struct desk *desk, struct scripted *slot)
{
    const struct slot *first = pool_slots_first(desk->dispatch->slots, SLOT_LOCAL, SLOT_IDLE);
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;

    scripted_close(slot);
    while (wire_probe(desk->wire, (struct bytes){first->identity, first->identity_bytes}) != STATUS_CLOSED && clock_ms() < end_ms) {
        zmq_pollitem_t item = {wire_handle(desk->wire), 0, ZMQ_POLLIN, 0};

        (void)zmq_poll(&item, 1, 1);
    }
}

static void a_batch_for_a_slot_that_is_gone_goes_on_one_by_one(void **state)
{
    struct desk desk;
    struct scripted slots[2];
    struct job *jobs[4];

    (void)state;
    open_desk(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot_of(&desk, &slots[1], SLOT_LOCAL, "", other_process);
    await_end(&desk, &slots[0]);
    pool_dispatch_expect(desk.dispatch, 4);
    submit_many(&desk, &plain, 4, jobs);
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    while (desk.finished_count < 4) {
        size_t finished = desk.finished_count;

        scripted_task(&slots[1]);
        scripted_answer_all(&slots[1], OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count > finished);
    }
    for (size_t index = 0; index < 4; index++) {
        assert_status(STATUS_OK, jobs[index]->result.status);
        assert_int_equal(0, jobs[index]->result.retries);
    }
    close_desk(&desk, &slots[1]);
}

static void a_batch_for_the_only_slot_which_is_gone_ends(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[4];

    (void)state;
    open_desk(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    await_end(&desk, &slot);
    pool_dispatch_expect(desk.dispatch, 4);
    submit_many(&desk, &plain, 4, jobs);
    assert_int_equal(4, desk.finished_count);
    for (size_t index = 0; index < 4; index++) {
        assert_status(STATUS_UNAVAILABLE, jobs[index]->result.status);
    }
    desk_close(&desk);
}

/* Of two texts one cannot share a message: that the other one is sent alone for it is its first attempt. */
static void a_batch_of_one_is_an_attempt(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *alone;
    struct job *many = scripted_job(&plain, 0, "");

    (void)state;
    open_busy(&desk, &slot);
    alone = desk_submit(&desk, &plain, "alone");
    for (size_t piece = 0; piece < BATCH_SEGMENTS_MAX; piece++) {
        assert_status(STATUS_OK, job_add(many, &(struct segment){.role = SCOPE_USER, .text = BYTES("x")}));
    }
    desk_submit_job(&desk, many);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    scripted_task(&slot);
    assert_false(slot.tasks.is_batch);
    assert_int_equal(1, alone->attempts);
    scripted_busy(&slot, BUSY_FAILED);
    desk_until(&desk, desk.finished_count == 2);
    assert_status(STATUS_UNAVAILABLE, alone->result.status);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 3);
    close_desk(&desk, &slot);
}

static void stopping_answers_all_that_a_slot_has(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *jobs[WAITING];

    (void)state;
    open_batch(&desk, &slot, &plain, jobs);
    pool_dispatch_stop(desk.dispatch, desk.now_ms);
    assert_int_equal(1 + WAITING, desk.finished_count);
    for (size_t index = 0; index < WAITING; index++) {
        assert_status(STATUS_UNAVAILABLE, jobs[index]->result.status);
    }
    close_desk(&desk, &slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_that_wait_share_the_slot_that_comes_free),
        cmocka_unit_test(nothing_is_batched_while_slots_are_idle),
        cmocka_unit_test(a_full_queue_gives_to_idle_slots_before_it_refuses),
        cmocka_unit_test(a_message_has_a_bounded_number_of_tasks),
        cmocka_unit_test(a_message_has_bounded_bytes),
        cmocka_unit_test(tasks_of_many_pieces_and_long_ones_go_alone),
        cmocka_unit_test(callers_take_turns_within_a_message),
        cmocka_unit_test(what_needs_no_moderator_is_in_no_message),
        cmocka_unit_test(who_has_left_hears_nothing_and_the_others_do),
        cmocka_unit_test(an_unsure_one_is_reviewed_and_holds_nobody),
        cmocka_unit_test(the_tasks_of_a_killed_moderator_are_asked_about_once_more_each_alone),
        cmocka_unit_test(only_the_text_that_kills_again_is_blocked),
        cmocka_unit_test(of_two_suspects_that_were_together_only_the_one_that_kills_alone_is_blocked),
        cmocka_unit_test(suspects_that_nobody_can_be_asked_about_are_blocked_but_not_remembered),
        cmocka_unit_test(copies_of_a_text_do_not_hide_it),
        cmocka_unit_test(a_late_batch_is_asked_about_elsewhere_and_its_verdicts_are_dropped),
        cmocka_unit_test(an_answer_that_is_none_costs_each_one_attempt_and_gives_nobody_a_verdict),
        cmocka_unit_test(a_moderator_that_leaves_passes_all_of_a_batch_on),
        cmocka_unit_test(verdicts_on_one_task_are_no_answer),
        cmocka_unit_test(one_without_a_verdict_goes_on_by_itself),
        cmocka_unit_test(what_was_not_begun_keeps_its_deadline),
        cmocka_unit_test(texts_that_a_moderator_has_are_named_in_a_batch_too),
        cmocka_unit_test(a_moderator_that_knows_no_batches_is_sent_one_by_one),
        cmocka_unit_test(another_process_still_gets_batches),
        cmocka_unit_test(a_batch_for_a_slot_that_is_gone_goes_on_one_by_one),
        cmocka_unit_test(a_batch_for_the_only_slot_which_is_gone_ends),
        cmocka_unit_test(a_batch_of_one_is_an_attempt),
        cmocka_unit_test(stopping_answers_all_that_a_slot_has),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}
