/* shortage: a town with two moderators, whose body budget one request holds until the test gives it back; others come then. The
 * clock stands still meanwhile: nobody is refused for what a busy machine takes. */
#ifndef TESTS_SUPPORT_SHORTAGE_H
#define TESTS_SUPPORT_SHORTAGE_H

#include "support/town.h"

enum {
    /* A text of so many bytes in its body, with the rest of the request; its copy, with what is packed around it, has twice its
     * room (struct buffer doubles). */
    SHORTAGE_CONTENT_BYTES = 16 * KIB,
    SHORTAGE_AROUND_BYTES = sizeof "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}" - 1,
    SHORTAGE_TEXT_BYTES = 2 * SHORTAGE_CONTENT_BYTES,
    SHORTAGE_BODY_BYTES = SHORTAGE_CONTENT_BYTES + SHORTAGE_AROUND_BYTES,
    /* For two bodies and the first one's copy, and not a byte of another. */
    SHORTAGE_BUDGET_BYTES = 2 * SHORTAGE_BODY_BYTES + SHORTAGE_TEXT_BYTES,
};

struct shortage {
    struct town town;
    struct scripted slots[2];
    int holder; /* -1 = none */
    int client; /* the last one */
};

static inline int64_t shortage_value(struct shortage *shortage, enum metric_kind kind, const char *name)
{
    return series_value(metrics_series(shortage->town.metrics, kind, name, "", NULL, 0));
}

/* Texts that had to wait. */
static inline int64_t shortage_waits(struct shortage *shortage)
{
    return shortage_value(shortage, METRIC_COUNTER, "prismguard_gateway_text_waits_total");
}

/* Requests that were refused for want of room. */
static inline int64_t shortage_rejected(struct shortage *shortage)
{
    return series_value(metrics_series(shortage->town.metrics, METRIC_COUNTER, "prismguard_gateway_http_rejected_total", "",
                                       &(struct metric_label){"rule", "body_budget"}, 1));
}

static inline void shortage_wait_for(struct shortage *shortage, int64_t waits)
{
    for (int left = TOWN_WAIT_MS; shortage_waits(shortage) < waits && left > 0; left--) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(waits, shortage_waits(shortage));
}

static inline void shortage_wait_in_flight(struct shortage *shortage, uint64_t count)
{
    for (int left = TOWN_WAIT_MS; admit_in_flight(shortage->town.admit) != count && left > 0; left--) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(count, admit_in_flight(shortage->town.admit));
}

static inline void shortage_open(struct shortage *shortage, uint64_t budget_bytes)
{
    struct town *town = &shortage->town;
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;
    const struct metric_label idle[] = {{"kind", "local"}, {"state", "idle"}};

    town_init(town);
    town->settings.gateway.limits.body_budget_bytes = budget_bytes;
    town_start(town);
    shortage->holder = shortage->client = -1;
    for (size_t index = 0; index < 2; index++) {
        town_moderator(town, &shortage->slots[index]);
    }
    while (series_value(metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_pool_slots", "", idle, 2)) < 2 &&
           clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
}

/* A request whose text's copy will have `text_bytes`; its socket, which is `client` from now on. */
static inline int shortage_post(struct shortage *shortage, size_t text_bytes)
{
    size_t content_bytes = text_bytes / 2;
    char *body = malloc(content_bytes + SHORTAGE_AROUND_BYTES + 1);

    assert_non_null(body);
    (void)snprintf(body, content_bytes + SHORTAGE_AROUND_BYTES + 1,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%0*d\"}]}", (int)content_bytes, 0);
    shortage->client = town_client(&shortage->town);
    town_post(shortage->client, "/openai/v1/chat/completions", "Connection: close\r\nContent-Type: application/json\r\n", body);
    free(body);
    return shortage->client;
}

/* The request that holds its share: the first slot has its task and says nothing. */
static inline void shortage_hold(struct shortage *shortage)
{
    shortage->holder = shortage_post(shortage, SHORTAGE_TEXT_BYTES);
    shortage->client = -1;
    scripted_task(&shortage->slots[0]);
    clock_freeze(clock_ms());
}

/* Whether the other moderator is asked within so many milliseconds of real time. */
static inline bool shortage_asks(struct shortage *shortage, int wait_ms)
{
    while (scripted_try_task(&shortage->slots[1], 0) != STATUS_OK) {
        if (wait_ms-- == 0) {
            return false;
        }
        (void)poll(NULL, 0, 1);
    }
    return true;
}

/* It is refused, and so over. */
static inline void shortage_give_back(struct shortage *shortage)
{
    scripted_answer(&shortage->slots[0], OUTCOME_BLOCK);
}

/* The whole answer to the last client; to be freed. */
static inline char *shortage_answer(struct shortage *shortage)
{
    char *room = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(room);
    room[0] = '\0';
    assert_true(town_hear_all(shortage->client, room));
    return room;
}

/* With a reset: one that only ends its side may wait for its answer. */
static inline void shortage_leave(struct shortage *shortage)
{
    struct linger reset = {.l_onoff = 1};

    assert_int_equal(0, setsockopt(shortage->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    (void)close(shortage->client);
    shortage->client = -1;
}

static inline void shortage_close(struct shortage *shortage)
{
    clock_freeze(0);
    if (shortage->holder >= 0) {
        (void)close(shortage->holder);
    }
    if (shortage->client >= 0) {
        (void)close(shortage->client);
    }
    scripted_close(&shortage->slots[0]);
    scripted_close(&shortage->slots[1]);
    town_close(&shortage->town);
}

#endif
