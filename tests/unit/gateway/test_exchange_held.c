/* Tests of exchange_held: an answer is judged before a byte of it is released, and what cannot be judged is not released. */
#include "gateway/exchange.h"

#include "support/judged.h"

#define ANSWER(text) "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"}}]}"
#define PLAIN "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: up-1\r\n"

static void open_town(struct town *town, struct scripted *slot)
{
    town_init(town);
    town->profile.responses = true;
    town_start(town);
    town_moderator(town, slot);
}

static void close_town(struct town *town, struct scripted *slot)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    judged_rest(town);
    while (admit_body_bytes(town->admit) > 0 && clock_ms() < end_ms) { /* a job may be the pool's still */
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, admit_body_bytes(town->admit));
    assert_int_equal(0, series_value(metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_answers_held", "", NULL, 0)));
    scripted_close(slot);
    town_close(town);
}

static int64_t fates(struct town *town, const char *fate)
{
    return judged_count(town, "prismguard_gateway_answers_total", &(struct metric_label){"fate", fate}, 1);
}

/* A request that is allowed; its upstream has the body and is to answer. */
static int allowed(struct town *town, struct scripted *slot, const char *body, int *client)
{
    char *asked = town_room();
    int upstream;

    *client = town_client(town);
    town_post(*client, JUDGED_PATH, JUDGED_LINES, body);
    scripted_task(slot);
    scripted_answer(slot, OUTCOME_ALLOW);
    upstream = town_upstream(town);
    assert_true(town_hear(upstream, asked, "]}"));
    free(asked);
    return upstream;
}

static void say_answer(int upstream, const char *fields, const char *body)
{
    char head[KIB];

    (void)snprintf(head, sizeof head, "%sContent-Length: %zu\r\n\r\n", fields, strlen(body));
    town_say(upstream, head);
    town_say(upstream, body);
    assert_int_equal(0, close(upstream));
}

static bool task_says(const struct scripted *slot, const char *text)
{
    return memmem(slot->task.segments.data, slot->task.segments.count, text, strlen(text)) != NULL;
}

static void an_allowed_answer_is_released_as_it_came(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    upstream = allowed(&town, &slot, JUDGED_BODY, &client);
    say_answer(upstream, PLAIN, ANSWER("w\\u006frds") " ");
    scripted_task(&slot);
    assert_true(task_says(&slot, "words"));
    scripted_answer(&slot, OUTCOME_ALLOW);
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    assert_non_null(strstr(answer, "X-Request-Id: up-1\r\n"));
    assert_non_null(strstr(answer, "x-prismguard-decision: "));
    assert_string_equal(ANSWER("w\\u006frds") " ", strstr(answer, "\r\n\r\n") + 4);
    free(answer);
    judged_rest(&town);
    assert_int_equal(1, fates(&town, "allowed"));
    close_town(&town, &slot);
}

static void a_blocked_answer_is_an_error_and_nothing_of_it_is_seen(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    upstream = allowed(&town, &slot, JUDGED_BODY, &client);
    say_answer(upstream, PLAIN, ANSWER("secret words"));
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 400 ", answer, 13);
    assert_non_null(strstr(answer, "MODERATION_BLOCKED: the answer was refused (category: violence, decision: "));
    assert_non_null(strstr(answer, "\"content_filter\""));
    assert_null(strstr(answer, "secret"));
    assert_null(strstr(answer, "up-1"));
    free(answer);
    judged_rest(&town);
    assert_int_equal(1, fates(&town, "blocked"));
    close_town(&town, &slot);
}

static void what_cannot_be_read_is_a_bad_gateway(void **state)
{
    static const char *const bodies[] = {"<html>no</html>", "[]", "{\"a\":1", "{\"choices\":[7]}"};
    struct town town;
    struct scripted slot;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    for (size_t index = 0; index < sizeof bodies / sizeof bodies[0]; index++) {
        char *answer;

        upstream = allowed(&town, &slot, JUDGED_BODY, &client);
        say_answer(upstream, PLAIN, bodies[index]);
        answer = judged_hear(client);
        assert_memory_equal("HTTP/1.1 502 ", answer, 13);
        free(answer);
    }
    upstream = allowed(&town, &slot, JUDGED_BODY, &client); /* a stream that nobody asked for */
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: secret\n\n");
    {
        char *answer = judged_hear(client);

        assert_memory_equal("HTTP/1.1 502 ", answer, 13);
        assert_null(strstr(answer, "secret"));
        free(answer);
    }
    assert_int_equal(0, close(upstream));
    judged_rest(&town);
    assert_int_equal(4, fates(&town, "unreadable"));
    close_town(&town, &slot);
}

/* What is wrong with it stands at its end. */
static void a_large_answer_is_read_over_turns(void **state)
{
    static const char begin[] = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"words\"}}],"
                                "\"usage\":{\"x\":\"";
    static const char *const ends[] = {"\"}}", "\"}"};
    struct scripted slot;
    struct town town;
    char *body = malloc(MIB + 1), *answer;
    int client, upstream;

    (void)state;
    assert_non_null(body);
    open_town(&town, &slot);
    for (size_t index = 0; index < 2; index++) {
        int64_t turns_before = judged_count(&town, "prismguard_gateway_json_turns_total", NULL, 0);

        memset(body, 'a', MIB);
        memcpy(body, begin, sizeof begin - 1);
        memcpy(body + MIB - strlen(ends[index]), ends[index], strlen(ends[index]) + 1);
        upstream = allowed(&town, &slot, JUDGED_BODY, &client);
        say_answer(upstream, PLAIN, body);
        if (index == 0) {
            scripted_task(&slot);
            assert_true(task_says(&slot, "words"));
            scripted_answer(&slot, OUTCOME_BLOCK);
        }
        answer = judged_hear(client);
        assert_memory_equal(index == 0 ? "HTTP/1.1 400 " : "HTTP/1.1 502 ", answer, 13);
        free(answer);
        assert_in_range(judged_count(&town, "prismguard_gateway_json_turns_total", NULL, 0) - turns_before, MIB / TURN_BYTES - 1,
                        INT32_MAX);
    }
    judged_rest(&town);
    assert_int_equal(1, fates(&town, "blocked"));
    assert_int_equal(1, fates(&town, "unreadable"));
    free(body);
    close_town(&town, &slot);
}

static void of_a_key_that_comes_twice_the_last_is_judged_and_sent(void **state)
{
    static const char begin[] = "{\"choices\":[7],\"usage\":\"";
    static const char end[] = "\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"hidden\",\"c\\u006fntent\":\"said\"}}],\"usage\":0}";
    static const char left[] = "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"c\\u006fntent\":\"said\"}}],\"usage\":0}";
    static const size_t bytes[] = {KIB, MIB}; /* read at once, and over turns */
    struct scripted slot;
    struct town town;
    char *body = malloc(MIB), *answer;
    int client, upstream;

    (void)state;
    assert_non_null(body);
    open_town(&town, &slot);
    for (size_t index = 0; index < 2; index++) {
        memset(body, 'a', bytes[index]);
        memcpy(body, begin, sizeof begin - 1);
        memcpy(body + bytes[index] - sizeof end, end, sizeof end);
        upstream = allowed(&town, &slot, JUDGED_BODY, &client);
        say_answer(upstream, PLAIN, body);
        scripted_task(&slot);
        assert_true(task_says(&slot, "said") && !task_says(&slot, "hidden"));
        scripted_answer(&slot, OUTCOME_ALLOW);
        answer = judged_hear(client);
        assert_memory_equal("HTTP/1.1 200 ", answer, 13);
        assert_string_equal(left, strstr(answer, "\r\n\r\n") + 4);
        free(answer);
    }
    judged_rest(&town);
    assert_int_equal(2, fates(&town, "allowed"));
    free(body);
    close_town(&town, &slot);
}

static void an_error_of_the_upstream_and_an_answer_without_text_pass(void **state)
{
    static const struct {
        const char *head, *body;
        const char *status;
    } rows[] = {{"HTTP/1.1 429 X\r\nRetry-After: 7\r\n", "slow down", "429"},
                {"HTTP/1.1 500 X\r\n", "<html>", "500"},
                {"HTTP/1.1 200 OK\r\n", "", "200"},
                {"HTTP/1.1 200 OK\r\n", "{\"id\":\"x\",\"usage\":{}}", "200"}};
    struct town town;
    struct scripted slot;
    int client;

    (void)state;
    open_town(&town, &slot);
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        char *answer;

        say_answer(allowed(&town, &slot, JUDGED_BODY, &client), rows[index].head, rows[index].body);
        answer = judged_hear(client);
        assert_memory_equal(rows[index].status, answer + strlen("HTTP/1.1 "), 3);
        assert_string_equal(rows[index].body, strstr(answer, "\r\n\r\n") + 4);
        free(answer);
    }
    judged_rest(&town);
    assert_int_equal(3, fates(&town, "passed"));
    assert_int_equal(1, fates(&town, "allowed"));
    close_town(&town, &slot);
}

