/* store: one schema, one lock, epochs that fence, profiles that are due when they should be, and versions of models. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store.h"

#include "proto/features.h"

static struct store *open_store(const struct database_settings *settings)
{
    struct store *store = NULL;

    assert_status(STATUS_OK, store_open(&store, settings, NULL));
    return store;
}

static void the_schema_is_made_once_and_its_version_is_known(void **state)
{
    struct database_settings settings;
    struct store *store;
    struct db *db = NULL;
    int64_t version = -1;

    (void)state;
    postgres_create(&server, "schema", &settings);
    store = open_store(&settings);
    assert_status(STATUS_OK, store_schema_version(store, &version));
    assert_int_equal(0, version);
    for (int64_t step = 1; step <= SCHEMA_VERSION; step++) {
        assert_status(STATUS_OK, store_raise_schema(store, step));
        assert_status(STATUS_OK, store_schema_version(store, &version));
        assert_int_equal(step, version);
    }
    assert_status(STATUS_IO, store_raise_schema(store, 1));
    assert_string_equal("42P07", store_sqlstate(store)); /* duplicate_table */
    assert_true(store_alive(store));
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    assert_int_equal(1, samples_number(db, "select count(*) from leader"));
    assert_int_equal(48, samples_number(db, "select count(*) from pg_class where relname ~ "
                                            "'^(verdicts|samples_pass|samples_violation)_[0-9]+$'"));
    assert_status(STATUS_OK, db_script(db, "update schema_version set version = version + 1"));
    assert_status(STATUS_OK, store_schema_version(store, &version));
    assert_int_equal(SCHEMA_VERSION + 1, version);
    db_close(&db);
    store_close(&store);
    store_close(&store);
}

static void label_in_version_1(struct db *db, int64_t profile_id, const char *text, int source)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_TEXT, .bytes = bytes_of(text)},
        {.type = DB_BIGINT, .bigint = source},
    };

    assert_status(STATUS_OK, db_run(db,
                                    "select sample_put($1::int, array[decode(md5($2), 'hex')], '{1}', "
                                    "array[$3::smallint], '{0}', '{null}', array[convert_to($2, 'UTF8')])",
                                    values, 3, NULL));
}

/* What was learnt and labelled before stays, and what is new is filled from it. */
static void the_second_version_takes_over_what_the_first_holds(void **state)
{
    struct database_settings settings;
    struct store *store;
    struct db *db = NULL;
    int64_t profile_id;

    (void)state;
    postgres_create(&server, "older", &settings);
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    postgres_apply_schema_up_to(db, 1);
    profile_id = samples_add_profile(db, "default");
    label_in_version_1(db, profile_id, "by the reviewer", 2);
    label_in_version_1(db, profile_id, "by a person", 3);
    assert_status(STATUS_OK, db_script(db, "insert into models (profile_id, version, epoch, kind, feature_version, bytes, "
                                           "sha256, figures, status) select 1, v, 1, 'hashlinear', 1, '', '', "
                                           "case v when 1 then '{}' else '{\"refused_by\":\"min_auc\"}' end::jsonb, "
                                           "case v when 1 then 'live' else 'refused' end from generate_series(1, 2) v"));
    store = open_store(&settings);
    assert_status(STATUS_OK, store_raise_schema(store, 2));
    assert_int_equal(2, samples_number(db, "select version from schema_version"));
    assert_int_equal(2, samples_number(db, "select source from samples where text = 'by the reviewer'"));
    assert_int_equal(3, samples_number(db, "select source from samples where text = 'by a person'"));
    assert_int_equal(1, samples_number(db, "select count(*) from models where status = 'refused' and reason = 'min_auc'"));
    assert_int_equal(1, samples_number(db, "select count(*) from models where status = 'live' and reason = ''"));
    /* A person outranks the reviewer, and the sample says so; not the other way round. */
    label_in_version_1(db, profile_id, "by the reviewer", 3);
    label_in_version_1(db, profile_id, "by a person", 2);
    assert_int_equal(2, samples_number(db, "select count(*) from samples where source = 3"));
    store_close(&store);
    db_close(&db);
}

