/* streams: the upstream of many event streams and their clients, in one process beside the proxy that is measured.
 *
 * usage: bench_streams PROXY_PORT PATH     first says {"port":N}, where the proxy must lead PATH to; then obeys stdin:
 *   open COUNT              opens streams and waits until each has brought its first event; says {"open":N}
 *   send SECONDS RATE       RATE events a second, one stream after the other; says what came and how late
 *
 * Events leave in ticks of TICK_MS, so that a proxy finds some of them at once, as it does behind a real LLM. Each carries the
 * time at which it left.
 */
#include "proto/clock.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TICK_MS = 5,
    STREAMS_MAX = 8000,
    REQUEST_BYTES_MAX = 8 * KIB,
    LATENCIES_MAX = 1 << 20,
    OPENING_MAX = 64, /* at once */
    PATIENCE_MS = 60000,
};

#define BODY "{\"model\":\"bench\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Tell me a story.\"}]}"
#define EVENT                                                                                                          \
    "data: {\"id\":\"chatcmpl-CBxVpVvlQ1gPzGwdTGkMmyTnEkQ9f\",\"object\":\"chat.completion.chunk\",\"created\":1756900000," \
    "\"model\":\"gpt-4.1-mini-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_3f58d112f7\",\"choices\":" \
    "[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"t\":%016llu}\n\n"

enum kind { LISTENER, UPSTREAM, CLIENT };

struct peer {
    enum kind kind;
    int descriptor;
    char last; /* client: the byte read last */
    size_t events;
    size_t request_bytes; /* upstream */
    char request[REQUEST_BYTES_MAX];
};

struct bench {
    int epoll;
    struct peer listener;
    unsigned proxy_port;
    const char *path;
    struct peer *clients[STREAMS_MAX];
    size_t client_count;
    struct peer *upstreams[STREAMS_MAX]; /* that have had their request */
    size_t upstream_count;
    size_t begun; /* clients that have had an event */
    size_t next;  /* upstream that sends the next event */
    size_t sent;
    size_t received;
    unsigned *latency_us;
    size_t latencies;
};

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "bench_streams: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void watch(struct bench *bench, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

    must(epoll_ctl(bench->epoll, EPOLL_CTL_ADD, peer->descriptor, &event) == 0, "epoll_ctl");
}

static struct peer *peer_open(enum kind kind, int descriptor)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int one = 1;

    must(peer != NULL && descriptor >= 0, "socket");
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peer->kind = kind;
    peer->descriptor = descriptor;
    return peer;
}

/* One chunk with one event; a proxy that lets its upstream wait has lost the measurement. */
static void send_event(struct bench *bench, const struct peer *peer)
{
    char event[KIB];
    char chunk[KIB];
    int event_bytes = snprintf(event, sizeof event, EVENT, (unsigned long long)clock_us());
    int count = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)event_bytes, event);

    must(send(peer->descriptor, chunk, (size_t)count, MSG_NOSIGNAL) == count, "send an event");
    bench->sent++;
}

static void serve(struct bench *bench, struct peer *peer)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    ssize_t count = recv(peer->descriptor, peer->request + peer->request_bytes, REQUEST_BYTES_MAX - peer->request_bytes, 0);

    if (count <= 0) { /* the proxy has closed it: that of a client that left */
        (void)close(peer->descriptor);
        free(peer);
        return;
    }
    peer->request_bytes += (size_t)count;
    if (memmem(peer->request, peer->request_bytes, BODY, sizeof BODY - 1) != NULL) {
        must(bench->upstream_count < STREAMS_MAX, "streams");
        bench->upstreams[bench->upstream_count++] = peer;
        peer->request_bytes = 0;
        must(send(peer->descriptor, head, sizeof head - 1, MSG_NOSIGNAL) == (ssize_t)sizeof head - 1, "send a head");
        send_event(bench, peer);
    }
}

static void note_latency(struct bench *bench, const char *part, size_t count)
{
    const char *at = memmem(part, count, "\"t\":", 4);

    if (at != NULL && (size_t)(part + count - at) > 20 && bench->latencies < LATENCIES_MAX) {
        bench->latency_us[bench->latencies++] = (unsigned)(clock_us() - strtoull(at + 4, NULL, 10));
    }
}

static void take(struct bench *bench, struct peer *peer)
{
    static char room[64 * KIB];
    ssize_t count = recv(peer->descriptor, room, sizeof room, 0);
    bool first = peer->events == 0;

    must(count > 0, "a stream ended");
    for (ssize_t index = 0; index < count; index++) { /* only an event ends with two of them */
        if (room[index] == '\n' && (index == 0 ? peer->last : room[index - 1]) == '\n') {
            peer->events++;
            bench->received++;
        }
    }
    peer->last = room[count - 1];
    note_latency(bench, room, (size_t)count);
    bench->begun += first && peer->events > 0 ? 1 : 0;
}