static void an_answer_of_the_bound_is_judged_and_a_longer_one_is_not(void **state)
{
    enum { TEXT_BYTES = KIB };
    char body[2 * KIB];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct town town;
        struct scripted slot;
        char *answer;
        int client, upstream;

        (void)snprintf(body, sizeof body, ANSWER("%0*d"), TEXT_BYTES, 0);
        town_init(&town);
        town.profile.responses = true;
        town.settings.gateway.limits.response_bytes = strlen(body) - more;
        town_start(&town);
        town_moderator(&town, &slot);
        upstream = allowed(&town, &slot, JUDGED_BODY, &client);
        /* Without a length: what is counted is what came. */
        town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        town_say(upstream, body);
        assert_int_equal(0, close(upstream));
        if (more == 0) {
            scripted_task(&slot);
            scripted_answer(&slot, OUTCOME_ALLOW);
        }
        answer = judged_hear(client);
        assert_memory_equal(more == 0 ? "HTTP/1.1 200 " : "HTTP/1.1 502 ", answer, 13);
        free(answer);
        close_town(&town, &slot);
    }
}

static void more_text_than_may_be_judged_is_a_bad_gateway(void **state)
{
    char body[2 * KIB];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        struct town town;
        struct scripted slot;
        char *answer;
        int client;

        (void)snprintf(body, sizeof body, ANSWER("%0*d"), KIB, 0);
        town_init(&town);
        town.profile.responses = true;
        town.settings.gateway.limits.moderated_text_bytes = KIB + 1 - more; /* and a line feed */
        town_start(&town);
        town_moderator(&town, &slot);
        say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, body);
        if (more == 0) {
            scripted_task(&slot);
            scripted_answer(&slot, OUTCOME_ALLOW);
        }
        answer = judged_hear(client);
        assert_memory_equal(more == 0 ? "HTTP/1.1 200 " : "HTTP/1.1 502 ", answer, 13);
        free(answer);
        judged_rest(&town);
        assert_int_equal(more, fates(&town, "unreadable"));
        close_town(&town, &slot);
    }
}

