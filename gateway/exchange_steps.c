/* exchange_steps: from a checked head to a request on its way to the upstream. */
#include "gateway/exchange_inside.h"

#include "gateway/endpoint.h"
#include "gateway/media_type.h"
#include "gateway/url_config.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>

static bool is_method(const struct exchange *exchange, const char *method)
{
    return bytes_equal(exchange->head->method, bytes_of(method));
}

/* Methods that LLM APIs have. The rest of HTTP's is known to the parser and not served. */
enum step exchange_head(struct exchange *exchange)
{
    static const char *const served[] = {"POST", "GET", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"};

    if (is_method(exchange, "HEAD") && exchange->head->body_bytes != 0) {
        return exchange_problem(exchange, ERROR_INVALID_REQUEST, 0, "a HEAD request has no content"); /* RFC 9110 section 9.3.2 */
    }
    for (size_t index = 0; index < sizeof served / sizeof served[0]; index++) {
        if (is_method(exchange, served[index])) {
            return STEP_IDENTIFY;
        }
    }
    return exchange_problem(exchange, ERROR_INVALID_REQUEST, 405, "the method is not supported here");
}

/* What is judged must be readable as it is (house D7). */
static enum step check_content(struct exchange *exchange)
{
    struct bytes value;

    if (fields_find(exchange->head->fields, BYTES("content-encoding"), &value)) {
        exchange->coding = coding_find(value);
    }
    if (exchange->coding == CODING_OTHER) {
        return exchange_rejected(exchange, REFUSAL_CODING);
    }
    if (fields_find(exchange->head->fields, BYTES("content-type"), &value) && !media_type_is_json(value)) {
        return exchange_problem(exchange, ERROR_INVALID_REQUEST, 415, "the Content-Type must be application/json");
    }
    return STEP_ADMIT;
}

/* A route that serves the moderation endpoint serves nothing else: its own path, or one that ends like OpenAI's behind it. */
static enum step choose_moderations(struct exchange *exchange)
{
    exchange->dialect = DIALECT_OPENAI_CHAT;
    if (exchange->rest.count > 0 && !bytes_ends_with(exchange->rest, BYTES("/moderations"))) {
        return exchange_problem(exchange, ERROR_ENDPOINT, 0, "the route serves the moderation endpoint alone");
    }
    if (!is_method(exchange, "POST")) {
        return exchange_problem(exchange, ERROR_INVALID_REQUEST, 405, "the moderation endpoint is called by POST");
    }
    exchange->after_read = STEP_INPUTS;
    return check_content(exchange);
}

enum step exchange_choose(struct exchange *exchange, struct endpoint endpoint)
{
    const struct route *route = exchange->route;

    if (route->settings->serve == SERVE_MODERATIONS) {
        return choose_moderations(exchange);
    }
    exchange->source = SOURCE_NAME_UNJUDGED;
    exchange->after_read = STEP_CONNECT;
    if (endpoint.use == ENDPOINT_MODELS && route->settings->model_count > 0) {
        exchange->after_read = STEP_MODELS;
        return STEP_ADMIT;
    }
    exchange->shows_answers = endpoint.use == ENDPOINT_PASSED && endpoint_shows_answers(exchange->rest);
    if (route->profile == NULL || endpoint.use == ENDPOINT_PASSED || endpoint.use == ENDPOINT_MODELS) {
        return exchange_choose_hops(exchange);
    }
    exchange->source = SOURCE_NAME_REFUSED;
    /* A body that cannot be understood cannot be judged, and what is not judged is not sent. */
    if (endpoint.use == ENDPOINT_REFUSED) {
        return exchange_problem(exchange, ERROR_ENDPOINT, 0, "this endpoint cannot be moderated and is not served");
    }
    if (!route_speaks(route, endpoint.dialect)) {
        return exchange_problem(exchange, ERROR_ENDPOINT, 0, "the route does not serve this API");
    }
    exchange->judged = true;
    exchange->after_read = STEP_BODY;
    return check_content(exchange);
}

enum step exchange_route(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    struct endpoint endpoint = endpoint_find(head->method, head->path, head->body_bytes != 0, head->fields);
    enum status status = STATUS_NOT_FOUND;

    exchange->dialect = endpoint.dialect;
    exchange->query = head->query;
    if (snapshot_settings(exchange->snapshot)->gateway.url_config && url_config_is_form(head->path)) {
        return exchange_route_url(exchange);
    }
    if (!bytes_equal(head->path, BYTES("*"))) {
        status = route_find(snapshot_routes(exchange->snapshot), head->path, &exchange->route, &exchange->rest);
    }
    if (status == STATUS_MALFORMED) {
        return exchange_problem(exchange, ERROR_INVALID_REQUEST, 0,
                                "the path must not have dot segments or encoded slashes, dots or control bytes");
    }
    if (status != STATUS_OK) {
        return exchange_problem(exchange, ERROR_ENDPOINT, 0, "no route of this gateway serves this path");
    }
    if (exchange->caller != NULL && !caller_may_use(exchange->caller, exchange->route->settings->path)) {
        return exchange_problem(exchange, ERROR_PERMISSION, 0, "the key may not use this route");
    }
    exchange->profile = exchange->route->profile;
    return exchange_choose(exchange, endpoint);
}

enum step exchange_read(struct exchange *exchange)
{
    (void)exchange;
    return STEP_WAIT; /* for the connection's `complete` */
}

/* What a field says of the bytes as they were coded is not true of the decoded ones. */
static bool is_of_coding(struct bytes name)
{
    static const struct bytes names[] = {{"content-encoding", 16}, {"content-digest", 14}, {"digest", 6}, {"content-md5", 11}};

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (bytes_equal_nocase(name, names[index])) {
            return true;
        }
    }
    return false;
}

