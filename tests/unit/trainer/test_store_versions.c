/* store_versions: versions are told whole, chosen by hand, rolled back and pinned, and what is trained keeps to that. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store_versions.h"

#include <pthread.h>
#include <stdio.h>

struct place {
    struct database_settings settings;
    struct db *db;
    struct store *store;
    int64_t profile_id;
    int64_t epoch;
};

static void open_place(struct place *place, const char *database)
{
    place->db = samples_create(&server, database, &place->settings);
    place->profile_id = samples_add_profile(place->db, "default");
    assert_status(STATUS_OK, store_open(&place->store, &place->settings, NULL));
    assert_status(STATUS_OK, store_raise_epoch(place->store, &place->epoch));
}

static void close_place(struct place *place)
{
    store_close(&place->store);
    db_close(&place->db);
}

static enum store_end train_beside(struct place *place, bool passed, bool on_trial, int64_t beside)
{
    const struct store_model model = {
        .profile_id = place->profile_id,
        .epoch = place->epoch,
        .kind = "hashlinear",
        .feature_version = 1,
        .file = BYTES("weights"),
        .sha256 = BYTES("01234567890123456789012345678901"),
        .figures = BYTES("{\"auc\": 0.9}"),
        .passed = passed,
        .on_trial = on_trial,
        .reason = passed ? "" : "min_auc",
        .trained_at_us = 1700000000000000,
        .beside = beside,
    };
    enum store_end end = STORE_REFUSED;
    int64_t version = 0;

    assert_status(STATUS_OK, store_publish(place->store, &model, &version, &end));
    return end;
}

static enum store_end train(struct place *place, bool passed, bool on_trial)
{
    int64_t live = samples_number(place->db, "select coalesce(max(version), 0) from models where status = 'live'");

    return train_beside(place, passed, on_trial, live);
}

struct told {
    char text[4096]; /* "version status reason, ..." */
    bool pinned;
    int64_t live_at_us;
};

static enum status tell(void *context, const struct store_version *version)
{
    struct told *told = context;
    size_t used = strlen(told->text);

    (void)snprintf(told->text + used, sizeof told->text - used, "%s%d %.*s%s%.*s", used == 0 ? "" : ", ", (int)version->version,
                   (int)version->status.count, version->status.data, version->reason.count == 0 ? "" : " ",
                   (int)version->reason.count, version->reason.data);
    told->pinned = told->pinned || version->pinned;
    told->live_at_us = version->live_at_us;
    assert_int_equal(7, version->file_bytes);
    assert_bytes("hashlinear", version->kind);
    assert_bytes("{\"auc\": 0.9}", version->figures);
    assert_int_equal(0, version->trial.count);
    assert_true(version->made_at_us > 1700000000000000 && version->change > 0 && version->epoch > 0);
    return STATUS_OK;
}

static void expect_versions(struct place *place, const char *text)
{
    struct told told = {.text = ""};
    const struct store_version_reader reader = {tell, &told};

    assert_status(STATUS_OK, store_list_versions(place->store, place->profile_id, &reader));
    assert_string_equal(text, told.text);
}

static int64_t change_of(struct place *place)
{
    return samples_number(place->db, "select max(change) from models");
}

