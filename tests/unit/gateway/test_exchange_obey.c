/* Tests of exchange_obey: a profile that observes lets everything go on, and counts what it would have done. */
#include "gateway/exchange.h"

#include "support/judged.h"

static int64_t observed(struct town *town, const char *would)
{
    const struct metric_label labels[] = {{"profile", "default"}, {"would", would}};

    return judged_count(town, "prismguard_gateway_observed_total", labels, 2);
}

static void what_would_be_blocked_goes_on_and_is_counted(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;
    int client;

    (void)state;
    town_init(&town);
    town.profile.observe = true;
    town_start(&town);
    town_moderator(&town, &slot);
    client = judged_ask(&town);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    judged_serve(&town, "{\"a\":1}");
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    assert_string_equal("{\"a\":1}", strstr(answer, "\r\n\r\n") + 4);
    assert_null(strstr(answer, "would"));
    assert_null(strstr(answer, "violence"));
    assert_int_equal(1, observed(&town, "block"));
    free(answer);

    client = judged_ask(&town);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    judged_serve(&town, "{}");
    free(judged_hear(client));
    judged_rest(&town);
    assert_int_equal(1, observed(&town, "block"));
    assert_int_equal(0, observed(&town, "unavailable"));
    scripted_close(&slot);
    town_close(&town);
}

static void without_a_verdict_an_observed_request_goes_on(void **state)
{
    struct town town;
    char *answer;
    int client;

    (void)state;
    town_init(&town);
    town.profile.observe = true;
    town_start(&town);
    client = judged_ask(&town); /* nobody is there */
    judged_serve(&town, "{}");
    answer = judged_hear(client);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    assert_int_equal(1, observed(&town, "unavailable"));
    free(answer);
    town_close(&town);
}

/* Until a job waits for a slot. */
static void await_waiting(struct town *town)
{
    struct series *waiting = metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_pool_queue_jobs", "",
                                            &(struct metric_label){"kind", "local"}, 1);
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (series_value(waiting) == 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(1, series_value(waiting));
}

static void a_full_queue_lets_an_observed_request_go_on_and_refuses_another(void **state)
{
    for (int observe = 0; observe < 2; observe++) {
        struct town town;
        struct scripted slot;
        int first, second, third;
        char *answer;

        (void)state;
        town_init(&town);
        town.profile.observe = observe == 1;
        town.settings.moderation.queue_jobs = 1;
        town_start(&town);
        town_moderator(&town, &slot);
        first = judged_ask(&town); /* the slot has it */
        scripted_task(&slot);
        second = judged_ask(&town); /* and this one waits */
        await_waiting(&town);
        third = judged_ask(&town);
        if (observe == 1) {
            judged_serve(&town, "{}");
        }
        answer = judged_hear(third);
        assert_memory_equal(observe == 1 ? "HTTP/1.1 200 " : "HTTP/1.1 503 ", answer, 13);
        assert_int_equal(observe, observed(&town, "unavailable"));
        assert_int_equal(0, close(first) + close(second));
        free(answer);
        scripted_close(&slot);
        town_close(&town);
    }
}

static void shapes_that_nobody_knows_are_read_and_not_refused(void **state)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"new\",\"text\":\"hello\"}]}]}";
    struct town town;
    struct scripted slot;
    int client;

    (void)state;
    town_init(&town);
    town.profile.observe = true;
    town.profile.unknown = UNKNOWN_BLOCK;
    town_start(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, JUDGED_PATH, JUDGED_LINES, body);
    scripted_task(&slot);
    assert_true(memmem(slot.task.segments.data, slot.task.segments.count, "hello", 5) != NULL);
    assert_int_equal(0, close(client));
    scripted_answer(&slot, OUTCOME_ALLOW);
    judged_rest(&town);
    scripted_close(&slot);
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_be_blocked_goes_on_and_is_counted),
        cmocka_unit_test(without_a_verdict_an_observed_request_goes_on),
        cmocka_unit_test(a_full_queue_lets_an_observed_request_go_on_and_refuses_another),
        cmocka_unit_test(shapes_that_nobody_knows_are_read_and_not_refused),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
