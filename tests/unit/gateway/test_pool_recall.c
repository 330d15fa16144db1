/* pool_recall: which texts have names, which are left out for whom, and that nothing is lost where a moderator knows less. */
#include "support/desk.h"

#include <stdlib.h>

static const struct profile_settings cached = {.name = "default", .cache = {.entries = 100, .ttl_ms = 1000}};
static const struct profile_settings uncached = {.name = "default"};
static const struct profile_settings reviewed = {
    .name = "default", .cache = {.entries = 100, .ttl_ms = 1000}, .review = {.url = "http://127.0.0.1:1/"}};

#define OTHER_WORKER "another-worker-1"

/* RECALL_TEXT_BYTES_MIN bytes and no more. */
static char long_text[RECALL_TEXT_BYTES_MIN + 1];

static int setup(void **state)
{
    memset(long_text, 'x', RECALL_TEXT_BYTES_MIN);
    return desk_group_setup(state);
}

static int64_t counted(const struct desk *desk, const char *name)
{
    return series_value(metrics_series(desk->metrics, METRIC_COUNTER, name, "", NULL, 0));
}

static int64_t recalled(const struct desk *desk)
{
    return counted(desk, "prismguard_gateway_pool_texts_recalled_total");
}

static int64_t missed(const struct desk *desk)
{
    return counted(desk, "prismguard_gateway_pool_recalls_missed_total");
}

/* The slot's next task has the two segments of a scripted job; `text` is "" where the second is left out. */
static void assert_task(struct scripted *slot, const char *text, size_t name_bytes)
{
    struct segment segment;
    struct bytes name;

    scripted_task(slot);
    assert_int_equal(2, slot->task.segment_count);
    assert_bytes("default", slot->task.profile);
    assert_status(STATUS_OK, message_next_named(&slot->task.segments, &segment, &name));
    assert_bytes("first", segment.text); /* short: it has no name */
    assert_bytes("", name);
    assert_status(STATUS_OK, message_next_named(&slot->task.segments, &segment, &name));
    assert_int_equal(SCOPE_USER, segment.role);
    assert_bytes(text, segment.text);
    assert_int_equal(name_bytes, name.count);
}

static void open_with_slot(struct desk *desk, struct scripted *slot)
{
    desk_open(desk);
    desk_add_slot(desk, slot, SLOT_LOCAL, "");
}

static void close_with_slot(struct desk *desk, struct scripted *slot)
{
    scripted_close(slot);
    desk_close(desk);
}

static void finish(struct desk *desk, size_t count)
{
    desk_until(desk, desk->finished_count == count);
    assert_status(STATUS_OK, desk->finished[count - 1]->result.status);
}

static void allow(struct desk *desk, struct scripted *slot, size_t count)
{
    scripted_answer(slot, OUTCOME_ALLOW);
    finish(desk, count);
    assert_int_equal(OUTCOME_ALLOW, desk->finished[count - 1]->result.outcome);
}

static void what_a_moderator_has_allowed_is_named_the_next_time(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    open_with_slot(&desk, &slot);
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    allow(&desk, &slot, 1);
    assert_int_equal(0, recalled(&desk));
    for (size_t turn = 2; turn < 5; turn++) {
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slot, "", TABLE_HASH_BYTES);
        allow(&desk, &slot, turn);
        assert_int_equal(turn - 1, recalled(&desk));
    }
    long_text[0] = 'y'; /* another text is another name */
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    long_text[0] = 'x';
    assert_int_equal(0, missed(&desk));
    close_with_slot(&desk, &slot);
}

static void short_texts_and_profiles_without_a_cache_have_no_names(void **state)
{
    struct desk desk;
    struct scripted slot;
    size_t finished = 0;

    (void)state;
    open_with_slot(&desk, &slot);
    for (int turn = 0; turn < 2; turn++) {
        (void)desk_submit(&desk, &cached, long_text + 1);
        assert_task(&slot, long_text + 1, 0);
        allow(&desk, &slot, ++finished);
        (void)desk_submit(&desk, &uncached, long_text);
        assert_task(&slot, long_text, 0);
        allow(&desk, &slot, ++finished);
    }
    assert_int_equal(0, recalled(&desk));
    close_with_slot(&desk, &slot);
}

