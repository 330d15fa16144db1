/* pool_queue: callers in turn, each first in, first out; jobs, bytes and age are bounded exactly. */
#include "support/unit.h"

#include "gateway/pool_queue.h"

enum { NOW_MS = 5000 };

static const struct profile_settings profile = {.name = "default"};

struct fixture {
    struct metrics *metrics;
    struct pool_queue queue;
};

static void open_fixture(struct fixture *fixture, uint64_t jobs, uint64_t bytes)
{
    struct pool_settings settings = {.queue_jobs = jobs, .queue_bytes = bytes, .queue_age_ms = 2000};

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, pool_queue_open(&fixture->queue, &settings, fixture->metrics));
}

static void close_fixture(struct fixture *fixture)
{
    struct job *job;

    while ((job = pool_queue_pop(&fixture->queue, NOW_MS + 9999)) != NULL) {
        job_close(&job);
    }
    assert_int_equal(0, fixture->queue.count);
    assert_int_equal(0, fixture->queue.bytes);
    assert_int_equal(0, series_value(fixture->queue.gauges[SLOT_LOCAL]));
    assert_int_equal(0, series_value(fixture->queue.bytes_gauge));
    pool_queue_close(&fixture->queue);
    metrics_close(&fixture->metrics);
}

static struct job *make_job(void)
{
    struct job *job = NULL;

    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, BYTES(""), KIB));
    return job;
}

static void jobs_leave_in_the_order_they_came(void **state)
{
    struct fixture fixture;
    struct job *jobs[3];

    (void)state;
    open_fixture(&fixture, 8, MIB);
    assert_null(pool_queue_pop(&fixture.queue, NOW_MS));
    for (size_t index = 0; index < 3; index++) {
        jobs[index] = make_job();
        assert_status(STATUS_OK, pool_queue_push(&fixture.queue, jobs[index], NOW_MS));
    }
    assert_int_equal(3, series_value(fixture.queue.gauges[SLOT_LOCAL]));
    assert_int_equal(fixture.queue.bytes, series_value(fixture.queue.bytes_gauge));
    for (size_t index = 0; index < 3; index++) {
        assert_ptr_equal(jobs[index], pool_queue_pop(&fixture.queue, NOW_MS));
        job_close(&jobs[index]);
    }
    assert_null(pool_queue_pop(&fixture.queue, NOW_MS));
    close_fixture(&fixture);
}

static void the_number_of_jobs_is_bounded_exactly(void **state)
{
    struct fixture fixture;
    struct job *extra = make_job();

    (void)state;
    open_fixture(&fixture, 2, MIB);
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, make_job(), NOW_MS));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, make_job(), NOW_MS));
    assert_status(STATUS_FULL, pool_queue_push(&fixture.queue, extra, NOW_MS));
    assert_int_equal(2, fixture.queue.count);
    job_close(&extra);
    close_fixture(&fixture);
}

static void the_bytes_of_all_jobs_are_bounded_exactly(void **state)
{
    struct fixture fixture;
    struct job *job = make_job();
    struct job *extra = make_job();

    (void)state;
    open_fixture(&fixture, 8, 2 * job->body.count);
    assert_status(STATUS_OK, job_add(extra, &(struct segment){SCOPE_USER, BYTES("")})); /* two bytes more than the other */
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, job, NOW_MS));
    assert_status(STATUS_FULL, pool_queue_push(&fixture.queue, extra, NOW_MS));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, make_job(), NOW_MS));
    assert_int_equal(fixture.queue.bytes_max, fixture.queue.bytes);
    job_close(&extra);
    close_fixture(&fixture);
}

static void a_job_is_aged_when_it_has_waited_the_whole_age(void **state)
{
    struct fixture fixture;
    struct job *job = make_job();

    (void)state;
    open_fixture(&fixture, 8, MIB);
    assert_true(pool_queue_aged_at_ms(&fixture.queue) == UINT64_MAX);
    assert_null(pool_queue_pop_aged(&fixture.queue, UINT64_MAX - 1));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, job, NOW_MS));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, make_job(), NOW_MS + 1));
    assert_int_equal(NOW_MS + 2000, pool_queue_aged_at_ms(&fixture.queue));
    assert_null(pool_queue_pop_aged(&fixture.queue, NOW_MS + 1999));
    assert_ptr_equal(job, pool_queue_pop_aged(&fixture.queue, NOW_MS + 2000));
    assert_null(pool_queue_pop_aged(&fixture.queue, NOW_MS + 2000));
    job_close(&job);
    close_fixture(&fixture);
}

