/* Tests of exchange_moderations: inputs judged side by side within bounds, and never an answer about one that was not. */
#include "gateway/exchange.h"

#include "support/town.h"

#define PATH "/moderations"
#define FIELDS "Connection: close\r\nContent-Type: application/json\r\n"

enum { SLOTS = MODERATION_JOBS_MAX + 2, ANSWERS = 3 };

/* {"input":["text","text",...]} */
static char *list_of(const char *text, size_t count)
{
    struct buffer body;

    buffer_init(&body, MIB);
    assert_status(STATUS_OK, buffer_append_text(&body, "{\"input\":["));
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, buffer_append_format(&body, "%s\"%s\"", index == 0 ? "" : ",", text));
    }
    assert_status(STATUS_OK, buffer_append(&body, (struct bytes){"]}\0", 3}));
    return body.data;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *end = text + strlen(text) - strlen(part); text <= end; text++) { /* strstr measures the rest at each step */
        count += memcmp(text, part, strlen(part)) == 0 ? 1 : 0;
    }
    return count;
}

/* The whole answer to one request. */
static char *answer_to(struct town *town, const char *path, const char *body)
{
    char *room = town_room();
    int client = town_client(town);

    town_post(client, path, FIELDS, body);
    assert_true(town_hear_all(client, room));
    (void)close(client);
    assert_false(town_upstream_was_called(town));
    return room;
}

static void assert_refused(struct town *town, const char *path, const char *body, const char *status, const char *part)
{
    char *answer = answer_to(town, path, body);

    assert_memory_equal(answer + strlen("HTTP/1.1 "), status, 3);
    town_holds(answer, part);
    assert_null(strstr(answer, "flagged"));
    free(answer);
}

static size_t slots_in(struct town *town, const char *state)
{
    const struct metric_label labels[] = {{"kind", "local"}, {"state", state}};

    return (size_t)series_value(metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_pool_slots", "", labels, 2));
}

/* The pool knows all of them. */
static void open_slots(struct town *town, struct scripted *slots, size_t count)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    for (size_t index = 0; index < count; index++) {
        town_moderator(town, &slots[index]);
    }
    while (slots_in(town, "idle") + slots_in(town, "pinged") < count && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(count, slots_in(town, "idle") + slots_in(town, "pinged"));
}

static void close_slots(struct scripted *slots, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        scripted_close(&slots[index]);
    }
}

/* The text that a slot was asked about, without its line feed, is this. */
static bool is_asked(const struct scripted *slot, const char *text)
{
    struct bytes rest = slot->task.segments;
    struct segment segment;

    assert_status(STATUS_OK, message_next_segment(&rest, &segment));
    return bytes_equal(bytes_first(segment.text, segment.text.count - 1), bytes_of(text));
}

static void each_result_is_its_input_s_whatever_the_order_of_verdicts(void **state)
{
    struct scripted slots[3];
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    town_open(&town);
    open_slots(&town, slots, 3);
    client = town_client(&town);
    town_post(client, PATH "/v1/moderations", FIELDS, "{\"input\":[\"one\",\"two\",\"three\"]}");
    for (size_t index = 0; index < 3; index++) {
        scripted_task(&slots[index]);
    }
    for (size_t index = 3; index-- > 0;) {
        scripted_answer(&slots[index], is_asked(&slots[index], "two") ? OUTCOME_BLOCK : OUTCOME_ALLOW);
    }
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 200 ", room, 13);
    town_holds(room, "\"id\":\"modr-");
    town_holds(room, "x-request-id: ");
    assert_null(strstr(room, "x-prismguard-unjudged"));
    assert_null(strstr(room, "0.875"));
    assert_int_equal(3, count_of(room, "\"flagged\":"));
    assert_int_equal(1, count_of(room, "\"flagged\":true"));
    assert_int_equal(1, count_of(room, "\"violence\":true"));
    *strstr(room, "\"flagged\":true") = '\0';
    assert_int_equal(1, count_of(room, "\"flagged\":false")); /* the first one is before it */
    assert_false(town_upstream_was_called(&town));
    assert_true(town_becomes_idle(&town));
    (void)close(client);
    close_slots(slots, 3);
    town_close(&town);
    free(room);
}