static void a_step_that_fails_leaves_the_version_before(void **state)
{
    struct database_settings settings;
    struct store *store;
    struct db *db = NULL;

    (void)state;
    postgres_create(&server, "half", &settings);
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    postgres_apply_schema_up_to(db, 1);
    assert_status(STATUS_OK, db_script(db, "alter table models add reason int")); /* in the way of the step's end */
    store = open_store(&settings);
    assert_status(STATUS_IO, store_raise_schema(store, 2));
    assert_string_equal("42701", store_sqlstate(store)); /* duplicate_column */
    assert_int_equal(1, samples_number(db, "select version from schema_version"));
    assert_int_equal(0, samples_number(db, "select count(*) from information_schema.columns where table_name = 'samples' "
                                           "and column_name = 'source'"));
    store_close(&store);
    db_close(&db);
}

static void one_session_has_the_lock_until_it_ends(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "locks", &settings);
    struct store *first = open_store(&settings);
    struct store *second = open_store(&settings);
    int64_t epoch = 0;
    int64_t later = 0;
    int64_t change = -1;
    bool locked = false;

    (void)state;
    assert_status(STATUS_OK, store_try_lock(first, &locked));
    assert_true(locked);
    assert_status(STATUS_OK, store_try_lock(second, &locked));
    assert_false(locked);
    assert_status(STATUS_OK, store_raise_epoch(first, &epoch));
    assert_status(STATUS_OK, store_check_epoch(first, epoch, &change));
    assert_int_equal(0, change);
    assert_int_equal(1, samples_number(db, "select pg_terminate_backend(pid, 5000)::int from pg_locks "
                                           "where locktype = 'advisory' and granted"));
    assert_status(STATUS_UNAVAILABLE, store_check_epoch(first, epoch, &change));
    assert_false(store_alive(first));
    assert_status(STATUS_OK, store_try_lock(second, &locked));
    assert_true(locked);
    assert_status(STATUS_OK, store_raise_epoch(second, &later));
    assert_true(later > epoch);
    assert_status(STATUS_STALE, store_check_epoch(second, epoch, &change));
    assert_status(STATUS_OK, store_check_epoch(second, later, &change));
    store_close(&first);
    store_close(&second);
    db_close(&db);
}

static struct store_model model_of(int64_t profile_id, int64_t epoch, bool live)
{
    return (struct store_model){
        .profile_id = profile_id,
        .epoch = epoch,
        .kind = "hashlinear",
        .feature_version = 1,
        .file = BYTES("\0weights"),
        .sha256 = BYTES("01234567890123456789012345678901"),
        .figures = BYTES("{\"auc\":0.9}"),
        .passed = live,
        .reason = live ? "" : "min_auc",
        .trained_at_us = 1700000000000000,
    };
}

static void a_stale_epoch_writes_nothing(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "fences", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store *store = open_store(&settings);
    const struct bytes name = BYTES("late");
    struct store_model model;
    int64_t stale = 0;
    int64_t epoch = 0;
    int64_t version = 0;
    enum store_end end = STORE_REFUSED;

    (void)state;
    assert_status(STATUS_OK, store_raise_epoch(store, &stale));
    assert_status(STATUS_OK, store_raise_epoch(store, &epoch));
    model = model_of(profile_id, stale, true);
    assert_status(STATUS_STALE, store_publish(store, &model, &version, &end));
    assert_int_equal(0, version);
    assert_status(STATUS_STALE, store_add_profiles(store, stale, &name, 1));
    assert_int_equal(0, samples_number(db, "select count(*) from models"));
    assert_int_equal(1, samples_number(db, "select count(*) from profiles where trained_at = '-infinity'"));
    assert_int_equal(1, samples_number(db, "select count(*) from profiles"));
    /* The session is in no transaction any more. */
    model.epoch = epoch;
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(1, version);
    store_close(&store);
    db_close(&db);
}

