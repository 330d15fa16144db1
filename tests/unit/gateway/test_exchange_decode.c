/* Tests of exchange_decode: compressed bodies are judged and sent on as decoded, within bounds on bytes and on decoders. */
#include "gateway/exchange.h"

#include "support/file.h"
#include "support/town.h"

#include <zlib.h>

#define FOLDER TEST_VECTORS "/compression"
#define PATH "/openai/v1/chat/completions"
#define CLOSE_JSON "Connection: close\r\nContent-Type: application/json\r\n"
#define OK_JSON "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

static int64_t rejected(struct town *town, const char *rule)
{
    return town_counted(town, "prismguard_gateway_http_rejected_total", "rule", rule);
}

static int64_t decoders(struct town *town)
{
    return series_value(metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_decoders", "", NULL, 0));
}

static void wait_for_decoders(struct town *town, int64_t count)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (decoders(town) != count && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(count, decoders(town));
}

static void send_bytes(int client, struct bytes bytes)
{
    /* A refusal may come, and the connection end, before all is sent. */
    ssize_t sent = send(client, bytes.data, bytes.count, MSG_NOSIGNAL);

    assert_true(sent == (ssize_t)bytes.count || sent < 0);
}

/* A request with a body in a coding; the first `count` bytes of it are sent. */
static int begin(struct town *town, const char *path, const char *coding, struct bytes body, size_t count)
{
    int client = town_client(town);
    char head[512];

    (void)snprintf(head, sizeof head,
                   "POST %s HTTP/1.1\r\nHost: gateway\r\n" CLOSE_JSON "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", path,
                   coding, body.count);
    town_say(client, head);
    send_bytes(client, bytes_first(body, count));
    return client;
}

static void end(int client, char *room)
{
    assert_true(town_hear_all(client, room));
    (void)close(client);
}

static void assert_refused(struct town *town, const char *path, const char *coding, struct bytes body, const char *status,
                           const char *sentence)
{
    char *room = town_room();

    end(begin(town, path, coding, body, body.count), room);
    if (strncmp(room + strlen("HTTP/1.1 "), status, 3) != 0 || strstr(room, sentence) == NULL) {
        fail_msg("wanted %s %s, got %s", status, sentence, room);
    }
    assert_false(town_upstream_was_called(town));
    free(room);
}

/* The request is allowed by the moderator and answered by the upstream, which sees `asked`. */
static void serve(struct town *town, struct scripted *slot, int client, char *asked)
{
    char *room = town_room();
    int upstream;

    scripted_task(slot);
    scripted_answer(slot, OUTCOME_ALLOW);
    upstream = town_upstream(town);
    assert_true(town_hear(upstream, asked, OK_JSON));
    town_say(upstream, ANSWER);
    end(client, room);
    assert_memory_equal("HTTP/1.1 200 ", room, 13);
    (void)close(upstream);
    free(room);
}

/* `count` bytes of JSON as a document that is not a request, deflated at zlib's `level`, where 0 makes them no fewer; to be
 * freed. */
static struct bytes deflated_at(size_t count, int level)
{
    char *plain = malloc(count), *coded = malloc(count + KIB);
    uLongf coded_bytes = count + KIB;

    assert_true(plain != NULL && coded != NULL && count > 2);
    memset(plain, 'a', count);
    plain[0] = plain[count - 1] = '"';
    assert_int_equal(Z_OK, compress2((Bytef *)coded, &coded_bytes, (const Bytef *)plain, count, level));
    free(plain);
    return (struct bytes){coded, coded_bytes};
}

static struct bytes deflated(size_t count)
{
    return deflated_at(count, Z_DEFAULT_COMPRESSION);
}

static int64_t turns(struct town *town)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, "prismguard_gateway_decode_turns_total", "", NULL, 0));
}

static bool has_more(int client)
{
    struct pollfd item = {.fd = client, .events = POLLIN};

    return poll(&item, 1, 0) == 1;
}

/* A request that ends in 404; its connection stays. */
static void town_get(int client, const char *path, char *room)
{
    char head[128];

    (void)snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: gateway\r\n\r\n", path);
    room[0] = '\0';
    town_say(client, head);
    assert_true(town_hear(client, room, "}"));
}

static void send_zeros(int client, size_t count)
{
    char *zeros = calloc(1, count);

    assert_non_null(zeros);
    send_bytes(client, (struct bytes){zeros, count});
    free(zeros);
}

