/* test_feed_table: which rows of a real table are read, in which order, and the bound of one file from both sides. */
#include "support/database.h"
#include "support/models_table.h"
#include "support/unit.h"

#include "moderator/feed_table.h"

enum { ROWS_MAX = 8, BYTES_MAX = 100 };

struct place {
    struct settings settings;
    struct profile_settings profiles[3];
    struct feed_table *table;
    struct db *db;
    size_t row_count; /* what was read last */
    struct feed_row rows[ROWS_MAX];
    char bytes[ROWS_MAX][BYTES_MAX];
    enum status answer; /* of on_row */
};

/* Before anybody has made the schema. */
static void open_bare(struct place *place, const char *database)
{
    *place = (struct place){.profiles = {{.name = "first", .model_kind = MODEL_KIND_HASHLINEAR},
                                         {.name = "none", .model_kind = MODEL_KIND_NONE},
                                         {.name = "third", .model_kind = MODEL_KIND_HASHLINEAR}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 3;
    postgres_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, db_open(&place->db, &place->settings.database, "test"));
    assert_status(STATUS_OK, feed_table_open(&place->table, &place->settings, BYTES_MAX, &(struct db_watch){NULL, NULL}));
}

static void open_place(struct place *place, const char *database)
{
    open_bare(place, database);
    postgres_apply_schema(place->db);
}

static void close_place(struct place *place)
{
    feed_table_close(&place->table);
    feed_table_close(&place->table);
    db_close(&place->db);
}

static enum status on_row(void *context, const struct feed_row *row)
{
    struct place *place = context;

    assert_true(place->row_count < ROWS_MAX);
    place->rows[place->row_count] = *row;
    if (row->bytes.count > 0) {
        memcpy(place->bytes[place->row_count], row->bytes.data, row->bytes.count);
        place->rows[place->row_count].bytes.data = place->bytes[place->row_count];
    }
    place->row_count++;
    return place->answer;
}

static enum status read_after(struct place *place, uint64_t change)
{
    place->row_count = 0;
    return feed_table_read(place->table, change, on_row, place);
}

static void put(struct place *place, const char *profile, int64_t version, const char *status, struct bytes bytes)
{
    const struct model_row row = {.profile = profile, .version = version, .status = status, .bytes = bytes};

    (void)models_table_put(place->db, &row);
}

static void live_models_of_our_profiles_are_read_in_the_order_of_changes(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "rows");
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_int_equal(0, place.row_count);
    put(&place, "third", 5, "live", BYTES("third's"));
    put(&place, "first", 1, "live", BYTES("old"));
    put(&place, "first", 2, "live", BYTES("new"));
    put(&place, "first", 3, "candidate", BYTES("not yet"));
    put(&place, "none", 1, "live", BYTES("wants no model"));
    put(&place, "stranger", 1, "live", BYTES("of other settings"));
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_int_equal(2, place.row_count);
    assert_int_equal(2, place.rows[0].profile);
    assert_int_equal(5, place.rows[0].version);
    assert_bytes("third's", place.rows[0].bytes);
    assert_int_equal(0, place.rows[1].profile);
    assert_int_equal(2, place.rows[1].version);
    assert_bytes("new", place.rows[1].bytes);
    assert_int_equal(SHA256_BYTES, place.rows[1].sha256.count);
    assert_true(place.rows[1].change > place.rows[0].change);
    /* Only what is newer than the given change. */
    assert_status(STATUS_OK, read_after(&place, place.rows[0].change));
    assert_int_equal(1, place.row_count);
    assert_int_equal(0, place.rows[0].profile);
    assert_status(STATUS_OK, read_after(&place, place.rows[0].change));
    assert_int_equal(0, place.row_count);
    close_place(&place);
}

static void a_file_of_the_bound_is_read_and_one_byte_more_stays_in_the_server(void **state)
{
    char bytes[BYTES_MAX + 1];
    struct place place;

    (void)state;
    memset(bytes, 'm', sizeof bytes);
    open_place(&place, "sizes");
    put(&place, "first", 1, "live", (struct bytes){bytes, BYTES_MAX});
    put(&place, "third", 1, "live", (struct bytes){bytes, BYTES_MAX + 1});
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_int_equal(2, place.row_count);
    assert_false(place.rows[0].too_large);
    assert_int_equal(BYTES_MAX, place.rows[0].bytes.count);
    assert_true(place.rows[1].too_large);
    assert_int_equal(0, place.rows[1].bytes.count);
    close_place(&place);
}

