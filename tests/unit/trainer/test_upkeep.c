/* upkeep: old samples and those above the number go, from the larger label, people's last, and under the newest epoch only. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "trainer/upkeep.h"

enum { HOUR_S = 3600, KEPT = 1000, TURNS_MAX = 1000 };

struct scene {
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct upkeep *upkeep;
    struct store *store;
    struct db *db;
    int64_t epoch;
    int64_t ids[3]; /* the third is in no settings */
};

static void set_scene(struct scene *scene, const char *database)
{
    static const char *const names[] = {"first", "second", "forgotten"};

    *scene = (struct scene){0};
    scene->db = samples_create(&server, database, &scene->settings.database);
    scene->settings.profiles = scene->profiles;
    scene->settings.profile_count = 2;
    for (size_t index = 0; index < 3; index++) {
        scene->ids[index] = samples_add_profile(scene->db, names[index]);
    }
    for (size_t index = 0; index < 2; index++) {
        (void)snprintf(scene->profiles[index].name, sizeof scene->profiles[index].name, "%s", names[index]);
        scene->profiles[index].retention_ms = HOUR_S * 1000;
        scene->profiles[index].training.keep_samples = KEPT;
    }
    assert_status(STATUS_OK, metrics_open(&scene->metrics));
    assert_status(STATUS_OK, upkeep_open(&scene->upkeep, &scene->settings, scene->metrics));
    assert_status(STATUS_OK, store_open(&scene->store, &scene->settings.database, NULL));
    assert_status(STATUS_OK, store_raise_epoch(scene->store, &scene->epoch));
}

static void clear_scene(struct scene *scene)
{
    upkeep_close(&scene->upkeep);
    upkeep_close(&scene->upkeep);
    metrics_close(&scene->metrics);
    store_close(&scene->store);
    db_close(&scene->db);
}

/* A whole round: the turns that it takes are bounded by its work. */
static void run_round(struct scene *scene)
{
    upkeep_use(scene->upkeep, &scene->settings);
    clock_freeze(clock_ms()); /* so that one turn does it all */
    assert_status(STATUS_OK, upkeep_turn(scene->upkeep, scene->store, scene->epoch));
    clock_freeze(0);
}

static int64_t count(struct scene *scene, size_t profile, const char *which)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql, "select count(*) from %s and profile_id = %lld", which, (long long)scene->ids[profile]);
    return samples_number(scene->db, sql);
}

static int64_t deleted(struct scene *scene, const char *reason)
{
    const struct metric_label label = {"reason", reason};

    return series_value(
        metrics_series(scene->metrics, METRIC_COUNTER, "prismguard_trainer_samples_deleted_total", "", &label, 1));
}

static void what_is_older_than_its_retention_goes(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "ages");
    scene.profiles[1].retention_ms = 4 * HOUR_S * 1000;
    for (size_t index = 0; index < 3; index++) {
        samples_fill(scene.db, scene.ids[index], 0, 300, 20, 2 * HOUR_S);
        samples_fill(scene.db, scene.ids[index], 1, 300, 20, 2 * HOUR_S);
        samples_fill(scene.db, scene.ids[index], 1, 10, 20, HOUR_S - 100);
    }
    samples_fill(scene.db, scene.ids[2], 1, 5, 20, UPKEEP_RETENTION_S + HOUR_S);
    /* Facts without a text too. */
    assert_status(STATUS_OK, db_script(scene.db, "insert into verdicts (profile_id, text_hash, label, source, drawn, labelled_at, "
                                                 "has_text) select 1, decode(md5('fact' || n), 'hex'), 0, 2, 0, "
                                                 "now() - n * interval '1 hour', false from generate_series(0, 1) n"));
    /* A label from long ago that came with its text just now. */
    assert_status(STATUS_OK, db_script(scene.db, "select sample_put(1, array[decode(md5('imported'), 'hex')], '{1}', '{1}', '{3}', "
                                                 "'{null}', '{imported}', '{1}')"));
    run_round(&scene);
    assert_int_equal(11, count(&scene, 0, "samples where true"));
    assert_int_equal(2, count(&scene, 0, "verdicts where true"));
    assert_int_equal(610, count(&scene, 1, "samples where true"));
    assert_int_equal(610, count(&scene, 2, "samples where true"));
    assert_int_equal(606, deleted(&scene, "retention"));
    assert_int_equal(0, deleted(&scene, "keep_samples"));
    clear_scene(&scene);
}

static void what_is_too_many_goes_from_the_larger_label_and_the_oldest_first(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "numbers");
    samples_fill(scene.db, scene.ids[0], 0, 900, 20, 200);
    samples_fill(scene.db, scene.ids[0], 0, 300, 20, 100);
    samples_fill(scene.db, scene.ids[0], 1, 300, 20, 300);
    samples_fill(scene.db, scene.ids[1], 0, 700, 20, 100);
    samples_fill(scene.db, scene.ids[1], 1, 300, 20, 100);
    samples_fill(scene.db, scene.ids[2], 0, 2 * KEPT, 20, 100);
    run_round(&scene);
    assert_int_equal(300, count(&scene, 0, "samples where label = 1"));
    assert_int_equal(700, count(&scene, 0, "samples where label = 0"));
    assert_int_equal(300, count(&scene, 0, "samples where label = 0 and created_at > now() - interval '150 seconds'"));
    assert_int_equal(KEPT, count(&scene, 1, "samples where true"));
    assert_int_equal(2 * KEPT, count(&scene, 2, "samples where true")); /* nobody says how many */
    assert_int_equal(500, deleted(&scene, "keep_samples"));
    /* Below the smaller label both give. */
    scene.profiles[0].training.keep_samples = 201;
    run_round(&scene);
    assert_int_equal(201, count(&scene, 0, "samples where true"));
    assert_in_range(count(&scene, 0, "samples where label = 0"), 100, 101);
    clear_scene(&scene);
}

