/* admin: each path over a real socket, and every bound: places, size, time, one request a connection. */
#include "support/unit.h"

#include "proto/admin.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct metrics *metrics;
    struct admin *admin;
    bool ready;
    const char *note;
    int refreshed;
};

static const char *note(void *context)
{
    const struct fixture *fixture = context;

    return fixture->note;
}

static bool alive(void *context, const char **why)
{
    (void)context;
    (void)why;
    return true;
}

static bool ready(void *context, const char **why)
{
    struct fixture *fixture = context;

    *why = "no moderator";
    return fixture->ready;
}

static void refresh(void *context)
{
    struct fixture *fixture = context;

    fixture->refreshed++;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct admin_hooks hooks = {alive, ready, note, refresh, fixture};

    assert_non_null(fixture);
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, admin_open(&fixture->admin, "127.0.0.1:0", fixture->metrics, &hooks));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    admin_close(&fixture->admin);
    metrics_close(&fixture->metrics);
    free(fixture);
    return 0;
}

static void dial_with(const struct fixture *fixture, int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)admin_port(fixture->admin))};
    struct timeval patience = {.tv_sec = 10};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, sizeof address));
}

static int dial(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    dial_with(fixture, fd);
    return fd;
}

/* Everything until the other side closes, in a static buffer. */
static const char *read_all(int fd)
{
    static char text[64 * 1024];
    size_t count = 0;
    ssize_t more;

    while ((more = recv(fd, text + count, sizeof text - 1 - count, 0)) > 0) {
        count += (size_t)more;
    }
    assert_true(more == 0);
    text[count] = '\0';
    (void)close(fd);
    return text;
}

static const char *ask(const struct fixture *fixture, const char *request)
{
    int fd = dial(fixture);

    assert_int_equal(strlen(request), send(fd, request, strlen(request), MSG_NOSIGNAL));
    return read_all(fd);
}

static void health_is_ok_while_alive(void **state)
{
    const char *text = ask(*state, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{\"status\":\"ok\"}\n"));
    assert_non_null(strstr(text, "Connection: close"));
}

static void readiness_says_why_not(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "503 Service Unavailable"));
    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"),
                           "{\"status\":\"not ready\",\"reason\":\"no moderator\"}"));
    fixture->ready = true;
    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "200 OK"));
}

static void a_ready_service_may_have_a_note(void **state)
{
    struct fixture *fixture = *state;

    fixture->ready = true;
    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\n\r\n{\"status\":\"ready\"}\n"));
    fixture->note = "labels wait";
    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "200 OK"));
    assert_non_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"),
                           "{\"status\":\"ready\",\"note\":\"labels wait\"}\n"));
    fixture->ready = false;
    assert_null(strstr(ask(fixture, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), "labels wait"));
}

static void metrics_are_refreshed_and_printed(void **state)
{
    struct fixture *fixture = *state;

    series_add(metrics_series(fixture->metrics, METRIC_COUNTER, "x_total", "X.", NULL, 0), 3);
    assert_non_null(strstr(ask(fixture, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), "\nx_total 3\n"));
    assert_int_equal(1, fixture->refreshed);
}

