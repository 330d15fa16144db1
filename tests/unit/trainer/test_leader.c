/* leader: one leads, the other stands by and takes over with a greater epoch; what is announced is what is stored. */
#include "support/database.h"
#include "support/folder.h"
#include "support/samples.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "trainer/leader.h"
#include "trainer/store.h"

#include <pthread.h>
#include <zmq.h>

enum { ROWS = 200, TEXT_BYTES = 40, PATIENCE_MS = 60000, CLOSE_MS = 30000 };

/* One trainer: leader, announcer and a moderator that listens. */
struct trainer {
    struct settings settings;
    struct profile_settings profile;
    struct metrics *metrics;
    struct publish *publish;
    struct leader *leader;
    struct wire *listener;
    pthread_t thread;
};

static void *run(void *publish)
{
    publish_run(publish, -1);
    return NULL;
}

static void start_trainer(struct trainer *trainer, const struct database_settings *database)
{
    *trainer = (struct trainer){.settings = {.database = *database, .profile_count = 1}};
    trainer->settings.trainer.check_every_ms = 50;
    trainer->settings.profiles = &trainer->profile;
    (void)snprintf(trainer->profile.name, sizeof trainer->profile.name, "default");
    trainer->profile.model_kind = MODEL_KIND_HASHLINEAR;
    trainer->profile.retention_ms = 1000 * PATIENCE_MS;
    trainer->profile.training = (struct training_settings){.min_samples = 2 * ROWS,
                                                           .every_ms = 0,
                                                           .max_samples = 1000,
                                                           .keep_samples = 1000,
                                                           .min_auc = 0.8,
                                                           .max_regression = 0.005};
    assert_status(STATUS_OK, metrics_open(&trainer->metrics));
    assert_status(STATUS_OK, publish_open(&trainer->publish, "tcp://127.0.0.1:*", NULL, trainer->metrics));
    assert_status(STATUS_OK, wire_open(&trainer->listener, WIRE_LISTEN, ROUTER_MESSAGE_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(trainer->listener, publish_endpoint(trainer->publish)));
    assert_int_equal(0, pthread_create(&trainer->thread, NULL, run, trainer->publish));
    assert_status(STATUS_OK, leader_open(&trainer->leader, &trainer->settings, trainer->metrics, trainer->publish));
}

static void stop_trainer(struct trainer *trainer)
{
    assert_status(STATUS_OK, leader_close(&trainer->leader, CLOSE_MS));
    assert_status(STATUS_OK, leader_close(&trainer->leader, CLOSE_MS));
    publish_end(trainer->publish);
    assert_int_equal(0, pthread_join(trainer->thread, NULL));
    wire_close(&trainer->listener);
    publish_close(&trainer->publish);
    metrics_close(&trainer->metrics);
}

/* Waits for an announcement of an epoch and a change of at least these. False when none comes in time. */
static bool hear(struct trainer *trainer, uint64_t wait_ms, uint64_t epoch, uint64_t change, struct message_model *out)
{
    uint64_t until_ms = clock_ms() + wait_ms;
    struct bytes identity;
    struct bytes frame;

    for (uint64_t now_ms = clock_ms(); now_ms < until_ms; now_ms = clock_ms()) {
        zmq_pollitem_t item = {.socket = wire_handle(trainer->listener), .events = ZMQ_POLLIN};

        (void)zmq_poll(&item, 1, (long)(until_ms - now_ms));
        if (wire_take(trainer->listener, &identity, &frame) == STATUS_OK) {
            assert_status(STATUS_OK, message_read_model(frame, out));
            if (out->epoch >= epoch && out->change >= change) {
                return true;
            }
        }
    }
    return false;
}

static int64_t gauge(struct trainer *trainer, const char *name)
{
    return series_value(metrics_series(trainer->metrics, METRIC_GAUGE, name, "", NULL, 0));
}

static void kill_lock_holder(struct db *db)
{
    assert_int_equal(1, samples_number(db, "select count(pg_terminate_backend(pid, 5000)) from pg_locks "
                                           "where locktype = 'advisory' and granted"));
}

static void the_first_makes_the_schema_and_announces_its_epoch(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct message_model model;
    struct db *db = NULL;
    const char *why = NULL;

    (void)state;
    postgres_create(&server, "alone", &settings);
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    assert_int_equal(1, model.epoch);
    assert_int_equal(0, model.change);
    assert_true(leader_ready(trainer.leader, &why));
    assert_false(leader_failed(trainer.leader));
    assert_int_equal(1, gauge(&trainer, "prismguard_trainer_leader"));
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    assert_int_equal(1, samples_number(db, "select count(*) from profiles where name = 'default'"));
    assert_int_equal(
        1, samples_number(db, "select count(*) from pg_stat_activity where application_name = 'prismguard-trainer' "
                              "and datname = 'alone'"));
    stop_trainer(&trainer);
    /* Started again it takes the schema as it is, and a greater epoch. */
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    assert_int_equal(2, model.epoch);
    assert_int_equal(1, samples_number(db, "select count(*) from profiles"));
    stop_trainer(&trainer);
    db_close(&db);
}

static void the_second_stands_by_and_takes_over_with_a_greater_epoch(void **state)
{
    struct database_settings settings;
    struct trainer first;
    struct trainer second;
    struct message_model model;
    struct db *db = NULL;
    struct store *store = NULL;
    const struct bytes late = BYTES("late");

    (void)state;
    postgres_create(&server, "two", &settings);
    start_trainer(&first, &settings);
    assert_true(hear(&first, PATIENCE_MS, 1, 0, &model));
    start_trainer(&second, &settings);
    assert_false(hear(&second, 2 * ANNOUNCE_EVERY_MS, 0, 0, &model));
    assert_int_equal(0, gauge(&second, "prismguard_trainer_leader"));
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    /* Whoever of the two is faster, leads: the first comes back by itself. */
    kill_lock_holder(db);
    while (!hear(&first, ANNOUNCE_EVERY_MS, 2, 0, &model) && !hear(&second, ANNOUNCE_EVERY_MS, 2, 0, &model)) {
    }
    assert_int_equal(2, model.epoch);
    assert_int_equal(1, samples_number(db, "select count(*) from pg_locks where locktype = 'advisory' and granted"));
    /* What the first still writes under its old epoch changes nothing. */
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_STALE, store_add_profiles(store, 1, &late, 1));
    assert_int_equal(0, samples_number(db, "select count(*) from profiles where name = 'late'"));
    store_close(&store);
    /* With the first gone, the second leads for certain. */
    stop_trainer(&first);
    assert_true(hear(&second, PATIENCE_MS, 2, 0, &model));
    assert_int_equal(1, gauge(&second, "prismguard_trainer_leader"));
    stop_trainer(&second);
    db_close(&db);
}

