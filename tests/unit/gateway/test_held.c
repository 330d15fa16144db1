/* Tests of held: a held answer goes out whole to a client that reads slowly, never more than it may have unsent. */
#include "gateway/exchange.h"

#include "support/judged.h"

enum {
    TEXT_BYTES = 6 * MIB, /* more than the sockets on the way take */
    UNSENT_BYTES_MAX = 64 * KIB, /* a relay_buffer and a chunk, and the step by which a buffer grows */
};

/* Until the client owes as much as it may. */
static void await_unsent(struct town *town)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (account_bytes(admit_unsent(town->admit)) < town->settings.gateway.limits.relay_buffer_bytes && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(account_bytes(admit_unsent(town->admit)) >= town->settings.gateway.limits.relay_buffer_bytes);
}

static void a_large_answer_reaches_a_client_that_waits_with_reading(void **state)
{
    struct town town;
    struct scripted slot;
    char *asked = town_room(), *body = malloc(TEXT_BYTES + KIB), *heard = calloc(1, TEXT_BYTES + 64 * KIB);
    char head[256];
    size_t count = 0, sent = 0, bytes;
    ssize_t more;
    int client, upstream, small = 64 * KIB;

    (void)state;
    assert_true(body != NULL && heard != NULL);
    town_init(&town);
    town.profile.responses = true;
    town.settings.gateway.limits.relay_buffer_bytes = 16 * KIB;
    town.settings.gateway.limits.response_bytes = 8 * MIB;
    town.settings.gateway.limits.body_budget_bytes = 32 * MIB;
    town_start(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    assert_int_equal(0, setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
    town_post(client, JUDGED_PATH, JUDGED_LINES, JUDGED_BODY);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "]}"));
    /* Almost all of it is what nobody reads. */
    bytes = (size_t)snprintf(body, TEXT_BYTES + KIB, "{\"id\":\"%0*d\",\"choices\":[{\"text\":\"words\"}]}", TEXT_BYTES, 0);
    (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", bytes);
    town_say(upstream, head);
    while (sent < bytes) {
        more = send(upstream, body + sent, bytes - sent, MSG_NOSIGNAL);
        assert_true(more > 0);
        sent += (size_t)more;
    }
    scripted_task(&slot); /* all of it is there, and nothing was released */
    assert_int_equal(-1, recv(client, heard, 1, MSG_DONTWAIT));
    assert_true(admit_body_bytes(town.admit) >= bytes);
    scripted_answer(&slot, OUTCOME_ALLOW);
    await_unsent(&town); /* nobody reads yet */
    while ((more = recv(client, heard + count, TEXT_BYTES + 63 * KIB - count, 0)) > 0) {
        count += (size_t)more;
    }
    assert_int_equal(0, more);
    assert_in_range(account_high_bytes(admit_unsent(town.admit)), 1, UNSENT_BYTES_MAX);
    assert_string_equal(body, strstr(heard, "\r\n\r\n") + 4);
    assert_int_equal(0, close(client) + close(upstream));
    judged_rest(&town);
    assert_int_equal(0, admit_body_bytes(town.admit));
    scripted_close(&slot);
    town_close(&town);
    free(asked);
    free(body);
    free(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_answer_reaches_a_client_that_waits_with_reading),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
