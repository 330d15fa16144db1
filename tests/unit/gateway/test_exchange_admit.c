/* Tests of exchange_admit: a caller is known by its key, told in its dialect why not, and its key goes no further. */
#include "gateway/exchange.h"

#include "support/town.h"

#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

static void set_key(struct key_settings *key, const char *name, const char *secret)
{
    unsigned char sha256[SHA256_BYTES];

    (void)snprintf(key->name, sizeof key->name, "%s", name);
    secret_sha256(sha256, bytes_of(secret));
    secret_hex(key->sha256, (struct bytes){(const char *)sha256, sizeof sha256});
}

/* A town with keys: team-a for all routes, team-b for /openai, three requests an hour, one at once. */
static void open_town(struct town *town, struct key_settings keys[2])
{
    memset(keys, 0, 2 * sizeof keys[0]);
    town_init(town);
    set_key(&keys[0], "team-a", "secret-a");
    set_key(&keys[1], "team-b", "secret-b");
    keys[1].rate = (struct rate_settings){3, 3600000};
    keys[1].in_flight = 1;
    keys[1].route_count = 1;
    (void)snprintf(keys[1].routes[0], sizeof keys[1].routes[0], "/openai");
    town->settings.keys = keys;
    town->settings.key_count = 2;
    town_start(town);
}

/* The request gets an answer with these parts, and no upstream hears of it. */
static void assert_refused(struct town *town, const char *request, const char *status, const char *part, const char *field)
{
    char *room = town_room();
    int client = town_client(town);

    town_say(client, request);
    assert_true(town_hear_all(client, room));
    town_holds(room, status);
    town_holds(room, part);
    town_holds(room, field);
    assert_null(strstr(room, "secret"));
    assert_false(town_upstream_was_called(town));
    (void)close(client);
    free(room);
}

/* What the upstream was asked, the request having been answered with 200. */
static char *asked_by(struct town *town, const char *request)
{
    char *asked = town_room(), *room = town_room();
    int client = town_client(town), upstream;

    town_say(client, request);
    upstream = town_upstream(town);
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-ratelimit-remaining-requests: 9\r\nretry-after: 7\r\n"
                       "anthropic-ratelimit-tokens-limit: 5\r\nrequest-id: theirs\r\nopenai-version: 1\r\nSet-Cookie: a=b\r\n"
                       "Set-Cookie2: a=b\r\nx-prismguard-source: forged\r\nConnection: keep-alive, x-hop\r\nx-hop: 1\r\n\r\n{}");
    assert_true(town_hear_all(client, room));
    town_holds(room, "HTTP/1.1 200 ");
    town_holds(room, "x-ratelimit-remaining-requests: 9\r\nretry-after: 7\r\nanthropic-ratelimit-tokens-limit: 5\r\n"
                       "request-id: theirs\r\nopenai-version: 1\r\n");
    assert_null(strstr(room, "ookie"));
    assert_null(strstr(room, "forged"));
    assert_null(strstr(room, "x-hop"));
    (void)close(client);
    (void)close(upstream);
    free(room);
    return asked;
}

static void a_caller_without_a_known_key_is_told_so_in_its_dialect(void **state)
{
    static const char challenge[] = "WWW-Authenticate: Bearer\r\n";
    struct key_settings keys[2];
    struct town town;

    (void)state;
    open_town(&town, keys);
    assert_refused(&town, POST("/openai/v1/chat/completions") "\r\n{}", "HTTP/1.1 401 ", "\"code\":\"invalid_api_key\"", challenge);
    assert_refused(&town, POST("/openai/v1/messages") "x-api-key: strange\r\n\r\n{}", "HTTP/1.1 401 ",
                   "\"type\":\"authentication_error\"", challenge);
    assert_refused(&town, POST("/openai/v1beta/models/m:generateContent?key=strange") "\r\n{}", "HTTP/1.1 401 ",
                   "\"status\":\"UNAUTHENTICATED\"", challenge);
    assert_refused(&town, POST("/openai/v1/chat/completions") "\r\n{}", "HTTP/1.1 401 ",
                   "Bearer, x-api-key, x-goog-api-key, api-key or ?key=\"", challenge);
    assert_refused(&town, POST("/openai/v1/messages?k%65y=strange") "\r\n{}", "HTTP/1.1 401 ", "none of this gateway's", challenge);
    assert_refused(&town, POST("/nowhere") "Authorization: Basic secret-a\r\n\r\n{}", "HTTP/1.1 401 ", "invalid_api_key",
                   challenge);
    town_close(&town);
}