static void labels_of_people_go_last(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "people");
    samples_fill(scene.db, scene.ids[0], 0, 600, 20, 300);
    assert_status(STATUS_OK, db_script(scene.db, "update samples set source = 3"));
    samples_fill(scene.db, scene.ids[0], 0, 600, 20, 100);
    run_round(&scene);
    assert_int_equal(600, count(&scene, 0, "samples where source = 3"));
    assert_int_equal(400, count(&scene, 0, "samples where source = 2"));
    scene.profiles[0].training.keep_samples = 500;
    run_round(&scene);
    assert_int_equal(500, count(&scene, 0, "samples where source = 3"));
    assert_int_equal(500, count(&scene, 0, "samples where true"));
    clear_scene(&scene);
}

static void an_old_epoch_deletes_nothing(void **state)
{
    struct scene scene;
    int64_t gone = -1;

    (void)state;
    set_scene(&scene, "stale");
    samples_fill(scene.db, scene.ids[0], 0, 2 * KEPT, 20, 2 * HOUR_S);
    assert_status(STATUS_STALE, upkeep_turn(scene.upkeep, scene.store, scene.epoch - 1));
    assert_status(STATUS_STALE, store_prune(scene.store, scene.epoch - 1, (struct store_place){scene.ids[0], 0}, 1, &gone));
    assert_int_equal(2 * KEPT, count(&scene, 0, "samples where true"));
    assert_int_equal(0, deleted(&scene, "retention"));
    assert_status(STATUS_OK, store_prune(scene.store, scene.epoch, (struct store_place){scene.ids[0], 0}, 1, &gone));
    assert_int_equal(1, gone);
    clear_scene(&scene);
}

static void a_turn_and_a_batch_have_an_end(void **state)
{
    struct scene scene;
    int64_t gone = 0;
    int turns = 0;

    (void)state;
    set_scene(&scene, "ends");
    samples_fill(scene.db, scene.ids[0], 0, 40 * SAMPLE_BATCH_MAX, 20, 2 * HOUR_S);
    assert_status(STATUS_OK, store_expire(scene.store, scene.epoch, scene.ids[0], HOUR_S * 1000, &gone));
    assert_int_equal(SAMPLE_BATCH_MAX, gone);
    assert_status(STATUS_OK, store_prune(scene.store, scene.epoch, (struct store_place){scene.ids[0], 0}, KEPT, &gone));
    assert_int_equal(SAMPLE_BATCH_MAX, gone);
    while (count(&scene, 0, "samples where true") > 0) {
        uint64_t before_ms = clock_ms();

        assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
        assert_in_range(clock_ms() - before_ms, 0, 10 * UPKEEP_TURN_MS); /* and the batch at hand */
        assert_true(++turns < TURNS_MAX);
    }
    /* When the round is over the next one waits. */
    assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
    samples_fill(scene.db, scene.ids[0], 0, 1, 20, 2 * HOUR_S);
    assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
    assert_int_equal(1, count(&scene, 0, "samples where true"));
    clock_freeze(clock_ms() + UPKEEP_EVERY_MS);
    assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
    clock_freeze(0);
    assert_int_equal(0, count(&scene, 0, "samples where true"));
    clear_scene(&scene);
}

static void rows_that_others_hold_wait_for_a_later_turn(void **state)
{
    struct scene scene;
    struct db *other = NULL;
    uint64_t before_ms;

    (void)state;
    set_scene(&scene, "held");
    samples_fill(scene.db, scene.ids[0], 0, 10, 20, 2 * HOUR_S);
    assert_status(STATUS_OK, db_open(&other, &scene.settings.database, "test"));
    assert_status(STATUS_OK, db_script(other, "begin"));
    assert_status(STATUS_OK, db_script(other, "select from samples for update"));
    before_ms = clock_ms();
    assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
    assert_in_range(clock_ms() - before_ms, 0, DB_LOCK_MS / 2);
    assert_int_equal(10, count(&scene, 0, "samples where true"));
    assert_status(STATUS_OK, db_script(other, "commit"));
    assert_status(STATUS_OK, upkeep_turn(scene.upkeep, scene.store, scene.epoch));
    assert_int_equal(0, count(&scene, 0, "samples where true"));
    db_close(&other);
    clear_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_older_than_its_retention_goes),
        cmocka_unit_test(what_is_too_many_goes_from_the_larger_label_and_the_oldest_first),
        cmocka_unit_test(labels_of_people_go_last),
        cmocka_unit_test(an_old_epoch_deletes_nothing),
        cmocka_unit_test(a_turn_and_a_batch_have_an_end),
        cmocka_unit_test(rows_that_others_hold_wait_for_a_later_turn),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