static void an_answer_for_which_there_is_no_room_is_refused(void **state)
{
    struct town town;
    struct scripted slot;
    struct account *bodies;
    uint64_t taken;
    char *answer;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    bodies = admit_bodies(town.admit);
    upstream = allowed(&town, &slot, JUDGED_BODY, &client);
    taken = town.settings.gateway.limits.body_budget_bytes - account_bytes(bodies);
    assert_status(STATUS_OK, account_charge(bodies, taken));
    say_answer(upstream, PLAIN, ANSWER("words"));
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 503 ", answer, 13);
    free(answer);
    account_release(bodies, taken);
    assert_int_equal(1, judged_count(&town, "prismguard_gateway_upstream_failures_total", &(struct metric_label){"why", "no_room"}, 1));
    close_town(&town, &slot);
}

static void an_answer_that_takes_too_long_is_a_timeout_and_nothing_of_it_is_seen(void **state)
{
    enum { FIRST_BYTE, IDLE, TOTAL, TIMES };
    static const char *const why[TIMES] = {"first_byte", "idle", "total"};

    (void)state;
    for (int time = FIRST_BYTE; time < TIMES; time++) {
        struct pollfd heard = {.events = POLLIN};
        struct town town;
        struct scripted slot;
        char *answer;
        int upstream;

        town_init(&town);
        town.profile.responses = true;
        town.settings.gateway.limits.first_byte_ms = time == FIRST_BYTE ? 150 : 60000;
        town.settings.gateway.limits.idle_ms = time == IDLE ? 150 : 60000;
        town.settings.gateway.limits.total_plain_ms = time == TOTAL ? 400 : 60000;
        town_start(&town);
        town_moderator(&town, &slot);
        upstream = allowed(&town, &slot, JUDGED_BODY, &heard.fd);
        if (time != FIRST_BYTE) {
            town_say(upstream, PLAIN "Content-Length: 1000000\r\n\r\n{\"secret\":1");
        }
        while (poll(&heard, 1, 20) == 0) { /* its bytes are no answer yet */
            if (time == TOTAL) {
                (void)send(upstream, " ", 1, MSG_NOSIGNAL);
            }
        }
        answer = judged_hear(heard.fd);
        assert_memory_equal("HTTP/1.1 504 ", answer, 13);
        assert_null(strstr(answer, "secret"));
        free(answer);
        assert_int_equal(0, close(upstream));
        judged_rest(&town);
        assert_int_equal(1, judged_count(&town, "prismguard_gateway_upstream_failures_total",
                                         &(struct metric_label){"why", why[time]}, 1));
        close_town(&town, &slot);
    }
}

