/* exchange_url: the step that finds the route of a request whose URL names its upstream and its policy. */
#include "gateway/exchange_inside.h"

#include "gateway/url_config.h"

static enum step not_found(struct exchange *exchange, enum status status)
{
    if (status == STATUS_DENIED) {
        return exchange_problem(exchange, ERROR_UPSTREAM_NOT_ALLOWED, 0, "the URL names an upstream that is not allowed here");
    }
    if (status == STATUS_NO_MEMORY) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    return exchange_problem(exchange, ERROR_CONFIG, 0, "invalid upstream url");
}

enum step exchange_route_url(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    struct url_config config;
    struct url_target target;
    struct endpoint endpoint;
    enum status status;

    if (exchange->caller != NULL && !caller_may_use(exchange->caller, ROUTE_NAME_URL)) {
        return exchange_problem(exchange, ERROR_PERMISSION, 0, "the key may not use this route");
    }
    status = url_config_read(&config, &target, snapshot_settings(exchange->snapshot), head->path, head->query,
                             &exchange->home->json, &exchange->form, &exchange->home->problem);
    if (status != STATUS_OK) {
        return STEP_REFUSE;
    }
    status = route_find_url(snapshot_routes(exchange->snapshot), target.url, &exchange->route, &exchange->rest);
    if (status != STATUS_OK) {
        return not_found(exchange, status);
    }
    endpoint = endpoint_find(head->method, exchange->rest, head->body_bytes != 0, head->fields);
    exchange->dialect = endpoint.dialect;
    exchange->query = target.query;
    if (url_config_admits(&config, endpoint.dialect, &exchange->home->problem) != STATUS_OK) {
        return STEP_REFUSE;
    }
    exchange->delays_head = config.delays_head;
    exchange->profile = exchange->route->profile;
    exchange->next_profile = config.profile == exchange->profile ? NULL : config.profile;
    exchange->named_profile = exchange->next_profile;
    return exchange_choose(exchange, endpoint);
}
