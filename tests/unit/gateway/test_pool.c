/* pool: the thread between loops and moderators: every job comes back exactly once, to its own loop, whatever happens. */
#include "support/slots.h"

#include "gateway/pool.h"
#include "proto/secret.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOPS = 2, LOOP_JOBS = 100 }; /* no power of two: rings are larger then, the bound is not */

static const struct profile_settings profile = {.name = "default", .review = {.url = "http://127.0.0.1:1/"}};

/* A pool whose loops are this test's threads. */
struct rig {
    struct pool_settings settings;
    struct pool_options options;
    struct metrics *metrics;
    struct pool *pool;
    int wakes[LOOPS]; /* eventfds */
};

static void wake(void *context, size_t loop_index)
{
    const struct rig *rig = context;
    const uint64_t one = 1;

    assert_int_equal(sizeof one, write(rig->wakes[loop_index], &one, sizeof one));
}

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){.settings = {.bind = "tcp://127.0.0.1:*",
                                     .queue_jobs = 2 * LOOP_JOBS,
                                     .queue_bytes = 64 * MIB,
                                     .queue_age_ms = 60000,
                                     .deadline_local_ms = 60000,
                                     .deadline_review_ms = 60000,
                                     .peers = 64},
                        .options = {.text_bytes_max = SCRIPT_TEXT_BYTES_MAX, .loop_count = LOOPS, .loop_jobs_max = LOOP_JOBS, .wake = wake}};
}

static void rig_start(struct rig *rig)
{
    assert_status(STATUS_OK, metrics_open(&rig->metrics));
    for (size_t index = 0; index < LOOPS; index++) {
        rig->wakes[index] = eventfd(0, EFD_CLOEXEC);
        assert_true(rig->wakes[index] >= 0);
    }
    rig->options.settings = &rig->settings;
    rig->options.metrics = rig->metrics;
    rig->options.context = rig;
    assert_status(STATUS_OK, pool_open(&rig->pool, &rig->options));
}

static void rig_open(struct rig *rig)
{
    rig_init(rig);
    rig_start(rig);
}

static void rig_close(struct rig *rig)
{
    pool_close(&rig->pool);
    assert_null(rig->pool);
    for (size_t index = 0; index < LOOPS; index++) {
        (void)close(rig->wakes[index]);
    }
    metrics_close(&rig->metrics);
}

/* The next job of a loop; NULL when none came in time. */
static struct job *rig_take(struct rig *rig, size_t loop_index)
{
    struct job *job;

    while ((job = pool_take(rig->pool, loop_index)) == NULL) {
        struct pollfd item = {.fd = rig->wakes[loop_index], .events = POLLIN};
        uint64_t count;

        if (poll(&item, 1, SCRIPT_WAIT_MS) != 1) {
            return NULL;
        }
        assert_int_equal(sizeof count, read(rig->wakes[loop_index], &count, sizeof count));
    }
    return job;
}

static struct job *rig_submit(struct rig *rig, size_t loop_index)
{
    struct job *job = scripted_job(&profile, loop_index, "hello");

    assert_status(STATUS_OK, pool_submit(rig->pool, job));
    return job;
}

/* The pool learns of moderators by itself; there is nothing else to wait on. */
static bool rig_becomes_ready(struct rig *rig, bool expected)
{
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;
    const char *why;

    while (pool_ready(rig->pool, &why) != expected && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    return pool_ready(rig->pool, &why) == expected;
}

static void open_slot(struct rig *rig, struct scripted *slot)
{
    scripted_open(slot, pool_endpoint(rig->pool), SLOT_LOCAL, "");
    assert_true(rig_becomes_ready(rig, true));
}

static void a_job_goes_to_a_moderator_and_comes_back_to_its_loop(void **state)
{
    struct rig rig;
    struct scripted slot;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    for (size_t loop = 0; loop < LOOPS; loop++) {
        struct job *job = rig_submit(&rig, loop);
        struct job *back;

        assert_null(pool_take(rig.pool, loop));
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_BLOCK);
        back = rig_take(&rig, loop);
        assert_ptr_equal(job, back);
        assert_null(pool_take(rig.pool, 0));
        assert_null(pool_take(rig.pool, 1));
        assert_status(STATUS_OK, job->result.status);
        assert_int_equal(OUTCOME_BLOCK, job->result.outcome);
        job_close(&job);
    }
    scripted_close(&slot);
    rig_close(&rig);
}

