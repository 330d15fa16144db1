/* Tests of watch: signals reach overload, silence fails liveness, and a process of which a thread hangs ends by itself.
 *
 * The process that is to end is a child, forked before it has threads; its loop hangs in a callback, as a real one would.
 */
#include "gateway/watch.h"

#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { LOOK_MS = 25, STUCK_LOOKS = THREAD_STUCK_MS / OVERLOAD_SAMPLE_MS, PATIENCE_MS = 20000 };

static const struct limit_settings limits = {
    .connections = 64, .connections_per_address = 64, .in_flight = 64, .body_budget_bytes = MIB, .stream_budget_bytes = MIB};

struct hanging {
    struct pulse pulse;
    int gate[2]; /* a callback that reads from it hangs until somebody writes */
};

static void on_tick(uv_timer_t *timer)
{
    pulse_beat(&((struct hanging *)timer->data)->pulse);
}

static void on_hang(uv_timer_t *timer)
{
    const struct hanging *hanging = timer->data;
    char byte;

    (void)!read(hanging->gate[0], &byte, 1);
    uv_stop(timer->loop);
}

/* A loop that beats, and hangs after 50 ms. */
static void *run_loop(void *context)
{
    struct hanging *hanging = context;
    uv_loop_t loop;
    uv_timer_t tick, hang;

    assert_int_equal(0, uv_loop_init(&loop));
    assert_int_equal(0, uv_timer_init(&loop, &tick));
    assert_int_equal(0, uv_timer_init(&loop, &hang));
    tick.data = hang.data = hanging;
    assert_int_equal(0, uv_timer_start(&tick, on_tick, 1, 1));
    assert_int_equal(0, uv_timer_start(&hang, on_hang, 50, 0));
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    pulse_end(&hanging->pulse);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_close((uv_handle_t *)&hang, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return NULL;
}

/* Of a child process: watches that loop; ends with 0 when it was let through the gate after so many looks. */
static int watch_a_loop(unsigned looks)
{
    struct hanging hanging = {0};
    struct pulse *pulses[] = {&hanging.pulse};
    struct log_settings settings = {.level = LOG_INFO};
    struct metrics *metrics = NULL;
    struct admit *admit = NULL;
    struct overload *overload;
    struct watch *watch = NULL;
    pthread_t thread;

    if (log_open("test", &settings) != STATUS_OK || metrics_open(&metrics) != STATUS_OK ||
        admit_open(&admit, &limits, metrics) != STATUS_OK || pipe(hanging.gate) != 0) {
        return 1;
    }
    overload = admit_overload(admit);
    pulse_begin(&hanging.pulse, "loop", 1);
    if (pthread_create(&thread, NULL, run_loop, &hanging) != 0 ||
        watch_open(&watch, &(struct watch_options){
                               .admit = admit, .pulses = pulses, .pulse_count = 1, .look_ms = LOOK_MS}) != STATUS_OK) {
        return 1;
    }
    while (overload_samples(overload) < looks) {
        (void)poll(NULL, 0, 1);
    }
    (void)!write(hanging.gate[1], "x", 1);
    (void)pthread_join(thread, NULL);
    while (overload_samples(overload) < 3 * looks) { /* a thread that has ended is not expected to beat */
        (void)poll(NULL, 0, 1);
    }
    watch_close(&watch);
    admit_close(&admit);
    metrics_close(&metrics);
    log_close();
    return 0;
}

/* How the child ended; what it wrote on standard error. */
static int end_of_child(unsigned looks, char *said, size_t room)
{
    int told[2];
    int end;
    size_t count = 0;
    ssize_t more;
    pid_t child;

    assert_int_equal(0, pipe(told));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(told[1], STDERR_FILENO);
        (void)close(told[0]);
        (void)close(told[1]);
        _exit(watch_a_loop(looks));
    }
    (void)close(told[1]);
    while (count + 1 < room && (more = read(told[0], said + count, room - 1 - count)) > 0) {
        count += (size_t)more;
    }
    said[count] = '\0';
    (void)close(told[0]);
    assert_int_equal(child, waitpid(child, &end, 0));
    return end;
}

