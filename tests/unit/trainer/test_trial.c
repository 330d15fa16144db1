/* test_trial: what becomes of a version on trial by the texts that were drawn since it was made, and by nothing else. */
#include "support/database.h"
#include "support/drawn.h"
#include "support/unit.h"

#include "trainer/trial.h"

struct scene {
    struct database_settings settings;
    struct profile_settings profile;
    struct db *db;
    struct store *store;
    int64_t epoch;
    struct store_standing standing;
};

/* A live version and one on trial. */
static void set_scene(struct scene *scene, const char *database, enum drawn_model live, enum drawn_model tried)
{
    struct bytes name = BYTES("default");
    int64_t profile_id;
    size_t count;

    *scene = (struct scene){.profile = {.low = 0.2, .high = 0.8}};
    scene->profile.training = (struct training_settings){
        .canary = 0.1, .canary_labels = 200, .canary_time_ms = 3600 * 1000, .max_regression = 0.005};
    scene->db = samples_create(&server, database, &scene->settings);
    profile_id = samples_add_profile(scene->db, "default");
    assert_status(STATUS_OK, store_open(&scene->store, &scene->settings, NULL));
    assert_status(STATUS_OK, store_raise_epoch(scene->store, &scene->epoch));
    assert_int_equal(1, drawn_add_version(scene->store, profile_id, scene->epoch, live, false));
    assert_int_equal(2, drawn_add_version(scene->store, profile_id, scene->epoch, tried, true));
    assert_status(STATUS_OK, store_list_standings(scene->store, &name, 1, &scene->standing, &count));
    assert_int_equal(1, count);
    assert_int_equal(profile_id, scene->standing.profile_id);
    assert_int_equal(1, scene->standing.live_version);
    assert_int_equal(2, scene->standing.trial_version);
    assert_int_equal(0, scene->standing.drawn_us);
    assert_true(scene->standing.trial_made_us > scene->standing.live_made_us && scene->standing.live_made_us > 0);
    assert_in_range(scene->standing.trial_age_ms, 0, 60000);
}

static void clear_scene(struct scene *scene)
{
    store_close(&scene->store);
    db_close(&scene->db);
}

static struct trial_result judge(struct scene *scene)
{
    struct trial_result result;

    assert_status(STATUS_OK, trial_judge(scene->store, &scene->profile, &scene->standing, &result));
    return result;
}

static void add(struct scene *scene, int64_t version, bool is_long, int label, int64_t count)
{
    drawn_add(scene->db, scene->standing.profile_id, version, is_long, label, count, 0.1);
}

static void expect(struct scene *scene, enum trial_end end, const char *reason)
{
    struct trial_result result = judge(scene);

    assert_string_equal(trial_end_name(end), trial_end_name(result.end));
    assert_string_equal(reason, result.reason);
}

/* One less of each of what it needs, and then that one more. */
static void it_goes_on_until_there_is_enough_of_everything(void **state)
{
    struct scene scene;
    struct trial_result result;

    (void)state;
    set_scene(&scene, "enough", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 1, true, 1, TRIAL_VIOLATIONS_MIN);
    add(&scene, 2, false, 0, TRIAL_DECIDED_MIN);
    add(&scene, 1, false, 0, 200 - TRIAL_VIOLATIONS_MIN - TRIAL_DECIDED_MIN - 1);
    expect(&scene, TRIAL_GOES_ON, "");
    add(&scene, 1, false, 0, 1);
    result = judge(&scene);
    assert_string_equal("promoted", trial_end_name(result.end));
    assert_int_equal(200, result.trial.count);
    assert_int_equal(TRIAL_VIOLATIONS_MIN, result.trial.violations);
    assert_int_equal(TRIAL_DECIDED_MIN, result.decided);
    assert_true(result.trial.precision.value == 1 && result.trial.recall.value == 1 && result.beside.recall.value == 1);
    assert_status(STATUS_OK, db_script(scene.db, "update verdicts set model_version = 1 where text_hash = "
                                                 "(select text_hash from verdicts where model_version = 2 limit 1)"));
    expect(&scene, TRIAL_GOES_ON, ""); /* hardly anybody used it */
    assert_status(STATUS_OK, db_script(scene.db, "update verdicts set model_version = 2; delete from verdicts where text_hash = "
                                                 "(select text_hash from verdicts where label = 1 limit 1)"));
    add(&scene, 1, false, 0, 1);
    expect(&scene, TRIAL_GOES_ON, ""); /* too few violations */
    clear_scene(&scene);
}

