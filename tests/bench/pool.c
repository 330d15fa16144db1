/* pool: a libuv loop and the pool in one process, moderators in others; tells tasks/s, CPU a task on both sides and latency.
 *
 * usage: bench_pool FILE            the hop: texts that the moderator knows; libzmq alone in turn with it
 *        bench_pool FILE judge      texts that are judged anew
 *        bench_pool FILE two [GROUP GROUP]    long ones, by one moderator with one thread and by two such, each in its control group
 *                                             where they are given (folders): that is what the goal is for
 *
 * Texts are taken from FILE; see tests/bench/pool and tests/bench/judge.
 */
#include "bench/bench.h"
#include "bench/pool_alone.h"

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
#include <sys/prctl.h>
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
    LONG_BYTES = 32 * KIB, /* judging is nearly all that is done, and is done in one step */
    TEXT_BYTES_MAX = MIB,
    FILE_BYTES_MAX = 256 * KIB,
    RUN_MS = 3000,
    TURN_MS = 1000,
    TURNS = 3, /* of libzmq alone and of ours */
    SCORE_ROUNDS = 15,
    SAMPLES_MAX = 1000000,
    MODERATORS_MAX = 2,      /* at a time */
    CHILDREN_MAX = 1 + TURNS, /* a second one anew in each turn */
    REST_US = 1500000,       /* a moderator that is gone is noticed within a second */
    TASKS_IN_FLIGHT = 256, /* four for each slot: they share messages */
    MANY_IN_FLIGHT = KIB,
    LONG_IN_FLIGHT = 32,
    PORTS = 6000
};

_Static_assert((int)SLOTS == (int)ALONE_SLOTS, "the same for both");

#define HOP_US_MAX 100u
#define TASKS_S_MIN 60000.0
#define JUDGED_US_MAX 15.0
#define SCORE_US_MAX 5.0
#define TWO_MIN 1.8

enum mode { MODE_HOP, MODE_JUDGE, MODE_TWO };

static const struct profile_settings profile = {
    .name = "default", .model_kind = MODEL_KIND_HASHLINEAR, .low = 0.2, .high = 0.8};

/* The moderator's own worker, until it is killed. */
static void moderate(const char *endpoint, enum mode mode, const char *identity)
{
    struct profile_settings profiles[] = {profile};
    struct settings settings = {.profiles = profiles, .profile_count = 1};
    struct worker_parts parts = {.identity = {identity, WORKER_ID_BYTES}};
    struct lookup_options options = {.endpoints = &settings.moderator.gateways, .what = "gateways"};
    struct worker *worker = NULL;

    must(secret_start(), "randomness");
    must(wire_start(), "wire");
    profiles[0].cache = (struct cache_settings){.entries = KIB, .ttl_ms = 3600000};
    settings.gateway.limits.moderated_text_bytes = TEXT_BYTES_MAX;
    settings.moderator.threads = mode == MODE_TWO ? 1 : THREADS;
    settings.moderator.slots = THREAD_SLOTS;
    settings.moderator.gateways.count = 1;
    (void)snprintf(settings.moderator.gateways.at[0], PATH_BYTES_MAX + 1, "%s", endpoint);
    must(rules_open(&parts.judge.rules, &settings, stderr), "rules");
    parts.judge.live = bench_live(1);
    must(metrics_open(&parts.metrics), "metrics");
    if (mode != MODE_TWO) {
        must(recent_open(&parts.judge.recent, parts.judge.live, parts.metrics), "recent");
        must(recent_fit(parts.judge.recent, &settings), "recent");
    }
    options.metrics = parts.metrics;
    must(lookup_open(&parts.gateways, &options), "gateways");
    must(worker_open(&worker, &parts), "worker");
    (void)pause();
}