static void profiles_are_added_once(void **state)
{
    const struct bytes names[] = {BYTES("default"), BYTES("strict")};
    struct database_settings settings;
    struct db *db = samples_create(&server, "profiles", &settings);
    struct store *store = open_store(&settings);
    int64_t epoch = 0;

    (void)state;
    assert_status(STATUS_OK, store_raise_epoch(store, &epoch));
    for (int turn = 0; turn < 2; turn++) {
        assert_status(STATUS_OK, store_add_profiles(store, epoch, names, 2));
        assert_int_equal(2, samples_number(db, "select count(*) from profiles"));
        assert_int_equal(2, samples_number(db, "select max(profile_id) from profiles"));
    }
    assert_status(STATUS_OK, store_add_profiles(store, epoch, names, 0));
    store_close(&store);
    db_close(&db);
}

static void a_new_version_replaces_the_live_one_and_a_refused_one_does_not(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "versions", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    int64_t other_id = samples_add_profile(db, "other");
    struct store *store = open_store(&settings);
    struct store_model model;
    struct buffer file;
    int64_t epoch = 0;
    int64_t version = 0;
    enum store_end end = STORE_REFUSED;
    int64_t change = 0;
    int64_t later = 0;

    (void)state;
    buffer_init(&file, MIB);
    assert_status(STATUS_OK, store_raise_epoch(store, &epoch));
    assert_status(STATUS_NOT_FOUND, store_live_model(store, profile_id, &file, &version));
    model = model_of(profile_id, epoch, true);
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(1, version);
    assert_status(STATUS_OK, store_check_epoch(store, epoch, &change));
    assert_true(change > 0);
    model.file = BYTES("better\0weights");
    model.beside = 1;
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(2, version);
    model.passed = false;
    model.file = BYTES("worse");
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(3, version);
    assert_status(STATUS_OK, store_check_epoch(store, epoch, &later));
    assert_true(later > change);
    assert_status(STATUS_OK, store_live_model(store, profile_id, &file, &version));
    assert_int_equal(2, version);
    assert_int_equal(14, file.count);
    assert_memory_equal("better\0weights", file.data, 14);
    assert_int_equal(1, samples_number(db, "select count(*) from models where version = 1 and status = 'retired'"));
    assert_int_equal(1, samples_number(db, "select count(*) from models where version = 3 and status = 'refused' "
                                           "and figures->>'auc' = '0.9' and kind = 'hashlinear'"));
    assert_int_equal(
        1700000000,
        samples_number(db, "select extract(epoch from trained_at)::bigint from profiles where name = 'default'"));
    model = model_of(other_id, epoch, true);
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(1, version);
    buffer_free(&file);
    store_close(&store);
    db_close(&db);
}

static void old_versions_go_and_the_live_one_stays(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "old", &settings);
    struct store *store = open_store(&settings);
    struct store_model model;
    int64_t epoch = 0;
    int64_t version = 0;
    enum store_end end = STORE_REFUSED;

    (void)state;
    assert_status(STATUS_OK, store_raise_epoch(store, &epoch));
    model = model_of(samples_add_profile(db, "default"), epoch, true);
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    model.passed = false;
    for (int turn = 0; turn < MODEL_VERSIONS_KEPT; turn++) {
        assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    }
    assert_int_equal(MODEL_VERSIONS_KEPT + 1, version);
    assert_int_equal(MODEL_VERSIONS_KEPT + 1, samples_number(db, "select count(*) from models"));
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(MODEL_VERSIONS_KEPT + 1, samples_number(db, "select count(*) from models"));
    assert_int_equal(1, samples_number(db, "select version from models where status = 'live'"));
    store_close(&store);
    db_close(&db);
}

static int64_t count_since(struct store *store, struct store_place place, int64_t made_us, int64_t limit)
{
    int64_t count = -1;

    assert_status(STATUS_OK, store_count_since(store, place, made_us, limit, &count));
    return count;
}