static void one_that_lets_violations_pass_is_refused(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "recall", DRAWN_MODEL_LONG, DRAWN_MODEL_NONE);
    add(&scene, 2, true, 1, 40);
    add(&scene, 2, false, 0, TRIAL_EARLY_MIN - 41);
    expect(&scene, TRIAL_GOES_ON, "");
    add(&scene, 2, false, 0, 1);
    expect(&scene, TRIAL_REFUSED, "trial_recall"); /* before there are enough */
    clear_scene(&scene);
}

static void one_that_blocks_what_is_harmless_is_refused(void **state)
{
    struct scene scene;
    struct trial_result result;

    (void)state;
    set_scene(&scene, "precision", DRAWN_MODEL_LONG, DRAWN_MODEL_ALL);
    add(&scene, 2, true, 1, 40);
    add(&scene, 2, false, 0, 160);
    result = judge(&scene);
    assert_string_equal("trial_precision", result.reason);
    assert_true(result.trial.precision.value == 0.2 && result.beside.precision.value == 1);
    clear_scene(&scene);
}

/* A little behind: by chance alone it would often be. */
static void what_may_be_chance_is_no_reason_to_refuse(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "chance", DRAWN_MODEL_LONG, DRAWN_MODEL_ALL);
    add(&scene, 2, true, 1, 198);
    add(&scene, 2, false, 0, 2); /* two more errors than the live one makes */
    expect(&scene, TRIAL_PROMOTED, "");
    add(&scene, 2, false, 0, 28);
    expect(&scene, TRIAL_REFUSED, "trial_precision");
    clear_scene(&scene);
}

/* What was drawn before it was made is what it learned from; what was not drawn is what models were unsure of. */
static void only_texts_that_were_drawn_since_count(void **state)
{
    struct scene scene;
    struct trial_result result;

    (void)state;
    set_scene(&scene, "since", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 2, true, 1, 50);
    assert_status(STATUS_OK, db_script(scene.db, "update verdicts set drawn_at = (select made_at from models where version = 1)"));
    add(&scene, 2, false, 0, 50);
    samples_fill(scene.db, scene.standing.profile_id, 1, 50, 20, 0);
    assert_status(STATUS_OK, db_script(scene.db, "insert into verdicts (profile_id, text_hash, label, source, drawn) "
                                                 "select profile_id, text_hash, label, 2, 0 from samples on conflict do nothing"));
    result = judge(&scene);
    assert_int_equal(50, result.trial.count);
    assert_int_equal(0, result.trial.violations);
    assert_int_equal(100, result.live.count); /* since that one was made */
    assert_int_equal(50, result.live.violations);
    clear_scene(&scene);
}

static void without_evidence_it_is_set_aside_and_never_promoted(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "aside", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 2, true, 1, 199);
    scene.standing.trial_age_ms = (int64_t)scene.profile.training.canary_time_ms - 1;
    expect(&scene, TRIAL_GOES_ON, "");
    scene.standing.trial_age_ms++;
    expect(&scene, TRIAL_SET_ASIDE, "trial_too_few");
    add(&scene, 2, true, 1, 1);
    expect(&scene, TRIAL_PROMOTED, ""); /* in the last moment */
    scene.profile.training.canary = 0;
    expect(&scene, TRIAL_SET_ASIDE, "trial_off");
    clear_scene(&scene);
}

