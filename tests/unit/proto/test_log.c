/* test_log: lines reach standard error whole; a reader that does not read costs lines, never time. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pipe in the place of standard error, and standard error itself, kept for the report of the tests. */
struct capture {
    int reading;
    int kept;
};

static _Atomic size_t bytes_read; /* since the last capture_begin, by read_all */

static void capture_begin(struct capture *capture)
{
    int ends[2];

    bytes_read = 0;
    assert_int_equal(0, pipe2(ends, O_CLOEXEC));
    capture->reading = ends[0];
    capture->kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(capture->kept >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
}

/* After it the pipe has no writer left, so that reading ends. */
static void capture_end(struct capture *capture)
{
    assert_true(dup2(capture->kept, STDERR_FILENO) >= 0);
    close(capture->kept);
}

/* Reads to the end; terminated; the caller frees it. */
static char *read_all(int reading)
{
    size_t room = 2 * LOG_QUEUE_BYTES_MAX;
    size_t count = 0;
    char *text = malloc(room + 1);
    ssize_t more;

    assert_non_null(text);
    while ((more = read(reading, text + count, room - count)) > 0) {
        count += (size_t)more;
        bytes_read = count;
    }
    text[count] = '\0';
    close(reading);
    return text;
}

static const struct log_settings json_from_debug = {.level = LOG_DEBUG, .format = LOG_FORMAT_JSON};

/* Counts whole lines and those that hold `word`; fails on one that is not whole. */
static size_t count_lines(char *text, const char *word)
{
    const char *text_end = text + strlen(text);
    size_t count = 0;

    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text_end - line)); /* strchr measures all of the text under a sanitizer */
        assert_non_null(end);
        *end = '\0';
        assert_memory_equal("{\"time\":\"", line, 9);
        assert_int_equal('}', end[-1]);
        assert_null(strstr(line + 1, "{\"time\":\""));
        count += strstr(line, word) != NULL;
        *end = '\n';
    }
    return count;
}

static void an_event_becomes_one_line_on_standard_error(void **state)
{
    struct capture capture;
    char *text;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("trainer", &json_from_debug));
    log_event(LOG_WARN, "fitted", LOG_TEXT("profile", "default"), LOG_NUMBER("rows", 12));
    log_close();
    capture_end(&capture);
    text = read_all(capture.reading);
    assert_int_equal(1, count_lines(text, ""));
    assert_non_null(strstr(text, "\"level\":\"warn\",\"service\":\"trainer\",\"event\":\"fitted\","
                                 "\"profile\":\"default\",\"rows\":12}\n"));
    free(text);
}

static void lines_below_the_level_and_outside_open_and_close_go_nowhere(void **state)
{
    const struct log_settings from_warn = {.level = LOG_WARN, .format = LOG_FORMAT_TEXT};
    struct capture capture;
    char *text;

    (void)state;
    capture_begin(&capture);
    log_event(LOG_ERROR, "before", LOG_NUMBER("x", 1));
    assert_status(STATUS_OK, log_open("trainer", &from_warn));
    log_event(LOG_DEBUG, "below", LOG_NUMBER("x", 1));
    log_event(LOG_INFO, "below", LOG_NUMBER("x", 1));
    log_event(LOG_WARN, "at", LOG_NUMBER("x", 1));
    log_event(LOG_ERROR, "above", LOG_NUMBER("x", 1));
    log_close();
    log_close();
    log_event(LOG_ERROR, "after", LOG_NUMBER("x", 1));
    capture_end(&capture);
    text = read_all(capture.reading);
    assert_null(strstr(text, "below"));
    assert_null(strstr(text, "before"));
    assert_null(strstr(text, "after"));
    assert_non_null(strstr(text, "WARN trainer at x=1\n"));
    assert_non_null(strstr(text, "ERROR trainer above x=1\n"));
    free(text);
}

enum { WRITERS = 4, LINES_EACH = 2000 };

static void *write_many(void *context)
{
    for (int index = 0; index < LINES_EACH; index++) {
        log_event(LOG_INFO, "counted", LOG_TEXT("writer", context), LOG_NUMBER("index", index));
    }
    return NULL;
}

