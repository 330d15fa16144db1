/* metrics_process: what /proc, the clock and the log say is what is exported, also without a free descriptor. */
#include "support/unit.h"

#include "proto/bytes.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/metrics_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct metrics *metrics;
    struct metrics_process *process;
};

static void open_fixture(struct fixture *fixture)
{
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, metrics_process_open(&fixture->process, fixture->metrics));
}

static void close_fixture(struct fixture *fixture)
{
    metrics_process_close(&fixture->process);
    assert_null(fixture->process);
    metrics_process_close(&fixture->process);
    metrics_close(&fixture->metrics);
}

/* The value of a series as /metrics would print it now. */
static double value(struct fixture *fixture, const char *series)
{
    struct buffer text;
    char line[128];
    const char *at;
    double found = 0;

    metrics_process_refresh(fixture->process);
    buffer_init(&text, METRICS_TEXT_BYTES_MAX);
    assert_status(STATUS_OK, metrics_print(fixture->metrics, &text));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    (void)snprintf(line, sizeof line, "\n%s ", series);
    at = strstr(text.data, line);
    assert_non_null(at);
    assert_int_equal(1, sscanf(at + strlen(line), "%lf", &found));
    buffer_free(&text);
    return found;
}

static void the_build_and_the_age_are_told(void **state)
{
    struct fixture fixture = {0};
    uint64_t now_ms = clock_ms();

    (void)state;
    clock_freeze(now_ms);
    open_fixture(&fixture);
    assert_true(value(&fixture, "prismguard_build_info{version=\"" PRISMGUARD_VERSION "\"}") == 1);
    assert_true(value(&fixture, "prismguard_uptime_seconds") == 0);
    clock_freeze(now_ms + 1500);
    assert_true(value(&fixture, "prismguard_uptime_seconds") == 1.5);
    clock_freeze(0);
    close_fixture(&fixture);
}

static void memory_and_processor_time_grow_with_use(void **state)
{
    struct fixture fixture = {0};
    double before;
    char *much;

    (void)state;
    open_fixture(&fixture);
    before = value(&fixture, "prismguard_process_resident_bytes");
    assert_true(before > MIB);
    much = malloc(64 * MIB);
    assert_non_null(much);
    memset(much, 1, 64 * MIB);
    assert_true(value(&fixture, "prismguard_process_resident_bytes") >= before + 60 * MIB);
    free(much);
    assert_true(value(&fixture, "prismguard_process_cpu_seconds_total") > 0);
    close_fixture(&fixture);
}

static void descriptors_are_counted_also_when_none_is_left(void **state)
{
    struct fixture fixture = {0};
    struct rlimit kept, few;
    double before;
    int one;

    (void)state;
    open_fixture(&fixture);
    before = value(&fixture, "prismguard_process_open_fds");
    one = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(one >= 0);
    assert_true(value(&fixture, "prismguard_process_open_fds") == before + 1);
    assert_int_equal(0, close(one));
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &kept));
    few = (struct rlimit){.rlim_cur = 0, .rlim_max = kept.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
    assert_int_equal(-1, open("/dev/null", O_RDONLY | O_CLOEXEC));
    assert_true(value(&fixture, "prismguard_process_open_fds") == before);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &kept));
    close_fixture(&fixture);
}

static void what_the_log_counts_is_told(void **state)
{
    const struct log_settings settings = {.level = LOG_ERROR, .format = LOG_FORMAT_JSON};
    struct fixture fixture = {0};

    (void)state;
    open_fixture(&fixture);
    assert_true(value(&fixture, "prismguard_log_lines_total{level=\"error\"}") == 0);
    assert_status(STATUS_OK, log_open("test", &settings));
    for (int times = 0; times < 3; times++) {
        log_event_limited(LOG_ERROR, "often", LOG_NUMBER("times", times));
    }
    log_event(LOG_WARN, "below", LOG_NUMBER("times", 0));
    log_close();
    assert_true(value(&fixture, "prismguard_log_lines_total{level=\"error\"}") == 1);
    assert_true(value(&fixture, "prismguard_log_lines_total{level=\"warn\"}") == 0);
    assert_true(value(&fixture, "prismguard_log_suppressed_total") == 2);
    assert_true(value(&fixture, "prismguard_log_dropped_total") == 0);
    close_fixture(&fixture);
}

static void connections_dropped_by_a_full_listener_are_told(void **state)
{
    enum { BACKLOG = 2, CLIENTS = BACKLOG + 2 }; /* the kernel keeps one more than it is told */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), clients[CLIENTS];
    struct fixture fixture = {0};
    double before;

    (void)state;
    open_fixture(&fixture);
    assert_int_equal(0, bind(listener, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(listener, BACKLOG));
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &address_bytes));
    for (int index = 0; index < CLIENTS; index++) {
        before = value(&fixture, "prismguard_listen_overflows_total");
        clients[index] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(clients[index], (const struct sockaddr *)&address, sizeof address);
    }
    assert_true(value(&fixture, "prismguard_listen_overflows_total") > before); /* others of the machine may overflow too */
    for (int index = 0; index < CLIENTS; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    assert_int_equal(0, close(listener));
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_build_and_the_age_are_told),
        cmocka_unit_test(memory_and_processor_time_grow_with_use),
        cmocka_unit_test(descriptors_are_counted_also_when_none_is_left),
        cmocka_unit_test(connections_dropped_by_a_full_listener_are_told),
        cmocka_unit_test(what_the_log_counts_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
