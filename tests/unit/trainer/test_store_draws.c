/* store_draws: how a draw is read. What is drawn, and how much at a time, is test_sample's. */
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store.h"

#include <poll.h>

enum { TEXT_BYTES = 60, LOOKS_MAX = 400, LOOK_MS = 5 };

static struct postgres server;

struct reading {
    struct db *other;
    int rows;
    int stop_at; /* 0 = never */
};

static int64_t look(struct db *other)
{
    static const char asked[] = "select substring(query from '^fetch (\\d+) from draw$')::bigint from pg_stat_activity "
                                "where application_name = 'prismguard-trainer' and state = 'idle in transaction'";
    struct db_rows *rows = NULL;
    int64_t found;

    assert_status(STATUS_OK, db_run(other, asked, NULL, 0, &rows));
    found = db_rows_count(rows) == 1 ? db_bigint(rows, 0, 0) : 0;
    db_rows_close(&rows);
    return found;
}

/* Slices of 1, 2, 4, 8 and from then on 16 rows: how many the server has been asked for while the row is worked on. */
static int64_t asked_at(int row)
{
    return row == 0 ? 2 : row < 3 ? 4 : row < 7 ? 8 : 16;
}

static void wait_until_asked(struct db *other, int64_t wanted)
{
    int64_t asked = look(other);

    for (int looks = 0; looks < LOOKS_MAX && asked != wanted; looks++) {
        (void)poll(NULL, 0, LOOK_MS);
        asked = look(other);
    }
    assert_int_equal(wanted, asked);
}

static enum status read_row(void *context, const struct store_sample *sample)
{
    struct reading *reading = context;

    (void)sample;
    if (reading->other != NULL) {
        wait_until_asked(reading->other, asked_at(reading->rows));
    }
    reading->rows++;
    return reading->rows == reading->stop_at ? STATUS_FULL : STATUS_OK;
}

static enum status end_session_and_stop(void *context, const struct store_sample *sample)
{
    static const char all[] = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'prismguard-trainer'";
    struct reading *reading = context;

    (void)sample;
    if (reading->rows > 0) {
        wait_until_asked(reading->other, asked_at(0));
    }
    assert_status(STATUS_OK, db_run(reading->other, all, NULL, 0, NULL));
    return STATUS_FULL;
}

static enum status draw(struct store *store, int64_t profile_id, int limit, struct reading *reading)
{
    const struct store_place place = {.profile_id = profile_id, .label = 0};
    const struct store_reader reader = {read_row, reading};

    return store_read_hashes(store, place, BYTES(""), limit, &reader);
}

static void the_next_rows_are_asked_for_before_these_are_worked_on(void **state)
{
    enum { ROWS = 1 + 2 + 4 + 8 + SAMPLE_SLICE_ROWS };
    struct database_settings settings;
    struct store *store = NULL;
    struct reading reading = {0};
    int64_t profile_id;
    struct db *db;

    (void)state;
    db = samples_create(&server, "ahead", &settings);
    reading.other = db;
    profile_id = samples_add_profile(db, "default");
    samples_fill(db, profile_id, 0, ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, draw(store, profile_id, ROWS, &reading));
    assert_int_equal(ROWS, reading.rows);
    store_close(&store);
    db_close(&db);
}

/* Wherever its reader stops, and wherever the rows end, the session is good for the next draw. */
static void stop_and_end_everywhere(const char *database, int short_count, int long_count)
{
    int count = short_count + long_count;
    struct database_settings settings;
    struct store *store = NULL;
    int64_t profile_id;
    struct db *db;

    db = samples_create(&server, database, &settings);
    profile_id = samples_add_profile(db, "default");
    samples_fill(db, profile_id, 0, short_count, TEXT_BYTES, 0);
    samples_fill(db, profile_id, 0, long_count, 2 * SAMPLE_SLICE_BYTES, 1);
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    for (int rows = 1; rows <= count; rows++) {
        struct reading stopped = {.stop_at = rows};
        struct reading ended = {0};

        assert_status(STATUS_FULL, draw(store, profile_id, count, &stopped));
        assert_int_equal(rows, stopped.rows);
        assert_status(STATUS_OK, draw(store, profile_id, rows, &ended));
        assert_int_equal(rows, ended.rows);
    }
    store_close(&store);
    db_close(&db);
}

static void the_session_is_good_for_the_next_draw(void **state)
{
    (void)state;
    stop_and_end_everywhere("short", 40, 0);
}

/* They are worked on before more are asked for. */
static void so_it_is_among_long_texts(void **state)
{
    (void)state;
    stop_and_end_everywhere("long", 24, 24);
}

/* What was asked for ahead fails, or has come and the end of its transaction fails: nobody wants either. */
static void stop_as_the_session_ends(const char *database, bool is_answered)
{
    struct database_settings settings;
    struct store *store = NULL;
    struct db *db;
    struct store_place place = {.label = 0};
    struct reading reading = {.rows = is_answered ? 1 : 0};
    const struct store_reader reader = {end_session_and_stop, &reading};

    db = samples_create(&server, database, &settings);
    reading.other = db;
    place.profile_id = samples_add_profile(db, "default");
    samples_fill(db, place.profile_id, 0, SAMPLE_SLICE_ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_FULL, store_read_hashes(store, place, BYTES(""), SAMPLE_SLICE_ROWS, &reader));
    assert_status(STATUS_UNAVAILABLE, store_read_hashes(store, place, BYTES(""), SAMPLE_SLICE_ROWS, &reader));
    store_close(&store);
    db_close(&db);
}

static void who_stops_is_not_told_of_the_rows_behind(void **state)
{
    (void)state;
    stop_as_the_session_ends("asked", false);
    stop_as_the_session_ends("answered", true);
}

static int start(void **state)
{
    (void)state;
    postgres_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_rows_are_asked_for_before_these_are_worked_on),
        cmocka_unit_test(the_session_is_good_for_the_next_draw),
        cmocka_unit_test(so_it_is_among_long_texts),
        cmocka_unit_test(who_stops_is_not_told_of_the_rows_behind),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