static void parts_are_one_job_and_images_are_named_as_not_judged(void **state)
{
    struct scripted slot;
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, PATH, FIELDS,
              "{\"input\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\",\"image_url\":"
              "{\"url\":\"https://a.example/i.png\"}},{\"type\":\"image_url\",\"image_url\":"
              "{\"url\":\"data:text/plain;base64,aGVsbG8=\"}}]}");
    scripted_task(&slot);
    assert_true(is_asked(&slot, "a"));
    assert_int_equal(2, slot.task.segment_count);
    scripted_answer(&slot, OUTCOME_ALLOW);
    assert_true(town_hear_all(client, room));
    town_holds(room, "x-prismguard-unjudged: images=1\r\n");
    assert_int_equal(1, count_of(room, "\"flagged\":false"));
    town_holds(room, "\"hate\":[\"text\"]");
    (void)close(client);
    scripted_close(&slot);
    town_close(&town);
    free(room);
}

static void a_bounded_number_of_inputs_is_asked_at_once(void **state)
{
    struct scripted slots[SLOTS];
    struct town town;
    char *body = list_of("a", 3 * MODERATION_JOBS_MAX), *room = town_room();
    size_t asked = 0, answered = 0;
    bool busy[SLOTS] = {false};
    int client;

    (void)state;
    town_open(&town);
    open_slots(&town, slots, SLOTS);
    client = town_client(&town);
    town_post(client, PATH, FIELDS, body);
    while (asked < MODERATION_JOBS_MAX) {
        for (size_t index = 0; index < SLOTS; index++) {
            if (!busy[index] && scripted_try_task(&slots[index], 1) == STATUS_OK) {
                busy[index] = true;
                asked++;
            }
        }
    }
    assert_int_equal(MODERATION_JOBS_MAX, asked);
    for (size_t index = 0; index < SLOTS; index++) { /* nobody else is asked as long as none has answered */
        assert_true(busy[index] || scripted_try_task(&slots[index], 20) == STATUS_AGAIN);
    }
    while (answered < 3 * MODERATION_JOBS_MAX) {
        for (size_t index = 0; index < SLOTS; index++) {
            if (busy[index] || scripted_try_task(&slots[index], 1) == STATUS_OK) {
                scripted_answer(&slots[index], OUTCOME_ALLOW);
                busy[index] = false;
                answered++;
            }
        }
    }
    assert_true(town_hear_all(client, room));
    assert_int_equal(3 * MODERATION_JOBS_MAX, count_of(room, "\"flagged\":false"));
    (void)close(client);
    close_slots(slots, SLOTS);
    town_close(&town);
    free(room);
    free(body);
}

static void one_input_without_a_verdict_is_no_answer_about_any(void **state)
{
    struct scripted slots[2];
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    town_init(&town);
    town.settings.moderation.deadline_local_ms = 300;
    town_start(&town);
    assert_refused(&town, PATH, "{\"input\":\"a\"}", "503", "\"moderation_unavailable\"");
    open_slots(&town, slots, 2);
    client = town_client(&town);
    town_post(client, PATH, FIELDS, "{\"input\":[\"one\",\"two\"]}");
    scripted_task(&slots[0]);
    scripted_task(&slots[1]);
    scripted_answer(&slots[0], OUTCOME_BLOCK); /* the other one never answers */
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 503 ", room, 13);
    town_holds(room, "Retry-After: 1\r\n");
    assert_null(strstr(room, "flagged"));
    assert_true(town_becomes_idle(&town));
    (void)close(client);
    close_slots(slots, 2);
    town_close(&town);
    free(room);
}

static void where_the_profile_allows_it_an_unjudged_input_is_seen_to_be_unjudged(void **state)
{
    struct town town;
    char *room;

    (void)state;
    town_init(&town);
    town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town_start(&town);
    room = answer_to(&town, PATH, "{\"input\":[\"one\",\"two\"]}");
    assert_memory_equal("HTTP/1.1 200 ", room, 13);
    town_holds(room, "x-prismguard-unjudged: texts=2\r\n");
    assert_int_equal(2, count_of(room, "\"flagged\":false"));
    assert_int_equal(0, count_of(room, "[\"text\"]"));
    assert_int_equal(1, series_value(metrics_series(town.metrics, METRIC_COUNTER,
                                                    "prismguard_gateway_unavailable_allowed_total", "", NULL, 0)));
    free(room);
    town_close(&town);
}

