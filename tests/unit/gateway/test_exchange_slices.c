/* Tests of exchange_slices: large bodies are judged as small ones are, turn by turn, and nobody waits for their end. */
#include "gateway/exchange.h"

#include "support/town.h"

#define PATH "/openai/v1/chat/completions"
#define LINES "Connection: close\r\nContent-Type: application/json\r\n"
#define HEAD                                                                                                           \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"},"                            \
    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,"
#define END "\"}}]}]}"

enum { LARGE_BYTES = 4 * MIB };

static int group_set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

static void open_town(struct town *town)
{
    town_init(town);
    town->settings.gateway.limits.request_bytes = LARGE_BYTES;
    town->settings.gateway.limits.body_budget_bytes = 8 * (uint64_t)LARGE_BYTES;
    town_start(town);
}

static int64_t turns(struct town *town)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, "prismguard_gateway_json_turns_total", "", NULL, 0));
}

/* A body of so many bytes with a text and a large picture, that ends with `end`. */
static char *body_of(size_t bytes, const char *end)
{
    char *body = malloc(bytes + 1);
    size_t end_bytes = strlen(end);

    assert_non_null(body);
    memset(body, 'A', bytes);
    memcpy(body, HEAD, sizeof HEAD - 1);
    memcpy(body + bytes - end_bytes, end, end_bytes + 1);
    return body;
}

static int post(struct town *town, char *body)
{
    int client = town_client(town);
    char head[256];

    (void)snprintf(head, sizeof head, "POST " PATH " HTTP/1.1\r\nHost: t\r\n" LINES "Content-Length: %zu\r\n\r\n", strlen(body));
    town_say(client, head);
    town_say(client, body);
    free(body);
    return client;
}

static void assert_hears(int client, const char *status, const char *sentence)
{
    char *room = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(room);
    room[0] = '\0';
    assert_true(town_hear_all(client, room));
    if (strncmp(room + strlen("HTTP/1.1 "), status, 3) != 0 || strstr(room, sentence) == NULL) {
        fail_msg("%s", room);
    }
    free(room);
    (void)close(client);
}

static void a_body_of_a_slice_is_read_at_once_and_a_larger_one_over_turns(void **state)
{
    struct scripted slot;
    struct town town;
    int client;

    (void)state;
    open_town(&town);
    town_moderator(&town, &slot);
    client = post(&town, body_of(JSON_SLICE_BYTES, END));
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_hears(client, "400", "content_filter");
    assert_int_equal(0, turns(&town));
    client = post(&town, body_of(LARGE_BYTES, END));
    scripted_task(&slot);
    assert_int_equal(1, slot.task.segment_count);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_hears(client, "400", "content_filter");
    assert_in_range(turns(&town), LARGE_BYTES / TURN_BYTES - 1, INT32_MAX); /* a slow machine has more */
    scripted_close(&slot);
    town_close(&town);
}

/* Room for the body, and not for the copy of its few words. */
static void one_that_waited_for_room_is_read_over_turns_again(void **state)
{
    struct account *bodies;
    struct scripted slot;
    struct town town;
    uint64_t filler;
    int64_t read_turns;
    int client;

    (void)state;
    open_town(&town);
    town_moderator(&town, &slot);
    bodies = admit_bodies(town.admit);
    filler = bodies->limit_bytes - LARGE_BYTES - 1;
    assert_status(STATUS_OK, account_charge(bodies, filler));
    clock_freeze(clock_ms()); /* nobody waits for too long */
    client = post(&town, body_of(LARGE_BYTES, END));
    while (series_value(metrics_series(town.metrics, METRIC_COUNTER, "prismguard_gateway_text_waits_total", "", NULL, 0)) == 0) {
        (void)poll(NULL, 0, 1);
    }
    read_turns = turns(&town);
    account_release(bodies, filler);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_hears(client, "400", "content_filter");
    assert_in_range(turns(&town) - read_turns, LARGE_BYTES / TURN_BYTES - 1, INT32_MAX);
    clock_freeze(0);
    scripted_close(&slot);
    town_close(&town);
}

static void what_is_wrong_at_the_end_of_a_large_body_is_told(void **state)
{
    struct town town;

    (void)state;
    open_town(&town);
    assert_hears(post(&town, body_of(LARGE_BYTES, "\"}}]}]]")), "400", "not valid JSON (at byte 4194303)");
    assert_hears(post(&town, body_of(LARGE_BYTES, "\\u12")), "400", "not valid JSON");
    assert_hears(post(&town, body_of(LARGE_BYTES, "\"}}],\"role\":1}]}")), "400", "a key twice");
    town_close(&town);
}

static void clients_that_leave_meanwhile_leave_nothing_behind(void **state)
{
    struct town town;
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    (void)state;
    open_town(&town);
    for (int count = 0; count < 8; count++) {
        (void)close(post(&town, body_of(LARGE_BYTES, "\"]")));
    }
    assert_hears(post(&town, body_of(LARGE_BYTES, "\"]")), "400", "not valid JSON");
    while (admit_in_flight(town.admit) > 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, account_bytes(admit_bodies(town.admit)));
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_a_slice_is_read_at_once_and_a_larger_one_over_turns),
        cmocka_unit_test(one_that_waited_for_room_is_read_over_turns_again),
        cmocka_unit_test(what_is_wrong_at_the_end_of_a_large_body_is_told),
        cmocka_unit_test(clients_that_leave_meanwhile_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, group_set_up, NULL);
}