struct bench {
    uv_loop_t loop;
    uv_async_t async;
    struct pool *pool;
    struct pool_settings settings;
    struct pool_options options;
    char *text; /* the file's ASCII, twice more behind its end */
    size_t text_count;
    size_t text_at;    /* of the next one */
    size_t text_step;  /* from one to the next; where it is no multiple of KIB they are more than the moderator keeps */
    size_t text_bytes; /* of each */
    pid_t children[CHILDREN_MAX]; /* moderators, started or to come */
    int begin[CHILDREN_MAX];      /* written to: the moderator starts */
    size_t child_count;
    size_t started_count;
    pid_t moderators[MODERATORS_MAX]; /* that are there */
    size_t moderator_count;
    const char *groups[MODERATORS_MAX]; /* control groups; NULL: none */
    pid_t alone; /* libzmq's slots */
    size_t in_flight;
    uint64_t end_ms;
    size_t count;
    uint32_t *hop_us; /* of each job: queue and judge together */
};

static void submit(struct bench *bench)
{
    struct job *job = NULL;
    struct bytes text = {bench->text + bench->text_at, bench->text_bytes};

    bench->text_at = (bench->text_at + bench->text_step) % bench->text_count;
    must(job_open(&job, 0, NULL, &profile, BYTES(""), TEXT_BYTES_MAX), "job");
    must(job_add(job, &(struct segment){SCOPE_USER, text}), "text");
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

static double cpu_us_of(pid_t process)
{
    clockid_t clock;

    must(clock_getcpuclockid(process, &clock) == 0 ? STATUS_OK : STATUS_UNAVAILABLE, "clock");
    return clock_us_of(clock);
}

static int by_size(const void *left, const void *right)
{
    uint32_t one = *(const uint32_t *)left;
    uint32_t two = *(const uint32_t *)right;

    return one < two ? -1 : one > two;
}

/* Sums while it is measured, then what they come to. */
struct figures {
    double tasks_s;
    double gateway_us; /* CPU a task */
    double moderator_us;
    double message_tasks; /* of each message of the pool */
    uint32_t p50_us;
    uint32_t p99_us;
};

static double moderators_cpu_us(const struct bench *bench, bool alone)
{
    double sum = alone ? cpu_us_of(bench->alone) : 0;

    for (size_t index = 0; !alone && index < bench->moderator_count; index++) {
        sum += cpu_us_of(bench->moderators[index]);
    }
    return sum;
}

static double counted(const struct bench *bench, const char *name)
{
    return (double)series_value(metrics_series(bench->options.metrics, METRIC_COUNTER, name, "", NULL, 0));
}

/* Messages that the pool has saved so far, since they would have been one for each task. */
static double messages_saved(const struct bench *bench)
{
    return counted(bench, "prismguard_gateway_pool_batched_tasks_total") - counted(bench, "prismguard_gateway_pool_batches_total");
}

/* By libzmq alone, if that is given, else by the pool. */
static struct figures measure(struct bench *bench, struct alone *alone, size_t in_flight, uint64_t run_ms)
{
    uint64_t start_us = clock_us();
    double gateway_us = clock_us_of(CLOCK_PROCESS_CPUTIME_ID);
    double moderator_us = moderators_cpu_us(bench, alone != NULL);
    double saved = messages_saved(bench);
    struct figures figures;
    size_t samples;

    bench->count = 0;
    if (alone != NULL) {
        bench->count = alone_run(alone, in_flight, run_ms, bench->hop_us, SAMPLES_MAX);
    } else {
        bench->end_ms = clock_ms() + run_ms;
        for (size_t index = 0; index < in_flight; index++) {
            submit(bench);
        }
        (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    }
    figures.tasks_s = (double)bench->count * 1e6 / (double)(clock_us() - start_us);
    figures.gateway_us = (clock_us_of(CLOCK_PROCESS_CPUTIME_ID) - gateway_us) / (double)bench->count;
    figures.moderator_us = (moderators_cpu_us(bench, alone != NULL) - moderator_us) / (double)bench->count;
    figures.message_tasks = (double)bench->count / ((double)bench->count - (messages_saved(bench) - saved));
    samples = bench->count < SAMPLES_MAX ? bench->count : SAMPLES_MAX;
    qsort(bench->hop_us, samples, sizeof *bench->hop_us, by_size);
    figures.p50_us = bench->hop_us[samples / 2];
    figures.p99_us = bench->hop_us[samples * 99 / 100];
    return figures;
}

static void tell(const char *who, size_t in_flight, struct figures figures)
{
    printf("%-12s %4zu in flight %8.0f tasks/s, %4.1f a message   CPU-us a task: gateway's side %6.1f, moderator %6.1f   "
           "p50 %5u us   p99 %5u us\n",
           who, in_flight, figures.tasks_s, figures.message_tasks, figures.gateway_us, figures.moderator_us, figures.p50_us,
           figures.p99_us);
    (void)fflush(stdout);
}

static struct figures measured(struct bench *bench, size_t in_flight)
{
    struct figures figures = measure(bench, NULL, in_flight, RUN_MS);

    tell("pool", in_flight, figures);
    return figures;
}

/* The file's ASCII. */
static void read_text(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "rb");
    int byte;

    must(file == NULL ? STATUS_NOT_FOUND : STATUS_OK, path);
    bench->text = calloc(3, FILE_BYTES_MAX);
    must(bench->text == NULL ? STATUS_NO_MEMORY : STATUS_OK, path);
    while (bench->text_count < FILE_BYTES_MAX && (byte = getc(file)) != EOF) {
        if (byte < 0x80) {
            bench->text[bench->text_count++] = (char)byte;
        }
    }
    (void)fclose(file);
    bench->text_count -= bench->text_count % KIB; /* always the same texts */
    must(bench->text_count < LONG_BYTES / 2 ? STATUS_MALFORMED : STATUS_OK, path);
    memcpy(bench->text + bench->text_count, bench->text, bench->text_count);
    memcpy(bench->text + 2 * bench->text_count, bench->text, bench->text_count);
}

/* CPU-us to score a text by the model, the best round. */
static double score_us(const struct bench *bench, struct model *model)
{
    struct model_room *room = NULL;
    double best = HUGE_VAL;
    double sum = 0;

    must(model_room_open(&room), "room");
    for (int round = 0; round < SCORE_ROUNDS; round++) {
        double begin = clock_us_of(CLOCK_PROCESS_CPUTIME_ID);

        for (size_t at = 0; at < bench->text_count; at += TEXT_BYTES) {
            sum += model_read(model, room, (struct bytes){bench->text + at, TEXT_BYTES}, NULL).probability;
        }
        best = fmin(best, (clock_us_of(CLOCK_PROCESS_CPUTIME_ID) - begin) / (double)(bench->text_count / TEXT_BYTES));
    }
    must(sum > 0 ? STATUS_OK : STATUS_MALFORMED, "score");
    model_room_close(&room);
    model_close(&model);
    return best;
}

/* Before the first socket: a ZeroMQ context does not survive it. A child ends with the bench, however that ends. */
static pid_t begin_child(void)
{
    pid_t bench = getpid();
    pid_t child = fork();

    if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != bench)) {
        _exit(1);
    }
    return child;
}

