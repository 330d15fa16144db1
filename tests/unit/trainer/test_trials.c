/* test_trials: a walk through profiles that notes what is new, ends trials, and begins where another trainer left. */
#include "support/database.h"
#include "support/drawn.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "trainer/store_versions.h"
#include "trainer/trial.h"
#include "trainer/trials.h"

#include <string.h>

enum { PROFILES = 3 };

struct scene {
    struct settings settings;
    struct profile_settings profiles[PROFILES];
    struct metrics *metrics;
    struct trials *trials;
    struct store *store;
    struct db *db;
    int64_t ids[PROFILES];
    int64_t epoch;
};

static void set_scene(struct scene *scene, const char *database)
{
    static const char *const names[PROFILES] = {"first", "second", "untrained"};

    *scene = (struct scene){.epoch = 0};
    scene->db = samples_create(&server, database, &scene->settings.database);
    scene->settings.profiles = scene->profiles;
    scene->settings.profile_count = PROFILES;
    scene->settings.trainer.check_every_ms = 1;
    for (size_t index = 0; index < PROFILES; index++) {
        struct profile_settings *profile = &scene->profiles[index];

        (void)snprintf(profile->name, sizeof profile->name, "%s", names[index]);
        profile->model_kind = index < 2 ? MODEL_KIND_HASHLINEAR : MODEL_KIND_NONE;
        profile->low = 0.2;
        profile->high = 0.8;
        profile->training =
            (struct training_settings){.canary = 0.1, .canary_labels = 100, .canary_time_ms = 3600 * 1000, .max_regression = 0.005};
        scene->ids[index] = samples_add_profile(scene->db, names[index]);
    }
    assert_status(STATUS_OK, metrics_open(&scene->metrics));
    assert_status(STATUS_OK, trials_open(&scene->trials, &scene->settings, scene->metrics));
    assert_status(STATUS_OK, store_open(&scene->store, &scene->settings.database, NULL));
    assert_status(STATUS_OK, store_raise_epoch(scene->store, &scene->epoch));
}

static void clear_scene(struct scene *scene)
{
    clock_freeze(0);
    trials_close(&scene->trials);
    trials_close(&scene->trials);
    metrics_close(&scene->metrics);
    store_close(&scene->store);
    db_close(&scene->db);
}

static enum status take_turn(struct scene *scene, int64_t epoch)
{
    int64_t change = samples_number(scene->db, "select coalesce(max(change), 0) from models");

    return trials_turn(scene->trials, scene->store, epoch, change);
}

/* A whole round in one turn. */
static void run_round(struct scene *scene)
{
    clock_freeze(clock_ms() + 2);
    assert_status(STATUS_OK, take_turn(scene, scene->epoch));
}

static void add_version(struct scene *scene, size_t profile, bool on_trial)
{
    assert_true(drawn_add_version(scene->store, scene->ids[profile], scene->epoch, DRAWN_MODEL_LONG, on_trial) > 0);
}

/* Whether the metrics have a line that begins so. */
static bool tells(struct scene *scene, const char *line)
{
    struct buffer text;
    bool found;

    buffer_init(&text, MIB);
    assert_status(STATUS_OK, metrics_print(scene->metrics, &text));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    found = strstr(text.data, line) != NULL;
    buffer_free(&text);
    return found;
}

static int64_t ended(struct scene *scene, const char *profile, const char *result)
{
    const struct metric_label labels[] = {{"profile", profile}, {"result", result}};

    return series_value(metrics_series(scene->metrics, METRIC_COUNTER, "prismguard_trainer_trials_total", "", labels, 2));
}

static int64_t gauge(struct scene *scene, const char *name, const char *profile)
{
    const struct metric_label label = {"profile", profile};

    return series_value(metrics_series(scene->metrics, METRIC_GAUGE, name, "", &label, 1));
}

static int64_t trial_version(struct scene *scene, const char *profile)
{
    return gauge(scene, "prismguard_trainer_trial_version", profile);
}

static int64_t live_version(struct scene *scene, const char *profile)
{
    return gauge(scene, "prismguard_trainer_model_version", profile);
}

static void what_a_version_is_worth_is_noted_and_told(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "worth");
    add_version(&scene, 0, false);
    run_round(&scene);
    assert_true(tells(&scene, "prismguard_trainer_recall{profile=\"first\",status=\"live\",bound=\"value\"} NaN\n"));
    assert_true(tells(&scene, "prismguard_trainer_recall{profile=\"second\",status=\"live\",bound=\"high\"} NaN\n"));
    drawn_add(scene.db, scene.ids[0], 1, true, 1, 30, 0.1);
    drawn_add(scene.db, scene.ids[0], 1, false, 1, 10, 0.1); /* it says no */
    run_round(&scene);
    assert_true(tells(&scene, "prismguard_trainer_recall{profile=\"first\",status=\"live\",bound=\"value\"} 0.75"));
    assert_true(tells(&scene, "prismguard_trainer_recall{profile=\"first\",status=\"live\",bound=\"low\"} 0.59"));
    assert_true(tells(&scene, "prismguard_trainer_precision{profile=\"first\",status=\"live\",bound=\"value\"} 1\n"));
    assert_true(tells(&scene, "prismguard_trainer_drawn_labels{profile=\"first\",status=\"live\"} 40\n"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where (trial->'recall'->>'value')::float = 0.75 "
                                                 "and (trial->>'labels')::int = 40"));
    /* Nothing is new: nothing is read or written. */
    assert_status(STATUS_OK, db_script(scene.db, "update models set trial = null"));
    run_round(&scene);
    assert_int_equal(0, samples_number(scene.db, "select count(*) from models where trial is not null"));
    clear_scene(&scene);
}

