/* main: the gateway's start and end: settings, budgets, loops, pool, admin port, drain. */
#include "gateway/admit.h"
#include "gateway/key.h"
#include "gateway/loop.h"
#include "gateway/memory_bound.h"
#include "gateway/pool.h"
#include "gateway/server.h"
#include "gateway/snapshot.h"
#include "gateway/watch.h"
#include "proto/admin.h"
#include "proto/clock.h"
#include "proto/descriptors.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/metrics.h"
#include "proto/program.h"
#include "proto/wire.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct gateway {
    struct program *program;
    const struct settings *settings;
    struct metrics *metrics;
    struct wire_security *security; /* NULL: no CURVE, loopback only */
    struct snapshot *snapshot; /* of the requests to come */
    struct admit *admit;
    struct pool *pool;
    struct admin *admin;
    struct server_address address;
    struct loop **loops;
    size_t loop_count;
    struct watch *watch;
    _Atomic bool ending;
    char what[PATH_BYTES_MAX + 64]; /* is being attempted, for the one line about a failed start */
};

static void wake(void *context, size_t loop_index)
{
    struct gateway *gateway = context;

    loop_wake(gateway->loops[loop_index]);
}

static bool is_alive(void *context, const char **why)
{
    const struct gateway *gateway = context;

    return watch_is_alive(gateway->watch, why);
}

static bool is_ready(void *context, const char **why)
{
    struct gateway *gateway = context;

    if (atomic_load(&gateway->ending)) {
        *why = "shutting down";
        return false;
    }
    return is_alive(context, why) && pool_ready(gateway->pool, why);
}

/* Every connection, upstream and moderator is a descriptor; the default of 1,024 is a shell's, not a server's. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum status open_budgets(struct gateway *gateway)
{
    const struct settings *settings = gateway->settings;
    enum status status = admit_open(&gateway->admit, &settings->gateway.limits, gateway->metrics);
    uint64_t wanted = settings->gateway.limits.connections + SPARE_CONNECTIONS + settings->gateway.limits.in_flight +
                      settings->moderation.peers + DESCRIPTORS_OWN;
    uint64_t limit, connections;

    if (status != STATUS_OK) {
        return status;
    }
    raise_descriptor_limit();
    limit = descriptors_limit();
    connections = admit_fit(gateway->admit, limit);
    if (limit < wanted || connections < settings->gateway.limits.connections) {
        log_event(LOG_WARN, "descriptors_few", LOG_NUMBER("limit", limit), LOG_NUMBER("wanted", wanted),
                  LOG_NUMBER("connections", connections));
    }
    return STATUS_OK;
}

static enum status open_loops(struct gateway *gateway)
{
    size_t wanted = memory_bound_loops(gateway->settings);
    struct loop_options options = {
        .count = wanted, .snapshot = gateway->snapshot, .admit = gateway->admit, .metrics = gateway->metrics};
    enum status status = server_vacant(&gateway->address);

    gateway->loops = calloc(wanted, sizeof gateway->loops[0]);
    if (gateway->loops == NULL) {
        return STATUS_NO_MEMORY;
    }
    while (status == STATUS_OK && gateway->loop_count < wanted) {
        options.index = gateway->loop_count;
        status = loop_open(&gateway->loops[options.index], &options, &gateway->address);
        gateway->loop_count += status == STATUS_OK ? 1 : 0;
    }
    return status;
}

static enum status open_pool(struct gateway *gateway)
{
    struct pool_options options = {
        .settings = &gateway->settings->moderation,
        .text_bytes_max = gateway->settings->gateway.limits.moderated_text_bytes,
        .loop_count = gateway->loop_count,
        .loop_jobs_max = gateway->settings->gateway.limits.in_flight * MODERATION_JOBS_MAX,
        .metrics = gateway->metrics,
        .security = gateway->security,
        .wake = wake,
        .context = gateway,
    };

    return pool_open(&gateway->pool, &options);
}

static enum status start_loops(struct gateway *gateway)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < gateway->loop_count; index++) {
        status = loop_start(gateway->loops[index], gateway->pool);
    }
    return status;
}

static enum status open_watch(struct gateway *gateway)
{
    struct watch_options options = {
        .admit = gateway->admit,
        .pool = gateway->pool,
        .queue_age_ms = gateway->settings->moderation.queue_age_ms,
        .pulse_count = gateway->loop_count + 1,
    };
    struct pulse **pulses = calloc(options.pulse_count, sizeof pulses[0]);
    enum status status;

    if (pulses == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < gateway->loop_count; index++) {
        pulses[index] = loop_pulse(gateway->loops[index]);
    }
    pulses[gateway->loop_count] = pool_pulse(gateway->pool);
    options.pulses = pulses;
    status = watch_open(&gateway->watch, &options);
    free(pulses);
    return status;
}

static enum status open_admin(struct gateway *gateway)
{
    struct admin_hooks hooks = {.alive = is_alive, .ready = is_ready, .context = gateway};

    if (gateway->settings->gateway.admin_listen[0] == '\0') {
        return STATUS_OK;
    }
    return admin_open(&gateway->admin, gateway->settings->gateway.admin_listen, gateway->metrics, &hooks);
}

static enum status open_snapshot(struct gateway *gateway)
{
    return snapshot_open(&gateway->snapshot, gateway->settings, NULL, gateway->metrics, stderr);
}

/* Routes, their keys and profiles, callers, times, and whom CURVE lets in; the listeners and all that is waiting or running stay
 * (house D15). */
