/* sample: draws of every way are distinct, balanced, of one label each, repeatable, and never read a table end to end.
 */
#include "support/heap.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/sample.h"
#include "trainer/sample_seen.h"

#include <stdlib.h>

enum {
    TEXT_BYTES = 60,
    MANY = 120000,
    SOME = 12000,
    FEW = 3000,
    BETWEEN = 1500,
    LITTLE = 300,
    ROWS = 2000,
    SEEN_ROWS = 8000
};

static struct postgres server;
static struct database_settings settings;
static int64_t big_id;    /* MANY pass, SOME violation: both by pages */
static int64_t small_id;  /* FEW pass beside MANY of the same leaf: by pivots; BETWEEN violation: a part */
static int64_t little_id; /* LITTLE and none: all */

struct taken {
    struct sample_seen *seen;
    int64_t rows[SAMPLE_LABELS];
    int64_t numbers; /* sum of the numbers in the texts: which part of the table they come from */
    int64_t number_max;
    uint64_t fingerprint; /* of the hashes in their order */
    size_t heap_bytes_max;
    int64_t stop_at; /* refuse this row */
};

static enum status take(void *context, const struct sample *sample)
{
    struct taken *taken = context;
    char digits[TEXT_BYTES + 1] = "";
    int64_t number;
    uint64_t bits;

    assert_int_equal(TEXT_HASH_BYTES, sample->hash.count);
    assert_false(sample_seen_has(taken->seen, sample->hash));
    assert_status(STATUS_OK, sample_seen_add(taken->seen, sample->hash));
    memcpy(digits, sample->text.data, sample->text.count < TEXT_BYTES ? sample->text.count : TEXT_BYTES);
    assert_int_equal('0' + sample->label, digits[0]);
    number = strtoll(digits + 2, NULL, 10);
    taken->numbers += number;
    if (number > taken->number_max) {
        taken->number_max = number;
    }
    memcpy(&bits, sample->hash.data, sizeof bits);
    taken->fingerprint = taken->fingerprint * 31 + bits;
    taken->rows[sample->label]++;
    if (heap_live_bytes() > taken->heap_bytes_max) {
        taken->heap_bytes_max = heap_live_bytes();
    }
    return taken->rows[0] + taken->rows[1] == taken->stop_at ? STATUS_CLOSED : STATUS_OK;
}

static struct sample_request request_of(int64_t profile_id, uint64_t seed)
{
    return (struct sample_request){.profile_id = profile_id, .rows_max = ROWS, .bytes_max = MIB, .seed = seed};
}

static struct taken draw(const struct sample_request *request, struct sample_figures figures[SAMPLE_LABELS])
{
    struct taken taken = {0};
    const struct sample_taker taker = {take, &taken};
    struct store *store = NULL;

    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, sample_seen_open(&taken.seen, SEEN_ROWS));
    assert_status(STATUS_OK, sample_measure(store, request, figures));
    assert_status(STATUS_OK, sample_draw(store, request, figures, &taker));
    sample_seen_close(&taken.seen);
    store_close(&store);
    for (int label = 0; label < SAMPLE_LABELS; label++) {
        assert_int_equal(figures[label].drawn, taken.rows[label]);
    }
    return taken;
}

static void many_rows_are_drawn_by_pages(void **state)
{
    const struct sample_request request = request_of(big_id, 1);
    struct sample_figures figures[SAMPLE_LABELS];
    size_t heap_bytes = heap_live_bytes();
    struct taken taken = draw(&request, figures);

    (void)state;
    assert_string_equal("pages", sample_way_name(figures[0].way));
    assert_string_equal("pages", sample_way_name(figures[1].way));
    assert_int_equal(ROWS / 2, taken.rows[0]);
    assert_int_equal(ROWS / 2, taken.rows[1]);
    assert_in_range(figures[0].existing, MANY * 9 / 10, MANY * 11 / 10);
    assert_in_range(figures[1].existing, SOME * 9 / 10, SOME * 11 / 10);
    assert_in_range(figures[0].draws, 1, 5);
    /* From all over the table, its newest rows too. */
    assert_true(taken.number_max > MANY * 8 / 10);
    assert_in_range(taken.numbers, ROWS / 2 * (MANY / 4 + SOME / 4), ROWS / 2 * (MANY / 4 * 3 + SOME / 4 * 3));
    assert_true(taken.heap_bytes_max < heap_bytes + MIB);
}