static void a_reader_may_end_the_reading(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ending");
    put(&place, "first", 1, "live", BYTES("a"));
    put(&place, "third", 1, "live", BYTES("b"));
    place.answer = STATUS_NO_MEMORY;
    assert_status(STATUS_NO_MEMORY, read_after(&place, 0));
    assert_int_equal(1, place.row_count);
    place.answer = STATUS_OK;
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_int_equal(2, place.row_count);
    close_place(&place);
}

static void a_missing_table_or_server_is_told_and_found_later(void **state)
{
    struct place place;

    (void)state;
    open_bare(&place, "later");
    assert_status(STATUS_IO, read_after(&place, 0));
    assert_string_equal("42P01", feed_table_sqlstate(place.table));
    postgres_apply_schema(place.db);
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_string_equal("", feed_table_sqlstate(place.table));
    postgres_kill(&server);
    assert_status(STATUS_UNAVAILABLE, read_after(&place, 0));
    assert_status(STATUS_UNAVAILABLE, read_after(&place, 0));
    postgres_run(&server);
    assert_status(STATUS_OK, read_after(&place, 0));
    close_place(&place);
}

static void versions_on_trial_are_read_and_listed(void **state)
{
    uint64_t listed[3] = {9, 9, 9};
    struct place place;

    (void)state;
    open_place(&place, "trials");
    assert_status(STATUS_OK, feed_table_read_trials(place.table, listed));
    assert_true(listed[0] == 0 && listed[1] == 0 && listed[2] == 0);
    put(&place, "third", 5, "live", BYTES("live"));
    put(&place, "third", 6, "canary", BYTES("tried"));
    put(&place, "none", 1, "canary", BYTES("wants no model"));
    assert_status(STATUS_OK, read_after(&place, 0));
    assert_int_equal(2, place.row_count);
    assert_false(place.rows[0].is_trial);
    assert_true(place.rows[1].is_trial);
    assert_int_equal(6, place.rows[1].version);
    assert_status(STATUS_OK, feed_table_read_trials(place.table, listed));
    assert_true(listed[0] == 0 && listed[1] == 0 && listed[2] == 6);
    for (int is_trial = 0; is_trial < 2; is_trial++) {
        place.row_count = 0;
        assert_status(STATUS_OK, feed_table_read_one(place.table, 2, is_trial == 1, on_row, &place));
        assert_int_equal(1, place.row_count);
        assert_int_equal(5 + is_trial, place.rows[0].version);
    }
    close_place(&place);
}

static void a_feed_does_for_settings_that_want_the_same_models(void **state)
{
    struct profile_settings one[2] = {{.name = "a"}, {.name = "b"}};
    struct profile_settings other[2] = {{.name = "a"}, {.name = "b"}};
    const struct settings left = {.profiles = one, .profile_count = 2};
    struct settings right = {.profiles = other, .profile_count = 2};

    (void)state;
    other[1].training.canary = 0;
    other[1].low = 0.5;
    assert_true(feed_table_alike(&left, &right));
    other[1].training.canary = 0.1;
    assert_false(feed_table_alike(&left, &right));
    one[1].training.canary = 0.2; /* another part of the decisions is the judges' to know */
    assert_true(feed_table_alike(&left, &right));
    other[0].model_kind = MODEL_KIND_BOW;
    assert_false(feed_table_alike(&left, &right));
    right.profile_count = 1;
    assert_false(feed_table_alike(&left, &right));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_models_of_our_profiles_are_read_in_the_order_of_changes),
        cmocka_unit_test(a_file_of_the_bound_is_read_and_one_byte_more_stays_in_the_server),
        cmocka_unit_test(versions_on_trial_are_read_and_listed),
        cmocka_unit_test(a_feed_does_for_settings_that_want_the_same_models),
        cmocka_unit_test(a_reader_may_end_the_reading),
        cmocka_unit_test(a_missing_table_or_server_is_told_and_found_later),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
