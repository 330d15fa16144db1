/* training: a run publishes a model that judges well, refuses one that judges worse, and leaves nothing behind when it
 * ends. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/model.h"
#include "trainer/fit.h"
#include "trainer/holdout.h"
#include "trainer/training.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 400, TEXT_BYTES = 40 };

struct scene {
    struct database_settings settings;
    struct db *db;
    struct store *store;
    struct profile_settings profile;
    atomic_bool cancelled;
    struct training training;
};

static void set_scene(struct scene *scene, const char *database)
{
    *scene = (struct scene){0};
    scene->db = samples_create(&server, database, &scene->settings);
    assert_status(STATUS_OK, store_open(&scene->store, &scene->settings, NULL));
    (void)snprintf(scene->profile.name, sizeof scene->profile.name, "default");
    scene->profile.model_kind = MODEL_KIND_HASHLINEAR;
    scene->profile.training =
        (struct training_settings){.min_samples = 20, .max_samples = 4 * ROWS, .min_auc = 0.8, .max_regression = 0.005};
    scene->training = (struct training){
        .database = &scene->settings,
        .profile = &scene->profile,
        .profile_id = samples_add_profile(scene->db, "default"),
        .seed = 42,
        .cancelled = &scene->cancelled,
    };
    assert_status(STATUS_OK, store_raise_epoch(scene->store, &scene->training.epoch));
}

static void clear_scene(struct scene *scene)
{
    store_close(&scene->store);
    db_close(&scene->db);
}

/* Older texts that say the opposite of their label. */
static void poison(struct scene *scene, int64_t count)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = scene->training.profile_id},
        {.type = DB_BIGINT, .bigint = count},
        {.type = DB_BIGINT, .bigint = TEXT_BYTES},
    };

    assert_status(STATUS_OK, db_run(scene->db,
                                    "insert into samples (profile_id, label, text_hash, text, created_at) select $1, l, "
                                    "decode(md5('poison' || l || n), 'hex'), "
                                    "convert_to(rpad((1 - l) || ' ' || n || ' ', $3::int, 'x'), 'UTF8'), "
                                    "now() - interval '1 hour' from generate_series(1, $2::int) n, generate_series(0, 1) l",
                                    values, 3, NULL));
}

static void a_run_publishes_a_model_with_its_figures(void **state)
{
    struct scene scene;
    struct training_result result;
    struct buffer file;
    struct model *model = NULL;
    int64_t version = 0;

    (void)state;
    set_scene(&scene, "publishes");
    samples_fill(scene.db, scene.training.profile_id, 0, 3 * ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_string_equal("", result.reason);
    assert_int_equal(1, result.version);
    assert_int_equal(3 * ROWS, result.sampled[0].existing);
    assert_int_equal(3 * ROWS, result.rows); /* half of max_samples, and all there are of the other label */
    assert_in_range(result.held_out, 3 * ROWS / 10, 3 * ROWS * 3 / 10);
    assert_true(fabs(result.violation_share - 0.25) < 1e-9);
    assert_true(result.figures.auc > 0.9);
    assert_true(isnan(result.live_auc));
    assert_int_equal(
        1, samples_number(scene.db, "select count(*) from models where status = 'live' and octet_length(sha256) = 32 "
                                    "and (figures->>'auc')::float > 0.9 and (figures->>'held_out')::int > 0 "
                                    "and figures->>'refused_by' = '' and figures->'live_auc' = 'null'"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from profiles where trained_at between "
                                                 "now() - interval '1 minute' and now()"));
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, store_live_model(scene.store, scene.training.profile_id, &file, &version));
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    assert_true(model_score(model, BYTES("1 77 xxxxxxxxxxxxxxxxxxxx")) >
                model_score(model, BYTES("0 77 xxxxxxxxxxxxxxxxxxxx")));
    model_close(&model);
    buffer_free(&file);
    clear_scene(&scene);
}

/* Every other pass was drawn with one in twenty: they stand for twenty each, in the share of violations and in the figures. */
static void what_was_drawn_at_random_stands_for_what_was_not_reviewed(void **state)
{
    struct scene scene;
    struct training_result result;
    double texts = ROWS / 2.0 * (20 + 1);

    (void)state;
    set_scene(&scene, "weighs");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, db_script(scene.db, "with d as (select text_hash, row_number() over (order by text_hash) % 2 as r from samples "
                                                 "where label = 0) update samples s set reviewed_share = 0.05 from d "
                                                 "where s.label = 0 and s.text_hash = d.text_hash and d.r = 0"));
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_true(fabs(result.violation_share - ROWS / (ROWS + texts)) < 1e-6);
    assert_true(result.figures.effective < 0.75 * (double)result.held_out);
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where (figures->>'effective')::float < "
                                                 "0.75 * (figures->>'held_out')::int"));
    clear_scene(&scene);
}