static void versions_are_listed_and_shown(void **state)
{
    struct told told = {.text = ""};
    const struct store_version_reader reader = {tell, &told};
    struct place place;
    struct buffer file;
    int64_t profile_id = 0;

    (void)state;
    open_place(&place, "shown");
    assert_status(STATUS_NOT_FOUND, store_find_profile(place.store, BYTES("nobody"), &profile_id));
    assert_status(STATUS_OK, store_find_profile(place.store, BYTES("default"), &profile_id));
    assert_int_equal(place.profile_id, profile_id);
    expect_versions(&place, "");
    assert_status(STATUS_NOT_FOUND, store_show_version(place.store, profile_id, 0, &reader));
    assert_int_equal(STORE_LIVE, train(&place, true, false));
    assert_int_equal(STORE_REFUSED, train(&place, false, false));
    expect_versions(&place, "2 refused min_auc, 1 live");
    assert_status(STATUS_OK, store_show_version(place.store, profile_id, 2, &reader));
    assert_string_equal("2 refused min_auc", told.text);
    assert_int_equal(0, told.live_at_us);
    told.text[0] = '\0';
    assert_status(STATUS_OK, store_show_version(place.store, profile_id, 0, &reader));
    assert_string_equal("1 live", told.text);
    assert_true(told.live_at_us > 1700000000000000);
    assert_status(STATUS_NOT_FOUND, store_show_version(place.store, profile_id, 3, &reader));
    buffer_init(&file, 7);
    assert_status(STATUS_NOT_FOUND, store_read_version(place.store, profile_id, 3, &file));
    assert_status(STATUS_OK, store_read_version(place.store, profile_id, 2, &file));
    assert_bytes("weights", buffer_view(&file));
    assert_status(STATUS_TOO_LARGE, store_read_version(place.store, profile_id, 2, &file));
    buffer_free(&file);
    close_place(&place);
}

static void any_version_can_be_made_live(void **state)
{
    struct place place;
    int64_t before;

    (void)state;
    open_place(&place, "chosen");
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    (void)train(&place, false, false);
    before = change_of(&place);
    assert_status(STATUS_OK, store_publish_version(place.store, place.profile_id, 3));
    expect_versions(&place, "3 live, 2 retired, 1 retired");
    assert_true(change_of(&place) > before); /* the moderators hear of it */
    assert_int_equal(3, samples_number(place.db, "select version from models order by change desc limit 1"));
    before = change_of(&place);
    assert_status(STATUS_OK, store_publish_version(place.store, place.profile_id, 3));
    assert_int_equal(before, change_of(&place));
    assert_status(STATUS_NOT_FOUND, store_publish_version(place.store, place.profile_id, 4));
    assert_status(STATUS_NOT_FOUND, store_publish_version(place.store, place.profile_id + 1, 3));
    close_place(&place);
}