static void a_version_that_cannot_be_read_is_refused_and_a_live_one_is_no_obstacle(void **state)
{
    struct scene scene;
    struct trial_result result;

    (void)state;
    set_scene(&scene, "unreadable", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 2, true, 1, 200);
    assert_status(STATUS_OK, db_script(scene.db, "update models set bytes = 'x' where version = 1"));
    result = judge(&scene);
    assert_string_equal("promoted", trial_end_name(result.end));
    assert_int_equal(0, result.beside.count);
    assert_status(STATUS_OK, db_script(scene.db, "update models set bytes = 'x' where version = 2"));
    expect(&scene, TRIAL_REFUSED, "trial_unreadable");
    clear_scene(&scene);
}

/* Rows and bytes have their bounds; where bytes end it, what there is must do. */
static void only_the_newest_texts_are_looked_at(void **state)
{
    struct scene scene;
    struct trial_result result;

    (void)state;
    set_scene(&scene, "bounds", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 2, false, 0, TRIAL_ROWS_MAX + 10);
    result = judge(&scene);
    assert_int_equal(TRIAL_ROWS_MAX, result.trial.count);
    assert_int_equal(TRIAL_GOES_ON, result.end); /* no violation */
    assert_status(STATUS_OK, db_script(scene.db, "truncate samples, verdicts"));
    add(&scene, 2, true, 1, 300);
    scene.profile.training.canary_labels = 4000;
    assert_status(STATUS_OK, db_script(scene.db, "update samples set text = convert_to(rpad(convert_from(text, 'UTF8'), 65536, "
                                                 "' and so on'), 'UTF8')"));
    result = judge(&scene);
    assert_int_equal(TRIAL_BYTES_MAX / 65536, result.trial.count);
    assert_string_equal("promoted", trial_end_name(result.end));
    clear_scene(&scene);
}

static void figures_are_json(void **state)
{
    struct scene scene;
    struct trial_result result;
    struct buffer out;

    (void)state;
    set_scene(&scene, "json", DRAWN_MODEL_LONG, DRAWN_MODEL_LONG);
    add(&scene, 2, true, 1, 3);
    result = judge(&scene);
    buffer_init(&out, FIGURES_BYTES_MAX);
    assert_status(STATUS_OK, trial_write(&result, &scene.profile, &out));
    assert_status(STATUS_OK, store_note_trial(scene.store, scene.epoch, scene.standing.profile_id, 2, buffer_view(&out)));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where version = 2 and (trial->>'labels')::int = 3 "
                                                 "and (trial->>'labels_wanted')::int = 200 and "
                                                 "(trial->'recall'->>'value')::float = 1 and "
                                                 "(trial->'precision'->>'low')::float between 0.4 and 0.5"));
    buffer_clear(&out);
    assert_status(STATUS_OK, trial_write_live(&result, &out));
    assert_status(STATUS_OK, store_note_trial(scene.store, scene.epoch, scene.standing.profile_id, 1, buffer_view(&out)));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where version = 1 and (trial->>'labels')::int = 3"));
    assert_status(STATUS_STALE, store_note_trial(scene.store, scene.epoch - 1, scene.standing.profile_id, 1, BYTES("{}")));
    assert_int_equal(0, samples_number(scene.db, "select count(*) from models where trial = '{}'"));
    buffer_free(&out);
    clear_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_until_there_is_enough_of_everything),
        cmocka_unit_test(one_that_lets_violations_pass_is_refused),
        cmocka_unit_test(one_that_blocks_what_is_harmless_is_refused),
        cmocka_unit_test(what_may_be_chance_is_no_reason_to_refuse),
        cmocka_unit_test(only_texts_that_were_drawn_since_count),
        cmocka_unit_test(without_evidence_it_is_set_aside_and_never_promoted),
        cmocka_unit_test(a_version_that_cannot_be_read_is_refused_and_a_live_one_is_no_obstacle),
        cmocka_unit_test(only_the_newest_texts_are_looked_at),
        cmocka_unit_test(figures_are_json),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
