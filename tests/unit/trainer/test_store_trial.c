/* test_store_trial: who stands where, the drawn in their order, and a trial that ends once, under the epoch, unless a person was first. */
#include "support/database.h"
#include "support/drawn.h"
#include "support/unit.h"

#include "trainer/store_trial.h"
#include "trainer/store_versions.h"

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

static void add(struct place *place, bool on_trial)
{
    assert_true(drawn_add_version(place->store, place->profile_id, place->epoch, DRAWN_MODEL_LONG, on_trial) > 0);
}

static bool is(struct place *place, int64_t version, const char *status, const char *reason)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = version},
        {.type = DB_TEXT, .bytes = bytes_of(status)},
        {.type = DB_TEXT, .bytes = bytes_of(reason)},
    };
    struct db_rows *rows = NULL;
    bool found;

    assert_status(STATUS_OK, db_run(place->db, "select 1 from models where version = $1 and status = $2 and reason = $3", values,
                                    3, &rows));
    found = db_rows_count(rows) == 1;
    db_rows_close(&rows);
    return found;
}

static enum status end(struct place *place, int64_t version, const char *status, const char *reason)
{
    return store_end_trial(place->store, place->epoch, place->profile_id, version, status, reason);
}

static void profiles_that_the_database_knows_are_listed(void **state)
{
    const struct bytes names[] = {BYTES("unknown"), BYTES("bare"), BYTES("default")};
    struct store_standing found[3];
    struct place place;
    size_t count = 99;

    (void)state;
    open_place(&place, "listed");
    (void)samples_add_profile(place.db, "bare");
    assert_status(STATUS_OK, store_list_standings(place.store, names, 3, found, &count));
    assert_int_equal(2, count);
    assert_int_equal(1, found[0].name);
    assert_int_equal(0, found[0].live_version + found[0].trial_version + found[0].drawn_us);
    add(&place, false);
    drawn_add(place.db, place.profile_id, 1, false, 0, 1, 0.5);
    assert_status(STATUS_OK, store_list_standings(place.store, names, 3, found, &count));
    assert_int_equal(2, count);
    assert_int_equal(2, found[1].name);
    assert_int_equal(1, found[1].live_version);
    assert_int_equal(0, found[1].trial_version);
    assert_int_equal(0, found[1].trial_age_ms);
    assert_true(found[1].drawn_us >= found[1].live_made_us);
    close_place(&place);
}

struct read {
    size_t count;
    int64_t last_us;
};

static enum status on_text(void *context, const struct store_drawn_text *text)
{
    struct read *read = context;

    assert_true(read->count++ == 0 || text->drawn_us <= read->last_us);
    read->last_us = text->drawn_us;
    assert_true(text->share > 0.2499 && text->share < 0.2501);
    assert_int_equal(1, text->label);
    assert_int_equal(7, text->model_version);
    assert_true(text->text.count > 0);
    return STATUS_OK;
}

static void the_newest_drawn_texts_are_read_first(void **state)
{
    struct read read = {0};
    const struct store_drawn_reader reader = {on_text, &read};
    struct place place;
    int64_t cut_us;

    (void)state;
    open_place(&place, "read");
    drawn_add(place.db, place.profile_id, 7, true, 1, 10, 0.25);
    assert_status(STATUS_OK, db_script(place.db, "with n as (select text_hash, row_number() over () n from verdicts) update verdicts "
                                                 "v set drawn_at = now() - n.n * interval '1 hour' from n "
                                                 "where v.text_hash = n.text_hash"));
    drawn_add(place.db, place.profile_id + 1, 7, true, 1, 10, 0.25); /* another profile's */
    assert_status(STATUS_OK, store_read_drawn(place.store, place.profile_id, 0, 100, &reader));
    assert_int_equal(10, read.count);
    cut_us = read.last_us + 1;
    read = (struct read){0};
    assert_status(STATUS_OK, store_read_drawn(place.store, place.profile_id, cut_us, 100, &reader));
    assert_int_equal(9, read.count);
    read = (struct read){0};
    assert_status(STATUS_OK, store_read_drawn(place.store, place.profile_id, cut_us, 4, &reader));
    assert_int_equal(4, read.count);
    close_place(&place);
}