static void a_pool_without_moderators_says_so_at_once(void **state)
{
    struct rig rig;
    struct job *job;
    const char *why = NULL;

    (void)state;
    rig_open(&rig);
    assert_false(pool_ready(rig.pool, &why));
    assert_string_equal("no moderator is connected", why);
    (void)rig_submit(&rig, 0);
    job = rig_take(&rig, 0);
    assert_non_null(job);
    assert_status(STATUS_UNAVAILABLE, job->result.status);
    job_close(&job);
    rig_close(&rig);
}

static void a_killed_moderators_job_is_answered_at_once(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct job *job;
    uint64_t start_ms;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    (void)rig_submit(&rig, 0);
    scripted_task(&slot);
    (void)rig_submit(&rig, 0); /* waits behind it */
    start_ms = clock_ms();
    scripted_close(&slot);
    for (size_t index = 0; index < 2; index++) {
        job = rig_take(&rig, 0);
        assert_non_null(job);
        assert_status(STATUS_UNAVAILABLE, job->result.status);
        job_close(&job);
    }
    assert_true(clock_ms() - start_ms < SCRIPT_WAIT_MS / 2); /* the deadline is a minute */
    assert_true(rig_becomes_ready(&rig, false));
    rig_close(&rig);
}

static void a_slot_that_answers_no_ping_is_forgotten(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct bytes frame;
    enum message_type type;

    (void)state;
    rig_init(&rig);
    rig.options.ping_idle_ms = 5;
    rig.options.silence_ms = 30;
    rig_start(&rig);
    scripted_open(&slot, pool_endpoint(rig.pool), SLOT_LOCAL, "");
    assert_status(STATUS_OK, scripted_take(&slot, &frame, SCRIPT_WAIT_MS));
    assert_status(STATUS_OK, message_read_type(frame, &type));
    assert_int_equal(MESSAGE_PING, type); /* so it was known */
    assert_true(rig_becomes_ready(&rig, false));
    scripted_close(&slot);
    rig_close(&rig);
}

static void a_slot_that_answers_pings_stays_and_gets_work(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct job *job;
    uint64_t end_ms;

    (void)state;
    rig_init(&rig);
    rig.options.ping_idle_ms = 1;
    rig_start(&rig);
    open_slot(&rig, &slot);
    end_ms = clock_ms() + SCRIPT_WAIT_MS;
    while (slot.pings < 10 && clock_ms() < end_ms) {
        assert_status(STATUS_AGAIN, scripted_try_task(&slot, 10));
    }
    assert_true(slot.pings >= 10);
    (void)rig_submit(&rig, 0);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    job = rig_take(&rig, 0);
    assert_non_null(job);
    assert_int_equal(OUTCOME_ALLOW, job->result.outcome);
    job_close(&job);
    scripted_close(&slot);
    rig_close(&rig);
}

static void deadlines_and_ages_pass_by_themselves(void **state)
{
    struct rig rig;
    struct scripted slot;
    unsigned attempts = 0;

    (void)state;
    rig_init(&rig);
    rig.settings.deadline_local_ms = 30;
    rig.settings.queue_age_ms = 20;
    rig_start(&rig);
    open_slot(&rig, &slot);
    (void)rig_submit(&rig, 0); /* meets its deadline */
    scripted_task(&slot);
    (void)rig_submit(&rig, 0); /* meets its age, without ever being sent */
    for (size_t index = 0; index < 2; index++) {
        struct job *job = rig_take(&rig, 0);

        assert_non_null(job);
        assert_status(STATUS_TIMEOUT, job->result.status);
        attempts += job->attempts;
        job_close(&job);
    }
    assert_int_equal(1, attempts);
    scripted_close(&slot);
    rig_close(&rig);
}