/* The next turn may come to another process, which has never seen the text. */
static void a_name_goes_only_to_the_process_that_was_sent_its_text(void **state)
{
    struct desk desk;
    struct scripted slots[2];

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot_of(&desk, &slots[1], SLOT_LOCAL, "", OTHER_WORKER);
    for (size_t turn = 0; turn < 4; turn++) { /* the least recently used one is next */
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slots[turn % 2], turn < 2 ? long_text : "", TABLE_HASH_BYTES);
        allow(&desk, &slots[turn % 2], turn + 1);
    }
    scripted_close(&slots[0]);
    scripted_close(&slots[1]);
    desk_close(&desk);
}

/* Only an allowed task has been looked at to its end, and leaves something to be remembered. */
static void what_was_blocked_or_unsure_is_sent_again(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    open_with_slot(&desk, &slot);
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    scripted_answer(&slot, OUTCOME_BLOCK);
    finish(&desk, 1);
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    scripted_unsure(&slot, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    finish(&desk, 2);
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    allow(&desk, &slot, 3);
    close_with_slot(&desk, &slot);
}

static void a_review_sees_the_text_that_a_local_slot_was_only_named(void **state)
{
    struct desk desk;
    struct scripted local;
    struct scripted review;
    struct segment segment;
    struct bytes name;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &local, SLOT_LOCAL, "");
    desk_add_slot(&desk, &review, SLOT_REVIEW, "default");
    (void)desk_submit(&desk, &reviewed, long_text);
    assert_task(&local, long_text, TABLE_HASH_BYTES);
    allow(&desk, &local, 1);
    (void)desk_submit(&desk, &reviewed, long_text);
    assert_task(&local, "", TABLE_HASH_BYTES);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 1);
    desk_until(&desk, desk_slots(&desk, SLOT_REVIEW, SLOT_BUSY) == 1);
    scripted_task(&review);
    assert_int_equal(1, review.task.segment_count);
    assert_status(STATUS_OK, message_next_named(&review.task.segments, &segment, &name));
    assert_bytes(long_text, segment.text);
    assert_bytes("", name);
    scripted_answer(&review, OUTCOME_BLOCK);
    finish(&desk, 2);
    assert_int_equal(OUTCOME_BLOCK, desk.finished[1]->result.outcome);
    scripted_close(&local);
    scripted_close(&review);
    desk_close(&desk);
}

/* Nobody else is asked, no attempt is lost, and it is named again only after it was sent again. */
static void a_moderator_that_does_not_know_a_text_is_sent_all_of_them(void **state)
{
    static const enum busy_reason reasons[] = {BUSY_UNKNOWN_TEXT, BUSY_UNSUPPORTED};

    (void)state;
    for (size_t index = 0; index < sizeof reasons / sizeof reasons[0]; index++) {
        struct desk desk;
        struct scripted slot;

        desk_open(&desk);
        desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slot, long_text, TABLE_HASH_BYTES);
        allow(&desk, &slot, 1);
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slot, "", TABLE_HASH_BYTES);
        scripted_busy(&slot, reasons[index]);
        desk_until(&desk, missed(&desk) == 1);
        assert_task(&slot, long_text, 0);
        allow(&desk, &slot, 2);
        assert_int_equal(0, desk.finished[1]->result.retries);
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slot, long_text, TABLE_HASH_BYTES);
        allow(&desk, &slot, 3);
        (void)desk_submit(&desk, &cached, long_text);
        assert_task(&slot, "", TABLE_HASH_BYTES);
        allow(&desk, &slot, 4);
        scripted_close(&slot);
        desk_close(&desk);
    }
}

/* Else two that contradict each other would play on for ever. */
static void a_task_that_was_sent_whole_is_not_sent_so_again(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    open_with_slot(&desk, &slot);
    (void)desk_submit(&desk, &cached, long_text);
    assert_task(&slot, long_text, TABLE_HASH_BYTES);
    scripted_busy(&slot, BUSY_UNKNOWN_TEXT);
    desk_until(&desk, missed(&desk) == 1);
    assert_task(&slot, long_text, 0);
    scripted_busy(&slot, BUSY_UNKNOWN_TEXT);
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(1, missed(&desk));
    close_with_slot(&desk, &slot);
}