/* A waiting job of a caller. */
static struct job *wait_for(struct fixture *fixture, const char *caller)
{
    struct job *job = make_job();

    job_set_caller(job, bytes_of(caller));
    assert_status(STATUS_OK, pool_queue_push(&fixture->queue, job, NOW_MS));
    return job;
}

static void callers_take_turns(void **state)
{
    struct fixture fixture;
    struct job *expected[6];

    (void)state;
    open_fixture(&fixture, 8, MIB);
    expected[0] = wait_for(&fixture, "a");
    expected[3] = wait_for(&fixture, "a");
    expected[5] = wait_for(&fixture, "a");
    expected[1] = wait_for(&fixture, "b");
    expected[2] = wait_for(&fixture, "c");
    expected[4] = wait_for(&fixture, "c");
    for (size_t index = 0; index < 6; index++) {
        struct job *peeked = pool_queue_peek(&fixture.queue, true);
        struct job *job = pool_queue_pop(&fixture.queue, NOW_MS);

        assert_ptr_equal(peeked, job);
        assert_ptr_equal(expected[index], job);
        job_close(&job);
    }
    assert_null(pool_queue_peek(&fixture.queue, true));
    close_fixture(&fixture);
}

static void age_knows_no_turns(void **state)
{
    struct fixture fixture;
    struct job *jobs[3];

    (void)state;
    open_fixture(&fixture, 8, MIB);
    jobs[0] = wait_for(&fixture, "a");
    jobs[1] = wait_for(&fixture, "a");
    jobs[2] = wait_for(&fixture, "b");
    for (size_t index = 0; index < 3; index++) {
        assert_ptr_equal(jobs[index], pool_queue_pop_aged(&fixture.queue, NOW_MS + 2000));
        job_close(&jobs[index]);
    }
    close_fixture(&fixture);
}

static void the_newest_job_of_the_greediest_makes_room(void **state)
{
    struct fixture fixture;
    struct job *greedy[3];
    struct job *modest;
    struct job *extra = make_job();
    struct job *out;

    (void)state;
    open_fixture(&fixture, 4, MIB);
    for (size_t index = 0; index < 3; index++) {
        greedy[index] = wait_for(&fixture, "greedy");
    }
    modest = wait_for(&fixture, "modest");
    job_set_caller(extra, BYTES("greedy"));
    assert_status(STATUS_FULL, pool_queue_push(&fixture.queue, extra, NOW_MS));
    assert_null(pool_queue_pop_greediest(&fixture.queue, extra, NOW_MS)); /* it would be its own */
    job_set_caller(extra, BYTES("modest"));
    out = pool_queue_pop_greediest(&fixture.queue, extra, NOW_MS);
    assert_ptr_equal(greedy[2], out);
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, extra, NOW_MS));
    job_close(&out);
    extra = make_job(); /* two have two each: a third of one of them has no better right than what waits */
    job_set_caller(extra, BYTES("modest"));
    assert_null(pool_queue_pop_greediest(&fixture.queue, extra, NOW_MS));
    job_set_caller(extra, BYTES("new"));
    out = pool_queue_pop_greediest(&fixture.queue, extra, NOW_MS);
    assert_non_null(out);
    assert_ptr_not_equal(modest, out); /* the newest of a caller, never its oldest */
    job_close(&out);
    job_close(&extra);
    close_fixture(&fixture);
}

static void bytes_make_room_as_jobs_do(void **state)
{
    struct fixture fixture;
    struct job *greedy[2];
    struct job *extra = make_job();
    struct job *out;
    size_t size = extra->body.count;

    (void)state;
    open_fixture(&fixture, 8, 3 * size - 1);
    greedy[0] = wait_for(&fixture, "greedy");
    greedy[1] = wait_for(&fixture, "greedy");
    assert_int_equal(2 * size, fixture.queue.bytes);
    job_set_caller(extra, BYTES("modest"));
    assert_status(STATUS_FULL, pool_queue_push(&fixture.queue, extra, NOW_MS));
    out = pool_queue_pop_greediest(&fixture.queue, extra, NOW_MS);
    assert_ptr_equal(greedy[1], out);
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, extra, NOW_MS));
    job_close(&out);
    close_fixture(&fixture);
}