static void every_kind_is_trained_and_stored_under_its_name(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "kinds");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    scene.profile.training.max_regression = 1; /* one kind may follow another */
    for (int kind = MODEL_KIND_NONE + 1; kind < MODEL_KINDS; kind++) {
        struct training_result result;
        struct buffer file;
        struct model *model = NULL;
        int64_t version = 0;

        scene.profile.model_kind = (enum model_kind)kind;
        training_run(&scene.training, &result);
        assert_string_equal("live", training_end_name(result.end));
        buffer_init(&file, MODEL_FILE_BYTES_MAX);
        assert_status(STATUS_OK, store_live_model(scene.store, scene.training.profile_id, &file, &version));
        assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
        assert_int_equal(kind, model_kind_of(model));
        model_close(&model);
        buffer_free(&file);
    }
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where status = 'live' and kind = 'fasttext'"));
    assert_int_equal(3, samples_number(scene.db, "select count(distinct kind) from models "
                                                 "where kind in ('hashlinear', 'bow', 'fasttext')"));
    clear_scene(&scene);
}

static void weights_are_stored_as_the_profile_says(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "storage");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    for (int kind = MODEL_KIND_NONE + 1; kind < MODEL_KINDS; kind++) {
        size_t bytes[2];

        for (int storage = MODEL_FLOAT32; storage <= MODEL_INT8; storage++) {
            struct training_result result;
            struct buffer file;
            struct model *model = NULL;
            int64_t version = 0;

            scene.profile.model_kind = (enum model_kind)kind;
            scene.profile.training.storage = (enum model_storage)storage;
            scene.profile.training.max_regression = 1;
            training_run(&scene.training, &result);
            assert_string_equal("live", training_end_name(result.end));
            buffer_init(&file, MODEL_FILE_BYTES_MAX);
            assert_status(STATUS_OK, store_live_model(scene.store, scene.training.profile_id, &file, &version));
            assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
            bytes[storage] = file.count;
            model_close(&model);
            buffer_free(&file);
        }
        assert_int_equal(3 << FIT_TABLE_BITS, bytes[MODEL_FLOAT32] - bytes[MODEL_INT8]); /* 4 bytes a weight, and 1 */
    }
    assert_int_equal(3, samples_number(scene.db, "select count(*) from models where figures->>'storage' = 'int8'"));
    assert_int_equal(3, samples_number(scene.db, "select count(*) from models where figures->>'storage' = 'float32'"));
    clear_scene(&scene);
}

/* The same texts, of which two in five are called violations: once all are the reviewer's labels, once those two are people's. */
static void what_people_say_outweighs_what_the_reviewer_says(void **state)
{
    static const char disputed[] = "select count(*) from samples where label = 1 and text like 'quarrel%'";
    double scores[2];
    struct scene scene;

    (void)state;
    set_scene(&scene, "people");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, db_script(scene.db, "insert into samples (profile_id, label, text_hash, text, created_at) select 1, "
                                                 "(get_byte(decode(md5(n::text), 'hex'), 0) % 5 < 2)::int, decode(md5('disputed' || n), 'hex'), "
                                                 "convert_to('quarrelsome words ' || n, 'UTF8'), now() - interval '1 hour' "
                                                 "from generate_series(1, 240) n"));
    for (int people = 0; people < 2; people++) {
        struct training_result result;
        struct model *model = NULL;
        struct buffer file;
        int64_t version = 0;

        training_run(&scene.training, &result);
        assert_int_equal(people * samples_number(scene.db, disputed), result.sampled[1].people);
        assert_string_equal("live", training_end_name(result.end));
        buffer_init(&file, MODEL_FILE_BYTES_MAX);
        assert_status(STATUS_OK, store_live_model(scene.store, scene.training.profile_id, &file, &version));
        assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
        scores[people] = model_score(model, BYTES("quarrelsome words"));
        model_close(&model);
        buffer_free(&file);
        scene.profile.training.max_regression = 1;
        assert_status(STATUS_OK, db_script(scene.db, "update samples set source = 3 where label = 1 and text like 'quarrel%'"));
    }
    assert_true(scores[1] > scores[0] + 0.05);
    clear_scene(&scene);
}