static void a_job_that_nobody_waits_for_is_not_sent_whole(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct job *job;

    (void)state;
    open_with_slot(&desk, &slot);
    job = desk_submit(&desk, &cached, long_text);
    scripted_task(&slot);
    atomic_store(&job->abandoned, true);
    scripted_busy(&slot, BUSY_UNKNOWN_TEXT);
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_CLOSED, job->result.status);
    assert_int_equal(0, missed(&desk));
    close_with_slot(&desk, &slot);
}

/* A job of so many texts that are long enough, and its names. */
static struct job *named_job(struct pool_recall *recall, size_t texts, struct account *account)
{
    struct job *job = NULL;

    assert_status(STATUS_OK, job_open(&job, 0, NULL, &cached, BYTES(""), 2 * MIB));
    for (size_t index = 0; index < texts; index++) {
        assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, bytes_of(long_text)}));
    }
    if (account != NULL) {
        assert_status(STATUS_OK, job_charge(job, account));
    }
    message_body_end(&job->packing);
    pool_recall_name(recall, job);
    return job;
}

static void more_texts_than_have_names_are_sent_each_time(void **state)
{
    const unsigned char *worker = (const unsigned char *)OTHER_WORKER;
    struct message_task_head head = {.kind = SLOT_LOCAL, .score = (float)NAN};
    struct pool_recall *recall = NULL;
    struct metrics *metrics = NULL;
    struct message_task task;
    struct buffer body;
    struct buffer out;
    struct job *job;

    (void)state;
    buffer_init(&body, 2 * MIB);
    buffer_init(&out, 2 * MIB);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, pool_recall_open(&recall, metrics));
    job = named_job(recall, RECALL_NAMES_MAX + 3, NULL);
    assert_int_equal(RECALL_NAMES_MAX * TABLE_HASH_BYTES, job->names.count);
    pool_recall_learn(recall, job, worker);
    assert_status(STATUS_OK, pool_recall_body(recall, job, worker, &body));
    assert_status(STATUS_OK, message_write_recall(&head, buffer_view(&body), &out));
    assert_status(STATUS_OK, message_read_task(buffer_view(&out), &task));
    assert_int_equal(RECALL_NAMES_MAX + 3, task.segment_count);
    assert_int_equal(RECALL_NAMES_MAX, task.left_out_count);
    job_close(&job);
    pool_recall_close(&recall);
    pool_recall_close(&recall);
    metrics_close(&metrics);
    buffer_free(&body);
    buffer_free(&out);
}

static void names_are_charged_with_their_job_or_left(void **state)
{
    struct pool_recall *recall = NULL;
    struct metrics *metrics = NULL;
    struct account account;
    struct job *job;
    uint64_t text_bytes;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, pool_recall_open(&recall, metrics));
    account_open(&account, "names", MIB, metrics);
    job = named_job(recall, 100, &account);
    text_bytes = job->body.room;
    assert_int_equal(100 * TABLE_HASH_BYTES, job->names.count);
    assert_int_equal(text_bytes + job->names.room, account_bytes(&account));
    job_close(&job);
    assert_int_equal(0, account_bytes(&account));

    account_close(&account);
    account_open(&account, "no_names", text_bytes + 100 * TABLE_HASH_BYTES - 1, metrics);
    job = named_job(recall, 100, &account);
    assert_int_equal(0, job->names.count);
    assert_int_equal(text_bytes, account_bytes(&account));
    job_close(&job);
    account_close(&account);
    pool_recall_close(&recall);
    metrics_close(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_moderator_has_allowed_is_named_the_next_time),
        cmocka_unit_test(short_texts_and_profiles_without_a_cache_have_no_names),
        cmocka_unit_test(a_name_goes_only_to_the_process_that_was_sent_its_text),
        cmocka_unit_test(what_was_blocked_or_unsure_is_sent_again),
        cmocka_unit_test(a_review_sees_the_text_that_a_local_slot_was_only_named),
        cmocka_unit_test(a_moderator_that_does_not_know_a_text_is_sent_all_of_them),
        cmocka_unit_test(a_task_that_was_sent_whole_is_not_sent_so_again),
        cmocka_unit_test(a_job_that_nobody_waits_for_is_not_sent_whole),
        cmocka_unit_test(more_texts_than_have_names_are_sent_each_time),
        cmocka_unit_test(names_are_charged_with_their_job_or_left),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