static void a_model_is_trained_and_announced(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct message_model model;
    struct db *db;
    int64_t profile_id;

    (void)state;
    db = samples_create(&server, "trains", &settings);
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    assert_int_equal(0, model.change);
    profile_id = samples_number(db, "select profile_id from profiles");
    samples_fill(db, profile_id, 0, ROWS, TEXT_BYTES, 0);
    samples_fill(db, profile_id, 1, ROWS, TEXT_BYTES, 0);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 1, &model));
    assert_int_equal(samples_number(db, "select max(change) from models where status = 'live'"), model.change);
    stop_trainer(&trainer);
    /* A restart announces what there is. */
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 2, 1, &model));
    stop_trainer(&trainer);
    db_close(&db);
}

/* A file with this profile, of the same database. */
static struct settings *read_settings(const char *profile, const struct database_settings *database)
{
    char text[128];
    char file[PATH_BYTES_MAX + 1];
    struct settings *settings = NULL;
    struct folder folder;

    folder_open(&folder);
    (void)snprintf(text, sizeof text, "profiles:\n  %s: { model: { kind: hashlinear } }\n", profile);
    folder_write(&folder, "prismguard.yaml", bytes_of(text));
    folder_path(&folder, "prismguard.yaml", file);
    assert_status(STATUS_OK, settings_open(&settings, file, stderr));
    folder_close(&folder);
    settings->database = *database;
    return settings;
}

static void new_settings_are_used_while_it_leads_and_by_the_next_session(void **state)
{
    static const char has_second[] = "select count(*) from profiles where name = 'second'";
    struct database_settings settings;
    struct settings *fresh;
    struct trainer trainer;
    struct message_model model;
    struct db *db = NULL;
    uint64_t end_ms;

    (void)state;
    postgres_create(&server, "reloaded", &settings);
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    fresh = read_settings("second", &settings);
    leader_use_settings(trainer.leader, &fresh);
    assert_null(fresh);
    end_ms = clock_ms() + PATIENCE_MS;
    while (samples_number(db, has_second) == 0) {
        assert_true(clock_ms() < end_ms);
        (void)poll(NULL, 0, 5); /* only keeps the looks apart */
    }
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    assert_int_equal(1, model.epoch); /* it leads on */
    /* Others take the place of these, used or not, and whichever are in use the next lead begins with. */
    for (int round = 0; round < 3; round++) {
        fresh = read_settings("third", &settings);
        leader_use_settings(trainer.leader, &fresh);
    }
    kill_lock_holder(db);
    assert_true(hear(&trainer, PATIENCE_MS, 2, 0, &model));
    assert_int_equal(1, samples_number(db, "select count(*) from profiles where name = 'third'"));
    fresh = read_settings("never", &settings);
    leader_use_settings(trainer.leader, &fresh);
    stop_trainer(&trainer);
    db_close(&db);
}