/* As the figures of the newest version say, whatever became of it. */
static void the_last_change_is_the_newest_versions(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "changed", &settings);
    struct store *store = open_store(&settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store_model model = {.profile_id = profile_id, .kind = "hashlinear", .file = BYTES("file"), .sha256 = BYTES("sum"), .reason = "min_auc"};
    const struct bytes figures[] = {BYTES("{}"), BYTES("{\"changed_at_us\": 1700000000000001}"), BYTES("{\"changed_at_us\": 0}")};
    const int64_t changes[] = {0, 1700000000000001, 0};
    int64_t changed_us = 7;
    int64_t version;
    enum store_end end;

    (void)state;
    assert_status(STATUS_OK, store_raise_epoch(store, &model.epoch));
    assert_status(STATUS_OK, store_last_change(store, profile_id, &changed_us));
    assert_int_equal(0, changed_us);
    for (size_t at = 0; at < sizeof changes / sizeof *changes; at++) {
        model.figures = figures[at];
        model.trained_at_us = at == 2 ? 1700000000000009 : 0;
        assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
        assert_status(STATUS_OK, store_last_change(store, profile_id, &changed_us));
        assert_int_equal(changes[at], changed_us);
        /* With 0 the profile stays as due as it was. */
        assert_int_equal(at == 2, samples_number(db, "select count(*) from profiles where trained_at > '-infinity'"));
    }
    store_close(&store);
    db_close(&db);
}

static void rows_of_a_label_are_numbered_from_the_newest(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "numbered", &settings);
    const struct store_place place = {.profile_id = samples_add_profile(db, "default"), .label = 1};
    struct store *store = open_store(&settings);
    unsigned char hash[TEXT_HASH_BYTES];
    int64_t older_us = 0;
    int64_t made_us = 0;

    (void)state;
    assert_status(STATUS_OK, db_script(db, "insert into samples (profile_id, label, text_hash, text, created_at) select 1, l, "
                                           "decode(lpad(n::text, 32, '0'), 'hex'), 'x', timestamptz 'epoch' + t * interval "
                                           "'1 microsecond' from (values (0, 9, 1700000000000009), (1, 1, 1700000000000001), "
                                           "(1, 4, 1700000000000002), (1, 3, 1700000000000002)) v (l, n, t)"));
    assert_status(STATUS_OK, store_row_at(store, place, 0, &made_us, hash));
    assert_true(made_us == 1700000000000002 && hash[TEXT_HASH_BYTES - 1] == 3);
    assert_status(STATUS_OK, store_row_at(store, place, 1, &made_us, hash));
    assert_true(made_us == 1700000000000002 && hash[TEXT_HASH_BYTES - 1] == 4);
    assert_status(STATUS_OK, store_row_at(store, place, 2, &older_us, hash));
    assert_true(older_us == 1700000000000001 && hash[TEXT_HASH_BYTES - 1] == 1);
    assert_status(STATUS_NOT_FOUND, store_row_at(store, place, 3, &made_us, hash));
    assert_int_equal(3, count_since(store, place, 1700000000000001, 9));
    assert_int_equal(2, count_since(store, place, 1700000000000002, 9));
    assert_int_equal(1, count_since(store, place, 1700000000000002, 1));
    assert_int_equal(0, count_since(store, place, 1700000000000003, 9));
    store_close(&store);
    db_close(&db);
}

static size_t due_of(struct store *store, const char *name, int64_t min_samples, int64_t every_ms)
{
    const struct store_want wants[] = {
        {.name = BYTES("nobody"), .kind = BYTES("bow"), .min_samples = 1, .every_ms = 0},
        {.name = bytes_of(name), .kind = BYTES("bow"), .min_samples = min_samples, .every_ms = every_ms},
    };
    struct store_due due[2];
    size_t count = 99;
    size_t known = 99;

    assert_status(STATUS_OK, store_due(store, wants, 2, due, &count, &known));
    assert_true(count <= 1);
    if (count == 1) {
        assert_int_equal(1, due[0].want);
    }
    return count;
}

static void a_profile_is_due_when_it_has_enough_of_both_labels(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "due", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store *store = open_store(&settings);

    (void)state;
    assert_int_equal(0, due_of(store, "default", 0, 0));
    samples_fill(db, profile_id, 0, 90, 20, 60);
    assert_int_equal(0, due_of(store, "default", 50, 3600000));
    samples_fill(db, profile_id, 1, TRAIN_LABEL_ROWS_MIN - 1, 20, 60);
    assert_int_equal(0, due_of(store, "default", 50, 3600000));
    samples_fill(db, profile_id, 1, 1, 20, 61);
    assert_int_equal(1, due_of(store, "default", 50, 3600000));
    assert_int_equal(1, due_of(store, "default", 90 + TRAIN_LABEL_ROWS_MIN, 3600000));
    assert_int_equal(0, due_of(store, "default", 91 + TRAIN_LABEL_ROWS_MIN, 3600000));
    store_close(&store);
    db_close(&db);
}

