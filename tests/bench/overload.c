/* The two ends of tests/bench/overload: clients that ask at a given rate, whatever becomes of what they asked before, and an upstream
 * that takes its time.
 *
 *   bench_overload upstream DELAY_MS                                                    prints its port; ends with its standard input
 *   bench_overload load PORT PATH RATE SECONDS DEADLINE_MS CONNECTIONS BODY_BYTES      prints what became of it: NAME=NUMBER ...
 *
 * What is completed counts from the second second on: in the first one all clients connect, and lines fill that the end of the run
 * leaves full. RATE 0: each connection asks anew as soon as it is answered. Else arrivals are Poisson's, and whoever finds no free connection
 * gives up at once: what would wait there would be late by the client's own line. A connection that was refused rests as long as
 * its Retry-After says. One thread, loopback only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, ROOM = 16 * 1024, SAMPLES_MAX = 1 << 21, BODY_MAX = 8 * 1024, NUMBER_DIGITS = 16,
       COUNT_AFTER_US = 1000000 };

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *take(size_t count, size_t bytes)
{
    void *room = calloc(count, bytes);

    if (room == NULL) {
        fail("memory");
    }
    return room;
}

static void watch(int epoll, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    const int yes = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

/* A message that begins at `text`: the bytes it has, 0 when more are to come. */
static size_t whole_message(const char *text, size_t count)
{
    const char *end = memmem(text, count, "\r\n\r\n", 4);
    const char *length = end == NULL ? NULL : strcasestr(text, "\r\ncontent-length:");
    size_t bytes;

    if (end == NULL) {
        return 0;
    }
    bytes = (size_t)(end + 4 - text) + (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return bytes <= count ? bytes : 0;
}

/* --- the upstream: every answer leaves DELAY_MS after its request came, so that those who wait stand in one line --- */

struct peer {
    int fd;
    uint64_t due_us;
    struct peer *next; /* that waits */
    bool waits;
    bool gone; /* while it waited */
    size_t count;
    char in[ROOM];
};

struct upstream {
    int epoll;
    uint64_t delay_us;
    struct peer *first;
    struct peer *last;
};

static void answer(struct peer *peer)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
                               "{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[]}";

    (void)!write(peer->fd, text, sizeof text - 1);
}

static void leave(struct peer *peer)
{
    (void)close(peer->fd);
    free(peer);
}

static void hear(struct upstream *upstream, struct peer *peer)
{
    ssize_t more = read(peer->fd, peer->in + peer->count, ROOM - 1 - peer->count);
    size_t bytes;

    if (more <= 0) {
        (void)epoll_ctl(upstream->epoll, EPOLL_CTL_DEL, peer->fd, NULL);
        peer->gone = true;
        if (!peer->waits) {
            leave(peer);
        }
        return;
    }
    peer->count += (size_t)more;
    peer->in[peer->count] = '\0';
    bytes = whole_message(peer->in, peer->count);
    if (bytes == 0) {
        return;
    }
    peer->count -= bytes;
    memmove(peer->in, peer->in + bytes, peer->count);
    if (upstream->delay_us == 0) {
        answer(peer);
        return;
    }
    peer->due_us = now_us() + upstream->delay_us;
    peer->waits = true;
    peer->next = NULL;
    *(upstream->first == NULL ? &upstream->first : &upstream->last->next) = peer;
    upstream->last = peer;
}

static void answer_due(struct upstream *upstream)
{
    while (upstream->first != NULL && upstream->first->due_us <= now_us()) {
        struct peer *peer = upstream->first;

        upstream->first = peer->next;
        peer->waits = false;
        if (peer->gone) {
            leave(peer);
        } else {
            answer(peer);
        }
    }
}

static int run_upstream(unsigned delay_ms)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct upstream upstream = {.epoll = epoll_create1(EPOLL_CLOEXEC), .delay_us = delay_ms * 1000u};

    if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) != 0) {
        fail("listen");
    }
    watch(upstream.epoll, listener, NULL);
    watch(upstream.epoll, STDIN_FILENO, &upstream);
    (void)printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        uint64_t now = now_us();
        int wait_ms = upstream.first == NULL ? 1000 : upstream.first->due_us <= now ? 0 : (int)((upstream.first->due_us - now) / 1000);
        int count = epoll_wait(upstream.epoll, events, EVENTS, wait_ms);

        for (int index = 0; index < count; index++) {
            if (events[index].data.ptr == &upstream) {
                return 0;
            }
            if (events[index].data.ptr == NULL) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (fd >= 0) {
                    struct peer *peer = take(1, sizeof *peer);

                    peer->fd = fd;
                    watch(upstream.epoll, fd, peer);
                }
            } else {
                hear(&upstream, events[index].data.ptr);
            }
        }
        answer_due(&upstream);
    }
}

/* --- the clients --- */

struct client {
    int fd; /* -1: to be connected */
    uint64_t sent_us; /* 0: idle */
    uint64_t rests_until_us;
    struct client *next; /* idle, or resting */
    size_t count;
    char in[ROOM];
};