static void the_end_of_the_drain_does_not_wait_for_a_verdict_on_an_answer(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;
    int client;

    (void)state;
    town_init(&town);
    town.profile.responses = true;
    town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town.settings.gateway.limits.drain_ms = 150;
    town_start(&town);
    town_moderator(&town, &slot);
    say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, ANSWER("words"));
    scripted_task(&slot); /* and no verdict comes */
    loop_drain(town.loop);
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 503 ", answer, 13);
    assert_null(strstr(answer, "words"));
    free(answer);
    loop_join(town.loop);
    scripted_close(&slot);
    town_close(&town); /* what it held is given back when the pool lets go of it */
}

static void without_a_verdict_the_profile_decides(void **state)
{
    static const enum when_unavailable rules[] = {WHEN_UNAVAILABLE_BLOCK, WHEN_UNAVAILABLE_ALLOW};

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        struct town town;
        struct scripted slot;
        char *answer;
        int client;

        town_init(&town);
        town.profile.responses = true;
        town.profile.when_unavailable = rules[index];
        town_start(&town);
        town_moderator(&town, &slot);
        say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, ANSWER("words"));
        scripted_task(&slot);
        scripted_busy(&slot, BUSY_FAILED);
        answer = judged_hear(client);
        assert_memory_equal(index == 0 ? "HTTP/1.1 503 " : "HTTP/1.1 200 ", answer, 13);
        free(answer);
        judged_rest(&town);
        assert_int_equal(1, fates(&town, "unavailable"));
        close_town(&town, &slot);
    }
}

static void a_profile_that_observes_releases_what_it_would_block(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;
    int client;

    (void)state;
    town_init(&town);
    town.profile.responses = true;
    town.profile.observe = true;
    town_start(&town);
    town_moderator(&town, &slot);
    say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, ANSWER("words"));
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    free(answer);
    say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, "<html>");
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    free(answer);
    close_town(&town, &slot);
}

static void a_stream_that_was_asked_for_is_relayed_and_counted(void **state)
{
    static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    struct town town;
    struct scripted slot;
    char *answer;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    upstream = allowed(&town, &slot, body, &client);
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    answer = judged_hear(client);
    assert_non_null(strstr(answer, "data: [DONE]"));
    free(answer);
    assert_int_equal(0, close(upstream));
    assert_int_equal(1, fates(&town, "streamed"));
    close_town(&town, &slot);
}

