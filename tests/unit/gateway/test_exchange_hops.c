/* Tests of exchange_hops: a request for options goes no further than its caller says. */
#include "gateway/exchange.h"

#include "support/town.h"

#define PATH "/plain/v1/x"
#define OK_ANSWER "HTTP/1.1 204 No Content\r\n\r\n"

static int group_set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

static int ask(struct town *town, const char *method, const char *hops)
{
    int client = town_client(town);
    char text[KIB];

    (void)snprintf(text, sizeof text, "%s " PATH " HTTP/1.1\r\nHost: t\r\nConnection: close\r\nMax-Forwards: %s\r\n\r\n", method,
                   hops);
    town_say(client, text);
    return client;
}

static void assert_hears(int client, const char *status, const char *line)
{
    char *room = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(room);
    room[0] = '\0';
    assert_true(town_hear_all(client, room));
    if (strncmp(room + strlen("HTTP/1.1 "), status, 3) != 0 || strstr(room, line) == NULL) {
        fail_msg("%s", room);
    }
    free(room);
    assert_int_equal(0, close(client));
}

/* It is passed on, with this line. */
static void assert_passes(struct town *town, const char *method, const char *hops, const char *line)
{
    int client = ask(town, method, hops), upstream = town_upstream(town);
    char *asked = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(asked);
    asked[0] = '\0';
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    if (strstr(asked, line) == NULL) {
        fail_msg("%s", asked);
    }
    assert_null(strstr(strcasestr(asked, "max-forwards") + 1, "Max-Forwards"));
    free(asked);
    town_say(upstream, OK_ANSWER);
    assert_hears(client, "204", "\r\n\r\n");
    assert_int_equal(0, close(upstream));
}

static void each_hop_counts_and_the_last_one_answers(void **state)
{
    struct town town;

    (void)state;
    town_init(&town);
    town_start(&town);
    assert_hears(ask(&town, "OPTIONS", "0"), "204", "Allow: GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS\r\n");
    assert_hears(ask(&town, "OPTIONS", "00"), "204", "Allow: ");
    assert_passes(&town, "OPTIONS", "1", "\r\nMax-Forwards: 0\r\n");
    assert_passes(&town, "OPTIONS", "18446744073709551615", "\r\nMax-Forwards: 18446744073709551614\r\n");
    town_close(&town);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", "1, 1", "one", "0x1", "18446744073709551616"};
    struct town town;

    (void)state;
    town_init(&town);
    town_start(&town);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_hears(ask(&town, "OPTIONS", bad[index]), "400", "");
    }
    town_close(&town);
}

static void other_methods_do_not_count(void **state)
{
    struct town town;

    (void)state;
    town_init(&town);
    town_start(&town);
    assert_passes(&town, "DELETE", "0", "\r\nMax-Forwards: 0\r\n");
    assert_hears(ask(&town, "TRACE", "0"), "405", "Allow: ");
    assert_hears(ask(&town, "TRACE", "5"), "405", "Allow: ");
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hop_counts_and_the_last_one_answers),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(other_methods_do_not_count),
    };

    return cmocka_run_group_tests(tests, group_set_up, NULL);
}