static void a_trained_profile_is_due_after_its_time_and_for_new_samples_only(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "again", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store *store = open_store(&settings);

    (void)state;
    samples_fill(db, profile_id, 0, 100, 20, 600);
    samples_fill(db, profile_id, 1, 100, 20, 600);
    assert_status(STATUS_OK, db_script(db, "update profiles set trained_at = now() - interval '300 seconds'"));
    assert_int_equal(0, due_of(store, "default", 1, 0));
    samples_fill(db, profile_id, 1, 30, 20, 100);
    assert_int_equal(1, due_of(store, "default", 30, 0));
    assert_int_equal(0, due_of(store, "default", 31, 0));
    assert_int_equal(1, due_of(store, "default", 30, 299000));
    assert_int_equal(0, due_of(store, "default", 30, 400000));
    /* By a clock that was ahead, and is right now: when it was is not known. */
    assert_status(STATUS_OK, db_script(db, "update profiles set trained_at = now() + interval '1 day'"));
    assert_int_equal(1, due_of(store, "default", 230, 400000));
    assert_int_equal(0, due_of(store, "default", 231, 400000));
    store_close(&store);
    db_close(&db);
}

/* At once and from what there is; what became of that training is a version of the kind, and no reason for another. */
static void a_profile_that_wants_another_kind_is_due(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "another_kind", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store *store = open_store(&settings);
    static const char insert[] = "insert into models (profile_id, version, epoch, kind, feature_version, bytes, sha256, figures, "
                                 "status) select profile_id, %d, 1, '%s', %d, '', '', '{}', '%s' from profiles";
    char sql[256];

    (void)state;
    samples_fill(db, profile_id, 0, 100, 20, 600);
    samples_fill(db, profile_id, 1, TRAIN_LABEL_ROWS_MIN - 1, 20, 600);
    assert_status(STATUS_OK, db_script(db, "update profiles set trained_at = now()"));
    (void)snprintf(sql, sizeof sql, insert, 1, "hashlinear", FEATURES_VERSION, "live");
    assert_status(STATUS_OK, db_script(db, sql));
    assert_int_equal(0, due_of(store, "default", 50, 3600000)); /* too few of a label */
    samples_fill(db, profile_id, 1, 1, 20, 601);
    assert_int_equal(1, due_of(store, "default", 50, 3600000));
    (void)snprintf(sql, sizeof sql, insert, 2, "bow", FEATURES_VERSION, "refused");
    assert_status(STATUS_OK, db_script(db, sql));
    assert_int_equal(0, due_of(store, "default", 50, 3600000));
    /* By a release that read texts otherwise: no moderator of this one can use it. */
    assert_status(STATUS_OK, db_script(db, "update models set feature_version = feature_version + 1 where version = 2"));
    assert_int_equal(1, due_of(store, "default", 50, 3600000));
    store_close(&store);
    db_close(&db);
}

static void a_profile_that_is_not_due_is_known_with_its_new_samples(void **state)
{
    struct store_want want = {.name = BYTES("default"), .kind = BYTES("bow"), .min_samples = 20, .every_ms = 0};
    struct database_settings settings;
    struct db *db = samples_create(&server, "progress", &settings);
    int64_t profile_id = samples_add_profile(db, "default");
    struct store *store = open_store(&settings);
    struct store_due due;
    size_t count = 99;
    size_t known = 99;

    (void)state;
    samples_fill(db, profile_id, 0, 15, 20, 60);
    samples_fill(db, profile_id, 1, 4, 20, 60);
    assert_status(STATUS_OK, store_due(store, &want, 1, &due, &count, &known));
    assert_int_equal(0, count);
    assert_int_equal(1, known);
    assert_int_equal(19, due.fresh);
    want.min_samples = 10; /* of each label at most so many are counted */
    assert_status(STATUS_OK, store_due(store, &want, 1, &due, &count, &known));
    assert_int_equal(10 + 4, due.fresh);
    store_close(&store);
    db_close(&db);
}