static void turn(struct bench *bench, int wait_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(bench->epoll, events, 256, wait_ms);

    for (int index = 0; index < count; index++) {
        struct peer *peer = events[index].data.ptr;

        if (peer->kind == LISTENER) {
            watch(bench, peer_open(UPSTREAM, accept(peer->descriptor, NULL, NULL)));
            /* the peer is the poller's until its connection ends */
        } else if (peer->kind == UPSTREAM) {
            serve(bench, peer);
        } else {
            take(bench, peer);
        }
    }
}

static void begin_client(struct bench *bench)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)bench->proxy_port)};
    struct peer *peer = peer_open(CLIENT, socket(AF_INET, SOCK_STREAM, 0));
    char request[KIB];
    int count = snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nHost: proxy\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         bench->path, sizeof BODY - 1, BODY);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(connect(peer->descriptor, (struct sockaddr *)&address, sizeof address) == 0, "connect to the proxy");
    must(send(peer->descriptor, request, (size_t)count, MSG_NOSIGNAL) == count, "send a request");
    watch(bench, peer);
    bench->clients[bench->client_count++] = peer;
}

static void open_streams(struct bench *bench, size_t count)
{
    uint64_t until_ms = clock_ms() + PATIENCE_MS;

    must(bench->client_count + count <= STREAMS_MAX, "streams");
    count += bench->client_count;
    while (bench->begun < count) {
        while (bench->client_count < count && bench->client_count - bench->begun < OPENING_MAX) {
            begin_client(bench);
        }
        turn(bench, TICK_MS);
        must(clock_ms() < until_ms, "streams do not begin");
    }
    printf("{\"open\":%zu}\n", bench->begun);
}

static int by_size(const void *left, const void *right)
{
    unsigned one = *(const unsigned *)left;
    unsigned two = *(const unsigned *)right;

    return one < two ? -1 : one > two;
}

static void send_events(struct bench *bench, double seconds, double rate)
{
    uint64_t begun_us = clock_us();
    uint64_t end_us = begun_us + (uint64_t)(seconds * 1e6);
    uint64_t until_ms = clock_ms() + PATIENCE_MS;
    uint64_t now_us = begun_us;
    size_t in_time;

    must(bench->upstream_count > 0, "no streams");
    bench->sent = bench->received = bench->latencies = 0;
    while (now_us < end_us) {
        size_t due = (size_t)((double)(now_us - begun_us) / 1e6 * rate);

        while (bench->sent < due) {
            send_event(bench, bench->upstreams[bench->next++ % bench->upstream_count]);
        }
        do {
            turn(bench, 1);
            now_us = clock_us();
        } while (now_us < end_us && now_us - begun_us < (uint64_t)((double)due / rate * 1e6) + TICK_MS * 1000);
    }
    in_time = bench->received;
    while (bench->received < bench->sent) {
        turn(bench, TICK_MS);
        must(clock_ms() < until_ms, "events do not come");
    }
    qsort(bench->latency_us, bench->latencies, sizeof *bench->latency_us, by_size);
    printf("{\"events\":%zu,\"in_time\":%zu,\"p50_us\":%u,\"p99_us\":%u}\n", bench->received, in_time,
           bench->latency_us[bench->latencies / 2], bench->latency_us[bench->latencies * 99 / 100]);
}

static void listen_here(struct bench *bench)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t room = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench->listener.kind = LISTENER;
    bench->listener.descriptor = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(bench->listener.descriptor, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(bench->listener.descriptor, 1024) == 0, "listen");
    must(getsockname(bench->listener.descriptor, (struct sockaddr *)&address, &room) == 0, "getsockname");
    watch(bench, &bench->listener);
    printf("{\"port\":%u}\n", (unsigned)ntohs(address.sin_port));
}

int main(int argc, char **argv)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char line[128];
    double first;
    double second;

    must(bench != NULL && argc == 3, "usage: bench_streams PROXY_PORT PATH");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    bench->latency_us = calloc(LATENCIES_MAX, sizeof *bench->latency_us);
    must(bench->latency_us != NULL, "memory");
    bench->proxy_port = (unsigned)strtoul(argv[1], NULL, 10);
    bench->path = argv[2];
    bench->epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_here(bench);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "open %lf", &first) == 1) {
            open_streams(bench, (size_t)first);
        } else if (sscanf(line, "send %lf %lf", &first, &second) == 2) {
            send_events(bench, first, second);
        }
    }
    return 0;
}
