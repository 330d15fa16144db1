/* test_history_store: batches of labels in a real PostgreSQL: what lands, what is refused now and what for ever. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "moderator/history_store.h"
#include "proto/clock.h"

/* A database of its own for each test, and a store for two profiles. */
struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct history_store *store;
    struct db *db; /* for looking */
};

/* Before anybody has made the schema. */
static void open_bare(struct place *place, const char *database)
{
    *place = (struct place){.profiles = {{.name = "first"}, {.name = "second"}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    postgres_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, db_open(&place->db, &place->settings.database, "test"));
    assert_status(STATUS_OK, history_store_open(&place->store, &place->settings, NULL));
}

static void open_place(struct place *place, const char *database)
{
    open_bare(place, database);
    postgres_apply_schema(place->db);
}

static void close_place(struct place *place)
{
    history_store_close(&place->store);
    history_store_close(&place->store);
    db_close(&place->db);
}

static int64_t number(struct place *place, const char *sql)
{
    return samples_number(place->db, sql);
}

/* The hash is the text's first bytes: only its length matters here. */
static struct history_entry *entry_of(size_t profile, bool violation, const char *text)
{
    struct history_entry *entry = calloc(1, sizeof *entry + strlen(text));

    assert_non_null(entry);
    entry->profile = profile;
    entry->violation = violation;
    entry->has_text = true;
    entry->text_count = strlen(text);
    memcpy(entry->text, text, strlen(text));
    memset(entry->hash, '.', sizeof entry->hash);
    memcpy(entry->hash, text, strlen(text) < sizeof entry->hash ? strlen(text) : sizeof entry->hash);
    return entry;
}

static enum status write_one(struct place *place, struct history_entry *entry)
{
    enum status status = history_store_write(place->store, &entry, 1);

    free(entry);
    return status;
}

static void a_batch_becomes_verdicts_and_samples(void **state)
{
    struct history_entry *batch[3] = {entry_of(0, true, "bad"), entry_of(0, false, "good"), entry_of(0, false, "hidden")};
    struct place place;

    (void)state;
    open_place(&place, "batch");
    assert_status(STATUS_OK, bytes_copy(BYTES("hate"), batch[0]->category, sizeof batch[0]->category));
    batch[1]->drawn = DRAWN_RANDOM;
    batch[2]->has_text = false;
    assert_status(STATUS_OK, history_store_write(place.store, batch, 3));
    assert_string_equal("", history_store_sqlstate(place.store));
    assert_int_equal(3, number(&place, "select count(*) from verdicts v join profiles p using (profile_id) "
                                       "where p.name = 'first' and v.source = 2"));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where label = 1 and drawn = 0 and category = 'hate'"));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where label = 0 and drawn = 1 and category is null"));
    assert_int_equal(2, number(&place, "select count(*) from samples"));
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 1 and text = 'bad'::bytea"));
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 0 and text = 'good'::bytea"));
    for (size_t index = 0; index < 3; index++) {
        free(batch[index]);
    }
    close_place(&place);
}

static void a_profile_is_found_or_made_once(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "profile");
    assert_status(STATUS_OK, db_run(place.db, "insert into profiles (name) values ('second')", NULL, 0, NULL));
    assert_status(STATUS_OK, write_one(&place, entry_of(1, true, "a")));
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "a")));
    assert_status(STATUS_OK, write_one(&place, entry_of(1, true, "b")));
    assert_int_equal(2, number(&place, "select count(*) from profiles"));
    assert_int_equal(2, number(&place, "select count(*) from verdicts v join profiles p using (profile_id) "
                                       "where p.name = 'second'"));
    close_place(&place);
}

static void a_full_batch_fits_one_call(void **state)
{
    struct history_entry *batch[SAMPLE_BATCH_MAX];
    struct place place;
    char text[16];

    (void)state;
    open_place(&place, "whole");
    for (size_t index = 0; index < SAMPLE_BATCH_MAX; index++) {
        (void)snprintf(text, sizeof text, "text %zu", index);
        batch[index] = entry_of(0, index % 2 == 0, text);
    }
    assert_status(STATUS_OK, history_store_write(place.store, batch, SAMPLE_BATCH_MAX));
    assert_int_equal(SAMPLE_BATCH_MAX, number(&place, "select count(*) from samples"));
    for (size_t index = 0; index < SAMPLE_BATCH_MAX; index++) {
        free(batch[index]);
    }
    close_place(&place);
}