static void what_was_decoded_is_judged_and_sent(void **state)
{
    static const char *const files[] = {"members.gz", "ok.json.gz", "ok.json.zz", "ok.json.br"};
    static const char *const codings[] = {"gzip\r\nContent-Digest: sha-256=:YQ==:", "X-GZIP", "deflate", "br"};
    struct town town;
    struct scripted slot;

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    for (size_t index = 0; index < sizeof files / sizeof files[0]; index++) {
        struct bytes body = file_read(FOLDER, files[index]), rest;
        char *asked = town_room();
        struct segment segment;

        serve(&town, &slot, begin(&town, PATH, codings[index], body, body.count), asked);
        rest = slot.task.segments;
        assert_status(STATUS_OK, message_next_segment(&rest, &segment));
        assert_true(bytes_starts_with(segment.text, BYTES("hello")));
        assert_string_equal(OK_JSON, strstr(asked, "\r\n\r\n") + 4);
        assert_non_null(strstr(asked, "Content-Length: 60\r\n"));
        assert_null(strcasestr(asked, "content-encoding"));
        assert_null(strcasestr(asked, "content-digest"));
        free(asked);
        free((char *)body.data);
    }
    assert_int_equal(2, town_counted(&town, "prismguard_gateway_bodies_decoded_total", "coding", "gzip"));
    assert_int_equal(1, town_counted(&town, "prismguard_gateway_bodies_decoded_total", "coding", "br"));
    assert_int_equal(61, town_counted(&town, "prismguard_gateway_coded_bytes_total", "coding", "br"));
    assert_int_equal(60, town_counted(&town, "prismguard_gateway_decoded_bytes_total", "coding", "br"));
    assert_int_equal(0, decoders(&town));
    scripted_close(&slot);
    town_close(&town);
}

static void other_codings_and_lists_are_refused(void **state)
{
    static const char *const codings[] = {"zstd", "compress", "gzip, br", "gzip, identity", "aws-chunked"};
    struct town town;

    (void)state;
    town_open(&town);
    for (size_t index = 0; index < sizeof codings / sizeof codings[0]; index++) {
        assert_refused(&town, PATH, codings[index], BYTES(OK_JSON), "415", "Accept-Encoding: gzip, deflate, br\r\n");
        assert_refused(&town, "/moderations", codings[index], BYTES("{\"input\":\"a\"}"), "415", "Content-Encoding must be");
    }
    assert_int_equal(10, rejected(&town, "coding"));
    town_close(&town);
}

static void a_body_that_is_not_what_it_says_is_refused(void **state)
{
    struct bytes truncated = file_read(FOLDER, "truncated.gz");
    struct town town;

    (void)state;
    town_open(&town);
    assert_refused(&town, PATH, "gzip", BYTES(OK_JSON), "400", "Content-Encoding");
    assert_refused(&town, PATH, "gzip", truncated, "400", "Content-Encoding");
    assert_refused(&town, PATH, "br", BYTES(""), "400", "Content-Encoding");
    assert_refused(&town, "/moderations", "deflate", truncated, "400", "Content-Encoding");
    assert_int_equal(4, rejected(&town, "decoding"));
    assert_int_equal(0, decoders(&town));
    assert_int_equal(0, admit_body_bytes(town.admit));
    town_close(&town);
    free((char *)truncated.data);
}

static void one_bound_holds_for_what_is_decoded_too(void **state)
{
    struct bytes bomb = file_read(FOLDER, "json-64m.br"), fits = deflated(8 * KIB), beyond = deflated(8 * KIB + 1);
    struct town town;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.request_bytes = 8 * KIB;
    town_start(&town);
    assert_refused(&town, PATH, "deflate", fits, "400", "invalid_request_error"); /* read, and no request */
    assert_refused(&town, PATH, "deflate", beyond, "413", "too large when it is decoded");
    assert_refused(&town, PATH, "br", bomb, "413", "too large when it is decoded");
    assert_int_equal(2, rejected(&town, "decoded_size"));
    assert_int_equal(0, admit_body_bytes(town.admit));
    town_close(&town);
    free((char *)bomb.data);
    free((char *)fits.data);
    free((char *)beyond.data);
}

static void decoded_bytes_count_against_the_budget(void **state)
{
    struct bytes large = deflated(600 * KIB);
    struct town town;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.body_budget_bytes = 500 * KIB;
    town_start(&town);
    assert_refused(&town, PATH, "deflate", large, "503", "as many request bodies as it may");
    assert_int_equal(0, admit_body_bytes(town.admit));
    town_close(&town);
    free((char *)large.data);
}