static void assert_judged_when_shown(const char *path, const char *answer_body)
{
    struct town town;
    struct scripted slot;
    char request[200], *answer, *asked = town_room();
    int client, upstream;

    open_town(&town, &slot);
    client = town_client(&town);
    assert_true(snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n", path) > 0);
    town_say(client, request);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    say_answer(upstream, PLAIN, answer_body);
    scripted_task(&slot);
    assert_true(task_says(&slot, "secret"));
    scripted_answer(&slot, OUTCOME_BLOCK);
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 400 ", answer, 13);
    assert_null(strstr(answer, "secret"));
    free(answer);
    free(asked);
    close_town(&town, &slot);
}

#define ITEM "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"secret\"}]}"
#define CHAT "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"secret\"}}]}"

static void an_answer_that_is_kept_is_judged_when_it_is_shown(void **state)
{
    (void)state;
    assert_judged_when_shown("/openai/v1/responses/resp_1", "{\"output\":[" ITEM "]}");
    assert_judged_when_shown("/openai/v1/%72esponses/resp_1", "{\"output\":[" ITEM "]}");
    assert_judged_when_shown("/openai/v1/chat//completions/c_1", CHAT);
    assert_judged_when_shown("/openai/v1/chat/completions?limit=1", "{\"object\":\"list\",\"data\":[" CHAT "]}");
    assert_judged_when_shown("/openai/v1/conversations/conv_1/items", "{\"object\":\"list\",\"data\":[" ITEM "]}");
}

/* A client that leaves while its answer comes, and while it is judged. */
static void a_client_that_leaves_takes_its_answer_along(void **state)
{
    struct town town;
    struct scripted slot;
    char byte;
    int client, upstream;

    (void)state;
    open_town(&town, &slot);
    upstream = allowed(&town, &slot, JUDGED_BODY, &client);
    town_say(upstream, PLAIN "Content-Length: 100\r\n\r\n{");
    while (series_value(metrics_series(town.metrics, METRIC_GAUGE, "prismguard_gateway_answers_held", "", NULL, 0)) == 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, close(client));
    assert_true(recv(upstream, &byte, 1, 0) <= 0); /* it was cancelled */
    assert_int_equal(0, close(upstream));
    judged_rest(&town);
    say_answer(allowed(&town, &slot, JUDGED_BODY, &client), PLAIN, ANSWER("words"));
    scripted_task(&slot);
    assert_int_equal(0, close(client));
    judged_rest(&town);
    scripted_answer(&slot, OUTCOME_BLOCK);
    close_town(&town, &slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allowed_answer_is_released_as_it_came),
        cmocka_unit_test(a_blocked_answer_is_an_error_and_nothing_of_it_is_seen),
        cmocka_unit_test(what_cannot_be_read_is_a_bad_gateway),
        cmocka_unit_test(a_large_answer_is_read_over_turns),
        cmocka_unit_test(of_a_key_that_comes_twice_the_last_is_judged_and_sent),
        cmocka_unit_test(an_error_of_the_upstream_and_an_answer_without_text_pass),
        cmocka_unit_test(an_answer_of_the_bound_is_judged_and_a_longer_one_is_not),
        cmocka_unit_test(more_text_than_may_be_judged_is_a_bad_gateway),
        cmocka_unit_test(an_answer_for_which_there_is_no_room_is_refused),
        cmocka_unit_test(an_answer_that_takes_too_long_is_a_timeout_and_nothing_of_it_is_seen),
        cmocka_unit_test(the_end_of_the_drain_does_not_wait_for_a_verdict_on_an_answer),
        cmocka_unit_test(without_a_verdict_the_profile_decides),
        cmocka_unit_test(a_profile_that_observes_releases_what_it_would_block),
        cmocka_unit_test(a_stream_that_was_asked_for_is_relayed_and_counted),
        cmocka_unit_test(an_answer_that_is_kept_is_judged_when_it_is_shown),
        cmocka_unit_test(a_client_that_leaves_takes_its_answer_along),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