static void the_longest_untrained_profile_comes_first(void **state)
{
    const struct store_want wants[] = {
        {.name = BYTES("fresh"), .kind = BYTES("bow"), .min_samples = 1, .every_ms = 0},
        {.name = BYTES("new"), .kind = BYTES("bow"), .min_samples = 1, .every_ms = 0},
        {.name = BYTES("stale"), .kind = BYTES("bow"), .min_samples = 1, .every_ms = 0},
    };
    struct store_due due[3];
    size_t count = 0;
    size_t known = 0;
    struct database_settings settings;
    struct db *db = samples_create(&server, "turns", &settings);
    struct store *store = open_store(&settings);

    (void)state;
    for (size_t index = 0; index < 3; index++) {
        char name[16];
        int64_t profile_id;

        assert_status(STATUS_OK, bytes_copy(wants[index].name, name, sizeof name));
        profile_id = samples_add_profile(db, name);
        samples_fill(db, profile_id, 0, 10, 20, 10);
        samples_fill(db, profile_id, 1, 10, 20, 10);
    }
    assert_status(STATUS_OK,
                  db_script(db, "update profiles set trained_at = now() - interval '1 minute' where name = 'fresh';"
                                "update profiles set trained_at = now() - interval '1 hour' where name = 'stale'"));
    assert_status(STATUS_OK, store_due(store, wants, 3, due, &count, &known));
    assert_int_equal(3, count);
    assert_int_equal(3, known);
    assert_int_equal(1, due[0].want);
    assert_int_equal(2, due[1].want);
    assert_int_equal(0, due[2].want);
    assert_status(STATUS_OK, store_due(store, NULL, 0, due, &count, &known));
    assert_int_equal(0, count);
    store_close(&store);
    db_close(&db);
}

/* sample_put is the only door for labels; here is what the trainer relies on: a relabelled text lies under one label.
 */
static void a_relabelled_text_moves_and_a_weaker_source_changes_nothing(void **state)
{
    static const char person[] =
        "select sample_put(1, array['\\x00112233445566778899aabbccddeeff'::bytea], "
        "array[1::smallint], array[3::smallint], array[2::smallint], array['hate'], array[null::bytea])";
    static const char reviewer[] = "select sample_put(1, array['\\x00112233445566778899aabbccddeeff'::bytea], "
                                   "array[0::smallint], array[2::smallint], array[0::smallint], array[null::text], "
                                   "array['words'::bytea])";
    struct database_settings settings;
    struct db *db = samples_create(&server, "relabel", &settings);

    (void)state;
    assert_int_equal(1, samples_number(db, reviewer));
    assert_int_equal(1, samples_number(db, "select count(*) from samples where label = 0 and text = 'words'"));
    assert_int_equal(1, samples_number(db, person));
    assert_int_equal(0, samples_number(db, "select count(*) from samples where label = 0"));
    assert_int_equal(1, samples_number(db, "select count(*) from samples where label = 1 and text = 'words'"));
    assert_int_equal(0, samples_number(db, reviewer));
    assert_int_equal(1, samples_number(db, "select count(*) from samples where label = 1"));
    assert_int_equal(1, samples_number(db, "select count(*) from verdicts where label = 1 and source = 3"));
    db_close(&db);
}

/* A label of one text: who says it, why it was reviewed, and by what share (millionths) it was drawn. */
static void label(struct db *db, const char *text, int label, int source, int drawn, int64_t share)
{
    const struct db_value values[] = {
        {.type = DB_TEXT, .bytes = bytes_of(text)},    {.type = DB_BIGINT, .bigint = label},
        {.type = DB_BIGINT, .bigint = source},         {.type = DB_BIGINT, .bigint = drawn},
        {.type = DB_BIGINT, .bigint = share},
    };

    assert_status(STATUS_OK, db_run(db,
                                    "select sample_put(1, array[decode(md5($1), 'hex')], array[$2::smallint], array[$3::smallint], "
                                    "array[$4::smallint], '{null}', array[convert_to($1, 'UTF8')], null, null, null, "
                                    "array[$5::bigint])",
                                    values, 5, NULL));
}

