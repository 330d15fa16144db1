/* health: one request to an admin port, one answer, within one deadline. */
#include "proto/health.h"

#include "proto/address.h"
#include "proto/bytes.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *health_listener(const struct settings *settings, const char *service)
{
    if (strcmp(service, "gateway") == 0) {
        return settings->gateway.admin_listen;
    }
    return strcmp(service, "moderator") == 0 ? settings->moderator.admin_listen : settings->trainer.admin_listen;
}

static enum status wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd waiting = {.fd = fd, .events = events};

    for (;;) {
        uint64_t now_ms = clock_ms();
        int found = now_ms < deadline_ms ? poll(&waiting, 1, (int)(deadline_ms - now_ms)) : 0;

        if (found > 0) {
            return STATUS_OK;
        }
        if (found == 0) {
            return STATUS_TIMEOUT;
        }
        if (errno != EINTR) {
            return STATUS_IO;
        }
    }
}

/* Its failure, if any, shows at the first write. */
static enum status finish_connect(int fd, uint64_t deadline_ms)
{
    return errno == EINPROGRESS ? wait_for(fd, POLLOUT, deadline_ms) : STATUS_UNAVAILABLE;
}

/* A listener on 0.0.0.0 or [::] is asked there too: the kernel leads such a connection to loopback. */
static enum status dial(const char *listen, uint64_t deadline_ms, int *out)
{
    struct sockaddr_storage address;
    socklen_t address_bytes;
    struct bytes host;
    struct bytes port;
    enum status status;
    int fd;

    if (!address_split(bytes_of(listen), &host, &port) || bytes_equal(port, BYTES("0"))) {
        return STATUS_UNSUPPORTED;
    }
    if (address_find(listen, &address, &address_bytes) != STATUS_OK) {
        return STATUS_UNAVAILABLE;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    status = fd < 0 ? STATUS_IO : STATUS_OK;
    if (status == STATUS_OK && connect(fd, (const struct sockaddr *)&address, address_bytes) != 0) {
        status = finish_connect(fd, deadline_ms);
    }
    if (status != STATUS_OK) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return status;
    }
    *out = fd;
    return STATUS_OK;
}

/* The request fits any socket's buffer, so that it goes at once or not at all. */
static enum status send_request(int fd, const char *path)
{
    char request[128];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

    if (length <= 0 || (size_t)length >= sizeof request) {
        return STATUS_TOO_LARGE;
    }
    return send(fd, request, (size_t)length, MSG_NOSIGNAL) == length ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* Until the other side closes, or `room` is full: an answer of ours is far shorter. */
static enum status read_answer(int fd, uint64_t deadline_ms, char *answer, size_t room, struct bytes *out)
{
    size_t count = 0;
    enum status status = STATUS_OK;
    ssize_t more = 1;

    while (status == STATUS_OK && more != 0 && count < room) {
        status = wait_for(fd, POLLIN, deadline_ms);
        if (status == STATUS_OK) {
            more = recv(fd, answer + count, room - count, 0);
            status = more < 0 ? STATUS_UNAVAILABLE : STATUS_OK;
            count += more > 0 ? (size_t)more : 0;
        }
    }
    *out = (struct bytes){answer, count};
    return status;
}

static enum status judge_answer(struct bytes answer, FILE *out)
{
    const char *end = memmem(answer.data, answer.count, "\r\n\r\n", 4);

    if (end == NULL || !bytes_starts_with(answer, BYTES("HTTP/1.1 "))) {
        return STATUS_MALFORMED;
    }
    (void)fwrite(end + 4, 1, answer.count - (size_t)(end + 4 - answer.data), out);
    return bytes_starts_with(answer, BYTES("HTTP/1.1 200 ")) ? STATUS_OK : STATUS_AGAIN;
}

enum status health_ask(const char *listen, const char *path, FILE *out)
{
    uint64_t deadline_ms = clock_ms() + HEALTH_WAIT_MS;
    char room[HEALTH_ANSWER_BYTES_MAX];
    struct bytes answer = {NULL, 0};
    enum status status;
    int fd;

    status = dial(listen, deadline_ms, &fd);
    if (status != STATUS_OK) {
        return status;
    }
    status = send_request(fd, path);
    if (status == STATUS_OK) {
        status = read_answer(fd, deadline_ms, room, sizeof room, &answer);
    }
    (void)close(fd);
    return status == STATUS_OK ? judge_answer(answer, out) : status;
}