struct samples {
    uint32_t *us;
    size_t count;
};

struct load {
    int epoll;
    struct sockaddr_in address;
    double rate;
    uint64_t begin_us, count_us, end_us, deadline_us;
    char request[BODY_MAX + 1024];
    size_t request_bytes;
    size_t number_at; /* the digits of the request at hand: no text comes twice, since moderators know what they judged of late */
    uint64_t number;
    struct client *idle;
    struct client *resting, *last_resting; /* in the order of their refusals: those that rest longer hold up the others */
    uint64_t next_us;
    uint64_t random;
    size_t busy;
    uint64_t offered, early, good, late, refused, given_up;
    uint64_t unsent, reset, left, other_status; /* how those failed that failed */
    struct samples good_us, refused_us;
};

static void keep(struct samples *samples, uint64_t us)
{
    if (samples->count < SAMPLES_MAX) {
        samples->us[samples->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    }
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static uint32_t percentile(struct samples *samples, unsigned percent)
{
    qsort(samples->us, samples->count, sizeof samples->us[0], compare);
    return samples->count == 0 ? 0 : samples->us[(samples->count - 1) * percent / 100];
}

/* In microseconds; a plain generator: two runs ask alike. */
static double until_next(struct load *load)
{
    load->random = load->random * 6364136223846793005u + 1442695040888963407u;
    return -log(((double)(load->random >> 11) + 1) / 9007199254740993.0) * 1e6 / load->rate;
}

static void connect_client(struct load *load, struct client *client)
{
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    client->count = 0;
    if (client->fd < 0 || (connect(client->fd, (const struct sockaddr *)&load->address, sizeof load->address) != 0 &&
                           errno != EINPROGRESS)) {
        fail("connect");
    }
    watch(load->epoll, client->fd, client);
}

static void rest(struct load *load, struct client *client)
{
    client->sent_us = 0;
    client->next = load->idle;
    load->idle = client;
    load->busy--;
}

static void drop(struct load *load, struct client *client)
{
    (void)load;
    (void)close(client->fd);
    client->fd = -1;
}

static void number_request(struct load *load)
{
    uint64_t left = load->number++;

    for (size_t index = NUMBER_DIGITS; index > 0; index--, left /= 10) {
        load->request[load->number_at + index - 1] = (char)('0' + left % 10);
    }
}

/* The connection may not be there yet: the kernel takes what fits once it is. */
static void ask(struct load *load)
{
    struct client *client = load->idle;
    ssize_t sent;

    load->idle = client->next;
    load->busy++;
    client->sent_us = now_us();
    number_request(load);
    if (client->fd < 0) {
        connect_client(load, client);
    }
    sent = send(client->fd, load->request, load->request_bytes, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) { /* loopback connects at once, or its listener's queue is full */
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};

        (void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, client->fd, &event);
    } else if (sent != (ssize_t)load->request_bytes) {
        load->unsent++;
        drop(load, client);
        rest(load, client);
    }
}

static void send_late(struct load *load, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    (void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, client->fd, &event);
    if (client->sent_us != 0 && send(client->fd, load->request, load->request_bytes, MSG_NOSIGNAL) != (ssize_t)load->request_bytes) {
        load->unsent++;
        drop(load, client);
        rest(load, client);
    }
}

/* Its connection is not used for as long as the refusal says. */
static void obey(struct load *load, struct client *client)
{
    const char *field = strcasestr(client->in, "\r\nretry-after:");

    client->rests_until_us = now_us() + (field == NULL ? 0 : strtoul(field + strlen("\r\nretry-after:"), NULL, 10) * 1000000u);
    client->sent_us = 0;
    client->next = NULL;
    *(load->resting == NULL ? &load->resting : &load->last_resting->next) = client;
    load->last_resting = client;
}

static void end_rests(struct load *load, uint64_t now)
{
    while (load->resting != NULL && load->resting->rests_until_us <= now) {
        struct client *client = load->resting;

        load->resting = client->next;
        rest(load, client);
    }
}

/* Whether it was refused. */
static bool count_answer(struct load *load, const struct client *client)
{
    unsigned status = (unsigned)strtoul(client->in + strlen("HTTP/1.1 "), NULL, 10);
    uint64_t now = now_us();

    if (status == 503 || status == 529 || status == 429) {
        load->refused++;
        keep(&load->refused_us, now - client->sent_us);
        return true;
    } else if (status != 200) {
        load->other_status++;
    } else if (now - client->sent_us > load->deadline_us || now > load->end_us) {
        load->late++;
    } else if (now < load->count_us) {
        load->early++;
    } else {
        load->good++;
        keep(&load->good_us, now - client->sent_us);
    }
    return false;
}

static void listen_to(struct load *load, struct client *client)
{
    bool refused;
    ssize_t more = read(client->fd, client->in + client->count, ROOM - 1 - client->count);
    size_t bytes;

    if (more <= 0) {
        if (more < 0 && errno == EAGAIN) {
            return;
        }
        drop(load, client);
        if (client->sent_us != 0) { /* before its answer */
            *(more < 0 ? &load->reset : &load->left) += 1;
            rest(load, client);
        }
        return;
    }
    client->count += (size_t)more;
    client->in[client->count] = '\0';
    bytes = whole_message(client->in, client->count);
    if (bytes == 0 || client->sent_us == 0) {
        return;
    }
    refused = count_answer(load, client);
    if (strcasestr(client->in, "\r\nconnection: close") != NULL) {
        drop(load, client);
    }
    client->count = 0;
    if (refused) {
        obey(load, client);
    } else {
        rest(load, client);
    }
}

/* Those whose time has come. */
static void arrive(struct load *load)
{
    uint64_t now = now_us();

    end_rests(load, now);
    while (load->rate > 0 && load->next_us <= now && load->next_us < load->end_us) {
        load->offered++;
        load->next_us += (uint64_t)until_next(load) + 1;
        if (load->idle != NULL) {
            ask(load);
        } else {
            load->given_up++;
        }
    }
    while (load->rate == 0 && load->idle != NULL && now < load->end_us) {
        load->offered++;
        ask(load);
    }
}

static void print(struct load *load, double seconds)
{
    (void)printf("offered=%llu early=%llu good=%llu late=%llu refused=%llu given_up=%llu unsent=%llu reset=%llu left=%llu other_status=%llu seconds=%.3f good_p50_us=%u good_p99_us=%u "
                 "refused_p50_us=%u refused_p99_us=%u\n",
                 (unsigned long long)load->offered, (unsigned long long)load->early, (unsigned long long)load->good, (unsigned long long)load->late,
                 (unsigned long long)load->refused, (unsigned long long)load->given_up,
                 (unsigned long long)load->unsent, (unsigned long long)load->reset, (unsigned long long)load->left,
                 (unsigned long long)load->other_status, seconds,
                 percentile(&load->good_us, 50), percentile(&load->good_us, 99), percentile(&load->refused_us, 50),
                 percentile(&load->refused_us, 99));
}

static void run(struct load *load)
{
    /* After the end what is under way may still be answered, and counts as late. */
    while (now_us() < load->end_us || (load->busy > 0 && now_us() < load->end_us + load->deadline_us)) {
        struct epoll_event events[EVENTS];
        int count;

        arrive(load);
        count = epoll_wait(load->epoll, events, EVENTS, 1);
        for (int index = 0; index < count; index++) {
            struct client *client = events[index].data.ptr;

            if (client->fd >= 0 && (events[index].events & EPOLLOUT) != 0) {
                send_late(load, client);
            }
            if (client->fd >= 0 && (events[index].events & ~(unsigned)EPOLLOUT) != 0) {
                listen_to(load, client);
            }
        }
    }
}

static int run_load(char **words)
{
    struct load load = {.epoll = epoll_create1(EPOLL_CLOEXEC), .rate = strtod(words[2], NULL), .random = 1};
    size_t connections = strtoul(words[5], NULL, 10);
    size_t body = strtoul(words[6], NULL, 10);
    int count;

    load.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load.address.sin_port = htons((uint16_t)strtoul(words[0], NULL, 10));
    load.deadline_us = strtoul(words[4], NULL, 10) * 1000u;
    load.good_us.us = take(SAMPLES_MAX, sizeof load.good_us.us[0]);
    load.refused_us.us = take(SAMPLES_MAX, sizeof load.refused_us.us[0]);
    body = body < NUMBER_DIGITS ? NUMBER_DIGITS : body < BODY_MAX ? body : BODY_MAX;
    count = snprintf(load.request, sizeof load.request,
                     "POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
                     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%*s\"}]}",
                     words[1], body + 55, (int)body, "0000000000000000");
    load.request_bytes = (size_t)count;
    load.number_at = load.request_bytes - strlen("\"}]}") - NUMBER_DIGITS;
    load.number = load.begin_us = now_us(); /* of two runs, too */
    for (size_t index = 0; index < connections; index++) {
        struct client *client = take(1, sizeof *client);

        client->fd = -1;
        load.busy++;
        rest(&load, client);
    }
    load.begin_us = load.next_us = now_us();
    load.end_us = load.begin_us + (uint64_t)(strtod(words[3], NULL) * 1e6);
    load.count_us = load.begin_us + COUNT_AFTER_US < load.end_us ? load.begin_us + COUNT_AFTER_US : load.begin_us;
    run(&load);
    print(&load, (double)(load.end_us - load.count_us) / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "upstream") == 0) {
        return run_upstream((unsigned)strtoul(argv[2], NULL, 10));
    }
    if (argc == 9 && strcmp(argv[1], "load") == 0) {
        return run_load(argv + 2);
    }
    (void)fprintf(stderr, "usage: see the head of tests/bench/overload.c\n");
    return 2;
}
