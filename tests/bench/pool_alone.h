/* pool_alone: the same hop by libzmq alone, to compare with: one thread with a ROUTER, and in another process as many REQ sockets by
 * threads; nothing is packed, checked, counted or timed out. Options that cost are those of proto/wire.
 */
#ifndef TESTS_BENCH_POOL_ALONE_H
#define TESTS_BENCH_POOL_ALONE_H

#include "bench/bench.h"

#include "proto/clock.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    ALONE_THREADS = 4,
    ALONE_THREAD_SLOTS = 16,
    ALONE_SLOTS = ALONE_THREADS * ALONE_THREAD_SLOTS,
    ALONE_TASK_BYTES = KIB + 64,
    ALONE_VERDICT_BYTES = 32,
    ALONE_IDENTITY_BYTES = 5 /* of those that libzmq makes */
};

static inline void alone_must(bool did, const char *what)
{
    must(did ? STATUS_OK : STATUS_IO, what);
}

static inline void alone_set(void *socket, int option, int value)
{
    alone_must(zmq_setsockopt(socket, option, &value, sizeof value) == 0, "option");
}

static inline bool alone_readable(void *socket)
{
    int events = 0;
    size_t room = sizeof events;

    alone_must(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &room) == 0, "events");
    return (events & ZMQ_POLLIN) != 0;
}

struct alone_answerer {
    pthread_t thread;
    void *context;
    const char *endpoint;
};

/* Until the process ends. */
static inline void *alone_answer(void *data)
{
    const struct alone_answerer *answerer = data;
    void *sockets[ALONE_THREAD_SLOTS];
    struct pollfd items[ALONE_THREAD_SLOTS];
    char task[ALONE_TASK_BYTES];
    static const char verdict[ALONE_VERDICT_BYTES];

    for (size_t index = 0; index < ALONE_THREAD_SLOTS; index++) {
        size_t room = sizeof items[index].fd;

        sockets[index] = zmq_socket(answerer->context, ZMQ_REQ);
        alone_set(sockets[index], ZMQ_IMMEDIATE, 1);
        alone_must(zmq_connect(sockets[index], answerer->endpoint) == 0, "connect");
        alone_must(zmq_send(sockets[index], verdict, sizeof verdict, 0) == sizeof verdict, "ready");
        items[index] = (struct pollfd){.events = POLLIN};
        alone_must(zmq_getsockopt(sockets[index], ZMQ_FD, &items[index].fd, &room) == 0, "descriptor");
    }
    do {
        for (size_t index = 0; index < ALONE_THREAD_SLOTS; index++) {
            while (items[index].revents != 0 && alone_readable(sockets[index])) {
                alone_must(zmq_recv(sockets[index], task, sizeof task, 0) == sizeof task, "task");
                alone_must(zmq_send(sockets[index], verdict, sizeof verdict, 0) == sizeof verdict, "verdict");
            }
        }
    } while (poll(items, ALONE_THREAD_SLOTS, -1) > 0);
    return NULL;
}

static inline void alone_moderate(const char *endpoint)
{
    struct alone_answerer answerers[ALONE_THREADS];
    void *context = zmq_ctx_new();

    for (size_t index = 0; index < ALONE_THREADS; index++) {
        answerers[index] = (struct alone_answerer){.context = context, .endpoint = endpoint};
        alone_must(pthread_create(&answerers[index].thread, NULL, alone_answer, &answerers[index]) == 0, "thread");
    }
    (void)pause();
}

struct alone {
    void *context;
    void *router;
    char slots[ALONE_SLOTS][ALONE_IDENTITY_BYTES];
    uint64_t sent_us[ALONE_SLOTS];
    size_t idle[ALONE_SLOTS]; /* a ring: the least recently used one is next, as in the pool */
    size_t idle_first;
    size_t idle_count;
};

/* The slot that a message came from, or the place where a new one is to be put. */
static inline size_t alone_take(struct alone *alone)
{
    char identity[ALONE_IDENTITY_BYTES];
    char rest[ALONE_VERDICT_BYTES];
    size_t index = 0;

    alone_must(zmq_recv(alone->router, identity, sizeof identity, 0) == sizeof identity, "identity");
    (void)zmq_recv(alone->router, rest, sizeof rest, 0);
    alone_must(zmq_recv(alone->router, rest, sizeof rest, 0) == sizeof rest, "verdict");
    while (index < ALONE_SLOTS && memcmp(alone->slots[index], identity, sizeof identity) != 0 && alone->sent_us[index] != 0) {
        index++;
    }
    alone_must(index < ALONE_SLOTS, "slot");
    memcpy(alone->slots[index], identity, sizeof identity);
    return index;
}

static inline void alone_rest(struct alone *alone, size_t index)
{
    alone->idle[(alone->idle_first + alone->idle_count++) % ALONE_SLOTS] = index;
}

static inline void alone_give(struct alone *alone)
{
    static const char task[ALONE_TASK_BYTES];
    size_t index = alone->idle[alone->idle_first];

    assert(alone->idle_count > 0);
    alone->idle_first = (alone->idle_first + 1) % ALONE_SLOTS;
    alone->idle_count--;
    alone->sent_us[index] = clock_us();
    (void)zmq_send(alone->router, alone->slots[index], ALONE_IDENTITY_BYTES, ZMQ_SNDMORE);
    (void)zmq_send(alone->router, NULL, 0, ZMQ_SNDMORE);
    alone_must(zmq_send(alone->router, task, sizeof task, 0) == sizeof task, "task");
}

/* Waits until all slots are there. */
static inline void alone_open(struct alone *alone, const char *endpoint)
{
    *alone = (struct alone){.context = zmq_ctx_new()};
    alone->router = zmq_socket(alone->context, ZMQ_ROUTER);
    alone_set(alone->router, ZMQ_ROUTER_MANDATORY, 1);
    alone_must(zmq_bind(alone->router, endpoint) == 0, "bind");
    for (size_t count = 0; count < ALONE_SLOTS; count++) {
        size_t index = alone_take(alone);

        alone_must(index == count, "ready");
        alone->sent_us[index] = 1; /* taken */
        alone_rest(alone, index);
    }
}

static inline void alone_close(struct alone *alone)
{
    alone_set(alone->router, ZMQ_LINGER, 0);
    (void)zmq_close(alone->router);
    (void)zmq_ctx_term(alone->context);
}

/* How many tasks were answered in this time, and how long each took. */
static inline size_t alone_run(struct alone *alone, size_t in_flight, uint64_t run_ms, uint32_t *hop_us, size_t hop_max)
{
    uint64_t end_ms = clock_ms() + run_ms;
    size_t out_count = in_flight;
    size_t count = 0;

    assert(in_flight <= ALONE_SLOTS);
    for (size_t index = 0; index < in_flight; index++) {
        alone_give(alone);
    }
    while (out_count > 0) {
        size_t index = alone_take(alone);

        hop_us[count++ % hop_max] = (uint32_t)(clock_us() - alone->sent_us[index]);
        alone_rest(alone, index);
        if (clock_ms() < end_ms) {
            alone_give(alone);
        } else {
            out_count--;
        }
    }
    return count;
}

#endif