static void an_idle_pool_shows_that_it_turns(void **state)
{
    struct rig rig;
    uint64_t beats;

    (void)state;
    rig_open(&rig);
    assert_true(pulse_is_expected(pool_pulse(rig.pool)));
    beats = pulse_count(pool_pulse(rig.pool));
    while (pulse_count(pool_pulse(rig.pool)) < beats + 2) { /* nothing else wakes it */
        (void)poll(NULL, 0, 1);
    }
    rig_close(&rig);
}

static void how_long_the_first_one_has_waited_is_told(void **state)
{
    struct scripted slot;
    struct rig rig;
    struct job *jobs[2];
    uint64_t begun_ms;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    jobs[0] = rig_submit(&rig, 0);
    scripted_task(&slot);
    assert_int_equal(0, pool_waited_ms(rig.pool));
    begun_ms = clock_ms();
    jobs[1] = rig_submit(&rig, 0);
    while (pool_waited_ms(rig.pool) < 20) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(clock_ms() - begun_ms >= 20);
    for (int index = 0; index < 2; index++) {
        scripted_answer(&slot, OUTCOME_ALLOW);
        assert_ptr_equal(jobs[index], rig_take(&rig, 0));
        if (index == 0) {
            scripted_task(&slot);
        }
        job_close(&jobs[index]);
    }
    while (pool_waited_ms(rig.pool) > 0) {
        (void)poll(NULL, 0, 1);
    }
    scripted_close(&slot);
    rig_close(&rig);
}

/* It may be a long time before an LLM answers: that says nothing of how many texts the local judges have. */
static void what_is_reviewed_is_not_judged_locally(void **state)
{
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;
    struct scripted local, reviewer;
    struct rig rig;
    struct job *reviewed, *judged;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &local);
    scripted_open(&reviewer, pool_endpoint(rig.pool), SLOT_REVIEW, profile.name);
    while (series_value(metrics_series(rig.metrics, METRIC_GAUGE, "prismguard_gateway_pool_moderators", "",
                                       &(struct metric_label){"kind", "review"}, 1)) == 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, pool_judging(rig.pool, 0));
    reviewed = rig_submit(&rig, 0);
    assert_int_equal(1, pool_judging(rig.pool, 0));
    assert_int_equal(0, pool_judging(rig.pool, 1));
    scripted_task(&local);
    scripted_unsure(&local, OUTCOME_ALLOW, DRAWN_UNSURE, 0);
    scripted_task(&reviewer);
    while (pool_judging(rig.pool, 0) > 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, pool_judging(rig.pool, 0));
    judged = rig_submit(&rig, 0);
    assert_int_equal(1, pool_judging(rig.pool, 0));
    scripted_task(&local);
    scripted_answer(&local, OUTCOME_ALLOW);
    assert_ptr_equal(judged, rig_take(&rig, 0));
    scripted_answer(&reviewer, OUTCOME_BLOCK);
    assert_ptr_equal(reviewed, rig_take(&rig, 0));
    assert_int_equal(0, pool_judging(rig.pool, 0));
    job_close(&judged);
    job_close(&reviewed);
    scripted_close(&reviewer);
    scripted_close(&local);
    rig_close(&rig);
}