static enum status write_made(struct place *place, bool violation, uint64_t labelled_us)
{
    struct history_entry *entry = entry_of(0, violation, "words");

    entry->labelled_us = labelled_us;
    return write_one(place, entry);
}

/* What lay on the disk of a dead process is written after what others said of the same text since. */
static void a_label_that_was_made_earlier_changes_nothing(void **state)
{
    uint64_t now_us = clock_wall_us();
    struct place place;

    (void)state;
    open_place(&place, "older");
    assert_status(STATUS_OK, write_made(&place, false, now_us - 1000000));
    assert_status(STATUS_OK, write_made(&place, true, now_us - 1000001));
    assert_int_equal(0, number(&place, "select label from verdicts"));
    assert_int_equal(0, number(&place, "select label from samples"));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where labelled_at between now() - interval '1 minute' "
                                       "and now() - interval '1 second'"));
    assert_status(STATUS_OK, write_made(&place, true, now_us - 1000000)); /* as old: the later one counts */
    assert_int_equal(1, number(&place, "select label from verdicts"));
    assert_int_equal(1, number(&place, "select label from samples"));
    assert_status(STATUS_OK, db_run(place.db, "update verdicts set source = 1", NULL, 0, NULL));
    assert_status(STATUS_OK, write_made(&place, false, 1)); /* a stronger source, however old */
    assert_int_equal(0, number(&place, "select label from verdicts"));
    close_place(&place);
}

/* Its labels would otherwise be the newest ones until that time has come. */
static void a_clock_that_is_ahead_counts_as_now(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ahead");
    assert_status(STATUS_OK, write_made(&place, false, clock_wall_us() + 3600000000u));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where labelled_at <= now()"));
    assert_status(STATUS_OK, write_made(&place, true, clock_wall_us() + 60000000));
    assert_int_equal(1, number(&place, "select label from verdicts"));
    close_place(&place);
}

static void of_two_labels_in_a_batch_the_newer_one_counts(void **state)
{
    struct history_entry *batch[2] = {entry_of(0, true, "words"), entry_of(0, false, "words")};
    struct place place;

    (void)state;
    open_place(&place, "twice");
    batch[0]->labelled_us = 2000000;
    batch[1]->labelled_us = 1000000;
    assert_status(STATUS_OK, history_store_write(place.store, batch, 2));
    assert_int_equal(1, number(&place, "select label from verdicts"));
    assert_int_equal(1, number(&place, "select label from samples"));
    free(batch[0]);
    free(batch[1]);
    close_place(&place);
}

static enum status write_drawn(struct place *place, bool violation, uint64_t labelled_us, uint32_t share)
{
    struct history_entry *entry = entry_of(0, violation, "words");

    entry->labelled_us = labelled_us;
    entry->share = share;
    entry->model_version = labelled_us % 1000;
    return write_one(place, entry);
}

/* Whether a text was drawn is not for its label to change: else the drawn would be those that nobody looked at again. */
static void a_text_stays_drawn_whoever_labels_it_afterwards(void **state)
{
    uint64_t now_us = clock_wall_us() / 1000000 * 1000000;
    struct place place;

    (void)state;
    open_place(&place, "drawn");
    assert_status(STATUS_OK, write_drawn(&place, false, now_us - 9000000 + 1, 250000));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where drawn_share = 0.25 and drawn_at = labelled_at and "
                                       "model_version = 1 and has_text"));
    assert_status(STATUS_OK, write_drawn(&place, true, now_us - 8000000 + 2, 0)); /* a newer label that was not */
    assert_int_equal(1, number(&place, "select count(*) from verdicts where label = 1 and drawn_share = 0.25 and "
                                       "drawn_at < labelled_at and model_version = 2"));
    assert_status(STATUS_OK, db_run(place.db, "update verdicts set source = 3", NULL, 0, NULL));
    assert_status(STATUS_OK, write_drawn(&place, false, now_us - 7000000, 500000)); /* a person's label stays, the text is drawn */
    assert_int_equal(1, number(&place, "select count(*) from verdicts where label = 1 and source = 3 and drawn_share = 0.5 and "
                                       "drawn_at > labelled_at and model_version = 2"));
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 1"));
    assert_int_equal(1, number(&place, "select count(*) from samples"));
    assert_status(STATUS_OK, write_drawn(&place, false, now_us - 9500000, 125000)); /* from a spool: drawn again since */
    assert_int_equal(1, number(&place, "select count(*) from verdicts where drawn_share = 0.5"));
    close_place(&place);
}

