/* test_feed_trials: seats of versions on trial follow the list of a real table, and the settings. */
#include "support/database.h"
#include "support/model.h"
#include "support/models_table.h"
#include "support/samples.h"
#include "support/unit.h"

#include "moderator/feed_trials.h"

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    size_t numbers[2];
    struct metrics *metrics;
    struct live *live;
    struct feed_table *table;
    struct feed_trials *trials;
    struct db *db;
};

/* The profiles' numbers are not their places. */
static void open_place(struct place *place, const char *database)
{
    *place = (struct place){.profiles = {{.name = "other", .model_kind = MODEL_KIND_HASHLINEAR, .training = {.canary = 0.1}},
                                         {.name = "default", .model_kind = MODEL_KIND_HASHLINEAR, .training = {.canary = 0.1}}},
                            .numbers = {3, 1}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->db = samples_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, 4));
    assert_status(STATUS_OK, feed_table_open(&place->table, &place->settings, MODEL_FILE_BYTES_MAX, &(struct db_watch){NULL, NULL}));
    assert_status(STATUS_OK,
                  feed_trials_open(&place->trials, &place->settings, place->live, place->numbers, place->metrics));
}

static void close_place(struct place *place)
{
    feed_trials_close(&place->trials);
    feed_trials_close(&place->trials);
    feed_table_close(&place->table);
    live_close(&place->live);
    metrics_close(&place->metrics);
    db_close(&place->db);
}

static int64_t told(struct place *place, const char *profile)
{
    const struct metric_label label = {"profile", profile};

    return series_value(metrics_series(place->metrics, METRIC_GAUGE, "prismguard_moderator_trial_version", "", &label, 1));
}

static void take(struct place *place, size_t profile, uint64_t version)
{
    assert_status(STATUS_OK,
                  live_put(place->live, feed_trials_seat(place->trials, profile), model_make(0, 0), version));
    feed_trials_took(place->trials, profile, version);
}

static uint64_t seated(struct place *place, size_t profile)
{
    return live_version(place->live, feed_trials_seat(place->trials, profile));
}

static void who_is_not_on_the_list_leaves(void **state)
{
    const struct model_row row = {.profile = "default", .version = 6, .status = "canary", .bytes = BYTES("model")};
    struct place place;

    (void)state;
    open_place(&place, "list");
    (void)models_table_put(place.db, &row);
    take(&place, 0, 5);
    take(&place, 1, 6);
    assert_int_equal(live_trial_of(place.live, 1), feed_trials_seat(place.trials, 1));
    assert_int_equal(5, told(&place, "other"));
    assert_status(STATUS_OK, feed_trials_end(place.trials, place.table));
    assert_int_equal(0, seated(&place, 0));
    assert_int_equal(0, told(&place, "other"));
    assert_int_equal(6, seated(&place, 1));
    assert_int_equal(6, told(&place, "default"));
    assert_status(STATUS_OK, db_script(place.db, "update models set version = 7")); /* a newer one took its place */
    assert_status(STATUS_OK, feed_trials_end(place.trials, place.table));
    assert_int_equal(0, seated(&place, 1));
    close_place(&place);
}

static void settings_that_want_no_trials_have_none(void **state)
{
    const struct model_row row = {.profile = "default", .version = 6, .status = "canary", .bytes = BYTES("model")};
    struct place place;

    (void)state;
    open_place(&place, "unwanted");
    (void)models_table_put(place.db, &row);
    take(&place, 1, 6);
    assert_true(feed_trials_wanted(place.trials, 1));
    place.profiles[1].training.canary = 0;
    assert_false(feed_trials_wanted(place.trials, 1));
    assert_status(STATUS_OK, feed_trials_end(place.trials, place.table));
    assert_int_equal(0, seated(&place, 1));
    close_place(&place);
}

static void while_the_table_cannot_be_read_all_go_on(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "away");
    take(&place, 1, 6);
    assert_status(STATUS_OK, db_script(place.db, "alter table models rename to elsewhere"));
    assert_status(STATUS_IO, feed_trials_end(place.trials, place.table));
    assert_int_equal(6, seated(&place, 1));
    assert_status(STATUS_OK, db_script(place.db, "alter table elsewhere rename to models"));
    assert_status(STATUS_OK, feed_trials_end(place.trials, place.table));
    assert_int_equal(0, seated(&place, 1));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_on_the_list_leaves),
        cmocka_unit_test(settings_that_want_no_trials_have_none),
        cmocka_unit_test(while_the_table_cannot_be_read_all_go_on),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
