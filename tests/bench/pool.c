/* pool: a libuv loop and the pool in one process, 64 slots in another; tells tasks/s, CPU a task and latency of the hop. */
#include "gateway/pool.h"
#include "proto/clock.h"
#include "proto/secret.h"
#include "proto/wire.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

enum { SLOTS = 64, TEXT_BYTES = 1000, TEXT_BYTES_MAX = MIB, RUN_MS = 3000, SAMPLES_MAX = 1000000 };

static const struct profile_settings profile = {.name = "default"};

static void must(enum status status, const char *what)
{
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "pool: %s: %s\n", what, status_sentence(status));
        exit(1);
    }
}

/* Answers one frame of a slot, if there is one. */
static void answer(struct wire *wire, struct buffer *out)
{
    struct bytes none;
    struct bytes frame;
    enum message_type type;

    if (wire_take(wire, &none, &frame) != STATUS_OK || message_read_type(frame, &type) != STATUS_OK) {
        return;
    }
    buffer_clear(out);
    if (type == MESSAGE_TASK) {
        struct message_verdict verdict = {.source = SOURCE_MODEL, .score = 0.1f, .model_version = 1};
        struct message_task task;

        must(message_read_task(frame, &task), "task");
        verdict.nonce = task.head.nonce;
        verdict.sequence = task.head.sequence;
        must(message_write_verdict(&verdict, out), "verdict");
    } else {
        must(message_write_plain(MESSAGE_PONG, out), "pong");
    }
    must(wire_send(wire, buffer_view(out)), "answer");
}

/* The moderator: one thread, so that its own cost stays small; judges nothing. */
static void moderate(const char *endpoint)
{
    struct message_ready ready = {{"0123456789abcdef", WORKER_ID_BYTES}, SLOT_LOCAL, {NULL, 0}, TEXT_BYTES_MAX};
    struct wire *wires[SLOTS];
    zmq_pollitem_t items[SLOTS];
    struct buffer out;

    buffer_init(&out, KIB);
    must(wire_start(), "wire");
    must(message_write_ready(&ready, &out), "ready");
    for (size_t index = 0; index < SLOTS; index++) {
        must(wire_open(&wires[index], WIRE_SLOT, TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX), "open");
        must(wire_attach(wires[index], endpoint), "connect");
        items[index] = (zmq_pollitem_t){wire_handle(wires[index]), 0, ZMQ_POLLOUT, 0};
        (void)zmq_poll(&items[index], 1, -1);
        must(wire_send(wires[index], buffer_view(&out)), "send READY");
        items[index].events = ZMQ_POLLIN;
    }
    while (zmq_poll(items, SLOTS, -1) >= 0) {
        for (size_t index = 0; index < SLOTS; index++) {
            if (items[index].revents != 0) {
                answer(wires[index], &out);
            }
        }
    }
}

struct bench {
    uv_loop_t loop;
    uv_async_t async;
    struct pool *pool;
    char text[TEXT_BYTES];
    size_t in_flight;
    uint64_t end_ms;
    size_t count;
    uint32_t *hop_us; /* of each job: queue and judge together */
};

static void submit(struct bench *bench)
{
    struct job *job = NULL;

    must(job_open(&job, 0, NULL, &profile, BYTES(""), TEXT_BYTES_MAX), "job");
    must(job_add(job, &(struct segment){SCOPE_USER, {bench->text, sizeof bench->text}}), "text");
    must(pool_submit(bench->pool, job), "submit");
    bench->in_flight++;
}

static void take(uv_async_t *async)
{
    struct bench *bench = async->data;
    struct job *job;

    while ((job = pool_take(bench->pool, 0)) != NULL) {
        must(job->result.status, "verdict");
        bench->hop_us[bench->count++ % SAMPLES_MAX] = (uint32_t)(clock_us() - job->submitted_us);
        job_close(&job);
        bench->in_flight--;
        if (clock_ms() < bench->end_ms) {
            submit(bench);
        } else if (bench->in_flight == 0) {
            uv_stop(&bench->loop);
        }
    }
}

static void wake(void *context, size_t loop_index)
{
    struct bench *bench = context;

    (void)loop_index;
    (void)uv_async_send(&bench->async);
}

static uint64_t cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int by_size(const void *left, const void *right)
{
    uint32_t one = *(const uint32_t *)left;
    uint32_t two = *(const uint32_t *)right;

    return one < two ? -1 : one > two;
}

static void measure(struct bench *bench, size_t in_flight)
{
    uint64_t start_us = clock_us();
    uint64_t start_cpu_us = cpu_us();
    size_t samples;
    double seconds;
    double cpu;

    bench->count = 0;
    bench->end_ms = clock_ms() + RUN_MS;
    for (size_t index = 0; index < in_flight; index++) {
        submit(bench);
    }
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    seconds = (double)(clock_us() - start_us) / 1e6;
    cpu = (double)(cpu_us() - start_cpu_us);
    samples = bench->count < SAMPLES_MAX ? bench->count : SAMPLES_MAX;
    qsort(bench->hop_us, samples, sizeof *bench->hop_us, by_size);
    printf("%4zu in flight %8.0f tasks/s %7.1f CPU-us a task   p50 %5u us   p99 %5u us\n", in_flight,
           (double)bench->count / seconds, cpu / (double)bench->count, bench->hop_us[samples / 2],
           bench->hop_us[samples * 99 / 100]);
}

int main(void)
{
    static const size_t in_flight[] = {1, 8, 64, 256};
    struct bench *bench = calloc(1, sizeof *bench);
    struct pool_settings settings = {.queue_jobs = 1024, .queue_bytes = 64 * MIB, .queue_age_ms = 2000,
                                     .deadline_local_ms = 5000, .deadline_review_ms = 5000, .peers = SLOTS};
    struct pool_options options = {.settings = &settings, .text_bytes_max = TEXT_BYTES_MAX, .loop_count = 1, .loop_jobs_max = 1024,
                                   .wake = wake, .context = bench};
    const char *why;
    pid_t child;

    bench->hop_us = calloc(SAMPLES_MAX, sizeof *bench->hop_us);
    memset(bench->text, 'x', sizeof bench->text);
    (void)snprintf(settings.bind, sizeof settings.bind, "tcp://127.0.0.1:%d", 20000 + (int)getpid() % 20000);
    child = fork(); /* before the first socket: a ZeroMQ context does not survive it */
    if (child == 0) {
        moderate(settings.bind);
        _exit(0);
    }
    must(secret_start(), "randomness");
    must(wire_start(), "wire");
    must(metrics_open(&options.metrics), "metrics");
    (void)uv_loop_init(&bench->loop);
    (void)uv_async_init(&bench->loop, &bench->async, take);
    bench->async.data = bench;
    must(pool_open(&bench->pool, &options), "pool");
    while (!pool_ready(bench->pool, &why)) {
        (void)usleep(10000);
    }
    (void)usleep(300000); /* all slots */
    for (size_t index = 0; index < sizeof in_flight / sizeof in_flight[0]; index++) {
        measure(bench, in_flight[index]);
    }
    pool_close(&bench->pool);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    uv_close((uv_handle_t *)&bench->async, NULL);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&bench->loop);
    metrics_close(&options.metrics);
    free(bench->hop_us);
    free(bench);
    return 0;
}