/* As many as there are slices; each but the first is a turn. */
static void a_large_body_is_decoded_over_many_turns(void **state)
{
    enum { SLICES = 8 };
    struct bytes large = deflated(SLICES * DECODE_SLICE_BYTES), small = deflated(DECODE_SLICE_BYTES - 1);
    struct town town;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.request_bytes = SLICES * DECODE_SLICE_BYTES;
    town_start(&town);
    assert_refused(&town, PATH, "deflate", small, "400", "invalid_request_error"); /* read, and no request */
    assert_int_equal(0, turns(&town));
    assert_refused(&town, PATH, "deflate", large, "400", "invalid_request_error");
    assert_true(turns(&town) >= SLICES - 1);
    town_close(&town);
    free((char *)large.data);
    free((char *)small.data);
}

static void what_came_is_decoded_over_turns_too_whatever_it_stands_for(void **state)
{
    enum { SLICES = 8 };
    struct bytes large = deflated_at(SLICES * DECODE_SLICE_CODED_BYTES, Z_NO_COMPRESSION);
    struct town town;

    (void)state;
    town_init(&town);
    town_start(&town);
    assert_refused(&town, PATH, "deflate", large, "400", "invalid_request_error");
    assert_true(turns(&town) > 0); /* how many depends on the parts in which it comes */
    town_close(&town);
    free((char *)large.data);
}

static void others_are_answered_while_a_bomb_is_decoded(void **state)
{
    struct bytes bomb = file_read(FOLDER, "json-64m.br");
    struct town town;
    char *room = town_room(), *answer = town_room();
    int64_t turns_before = 0;
    unsigned answered = 0;
    int other, bombs;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.request_bytes = 16 * MIB;
    town.settings.gateway.limits.body_budget_bytes = 64 * MIB;
    town.settings.gateway.limits.connection_requests = UINT32_MAX;
    town_start(&town);
    other = town_client(&town);
    town_get(other, "/nowhere", answer);
    bombs = begin(&town, PATH, "br", bomb, bomb.count);
    while (!has_more(bombs)) {
        town_get(other, "/nowhere", answer);
        answered += turns(&town) > turns_before; /* it went on since the last one was answered */
        turns_before = turns(&town);
    }
    end(bombs, room);
    assert_memory_equal("HTTP/1.1 413 ", room, 13);
    assert_true(answered >= 1);
    assert_true(turns(&town) >= (int64_t)(16 * MIB / DECODE_SLICE_BYTES - 1));
    (void)close(other);
    town_close(&town);
    free(room);
    free(answer);
    free((char *)bomb.data);
}

static void what_is_decoded_waits_for_room_in_the_budget(void **state)
{
    struct bytes large = deflated(300 * KIB);
    struct town town;
    struct scripted slot;
    char *asked = town_room(), *room = town_room();
    int holds, waits, upstream;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.body_budget_bytes = 600 * KIB;
    town_start(&town);
    town_moderator(&town, &slot);
    holds = town_client(&town);
    town_say(holds, "POST /plain/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n");
    send_zeros(holds, 399999);
    while (admit_body_bytes(town.admit) < 399999) {
        (void)poll(NULL, 0, 1);
    }
    clock_freeze(clock_ms()); /* it waits as long as the test needs */
    waits = begin(&town, PATH, "deflate", large, large.count);
    while (decoders(&town) == 0) {
        (void)poll(NULL, 0, 1);
    }
    (void)poll(NULL, 0, 3 * LOOP_TICK_MS);
    assert_false(has_more(waits));
    send_zeros(holds, 1);
    upstream = town_upstream(&town);
    town_say(upstream, ANSWER);
    assert_true(town_hear_all(holds, asked));
    (void)close(upstream);
    (void)close(holds);
    end(waits, room);
    clock_freeze(0);
    assert_memory_equal("HTTP/1.1 400 ", room, 13); /* read, and no request */
    scripted_close(&slot);
    town_close(&town);
    free(asked);
    free(room);
    free((char *)large.data);
}

static void who_finds_no_decoder_waits_for_one(void **state)
{
    struct bytes body = file_read(FOLDER, "ok.json.gz");
    struct town town;
    struct scripted slot;
    char *first = town_room(), *second = town_room();
    int holds, waits;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.decoders = 1;
    town_start(&town);
    town_moderator(&town, &slot);
    holds = begin(&town, PATH, "gzip", body, 10);
    wait_for_decoders(&town, 1);
    waits = begin(&town, PATH, "gzip", body, body.count);
    while (admit_in_flight(town.admit) < 2) {
        (void)poll(NULL, 0, 1);
    }
    assert_status(STATUS_AGAIN, scripted_try_task(&slot, 200)); /* two ticks: it has not been read */
    assert_int_equal(1, decoders(&town));
    send_bytes(holds, bytes_from(body, 10));
    serve(&town, &slot, holds, first);
    serve(&town, &slot, waits, second);
    scripted_close(&slot);
    town_close(&town);
    free(first);
    free(second);
    free((char *)body.data);
}