static int64_t millionths(struct db *db, const char *text)
{
    char sql[128];

    (void)snprintf(sql, sizeof sql, "select round(reviewed_share * 1000000)::bigint from samples where text = '%s'", text);
    return samples_number(db, sql);
}

static void a_sample_knows_with_what_probability_it_was_reviewed(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "shares", &settings);

    (void)state;
    label(db, "unsure", 0, 2, 0, 0);
    label(db, "unsure and drawn", 0, 2, 0, 50000); /* it would have been reviewed all the same */
    label(db, "sure and drawn", 0, 2, 1, 50000);
    label(db, "imported", 1, 1, 3, 0);
    assert_int_equal(1000000, millionths(db, "unsure"));
    assert_int_equal(1000000, millionths(db, "unsure and drawn"));
    assert_int_equal(50000, millionths(db, "sure and drawn"));
    assert_int_equal(1000000, millionths(db, "imported"));
    /* A person says what it is, once of the same mind as the reviewer and once not, and not how it was found. */
    label(db, "sure and drawn", 0, 3, 2, 0);
    assert_int_equal(50000, millionths(db, "sure and drawn"));
    label(db, "sure and drawn", 1, 3, 2, 0);
    assert_int_equal(50000, millionths(db, "sure and drawn"));
    /* A reviewer's newer label comes with its own. */
    label(db, "unsure", 0, 2, 1, 20000);
    assert_int_equal(20000, millionths(db, "unsure"));
    label(db, "unsure", 1, 2, 0, 0);
    assert_int_equal(1000000, millionths(db, "unsure"));
    db_close(&db);
}

static void the_eighth_version_finds_the_probabilities_of_what_was_drawn(void **state)
{
    struct database_settings settings;
    struct store *store;
    struct db *db = NULL;

    (void)state;
    postgres_create(&server, "seventh", &settings);
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    postgres_apply_schema_up_to(db, 7);
    assert_int_equal(1, samples_add_profile(db, "default"));
    label(db, "unsure", 0, 2, 0, 0);
    label(db, "unsure and drawn", 0, 2, 0, 50000);
    label(db, "sure and drawn", 1, 2, 1, 50000);
    store = open_store(&settings);
    assert_status(STATUS_OK, store_raise_schema(store, 8));
    assert_int_equal(1000000, millionths(db, "unsure"));
    assert_int_equal(1000000, millionths(db, "unsure and drawn"));
    assert_int_equal(50000, millionths(db, "sure and drawn"));
    store_close(&store);
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_is_made_once_and_its_version_is_known),
        cmocka_unit_test(a_sample_knows_with_what_probability_it_was_reviewed),
        cmocka_unit_test(the_eighth_version_finds_the_probabilities_of_what_was_drawn),
        cmocka_unit_test(the_second_version_takes_over_what_the_first_holds),
        cmocka_unit_test(a_step_that_fails_leaves_the_version_before),
        cmocka_unit_test(one_session_has_the_lock_until_it_ends),
        cmocka_unit_test(a_stale_epoch_writes_nothing),
        cmocka_unit_test(profiles_are_added_once),
        cmocka_unit_test(a_new_version_replaces_the_live_one_and_a_refused_one_does_not),
        cmocka_unit_test(old_versions_go_and_the_live_one_stays),
        cmocka_unit_test(the_last_change_is_the_newest_versions),
        cmocka_unit_test(rows_of_a_label_are_numbered_from_the_newest),
        cmocka_unit_test(a_profile_is_due_when_it_has_enough_of_both_labels),
        cmocka_unit_test(a_trained_profile_is_due_after_its_time_and_for_new_samples_only),
        cmocka_unit_test(a_profile_that_wants_another_kind_is_due),
        cmocka_unit_test(a_profile_that_is_not_due_is_known_with_its_new_samples),
        cmocka_unit_test(the_longest_untrained_profile_comes_first),
        cmocka_unit_test(a_relabelled_text_moves_and_a_weaker_source_changes_nothing),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