static void a_key_of_another_route_is_forbidden(void **state)
{
    struct key_settings keys[2];
    struct town town;

    (void)state;
    open_town(&town, keys);
    assert_refused(&town, POST("/plain/v1/chat/completions") "Authorization: Bearer secret-b\r\n\r\n{}", "HTTP/1.1 403 ",
                   "\"code\":\"permission_denied\"", "");
    assert_refused(&town, POST("/plain/v1/messages") "x-api-key: secret-b\r\n\r\n{}", "HTTP/1.1 403 ", "permission_error", "");
    town_close(&town);
}

static void a_key_is_taken_from_every_place_and_goes_no_further(void **state)
{
    static const char *const requests[] = {
        GET("/plain/v1/x?a=1&b=2") "Authorization: Bearer secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "authorization: bearer  secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "x-api-key: secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "x-goog-api-key: secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "api-key: secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&key=secret-a&b=2") "\r\n",
        GET("/plain/v1/x?key=secret%2da&a=1&b=2") "\r\n",
        GET("/plain/v1/x?a=1&b=2") "x-api-key: secret-a\r\nAuthorization: secret-a\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "x-api-key: secret-a\r\nAuthorization: Basic \tsecret-b\r\n\r\n",
        GET("/plain/v1/x?a=1&b=2") "x-api-key: secret-a\r\nx_api_key: secret-a\r\nX_Goog-Api-Key: Bearer secret-a\r\n\r\n",
        GET("/plain/v1/x?key=secret-a&a=1&b=2") "Authorization: Bearer secret-a\r\nx-api-key: secret-b\r\n\r\n",
    };
    struct key_settings keys[2];
    struct town town;
    char *asked;

    (void)state;
    open_town(&town, keys);
    for (size_t index = 0; index < sizeof requests / sizeof requests[0]; index++) {
        asked = asked_by(&town, requests[index]);
        town_holds(asked, "GET /v1/x?a=1&b=2 HTTP/1.1\r\n");
        assert_null(strstr(asked, "secret"));
        free(asked);
    }
    asked = asked_by(&town, GET("/plain/v1/x?key=theirs") "x-api-key: secret-a\r\nAuthorization: Bearer provider\r\n\r\n");
    town_holds(asked, "GET /v1/x?key=theirs HTTP/1.1\r\n"); /* what is the upstream's stays the upstream's */
    town_holds(asked, "Authorization: Bearer provider\r\n");
    assert_null(strstr(asked, "x-api-key"));
    free(asked);
    town_close(&town);
}