static void a_rollback_goes_back_step_by_step_and_never_forth(void **state)
{
    struct place place;
    struct store_retreat done = {.live_version = 0};

    (void)state;
    open_place(&place, "back");
    assert_status(STATUS_NOT_FOUND, store_rollback(place.store, place.profile_id, &done));
    (void)train(&place, true, false);
    assert_status(STATUS_NOT_FOUND, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(0, done.live_version);
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(2, done.live_version);
    assert_int_equal(3, done.gone_version);
    assert_false(done.was_on_trial);
    expect_versions(&place, "3 refused rolled_back, 2 live, 1 retired");
    (void)train(&place, true, false);
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(2, done.live_version); /* not 3, which was rolled back itself */
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(1, done.live_version);
    assert_status(STATUS_NOT_FOUND, store_rollback(place.store, place.profile_id, &done));
    expect_versions(&place, "4 refused rolled_back, 3 refused rolled_back, 2 refused rolled_back, 1 live");
    close_place(&place);
}

/* What was live before is what a rollback is for: it outlives any number of refused ones. */
static void the_version_to_roll_back_to_is_kept(void **state)
{
    struct place place;
    struct store_retreat done = {.live_version = 0};

    (void)state;
    open_place(&place, "kept");
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    for (int turn = 0; turn < MODEL_VERSIONS_KEPT; turn++) {
        (void)train(&place, false, false);
    }
    assert_int_equal(0, samples_number(place.db, "select count(*) from models where version = 1"));
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(2, done.live_version);
    close_place(&place);
}

/* What went live while it was trained, by hand or by another training, is not what it was compared with. */
static void a_version_is_kept_where_another_went_live_meanwhile(void **state)
{
    struct place place;
    struct store_retreat done;

    (void)state;
    open_place(&place, "meanwhile");
    assert_int_equal(STORE_LIVE, train_beside(&place, true, false, 0));
    assert_int_equal(STORE_SUPERSEDED, train_beside(&place, true, false, 0));
    assert_int_equal(STORE_SUPERSEDED, train_beside(&place, true, true, 0));
    assert_int_equal(STORE_LIVE, train_beside(&place, true, false, 1));
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(STORE_SUPERSEDED, train_beside(&place, true, false, 4));
    assert_int_equal(STORE_REFUSED, train_beside(&place, false, false, 4));
    assert_int_equal(STORE_CANARY, train_beside(&place, true, true, 1));
    expect_versions(&place, "7 canary, 6 refused min_auc, 5 candidate superseded, 4 refused rolled_back, "
                            "3 candidate superseded, 2 candidate superseded, 1 live");
    close_place(&place);
}

static void a_pinned_version_stays_until_it_is_unpinned(void **state)
{
    struct told told = {.text = ""};
    const struct store_version_reader reader = {tell, &told};
    struct place place;
    struct store_retreat done;

    (void)state;
    open_place(&place, "pinned");
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    assert_status(STATUS_NOT_FOUND, store_unpin(place.store, place.profile_id));
    assert_status(STATUS_NOT_FOUND, store_pin(place.store, place.profile_id, 9));
    assert_status(STATUS_OK, store_pin(place.store, place.profile_id, 1));
    assert_int_equal(STORE_CANDIDATE, train(&place, true, false));
    assert_int_equal(STORE_CANDIDATE, train(&place, true, true));
    assert_int_equal(STORE_REFUSED, train(&place, false, false));
    expect_versions(&place, "5 refused min_auc, 4 candidate pinned, 3 candidate pinned, 2 retired, 1 live");
    assert_status(STATUS_OK, store_list_versions(place.store, place.profile_id, &reader));
    assert_true(told.pinned);
    assert_status(STATUS_CONFLICT, store_publish_version(place.store, place.profile_id, 2));
    assert_status(STATUS_CONFLICT, store_rollback(place.store, place.profile_id, &done));
    assert_status(STATUS_OK, store_pin(place.store, place.profile_id, 3)); /* another one takes its place */
    assert_status(STATUS_OK, store_unpin(place.store, place.profile_id));
    assert_int_equal(STORE_LIVE, train(&place, true, false));
    close_place(&place);
}

static void a_trial_needs_a_live_version_beside_it(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "trial");
    assert_int_equal(STORE_LIVE, train(&place, true, true));
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    expect_versions(&place, "2 canary, 1 live");
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    expect_versions(&place, "3 canary, 2 candidate superseded, 1 live");
    assert_status(STATUS_OK, store_publish_version(place.store, place.profile_id, 1)); /* the live one: ends the trial */
    expect_versions(&place, "3 candidate superseded, 2 candidate superseded, 1 live");
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    assert_status(STATUS_OK, store_publish_version(place.store, place.profile_id, 4)); /* the one on trial */
    expect_versions(&place, "4 live, 3 candidate superseded, 2 candidate superseded, 1 retired");
    (void)train(&place, true, true);
    (void)train(&place, true, false);
    expect_versions(&place, "6 live, 5 candidate superseded, 4 retired, 3 candidate superseded, 2 candidate superseded, "
                            "1 retired");
    close_place(&place);
}

/* With an earlier version to go back to, and without. */
static void a_rollback_ends_a_trial_first(void **state)
{
    struct store_retreat done;
    struct place place;
    int64_t before;

    (void)state;
    open_place(&place, "ends");
    (void)train(&place, true, false);
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    before = change_of(&place);
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    expect_versions(&place, "2 refused rolled_back, 1 live");
    assert_true(done.was_on_trial && done.gone_version == 2 && done.live_version == 1);
    assert_true(change_of(&place) > before); /* the moderators hear of it */
    assert_status(STATUS_NOT_FOUND, store_rollback(place.store, place.profile_id, &done));
    (void)train(&place, true, false);
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    expect_versions(&place, "4 refused rolled_back, 3 live, 2 refused rolled_back, 1 retired");
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_true(!done.was_on_trial && done.gone_version == 3 && done.live_version == 1);
    expect_versions(&place, "4 refused rolled_back, 3 refused rolled_back, 2 refused rolled_back, 1 live");
    close_place(&place);
}