static enum status reload(void *context, struct settings **fresh, FILE *errors)
{
    struct gateway *gateway = context;
    struct snapshot *next = NULL;
    enum status status = snapshot_open(&next, *fresh, gateway->snapshot, gateway->metrics, errors);

    if (status == STATUS_OK && gateway->security != NULL) {
        status = wire_security_reload(gateway->security);
        if (status != STATUS_OK) {
            (void)fprintf(errors, "%s: curve.dir: the keys cannot be used: %s\n", (*fresh)->file, status_sentence(status));
        }
    }
    if (status != STATUS_OK) {
        snapshot_release(&next);
        return status;
    }
    snapshot_own(next, *fresh);
    *fresh = NULL;
    for (size_t index = 0; index < gateway->loop_count; index++) {
        loop_use_snapshot(gateway->loops[index], next);
    }
    snapshot_release(&gateway->snapshot);
    gateway->snapshot = next;
    return STATUS_OK;
}

static enum status open_metrics(struct gateway *gateway)
{
    return metrics_open(&gateway->metrics);
}

static enum status open_security(struct gateway *gateway)
{
    return wire_security_start(&gateway->security, gateway->settings->curve.dir, WIRE_GATEWAY, gateway->metrics);
}

static enum status find_address(struct gateway *gateway)
{
    return server_address(&gateway->address, gateway->settings->gateway.listen);
}

static enum status start_wire(struct gateway *gateway)
{
    (void)gateway;
    return wire_start();
}

/* Opens all of it in order; gateway->what names the attempt that failed. */
static enum status open_parts(struct gateway *gateway)
{
    const struct gateway_settings *settings = &gateway->settings->gateway;
    const struct {
        const char *what;
        const char *where;
        enum status (*open)(struct gateway *gateway);
    } parts[] = {
        {"start ZeroMQ", "", start_wire},
        {"make the metrics", "", open_metrics},
        {"use the keys in ", gateway->settings->curve.dir, open_security},
        {"make the budgets", "", open_budgets},
        {"read the routes", "", open_snapshot},
        {"find the address ", settings->listen, find_address},
        {"listen on ", settings->listen, open_loops},
        {"listen for moderators on ", gateway->settings->moderation.bind, open_pool},
        {"start the loops", "", start_loops},
        {"watch the threads", "", open_watch},
        {"listen for admins on ", settings->admin_listen, open_admin},
    };
    enum status status = STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < sizeof parts / sizeof parts[0]; index++) {
        (void)snprintf(gateway->what, sizeof gateway->what, "%s%s", parts[index].what, parts[index].where);
        status = parts[index].open(gateway);
    }
    return status;
}