static void a_trial_is_ended_by_whoever_leads(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "leads");
    for (size_t profile = 0; profile < 2; profile++) {
        add_version(&scene, profile, false);
        add_version(&scene, profile, true);
        drawn_add(scene.db, scene.ids[profile], 2, true, 1, 50, 0.1);
    }
    run_round(&scene);
    assert_int_equal(2, trial_version(&scene, "first"));
    assert_int_equal(2, samples_number(scene.db, "select count(*) from models where status = 'canary' and trial is not null"));
    drawn_add(scene.db, scene.ids[0], 2, true, 1, 50, 0.1);
    /* Another trainer, which knows nothing. */
    trials_close(&scene.trials);
    assert_status(STATUS_OK, trials_open(&scene.trials, &scene.settings, scene.metrics));
    assert_status(STATUS_OK, store_raise_epoch(scene.store, &scene.epoch));
    run_round(&scene);
    assert_int_equal(0, trial_version(&scene, "first"));
    assert_int_equal(2, trial_version(&scene, "second"));
    assert_int_equal(1, ended(&scene, "first", "promoted"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models m join profiles p using (profile_id) "
                                                 "where p.name = 'first' and status = 'live' and version = 2"));
    /* Settings that want no trials any more. */
    scene.profiles[1].training.canary = 0;
    trials_use(scene.trials, &scene.settings);
    run_round(&scene);
    assert_int_equal(1, ended(&scene, "second", "aside"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where status = 'candidate' and reason = 'trial_off'"));
    run_round(&scene);
    assert_int_equal(0, trial_version(&scene, "second"));
    clear_scene(&scene);
}

/* A former leader's turn fails, and so does one profile's: the next round goes on behind it. */
static void what_fails_for_one_profile_keeps_no_other(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "fails");
    for (size_t profile = 0; profile < 2; profile++) {
        add_version(&scene, profile, false);
        drawn_add(scene.db, scene.ids[profile], 1, true, 1, 5, 0.1);
    }
    clock_freeze(clock_ms() + 2);
    assert_status(STATUS_STALE, take_turn(&scene, scene.epoch - 1));
    assert_status(STATUS_OK, take_turn(&scene, scene.epoch)); /* the second one's place */
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where trial is not null"));
    run_round(&scene);
    assert_int_equal(2, samples_number(scene.db, "select count(*) from models where trial is not null"));
    clear_scene(&scene);
}

/* Whoever made a version live, and between two rounds too. */
static void the_versions_in_use_are_those_of_the_database(void **state)
{
    struct store_retreat done;
    struct scene scene;

    (void)state;
    set_scene(&scene, "in_use");
    scene.settings.trainer.check_every_ms = 3600 * 1000;
    run_round(&scene);
    assert_int_equal(0, live_version(&scene, "first"));
    add_version(&scene, 0, false);
    run_round(&scene);
    assert_int_equal(1, live_version(&scene, "first"));
    assert_int_equal(0, live_version(&scene, "second"));
    add_version(&scene, 0, false); /* by whatever trainer */
    run_round(&scene);
    assert_int_equal(2, live_version(&scene, "first"));
    assert_status(STATUS_OK, store_rollback(scene.store, scene.ids[0], &done));
    run_round(&scene);
    assert_int_equal(1, live_version(&scene, "first"));
    assert_status(STATUS_OK, store_pin(scene.store, scene.ids[0], 2));
    run_round(&scene);
    assert_int_equal(2, live_version(&scene, "first"));
    assert_status(STATUS_OK, store_unpin(scene.store, scene.ids[0]));
    add_version(&scene, 0, true);
    run_round(&scene);
    assert_int_equal(2, live_version(&scene, "first"));
    assert_int_equal(3, trial_version(&scene, "first"));
    trials_leave(scene.trials); /* another one leads, and tells it */
    assert_int_equal(0, live_version(&scene, "first"));
    assert_int_equal(0, trial_version(&scene, "first"));
    assert_status(STATUS_OK, db_script(scene.db, "delete from models"));
    run_round(&scene);
    assert_int_equal(0, live_version(&scene, "first"));
    clear_scene(&scene);
}