static void *read_all_thread(void *reading)
{
    return read_all(*(int *)reading);
}

/* Until nearly all of `lines` long ones were read: closing gives the rest one second, no whole queue on a busy machine. */
static void wait_for_reader(size_t lines)
{
    while (bytes_read < lines * 6 * KIB) {
        (void)sched_yield();
    }
}

static void lines_of_many_threads_are_whole_and_none_is_lost(void **state)
{
    struct capture capture;
    pthread_t writers[WRITERS];
    pthread_t reader;
    uint64_t dropped_before = log_dropped();
    void *text;

    (void)state;
    capture_begin(&capture);
    assert_int_equal(0, pthread_create(&reader, NULL, read_all_thread, &capture.reading));
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    for (size_t index = 0; index < WRITERS; index++) {
        assert_int_equal(0, pthread_create(&writers[index], NULL, write_many, "w"));
    }
    for (size_t index = 0; index < WRITERS; index++) {
        assert_int_equal(0, pthread_join(writers[index], NULL));
    }
    log_close();
    capture_end(&capture);
    assert_int_equal(0, pthread_join(reader, &text));
    assert_int_equal(WRITERS * LINES_EACH, count_lines(text, "\"event\":\"counted\""));
    assert_int_equal(dropped_before, log_dropped());
    free(text);
}

/* Lines in one packet of a socket in the place of standard error: each write is a packet of its own. */
static size_t lines_of_next_write(int reading)
{
    static char packet[LOG_WRITE_BYTES_MAX];
    ssize_t count = recv(reading, packet, sizeof packet, 0);
    size_t lines = 0;

    assert_true(count > 0);
    for (ssize_t index = 0; index < count; index++) {
        lines += packet[index] == '\n' ? 1 : 0;
    }
    return lines;
}

/* Whether the second line is written alone is waited for, but not as long as the pause: on a busy machine that goes wrong
 * now and then. */
static void lines_that_follow_another_are_written_together(void **state)
{
    enum { TRIES = 50 };
    int ends[2];
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    size_t together = 0;
    struct pollfd written = {.events = POLLIN};

    (void)state;
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    written.fd = ends[0];
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    for (int index = 0; index < TRIES; index++) {
        size_t lines;

        log_event(LOG_INFO, "first", LOG_NUMBER("index", index));
        lines = lines_of_next_write(ends[0]);
        log_event(LOG_INFO, "second", LOG_NUMBER("index", index));
        (void)poll(&written, 1, LOG_PAUSE_MS / 2);
        log_event(LOG_INFO, "third", LOG_NUMBER("index", index));
        for (size_t more; lines < 3; lines += more) {
            more = lines_of_next_write(ends[0]);
            together += more > 1 ? 1 : 0;
        }
    }
    log_close();
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    assert_in_range(together, TRIES / 4, TRIES);
}

/* One line of some kilobytes; true when it was taken. */
static bool write_long(enum log_level level)
{
    static const char long_value[LOG_VALUE_BYTES_MAX] = "";
    const struct bytes value = {long_value, sizeof long_value};
    uint64_t dropped_before = log_dropped();

    log_event(level, "long", LOG_BYTES("a", value), LOG_BYTES("b", value));
    return log_dropped() == dropped_before;
}

static size_t write_until_full(enum log_level level)
{
    size_t count = 0;

    while (write_long(level)) {
        count++;
        assert_true(count * sizeof(int) < LOG_QUEUE_BYTES_MAX);
    }
    return count;
}

