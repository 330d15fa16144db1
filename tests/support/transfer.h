/* transfer: an upstream on a loop of its own, and one who records what happens to a transfer. */
#ifndef TESTS_SUPPORT_TRANSFER_H
#define TESTS_SUPPORT_TRANSFER_H

#include "support/server.h"

#include "gateway/upstream.h"

#include <signal.h>

struct world {
    uv_loop_t loop;
    struct gateway_settings settings;
    struct metrics *metrics;
    struct upstream_part part; /* hosts of its own, unless the test gives it those of another */
    bool owns_hosts;
    struct upstream *upstream;
    struct fields *no_fields;
    bool closed;
};

/* Limits that no test meets by chance. */
static inline void world_settings(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->settings.allow_private_upstreams = (struct private_hosts){1, {"true"}};
    world->settings.limits = (struct limit_settings){
        .relay_buffer_bytes = 65536,
        .upstream_buffer_bytes = 65536,
        .response_bytes = 16 << 20,
        .upstream_connections = 256,
        .upstream_idle = 32,
        .resolve_ms = 20000,
        .connect_ms = 20000,
        .first_byte_ms = 20000,
        .idle_ms = 20000,
        .total_plain_ms = 100000,
        .total_ms = 100000,
    };
}

static inline void world_start(struct world *world)
{
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(0, uv_loop_init(&world->loop));
    assert_status(STATUS_OK, metrics_open(&world->metrics));
    assert_status(STATUS_OK, fields_open(&world->no_fields, 10, 1000));
    world->owns_hosts = world->part.hosts == NULL;
    if (world->owns_hosts) {
        world->part.loops = world->part.loops == 0 ? 1 : world->part.loops;
        assert_status(STATUS_OK, hosts_open(&world->part.hosts, world->settings.limits.upstream_connections));
    }
    assert_status(STATUS_OK, upstream_open(&world->upstream, &world->loop, &world->settings, &world->part, world->metrics));
}

static inline void world_open(struct world *world)
{
    world_settings(world);
    world_start(world);
}

static inline void world_on_closed(void *context)
{
    ((struct world *)context)->closed = true;
}

static inline void world_close(struct world *world)
{
    upstream_close(world->upstream, world_on_closed, world);
    assert_false(world->closed);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_true(world->closed);
    assert_int_equal(0, uv_loop_close(&world->loop));
    if (world->owns_hosts) {
        hosts_close(&world->part.hosts);
    }
    fields_close(&world->no_fields);
    metrics_close(&world->metrics);
}

static inline int64_t world_count(const struct world *world, enum metric_kind kind, const char *name)
{
    return series_value(metrics_series(world->metrics, kind, name, "", NULL, 0));
}

/* What happened to one transfer, in order: head, body, done. */
struct record {
    struct world *world;
    struct transfer *transfer;
    unsigned heads;
    unsigned alarms;
    unsigned dones;
    unsigned status;
    int64_t announced_bytes;
    bool stream;
    bool until_close;
    bool request_gone;
    struct fields *fields;
    uint64_t body_bytes;
    unsigned chunks;
    size_t chunk_bytes_max;
    struct buffer body; /* its first bytes */
    enum transfer_failure failure;
    bool sent_any;
    uint64_t first_byte_us;
    bool calling; /* inside start, resume or cancel: no event may come */
    bool (*on_body)(struct record *record, struct bytes chunk); /* NULL: takes all */
    void (*on_head)(struct record *record);
    void (*on_done)(struct record *record);
    void *more;
};

static inline void record_on_head(void *context, const struct transfer_head *head)
{
    struct record *record = context;

    assert_false(record->calling);
    assert_int_equal(0, record->heads);
    assert_int_equal(0, record->dones);
    record->heads++;
    record->status = head->status;
    record->announced_bytes = head->body_bytes;
    record->stream = head->stream;
    record->request_gone = head->request_gone;
    record->until_close = head->until_close;
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);

        assert_status(STATUS_OK, fields_add(record->fields, field.name, field.value));
    }
    if (record->on_head != NULL) {
        record->on_head(record);
    }
}

