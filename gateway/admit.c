/* admit: counters with bounds, and what each that is counted holds at most. */
#include "gateway/admit.h"

#include "gateway/memory_bound.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Taken first and looked at then: of two who come at once at the bound, one or none is let in, never both. */
struct budget {
    _Atomic uint64_t taken;
    uint64_t max;
    struct series *gauge;
};

struct admit {
    struct budget connections;
    uint64_t spare; /* of them, at the end: each hears why it is refused */
    struct budget requests;
    uint64_t connection_bytes; /* the share of each */
    uint64_t request_bytes;
    struct account connection_memory;
    struct account request_memory;
    struct budget decoders;
    struct budget brotli; /* those of them */
    struct account bodies;
    struct account unsent;
    struct addresses *addresses;
    struct hosts *hosts;
    struct addresses *clients;
    struct overload *overload;
};

static void budget_init(struct budget *budget, uint64_t max, struct metrics *metrics, const char *name, const char *help)
{
    budget->max = max;
    budget->gauge = metrics_series(metrics, METRIC_GAUGE, name, help, NULL, 0);
}

static bool take(struct budget *budget, uint64_t more, uint64_t *before)
{
    *before = atomic_fetch_add_explicit(&budget->taken, more, memory_order_relaxed);
    if (more > budget->max || *before > budget->max - more) {
        atomic_fetch_sub_explicit(&budget->taken, more, memory_order_relaxed);
        return false;
    }
    series_add(budget->gauge, (int64_t)more);
    return true;
}

static void give_back(struct budget *budget, uint64_t all)
{
    uint64_t before = atomic_fetch_sub_explicit(&budget->taken, all, memory_order_relaxed);

    assert(before >= all);
    series_add(budget->gauge, -(int64_t)all);
}

static uint64_t taken(const struct budget *budget)
{
    return atomic_load_explicit(&budget->taken, memory_order_relaxed);
}

static enum status open_tables(struct admit *admit, const struct limit_settings *limits, struct metrics *metrics)
{
    enum status status = addresses_open(&admit->addresses, admit->connections.max, limits->connections_per_address);

    if (status == STATUS_OK) { /* a connection has one request at a time */
        status = addresses_open(&admit->clients, admit->connections.max, limits->connections_per_address);
    }
    if (status == STATUS_OK) {
        status = hosts_open(&admit->hosts, limits->upstream_connections);
    }
    return status == STATUS_OK ? overload_open(&admit->overload, metrics) : status;
}

static void use_accounts(struct admit *admit)
{
    const struct account *unsent = &admit->unsent;

    overload_use_account(admit->overload, SIGNAL_BODIES, &admit->bodies, admit->bodies.limit_bytes);
    overload_use_account(admit->overload, SIGNAL_UNSENT, unsent, unsent->limit_bytes - unsent->limit_bytes / UNSENT_SPARED_PART);
    overload_use_account(admit->overload, SIGNAL_CONNECTIONS, &admit->connection_memory,
                         admit->connections.max * admit->connection_bytes);
    overload_use_account(admit->overload, SIGNAL_REQUESTS, &admit->request_memory, admit->request_memory.limit_bytes);
}

enum status admit_open(struct admit **out, const struct limit_settings *limits, struct metrics *metrics)
{
    struct admit *admit = calloc(1, sizeof *admit);

    if (admit == NULL) {
        return STATUS_NO_MEMORY;
    }
    admit->spare = SPARE_CONNECTIONS;
    budget_init(&admit->connections, limits->connections + admit->spare, metrics, "prismguard_gateway_connections",
                "Client connections that are open");
    budget_init(&admit->requests, limits->in_flight, metrics, "prismguard_gateway_in_flight",
                "Requests between their head and the end of their answer");
    budget_init(&admit->decoders, limits->decoders, metrics, "prismguard_gateway_decoders",
                "Compressed request bodies that are being decoded");
    budget_init(&admit->brotli, limits->decoders < DECODERS_BROTLI_MAX ? limits->decoders : DECODERS_BROTLI_MAX, metrics,
                "prismguard_gateway_decoders_brotli", "Those of them that are brotli");
    admit->connection_bytes = memory_bound_connection_bytes(limits);
    admit->request_bytes = memory_bound_request_bytes(limits);
    account_open(&admit->connection_memory, "connections", admit->connections.max * admit->connection_bytes, metrics);
    account_open(&admit->request_memory, "requests", admit->requests.max * admit->request_bytes, metrics);
    account_open(&admit->bodies, "bodies", limits->body_budget_bytes, metrics);
    account_open(&admit->unsent, "unsent", limits->stream_budget_bytes, metrics);
    if (open_tables(admit, limits, metrics) != STATUS_OK) {
        admit_close(&admit);
        return STATUS_NO_MEMORY;
    }
    use_accounts(admit);
    *out = admit;
    return STATUS_OK;
}