/* Nobody reads while the queue fills: a call that waited would wait for ever, and the test's time limit would tell. */
static void a_full_queue_drops_debug_first_then_info_then_all_and_never_waits(void **state)
{
    struct capture capture;
    size_t count;
    static const char notice[] = "\"event\":\"log_dropped\",\"lines\":";
    long long told = 0;
    pthread_t reader;
    void *text;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    count = write_until_full(LOG_DEBUG);
    assert_false(write_long(LOG_DEBUG));
    count += write_until_full(LOG_INFO);
    assert_false(write_long(LOG_DEBUG));
    assert_false(write_long(LOG_INFO));
    count += write_until_full(LOG_WARN);
    assert_false(write_long(LOG_ERROR));
    /* 6 KiB a line: the queue holds some 1300, and what the pipe has taken. */
    assert_in_range(count, LOG_QUEUE_BYTES_MAX / LOG_LINE_BYTES_MAX, LOG_QUEUE_BYTES_MAX / (6 * KIB) + 64);

    assert_int_equal(0, pthread_create(&reader, NULL, read_all_thread, &capture.reading));
    wait_for_reader(count);
    log_close();
    capture_end(&capture);
    assert_int_equal(0, pthread_join(reader, &text));
    assert_int_equal(count, count_lines(text, "\"event\":\"long\""));
    for (const char *at = text; (at = strstr(at, notice)) != NULL; at += sizeof notice - 1) {
        told += strtoll(at + sizeof notice - 1, NULL, 10);
    }
    assert_int_equal(7, told); /* at once, or in parts when the writer began late */
    free(text);
}

