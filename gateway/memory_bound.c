/* memory_bound: one line for each thing in the gateway that holds memory. */
#include "gateway/memory_bound.h"

#include "proto/limits.h"
#include "proto/prints.h"

#include <unistd.h>

enum { FIELD_BYTES = 32 }; /* where a field stands, in the lists of a request, its forwarding and its transfer */

size_t memory_bound_loops(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->gateway.threads != SETTINGS_AUTO) {
        return (size_t)settings->gateway.threads;
    }
    return cores > 0 ? (size_t)cores : 1;
}

static uint64_t least(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

uint64_t memory_bound_connection_bytes(const struct limit_settings *limits)
{
    return MEMORY_CONNECTION_BYTES + limits->header_bytes + limits->header_fields * FIELD_BYTES + READ_AHEAD_BYTES_MAX;
}

uint64_t memory_bound_request_bytes(const struct limit_settings *limits)
{
    uint64_t forwarded = limits->header_bytes + FORWARDED_BYTES_OWN + 3 * limits->header_line_bytes /* URL and answer's */ +
                         limits->header_fields * FIELD_BYTES;

    return MEMORY_EXCHANGE_BYTES + MEMORY_TRANSFER_BYTES + forwarded + UPSTREAM_SPARE_BYTES + UPSTREAM_FIELDS_BYTES_MAX;
}

static void add_clients(const struct limit_settings *limits, struct memory_bound *out)
{
    uint64_t connections = limits->connections + SPARE_CONNECTIONS;
    uint64_t unsent = 2 * (limits->relay_buffer_bytes + UPSTREAM_CHUNK_BYTES + REPLY_HEAD_BYTES_MAX);

    memory_bound_add_each(out, "client connections, with a request's head and what was read ahead", "gateway.limits.connections",
                          connections, memory_bound_connection_bytes(limits));
    memory_bound_add(out, "bodies of requests and the text read out of them", "gateway.limits.body_budget",
                     limits->body_budget_bytes);
    memory_bound_add(out, "decoders of compressed bodies", "gateway.limits.decoders",
                     limits->decoders * (DECODER_BYTES_MAX + READ_BUFFER_BYTES /* that came and wait for their turn */) +
                         least(limits->decoders, DECODERS_BROTLI_MAX) * DECODER_BROTLI_BYTES_MAX);
    memory_bound_add(out, "unsent bytes of answers", "gateway.limits.stream_budget",
                     least(limits->stream_budget_bytes, connections * unsent));
    memory_bound_add_each(out, "answers that wait in the kernel for their clients", "gateway.limits.connections", connections,
                          SOCKET_UNSENT_BYTES);
}

static void add_upstreams(const struct settings *settings, struct memory_bound *out)
{
    const struct limit_settings *limits = &settings->gateway.limits;
    uint64_t hosts = least(settings->route_count, UPSTREAM_HOSTS_MAX);

    memory_bound_add_each(out, "requests in flight, with the fields, buffers and TLS of their upstreams",
                          "gateway.limits.in_flight", limits->in_flight, memory_bound_request_bytes(limits));
    memory_bound_add_each(out, "answers that have come and wait in the kernel", "gateway.limits.in_flight", limits->in_flight,
                          2 * limits->upstream_buffer_bytes); /* as Linux doubles it, for its own records of them */
    memory_bound_add_each(out, "idle connections to upstreams", "gateway.limits.upstream_idle",
                          hosts * limits->upstream_idle, MEMORY_UPSTREAM_IDLE_BYTES);
}

void memory_bound_reckon(const struct settings *settings, struct memory_bound *out)
{
    const struct limit_settings *limits = &settings->gateway.limits;
    size_t loops = memory_bound_loops(settings);
    uint64_t document_bytes = limits->request_bytes > limits->response_bytes ? limits->request_bytes : limits->response_bytes;

    memory_bound_limit(out, "gateway.limits.memory", limits->memory_bytes);
    memory_bound_add(out, "the program and its libraries", NULL, MEMORY_BASE_BYTES);
    memory_bound_add_each(out, "callers' keys: two readings, and what is made of them", "gateway.keys", 4 * settings->key_count,
                          sizeof(struct key_settings));
    memory_bound_add_each(out, "event loops, each reading two documents, and one in a string", "gateway.threads", loops,
                          MEMORY_THREAD_BYTES + 3 * MEMORY_JSON_BYTES + document_bytes + /* keys with escapes, decoded */
                              4 * limits->moderated_text_bytes);                            /* gathered, decoded, packed */
    add_clients(limits, out);
    add_upstreams(settings, out);
    memory_bound_add(out, "texts sent to moderators, until they answer", "moderation.queue.bytes",
                     settings->moderation.queue_bytes +
                         2 * (limits->moderated_text_bytes + TASK_OVERHEAD_BYTES_MAX)); /* the one being written, for a review */
    memory_bound_add(out, "which of them moderators have", NULL, prints_bytes(RECALL_TEXTS_MAX));
    memory_bound_add_each(out, "moderators' slots", "moderation.peers", settings->moderation.peers, MEMORY_PEER_BYTES);
    memory_bound_add(out, "log and metrics", NULL, LOG_QUEUE_BYTES_MAX + MEMORY_METRICS_BYTES);
}
