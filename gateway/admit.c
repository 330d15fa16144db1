/* admit: counters with bounds. */
#include "gateway/admit.h"

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
    struct budget requests;
    struct budget body_bytes;
    struct budget decoders;
    struct budget brotli; /* those of them */
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

enum status admit_open(struct admit **out, const struct limit_settings *limits, struct metrics *metrics)
{
    struct admit *admit = calloc(1, sizeof *admit);

    if (admit == NULL) {
        return STATUS_NO_MEMORY;
    }
    budget_init(&admit->connections, limits->connections + SPARE_CONNECTIONS, metrics, "prismguard_gateway_connections",
                "Client connections that are open");
    budget_init(&admit->requests, limits->in_flight, metrics, "prismguard_gateway_in_flight",
                "Requests between their head and the end of their answer");
    budget_init(&admit->body_bytes, limits->body_budget_bytes, metrics, "prismguard_gateway_body_bytes",
                "Memory held for request bodies");
    budget_init(&admit->decoders, limits->decoders, metrics, "prismguard_gateway_decoders",
                "Compressed request bodies that are being decoded");
    budget_init(&admit->brotli, limits->decoders < DECODERS_BROTLI_MAX ? limits->decoders : DECODERS_BROTLI_MAX, metrics,
                "prismguard_gateway_decoders_brotli", "Those of them that are brotli");
    *out = admit;
    return STATUS_OK;
}

void admit_close(struct admit **admit)
{
    free(*admit);
    *admit = NULL;
}

enum status admit_connection(struct admit *admit)
{
    uint64_t before;

    if (!take(&admit->connections, 1, &before)) {
        return STATUS_AGAIN;
    }
    return before < admit->connections.max - SPARE_CONNECTIONS ? STATUS_OK : STATUS_FULL;
}

void admit_connection_end(struct admit *admit)
{
    give_back(&admit->connections, 1);
}

enum status admit_request(struct admit *admit)
{
    uint64_t before;

    return take(&admit->requests, 1, &before) ? STATUS_OK : STATUS_FULL;
}

void admit_request_end(struct admit *admit)
{
    give_back(&admit->requests, 1);
}

enum status admit_body(struct admit *admit, size_t more_bytes)
{
    uint64_t before;

    return take(&admit->body_bytes, more_bytes, &before) ? STATUS_OK : STATUS_FULL;
}

void admit_body_end(struct admit *admit, size_t all_bytes)
{
    give_back(&admit->body_bytes, all_bytes);
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
    return taken(&admit->body_bytes);
}

uint64_t admit_connections(const struct admit *admit)
{
    return taken(&admit->connections);
}