static void a_trial_ends_once_and_in_one_of_three_ways(void **state)
{
    struct place place;
    int64_t change;

    (void)state;
    open_place(&place, "ends");
    add(&place, false);
    add(&place, true);
    change = samples_number(place.db, "select max(change) from models");
    assert_status(STATUS_OK, end(&place, 2, "live", ""));
    assert_true(is(&place, 2, "live", "") && is(&place, 1, "retired", ""));
    assert_true(samples_number(place.db, "select min(change) from models") > change); /* moderators hear of both */
    assert_status(STATUS_NOT_FOUND, end(&place, 2, "refused", "trial_recall"));
    add(&place, true);
    change = samples_number(place.db, "select max(change) from models");
    assert_status(STATUS_OK, end(&place, 3, "refused", "trial_recall"));
    assert_true(is(&place, 3, "refused", "trial_recall") && is(&place, 2, "live", ""));
    assert_true(samples_number(place.db, "select max(change) from models") > change);
    add(&place, true);
    assert_status(STATUS_OK, end(&place, 4, "candidate", "trial_too_few"));
    assert_true(is(&place, 4, "candidate", "trial_too_few"));
    close_place(&place);
}

/* What a person did between the look and the end holds. */
static void a_person_is_first(void **state)
{
    struct place place;
    struct store_retreat done;

    (void)state;
    open_place(&place, "person");
    add(&place, false);
    add(&place, true);
    assert_status(STATUS_OK, store_pin(place.store, place.profile_id, 1));
    assert_status(STATUS_NOT_FOUND, end(&place, 2, "live", ""));
    assert_true(is(&place, 1, "live", "") && is(&place, 2, "candidate", "superseded"));
    assert_status(STATUS_OK, store_unpin(place.store, place.profile_id));
    add(&place, true);
    assert_status(STATUS_OK, store_publish_version(place.store, place.profile_id, 3)); /* itself: no trial any more */
    assert_status(STATUS_NOT_FOUND, end(&place, 3, "refused", "trial_recall"));
    assert_true(is(&place, 3, "live", ""));
    add(&place, true);
    assert_status(STATUS_OK, store_rollback(place.store, place.profile_id, &done));
    assert_int_equal(3, done.live_version);
    assert_status(STATUS_NOT_FOUND, end(&place, 4, "live", ""));
    assert_true(is(&place, 1, "retired", "") && is(&place, 3, "live", "") && is(&place, 4, "refused", "rolled_back"));
    add(&place, true);
    add(&place, true); /* a training by hand: the newer one is tried */
    assert_true(is(&place, 5, "candidate", "superseded") && is(&place, 6, "canary", ""));
    close_place(&place);
}

static void a_former_leader_ends_no_trial(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "fenced");
    add(&place, false);
    add(&place, true);
    place.epoch--;
    assert_status(STATUS_STALE, end(&place, 2, "live", ""));
    assert_true(is(&place, 2, "canary", ""));
    assert_status(STATUS_STALE, store_note_trial(place.store, place.epoch, place.profile_id, 2, BYTES("{}")));
    assert_int_equal(0, samples_number(place.db, "select count(*) from models where trial is not null"));
    place.epoch++;
    assert_status(STATUS_OK, store_note_trial(place.store, place.epoch, place.profile_id, 2, BYTES("{}")));
    assert_int_equal(1, samples_number(place.db, "select count(*) from models where trial is not null"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_that_the_database_knows_are_listed),
        cmocka_unit_test(the_newest_drawn_texts_are_read_first),
        cmocka_unit_test(a_trial_ends_once_and_in_one_of_three_ways),
        cmocka_unit_test(a_person_is_first),
        cmocka_unit_test(a_former_leader_ends_no_trial),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
