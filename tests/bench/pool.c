/* pool: a libuv loop and the pool in one process, 64 slots of four threads in another; tells tasks/s, CPU a task on both sides and
 * latency of the hop, with slots that judge nothing, or really.
 *
 * usage: bench_pool FILE [judge]      texts are taken from FILE; see tests/bench/pool and tests/bench/judge
 */
#include "bench/bench.h"

#include "gateway/pool.h"
#include "moderator/worker.h"
#include "proto/clock.h"
#include "proto/secret.h"
#include "proto/wire.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

enum {
    THREADS = 4,
    THREAD_SLOTS = 16,
    SLOTS = THREADS * THREAD_SLOTS,
    TEXT_BYTES = KIB,
    TEXTS_MAX = 256,
    TEXT_BYTES_MAX = MIB,
    RUN_MS = 3000,
    SCORE_ROUNDS = 15,
    SAMPLES_MAX = 1000000
};

#define HOP_US_MAX 100u
#define TASKS_S_MIN 60000.0
#define JUDGED_US_MAX 15.0
#define SCORE_US_MAX 5.0

static const struct profile_settings profile = {
    .name = "default", .model_kind = MODEL_KIND_HASHLINEAR, .low = 0.2, .high = 0.8};

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

/* Slots that judge nothing. */
static void *answer_all(void *endpoint)
{
    struct message_ready ready = {{"0123456789abcdef", WORKER_ID_BYTES}, SLOT_LOCAL, {NULL, 0}, TEXT_BYTES_MAX};
    struct wire *wires[THREAD_SLOTS];
    zmq_pollitem_t items[THREAD_SLOTS];
    struct buffer out;

    buffer_init(&out, KIB);
    must(message_write_ready(&ready, &out), "ready");
    for (size_t index = 0; index < THREAD_SLOTS; index++) {
        must(wire_open(&wires[index], WIRE_SLOT, TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX), "open");
        must(wire_attach(wires[index], endpoint), "connect");
        items[index] = (zmq_pollitem_t){wire_handle(wires[index]), 0, ZMQ_POLLOUT, 0};
        (void)zmq_poll(&items[index], 1, -1);
        must(wire_send(wires[index], buffer_view(&out)), "send READY");
        items[index].events = ZMQ_POLLIN;
    }
    while (zmq_poll(items, THREAD_SLOTS, -1) >= 0) {
        for (size_t index = 0; index < THREAD_SLOTS; index++) {
            if (items[index].revents != 0) {
                answer(wires[index], &out);
            }
        }
    }
    return NULL;
}

/* The moderator's own worker; every text is judged anew. */
static void open_worker(const char *endpoint)
{
    struct profile_settings profiles[] = {profile};
    struct settings settings = {.profiles = profiles, .profile_count = 1};
    struct worker_parts parts = {.identity = {"0123456789abcdef", WORKER_ID_BYTES}};
    struct lookup_options options = {.endpoints = &settings.moderator.gateways, .what = "gateways"};
    struct worker *worker = NULL;

    settings.gateway.limits.moderated_text_bytes = TEXT_BYTES_MAX;
    settings.moderator.threads = THREADS;
    settings.moderator.slots = THREAD_SLOTS;
    settings.moderator.gateways.count = 1;
    (void)snprintf(settings.moderator.gateways.at[0], PATH_BYTES_MAX + 1, "%s", endpoint);
    must(rules_open(&parts.judge.rules, &settings, stderr), "rules");
    parts.judge.live = bench_live(1);
    must(metrics_open(&parts.metrics), "metrics");
    options.metrics = parts.metrics;
    must(lookup_open(&parts.gateways, &options), "gateways");
    must(worker_open(&worker, &parts), "worker");
    (void)pause();
}

/* The moderator, until it is killed. */
static void moderate(char *endpoint, bool really)
{
    pthread_t threads[THREADS];

    must(secret_start(), "randomness");
    must(wire_start(), "wire");
    if (really) {
        open_worker(endpoint);
    }
    for (size_t index = 0; index < THREADS; index++) {
        must(pthread_create(&threads[index], NULL, answer_all, endpoint) == 0 ? STATUS_OK : STATUS_NO_MEMORY, "thread");
    }
    (void)pause();
}

struct bench {
    uv_loop_t loop;
    uv_async_t async;
    struct pool *pool;
    char texts[TEXTS_MAX][TEXT_BYTES];
    size_t text_count;
    size_t text; /* the next one */
    clockid_t moderator; /* its CPU */
    size_t in_flight;
    uint64_t end_ms;
    size_t count;
    uint32_t *hop_us; /* of each job: queue and judge together */
};