static size_t resident_bytes(void)
{
    int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128] = "";
    const char *space;

    assert_true(statm >= 0 && read(statm, text, sizeof text - 1) > 0);
    close(statm);
    space = strchr(text, ' ');
    assert_non_null(space);
    return strtoul(space, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* How many lines end in the next bytes of the pipe. */
static size_t take_lines(const struct capture *capture)
{
    static char room[8 * KIB]; /* little, so that the pipe stays full */
    ssize_t count = read(capture->reading, room, sizeof room);
    size_t lines = 0;

    assert_true(count > 0);
    for (ssize_t at = 0; at < count; at++) {
        lines += room[at] == '\n' ? 1 : 0;
    }
    return lines;
}

/* The pipe is full whenever the writer comes to it, and some lines wait behind: the queue is never empty, and never holds many. */
static void lines_that_come_faster_than_they_are_written_keep_to_the_front_of_the_queue(void **state)
{
    enum { LINE_BYTES = 6 * KIB, LINES = 2 * LOG_QUEUE_BYTES_MAX / LINE_BYTES, LINES_AHEAD = LOG_WRITE_BYTES_MAX / LINE_BYTES + 8 };
    struct capture capture;
    size_t heard = 0;
    size_t before, after;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    before = resident_bytes();
    for (size_t written = 1; written <= LINES; written++) {
        assert_true(write_long(LOG_ERROR));
        while (heard + LINES_AHEAD < written) {
            heard += take_lines(&capture);
        }
    }
    after = resident_bytes();
    while (heard < LINES) {
        heard += take_lines(&capture);
    }
    log_close();
    capture_end(&capture);
    close(capture.reading);
    assert_in_range(after, 1, before + LOG_QUEUE_BYTES_MAX / 4);
}

/* In a process of its own: the writer is left behind in its write. */
static void closing_does_not_wait_for_a_reader_that_never_reads(void **state)
{
    struct capture capture;
    pid_t child;
    int ended;
    uint64_t begin_ms = clock_ms();

    (void)state;
    capture_begin(&capture);
    child = fork();
    if (child == 0) {
        if (log_open("gateway", &json_from_debug) != STATUS_OK) {
            _exit(1);
        }
        for (int index = 0; index < 100; index++) {
            (void)write_long(LOG_INFO);
        }
        log_close();
        _exit(0);
    }
    capture_end(&capture);
    assert_true(child > 0);
    assert_int_equal(child, waitpid(child, &ended, 0));
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    /* The log's deadline is on the wall clock, this one is monotonic: they may differ a little. */
    assert_in_range(clock_ms() - begin_ms, LOG_CLOSE_MS - 100, 10 * LOG_CLOSE_MS);
    close(capture.reading);
}

static void a_non_blocking_standard_error_loses_nothing(void **state)
{
    struct capture capture;
    pthread_t reader;
    void *text;

    (void)state;
    capture_begin(&capture);
    assert_int_equal(0, fcntl(STDERR_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK));
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    for (int index = 0; index < 100; index++) {
        assert_true(write_long(LOG_INFO));
    }
    assert_int_equal(0, pthread_create(&reader, NULL, read_all_thread, &capture.reading));
    wait_for_reader(100);
    log_close();
    capture_end(&capture);
    assert_int_equal(0, pthread_join(reader, &text));
    assert_int_equal(100, count_lines(text, "\"event\":\"long\""));
    free(text);
}

static void a_limiter_passes_once_a_second_and_counts_the_rest(void **state)
{
    struct log_limiter limiter = {0};
    uint64_t suppressed = 99;

    (void)state;
    clock_freeze(5000);
    assert_true(log_limiter_pass(&limiter, &suppressed));
    assert_int_equal(0, suppressed);
    assert_false(log_limiter_pass(&limiter, &suppressed));
    clock_freeze(5000 + LOG_LIMITER_MS - 1);
    assert_false(log_limiter_pass(&limiter, &suppressed));
    assert_int_equal(0, suppressed);
    clock_freeze(5000 + LOG_LIMITER_MS);
    assert_true(log_limiter_pass(&limiter, &suppressed));
    assert_int_equal(2, suppressed);
    clock_freeze(0);
}

static void a_limited_event_tells_how_many_were_held_back(void **state)
{
    struct capture capture;
    char *text;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    for (uint64_t index = 0; index < 5; index++) {
        clock_freeze(9000 + (index == 4 ? LOG_LIMITER_MS : index));
        log_event_limited(LOG_WARN, "junk", LOG_NUMBER("index", index));
    }
    clock_freeze(0);
    log_close();
    capture_end(&capture);
    text = read_all(capture.reading);
    assert_int_equal(2, count_lines(text, "\"event\":\"junk\""));
    assert_non_null(strstr(text, "\"suppressed\":0,\"index\":0}\n"));
    assert_non_null(strstr(text, "\"suppressed\":3,\"index\":4}\n"));
    free(text);
}

static void no_reason_of_a_limited_event_hides_another(void **state)
{
    static const char *const names[] = {"often", "once"};
    struct capture capture;
    char *text;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    clock_freeze(9000);
    for (size_t index = 0; index < 5; index++) {
        size_t which = index == 3 ? 1 : 0;

        log_event_limited_each(which, 2, LOG_WARN, "junk", LOG_TEXT("reason", names[which]));
    }
    clock_freeze(0);
    log_close();
    capture_end(&capture);
    text = read_all(capture.reading);
    assert_int_equal(1, count_lines(text, "\"reason\":\"often\""));
    assert_int_equal(1, count_lines(text, "\"suppressed\":0,\"reason\":\"once\""));
    free(text);
}

static void no_status_of_a_limited_event_hides_another(void **state)
{
    struct capture capture;
    char *text;

    (void)state;
    capture_begin(&capture);
    assert_status(STATUS_OK, log_open("gateway", &json_from_debug));
    clock_freeze(9000);
    for (int round = 0; round < 2; round++) {
        for (int status = 1 - STATUS_COUNT; status <= 0; status++) {
            log_event_limited_status((enum status)status, LOG_WARN, "junk", LOG_NUMBER("round", round));
        }
    }
    clock_freeze(0);
    log_close();
    capture_end(&capture);
    text = read_all(capture.reading);
    assert_int_equal(STATUS_COUNT, count_lines(text, "\"event\":\"junk\""));
    assert_int_equal(1, count_lines(text, "\"suppressed\":0,\"status\":\"in_use\",\"round\":0}"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_becomes_one_line_on_standard_error),
        cmocka_unit_test(lines_below_the_level_and_outside_open_and_close_go_nowhere),
        cmocka_unit_test(lines_of_many_threads_are_whole_and_none_is_lost),
        cmocka_unit_test(lines_that_follow_another_are_written_together),
        cmocka_unit_test(lines_that_come_faster_than_they_are_written_keep_to_the_front_of_the_queue),
        cmocka_unit_test(a_full_queue_drops_debug_first_then_info_then_all_and_never_waits),
        cmocka_unit_test(a_non_blocking_standard_error_loses_nothing),
        cmocka_unit_test(a_limiter_passes_once_a_second_and_counts_the_rest),
        cmocka_unit_test(a_limited_event_tells_how_many_were_held_back),
        cmocka_unit_test(no_reason_of_a_limited_event_hides_another),
        cmocka_unit_test(no_status_of_a_limited_event_hides_another),
        cmocka_unit_test(closing_does_not_wait_for_a_reader_that_never_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