static void what_the_endpoint_does_not_serve_is_refused_in_openai_s_shape(void **state)
{
    struct town town;
    char *room = town_room();
    int client;

    (void)state;
    town_open(&town);
    assert_refused(&town, PATH "/v1/chat/completions", "{\"input\":\"a\"}", "404", "\"endpoint_not_supported\"");
    assert_refused(&town, PATH, "{\"input\":[\"a\",\"\"]}", "400", "\"param\":\"input[1]\"");
    assert_refused(&town, PATH, "{\"input\":", "400", "\"invalid_json\"");
    assert_refused(&town, PATH, "{\"input\":\"a\",\"x\":1}", "400", "\"type\":\"invalid_request_error\"");
    client = town_client(&town);
    town_say(client, "GET " PATH " HTTP/1.1\r\nHost: a\r\nAnthropic-Version: 1\r\nConnection: close\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 405 ", room, 13);
    town_holds(room, "Allow: POST\r\n");
    town_holds(room, "\"param\":null");
    (void)close(client);
    town_close(&town);
    free(room);
}

static void texts_and_results_are_charged_to_the_body_budget(void **state)
{
    struct town town;
    char *body = list_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1500); /* 48,000 bytes: read into 64 KiB */

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.body_budget_bytes = 100 * KIB;
    town_start(&town);
    assert_refused(&town, PATH, body, "503", "as many request bodies as it may");
    town_close(&town);
    free(body);
}

