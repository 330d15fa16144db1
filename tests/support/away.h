/* away: a history of labels and a private PostgreSQL that has just died: the place where labels wait.
 *
 *   cmocka_run_group_tests(tests, start_labels, stop_labels)      open_place(); begin(); ... end(); close_place();
 */
#ifndef TESTS_SUPPORT_AWAY_H
#define TESTS_SUPPORT_AWAY_H

#include "support/labels.h"
#include "support/unit.h"

#include "moderator/history.h"

enum { WAIT_MS = 20000, MANY = 2 * SAMPLE_BATCH_MAX + 88 };

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct history *history;
};

/* A database that is whole, a state_dir that is empty, and a server that has just died. */
static inline void open_place(struct place *place, const char *database)
{
    struct db *db;

    *place = (struct place){.profiles = {{.name = "one", .store = STORE_TEXT}, {.name = "two", .store = STORE_TEXT}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->settings.moderator.spool_bytes = 64 * MIB;
    (void)snprintf(place->settings.moderator.state_dir, sizeof place->settings.moderator.state_dir,
                   "/tmp/prismguard-state-XXXXXX");
    assert_non_null(mkdtemp(place->settings.moderator.state_dir));
    db = labels_create(database, &place->settings.database);
    db_close(&db);
    postgres_kill(&server);
}

/* The process begins, or begins again with new counters. */
static inline void begin(struct place *place)
{
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, history_open(&place->history, &place->settings, NULL, place->metrics, NULL));
}

static inline void end(struct place *place)
{
    history_close(&place->history);
    metrics_close(&place->metrics);
}

static inline void close_place(struct place *place)
{
    (void)nftw(place->settings.moderator.state_dir, postgres_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (server.process == 0) {
        postgres_run(&server);
    }
}

static inline int64_t number(struct place *place, const char *sql)
{
    return samples_ask(&place->settings.database, sql);
}

static inline int64_t counted(struct place *place, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_samples_total", "", &label, 1));
}

/* Waits until so many labels are counted; the pause only keeps the looks apart. */
static inline void await_counted(struct place *place, const char *result, int64_t expected)
{
    for (int looks = 0; counted(place, result) < expected && looks < WAIT_MS / 5; looks++) {
        (void)poll(NULL, 0, 5);
    }
    assert_int_equal(expected, counted(place, result));
}

static inline void keep(struct place *place, size_t profile, bool violation, const char *text)
{
    const struct history_label label = {.profile = profile, .violation = violation, .text = bytes_of(text)};

    assert_status(STATUS_OK, history_keep(place->history, &label));
}

static inline void keep_numbers(struct place *place, int from, int to)
{
    char text[32];

    for (int index = from; index < to; index++) {
        (void)snprintf(text, sizeof text, "text %04d", index);
        keep(place, 0, true, text);
    }
}

#endif