void admit_close(struct admit **admit)
{
    struct admit *closing = *admit;

    if (closing == NULL) {
        return;
    }
    addresses_close(&closing->addresses);
    hosts_close(&closing->hosts);
    addresses_close(&closing->clients);
    overload_close(&closing->overload);
    account_close(&closing->connection_memory);
    account_close(&closing->request_memory);
    account_close(&closing->bodies);
    account_close(&closing->unsent);
    free(closing);
    *admit = NULL;
}

uint64_t admit_fit(struct admit *admit, uint64_t descriptors)
{
    uint64_t most = descriptors / 10 * CONNECTIONS_OF_TEN_DESCRIPTORS;

    if (admit->connections.max > most) {
        admit->connections.max = most;
        admit->spare = most / 4 < admit->spare ? most / 4 : admit->spare;
        use_accounts(admit);
    }
    return admit->connections.max - admit->spare;
}

/* The share of one that was admitted: as many as its budget lets in have room. */
static void charge_share(struct account *account, uint64_t bytes)
{
    enum status status = account_charge(account, bytes);

    assert(status == STATUS_OK);
    (void)status;
}

enum status admit_connection(struct admit *admit)
{
    uint64_t before;

    if (!take(&admit->connections, 1, &before)) {
        return STATUS_AGAIN;
    }
    charge_share(&admit->connection_memory, admit->connection_bytes);
    return before < admit->connections.max - admit->spare ? STATUS_OK : STATUS_FULL;
}

void admit_connection_end(struct admit *admit)
{
    account_release(&admit->connection_memory, admit->connection_bytes);
    give_back(&admit->connections, 1);
}

struct addresses *admit_addresses(const struct admit *admit)
{
    return admit->addresses;
}

struct hosts *admit_hosts(const struct admit *admit)
{
    return admit->hosts;
}

struct addresses *admit_clients(const struct admit *admit)
{
    return admit->clients;
}

struct overload *admit_overload(const struct admit *admit)
{
    return admit->overload;
}

enum status admit_request(struct admit *admit)
{
    uint64_t before;

    if (!take(&admit->requests, 1, &before)) {
        return STATUS_FULL;
    }
    charge_share(&admit->request_memory, admit->request_bytes);
    return STATUS_OK;
}

void admit_request_end(struct admit *admit)
{
    account_release(&admit->request_memory, admit->request_bytes);
    give_back(&admit->requests, 1);
}

struct account *admit_bodies(struct admit *admit)
{
    return &admit->bodies;
}

struct account *admit_unsent(struct admit *admit)
{
    return &admit->unsent;
}

enum status admit_decoder(struct admit *admit, bool brotli)
{
    uint64_t before;

    if (!take(&admit->decoders, 1, &before)) {
        return STATUS_FULL;
    }
    if (brotli && !take(&admit->brotli, 1, &before)) {
        give_back(&admit->decoders, 1);
        return STATUS_FULL;
    }
    return STATUS_OK;
}

void admit_decoder_end(struct admit *admit, bool brotli)
{
    give_back(&admit->decoders, 1);
    if (brotli) {
        give_back(&admit->brotli, 1);
    }
}

uint64_t admit_in_flight(const struct admit *admit)
{
    return taken(&admit->requests);
}

uint64_t admit_body_bytes(const struct admit *admit)
{
    return account_bytes(&admit->bodies);
}

uint64_t admit_connections(const struct admit *admit)
{
    return taken(&admit->connections);
}
