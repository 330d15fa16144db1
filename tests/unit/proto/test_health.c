/* health: good and bad answers of a real admin port, and of listeners that say nothing, too much, or something else. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/admin.h"
#include "proto/health.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the question printed. */
static char *said;
static size_t said_count;

static bool yes(void *context, const char **why)
{
    (void)context;
    (void)why;
    return true;
}

static bool no(void *context, const char **why)
{
    (void)context;
    *why = "no moderator";
    return false;
}

static enum status ask(const char *listen, const char *path)
{
    FILE *out;
    enum status status;

    free(said);
    said = NULL;
    out = open_memstream(&said, &said_count);
    assert_non_null(out);
    status = health_ask(listen, path, out);
    assert_int_equal(0, fclose(out));
    return status;
}

static void an_admin_port_answers_alive_and_ready(void **state)
{
    const struct admin_hooks hooks = {.alive = yes, .ready = no};
    struct metrics *metrics = NULL;
    struct admin *admin = NULL;
    char local[32];
    char all[32];

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, admin_open(&admin, "0.0.0.0:0", metrics, &hooks));
    (void)snprintf(local, sizeof local, "127.0.0.1:%u", admin_port(admin));
    (void)snprintf(all, sizeof all, "0.0.0.0:%u", admin_port(admin));
    assert_status(STATUS_OK, ask(local, "/healthz"));
    assert_string_equal("{\"status\":\"ok\"}\n", said);
    assert_status(STATUS_OK, ask(all, "/healthz"));
    assert_status(STATUS_AGAIN, ask(local, "/readyz"));
    assert_string_equal("{\"status\":\"not ready\",\"reason\":\"no moderator\"}\n", said);
    admin_close(&admin);
    assert_status(STATUS_UNAVAILABLE, ask(local, "/healthz"));
    assert_string_equal("", said);
    metrics_close(&metrics);
}

static void an_address_that_cannot_be_asked_is_told(void **state)
{
    (void)state;
    assert_status(STATUS_UNSUPPORTED, ask("", "/healthz"));
    assert_status(STATUS_UNSUPPORTED, ask("127.0.0.1:0", "/healthz"));
    assert_status(STATUS_UNAVAILABLE, ask("no.such.host.invalid:9090", "/healthz"));
}

/* A listener of our own that sends `answer` to one connection. */
struct stranger {
    int fd;
    char listen[32];
    struct bytes answer;
    bool closes; /* after the answer */
    pthread_t thread;
};

static void *serve(void *context)
{
    struct stranger *stranger = context;
    int fd = accept(stranger->fd, NULL, NULL);
    char request[512];

    if (fd < 0 || recv(fd, request, sizeof request, 0) <= 0) {
        return NULL;
    }
    (void)send(fd, stranger->answer.data, stranger->answer.count, MSG_NOSIGNAL);
    /* Else the other side closes, when it has waited long enough or read all it wants. */
    if (!stranger->closes) {
        while (recv(fd, request, sizeof request, 0) > 0) {
        }
    }
    (void)close(fd);
    return NULL;
}

static enum status ask_stranger(struct bytes answer, bool closes)
{
    struct stranger stranger = {.answer = answer, .closes = closes};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t address_bytes = sizeof address;
    enum status status;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stranger.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(0, bind(stranger.fd, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(stranger.fd, 1));
    assert_int_equal(0, getsockname(stranger.fd, (struct sockaddr *)&address, &address_bytes));
    (void)snprintf(stranger.listen, sizeof stranger.listen, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    assert_int_equal(0, pthread_create(&stranger.thread, NULL, serve, &stranger));
    status = ask(stranger.listen, "/healthz");
    assert_int_equal(0, pthread_join(stranger.thread, NULL));
    (void)close(stranger.fd);
    return status;
}

static void an_answer_that_is_none_of_ours_is_bad(void **state)
{
    (void)state;
    assert_status(STATUS_MALFORMED, ask_stranger(BYTES(""), true));
    assert_status(STATUS_MALFORMED, ask_stranger(BYTES("HTTP/1.1 200 OK\r\n"), true));
    assert_status(STATUS_MALFORMED, ask_stranger(BYTES("SSH-2.0 200 \r\n\r\n"), true));
    assert_status(STATUS_AGAIN, ask_stranger(BYTES("HTTP/1.1 404 Not Found\r\n\r\n"), true));
    assert_string_equal("", said);
}

/* 1 KiB is read, whatever comes; it ends without the other side closing. */
static void an_endless_answer_is_read_to_its_bound(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    char answer[HEALTH_ANSWER_BYTES_MAX];

    (void)state;
    memset(answer, 'a', sizeof answer);
    memcpy(answer, head, sizeof head - 1);
    assert_status(STATUS_OK, ask_stranger((struct bytes){answer, sizeof answer}, false));
    assert_int_equal(sizeof answer - (sizeof head - 1), said_count);
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    assert_status(STATUS_TIMEOUT, ask_stranger(BYTES("HTTP/1.1 200 OK\r\n\r\n"), false));
}

static void each_service_has_its_own_listener(void **state)
{
    struct reading reading;

    (void)state;
    assert_read(&reading, "moderator: { admin_listen: 127.0.0.1:9091 }\n");
    assert_string_equal("127.0.0.1:9090", health_listener(reading.settings, "gateway"));
    assert_string_equal("127.0.0.1:9091", health_listener(reading.settings, "moderator"));
    assert_string_equal("", health_listener(reading.settings, "trainer"));
    reading_end(&reading);
}

static int forget(void **state)
{
    (void)state;
    free(said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_admin_port_answers_alive_and_ready),
        cmocka_unit_test(an_address_that_cannot_be_asked_is_told),
        cmocka_unit_test(an_answer_that_is_none_of_ours_is_bad),
        cmocka_unit_test(an_endless_answer_is_read_to_its_bound),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(each_service_has_its_own_listener),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