static void an_abandoned_job_that_waits_comes_back_at_once(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct job *running;
    struct job *waiting;
    struct job *back;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    running = rig_submit(&rig, 0);
    scripted_task(&slot);
    waiting = rig_submit(&rig, 0);
    pool_abandon(rig.pool, running); /* on its way: comes back when its verdict has come */
    pool_abandon(rig.pool, waiting);
    back = rig_take(&rig, 0);
    assert_ptr_equal(waiting, back);
    assert_status(STATUS_CLOSED, back->result.status);
    job_close(&back);
    scripted_answer(&slot, OUTCOME_ALLOW);
    back = rig_take(&rig, 0);
    assert_ptr_equal(running, back);
    assert_status(STATUS_CLOSED, back->result.status);
    job_close(&back);
    scripted_close(&slot);
    rig_close(&rig);
}

static void a_loop_has_at_most_so_many_jobs_out(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct job *extra = scripted_job(&profile, 0, "one too many");
    struct job *job;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    for (size_t index = 0; index < LOOP_JOBS; index++) {
        (void)rig_submit(&rig, 0);
    }
    assert_status(STATUS_FULL, pool_submit(rig.pool, extra));
    (void)rig_submit(&rig, 1); /* the bound is a loop's */
    pool_stop(rig.pool);
    for (size_t index = 0; index < LOOP_JOBS; index++) { /* all of them fit the way back at once */
        job = rig_take(&rig, 0);
        assert_non_null(job);
        assert_status(STATUS_UNAVAILABLE, job->result.status);
        job_close(&job);
    }
    assert_status(STATUS_OK, pool_submit(rig.pool, extra));
    job = rig_take(&rig, 0);
    assert_ptr_equal(extra, job);
    job_close(&job);
    scripted_close(&slot);
    rig_close(&rig); /* and the other loop's job was never taken */
}

/* A pool whose thread stands at the end of each turn that answered something, until it may go on. */
struct halting {
    struct rig rig; /* first: it is the context of `wake` too */
    _Atomic bool halts;
    sem_t halted;
    sem_t goes_on;
};

static void wake_and_halt(void *context, size_t loop_index)
{
    struct halting *halting = context;

    wake(&halting->rig, loop_index);
    if (atomic_load(&halting->halts)) {
        (void)sem_post(&halting->halted);
        (void)sem_wait(&halting->goes_on);
    }
}

static size_t take_all(struct rig *rig)
{
    struct job *job;
    size_t count = 0;

    while ((job = pool_take(rig->pool, 0)) != NULL) {
        job_close(&job);
        count++;
    }
    return count;
}

/* Without moderators a job is answered in the turn that takes it. */
static void a_turn_takes_so_many_jobs_of_a_loop_and_the_next_the_rest(void **state)
{
    static const size_t expected[] = {1, POOL_TURN_JOBS, LOOP_JOBS - POOL_TURN_JOBS};
    struct halting halting = {.halts = true};

    (void)state;
    rig_init(&halting.rig);
    halting.rig.options.wake = wake_and_halt;
    assert_int_equal(0, sem_init(&halting.halted, 0, 0));
    assert_int_equal(0, sem_init(&halting.goes_on, 0, 0));
    rig_start(&halting.rig);
    (void)rig_submit(&halting.rig, 0);
    for (size_t turn = 0; turn < sizeof expected / sizeof expected[0]; turn++) {
        assert_int_equal(0, sem_wait(&halting.halted));
        assert_int_equal(expected[turn], take_all(&halting.rig));
        for (int count = 0; turn == 0 && count < LOOP_JOBS; count++) {
            (void)rig_submit(&halting.rig, 0);
        }
        atomic_store(&halting.halts, turn + 1 < sizeof expected / sizeof expected[0]);
        assert_int_equal(0, sem_post(&halting.goes_on));
    }
    rig_close(&halting.rig);
    assert_int_equal(0, sem_destroy(&halting.halted));
    assert_int_equal(0, sem_destroy(&halting.goes_on));
}

