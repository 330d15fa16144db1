/* visit: one request through a town, for tests that are about one: its client, its moderator, its upstream, and what each heard.
 *
 *   VISIT_TEST(name) gives the test a visit in *state, with a town that is not started yet, and clears all of it away afterwards.
 */
#ifndef TESTS_SUPPORT_VISIT_H
#define TESTS_SUPPORT_VISIT_H

#include "support/town.h"

#define VISIT_TEST(name) cmocka_unit_test_setup_teardown(name, visit_open, visit_close)

struct visit {
    struct town town;
    struct scripted slot; /* where visit_start made it */
    bool has_slot;
    int client; /* the last ones; -1: none */
    int upstream;
    char answer[TOWN_TEXT_BYTES_MAX]; /* what the client has heard */
    char asked[TOWN_TEXT_BYTES_MAX];  /* what the upstream has */
};

static inline int visit_open(void **state)
{
    struct visit *visit = calloc(1, sizeof *visit);

    assert_non_null(visit);
    visit->client = visit->upstream = -1;
    town_init(&visit->town);
    *state = visit;
    return 0;
}

/* Hangs up: of the client, or of the upstream. */
static inline void visit_leave(int *end)
{
    if (*end >= 0) {
        assert_int_equal(0, close(*end));
    }
    *end = -1;
}

static inline int visit_close(void **state)
{
    struct visit *visit = *state;

    visit_leave(&visit->client);
    visit_leave(&visit->upstream);
    if (visit->has_slot) {
        scripted_close(&visit->slot);
    }
    town_close(&visit->town);
    free(visit);
    return 0;
}

/* The town, with a moderator in it. */
static inline void visit_start(struct visit *visit)
{
    town_start(&visit->town);
    town_moderator(&visit->town, &visit->slot);
    visit->has_slot = true;
}

/* A client that has sent this, and heard nothing yet. */
static inline void visit_say(struct visit *visit, const char *request)
{
    visit_leave(&visit->client);
    visit->client = town_client(&visit->town);
    visit->answer[0] = '\0';
    town_say(visit->client, request);
}

/* A client that has sent a request as town_post does. */
static inline void visit_post(struct visit *visit, const char *path, const char *lines, const char *body)
{
    visit_leave(&visit->client);
    visit->client = town_client(&visit->town);
    visit->answer[0] = '\0';
    town_post(visit->client, path, lines, body);
}

/* The moderator has the task, and answers it. */
static inline void visit_judge(struct visit *visit, enum outcome outcome)
{
    scripted_task(&visit->slot);
    scripted_answer(&visit->slot, outcome);
}

/* The upstream is called, and has heard what ends so. */
static inline void visit_arrive(struct visit *visit, const char *end)
{
    visit_leave(&visit->upstream);
    visit->upstream = town_upstream(&visit->town);
    visit->asked[0] = '\0';
    assert_true(town_hear(visit->upstream, visit->asked, end));
}

/* The client hears an answer of this status to its end, which is no reset. */
static inline void visit_hear(struct visit *visit, const char *status)
{
    assert_true(town_hear_all(visit->client, visit->answer));
    if (strncmp(visit->answer, "HTTP/1.1 ", 9) != 0 || strncmp(visit->answer + 9, status, strlen(status)) != 0) {
        fail_msg("wanted %s, got %s", status, visit->answer);
    }
}

/* The same, with this part in it, and no upstream was called. */
static inline void visit_is_refused(struct visit *visit, const char *status, const char *part)
{
    visit_hear(visit, status);
    town_holds(visit->answer, part);
    assert_false(town_upstream_was_called(&visit->town));
}

#endif