static void texts_and_results_wait_for_room_in_it(void **state)
{
    enum { HELD_BYTES = 100 * KIB };
    struct scripted slot;
    struct town town;
    char text[4000], *body, *zeros = calloc(1, HELD_BYTES), *room = town_room();
    int holds, client, upstream;

    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    body = list_of(text, 12); /* 48,000 bytes: read into 64 KiB */
    town_init(&town);
    town.settings.gateway.limits.body_budget_bytes = HELD_BYTES + 100 * KIB;
    town_start(&town);
    town_moderator(&town, &slot);
    holds = town_client(&town);
    town_say(holds, "POST /plain/x HTTP/1.1\r\nHost: a\r\nContent-Length: 102400\r\n\r\n");
    assert_int_equal(HELD_BYTES - 1, send(holds, zeros, HELD_BYTES - 1, 0));
    while (admit_body_bytes(town.admit) < HELD_BYTES) {
        (void)poll(NULL, 0, 1);
    }
    clock_freeze(clock_ms()); /* it waits as long as the test needs */
    client = town_client(&town);
    town_post(client, PATH, FIELDS, body);
    while (series_value(metrics_series(town.metrics, METRIC_COUNTER, "prismguard_gateway_text_waits_total", "", NULL, 0)) == 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_status(STATUS_AGAIN, scripted_try_task(&slot, 0));
    (void)send(holds, zeros, 1, 0);
    upstream = town_upstream(&town);
    town_say(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_true(town_hear(holds, room, "\r\n\r\n"));
    while (scripted_try_task(&slot, 0) != STATUS_OK) {
        (void)poll(NULL, 0, 1);
    }
    clock_freeze(0);
    (void)close(holds);
    (void)close(client);
    (void)close(upstream);
    scripted_close(&slot);
    town_close(&town);
    free(room);
    free(zeros);
    free(body);
}

static void all_inputs_together_have_the_time_of_an_answer(void **state)
{
    struct scripted slot;
    struct town town;
    char *body = list_of("a", MODERATION_JOBS_MAX + 1), *room = town_room();
    int client;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.total_plain_ms = 1;
    town_start(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, PATH, FIELDS, body);
    if (scripted_try_task(&slot, SCRIPT_WAIT_MS) == STATUS_OK) {
        (void)poll(NULL, 0, 5); /* time that has passed is what is tested */
        scripted_answer(&slot, OUTCOME_ALLOW);
    }
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 504 ", room, 13);
    town_holds(room, "\"timeout\"");
    (void)close(client);
    scripted_close(&slot);
    town_close(&town);
    free(room);
    free(body);
}

static void a_client_that_leaves_takes_all_its_inputs_along(void **state)
{
    struct scripted slots[2];
    struct town town;
    char *body = list_of("a", 20);
    int client;

    (void)state;
    town_open(&town);
    open_slots(&town, slots, 2);
    client = town_client(&town);
    town_post(client, PATH, FIELDS, body);
    scripted_task(&slots[0]);
    scripted_task(&slots[1]);
    assert_int_equal(0, close(client));
    while (admit_in_flight(town.admit) > 0) {
        (void)poll(NULL, 0, 1);
    }
    scripted_answer(&slots[0], OUTCOME_ALLOW);
    scripted_answer(&slots[1], OUTCOME_ALLOW);
    assert_true(town_becomes_idle(&town));
    assert_status(STATUS_AGAIN, scripted_try_task(&slots[0], 20)); /* the others are asked of nobody */
    close_slots(slots, 2);
    town_close(&town);
    free(body);
}

/* Answers of two megabytes each: together more than the kernel keeps for a client that does not read. */
static int ask_for_much(struct town *town)
{
    char *body = list_of("a", MODERATION_INPUTS_MAX);
    int client = town_client(town);

    for (size_t count = 1; count < ANSWERS; count++) {
        town_post(client, PATH, "", body);
    }
    town_post(client, PATH, FIELDS, body);
    free(body);
    return client;
}

/* The gateway holds what the kernel does not take. */
static void await_unsent(struct town *town)
{
    struct series *unsent = metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_unsent_bytes", "", NULL, 0);
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (series_value(unsent) < 2 * UPSTREAM_CHUNK_BYTES && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_in_range(series_value(unsent), 2 * UPSTREAM_CHUNK_BYTES, 3 * UPSTREAM_CHUNK_BYTES);
}

static void long_answers_come_whole_through_a_small_buffer(void **state)
{
    struct town town;
    char *room = malloc(16 * MIB);
    size_t count = 0;
    ssize_t more;
    int client;

    (void)state;
    assert_non_null(room);
    town_init(&town);
    town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town.settings.gateway.limits.relay_buffer_bytes = 2 * UPSTREAM_CHUNK_BYTES;
    town_start(&town);
    client = ask_for_much(&town);
    await_unsent(&town);
    while ((more = recv(client, room + count, 16 * MIB - 1 - count, 0)) > 0) {
        count += (size_t)more;
    }
    assert_int_equal(0, more);
    room[count] = '\0';
    assert_int_equal(ANSWERS * MODERATION_INPUTS_MAX, count_of(room, "\"flagged\":false"));
    town_holds(room + count - 16, "]}\r\n0\r\n\r\n");
    (void)close(client);
    town_close(&town);
    free(room);
}

static void the_end_of_the_process_does_not_wait_for_a_client_that_takes_nothing(void **state)
{
    struct town town;
    int client;

    (void)state;
    town_init(&town);
    town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town.settings.gateway.limits.relay_buffer_bytes = 2 * UPSTREAM_CHUNK_BYTES;
    town.settings.gateway.limits.drain_ms = 50;
    town_start(&town);
    client = ask_for_much(&town);
    await_unsent(&town);
    town_close(&town); /* asserts that no request is left */
    (void)close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_is_its_input_s_whatever_the_order_of_verdicts),
        cmocka_unit_test(parts_are_one_job_and_images_are_named_as_not_judged),
        cmocka_unit_test(a_bounded_number_of_inputs_is_asked_at_once),
        cmocka_unit_test(one_input_without_a_verdict_is_no_answer_about_any),
        cmocka_unit_test(where_the_profile_allows_it_an_unjudged_input_is_seen_to_be_unjudged),
        cmocka_unit_test(what_the_endpoint_does_not_serve_is_refused_in_openai_s_shape),
        cmocka_unit_test(texts_and_results_are_charged_to_the_body_budget),
        cmocka_unit_test(texts_and_results_wait_for_room_in_it),
        cmocka_unit_test(all_inputs_together_have_the_time_of_an_answer),
        cmocka_unit_test(a_client_that_leaves_takes_all_its_inputs_along),
        cmocka_unit_test(long_answers_come_whole_through_a_small_buffer),
        cmocka_unit_test(the_end_of_the_process_does_not_wait_for_a_client_that_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
