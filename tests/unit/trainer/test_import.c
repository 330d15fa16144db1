/* import: batches by number and by bytes, what becomes of each label, and what is kept where a profile keeps hashes only. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/import.h"

static const unsigned char hash_key[SECRET_HASH_KEY_BYTES] = "a key";

struct desk {
    struct db *db;
    struct store *store;
    struct import *import;
    int64_t profile_id;
};

static void begin(struct desk *desk, const char *database, bool with_text)
{
    struct database_settings settings;
    struct import_options options = {.hash_key = hash_key, .with_text = with_text};

    desk->db = samples_create(&server, database, &settings);
    assert_status(STATUS_OK, store_open(&desk->store, &settings, NULL));
    assert_status(STATUS_OK, store_make_profile(desk->store, BYTES("p"), &desk->profile_id));
    options.store = desk->store;
    options.profile_id = desk->profile_id;
    assert_status(STATUS_OK, import_open(&desk->import, &options));
}

static void end(struct desk *desk)
{
    import_close(&desk->import);
    store_close(&desk->store);
    db_close(&desk->db);
}

static enum status add(struct desk *desk, struct bytes text, int label, int source)
{
    const struct import_row row = {
        .text = text, .label = label, .category = label == 1 ? BYTES("spam") : (struct bytes){NULL, 0}, .source = source, .labelled_us = 1};

    return import_add(desk->import, &row);
}

static void a_batch_has_so_many_rows(void **state)
{
    struct desk desk;
    char text[32];

    (void)state;
    begin(&desk, "rows", true);
    for (int index = 0; index <= SAMPLE_BATCH_MAX; index++) {
        assert_int_equal(0, import_figures(desk.import).rows);
        (void)snprintf(text, sizeof text, "text %d", index);
        assert_status(STATUS_OK, add(&desk, bytes_of(text), index % 2, STORE_IMPORT));
    }
    assert_int_equal(SAMPLE_BATCH_MAX, import_figures(desk.import).rows);
    assert_int_equal(SAMPLE_BATCH_MAX, samples_number(desk.db, "select count(*) from samples"));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(SAMPLE_BATCH_MAX + 1, import_figures(desk.import).stored);
    assert_int_equal(128, samples_number(desk.db, "select count(*) from verdicts v join samples s using (profile_id, label, text_hash) "
                                                  "where category = 'spam' and s.text like 'text %' and drawn = 3"));
    end(&desk);
}

static void a_batch_has_so_many_bytes(void **state)
{
    struct desk desk;
    char *text = malloc(SAMPLE_TEXT_BYTES_MAX);

    (void)state;
    assert_non_null(text);
    begin(&desk, "bytes", true);
    memset(text, 'x', SAMPLE_TEXT_BYTES_MAX);
    for (int index = 0; index < 8; index++) { /* of 1 MiB with its end */
        text[0] = (char)('a' + index);
        assert_status(STATUS_OK, add(&desk, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX - 1}, 0, STORE_IMPORT));
        assert_int_equal(0, import_figures(desk.import).rows);
    }
    assert_status(STATUS_OK, add(&desk, BYTES("1"), 0, STORE_IMPORT));
    assert_int_equal(IMPORT_BATCH_BYTES_MAX / SAMPLE_TEXT_BYTES_MAX, import_figures(desk.import).rows);
    free(text);
    end(&desk);
}

static void the_stronger_label_stands(void **state)
{
    struct desk desk;

    (void)state;
    begin(&desk, "stronger", true);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_PERSON));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(4, import_figures(desk.import).rows);
    assert_int_equal(2, import_figures(desk.import).stored);
    assert_int_equal(1, samples_number(desk.db, "select count(*) from samples where text = E'one\\n' and label = 1 and source = 3"));
    end(&desk);
}

/* How many facts are of a text that is judged, byte for byte. */
static int64_t known(struct desk *desk, struct bytes judged, const char *more)
{
    char hash[2 * TEXT_HASH_BYTES + 1], sql[256];
    unsigned char raw[TEXT_HASH_BYTES];

    secret_text_hash(raw, hash_key, judged);
    for (size_t index = 0; index < sizeof raw; index++) {
        (void)snprintf(hash + 2 * index, 3, "%02x", raw[index]);
    }
    (void)snprintf(sql, sizeof sql, "select count(*) from verdicts where text_hash = '\\x%s' %s", hash, more);
    return samples_number(desk->db, sql);
}

