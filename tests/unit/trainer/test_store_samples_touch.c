/* test_store_samples_touch: moderators see from a profile's row that people said something of its texts, and of nobody else's. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store_samples.h"

#include <poll.h>

enum { FIRST, SECOND, PROFILES };
enum { LOOKS_MAX = 2000, LOOK_MS = 5 };

static const unsigned char key_digest[TEXT_HASH_BYTES] = {9};

struct place {
    struct database_settings settings;
    struct store *store;
    struct db *db;
    int64_t profiles[PROFILES];
    int64_t marks[PROFILES];
};

static int64_t mark_of(struct place *place, size_t profile)
{
    const struct db_value value = {.type = DB_BIGINT, .bigint = place->profiles[profile]};
    struct db_rows *rows = NULL;
    int64_t mark;

    assert_status(STATUS_OK,
                  db_run(place->db, "select xmin::text::bigint from profiles where profile_id = $1", &value, 1, &rows));
    mark = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return mark;
}

static void open_place(struct place *place, const char *database)
{
    static const char *const names[PROFILES] = {"first", "second"};

    *place = (struct place){0};
    place->db = samples_create(&server, database, &place->settings);
    assert_status(STATUS_OK, store_open(&place->store, &place->settings, NULL));
    for (size_t profile = 0; profile < PROFILES; profile++) {
        place->profiles[profile] = samples_add_profile(place->db, names[profile]);
        place->marks[profile] = mark_of(place, profile);
    }
}

static void close_place(struct place *place)
{
    store_close(&place->store);
    db_close(&place->db);
}

static void assert_touched(struct place *place, bool first, bool second)
{
    const bool expected[PROFILES] = {first, second};

    for (size_t profile = 0; profile < PROFILES; profile++) {
        int64_t mark = mark_of(place, profile);

        assert_int_equal(expected[profile], mark != place->marks[profile]);
        place->marks[profile] = mark;
    }
}

static void put(struct place *place, size_t profile, int source, unsigned char text)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = place->profiles[profile]},
        {.type = DB_BYTEA, .bytes = {(const char *)key_digest, sizeof key_digest}},
    };
    struct store_label label = {.hash = {text}, .label = 0, .source = source, .text = BYTES("a text"), .labelled_us = 1};
    struct store_put stored = {0};

    assert_status(STATUS_OK, store_put_labels(place->store, place->profiles[profile], &label, 1, &stored));
    assert_int_equal(1, stored.added);
    assert_status(STATUS_OK, db_run(place->db, "update verdicts set key_digest = $2 where profile_id = $1", values, 2, NULL));
}

static struct bytes hash_of(const unsigned char hash[TEXT_HASH_BYTES])
{
    return (struct bytes){(const char *)hash, TEXT_HASH_BYTES};
}

static void what_a_person_says_touches_the_profile_and_an_import_does_not(void **state)
{
    static const unsigned char one[TEXT_HASH_BYTES] = {1}, two[TEXT_HASH_BYTES] = {2}, never[TEXT_HASH_BYTES] = {3};
    struct place place;

    (void)state;
    open_place(&place, "touch");
    put(&place, FIRST, STORE_IMPORT, 1);
    assert_touched(&place, false, false);
    put(&place, FIRST, STORE_PERSON, 2);
    assert_touched(&place, true, false);
    assert_status(STATUS_OK, store_relabel(place.store, place.profiles[FIRST], hash_of(one), 1, BYTES("hate")));
    assert_touched(&place, true, false);
    assert_status(STATUS_OK, store_delete_text(place.store, place.profiles[FIRST], hash_of(two)));
    assert_touched(&place, true, false);
    assert_status(STATUS_NOT_FOUND, store_delete_text(place.store, place.profiles[FIRST], hash_of(never)));
    assert_int_equal(2, samples_number(place.db, "select count(*) from profiles where trained_at = '-infinity'")); /* as it was */
    close_place(&place);
}