static void equal_seeds_draw_equal_rows_and_others_draw_others(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request = request_of(big_id, 7);
    struct taken first = draw(&request, figures);
    struct taken second = draw(&request, figures);
    struct taken third;

    (void)state;
    request.seed = 8;
    third = draw(&request, figures);
    assert_true(first.fingerprint == second.fingerprint);
    assert_true(first.fingerprint != third.fingerprint);
}

static void a_tiny_share_of_its_leaf_is_drawn_by_pivots(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];

    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        const struct sample_request request = request_of(small_id, seed);
        struct taken taken = draw(&request, figures);

        assert_string_equal("pivots", sample_way_name(figures[0].way));
        assert_int_equal(ROWS / 2, taken.rows[0]);
        assert_in_range(figures[0].existing, FEW * 9 / 10, FEW * 11 / 10);
        assert_int_equal(0, figures[0].draws);
    }
}

static void fewer_than_twice_the_wanted_rows_are_chosen_on_the_way(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request = request_of(small_id, 3);
    struct taken taken = draw(&request, figures);

    (void)state;
    assert_string_equal("part", sample_way_name(figures[1].way));
    assert_int_equal(BETWEEN, figures[1].existing);
    assert_int_equal(ROWS / 2, taken.rows[1]);
    /* Both sides of each bound. */
    request.rows_max = 2 * BETWEEN;
    (void)draw(&request, figures);
    assert_string_equal("all", sample_way_name(figures[1].way));
    assert_int_equal(BETWEEN, figures[1].drawn);
    request.rows_max = 2 * (BETWEEN - 1);
    (void)draw(&request, figures);
    assert_string_equal("part", sample_way_name(figures[1].way));
    assert_int_equal(BETWEEN - 1, figures[1].drawn);
    request.rows_max = BETWEEN;
    (void)draw(&request, figures);
    assert_string_equal("part", sample_way_name(figures[1].way));
    request.rows_max = BETWEEN - 2;
    (void)draw(&request, figures);
    assert_string_equal("pages", sample_way_name(figures[1].way));
    assert_in_range(figures[1].drawn, (BETWEEN / 2 - 1) * 9 / 10, BETWEEN / 2 - 1); /* five draws may not be enough */
}

static void few_rows_are_all_taken_and_none_are_no_error(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    const struct sample_request request = request_of(little_id, 1);
    const struct sample_request nobody = request_of(987654, 1);
    struct taken taken = draw(&request, figures);

    (void)state;
    assert_string_equal("all", sample_way_name(figures[0].way));
    assert_int_equal(LITTLE, taken.rows[0]);
    assert_int_equal(LITTLE, figures[0].existing);
    assert_int_equal(0, figures[1].existing);
    assert_int_equal(0, figures[1].drawn);
    taken = draw(&nobody, figures);
    assert_int_equal(0, taken.rows[0] + taken.rows[1]);
}

static void the_bound_of_bytes_cuts_each_label_by_itself(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request = request_of(big_id, 5);

    (void)state;
    request.bytes_max = 2 * 100 * TEXT_BYTES;
    (void)draw(&request, figures);
    assert_int_equal(100, figures[0].drawn);
    assert_int_equal(100, figures[1].drawn);
    request.bytes_max -= 2;
    (void)draw(&request, figures);
    assert_int_equal(99, figures[0].drawn);
    assert_int_equal(99, figures[1].drawn);
}