static void submit(struct bench *bench)
{
    struct job *job = NULL;

    must(job_open(&job, 0, NULL, &profile, BYTES(""), TEXT_BYTES_MAX), "job");
    must(job_add(job, &(struct segment){SCOPE_USER, {bench->texts[bench->text++ % bench->text_count], TEXT_BYTES}}), "text");
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

static double clock_us_of(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *left, const void *right)
{
    uint32_t one = *(const uint32_t *)left;
    uint32_t two = *(const uint32_t *)right;

    return one < two ? -1 : one > two;
}

struct figures {
    double tasks_s;
    double moderator_us;
    uint32_t p50_us;
};

static struct figures measure(struct bench *bench, size_t in_flight)
{
    uint64_t start_us = clock_us();
    double start_cpu_us = clock_us_of(CLOCK_PROCESS_CPUTIME_ID);
    double start_moderator_us = clock_us_of(bench->moderator);
    struct figures figures;
    size_t samples;
    double cpu;

    bench->count = 0;
    bench->end_ms = clock_ms() + RUN_MS;
    for (size_t index = 0; index < in_flight; index++) {
        submit(bench);
    }
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    figures.tasks_s = (double)bench->count * 1e6 / (double)(clock_us() - start_us);
    figures.moderator_us = (clock_us_of(bench->moderator) - start_moderator_us) / (double)bench->count;
    cpu = (clock_us_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu_us) / (double)bench->count;
    samples = bench->count < SAMPLES_MAX ? bench->count : SAMPLES_MAX;
    qsort(bench->hop_us, samples, sizeof *bench->hop_us, by_size);
    figures.p50_us = bench->hop_us[samples / 2];
    printf("%4zu in flight %8.0f tasks/s   CPU-us a task: gateway's side %6.1f, moderator %6.1f   p50 %5u us   p99 %5u us\n", in_flight,
           figures.tasks_s, cpu, figures.moderator_us, figures.p50_us, bench->hop_us[samples * 99 / 100]);
    return figures;
}

/* The file's ASCII. */
static void read_texts(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t count = 0;
    int byte;

    must(file == NULL ? STATUS_NOT_FOUND : STATUS_OK, path);
    while (count < sizeof bench->texts && (byte = getc(file)) != EOF) {
        if (byte < 0x80) {
            bench->texts[count / TEXT_BYTES][count % TEXT_BYTES] = (char)byte;
            count++;
        }
    }
    (void)fclose(file);
    bench->text_count = count / TEXT_BYTES;
    must(bench->text_count == 0 ? STATUS_MALFORMED : STATUS_OK, path);
}

/* CPU-us to score a text by the model, the best round. */
static double score_us(const struct bench *bench)
{
    struct model *model = bench_model();
    double best = HUGE_VAL;
    double sum = 0;

    for (int round = 0; round < SCORE_ROUNDS; round++) {
        double begin = clock_us_of(CLOCK_PROCESS_CPUTIME_ID);

        for (size_t index = 0; index < bench->text_count; index++) {
            sum += model_score(model, (struct bytes){bench->texts[index], TEXT_BYTES});
        }
        best = fmin(best, (clock_us_of(CLOCK_PROCESS_CPUTIME_ID) - begin) / (double)bench->text_count);
    }
    must(sum > 0 ? STATUS_OK : STATUS_MALFORMED, "score");
    model_close(&model);
    return best;
}

static bool tell_hop(struct figures idle, struct figures full)
{
    printf("hop when idle      %6u us (at most %u)\ntasks              %6.0f a second (at least %.0f)\n", idle.p50_us, HOP_US_MAX,
           full.tasks_s, TASKS_S_MIN);
    return idle.p50_us <= HOP_US_MAX && full.tasks_s >= TASKS_S_MIN;
}

static bool tell_judged(const struct bench *bench, struct figures full)
{
    double score = score_us(bench);

    printf("judged, end to end %6.2f us of the moderator's CPU (at most %.0f)\nscored             %6.2f us (at most %.0f)\n",
           full.moderator_us, JUDGED_US_MAX, score, SCORE_US_MAX);
    return full.moderator_us <= JUDGED_US_MAX && score <= SCORE_US_MAX;
}

int main(int argc, char **argv)
{
    static const size_t in_flight[] = {1, 8, 64, 256};
    struct figures figures[sizeof in_flight / sizeof in_flight[0]];
    bool really = argc > 2;
    bool met;
    struct bench *bench = calloc(1, sizeof *bench);
    struct pool_settings settings = {.queue_jobs = 1024, .queue_bytes = 64 * MIB, .queue_age_ms = 2000,
                                     .deadline_local_ms = 5000, .deadline_review_ms = 5000, .peers = SLOTS};
    struct pool_options options = {.settings = &settings, .text_bytes_max = TEXT_BYTES_MAX, .loop_count = 1, .loop_jobs_max = 1024,
                                   .wake = wake, .context = bench};
    const char *why;
    pid_t child;

    if (argc < 2) {
        return 2;
    }
    read_texts(bench, argv[1]);
    bench->hop_us = calloc(SAMPLES_MAX, sizeof *bench->hop_us);
    (void)snprintf(settings.bind, sizeof settings.bind, "tcp://127.0.0.1:%d", 20000 + (int)getpid() % 20000);
    child = fork(); /* before the first socket: a ZeroMQ context does not survive it */
    if (child == 0) {
        moderate(settings.bind, really);
        _exit(0);
    }
    must(clock_getcpuclockid(child, &bench->moderator) == 0 ? STATUS_OK : STATUS_UNAVAILABLE, "clock");
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
        figures[index] = measure(bench, in_flight[index]);
    }
    met = really ? tell_judged(bench, figures[3]) : tell_hop(figures[0], figures[3]);
    pool_close(&bench->pool);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    uv_close((uv_handle_t *)&bench->async, NULL);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&bench->loop);
    metrics_close(&options.metrics);
    free(bench->hop_us);
    free(bench);
    return met ? 0 : 1;
}