struct waiting {
    struct place *place;
    struct store_retreat done;
    enum status status;
};

static void *roll_back(void *context)
{
    struct waiting *waiting = context;

    waiting->status = store_rollback(waiting->place->store, waiting->place->profile_id, &waiting->done);
    return NULL;
}

/* While it waits for the row of the epoch, as behind a leader that ends the trial by `sql`. */
static void roll_back_behind(struct place *place, const char *sql, struct waiting *waiting)
{
    struct db *leader = NULL;
    pthread_t thread;

    *waiting = (struct waiting){.place = place};
    assert_status(STATUS_OK, db_open(&leader, &place->settings, "leader"));
    assert_status(STATUS_OK, db_script(leader, "begin; select 1 from leader for update"));
    assert_int_equal(0, pthread_create(&thread, NULL, roll_back, waiting));
    while (samples_number(place->db, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
                                     "and datname = current_database()") == 0) {
    }
    assert_status(STATUS_OK, db_script(leader, sql));
    assert_status(STATUS_OK, db_script(leader, "commit"));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_status(STATUS_OK, waiting->status);
    db_close(&leader);
}

/* A live version that nobody complained of stays; one that just became live is what was meant. */
static void a_rollback_that_comes_too_late_for_a_trial_means_its_version(void **state)
{
    struct waiting waiting;
    struct place place;

    (void)state;
    open_place(&place, "late");
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    roll_back_behind(&place, "select model_end_trial(1, 1, 3, 'refused', 'trial_recall')", &waiting);
    expect_versions(&place, "3 refused trial_recall, 2 live, 1 retired");
    assert_true(waiting.done.was_on_trial && waiting.done.gone_version == 3 && waiting.done.live_version == 2);
    assert_int_equal(STORE_CANARY, train(&place, true, true));
    roll_back_behind(&place, "select model_end_trial(1, 1, 4, 'live', '')", &waiting);
    expect_versions(&place, "4 refused rolled_back, 3 refused trial_recall, 2 live, 1 retired");
    assert_true(!waiting.done.was_on_trial && waiting.done.gone_version == 4 && waiting.done.live_version == 2);
    close_place(&place);
}

/* A choice is committed behind a leader's write that has begun, so that changes appear in the order of their numbers. */
static void a_choice_waits_for_the_row_of_the_epoch(void **state)
{
    struct place place;
    struct db *leader = NULL;

    (void)state;
    open_place(&place, "waits");
    (void)train(&place, true, false);
    (void)train(&place, true, false);
    assert_status(STATUS_OK, db_open(&leader, &place.settings, "leader"));
    assert_status(STATUS_OK, db_run(leader, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(leader, "select 1 from leader for update", NULL, 0, NULL));
    assert_status(STATUS_OK, db_script(place.db, "set lock_timeout = 50"));
    assert_status(STATUS_TIMEOUT, db_run(place.db, "select model_publish(1, 1)", NULL, 0, NULL));
    assert_status(STATUS_TIMEOUT, db_run(place.db, "select model_rollback(1)", NULL, 0, NULL));
    assert_status(STATUS_TIMEOUT, db_run(place.db, "select model_pin(1, 1)", NULL, 0, NULL));
    db_close(&leader);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_listed_and_shown),
        cmocka_unit_test(any_version_can_be_made_live),
        cmocka_unit_test(a_rollback_goes_back_step_by_step_and_never_forth),
        cmocka_unit_test(the_version_to_roll_back_to_is_kept),
        cmocka_unit_test(a_version_is_kept_where_another_went_live_meanwhile),
        cmocka_unit_test(a_pinned_version_stays_until_it_is_unpinned),
        cmocka_unit_test(a_trial_needs_a_live_version_beside_it),
        cmocka_unit_test(a_rollback_ends_a_trial_first),
        cmocka_unit_test(a_rollback_that_comes_too_late_for_a_trial_means_its_version),
        cmocka_unit_test(a_choice_waits_for_the_row_of_the_epoch),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