static void enter(const char *group)
{
    char path[PATH_BYTES_MAX + 1];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/cgroup.procs", group);
    file = fopen(path, "w");
    must(file != NULL && fprintf(file, "%d", (int)getpid()) > 0 && fclose(file) == 0 ? STATUS_OK : STATUS_IO, path);
}

static void start(struct bench *bench, enum mode mode, const char *alone_endpoint)
{
    char identity[] = "0123456789abcdef";

    bench->child_count = mode == MODE_TWO ? CHILDREN_MAX : 1;
    for (size_t index = 0; index < bench->child_count; index++) {
        const char *group = bench->groups[index > 0];
        int ends[2];

        identity[0]++; /* each is a process of its own */
        must(pipe(ends) == 0 ? STATUS_OK : STATUS_IO, "pipe");
        bench->begin[index] = ends[1];
        bench->children[index] = begin_child();
        if (bench->children[index] == 0) {
            char byte;

            must(read(ends[0], &byte, 1) == 1 ? STATUS_OK : STATUS_IO, "begin");
            if (group != NULL) {
                enter(group);
            }
            moderate(bench->settings.bind, mode, identity);
            _exit(0);
        }
    }
    bench->alone = mode == MODE_HOP ? begin_child() : -1;
    if (bench->alone == 0) {
        alone_moderate(alone_endpoint);
        _exit(0);
    }
}