static void a_text_is_known_as_the_gateway_has_it_judged(void **state)
{
    struct desk desk;

    (void)state;
    begin(&desk, "ended", true);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(1, known(&desk, BYTES("one\n"), "and label = 0"));
    assert_status(STATUS_OK, add(&desk, BYTES("one\n"), 1, STORE_PERSON));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(1, known(&desk, BYTES("one\n"), "and label = 1 and source = 3"));
    assert_int_equal(1, samples_number(desk.db, "select count(*) from samples"));
    assert_int_equal(1, samples_number(desk.db, "select count(*) from samples where text = E'one\\n' and label = 1"));
    assert_status(STATUS_OK, add(&desk, BYTES("one\n\n"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("one\r"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(1, known(&desk, BYTES("one\n\n"), ""));
    assert_int_equal(1, known(&desk, BYTES("one\r\n"), ""));
    assert_int_equal(3, samples_number(desk.db, "select count(*) from verdicts"));
    end(&desk);
}

static void the_longest_text_is_known_as_all_are_and_stored_without_its_end(void **state)
{
    struct desk desk;
    char *text = malloc(SAMPLE_TEXT_BYTES_MAX + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', SAMPLE_TEXT_BYTES_MAX);
    text[SAMPLE_TEXT_BYTES_MAX] = '\n';
    begin(&desk, "longest", true);
    assert_status(STATUS_OK, add(&desk, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX}, 1, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX - 1}, 1, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("another"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(1, known(&desk, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX + 1}, "and label = 1 and category = 'spam'"));
    assert_int_equal(2, samples_number(desk.db, "select count(*) from samples where label = 1 and octet_length(text) = 1048576"));
    assert_int_equal(1, samples_number(desk.db, "select count(*) from samples where text = E'another\\n' and label = 0"));
    free(text);
    end(&desk);
}

static void a_second_import_says_what_became_of_each_row(void **state)
{
    struct desk desk;
    struct import_figures found;

    (void)state;
    begin(&desk, "figures", true);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_PERSON));
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    found = import_figures(desk.import);
    assert_int_equal(3, found.rows);
    assert_int_equal(2, found.stored);
    assert_int_equal(2, found.added);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT)); /* the same once more: nothing is replaced */
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_IMPORT)); /* weaker */
    assert_status(STATUS_OK, import_flush(desk.import));
    found = import_figures(desk.import);
    assert_int_equal(5, found.rows);
    assert_int_equal(2, found.stored);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 0, STORE_IMPORT));   /* as old, another label */
    assert_status(STATUS_OK, add(&desk, BYTES("three"), 0, STORE_IMPORT)); /* new */
    assert_status(STATUS_OK, import_flush(desk.import));
    found = import_figures(desk.import);
    assert_int_equal(7, found.rows);
    assert_int_equal(4, found.stored);
    assert_int_equal(3, found.added);
    end(&desk);
}

static void a_text_that_was_a_hash_alone_is_stored_with_the_same_label(void **state)
{
    struct desk desk;

    (void)state;
    begin(&desk, "texts", true);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_status(STATUS_OK, db_script(desk.db, "delete from samples; update verdicts set has_text = false"));
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(2, import_figures(desk.import).stored);
    assert_int_equal(1, import_figures(desk.import).added);
    assert_int_equal(1, samples_number(desk.db, "select count(*) from samples"));
    end(&desk);
}

static void a_hash_may_be_all_that_is_kept(void **state)
{
    struct desk desk;

    (void)state;
    begin(&desk, "hashes", false);
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT));
    assert_status(STATUS_OK, add(&desk, BYTES("two"), 0, STORE_IMPORT));
    assert_status(STATUS_OK, import_flush(desk.import));
    assert_int_equal(2, samples_number(desk.db, "select count(*) from verdicts"));
    assert_int_equal(1, known(&desk, BYTES("one\n"), "and label = 1 and category = 'spam'"));
    assert_int_equal(1, known(&desk, BYTES("two\n"), "and label = 0 and category is null"));
    assert_int_equal(0, samples_number(desk.db, "select count(*) from samples"));
    end(&desk);
}

static void another_schema_takes_nothing(void **state)
{
    struct desk desk;

    (void)state;
    begin(&desk, "schema", true);
    assert_status(STATUS_OK, db_script(desk.db, "update schema_version set version = version + 1"));
    assert_status(STATUS_OK, add(&desk, BYTES("one"), 1, STORE_IMPORT));
    assert_status(STATUS_UNSUPPORTED, import_flush(desk.import));
    assert_int_equal(0, import_figures(desk.import).rows);
    assert_int_equal(0, samples_number(desk.db, "select count(*) from verdicts"));
    end(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_has_so_many_rows),   cmocka_unit_test(a_batch_has_so_many_bytes),
        cmocka_unit_test(the_stronger_label_stands),  cmocka_unit_test(a_hash_may_be_all_that_is_kept),
        cmocka_unit_test(another_schema_takes_nothing),
        cmocka_unit_test(a_text_is_known_as_the_gateway_has_it_judged),
        cmocka_unit_test(the_longest_text_is_known_as_all_are_and_stored_without_its_end),
        cmocka_unit_test(a_second_import_says_what_became_of_each_row),
        cmocka_unit_test(a_text_that_was_a_hash_alone_is_stored_with_the_same_label),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