/* A reload that takes it away, or its model: nobody looks at it any more, not even when the lead is lost. */
static void nothing_is_told_of_a_profile_that_is_trained_no_more(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "no_more");
    for (size_t profile = 0; profile < 2; profile++) {
        add_version(&scene, profile, false);
        add_version(&scene, profile, true);
        drawn_add(scene.db, scene.ids[profile], 2, true, 1, 5, 0.1);
    }
    run_round(&scene);
    assert_int_equal(1, live_version(&scene, "second"));
    assert_int_equal(2, trial_version(&scene, "second"));
    assert_true(tells(&scene, "prismguard_trainer_drawn_labels{profile=\"second\",status=\"canary\"} 5\n"));
    scene.profiles[1].model_kind = MODEL_KIND_NONE;
    trials_use(scene.trials, &scene.settings);
    run_round(&scene);
    assert_int_equal(1, live_version(&scene, "first"));
    assert_int_equal(2, trial_version(&scene, "first"));
    assert_int_equal(0, live_version(&scene, "second"));
    assert_int_equal(0, trial_version(&scene, "second"));
    assert_true(tells(&scene, "prismguard_trainer_recall{profile=\"second\",status=\"canary\",bound=\"value\"} NaN\n"));
    assert_true(tells(&scene, "prismguard_trainer_drawn_labels{profile=\"second\",status=\"canary\"} 0\n"));
    scene.settings.profile_count = 0;
    trials_use(scene.trials, &scene.settings);
    trials_leave(scene.trials);
    assert_int_equal(0, live_version(&scene, "first"));
    assert_int_equal(0, trial_version(&scene, "first"));
    clear_scene(&scene);
}

static int64_t ended_at_all(struct scene *scene, const char *profile)
{
    int64_t count = 0;

    for (int end = TRIAL_PROMOTED; end < TRIAL_ENDS; end++) {
        count += ended(scene, profile, trial_end_name((enum trial_end)end));
    }
    return count;
}

static void a_trial_that_others_end_is_told_by_whoever_led_it(void **state)
{
    struct store_retreat done;
    struct scene scene;

    (void)state;
    set_scene(&scene, "others");
    for (size_t profile = 0; profile < 2; profile++) {
        add_version(&scene, profile, false);
        add_version(&scene, profile, true);
    }
    run_round(&scene);
    assert_int_equal(0, ended_at_all(&scene, "first"));
    assert_status(STATUS_OK, store_rollback(scene.store, scene.ids[0], &done));
    run_round(&scene);
    run_round(&scene);
    assert_int_equal(1, ended(&scene, "first", "rolled_back"));
    add_version(&scene, 0, true);
    run_round(&scene);
    assert_status(STATUS_OK, store_pin(scene.store, scene.ids[0], 1));
    run_round(&scene);
    assert_int_equal(1, ended(&scene, "first", "superseded"));
    assert_status(STATUS_OK, store_unpin(scene.store, scene.ids[0]));
    add_version(&scene, 0, true);
    run_round(&scene);
    add_version(&scene, 0, true); /* a training by hand: the newer one is tried */
    run_round(&scene);
    assert_int_equal(2, ended(&scene, "first", "superseded"));
    assert_int_equal(5, trial_version(&scene, "first"));
    assert_status(STATUS_OK, store_publish_version(scene.store, scene.ids[0], 5));
    run_round(&scene);
    assert_int_equal(1, ended(&scene, "first", "published"));
    assert_int_equal(4, ended_at_all(&scene, "first"));
    assert_int_equal(0, ended_at_all(&scene, "second"));
    /* In another lead nobody knows who ended it. */
    assert_status(STATUS_OK, store_rollback(scene.store, scene.ids[1], &done));
    trials_leave(scene.trials);
    assert_status(STATUS_OK, store_raise_epoch(scene.store, &scene.epoch));
    run_round(&scene);
    assert_int_equal(0, ended_at_all(&scene, "second"));
    clear_scene(&scene);
}

/* As many bytes as are looked at take longer than a turn: the profile behind waits for the next one. */
static void a_turn_has_an_end(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "turn");
    for (size_t profile = 0; profile < 2; profile++) {
        add_version(&scene, profile, false);
        drawn_add(scene.db, scene.ids[profile], 1, true, 1, 5, 0.1);
    }
    drawn_add(scene.db, scene.ids[0], 1, true, 1, TRIAL_BYTES_MAX / 65536, 0.1);
    assert_status(STATUS_OK, db_script(scene.db, "update samples set text = convert_to(rpad(convert_from(text, 'UTF8'), 65536, "
                                                 "' and so on'), 'UTF8') where profile_id = 1"));
    assert_status(STATUS_OK, take_turn(&scene, scene.epoch));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where trial is not null"));
    assert_status(STATUS_OK, take_turn(&scene, scene.epoch));
    assert_int_equal(2, samples_number(scene.db, "select count(*) from models where trial is not null"));
    clear_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_version_is_worth_is_noted_and_told),
        cmocka_unit_test(a_trial_is_ended_by_whoever_leads),
        cmocka_unit_test(what_fails_for_one_profile_keeps_no_other),
        cmocka_unit_test(the_versions_in_use_are_those_of_the_database),
        cmocka_unit_test(nothing_is_told_of_a_profile_that_is_trained_no_more),
        cmocka_unit_test(a_trial_that_others_end_is_told_by_whoever_led_it),
        cmocka_unit_test(a_turn_has_an_end),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