static void kill_child(pid_t child)
{
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
}

static void end(const struct bench *bench)
{
    kill_child(bench->alone);
    for (size_t index = 0; index < bench->child_count; index++) {
        kill_child(bench->children[index]);
    }
}

/* Lets one more moderator begin, and waits for its slots. */
static void join(struct bench *bench)
{
    const char *why;

    must(write(bench->begin[bench->started_count], "b", 1) == 1 ? STATUS_OK : STATUS_IO, "begin");
    bench->moderators[bench->moderator_count++] = bench->children[bench->started_count++];
    while (!pool_ready(bench->pool, &why)) {
        (void)usleep(10000);
    }
    (void)usleep(500000); /* all of them */
}

/* Ends the last one that joined. */
static void leave(struct bench *bench)
{
    kill_child(bench->moderators[--bench->moderator_count]);
    bench->children[bench->started_count - 1] = -1;
    (void)usleep(REST_US);
}

static bool bench_hop(struct bench *bench, const char *alone_endpoint)
{
    static const size_t in_flight[] = {1, ALONE_SLOTS};
    struct alone alone;
    double cpu[2] = {0};
    double rate[2] = {0};
    struct figures idle = {.p50_us = UINT32_MAX};
    struct figures full = {0};

    alone_open(&alone, alone_endpoint);
    for (size_t turn = 0; turn < 2 * TURNS; turn++) {
        struct figures by_zmq = measure(bench, &alone, in_flight[turn % 2], TURN_MS);
        struct figures ours = measure(bench, NULL, in_flight[turn % 2], TURN_MS);

        tell("libzmq alone", in_flight[turn % 2], by_zmq);
        tell("pool", in_flight[turn % 2], ours);
        if (turn % 2 == 0) {
            idle = ours.p50_us < idle.p50_us ? ours : idle;
            continue;
        }
        cpu[0] += by_zmq.gateway_us + by_zmq.moderator_us;
        cpu[1] += ours.gateway_us + ours.moderator_us;
        rate[0] += by_zmq.tasks_s;
        rate[1] += ours.tasks_s;
    }
    alone_close(&alone);
    for (size_t turn = 0; turn < TURNS; turn++) {
        struct figures ours = measure(bench, NULL, TASKS_IN_FLIGHT, TURN_MS);

        tell("pool", TASKS_IN_FLIGHT, ours);
        full = ours.tasks_s > full.tasks_s ? ours : full;
    }
    printf("to libzmq alone    %6.2f x its tasks a second, %.2f x its CPU a task, with %u in flight\n", rate[1] / rate[0], cpu[1] / cpu[0],
           ALONE_SLOTS);
    printf("hop when idle      %6u us, the best of %u turns (at most %u)\n", idle.p50_us, TURNS, HOP_US_MAX);
    printf("tasks              %6.0f a second, the best (at least %.0f); by their CPU two whole cores do %.0f\n", full.tasks_s,
           TASKS_S_MIN, 2e6 / (full.gateway_us + full.moderator_us));
    return idle.p50_us <= HOP_US_MAX && full.tasks_s >= TASKS_S_MIN;
}

static bool bench_judge(struct bench *bench)
{
    struct figures alone;
    struct figures full;
    struct figures most;
    double score;

    (void)measured(bench, 1);
    (void)measured(bench, 8);
    alone = measured(bench, SLOTS);
    full = measured(bench, TASKS_IN_FLIGHT);
    most = measured(bench, MANY_IN_FLIGHT);
    score = score_us(bench, bench_trained_model());
    printf("judged, end to end %6.2f us of the moderator's CPU, %.1f a message, with %u under way (at most %.0f)\n", full.moderator_us,
           full.message_tasks, TASKS_IN_FLIGHT, JUDGED_US_MAX);
    printf("judged, at most    %6.2f us, %.1f a message, where no more are under way than slots\n", alone.moderator_us,
           alone.message_tasks);
    printf("judged, at least   %6.2f us, %.1f a message, with %u under way\n", most.moderator_us, most.message_tasks, MANY_IN_FLIGHT);
    printf("scored             %6.2f us (at most %.0f)\n", score, SCORE_US_MAX);
    printf("  by the largest   %6.2f us\n", score_us(bench, bench_model(MODEL_TABLE_BITS_MAX, MODEL_INT8)));
    return full.moderator_us <= JUDGED_US_MAX && score <= SCORE_US_MAX;
}