static inline bool record_on_body(void *context, struct bytes chunk)
{
    struct record *record = context;

    assert_false(record->calling);
    assert_int_equal(1, record->heads);
    assert_int_equal(0, record->dones);
    if (record->on_body != NULL && !record->on_body(record, chunk)) {
        return false;
    }
    record->body_bytes += chunk.count;
    record->chunks++;
    record->chunk_bytes_max = chunk.count > record->chunk_bytes_max ? chunk.count : record->chunk_bytes_max;
    assert_status(STATUS_OK, buffer_append(&record->body, bytes_first(chunk, record->body.max - record->body.count)));
    return true;
}

static inline void record_on_done(void *context, enum transfer_failure failure)
{
    struct record *record = context;

    assert_false(record->calling);
    assert_int_equal(0, record->dones);
    record->dones++;
    record->failure = failure;
    record->sent_any = transfer_sent_any(record->transfer);
    record->first_byte_us = transfer_first_byte_us(record->transfer);
    uv_stop(&record->world->loop); /* this turn's end may go on to wait, and nothing else may come */
    if (record->on_done != NULL) {
        record->on_done(record);
    }
}

static inline void record_on_alarm(void *context)
{
    struct record *record = context;

    assert_false(record->calling);
    record->alarms++;
}

static inline void record_init(struct record *record, struct world *world)
{
    *record = (struct record){.world = world, .announced_bytes = -2};
    buffer_init(&record->body, 128 * 1024);
    assert_status(STATUS_OK, fields_open(&record->fields, UPSTREAM_FIELDS_MAX, UPSTREAM_FIELDS_BYTES_MAX));
}

static inline void record_free(struct record *record)
{
    buffer_free(&record->body);
    fields_close(&record->fields);
}

static inline enum status record_request(struct record *record, const struct transfer_request *request)
{
    const struct transfer_events events = {record_on_head, record_on_body, record_on_done, record, record_on_alarm};
    enum status status;

    record->calling = true;
    status = transfer_start(&record->transfer, record->world->upstream, request, &events);
    record->calling = false;
    return status;
}

/* A request to "http://127.0.0.1:port" + path. */
static inline enum status record_start(struct record *record, unsigned port, const char *method, const char *path,
                                       struct bytes body)
{
    char url[512];
    const struct transfer_request request = {
        .method = bytes_of(method),
        .url = {url, (size_t)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path)},
        .fields = record->world->no_fields,
        .has_body = body.data != NULL,
        .body = body,
    };

    return record_request(record, &request);
}

static inline void record_resume(struct record *record)
{
    record->calling = true;
    transfer_resume(record->transfer);
    record->calling = false;
}

static inline void record_cancel(struct record *record)
{
    record->calling = true;
    transfer_cancel(&record->transfer);
    record->calling = false;
    assert_null(record->transfer);
}

/* Turns the loop until the transfer has ended. */
static inline void record_await(struct record *record)
{
    while (record->dones == 0) {
        (void)uv_run(&record->world->loop, UV_RUN_ONCE);
    }
}

/* For a test of one transfer: with a world of its own, and away again with that and the server that answered it. */
static inline void record_open(struct record *record, struct world *world)
{
    world_open(world);
    record_init(record, world);
}

static inline void record_close(struct record *record, struct server *server)
{
    record_free(record);
    world_close(record->world);
    server_close(server);
}

/* A whole GET: its record is to be freed by the caller. */
static inline void record_get(struct record *record, struct world *world, unsigned port, const char *path)
{
    record_init(record, world);
    assert_status(STATUS_OK, record_start(record, port, "GET", path, (struct bytes){NULL, 0}));
    record_await(record);
}

#endif