static void before_the_schema_is_there_nothing_is_refused_for_ever(void **state)
{
    struct place place;

    (void)state;
    open_bare(&place, "bare");
    assert_status(STATUS_IO, write_one(&place, entry_of(0, true, "early")));
    assert_string_equal("42P01", history_store_sqlstate(place.store)); /* undefined table */
    postgres_apply_schema(place.db);
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "early")));
    assert_int_equal(1, number(&place, "select count(*) from samples"));
    close_place(&place);
}

/* Raised, or put back, while the session lasts. */
static void another_version_of_the_schema_is_waited_for(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "skewed");
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "before")));
    for (int step = 1; step >= -1; step -= 2) {
        const struct db_value value = {.type = DB_BIGINT, .bigint = SCHEMA_VERSION + step};

        assert_status(STATUS_OK, db_run(place.db, "update schema_version set version = $1", &value, 1, NULL));
        assert_status(STATUS_UNSUPPORTED, write_one(&place, entry_of(0, true, "meanwhile")));
        assert_int_equal(1, number(&place, "select count(*) from verdicts"));
    }
    assert_status(STATUS_OK, db_run(place.db, "update schema_version set version = version + 1", NULL, 0, NULL));
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "meanwhile")));
    assert_int_equal(2, number(&place, "select count(*) from verdicts"));
    close_place(&place);
}

static void a_row_that_breaks_a_rule_is_refused_for_ever(void **state)
{
    struct history_entry *entry = entry_of(0, true, "bad");
    struct place place;

    (void)state;
    open_place(&place, "rule");
    assert_status(STATUS_OK, db_run(place.db, "alter table verdicts add check (category <> 'never')", NULL, 0, NULL));
    assert_status(STATUS_OK, bytes_copy(BYTES("never"), entry->category, sizeof entry->category));
    assert_status(STATUS_MALFORMED, write_one(&place, entry));
    assert_string_equal("23514", history_store_sqlstate(place.store)); /* check violation */
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "fine")));
    close_place(&place);
}

static void a_server_that_went_away_is_found_again(void **state)
{
    struct place place;
    enum status status;

    (void)state;
    open_place(&place, "away");
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "one")));
    postgres_kill(&server);
    db_close(&place.db);
    status = write_one(&place, entry_of(0, true, "two"));
    assert_status(STATUS_UNAVAILABLE, status);
    status = write_one(&place, entry_of(0, true, "two"));
    assert_status(STATUS_UNAVAILABLE, status);
    postgres_run(&server);
    assert_status(STATUS_OK, write_one(&place, entry_of(0, true, "two")));
    assert_status(STATUS_OK, db_open(&place.db, &place.settings.database, "test"));
    assert_int_equal(1, number(&place, "select count(*) from samples where text = 'two'::bytea"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_becomes_verdicts_and_samples),
        cmocka_unit_test(a_profile_is_found_or_made_once),
        cmocka_unit_test(a_full_batch_fits_one_call),
        cmocka_unit_test(a_label_that_was_made_earlier_changes_nothing),
        cmocka_unit_test(a_clock_that_is_ahead_counts_as_now),
        cmocka_unit_test(of_two_labels_in_a_batch_the_newer_one_counts),
        cmocka_unit_test(a_text_stays_drawn_whoever_labels_it_afterwards),
        cmocka_unit_test(before_the_schema_is_there_nothing_is_refused_for_ever),
        cmocka_unit_test(another_version_of_the_schema_is_waited_for),
        cmocka_unit_test(a_row_that_breaks_a_rule_is_refused_for_ever),
        cmocka_unit_test(a_server_that_went_away_is_found_again),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