static void a_head_request_gets_no_body(void **state)
{
    const char *text = ask(*state, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_non_null(strstr(text, "200 OK"));
    assert_non_null(strstr(text, "Content-Length: 16\r\n"));
    assert_string_equal("\r\n\r\n", strstr(text, "\r\n\r\n"));
}

static void other_paths_methods_and_bytes_are_refused(void **state)
{
    assert_non_null(strstr(ask(*state, "GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n"), "404 Not Found"));
    assert_non_null(strstr(ask(*state, "GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n"), "404 Not Found"));
    assert_non_null(strstr(ask(*state, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
                           "405 Method Not Allowed"));
    assert_non_null(strstr(ask(*state, "hello\r\n\r\n"), "400 Bad Request"));
}

static void a_path_longer_than_any_of_ours_is_none_of_ours(void **state)
{
    char request[1024] = "GET /healthz";
    size_t at = strlen(request);

    memset(request + at, '?', 500);
    strncpy(request + at + 500, " HTTP/1.1\r\nHost: a\r\n\r\n", sizeof request - at - 501);
    assert_non_null(strstr(ask(*state, request), "404 Not Found"));
}

static void a_request_may_come_byte_by_byte(void **state)
{
    const char *request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    int fd = dial(*state);

    for (; *request != '\0'; request++) {
        assert_int_equal(1, send(fd, request, 1, MSG_NOSIGNAL));
    }
    assert_non_null(strstr(read_all(fd), "200 OK"));
}

static void a_request_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
    static char request[ADMIN_REQUEST_BYTES_MAX + 1];
    struct pollfd answered = {.fd = dial(*state), .events = POLLIN};
    char text[256];
    ssize_t count;

    memset(request, 'a', sizeof request);
    memcpy(request, "GET /healthz HTTP/1.1\r\nX: ", 26);
    memcpy(request + ADMIN_REQUEST_BYTES_MAX - 4, "\r\n\r\n", 4);
    request[ADMIN_REQUEST_BYTES_MAX] = '\0';
    assert_non_null(strstr(ask(*state, request), "200 OK"));
    memset(request + ADMIN_REQUEST_BYTES_MAX - 4, 'a', 5); /* it goes on */
    assert_int_equal(ADMIN_REQUEST_BYTES_MAX, send(answered.fd, request, ADMIN_REQUEST_BYTES_MAX, MSG_NOSIGNAL));
    assert_int_equal(0, poll(&answered, 1, 200));
    assert_int_equal(1, send(answered.fd, "a", 1, MSG_NOSIGNAL));
    count = recv(answered.fd, text, sizeof text - 1, 0);
    assert_true(count > 0);
    text[count] = '\0';
    assert_non_null(strstr(text, "431 "));
    (void)close(answered.fd);
}

static void one_connection_too_many_waits_until_a_place_is_free(void **state)
{
    int silent[ADMIN_CONNECTIONS_MAX];
    const char *request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    char byte;
    int late;

    for (size_t index = 0; index < ADMIN_CONNECTIONS_MAX; index++) {
        silent[index] = dial(*state);
    }
    late = dial(*state);
    assert_int_equal(strlen(request), send(late, request, strlen(request), MSG_NOSIGNAL));
    {
        struct timeval short_wait = {.tv_usec = 200000};

        assert_int_equal(0, setsockopt(late, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof short_wait));
        assert_int_equal(-1, recv(late, &byte, 1, MSG_PEEK));
        short_wait = (struct timeval){.tv_sec = 10};
        assert_int_equal(0, setsockopt(late, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof short_wait));
    }
    (void)close(silent[0]);
    assert_non_null(strstr(read_all(late), "200 OK"));
    for (size_t index = 1; index < ADMIN_CONNECTIONS_MAX; index++) {
        (void)close(silent[index]);
    }
}

static void a_silent_connection_is_closed_after_its_time(void **state)
{
    uint64_t started_ms = clock_ms();
    int fd = dial(*state);

    assert_string_equal("", read_all(fd));
    assert_true(clock_ms() - started_ms >= ADMIN_REQUEST_MS - 100);
}

static uint64_t cpu_us(void)
{
    struct timespec used;

    assert_int_equal(0, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used));
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

/* One connection has the descriptor that is held back for it. The next waits in the kernel's queue: the thread must neither spin
 * nor forget it. */
static void a_lack_of_descriptors_is_waited_out_without_spinning(void **state)
{
    const char *request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    struct rlimit kept;
    struct rlimit none;
    struct pollfd answered = {.events = POLLIN};
    int first = socket(AF_INET, SOCK_STREAM, 0);
    int taken[3 * ADMIN_CONNECTIONS_MAX]; /* poll(2) takes no more descriptors than the limit allows to be open */
    enum { TAKEN = sizeof taken / sizeof taken[0] };
    uint64_t used_us;
    int ready;

    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &kept));
    answered.fd = socket(AF_INET, SOCK_STREAM, 0);
    for (size_t index = 0; index < TAKEN; index++) {
        taken[index] = dup(answered.fd);
        assert_true(taken[index] > answered.fd);
    }
    none = (struct rlimit){(rlim_t)taken[TAKEN - 1] + 1, kept.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none)); /* every number below is taken: the admin's accept finds none */
    dial_with(*state, first);
    assert_int_equal(1, send(first, request, 1, MSG_NOSIGNAL));
    used_us = cpu_us();
    dial_with(*state, answered.fd);
    assert_int_equal(strlen(request), send(answered.fd, request, strlen(request), MSG_NOSIGNAL));
    ready = poll(&answered, 1, 3 * ADMIN_ACCEPT_PAUSE_MS);
    used_us = cpu_us() - used_us;
    assert_int_equal(strlen(request) - 1, send(first, request + 1, strlen(request) - 1, MSG_NOSIGNAL));
    assert_non_null(strstr(read_all(first), "200 OK"));
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &kept));
    for (size_t index = 0; index < TAKEN; index++) {
        (void)close(taken[index]);
    }
    assert_int_equal(0, ready);
    assert_true(used_us < 1000 * ADMIN_ACCEPT_PAUSE_MS / 2);
    assert_non_null(strstr(read_all(answered.fd), "200 OK"));
}

static void an_address_that_cannot_be_had_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct admin_hooks hooks = {alive, ready, NULL, NULL, fixture};
    struct admin *second = NULL;
    char taken[32];

    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", admin_port(fixture->admin));
    assert_status(STATUS_IN_USE, admin_open(&second, taken, fixture->metrics, &hooks));
    assert_status(STATUS_MALFORMED, admin_open(&second, "nowhere", fixture->metrics, &hooks));
    assert_status(STATUS_MALFORMED, admin_open(&second, "127.0.0.1:http-port", fixture->metrics, &hooks));
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(health_is_ok_while_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(readiness_says_why_not, setup, teardown),
cmocka_unit_test_setup_teardown(a_ready_service_may_have_a_note, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_are_refreshed_and_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_request_gets_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(other_paths_methods_and_bytes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_longer_than_any_of_ours_is_none_of_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_may_come_byte_by_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_may_be_as_long_as_its_bound_and_no_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(one_connection_too_many_waits_until_a_place_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lack_of_descriptors_is_waited_out_without_spinning, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_connection_is_closed_after_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_cannot_be_had_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