static void stopping_answers_what_is_held_and_what_comes(void **state)
{
    struct rig rig;
    struct scripted slot;
    const char *why = NULL;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    (void)rig_submit(&rig, 0);
    scripted_task(&slot);
    (void)rig_submit(&rig, 0);
    pool_stop(rig.pool);
    pool_stop(rig.pool); /* once more changes nothing */
    (void)rig_submit(&rig, 0);
    for (size_t index = 0; index < 3; index++) {
        struct job *job = rig_take(&rig, 0);

        assert_non_null(job);
        assert_status(STATUS_UNAVAILABLE, job->result.status);
        job_close(&job);
    }
    assert_false(pool_ready(rig.pool, &why));
    assert_string_equal("the pool of moderators is stopping", why);
    scripted_close(&slot);
    rig_close(&rig);
}

static void closing_keeps_no_job(void **state)
{
    struct rig rig;
    struct scripted slot;
    struct pool *none = NULL;

    (void)state;
    rig_open(&rig);
    open_slot(&rig, &slot);
    for (size_t index = 0; index < 200; index++) {
        (void)rig_submit(&rig, index % LOOPS);
    }
    rig_close(&rig); /* the sanitizer counts */
    scripted_close(&slot);
    pool_close(&none);
}

static void a_pool_that_cannot_bind_is_not_opened(void **state)
{
    struct metrics *metrics = NULL;
    struct rig rig;
    struct pool *pool = NULL;

    (void)state;
    rig_init(&rig);
    assert_status(STATUS_OK, metrics_open(&metrics));
    rig.options.settings = &rig.settings;
    rig.options.metrics = metrics;
    assert_status(STATUS_OK, bytes_copy(BYTES("tcp://0.0.0.0:5555"), rig.settings.bind, sizeof rig.settings.bind));
    assert_status(STATUS_DENIED, pool_open(&pool, &rig.options));
    assert_null(pool);
    assert_status(STATUS_OK, bytes_copy(BYTES("nonsense"), rig.settings.bind, sizeof rig.settings.bind));
    assert_status(STATUS_MALFORMED, pool_open(&pool, &rig.options));
    metrics_close(&metrics);
}

/* A moderator: slots in one thread that judge until they are told to end; now and then they are unsure. */
struct moderator {
    const char *endpoint;
    atomic_bool end;
    unsigned judged;  /* its thread's, until that has ended: tasks that came alone */
    unsigned batches;
};

enum { LOCAL_SLOTS = 6, REVIEW_SLOTS = 2, SLOTS = LOCAL_SLOTS + REVIEW_SLOTS };

static void *moderate(void *context)
{
    struct moderator *moderator = context;
    struct scripted slots[SLOTS];
    zmq_pollitem_t items[SLOTS];

    for (size_t index = 0; index < SLOTS; index++) {
        bool local = index < LOCAL_SLOTS;

        scripted_open(&slots[index], moderator->endpoint, local ? SLOT_LOCAL : SLOT_REVIEW, local ? "" : "default");
        items[index] = (zmq_pollitem_t){wire_handle(slots[index].wire), 0, ZMQ_POLLIN, 0};
    }
    while (!atomic_load(&moderator->end)) {
        (void)zmq_poll(items, SLOTS, 20);
        for (size_t index = 0; index < SLOTS; index++) {
            if (items[index].revents == 0 || scripted_try_task(&slots[index], 0) != STATUS_OK) {
                continue;
            }
            moderator->batches += slots[index].tasks.is_batch;
            if (!slots[index].tasks.is_batch && moderator->judged++ % 10 == 0 && index < LOCAL_SLOTS) {
                scripted_unsure(&slots[index], OUTCOME_BLOCK, DRAWN_UNSURE, 0);
            } else {
                scripted_answer_all(&slots[index], OUTCOME_ALLOW);
            }
        }
    }
    for (size_t index = 0; index < SLOTS; index++) {
        scripted_close(&slots[index]);
    }
    return NULL;
}

/* A loop: keeps a window of jobs out until all have come back. */
struct looper {
    struct rig *rig;
    size_t loop_index;
    unsigned char seen[500];
    unsigned allowed;
    unsigned blocked;
};

