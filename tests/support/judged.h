/* judged: one chat request through a town's gateway: its moderator's verdict, its upstream's answer, and what the client hears. */
#ifndef TESTS_SUPPORT_JUDGED_H
#define TESTS_SUPPORT_JUDGED_H

#include "support/town.h"

#define JUDGED_PATH "/openai/v1/chat/completions"
#define JUDGED_LINES "Connection: close\r\nContent-Type: application/json\r\n"
#define JUDGED_BODY "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

/* A client that has sent the request. */
static inline int judged_ask(struct town *town)
{
    int client = town_client(town);

    town_post(client, JUDGED_PATH, JUDGED_LINES, JUDGED_BODY);
    return client;
}

/* Serves the next call to the upstream with an answer of this body. */
static inline void judged_serve(struct town *town, const char *body)
{
    char *asked = town_room(), answer[4 * KIB];
    int upstream = town_upstream(town);

    assert_true(town_hear(upstream, asked, "\"hello\"}]}"));
    (void)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    town_say(upstream, answer);
    assert_int_equal(0, close(upstream));
    free(asked);
}

/* All that the client hears, which ends well, and closes it. The caller frees it. */
static inline char *judged_hear(int client)
{
    char *room = town_room();

    assert_true(town_hear_all(client, room));
    assert_int_equal(0, close(client));
    return room;
}

/* The value of a counter with these labels. */
static inline int64_t judged_count(struct town *town, const char *name, const struct metric_label *labels, size_t count)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, name, "", labels, count));
}

/* Once every request has its end. */
static inline void judged_rest(struct town *town)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (admit_in_flight(town->admit) > 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, admit_in_flight(town->admit));
}

#endif