static void what_a_key_sent_touches_the_profiles_that_have_it(void **state)
{
    const struct bytes key = {(const char *)key_digest, sizeof key_digest};
    int64_t deleted = -1;
    struct place place;

    (void)state;
    open_place(&place, "keys");
    put(&place, SECOND, STORE_IMPORT, 1);
    assert_status(STATUS_OK, store_delete_key(place.store, BYTES("another key's mac"), &deleted));
    assert_int_equal(0, deleted);
    assert_touched(&place, false, false);
    assert_status(STATUS_OK, store_delete_key(place.store, key, &deleted));
    assert_int_equal(1, deleted);
    assert_touched(&place, false, true);
    put(&place, FIRST, STORE_IMPORT, 1);
    put(&place, SECOND, STORE_IMPORT, 1);
    assert_status(STATUS_OK, store_delete_key(place.store, key, &deleted));
    assert_int_equal(2, deleted);
    assert_touched(&place, true, true);
    assert_status(STATUS_OK, store_delete_key(place.store, key, &deleted));
    assert_int_equal(0, deleted);
    assert_touched(&place, false, false);
    close_place(&place);
}

/* Who says something of a text holds its fact and writes the profile's row behind it. */
static void what_a_key_sent_is_deleted_beside_what_people_say(void **state)
{
    const struct bytes key = {(const char *)key_digest, sizeof key_digest};
    const struct db_value value = {.type = DB_BYTEA, .bytes = key};
    struct db *other = NULL;
    struct db_rows *rows = NULL;
    int64_t waiting = 0;
    struct place place;

    (void)state;
    open_place(&place, "beside");
    put(&place, FIRST, STORE_IMPORT, 1);
    assert_status(STATUS_OK, db_open(&other, &place.settings, "other"));
    assert_status(STATUS_OK, db_script(place.db, "begin; select from verdicts for update"));
    assert_status(STATUS_OK, db_ask(other, "select sample_delete_key($1)", &value, 1));
    for (int looks = 0; looks < LOOKS_MAX && waiting == 0; looks++) {
        (void)poll(NULL, 0, looks > 0 ? LOOK_MS : 0);
        waiting = samples_ask(&place.settings, "select count(*) from pg_locks where not granted");
    }
    assert_true(waiting > 0);
    assert_status(STATUS_OK, db_script(place.db, "update profiles set trained_at = trained_at; commit"));
    assert_status(STATUS_OK, db_answer(other, &rows));
    assert_int_equal(1, db_bigint(rows, 0, 0));
    db_rows_close(&rows);
    db_close(&other);
    close_place(&place);
}

/* A text that is in a batch twice: the row that loses says what is known, the one that wins does not. */
static void of_a_text_that_is_there_twice_the_row_that_wins_counts(void **state)
{
    const struct store_label known = {.hash = {1}, .label = 0, .source = STORE_IMPORT, .text = BYTES("a text"), .labelled_us = 1};
    struct store_label twice[] = {known, known};
    struct store_put stored = {0};
    struct place place;

    (void)state;
    open_place(&place, "twice");
    put(&place, FIRST, STORE_IMPORT, 1);
    twice[1].label = 1;
    twice[1].labelled_us = 2;
    assert_status(STATUS_OK, store_put_labels(place.store, place.profiles[FIRST], twice, 2, &stored));
    assert_int_equal(0, stored.added);
    assert_int_equal(1, stored.replaced);
    assert_status(STATUS_OK, store_put_labels(place.store, place.profiles[FIRST], twice, 2, &stored));
    assert_int_equal(0, stored.added + stored.replaced);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_person_says_touches_the_profile_and_an_import_does_not),
        cmocka_unit_test(what_a_key_sent_touches_the_profiles_that_have_it),
        cmocka_unit_test(what_a_key_sent_is_deleted_beside_what_people_say),
        cmocka_unit_test(of_a_text_that_is_there_twice_the_row_that_wins_counts),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
