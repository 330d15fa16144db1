/* upstream: a loop's side of libcurl: opening and closing, and the work at the end of each turn. */
#include "gateway/upstream_inside.h"

#include <assert.h>
#include <stdlib.h>

/* Before it a handle keeps a pointer to the last field of its last answer, which is freed when the next one begins; an answer
 * whose first line is folded is written there (curl/curl#11101). */
enum { LIBCURL_SOUND_VERSION = 0x080101 };

void upstream_collect(struct upstream *upstream)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(upstream->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;

        assert(message->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer_conclude(transfer, code);
    }
}

/* What was queued when it began; what is queued meanwhile has the next round. */
static void run_queue(struct upstream *upstream)
{
    const struct transfer *last = TAILQ_LAST(&upstream->turn, transfer_list);
    const struct transfer *done = NULL;

    while (last != NULL && done != last) {
        struct transfer *transfer = TAILQ_FIRST(&upstream->turn);

        transfer_unqueue(transfer);
        done = transfer;
        transfer_step(transfer);
    }
}

/* Each transfer that libcurl has is on a connection of its own, or on its way to one. */
void upstream_count_idle(struct upstream *upstream)
{
    size_t idle = upstream->watch_count > upstream->attached_count ? upstream->watch_count - upstream->attached_count : 0;

    series_add(upstream->idle, (int64_t)idle - (int64_t)upstream->idle_told);
    upstream->idle_told = idle;
}

static void on_turn_end(uv_prepare_t *handle)
{
    struct upstream *upstream = handle->data;

    for (int round = 0; round < UPSTREAM_TURN_ROUNDS; round++) {
        if (TAILQ_EMPTY(&upstream->turn) && !upstream->curl_due) {
            break;
        }
        run_queue(upstream);
        upstream_sockets_run_due(upstream);
    }
    if (!TAILQ_EMPTY(&upstream->turn) || upstream->curl_due) {
        upstream_sockets_wake(upstream);
    } else {
        uv_unref((uv_handle_t *)handle);
    }
    upstream_sockets_apply(upstream);
    upstream_count_idle(upstream);
}

static void open_series(struct upstream *upstream, struct metrics *metrics)
{
    upstream->connects = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total",
                                        "Connections begun to upstreams", NULL, 0);
    upstream->connections = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_upstream_connections",
                                           "Connections to upstreams, in use and idle", NULL, 0);
    upstream->idle = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_upstream_idle",
                                    "Connections to upstreams that wait for their next request", NULL, 0);
    upstream->refused = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_upstream_addresses_refused_total",
                                       "Connects stopped by the address guard", NULL, 0);
    upstream->unasked = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_upstream_unasked_total",
                                       "Idle connections to upstreams ended because bytes came that nobody asked for", NULL, 0);
    spare_init(&upstream->spare, "transfers", metrics);
    upstream->full = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_upstream_full_total",
                                    "Transfers refused because their host's connections were all in use", NULL, 0);
}

enum status upstream_open(struct upstream **out, uv_loop_t *loop, const struct gateway_settings *settings,
                          const struct upstream_part *part, struct metrics *metrics)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    enum status status = STATUS_NO_MEMORY;

    if (upstream == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(upstream);
        return STATUS_NO_MEMORY;
    }
    upstream->loop = loop;
    upstream->limits = &settings->limits;
    upstream->all_hosts = part->hosts;
    upstream->idle_max = hosts_share(settings->limits.upstream_idle, part->index, part->loops);
    upstream->private_hosts = &settings->allow_private_upstreams;
    upstream->handles_answer_once = curl_version_info(CURLVERSION_NOW)->version_num < LIBCURL_SOUND_VERSION;
    TAILQ_INIT(&upstream->active);
    TAILQ_INIT(&upstream->spares);
    TAILQ_INIT(&upstream->turn);
    TAILQ_INIT(&upstream->changed);
    upstream->multi = curl_multi_init();
    upstream->share = curl_share_init();
    if (upstream->multi == NULL || upstream->share == NULL ||
        curl_share_setopt(upstream->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
        goto fail;
    }
    status = upstream_sockets_open(upstream);
    if (status != STATUS_OK) {
        goto fail;
    }
    status = resolver_open(&upstream->resolver, loop, metrics);
    if (status != STATUS_OK) {
        goto fail;
    }
    open_series(upstream, metrics);
    (void)uv_prepare_init(loop, &upstream->turn_end);
    (void)uv_timer_init(loop, &upstream->curl_timer);
    upstream->handles = 2;
    upstream->turn_end.data = upstream;
    upstream->curl_timer.data = upstream;
    (void)uv_prepare_start(&upstream->turn_end, on_turn_end);
    uv_unref((uv_handle_t *)&upstream->turn_end); /* but for what is queued, it gives the loop no reason to turn */
    *out = upstream;
    return STATUS_OK;

fail:
    (void)curl_multi_cleanup(upstream->multi);
    (void)curl_share_cleanup(upstream->share);
    curl_global_cleanup();
    free(upstream);
    return status;
}

void upstream_handle_closed(struct upstream *upstream)
{
    assert(upstream->handles > 0);
    upstream->handles--;
    if (upstream->handles == 0) {
        void (*closed)(void *context) = upstream->closed;
        void *context = upstream->closed_context;

        upstream_hosts_free(upstream);
        upstream_sockets_free(upstream);
        free(upstream);
        curl_global_cleanup();
        closed(context);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    upstream_handle_closed(handle->data);
}

void upstream_close(struct upstream *upstream, void (*closed)(void *context), void *context)
{
    struct transfer *transfer;

    upstream->closed = closed;
    upstream->closed_context = context;
    while ((transfer = TAILQ_FIRST(&upstream->active)) != NULL) {
        transfer_detach(transfer);
        transfer_free(transfer);
    }
    upstream_spare_free(upstream);
    (void)curl_multi_cleanup(upstream->multi); /* closes the idle connections */
    (void)curl_share_cleanup(upstream->share);
    upstream_count_idle(upstream);
    resolver_close(&upstream->resolver);
    uv_close((uv_handle_t *)&upstream->turn_end, on_handle_closed);
    uv_close((uv_handle_t *)&upstream->curl_timer, on_handle_closed);
}