static void a_server_that_goes_away_silences_it_until_it_is_back(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct message_model model;
    const char *why = NULL;
    uint64_t before_ms;

    (void)state;
    postgres_create(&server, "gone", &settings);
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    postgres_kill(&server);
    before_ms = clock_ms();
    while (hear(&trainer, 2 * ANNOUNCE_EVERY_MS, 0, 0, &model)) {
    }
    assert_true(clock_ms() - before_ms < LEADER_LEASE_MS + 4 * ANNOUNCE_EVERY_MS);
    assert_false(leader_ready(trainer.leader, &why));
    assert_string_equal("the database cannot be reached", why);
    assert_int_equal(0, gauge(&trainer, "prismguard_trainer_leader"));
    postgres_run(&server);
    assert_true(hear(&trainer, PATIENCE_MS, 2, 0, &model));
    assert_true(leader_ready(trainer.leader, &why));
    stop_trainer(&trainer);
}

static void the_leader_deletes_what_is_too_old(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct message_model model;
    struct db *db = samples_create(&server, "tidy", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    uint64_t end_ms = clock_ms() + PATIENCE_MS;

    (void)state;
    samples_fill(db, profile_id, 0, ROWS, TEXT_BYTES, 2 * PATIENCE_MS);
    samples_fill(db, profile_id, 1, ROWS, TEXT_BYTES, 0);
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 1, 0, &model));
    while (samples_number(db, "select count(*) from samples") > ROWS) {
        assert_true(clock_ms() < end_ms);
        (void)poll(NULL, 0, 5); /* only keeps the looks apart */
    }
    assert_int_equal(ROWS, samples_number(db, "select count(*) from samples where label = 1"));
    stop_trainer(&trainer);
    db_close(&db);
}

static void an_older_schema_is_raised_by_the_leader(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct message_model model;
    struct db *db = NULL;

    (void)state;
    postgres_create(&server, "older", &settings);
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    postgres_apply_schema_up_to(db, 1);
    assert_status(STATUS_OK, db_script(db, "insert into profiles (name) values ('kept'); update leader set epoch = 41"));
    start_trainer(&trainer, &settings);
    assert_true(hear(&trainer, PATIENCE_MS, 42, 0, &model));
    assert_int_equal(SCHEMA_VERSION, samples_number(db, "select version from schema_version"));
    assert_int_equal(2, samples_number(db, "select count(*) from profiles"));
    stop_trainer(&trainer);
    db_close(&db);
}

static void a_newer_schema_ends_it(void **state)
{
    struct database_settings settings;
    struct trainer trainer;
    struct db *db = samples_create(&server, "newer", &settings);

    (void)state;
    assert_status(STATUS_OK, db_run(db, "update schema_version set version = version + 1", NULL, 0, NULL));
    start_trainer(&trainer, &settings);
    assert_int_equal(0, pthread_join(trainer.thread, NULL)); /* publish_run returns by itself */
    assert_true(leader_failed(trainer.leader));
    assert_int_equal(0, samples_number(db, "select epoch from leader"));
    assert_int_equal(0, pthread_create(&trainer.thread, NULL, run, trainer.publish));
    stop_trainer(&trainer);
    db_close(&db);
}

static int start(void **state)
{
    assert_status(STATUS_OK, wire_start());
    return start_server(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_makes_the_schema_and_announces_its_epoch),
        cmocka_unit_test(the_second_stands_by_and_takes_over_with_a_greater_epoch),
        cmocka_unit_test(a_model_is_trained_and_announced),
        cmocka_unit_test(new_settings_are_used_while_it_leads_and_by_the_next_session),
        cmocka_unit_test(a_server_that_goes_away_silences_it_until_it_is_back),
        cmocka_unit_test(the_leader_deletes_what_is_too_old),
        cmocka_unit_test(an_older_schema_is_raised_by_the_leader),
        cmocka_unit_test(a_newer_schema_ends_it),
    };
    return cmocka_run_group_tests(tests, start, stop_server);
}