static void fields_of_one_hop_and_of_the_client_stay_here_and_traces_pass(void **state)
{
    struct key_settings keys[2];
    struct town town;
    char *asked;

    (void)state;
    open_town(&town, keys);
    asked = asked_by(&town, GET("/plain/v1/x") "Authorization: Bearer secret-a\r\nCookie: a=b\r\nForwarded: for=x\r\n"
                            "X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nKeep-Alive: 5\r\nTE: trailers\r\nVia: 1.1 x\r\n"
                            "Proxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nX-Request-Id: mine\r\n"
                            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1\r\n\r\n");
    for (const char *const *gone = (const char *const[]){"ookie", "orwarded", "eal-", "eep-", "TE:", "Via", "roxy-", "pgrade", NULL};
         *gone != NULL; gone++) {
        assert_null(strstr(asked, *gone));
    }
    town_holds(asked, "X-Request-Id: mine\r\n");
    town_holds(asked, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1\r\n");
    free(asked);
    asked = asked_by(&town, GET("/plain/v1/x") "Authorization: Bearer secret-a\r\nX-Request-Id: two words\r\n"
                            "Connection: x-hop, accept\r\nX-Hop: 1\r\nAccept: x/y\r\n"
                            "traceparent: 00-1-2-01\r\ntracestate: a=1\r\n\r\n");
    assert_null(strstr(asked, "two words"));
    assert_null(strstr(asked, "X-Hop"));
    town_holds(asked, "Accept: x/y\r\n");
    assert_null(strstr(asked, "trace"));
    free(asked);
    town_close(&town);
}

/* Some servers go by these instead of the request line: what was judged as one endpoint's would be another's. */
static void no_field_makes_another_request_of_it(void **state)
{
    struct key_settings keys[2];
    struct town town;
    char *asked;

    (void)state;
    open_town(&town, keys);
    asked = asked_by(&town, GET("/plain/v1/x") "Authorization: Bearer secret-a\r\nX-HTTP-Method-Override: DELETE\r\n"
                            "x-http-method: DELETE\r\nX-Method-Override: DELETE\r\nX-Method: DELETE\r\n"
                            "X-Original-URL: /other\r\nX-Rewrite-URL: /other\r\nX-Original: kept\r\n"
                            "X_HTTP_Method-Override: DELETE\r\nX_Rewrite_URL: /other\r\nX-Original-Method: DELETE\r\n"
                            "x_original_uri: /other\r\nX-Host: /other\r\nX_Kept: kept\r\n\r\n");
    assert_null(strstr(asked, "DELETE"));
    assert_null(strstr(asked, "/other"));
    town_holds(asked, "X_Kept: kept\r\n");
    town_holds(asked, "X-Original: kept\r\n");
    free(asked);
    town_close(&town);
}

/* Nor does a field name another client than the one that was counted, or a proxy for who reads fields as settings. */
static void no_field_names_another_client_or_a_proxy(void **state)
{
    struct key_settings keys[2];
    struct town town;
    char *asked;

    (void)state;
    open_town(&town, keys);
    asked = asked_by(&town, GET("/plain/v1/x") "Authorization: Bearer secret-a\r\nProxy: http://192.0.2.7\r\n"
                            "X-Forwarded-For: 192.0.2.7\r\nX_Forwarded_For: 192.0.2.7\r\nX_Real-IP: 192.0.2.7\r\n"
                            "True-Client-IP: 192.0.2.7\r\nCF-Connecting-IP: 192.0.2.7\r\nX-Cluster-Client-IP: 192.0.2.7\r\n"
                            "Fastly-Client-IP: 192.0.2.7\r\nX-Client-IP: 192.0.2.7\r\nX-Client: kept\r\n\r\n");
    assert_null(strstr(asked, "192.0.2.7"));
    town_holds(asked, "X-Client: kept\r\n");
    free(asked);
    town_close(&town);
}

static void a_key_has_its_rate_and_its_place_in_flight_and_gives_the_place_back(void **state)
{
    static const char request[] = GET("/openai/v1/x") "x-goog-api-key: secret-b\r\n\r\n";
    struct key_settings keys[2];
    struct town town;
    char *asked = town_room();
    int client, upstream;
    char byte;

    (void)state;
    open_town(&town, keys);
    client = town_client(&town);
    town_say(client, request);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    assert_refused(&town, request, "HTTP/1.1 429 ", "\"status\":\"RESOURCE_EXHAUSTED\"", "Retry-After: 1\r\n");
    (void)close(client); /* a client that leaves gives its place back */
    assert_int_equal(0, recv(upstream, &byte, 1, 0));
    (void)close(upstream);
    free(asked);
    for (int index = 0; index < 2; index++) {
        free(asked_by(&town, request));
    }
    assert_refused(&town, request, "HTTP/1.1 429 ", "as many requests as it may in this time", "Retry-After: 1");
    assert_refused(&town, POST("/openai/v1/chat/completions") "Authorization: Bearer secret-b\r\n\r\n{}", "HTTP/1.1 429 ",
                   "\"code\":\"rate_limit_exceeded\"", "Retry-After: 1");
    free(asked_by(&town, GET("/openai/v1/x") "x-goog-api-key: secret-a\r\n\r\n")); /* another key has its own */
    town_close(&town);
}

/* A request of another client that is in flight: its two sockets. */
struct running {
    int client;
    int upstream;
};

static struct running run(struct town *town, const char *request)
{
    struct running running = {.client = town_client(town)};
    char *asked = town_room();

    town_say(running.client, request);
    running.upstream = town_upstream(town);
    assert_true(town_hear(running.upstream, asked, "\r\n\r\n"));
    free(asked);
    return running;
}

/* With a reset: a client that only ended its side might wait for its answer. */
static void end(struct running *running)
{
    const struct linger at_once = {.l_onoff = 1};
    char byte;

    assert_int_equal(0, setsockopt(running->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    (void)close(running->client);
    assert_int_equal(0, recv(running->upstream, &byte, 1, 0));
    (void)close(running->upstream);
}

static void tell(struct town *town, unsigned percent)
{
    overload_tell(admit_overload(town->admit), SIGNAL_MEMORY, percent);
    overload_sample(admit_overload(town->admit));
}

static void overload_refuses_keys_over_their_fair_share_first_and_costs_them_no_turn(void **state)
{
    static const char of_a[] = GET("/openai/v1/x") "x-api-key: secret-a\r\n\r\n";
    static const char of_b[] = GET("/openai/v1/x") "x-api-key: secret-b\r\n\r\n";
    struct key_settings keys[2];
    struct running running[2];
    struct town town;

    (void)state;
    open_town(&town, keys);
    running[0] = run(&town, of_a);
    running[1] = run(&town, of_a);
    tell(&town, 94);
    free(asked_by(&town, of_a));
    tell(&town, 95);
    free(asked_by(&town, of_a)); /* alone: its share is all */
    end(&running[1]);
    running[1] = run(&town, of_b);
    assert_refused(&town, of_a, "HTTP/1.1 503 ", "\"code\":\"overloaded\"", "Retry-After: ");
    end(&running[1]);
    tell(&town, 96);
    assert_refused(&town, of_b, "HTTP/1.1 503 ", "the gateway is overloaded", "Retry-After: ");
    assert_refused(&town, POST("/openai/v1/messages") "x-api-key: secret-b\r\n\r\n{}", "HTTP/1.1 529 ", "overloaded_error",
                   "Retry-After: ");
    tell(&town, 89);
    free(asked_by(&town, of_b));
    free(asked_by(&town, of_b)); /* its third and last of this hour */
    assert_refused(&town, of_b, "HTTP/1.1 429 ", "in this time", "Retry-After: ");
    end(&running[0]);
    town_close(&town);
}

static void without_keys_the_clients_address_has_the_share(void **state)
{
    static const char request[] = GET("/openai/v1/x") "X-Forwarded-For: %s\r\n\r\n";
    char first[256], second[256];
    struct running running[3];
    struct town town;

    (void)state;
    town_init(&town);
    town.settings.gateway.trusted_proxy_count = 1;
    (void)snprintf(town.settings.gateway.trusted_proxies[0], sizeof town.settings.gateway.trusted_proxies[0], "127.0.0.1");
    town_start(&town);
    (void)snprintf(first, sizeof first, request, "192.0.2.1");
    (void)snprintf(second, sizeof second, request, "192.0.2.2");
    running[0] = run(&town, first);
    running[1] = run(&town, first);
    running[2] = run(&town, second);
    tell(&town, 95);
    assert_refused(&town, first, "HTTP/1.1 503 ", "the gateway is overloaded", "Retry-After: ");
    free(asked_by(&town, second));
    for (int index = 0; index < 3; index++) {
        end(&running[index]);
    }
    while (addresses_count(admit_clients(town.admit)) > 0) {
        (void)poll(NULL, 0, 1);
    }
    town_close(&town);
}

static void behind_a_trusted_proxy_each_client_has_the_bound_of_an_address(void **state)
{
    enum { LIMIT = 2 };
    static const char request[] = GET("/openai/v1/x") "X-Forwarded-For: %s\r\n\r\n";
    struct running running[LIMIT], nameless[LIMIT + 1];
    char first[256], second[256];
    struct town town;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.connections_per_address = LIMIT;
    town.settings.gateway.trusted_proxy_count = 1;
    (void)snprintf(town.settings.gateway.trusted_proxies[0], sizeof town.settings.gateway.trusted_proxies[0], "127.0.0.1");
    town_start(&town);
    (void)snprintf(first, sizeof first, request, "192.0.2.1");
    (void)snprintf(second, sizeof second, request, "192.0.2.2");
    for (int index = 0; index < LIMIT; index++) {
        running[index] = run(&town, first);
    }
    for (int index = 0; index < ADDRESS_SPARE_CONNECTIONS + 1; index++) { /* with a place to be refused on, and without */
        assert_refused(&town, first, "HTTP/1.1 429 ", "this address has as many", "Retry-After: 1\r\n");
    }
    free(asked_by(&town, second));
    for (int index = 0; index < LIMIT + 1; index++) {
        nameless[index] = run(&town, GET("/openai/v1/x") "\r\n"); /* the proxy names nobody */
    }
    end(&running[0]);
    while (admit_in_flight(town.admit) > 2 * LIMIT) {
        (void)poll(NULL, 0, 1);
    }
    free(asked_by(&town, first));
    end(&running[1]);
    for (int index = 0; index < LIMIT + 1; index++) {
        end(&nameless[index]);
    }
    town_close(&town);
}

/* A judged request for a stream is refused once its body says so; nobody is asked about it. */
static void a_judged_stream_is_refused_before_other_requests(void **state)
{
    static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    struct running running[2];
    struct key_settings keys[2];
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    open_town(&town, keys);
    running[0] = run(&town, GET("/openai/v1/x") "x-api-key: secret-a\r\n\r\n");
    running[1] = run(&town, GET("/openai/v1/x") "x-api-key: secret-b\r\n\r\n");
    tell(&town, 92);
    client = town_client(&town);
    town_post(client, "/openai/v1/chat/completions", "x-api-key: secret-a\r\nConnection: close\r\n", body);
    assert_true(town_hear_all(client, room));
    town_holds(room, "HTTP/1.1 503 ");
    town_holds(room, "the gateway is overloaded");
    (void)close(client);
    client = town_client(&town);
    room[0] = '\0';
    town_post(client, "/openai/v1beta/models/m:streamGenerateContent", "x-api-key: secret-a\r\nConnection: close\r\n",
              "{\"contents\":[{\"parts\":[{\"text\":\"hello\"}]}]}");
    assert_true(town_hear_all(client, room));
    town_holds(room, "\"status\":\"UNAVAILABLE\"");
    town_holds(room, "the gateway is overloaded");
    (void)close(client);
    free(asked_by(&town, GET("/openai/v1/x") "x-api-key: secret-a\r\n\r\n"));
    end(&running[0]);
    end(&running[1]);
    free(room);
    town_close(&town);
}

/* The same where nothing is judged: the path or the body says that it asks for a stream. */
static void a_stream_that_is_not_judged_is_refused_before_other_requests(void **state)
{
    static const char fields[] = "x-api-key: secret-a\r\nConnection: close\r\n";
    struct running running[2];
    struct key_settings keys[2];
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    open_town(&town, keys);
    running[0] = run(&town, GET("/plain/v1/x") "x-api-key: secret-a\r\n\r\n");
    running[1] = run(&town, GET("/openai/v1/x") "x-api-key: secret-b\r\n\r\n");
    tell(&town, 92);
    client = town_client(&town);
    town_post(client, "/plain/v1/chat/completions", fields, "{\"model\":\"m\",\"stream\":true}");
    assert_true(town_hear_all(client, room));
    town_holds(room, "HTTP/1.1 503 ");
    town_holds(room, "the gateway is overloaded");
    assert_false(town_upstream_was_called(&town));
    (void)close(client);
    free(asked_by(&town, POST("/plain/v1/chat/completions") "x-api-key: secret-a\r\n\r\n{}"));
    end(&running[0]);
    end(&running[1]);
    free(room);
    town_close(&town);
}

/* One that sends the length, and later the body, is kept. */
static void who_is_turned_away_keeps_its_connection(void **state)
{
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    town_open(&town);
    tell(&town, 96);
    client = town_client(&town);
    town_say(client, "POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    town_say(client, "cde");
    assert_true(town_hear(client, room, "overloaded\"}}"));
    town_holds(room, "HTTP/1.1 503 ");
    assert_null(strstr(room, "Connection: close"));
    room[0] = '\0';
    town_say(client, "POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n"); /* too long to be read for nothing */
    assert_true(town_hear(client, room, "overloaded\"}}"));
    town_holds(room, "Connection: close");
    (void)close(client);
    free(room);
    town_close(&town);
}

/* What another request is told meanwhile is not told to it. */
static void who_is_turned_away_hears_why_once_its_body_has_come(void **state)
{
    struct town town;
    char *room = town_room(), *other_room = town_room();
    int client, other;

    (void)state;
    town_open(&town);
    tell(&town, 96);
    client = town_client(&town);
    other = town_client(&town);
    town_say(client, "POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    town_post(other, "/nowhere", "", "b");
    assert_true(town_hear(other, other_room, "HTTP/1.1 404 "));
    town_say(client, "cde");
    assert_true(town_hear(client, room, "\"}}"));
    town_holds(room, "HTTP/1.1 503 ");
    town_holds(room, "the gateway is overloaded");
    (void)close(client);
    (void)close(other);
    free(room);
    free(other_room);
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caller_without_a_known_key_is_told_so_in_its_dialect),
        cmocka_unit_test(a_key_of_another_route_is_forbidden),
        cmocka_unit_test(a_key_is_taken_from_every_place_and_goes_no_further),
        cmocka_unit_test(fields_of_one_hop_and_of_the_client_stay_here_and_traces_pass),
        cmocka_unit_test(no_field_makes_another_request_of_it),
        cmocka_unit_test(no_field_names_another_client_or_a_proxy),
        cmocka_unit_test(a_key_has_its_rate_and_its_place_in_flight_and_gives_the_place_back),
        cmocka_unit_test(overload_refuses_keys_over_their_fair_share_first_and_costs_them_no_turn),
        cmocka_unit_test(without_keys_the_clients_address_has_the_share),
        cmocka_unit_test(behind_a_trusted_proxy_each_client_has_the_bound_of_an_address),
        cmocka_unit_test(a_judged_stream_is_refused_before_other_requests),
        cmocka_unit_test(a_stream_that_is_not_judged_is_refused_before_other_requests),
        cmocka_unit_test(who_is_turned_away_keeps_its_connection),
        cmocka_unit_test(who_is_turned_away_hears_why_once_its_body_has_come),
    };
    return cmocka_run_group_tests(tests, town_set_up, NULL);
}