/* Tells where it listens, with the ports that were really taken. */
static void announce(const struct gateway *gateway)
{
    struct buffer address;

    buffer_init(&address, PATH_BYTES_MAX);
    if (server_address_text(&gateway->address, &address) == STATUS_OK) {
        log_event(LOG_INFO, "listening", LOG_BYTES("address", buffer_view(&address)),
                  LOG_NUMBER("admin_port", gateway->admin == NULL ? 0 : admin_port(gateway->admin)),
                  LOG_TEXT("moderation", pool_endpoint(gateway->pool)), LOG_NUMBER("threads", gateway->loop_count));
    }
    buffer_free(&address);
    memory_bound_export(program_memory(gateway->program), gateway->metrics);
    log_event(LOG_INFO, "ready", LOG_TEXT("version", PRISMGUARD_VERSION));
}

/* Unready, but everybody is served: a balancer that asks /readyz has limits.drain_lead to look elsewhere. A second signal ends
 * the process here as well. */
static void lead(struct gateway *gateway)
{
    uint64_t lead_ms = snapshot_settings(gateway->snapshot)->gateway.limits.drain_lead_ms;
    uint64_t end_ms = clock_ms() + lead_ms;
    uint64_t now_ms;

    atomic_store(&gateway->ending, true);
    for (size_t index = 0; index < gateway->loop_count; index++) {
        loop_lead(gateway->loops[index]);
    }
    log_event(LOG_INFO, "unready", LOG_NUMBER("lead_ms", lead_ms));
    while ((now_ms = clock_ms()) < end_ms) {
        (void)poll(NULL, 0, (int)(end_ms - now_ms));
    }
    log_event(LOG_INFO, "draining", LOG_NUMBER("in_flight", admit_in_flight(gateway->admit)));
}

/* Begins nothing more, lets what runs come to its end within limits.drain, then ends it (house, walks; loop.h). */
static void close_parts(struct gateway *gateway)
{
    atomic_store(&gateway->ending, true);
    server_address_close(&gateway->address);
    for (size_t index = 0; index < gateway->loop_count; index++) {
        loop_drain(gateway->loops[index]);
    }
    for (size_t index = 0; index < gateway->loop_count; index++) {
        loop_join(gateway->loops[index]);
    }
    admin_close(&gateway->admin);
    watch_close(&gateway->watch);
    pool_close(&gateway->pool);
    wire_security_close(&gateway->security);
    for (size_t index = 0; index < gateway->loop_count; index++) {
        loop_close(&gateway->loops[index]);
    }
    free(gateway->loops);
    snapshot_release(&gateway->snapshot);
    admit_close(&gateway->admit);
    metrics_close(&gateway->metrics);
}

static const struct program_service service = {
    .name = "gateway",
    .purpose = "judges and relays requests to LLM APIs; prismguard-gateway key NAME makes a key for a caller",
    .memory = memory_bound_reckon,
    .memory_binds = true,
    .check = snapshot_check,
};

int main(int argc, char **argv)
{
    struct gateway gateway = {0};
    enum status status;
    int code;

    if (argc > 1 && strcmp(argv[1], "key") == 0) {
        return key_command(argc, argv, stdout, stderr);
    }
    code = program_open(&gateway.program, &service, argc, argv);

    if (gateway.program == NULL) {
        return code;
    }
    gateway.settings = program_settings(gateway.program);
    status = open_parts(&gateway);
    if (status == STATUS_OK) {
        announce(&gateway);
        program_on_reload(gateway.program, reload, gateway.metrics, &gateway);
        program_wait_for_end(gateway.program);
        lead(&gateway);
    } else {
        code = program_fail(gateway.program, gateway.what, status);
    }
    close_parts(&gateway);
    program_close(&gateway.program);
    return status == STATUS_OK ? PROGRAM_OK : code;
}