static void *run_loop(void *context)
{
    enum { JOBS = sizeof((struct looper *)0)->seen, WINDOW = 40 };
    struct looper *looper = context;
    size_t submitted = 0;
    size_t back = 0;

    while (back < JOBS) {
        while (submitted < JOBS && submitted - back < WINDOW) {
            struct job *job = scripted_job(&profile, looper->loop_index, "hello");

            job->owner = &looper->seen[submitted++];
            assert_status(STATUS_OK, pool_submit(looper->rig->pool, job));
        }
        struct job *job = rig_take(looper->rig, looper->loop_index);

        assert_non_null(job);
        assert_int_equal(looper->loop_index, job->loop_index);
        assert_status(STATUS_OK, job->result.status);
        (*(unsigned char *)job->owner)++;
        *(job->result.outcome == OUTCOME_ALLOW ? &looper->allowed : &looper->blocked) += 1;
        back++;
        job_close(&job);
    }
    return NULL;
}

static void a_thousand_jobs_of_two_loops_come_back_exactly_once(void **state)
{
    struct rig rig;
    struct moderator moderator;
    struct looper loopers[LOOPS] = {0};
    pthread_t moderator_thread;
    pthread_t loop_threads[LOOPS];

    (void)state;
    rig_open(&rig);
    moderator.endpoint = pool_endpoint(rig.pool);
    atomic_init(&moderator.end, false);
    moderator.judged = moderator.batches = 0;
    assert_int_equal(0, pthread_create(&moderator_thread, NULL, moderate, &moderator));
    assert_true(rig_becomes_ready(&rig, true));
    for (size_t index = 0; index < LOOPS; index++) {
        loopers[index].rig = &rig;
        loopers[index].loop_index = index;
        assert_int_equal(0, pthread_create(&loop_threads[index], NULL, run_loop, &loopers[index]));
    }
    for (size_t index = 0; index < LOOPS; index++) {
        assert_int_equal(0, pthread_join(loop_threads[index], NULL));
        for (size_t job = 0; job < sizeof loopers[index].seen; job++) {
            assert_int_equal(1, loopers[index].seen[job]);
        }
        assert_int_equal(sizeof loopers[index].seen, loopers[index].allowed + loopers[index].blocked);
        assert_true(loopers[index].allowed > loopers[index].blocked);
    }
    atomic_store(&moderator.end, true);
    assert_int_equal(0, pthread_join(moderator_thread, NULL));
    assert_true(moderator.batches > 0); /* 80 jobs for six slots */
    rig_close(&rig);
}

static int setup(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_goes_to_a_moderator_and_comes_back_to_its_loop),
        cmocka_unit_test(a_pool_without_moderators_says_so_at_once),
        cmocka_unit_test(a_killed_moderators_job_is_answered_at_once),
        cmocka_unit_test(a_slot_that_answers_no_ping_is_forgotten),
        cmocka_unit_test(a_slot_that_answers_pings_stays_and_gets_work),
        cmocka_unit_test(deadlines_and_ages_pass_by_themselves),
        cmocka_unit_test(an_idle_pool_shows_that_it_turns),
        cmocka_unit_test(how_long_the_first_one_has_waited_is_told),
        cmocka_unit_test(what_is_reviewed_is_not_judged_locally),
        cmocka_unit_test(an_abandoned_job_that_waits_comes_back_at_once),
        cmocka_unit_test(a_loop_has_at_most_so_many_jobs_out),
        cmocka_unit_test(a_turn_takes_so_many_jobs_of_a_loop_and_the_next_the_rest),
        cmocka_unit_test(stopping_answers_what_is_held_and_what_comes),
        cmocka_unit_test(closing_keeps_no_job),
        cmocka_unit_test(a_pool_that_cannot_bind_is_not_opened),
        cmocka_unit_test(a_thousand_jobs_of_two_loops_come_back_exactly_once),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
