/* store_keep: profiles page by page; texts go by hash and by key, with all that is known of them; a person's label stays. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store.h"

static void profiles_are_listed_page_by_page(void **state)
{
    const struct bytes names[] = {BYTES("c"), BYTES("unknown"), BYTES("a")};
    struct database_settings settings;
    struct db *db = samples_create(&server, "pages", &settings);
    struct store *store = NULL;
    struct store_profile page[2];
    size_t count = 99;

    (void)state;
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, store_list_profiles(store, names, 3, 0, page, 2, &count));
    assert_int_equal(0, count);
    assert_int_equal(1, samples_add_profile(db, "a"));
    assert_int_equal(2, samples_add_profile(db, "b"));
    assert_int_equal(3, samples_add_profile(db, "c"));
    assert_status(STATUS_OK, store_list_profiles(store, names, 3, 0, page, 2, &count));
    assert_int_equal(2, count);
    assert_true(page[0].is_known && page[0].name == 2);
    assert_false(page[1].is_known);
    assert_status(STATUS_OK, store_list_profiles(store, names, 3, page[1].profile_id, page, 2, &count));
    assert_int_equal(1, count);
    assert_true(page[0].profile_id == 3 && page[0].is_known && page[0].name == 0);
    store_close(&store);
    db_close(&db);
}

/* One text by the only door for labels. */
static void put(struct db *db, const char *text, int label, int source)
{
    const struct db_value values[] = {
        {.type = DB_TEXT, .bytes = bytes_of(text)},
        {.type = DB_BIGINT, .bigint = label},
        {.type = DB_BIGINT, .bigint = source},
    };

    assert_status(STATUS_OK, db_run(db, "select sample_put(p, array[decode(md5($1), 'hex')], array[$2::smallint], "
                                        "array[$3::smallint], '{0}', '{null}', array[convert_to($1, 'UTF8')]) "
                                        "from generate_series(1, 2) p",
                                    values, 3, NULL));
}

static void a_text_is_deleted_by_its_hash(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "hashes", &settings);

    (void)state;
    put(db, "one", 0, 2);
    put(db, "two", 1, 3);
    put(db, "three", 1, 2);
    assert_status(STATUS_OK, db_script(db, "delete from samples where text = 'three'")); /* a fact alone */
    assert_int_equal(3, samples_number(db, "select sample_delete(1, array[decode(md5('one'), 'hex'), decode(md5('two'), 'hex'), "
                                           "decode(md5('three'), 'hex'), decode(md5('none'), 'hex')])"));
    assert_int_equal(0, samples_number(db, "select count(*) from samples where profile_id = 1"));
    assert_int_equal(0, samples_number(db, "select count(*) from verdicts where profile_id = 1"));
    assert_int_equal(2, samples_number(db, "select count(*) from samples where profile_id = 2"));
    assert_int_equal(3, samples_number(db, "select count(*) from verdicts where profile_id = 2"));
    db_close(&db);
}

static void all_texts_of_a_key_are_deleted_batch_by_batch(void **state)
{
    static const char delete_some[] = "select sample_delete_key('\\x0a', 3)";
    char text[32];
    struct database_settings settings;
    struct db *db = samples_create(&server, "keys", &settings);

    (void)state;
    for (int number = 0; number < 4; number++) {
        (void)snprintf(text, sizeof text, "text %d", number);
        put(db, text, number % 2, 2);
    }
    put(db, "another's", 1, 2);
    put(db, "nobody's", 1, 2);
    assert_status(STATUS_OK, db_script(db, "update verdicts set key_digest = '\\x0a'; update verdicts set key_digest = "
                                           "case when text_hash = decode(md5('another''s'), 'hex') then '\\x0b'::bytea end "
                                           "where text_hash in (decode(md5('another''s'), 'hex'), decode(md5('nobody''s'), 'hex'))"));
    assert_int_equal(3, samples_number(db, delete_some));
    assert_int_equal(3, samples_number(db, delete_some));
    assert_int_equal(2, samples_number(db, delete_some));
    assert_int_equal(0, samples_number(db, delete_some));
    assert_int_equal(4, samples_number(db, "select count(*) from samples where text like '%''s'"));
    assert_int_equal(4, samples_number(db, "select count(*) from samples"));
    assert_int_equal(4, samples_number(db, "select count(*) from verdicts"));
    db_close(&db);
}

static void a_later_label_of_the_reviewer_never_overwrites_a_persons(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "ranks", &settings);

    (void)state;
    put(db, "text", 0, 3);
    put(db, "text", 1, 2);
    put(db, "text", 1, 1);
    assert_int_equal(2, samples_number(db, "select count(*) from verdicts where label = 0 and source = 3"));
    assert_int_equal(2, samples_number(db, "select count(*) from samples where label = 0 and source = 3"));
    put(db, "text", 1, 3); /* a person may change another's mind */
    assert_int_equal(2, samples_number(db, "select count(*) from verdicts where label = 1 and source = 3"));
    put(db, "other", 0, 2);
    put(db, "other", 1, 3);
    assert_int_equal(4, samples_number(db, "select count(*) from samples where label = 1 and source = 3"));
    assert_int_equal(4, samples_number(db, "select count(*) from samples"));
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_listed_page_by_page),
        cmocka_unit_test(a_text_is_deleted_by_its_hash),
        cmocka_unit_test(all_texts_of_a_key_are_deleted_batch_by_batch),
        cmocka_unit_test(a_later_label_of_the_reviewer_never_overwrites_a_persons),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