static void who_waits_longer_than_the_body_time_hears_503(void **state)
{
    struct bytes body = file_read(FOLDER, "ok.json.gz");
    struct town town;
    char *room = town_room();
    int leaves, waits;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.decoders = 0; /* no setting of an operator's */
    town.settings.gateway.limits.body_time_ms = 300;
    town_start(&town);
    leaves = begin(&town, PATH, "gzip", body, body.count);
    waits = begin(&town, PATH, "br", body, 1);
    (void)close(leaves);
    end(waits, room);
    assert_memory_equal("HTTP/1.1 503 ", room, 13);
    assert_non_null(strstr(room, "decodes as many request bodies as it may"));
    assert_non_null(strstr(room, "Retry-After: "));
    assert_true(rejected(&town, "decoders") >= 1);
    town_close(&town);
    free(room);
    free((char *)body.data);
}

static void brotli_has_fewer_decoders_and_takes_none_of_the_others(void **state)
{
    struct bytes coded = file_read(FOLDER, "ok.json.br"), zipped = file_read(FOLDER, "ok.json.gz");
    struct town town;
    struct scripted slot;
    char *asked = town_room(), *room = town_room(), *last = town_room();
    int holds[DECODERS_BROTLI_MAX], waits;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.decoders = DECODERS_BROTLI_MAX + 1;
    town_start(&town);
    town_moderator(&town, &slot);
    for (size_t index = 0; index < DECODERS_BROTLI_MAX; index++) {
        holds[index] = begin(&town, PATH, "br", coded, 10);
    }
    wait_for_decoders(&town, DECODERS_BROTLI_MAX);
    waits = begin(&town, PATH, "br", coded, coded.count);
    while (admit_in_flight(town.admit) < DECODERS_BROTLI_MAX + 1) {
        (void)poll(NULL, 0, 1);
    }
    serve(&town, &slot, begin(&town, PATH, "gzip", zipped, zipped.count), asked);
    assert_int_equal(DECODERS_BROTLI_MAX, decoders(&town));
    send_bytes(holds[0], BYTES("no brotli stream goes on like this: it is refused, and its decoder is free"));
    end(holds[0], room);
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    serve(&town, &slot, waits, last);
    for (size_t index = 1; index < DECODERS_BROTLI_MAX; index++) {
        (void)close(holds[index]);
    }
    wait_for_decoders(&town, 0);
    scripted_close(&slot);
    town_close(&town);
    free(asked);
    free(room);
    free(last);
    free((char *)coded.data);
    free((char *)zipped.data);
}

static void a_route_that_judges_nothing_passes_a_body_as_it_came(void **state)
{
    struct town town;
    char *asked = town_room(), *room = town_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    client = begin(&town, "/plain/v1/chat/completions", "gzip", BYTES("not gzip"), 8);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "not gzip"));
    assert_non_null(strstr(asked, "Content-Encoding: gzip\r\n"));
    town_say(upstream, ANSWER);
    end(client, room);
    (void)close(upstream);
    town_close(&town);
    free(asked);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_decoded_is_judged_and_sent),
        cmocka_unit_test(other_codings_and_lists_are_refused),
        cmocka_unit_test(a_body_that_is_not_what_it_says_is_refused),
        cmocka_unit_test(one_bound_holds_for_what_is_decoded_too),
        cmocka_unit_test(decoded_bytes_count_against_the_budget),
        cmocka_unit_test(a_large_body_is_decoded_over_many_turns),
        cmocka_unit_test(what_came_is_decoded_over_turns_too_whatever_it_stands_for),
        cmocka_unit_test(others_are_answered_while_a_bomb_is_decoded),
        cmocka_unit_test(what_is_decoded_waits_for_room_in_the_budget),
        cmocka_unit_test(who_finds_no_decoder_waits_for_one),
        cmocka_unit_test(who_waits_longer_than_the_body_time_hears_503),
        cmocka_unit_test(brotli_has_fewer_decoders_and_takes_none_of_the_others),
        cmocka_unit_test(a_route_that_judges_nothing_passes_a_body_as_it_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