/* One and two in turn: what else the machine does meets both. */
static bool bench_two(struct bench *bench)
{
    bool limited = bench->groups[0] != NULL;
    double sums[MODERATORS_MAX] = {0}; /* tasks a second by one, by two */

    bench->text_bytes = LONG_BYTES;
    for (size_t turn = 0; turn < TURNS; turn++) {
        sums[0] += measured(bench, LONG_IN_FLIGHT).tasks_s;
        join(bench);
        sums[1] += measured(bench, LONG_IN_FLIGHT).tasks_s;
        leave(bench);
    }
    printf("two moderators     %6.2f x the tasks of one, %u turns each, ", sums[1] / sums[0], TURNS);
    if (!limited) {
        printf("all of them, the client and the gateway on whatever cores there are\n");
        return true;
    }
    printf("each with its share of a core (at least %.1f)\n", TWO_MIN);
    return sums[1] / sums[0] >= TWO_MIN;
}

static void open_pool(struct bench *bench)
{
    must(secret_start(), "randomness");
    must(wire_start(), "wire");
    bench->options = (struct pool_options){.settings = &bench->settings, .text_bytes_max = TEXT_BYTES_MAX, .loop_count = 1,
                                           .loop_jobs_max = KIB, .wake = wake, .context = bench};
    must(metrics_open(&bench->options.metrics), "metrics");
    (void)uv_loop_init(&bench->loop);
    (void)uv_async_init(&bench->loop, &bench->async, take);
    bench->async.data = bench;
    must(pool_open(&bench->pool, &bench->options), "pool");
}

static void close_pool(struct bench *bench)
{
    pool_close(&bench->pool);
    uv_close((uv_handle_t *)&bench->async, NULL);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&bench->loop);
    metrics_close(&bench->options.metrics);
}

int main(int argc, char **argv)
{
    const char *word = argc > 2 ? argv[2] : "";
    enum mode mode = strcmp(word, "judge") == 0 ? MODE_JUDGE : strcmp(word, "two") == 0 ? MODE_TWO : MODE_HOP;
    struct bench *bench = calloc(1, sizeof *bench);
    char alone_endpoint[PATH_BYTES_MAX + 1];
    int port = 20000 + (int)getpid() % PORTS; /* below those that connections get */
    bool met;

    if (argc < 2 || bench == NULL) {
        return 2;
    }
    read_text(bench, argv[1]);
    for (int index = 0; mode == MODE_TWO && argc == 5 && index < MODERATORS_MAX; index++) {
        bench->groups[index] = argv[3 + index];
    }
    bench->text_bytes = TEXT_BYTES;
    bench->text_step = mode == MODE_JUDGE ? KIB + 1 : KIB;
    bench->hop_us = calloc(SAMPLES_MAX, sizeof *bench->hop_us);
    bench->settings = (struct pool_settings){.queue_jobs = KIB, .queue_bytes = 64 * MIB, .queue_age_ms = 5000,
                                             .deadline_local_ms = 10000, .deadline_review_ms = 5000, .peers = 2 * SLOTS};
    (void)snprintf(bench->settings.bind, sizeof bench->settings.bind, "tcp://127.0.0.1:%d", port);
    (void)snprintf(alone_endpoint, sizeof alone_endpoint, "tcp://127.0.0.1:%d", port + PORTS);
    start(bench, mode, alone_endpoint);
    open_pool(bench);
    join(bench);
    met = mode == MODE_HOP ? bench_hop(bench, alone_endpoint) : mode == MODE_JUDGE ? bench_judge(bench) : bench_two(bench);
    close_pool(bench);
    end(bench);
    free(bench->hop_us);
    free(bench->text);
    free(bench);
    return met ? 0 : 1;
}
