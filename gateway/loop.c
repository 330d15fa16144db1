/* loop: the thread, its turn, and its end. */
#include "gateway/loop.h"

#include "gateway/connection_set.h"
#include "gateway/exchange.h"
#include "gateway/pace.h"
#include "gateway/upstream.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

enum life { LIFE_RUNNING, LIFE_DRAINING, LIFE_ENDING, LIFE_ENDED };

struct loop {
    struct gateway_settings settings; /* a copy: the times in it change with a reload, in the loop's own turn */
    pthread_t thread;
    bool started;
    uint64_t tick_ns; /* the last one, and how long the loop had slept until then */
    uint64_t slept_ns;
    uv_loop_t uv;
    bool uv_open;
    uv_async_t wake;
    uv_timer_t tick;
    uv_check_t turn_end; /* sockets have been served */
    uv_idle_t awake;     /* while it runs, the loop looks at its sockets without sleeping */
    struct pool *pool;
    struct server *server;
    struct connection_set *connections;
    struct connection_events events;
    struct upstream *upstream;
    struct exchanges *exchanges;
    struct pace *pace;
    struct admit *admit;
    size_t index;
    enum life life;
    uint64_t drain_began_ms;
    _Atomic(struct snapshot *) next; /* held; to be used from the next turn on */
    _Atomic bool lead_wanted;
    _Atomic bool drain_wanted;
    struct pulse pulse;
};

static void begin_drain(struct loop *loop)
{
    loop->life = LIFE_DRAINING;
    loop->drain_began_ms = clock_ms();
    server_end(loop->server);
    connection_set_drain(loop->connections);
}

/* Whether it is time for the next part of the end. */
static void go_on_ending(struct loop *loop)
{
    uint64_t drained_ms = clock_ms() - loop->drain_began_ms;

    if (loop->life == LIFE_DRAINING && drained_ms >= loop->settings.limits.drain_ms) {
        loop->life = LIFE_ENDING;
        server_close(&loop->server);
        connection_set_end_now(loop->connections);
    }
    if (loop->life == LIFE_DRAINING && loop->server != NULL && connection_set_is_over(loop->connections)) {
        server_close(&loop->server);
    }
    if (loop->life == LIFE_ENDING && drained_ms >= loop->settings.limits.drain_ms + DRAIN_LAST_MS) {
        connection_set_abort(loop->connections);
    }
    if (loop->server == NULL && connection_set_count(loop->connections) == 0) {
        loop->life = LIFE_ENDED;
        uv_stop(&loop->uv);
    }
}

static void take_snapshot(struct loop *loop)
{
    struct snapshot *next = atomic_exchange_explicit(&loop->next, NULL, memory_order_acq_rel);

    if (next != NULL) {
        loop->settings = snapshot_settings(next)->gateway;
        connection_set_use_limits(loop->connections);
        exchanges_use_snapshot(loop->exchanges, next);
        snapshot_release(&next);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    struct job *job = NULL;
    int count = 0;

    while (loop->pool != NULL && count < PACE_BEGINS && (job = pool_take(loop->pool, loop->index)) != NULL) {
        exchange_judged(job);
        count++;
    }
    if (count == PACE_BEGINS) { /* the others in the next turn, as with requests that begin */
        (void)uv_async_send(wake);
    }
    take_snapshot(loop);
    if (loop->life == LIFE_RUNNING && atomic_load_explicit(&loop->drain_wanted, memory_order_relaxed)) {
        begin_drain(loop);
    } else if (loop->life == LIFE_RUNNING && atomic_load_explicit(&loop->lead_wanted, memory_order_relaxed)) {
        connection_set_lead(loop->connections);
    }
}

/* How much of it the loop has slept. */
static void tell_tick(struct loop *loop)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t slept_ns = uv_metrics_idle_time(&loop->uv);

    pace_tick(loop->pace, slept_ns - loop->slept_ns, now_ns - loop->tick_ns);
    loop->tick_ns = now_ns;
    loop->slept_ns = slept_ns;
}

static void on_tick(uv_timer_t *tick)
{
    struct loop *loop = tick->data;

    pulse_beat(&loop->pulse);
    tell_tick(loop);
    connection_set_tick(loop->connections);
    exchanges_tick(loop->exchanges);
    upstream_tick(loop->upstream);
    if (loop->server != NULL) {
        server_room(loop->server);
    }
    if (loop->life != LIFE_RUNNING) {
        go_on_ending(loop);
    }
}

static void on_awake(uv_idle_t *awake)
{
    (void)awake; /* running is all it does */
}

/* Asked for by a timer, or at the end of the upstream's turn: without this it would wait for the next event. */
static void on_turn_wanted(void *owner)
{
    struct loop *loop = owner;

    (void)uv_idle_start(&loop->awake, on_awake);
}

static void on_turn_end(uv_check_t *turn_end)
{
    struct loop *loop = turn_end->data;

    exchanges_turn(loop->exchanges);
    connection_set_turn(loop->connections);
    if (loop->server != NULL && !pace_is_held(loop->pace)) {
        server_room(loop->server);
    }
    if (exchanges_want_turn(loop->exchanges)) {
        on_turn_wanted(loop);
    } else {
        (void)uv_idle_stop(&loop->awake);
    }
}

static void on_connection_closed(void *owner)
{
    struct loop *loop = owner;

    admit_connection_end(loop->admit);
    if (loop->server != NULL) {
        server_room(loop->server);
    }
}