/* What is judged goes on as the JSON that it was read as, whatever words the caller had for it; and hops are counted. */
static bool is_said_anew(const struct exchange *exchange, struct bytes name)
{
    return (exchange->coding != CODING_NONE && is_of_coding(name)) ||
           (is_method(exchange, "OPTIONS") && bytes_equal_nocase(name, BYTES("max-forwards"))) ||
           (exchange->judged && (bytes_equal_nocase(name, BYTES("content-type")) ||
                                 bytes_equal_nocase(name, BYTES("content-encoding"))));
}

static enum status forward_fields(struct exchange *exchange)
{
    const struct fields *from = exchange->head->fields;
    struct bytes key = exchange->route->key;
    enum status status = key.count > 0
                             ? endpoint_add_key(exchange->dialect, key, exchange->forwarded, &exchange->home->scratch)
                             : STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < fields_count(from); index++) {
        struct field field = fields_at(from, index);

        if (exchange_may_forward(exchange, field) && !is_said_anew(exchange, field.name)) {
            status = fields_add(exchange->forwarded, field.name, field.value);
        }
    }
    if (status == STATUS_OK) {
        status = exchange_forward_hops(exchange);
    }
    if (status == STATUS_OK && exchange->judged) {
        status = fields_add(exchange->forwarded, BYTES("Content-Type"), BYTES("application/json"));
    }
    return status;
}

/* A stream may last for an hour: what only its request needed goes now. As long as its head waits there may be an answer of our
 * own, which asks for the caller's fields once more (exchange_add_ids). */
static void on_request_gone(void *context)
{
    struct exchange *exchange = context;

    exchange_drop_body(exchange);
    if (exchange->reply.head_written) {
        exchange->rest = exchange->query = (struct bytes){NULL, 0};
        buffer_free(&exchange->form);
        fields_close(&exchange->added);
        connection_forget_text(exchange->connection);
    }
    buffer_free(&exchange->url);
    fields_close(&exchange->forwarded);
}

/* Why there is no answer, for the client. */
static const char *failure_sentence(enum transfer_failure failure)
{
    switch (failure) {
    case TRANSFER_DRAIN:
        return "the gateway is being shut down";
    case TRANSFER_EMPTY:
        return "the upstream's stream ended before it had content";
    case TRANSFER_REFUSED:
        return "the upstream's stream began with an error";
    case TRANSFER_NO_ROOM:
        return "the gateway has no room to judge the answer in";
    default:
        return "the upstream gave no usable answer";
    }
}

static void tell_failed(struct exchange *exchange)
{
    const struct relay_result *relayed = &exchange->relayed;

    exchange->end = transfer_failure_name(relayed->failure);
    log_event_limited_each(relayed->failure, TRANSFER_FAILURES, LOG_WARN, "upstream_failed", LOG_TEXT("why", exchange->end),
                           LOG_TEXT("route", exchange->route->settings->path), LOG_NUMBER("status", relayed->status));
}