static void a_regression_is_stored_as_refused_and_the_live_version_stays(void **state)
{
    struct scene scene;
    struct training_result result;

    (void)state;
    set_scene(&scene, "regresses");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    poison(&scene, 3 * ROWS);
    scene.profile.training.max_samples = 16 * ROWS;
    scene.profile.training.min_auc = 0;
    training_run(&scene.training, &result);
    assert_string_equal("refused", training_end_name(result.end));
    assert_string_equal("max_regression", result.reason);
    assert_int_equal(2, result.version);
    assert_true(result.live_auc > result.figures.auc + 0.005);
    assert_status(STATUS_OK, db_script(scene.db, "update models set figures = figures - 'changed_at_us'"));
    scene.profile.training.min_auc = 0.9;
    training_run(&scene.training, &result);
    assert_string_equal("refused", training_end_name(result.end));
    assert_string_equal("min_auc", result.reason);
    assert_int_equal(3, result.version);
    assert_int_equal(1, samples_number(scene.db, "select version from models where status = 'live'"));
    assert_int_equal(2, samples_number(scene.db, "select count(*) from models where status = 'refused'"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where version = 2 and "
                                                 "figures->>'refused_by' = 'max_regression'"));
    clear_scene(&scene);
}

/* So many older texts say the opposite of what the newest say. */
static void a_change_is_noticed_and_the_run_after_it_learns_from_what_came_since(void **state)
{
    static const char held[] = "select (figures->>'held_out')::int from models order by version desc limit 1";
    struct scene scene;
    struct training_result result;
    int64_t first_held, since_us;

    (void)state;
    set_scene(&scene, "changes");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    poison(&scene, 3 * ROWS);
    since_us = samples_number(scene.db, "select (extract(epoch from max(created_at)) * 1000000)::bigint from samples");
    scene.profile.training.max_samples = 16 * ROWS;
    scene.profile.training.min_auc = 0;
    training_run(&scene.training, &result);
    assert_true(result.figures.auc < 0.5);
    assert_in_range(result.changed_at_us, since_us - 60000000, since_us);
    first_held = samples_number(scene.db, held);
    /* It is news: the profile is as due as it was. */
    assert_int_equal(1, samples_number(scene.db, "select count(*) from profiles where trained_at = '-infinity'"));
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_true(result.figures.auc > 0.9 && result.live_auc < 0.5);
    assert_true(result.held_out < first_held);
    assert_in_range(result.changed_at_us, since_us - 60000000, since_us);
    assert_int_equal(1, samples_number(scene.db, "select count(*) from profiles where trained_at > '-infinity'"));
    assert_int_equal(1, samples_number(scene.db, "select count(distinct figures->>'changed_at_us') from models"));
    /* Equal data, seed and knowledge give equal models. */
    scene.profile.training.max_regression = 1;
    training_run(&scene.training, &result);
    assert_int_equal(1, samples_number(scene.db, "select count(distinct sha256) from models where version > 1"));
    /* Once the older ones are gone there is nothing to know any more. */
    assert_status(STATUS_OK, db_script(scene.db, "delete from samples where created_at < now() - interval '30 minutes'"));
    training_run(&scene.training, &result);
    assert_int_equal(0, result.changed_at_us);
    assert_true(result.figures.auc > 0.9);
    clear_scene(&scene);
}

/* What was taken for a change and is none costs nothing: the model of all rows alike is the better one. */
static void where_older_rows_say_the_same_they_go_on_to_count(void **state)
{
    struct scene scene;
    struct training_result result;

    (void)state;
    set_scene(&scene, "same");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, db_script(scene.db, "update samples set created_at = now() - interval '1 hour' where get_byte(text_hash, 15) % 8 > 0"));
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_int_equal(0, result.changed_at_us);
    assert_status(STATUS_OK, db_script(scene.db, "update models set figures = figures || jsonb_build_object('changed_at_us', "
                                                 "(extract(epoch from now() - interval '30 minutes') * 1000000)::bigint)"));
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_true(result.changed_at_us > 0); /* an eighth is too little to tell */
    assert_true(result.figures.auc >= result.live_auc);
    assert_int_equal(1, samples_number(scene.db, "select count(*) from profiles where trained_at > '-infinity'"));
    clear_scene(&scene);
}

static void equal_data_and_seed_give_equal_models(void **state)
{
    struct scene scene;
    struct training_result result;

    (void)state;
    set_scene(&scene, "repeats");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    training_run(&scene.training, &result);
    training_run(&scene.training, &result);
    assert_int_equal(2, result.version);
    assert_string_equal("live", training_end_name(result.end));
    assert_int_equal(1, samples_number(scene.db, "select count(distinct sha256) from models"));
    clear_scene(&scene);
}

