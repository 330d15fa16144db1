/* test_history_marks: what people said raises the version of a profile's labels, and so does a time in which nobody could be asked. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "moderator/history_marks.h"
#include "proto/clock.h"

struct place {
    struct settings settings;
    struct profile_settings profiles[4];
    struct metrics *metrics;
    struct live *live;
    struct recent *recent;
    struct history_marks *marks;
    struct db *db;
};

enum { FIRST, SECOND, NO_REVIEW, NO_HISTORY, PROFILES };

static void open_place(struct place *place, const char *database)
{
    static const char *const names[PROFILES] = {"first", "second", "no review", "no history"};

    *place = (struct place){.settings = {.profiles = place->profiles, .profile_count = PROFILES}};
    for (size_t index = 0; index < PROFILES; index++) {
        struct profile_settings *profile = &place->profiles[index];

        (void)snprintf(profile->name, sizeof profile->name, "%s", names[index]);
        (void)snprintf(profile->review.url, sizeof profile->review.url, "%s", index == NO_REVIEW ? "" : "http://127.0.0.1:1/");
        profile->store = index == NO_HISTORY ? STORE_OFF : STORE_TEXT;
    }
    place->db = samples_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, PROFILES));
    assert_status(STATUS_OK, recent_open(&place->recent, place->live, place->metrics));
    for (size_t index = 0; index < PROFILES; index++) {
        size_t number;

        assert_status(STATUS_OK, live_number(place->live, names[index], &number));
        assert_int_equal(index, number);
    }
    assert_status(STATUS_OK, history_marks_open(&place->marks, &place->settings, place->recent));
    history_marks_begin(place->marks);
}

static void close_place(struct place *place)
{
    history_marks_close(&place->marks);
    history_marks_close(&place->marks);
    recent_close(&place->recent);
    live_close(&place->live);
    metrics_close(&place->metrics);
    db_close(&place->db);
}

static void run(struct place *place, const char *sql)
{
    assert_status(STATUS_OK, db_run(place->db, sql, NULL, 0, NULL));
}

static void assert_versions(struct place *place, uint64_t first, uint64_t second)
{
    assert_int_equal(first, recent_labels_version(place->recent, FIRST));
    assert_int_equal(second, recent_labels_version(place->recent, SECOND));
    assert_int_equal(0, recent_labels_version(place->recent, NO_REVIEW));
    assert_int_equal(0, recent_labels_version(place->recent, NO_HISTORY));
    assert_int_equal(first + second, series_value(metrics_series(place->metrics, METRIC_COUNTER,
                                                                 "prismguard_moderator_labels_changed_total", "", NULL, 0)));
}

static void read_marks(struct place *place)
{
    assert_status(STATUS_OK, history_marks_read(place->marks, place->db));
}

static void a_profile_whose_row_was_written_has_another_version(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "marks");
    run(&place, "insert into profiles (name) values ('first'), ('no review'), ('no history')");
    read_marks(&place);
    read_marks(&place);
    assert_versions(&place, 1, 1); /* a new session, once */
    run(&place, "update profiles set trained_at = trained_at where name <> 'second'");
    read_marks(&place);
    read_marks(&place);
    assert_versions(&place, 2, 1);
    run(&place, "insert into profiles (name) values ('second')");
    read_marks(&place);
    read_marks(&place);
    assert_versions(&place, 2, 2);
    close_place(&place);
}

/* Else what was looked up between the mark and the labels would be known by the new version. */
static void a_mark_is_seen_no_sooner_than_the_labels_beside_it(void **state)
{
    struct db *person = NULL;
    struct place place;

    (void)state;
    open_place(&place, "commit");
    run(&place, "insert into profiles (name) values ('first')");
    read_marks(&place);
    assert_status(STATUS_OK, db_open(&person, &place.settings.database, "test"));
    assert_status(STATUS_OK, db_script(person, "begin; update profiles set trained_at = trained_at"));
    read_marks(&place);
    assert_versions(&place, 1, 1);
    assert_status(STATUS_OK, db_script(person, "commit"));
    read_marks(&place);
    assert_versions(&place, 2, 1);
    db_close(&person);
    close_place(&place);
}

static void a_new_session_raises_all_that_count_whatever_the_marks_are(void **state)
{
    struct db *broken = NULL;
    struct place place;

    (void)state;
    open_place(&place, "session");
    run(&place, "insert into profiles (name) values ('first')");
    read_marks(&place);
    assert_versions(&place, 1, 1);
    history_marks_begin(place.marks);
    assert_true(history_marks_due_ms(place.marks) <= clock_ms());
    assert_status(STATUS_OK, db_open(&broken, &place.settings.database, "test"));
    assert_status(STATUS_OK, db_script(broken, "set search_path = pg_temp")); /* there is no such table */
    assert_true(history_marks_read(place.marks, broken) != STATUS_OK);
    assert_versions(&place, 1, 1);
    assert_true(history_marks_due_ms(place.marks) <= clock_ms()); /* still */
    db_close(&broken);
    read_marks(&place);
    assert_versions(&place, 2, 2);
    history_marks_close(&place.marks);
    assert_versions(&place, 3, 3); /* what asked by it may have missed what its successor saw */
    close_place(&place);
}

static void marks_are_due_in_time_and_only_where_somebody_keeps_what_is_found(void **state)
{
    struct history_marks *unheard = NULL;
    struct place place;
    uint64_t read_ms;

    (void)state;
    open_place(&place, "due");
    assert_int_equal(0, history_marks_due_ms(place.marks));
    read_ms = clock_ms();
    read_marks(&place);
    assert_in_range(history_marks_due_ms(place.marks), read_ms + HISTORY_MARKS_MS, clock_ms() + HISTORY_MARKS_MS);
    assert_status(STATUS_OK, history_marks_open(&unheard, &place.settings, NULL));
    history_marks_begin(unheard);
    assert_true(history_marks_due_ms(unheard) == UINT64_MAX);
    history_marks_close(&unheard);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_whose_row_was_written_has_another_version),
        cmocka_unit_test(a_mark_is_seen_no_sooner_than_the_labels_beside_it),
        cmocka_unit_test(a_new_session_raises_all_that_count_whatever_the_marks_are),
        cmocka_unit_test(marks_are_due_in_time_and_only_where_somebody_keeps_what_is_found),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