/* Everything but the handles that only libuv can end. */
static enum status open_parts(struct loop *loop, const struct loop_options *options, struct server_address *address)
{
    const struct limit_settings *limits = &loop->settings.limits;
    struct exchange_services services = {
        .snapshot = options->snapshot,
        .limits = limits,
        .admit = options->admit,
        .metrics = options->metrics,
        .loop_index = options->index,
    };
    const struct upstream_part part = {admit_hosts(options->admit), options->index, options->count};
    enum status status = upstream_open(&loop->upstream, &loop->uv, &loop->settings, &part, options->metrics);

    if (status == STATUS_OK) {
        status = pace_open(&loop->pace, options->metrics);
    }
    services.upstream = loop->upstream;
    services.pace = loop->pace;
    if (status == STATUS_OK) {
        status = exchanges_open(&loop->exchanges, &services);
    }
    if (status == STATUS_OK) {
        loop->events = exchanges_events(loop->exchanges);
        loop->events.closed = on_connection_closed;
        loop->events.turn_wanted = on_turn_wanted;
        loop->events.owner = loop;
        status = connection_set_open(&loop->connections, &loop->uv, limits, options->admit, options->metrics,
                                     &loop->events);
    }
    if (status == STATUS_OK) {
        status = server_open(&loop->server, &loop->uv, address, loop->connections, options->admit, loop->pace);
    }
    return status;
}

static void set_data(struct loop *loop)
{
    loop->wake.data = loop;
    loop->tick.data = loop;
    loop->turn_end.data = loop;
    loop->awake.data = loop;
}

/* None of these can fail once the loop exists, but for the one that takes a file descriptor. */
static enum status open_handles(struct loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0) {
        return STATUS_NO_MEMORY;
    }
    loop->uv_open = true;
    if (uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) != 0) {
        return STATUS_UNSUPPORTED;
    }
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        return STATUS_IO;
    }
    (void)uv_timer_init(&loop->uv, &loop->tick);
    (void)uv_check_init(&loop->uv, &loop->turn_end);
    (void)uv_idle_init(&loop->uv, &loop->awake);
    (void)uv_timer_start(&loop->tick, on_tick, LOOP_TICK_MS, LOOP_TICK_MS);
    (void)uv_check_start(&loop->turn_end, on_turn_end);
    set_data(loop);
    return STATUS_OK;
}

enum status loop_open(struct loop **out, const struct loop_options *options, struct server_address *address)
{
    struct loop *loop = calloc(1, sizeof *loop);
    enum status status;

    if (loop == NULL) {
        return STATUS_NO_MEMORY;
    }
    loop->settings = snapshot_settings(options->snapshot)->gateway;
    loop->index = options->index;
    loop->admit = options->admit;
    status = open_handles(loop);
    if (status == STATUS_OK) {
        status = open_parts(loop, options, address);
    }
    if (status != STATUS_OK) {
        loop_close(&loop);
        return status;
    }
    *out = loop;
    return STATUS_OK;
}

static void *run(void *context)
{
    struct loop *loop = context;

    (void)pthread_setname_np(pthread_self(), loop->pulse.name);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    pulse_end(&loop->pulse);
    return NULL;
}

enum status loop_start(struct loop *loop, struct pool *pool)
{
    loop->pool = pool;
    exchanges_use_pool(loop->exchanges, pool);
    pulse_begin(&loop->pulse, "loop", LOOP_TICK_MS);
    if (pthread_create(&loop->thread, NULL, run, loop) != 0) {
        pulse_end(&loop->pulse);
        return STATUS_NO_MEMORY;
    }
    loop->started = true;
    return STATUS_OK;
}

void loop_wake(struct loop *loop)
{
    (void)uv_async_send(&loop->wake);
}

void loop_use_snapshot(struct loop *loop, struct snapshot *snapshot)
{
    struct snapshot *unused = atomic_exchange_explicit(&loop->next, snapshot_hold(snapshot), memory_order_acq_rel);

    snapshot_release(&unused);
    (void)uv_async_send(&loop->wake);
}

void loop_lead(struct loop *loop)
{
    atomic_store_explicit(&loop->lead_wanted, true, memory_order_relaxed);
    (void)uv_async_send(&loop->wake);
}

void loop_drain(struct loop *loop)
{
    atomic_store_explicit(&loop->drain_wanted, true, memory_order_relaxed);
    (void)uv_async_send(&loop->wake);
}

struct pulse *loop_pulse(struct loop *loop)
{
    return &loop->pulse;
}

void loop_join(struct loop *loop)
{
    if (loop->started) {
        (void)pthread_join(loop->thread, NULL);
        loop->started = false;
    }
}

static void upstream_closed(void *context)
{
    (void)context; /* nothing waits for it: uv_run below ends when the last handle is closed */
}

void loop_close(struct loop **out)
{
    struct loop *loop = *out;
    struct snapshot *unused;

    if (loop == NULL) {
        return;
    }
    assert(!loop->started);
    server_close(&loop->server);
    if (loop->upstream != NULL) {
        upstream_close(loop->upstream, upstream_closed, NULL);
    }
    if (loop->uv_open) {
        uv_handle_t *own[] = {(uv_handle_t *)&loop->wake, (uv_handle_t *)&loop->tick, (uv_handle_t *)&loop->turn_end,
                              (uv_handle_t *)&loop->awake};

        for (size_t index = 0; index < sizeof own / sizeof own[0]; index++) {
            if (own[index]->data != NULL) { /* it was opened */
                uv_close(own[index], NULL);
            }
        }
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&loop->uv);
    }
    connection_set_close(&loop->connections);
    exchanges_close(&loop->exchanges);
    pace_close(&loop->pace);
    unused = atomic_load(&loop->next);
    snapshot_release(&unused);
    free(loop);
    *out = NULL;
}