static void a_run_that_cannot_go_on_stores_nothing(void **state)
{
    struct scene scene;
    struct training_result result;

    (void)state;
    set_scene(&scene, "fails");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    training_run(&scene.training, &result);
    assert_string_equal("failed", training_end_name(result.end));
    assert_string_equal("draw", result.reason);
    assert_status(STATUS_TOO_FEW, result.status);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);

    atomic_store(&scene.cancelled, true);
    training_run(&scene.training, &result);
    assert_string_equal("cancelled", training_end_name(result.end));
    atomic_store(&scene.cancelled, false);

    scene.training.epoch--;
    training_run(&scene.training, &result);
    assert_string_equal("failed", training_end_name(result.end));
    assert_string_equal("store", result.reason);
    assert_status(STATUS_STALE, result.status);
    assert_int_equal(0, result.version);
    scene.training.epoch++;

    (void)snprintf(scene.settings.url, sizeof scene.settings.url, "host=/nonexistent dbname=fails");
    training_run(&scene.training, &result);
    assert_string_equal("failed", training_end_name(result.end));
    assert_string_equal("draw", result.reason);
    assert_status(STATUS_UNAVAILABLE, result.status);

    assert_int_equal(0, samples_number(scene.db, "select count(*) from models"));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from profiles where trained_at = '-infinity'"));
    clear_scene(&scene);
}

struct running {
    const struct training *training;
    struct training_result result;
};

static void *run_training(void *context)
{
    struct running *running = context;

    training_run(running->training, &running->result);
    return NULL;
}

/* A lock keeps the draw waiting; without the cancel it would wait for its lock timeout. */
static void a_cancelled_run_leaves_no_statement_at_the_server(void **state)
{
    static const char drawing[] = "select count(*) from pg_stat_activity where application_name = 'prismguard-trainer' "
                                  "and wait_event_type = 'Lock'";
    struct scene scene;
    struct running running;
    struct db *other = NULL;
    pthread_t thread;
    uint64_t before_ms;

    (void)state;
    set_scene(&scene, "waits");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    running.training = &scene.training;
    assert_status(STATUS_OK, db_open(&other, &scene.settings, "locks"));
    assert_status(STATUS_OK, db_run(other, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(other, "lock table samples", NULL, 0, NULL));
    assert_int_equal(0, pthread_create(&thread, NULL, run_training, &running));
    while (samples_number(scene.db, drawing) == 0) {
        (void)poll(NULL, 0, 5);
    }
    before_ms = clock_ms();
    atomic_store(&scene.cancelled, true);
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_string_equal("cancelled", training_end_name(running.result.end));
    assert_status(STATUS_CLOSED, running.result.status);
    while (samples_number(scene.db, drawing) > 0) {
        (void)poll(NULL, 0, 5);
    }
    assert_in_range(clock_ms() - before_ms, 0, DB_LOCK_MS * 9 / 10);
    db_close(&other);
    clear_scene(&scene);
}

static void a_live_version_that_cannot_be_read_is_replaced(void **state)
{
    struct scene scene;
    struct training_result result;
    struct store_model broken;
    int64_t version = 0;
    enum store_end end = STORE_REFUSED;

    (void)state;
    set_scene(&scene, "broken");
    samples_fill(scene.db, scene.training.profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(scene.db, scene.training.profile_id, 1, ROWS, TEXT_BYTES, 0);
    broken = (struct store_model){
        .profile_id = scene.training.profile_id,
        .epoch = scene.training.epoch,
        .kind = "hashlinear",
        .file = BYTES("no model"),
        .sha256 = BYTES("none"),
        .figures = BYTES("{}"),
        .passed = true,
        .reason = "",
    };
    assert_status(STATUS_OK, store_publish(scene.store, &broken, &version, &end));
    training_run(&scene.training, &result);
    assert_string_equal("live", training_end_name(result.end));
    assert_int_equal(2, result.version);
    assert_true(isnan(result.live_auc));
    clear_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_publishes_a_model_with_its_figures),
        cmocka_unit_test(what_was_drawn_at_random_stands_for_what_was_not_reviewed),
        cmocka_unit_test(every_kind_is_trained_and_stored_under_its_name),
        cmocka_unit_test(weights_are_stored_as_the_profile_says),
        cmocka_unit_test(what_people_say_outweighs_what_the_reviewer_says),
        cmocka_unit_test(a_regression_is_stored_as_refused_and_the_live_version_stays),
        cmocka_unit_test(a_change_is_noticed_and_the_run_after_it_learns_from_what_came_since),
        cmocka_unit_test(where_older_rows_say_the_same_they_go_on_to_count),
        cmocka_unit_test(equal_data_and_seed_give_equal_models),
        cmocka_unit_test(a_run_that_cannot_go_on_stores_nothing),
        cmocka_unit_test(a_cancelled_run_leaves_no_statement_at_the_server),
        cmocka_unit_test(a_live_version_that_cannot_be_read_is_replaced),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