static void abandoned_jobs_leave_from_any_place(void **state)
{
    struct fixture fixture;
    struct job *jobs[5];

    (void)state;
    open_fixture(&fixture, 8, MIB);
    for (size_t index = 0; index < 5; index++) {
        jobs[index] = make_job();
        assert_status(STATUS_OK, pool_queue_push(&fixture.queue, jobs[index], NOW_MS));
    }
    assert_null(pool_queue_pop_abandoned(&fixture.queue, NOW_MS));
    for (size_t index = 0; index < 5; index += 2) { /* the first, one in the middle, the last */
        atomic_store(&jobs[index]->abandoned, true);
    }
    for (size_t index = 0; index < 5; index += 2) {
        assert_ptr_equal(jobs[index], pool_queue_pop_abandoned(&fixture.queue, NOW_MS));
        job_close(&jobs[index]);
    }
    assert_null(pool_queue_pop_abandoned(&fixture.queue, NOW_MS));
    assert_ptr_equal(jobs[1], pool_queue_pop(&fixture.queue, NOW_MS));
    assert_ptr_equal(jobs[3], pool_queue_pop(&fixture.queue, NOW_MS));
    job_close(&jobs[1]);
    job_close(&jobs[3]);
    close_fixture(&fixture);
}

static struct job *make_long(uint64_t caller)
{
    struct job *job = make_job();

    job->caller = caller;
    job->is_long = true;
    return job;
}

static void long_texts_are_passed_over_when_there_is_no_room_for_them(void **state)
{
    struct fixture fixture;
    struct job *first = make_long(1), *second = make_job(), *third = make_long(2), *fourth = make_job();

    (void)state;
    second->caller = 1;
    fourth->caller = 2;
    open_fixture(&fixture, 8, MIB);
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, first, NOW_MS));
    assert_null(pool_queue_peek(&fixture.queue, false));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, second, NOW_MS + 1));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, third, NOW_MS + 2));
    assert_status(STATUS_OK, pool_queue_push(&fixture.queue, fourth, NOW_MS + 3));
    assert_ptr_equal(first, pool_queue_peek(&fixture.queue, true)); /* the oldest of the caller whose turn it is */
    assert_ptr_equal(second, pool_queue_peek(&fixture.queue, false));
    assert_ptr_equal(second, pool_queue_take(&fixture.queue, second, NOW_MS + 4));
    assert_ptr_equal(third, pool_queue_peek(&fixture.queue, true)); /* the turn has passed on */
    assert_ptr_equal(fourth, pool_queue_peek(&fixture.queue, false));
    assert_ptr_equal(fourth, pool_queue_take(&fixture.queue, fourth, NOW_MS + 4));
    assert_null(pool_queue_peek(&fixture.queue, false));
    assert_int_equal(NOW_MS + 2000, pool_queue_aged_at_ms(&fixture.queue));
    assert_ptr_equal(first, pool_queue_pop_aged(&fixture.queue, NOW_MS + 2000)); /* they age as all do */
    assert_null(pool_queue_pop_aged(&fixture.queue, NOW_MS + 2001));
    assert_ptr_equal(third, pool_queue_peek(&fixture.queue, true));
    job_close(&first);
    job_close(&second);
    job_close(&fourth);
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_texts_are_passed_over_when_there_is_no_room_for_them),
        cmocka_unit_test(jobs_leave_in_the_order_they_came),
        cmocka_unit_test(the_number_of_jobs_is_bounded_exactly),
        cmocka_unit_test(the_bytes_of_all_jobs_are_bounded_exactly),
        cmocka_unit_test(a_job_is_aged_when_it_has_waited_the_whole_age),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(age_knows_no_turns),
        cmocka_unit_test(the_newest_job_of_the_greediest_makes_room),
        cmocka_unit_test(bytes_make_room_as_jobs_do),
        cmocka_unit_test(abandoned_jobs_leave_from_any_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