static void broken_rows_are_passed_over_and_counted(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request;
    struct db *db = NULL;
    char sql[512];
    int64_t profile_id;

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    profile_id = samples_add_profile(db, "broken");
    samples_fill(db, profile_id, 0, 20, TEXT_BYTES, 0);
    (void)snprintf(sql, sizeof sql,
                   "insert into samples (profile_id, label, text_hash, text) values (%d, 0, '\\x01', 'short hash'), "
                   "(%d, 0, decode(md5('empty'), 'hex'), ''), "
                   "(%d, 0, decode(md5('long'), 'hex'), convert_to('0 ' || repeat('x', %d), 'UTF8')), "
                   "(%d, 0, decode(md5('longest'), 'hex'), convert_to('0 ' || repeat('x', %d), 'UTF8'))",
                   (int)profile_id, (int)profile_id, (int)profile_id, SAMPLE_TEXT_BYTES_MAX - 1, (int)profile_id,
                   SAMPLE_TEXT_BYTES_MAX - 2);
    assert_status(STATUS_OK, db_run(db, sql, NULL, 0, NULL));
    request = request_of(profile_id, 1);
    request.bytes_max = 4 * MIB;
    (void)draw(&request, figures);
    assert_int_equal(21, figures[0].drawn);
    assert_int_equal(3, figures[0].broken);
    request.rows_max = 40; /* a choice of 20 among 24 loses none of the wanted to the broken ones */
    (void)draw(&request, figures);
    assert_int_equal(20, figures[0].drawn);
    db_close(&db);
}

static void a_taker_that_refuses_ends_the_draw(void **state)
{
    const struct sample_request request = request_of(big_id, 1);
    struct taken taken = {.stop_at = 10};
    const struct sample_taker taker = {take, &taken};
    struct sample_figures figures[SAMPLE_LABELS];
    struct store *store = NULL;

    (void)state;
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, sample_seen_open(&taken.seen, SEEN_ROWS));
    assert_status(STATUS_OK, sample_measure(store, &request, figures));
    assert_status(STATUS_CLOSED, sample_draw(store, &request, figures, &taker));
    assert_int_equal(10, taken.rows[0]);
    assert_int_equal(0, taken.rows[1]);
    assert_true(store_alive(store));
    sample_seen_close(&taken.seen);
    store_close(&store);
}

/* The server writes the plan of every statement of this database into its log (auto_explain). */
static void the_servers_own_plans_show_samples_scans_and_no_sequential_one(void **state)
{
    char path[128];
    FILE *file;
    char *line = NULL;
    size_t room = 0;
    int pages = 0;
    int indexes = 0;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/log", server.folder);
    file = fopen(path, "re");
    assert_non_null(file);
    while (getline(&line, &room, file) >= 0) {
        if (strstr(line, "Seq Scan on") != NULL) {
            fail_msg("%s", line);
        }
        pages += strstr(line, "Sample Scan on samples_") != NULL;
        indexes +=
            strstr(line, "Index Scan using samples_") != NULL || strstr(line, "Index Only Scan using samples_") != NULL;
    }
    assert_int_equal(0, fclose(file));
    free(line);
    assert_true(pages > 20);
    assert_true(indexes > 20);
}

static int start(void **state)
{
    struct db *db;

    (void)state;
    postgres_start(&server);
    db = samples_create(&server, "samples", &settings);
    big_id = samples_add_profile(db, "big");
    small_id = samples_add_neighbour(db, "small", big_id);
    little_id = samples_add_neighbour(db, "little", big_id);
    samples_fill(db, big_id, 0, MANY, TEXT_BYTES, 0);
    samples_fill(db, big_id, 1, SOME, TEXT_BYTES, 0);
    samples_fill(db, small_id, 0, FEW, TEXT_BYTES, 0);
    samples_fill(db, small_id, 1, BETWEEN, TEXT_BYTES, 0);
    samples_fill(db, little_id, 0, LITTLE, TEXT_BYTES, 0);
    assert_status(STATUS_OK, db_script(db, "alter database samples set session_preload_libraries = 'auto_explain';"
                                           "alter database samples set auto_explain.log_min_duration = 0"));
    db_close(&db);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_rows_are_drawn_by_pages),
        cmocka_unit_test(equal_seeds_draw_equal_rows_and_others_draw_others),
        cmocka_unit_test(a_tiny_share_of_its_leaf_is_drawn_by_pivots),
        cmocka_unit_test(fewer_than_twice_the_wanted_rows_are_chosen_on_the_way),
        cmocka_unit_test(few_rows_are_all_taken_and_none_are_no_error),
        cmocka_unit_test(the_bound_of_bytes_cuts_each_label_by_itself),
        cmocka_unit_test(a_taker_that_refuses_ends_the_draw),
        cmocka_unit_test(the_servers_own_plans_show_samples_scans_and_no_sequential_one),
        cmocka_unit_test(broken_rows_are_passed_over_and_counted),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