static void a_loop_that_hangs_ends_the_process_with_one_line(void **state)
{
    char said[8 * KIB];
    int end = end_of_child(100 * STUCK_LOOKS, said, sizeof said);
    const char *line;

    (void)state;
    assert_true(WIFSIGNALED(end));
    assert_int_equal(SIGABRT, WTERMSIG(end));
    line = strstr(said, "\"event\":\"thread_stuck\"");
    assert_non_null(line);
    assert_non_null(strstr(line, "\"thread\":\"loop\""));
    assert_null(strstr(line + 1, "\"event\":\"thread_stuck\""));
}

static void a_loop_that_goes_on_in_time_does_not(void **state)
{
    char said[8 * KIB];
    int end = end_of_child(STUCK_LOOKS / 2, said, sizeof said);

    (void)state;
    assert_true(WIFEXITED(end));
    assert_int_equal(0, WEXITSTATUS(end));
    assert_null(strstr(said, "thread_stuck"));
}

struct fixture {
    struct metrics *metrics;
    struct admit *admit;
    struct overload *overload;
    struct pulse pulses[2];
    struct watch *watch;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);
    struct pulse *pulses[] = {&fixture->pulses[0], &fixture->pulses[1]};
    struct watch_options options = {.pulses = pulses, .pulse_count = 2, .look_ms = LOOK_MS};

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, admit_open(&fixture->admit, &limits, fixture->metrics));
    fixture->overload = admit_overload(fixture->admit);
    options.admit = fixture->admit;
    pulse_begin(&fixture->pulses[0], "first", 1);
    pulse_begin(&fixture->pulses[1], "second", 1);
    assert_status(STATUS_OK, watch_open(&fixture->watch, &options));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    watch_close(&fixture->watch);
    watch_close(&fixture->watch);
    clock_freeze(0);
    admit_close(&fixture->admit);
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

/* Both threads beat while one more look is waited for. */
static void beat_for_a_look(struct fixture *fixture)
{
    uint64_t samples = overload_samples(fixture->overload);

    while (overload_samples(fixture->overload) < samples + 2) {
        pulse_beat(&fixture->pulses[0]);
        pulse_beat(&fixture->pulses[1]);
        (void)poll(NULL, 0, 1);
    }
}

static int64_t percent(const struct fixture *fixture, const char *signal)
{
    return series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_overload_signal_percent", "",
                                       &(struct metric_label){"signal", signal}, 1));
}

static void a_thread_that_is_silent_for_three_seconds_is_not_alive(void **state)
{
    struct fixture *fixture = *state;
    const char *why = NULL;

    clock_freeze(100000);
    pulse_beat(&fixture->pulses[0]);
    clock_freeze(100000 + 1000);
    pulse_beat(&fixture->pulses[1]);
    clock_freeze(100000 + THREAD_ALIVE_MS - 1);
    assert_true(watch_is_alive(fixture->watch, &why));
    assert_null(why);
    clock_freeze(100000 + THREAD_ALIVE_MS);
    assert_false(watch_is_alive(fixture->watch, &why));
    assert_non_null(strstr(why, "3 s"));
    pulse_end(&fixture->pulses[0]);
    assert_true(watch_is_alive(fixture->watch, &why));
    pulse_beat(&fixture->pulses[0]);
}

static void descriptors_and_lag_are_told(void **state)
{
    struct fixture *fixture = *state;
    uint64_t end_ms = clock_ms() + PATIENCE_MS;

    beat_for_a_look(fixture);
    assert_true(percent(fixture, "descriptors") < 50);
    assert_int_equal(0, percent(fixture, "queue"));
    while (percent(fixture, "lag") < 85 && clock_ms() < end_ms) { /* the second is silent */
        pulse_beat(&fixture->pulses[0]);
        (void)poll(NULL, 0, 1);
    }
    assert_true(percent(fixture, "lag") >= 85);
    assert_true(overload_stage(fixture->overload) >= OVERLOAD_KEEP_ALIVE);
    beat_for_a_look(fixture); /* the worst one is told once more */
    beat_for_a_look(fixture);
    assert_true(percent(fixture, "lag") < 85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_hangs_ends_the_process_with_one_line),
        cmocka_unit_test(a_loop_that_goes_on_in_time_does_not),
        cmocka_unit_test_setup_teardown(a_thread_that_is_silent_for_three_seconds_is_not_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_and_lag_are_told, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