enum step exchange_failed(struct exchange *exchange)
{
    static const enum error_kind kinds[] = {
        [TRANSFER_RESOLVE] = ERROR_BAD_GATEWAY, [TRANSFER_FORBIDDEN] = ERROR_UPSTREAM_NOT_ALLOWED,
        [TRANSFER_CONNECT] = ERROR_BAD_GATEWAY, [TRANSFER_FIRST_BYTE] = ERROR_TIMEOUT,
        [TRANSFER_IDLE] = ERROR_TIMEOUT,        [TRANSFER_TOTAL] = ERROR_TIMEOUT,
        [TRANSFER_BROKEN] = ERROR_BAD_GATEWAY,  [TRANSFER_TOO_LARGE] = ERROR_BAD_GATEWAY,
        [TRANSFER_DRAIN] = ERROR_OVERLOADED,    [TRANSFER_EMPTY] = ERROR_BAD_GATEWAY,
        [TRANSFER_REFUSED] = ERROR_BAD_GATEWAY, [TRANSFER_NO_ROOM] = ERROR_OVERLOADED,
    };
    const struct relay_result *relayed = &exchange->relayed;

    tell_failed(exchange);
    exchange->retry_after_s = relayed->retry_after_s;
    return exchange_problem(exchange, relayed->failure == TRANSFER_REFUSED ? relayed->refusal : kinds[relayed->failure], 0,
                            failure_sentence(relayed->failure));
}

/* The upstream's answer has come to its end, one way or the other. */
static void on_relayed(void *context, const struct relay_result *result)
{
    struct exchange *exchange = context;
    const struct relay_result *relayed = &exchange->relayed;

    exchange->relayed = *result;
    relay_close(&exchange->relay); /* *result goes with it */
    exchange->status = relayed->status;
    if (relayed->end == RELAY_FAILED_BEFORE) {
        (void)exchange_go(exchange, exchange_failed(exchange));
        return;
    }
    if (relayed->end != RELAY_COMPLETE) {
        tell_failed(exchange);
    }
    (void)exchange_go(exchange, STEP_FINISH);
}

enum step exchange_connect(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;
    const struct request_head *head = exchange->head;
    struct relay_options options = {
        .limits = home->limits,
        .series = &home->relays,
        .dialect = exchange->dialect,
        .add_fields = exchange->added,
        .request_gone = on_request_gone,
        .done = on_relayed,
        .context = exchange,
        .delay_head = exchange->delays_head || exchange->route->settings->delay_stream_header,
    };
    struct transfer_request request = {.method = head->method, .has_body = head->body_bytes != 0};
    bool holds = false;
    enum status status = route_url(exchange->route, exchange->rest, exchange->query,
                                   exchange_query_has_own_key(exchange), &exchange->url);

    if (status == STATUS_OK) {
        status = forward_fields(exchange);
    }
    if (status == STATUS_OK) {
        status = exchange_add_ids(exchange);
    }
    if (status == STATUS_OK) {
        request.url = buffer_view(&exchange->url);
        request.fields = exchange->forwarded;
        request.body = buffer_view(&exchange->body);
        request.expects_stream = endpoint_expects_stream(exchange->rest, request.body);
        if (request.expects_stream && !exchange->judged && exchange_is_shed(exchange, true)) {
            return exchange_shed(exchange); /* a judged one was asked before its verdict (exchange_text) */
        }
        reply_init(&exchange->reply, exchange->connection, head->http_1_0, is_method(exchange, "HEAD"),
                   connection_may_keep(exchange->connection));
        holds = exchange_holds(exchange);
        status = holds ? exchange_hold(exchange, &request)
                       : relay_open(&exchange->relay, home->upstream, &request, &exchange->reply, &options);
    }
    if (status == STATUS_OK) {
        exchange_count_unjudged(exchange);
        return holds ? STEP_HOLD : STEP_RELAY;
    }
    fields_clear(exchange->added);
    if (status == STATUS_FULL) {
        return exchange_full(exchange, LIMIT_UPSTREAM);
    }
    return status == STATUS_MALFORMED ? exchange_problem(exchange, ERROR_BAD_GATEWAY, 0, "the upstream cannot be called")
                                      : exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
}

enum step exchange_relay(struct exchange *exchange)
{
    (void)exchange;
    return STEP_WAIT; /* for on_relayed */
}
