/* sample: draws of every way are distinct, balanced, of one label each, repeatable, and never read a table end to end.
 */
#include "support/heap.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/sample.h"
#include "trainer/sample_seen.h"

#include <math.h>
#include <stdlib.h>

enum {
    TEXT_BYTES = 60,
    MANY = 120000,
    SOME = 12000,
    FEW = 3000,
    BETWEEN = 1500,
    LITTLE = 300,
    ROWS = 2000,
    SEEN_ROWS = 8000,
    LOOKED_AT = 100,
    LOOKS_MAX = 1000,
    LONG_BYTES = 5000
};

static struct postgres server;
static struct database_settings settings;
static int64_t big_id;    /* MANY pass, SOME violation: both by pages */
static int64_t small_id;  /* FEW pass beside MANY of the same leaf: by pivots; BETWEEN violation: a part */
static int64_t little_id; /* LITTLE and none: all */
static int64_t latest_id, long_id, people_ids[3]; /* empty at first */

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

static void a_text_that_is_none_is_broken(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request;
    struct db_value profile = {.type = DB_BIGINT};
    struct db *db = NULL;

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    request = request_of(samples_add_profile(db, "no text"), 1);
    profile.bigint = request.profile_id;
    samples_fill(db, request.profile_id, 0, 20, TEXT_BYTES, 0);
    assert_status(STATUS_OK, db_run(db, "insert into samples (profile_id, label, text_hash, text) select $1, 0, "
                                        "decode(md5(t::text), 'hex'), t from unnest(array['\\x3020ff'::bytea, "
                                        "'\\x3020c3', '\\x3020eda080', '\\x302000', '\\x00']) t",
                                    &profile, 1, NULL));
    (void)draw(&request, figures);
    assert_int_equal(20, figures[0].drawn);
    assert_int_equal(5, figures[0].broken);
    db_close(&db);
}

struct weighed {
    double least;
    double most;
    int rows;
};

static enum status weigh(void *context, const struct sample *sample)
{
    struct weighed *weighed = context;

    weighed->least = fmin(weighed->least, sample->stands_for);
    weighed->most = fmax(weighed->most, sample->stands_for);
    weighed->rows++;
    return STATUS_OK;
}

/* Of the label 0 and this probability. */
static struct weighed weigh_all(const char *reviewed_share)
{
    struct weighed weighed = {.least = 1e9};
    const struct sample_taker taker = {weigh, &weighed};
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request = {.rows_max = 100, .bytes_max = MIB};
    struct store *store = NULL;
    struct db *db = NULL;
    char sql[128];

    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    request.profile_id = samples_add_profile(db, reviewed_share);
    samples_fill(db, request.profile_id, 0, 10, TEXT_BYTES, 0);
    (void)snprintf(sql, sizeof sql, "update samples set reviewed_share = '%s' where profile_id = %d", reviewed_share,
                   (int)request.profile_id);
    assert_status(STATUS_OK, db_run(db, sql, NULL, 0, NULL));
    assert_status(STATUS_OK, sample_measure(store, &request, figures));
    assert_status(STATUS_OK, sample_draw(store, &request, figures, &taker));
    assert_int_equal(10, figures[0].drawn + figures[0].broken);
    assert_int_equal(weighed.rows, figures[0].drawn);
    store_close(&store);
    db_close(&db);
    return weighed;
}

static void a_row_stands_for_the_texts_that_were_not_reviewed_up_to_the_bound(void **state)
{
    static const struct {
        const char *reviewed_share;
        double stands_for;
    } cases[] = {{"1", 1}, {"0.5", 2}, {"0.05", 20}, {"0.01", TRAIN_STANDS_FOR_MAX}, {"0.009", TRAIN_STANDS_FOR_MAX}, {"1e-9", 100}};
    static const char *const broken[] = {"0", "-0.5", "1.5", "NaN"};

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct weighed weighed = weigh_all(cases[index].reviewed_share);

        assert_int_equal(10, weighed.rows);
        assert_true(fabs(weighed.least / cases[index].stands_for - 1) < 1e-6);
        assert_true(fabs(weighed.most / cases[index].stands_for - 1) < 1e-6 && weighed.most <= TRAIN_STANDS_FOR_MAX);
    }
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        assert_int_equal(0, weigh_all(broken[index]).rows);
    }
}

static void any_rows_have_the_shares_of_the_table(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request = request_of(big_id, 1);
    int64_t violations = ROWS * SOME / (MANY + SOME);

    (void)state;
    request.sampling = SAMPLING_RANDOM;
    (void)draw(&request, figures);
    assert_string_equal("pages", sample_way_name(figures[0].way));
    assert_in_range(figures[1].wanted, violations * 9 / 10, violations * 11 / 10);
    assert_in_range(figures[0].wanted + figures[1].wanted, ROWS - 1, ROWS + 1);
    assert_int_equal(figures[0].wanted, figures[0].drawn);
    assert_int_equal(figures[1].wanted, figures[1].drawn);
    /* A rare label has its minimum, and few rows are taken all. */
    request.rows_max = 4 * SAMPLE_LABEL_ROWS_MIN;
    (void)draw(&request, figures);
    assert_int_equal(SAMPLE_LABEL_ROWS_MIN, figures[1].drawn);
    request = request_of(small_id, 1);
    request.sampling = SAMPLING_RANDOM;
    request.rows_max = FEW + BETWEEN;
    (void)draw(&request, figures);
    assert_int_equal(FEW, figures[0].drawn);
    assert_int_equal(BETWEEN, figures[1].drawn);
    request.rows_max--;
    (void)draw(&request, figures);
    assert_string_equal("part", sample_way_name(figures[0].way));
    assert_in_range(figures[0].drawn + figures[1].drawn, FEW + BETWEEN - 2, FEW + BETWEEN - 1);
}

static void the_latest_rows_are_the_newest_of_the_profile(void **state)
{
    struct sample_figures figures[SAMPLE_LABELS];
    struct sample_request request;
    struct taken taken;
    struct db *db = NULL;

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    request = request_of(latest_id, 1);
    samples_fill(db, request.profile_id, 1, 1000, TEXT_BYTES, 300);
    samples_fill(db, request.profile_id, 0, 3000, TEXT_BYTES, 200);
    samples_fill(db, request.profile_id, 1, 100, TEXT_BYTES, 100);
    samples_fill(db, request.profile_id, 0, 500, TEXT_BYTES, 50);
    request.sampling = SAMPLING_LATEST;
    request.rows_max = 600;
    taken = draw(&request, figures);
    assert_string_equal("latest", sample_way_name(figures[0].way));
    assert_int_equal(500, taken.rows[0]);
    assert_int_equal(100, taken.rows[1]);
    assert_int_equal(500, taken.number_max); /* no row of the older ones, whose numbers go up to 3000 */
    assert_true(taken.fingerprint == draw(&request, figures).fingerprint);
    request.rows_max = 500;
    (void)draw(&request, figures);
    assert_int_equal(500, figures[0].drawn);
    assert_int_equal(SAMPLE_LABEL_ROWS_MIN, figures[1].drawn);
    db_close(&db);
}

static void rows_of_people_come_first_up_to_half(void **state)
{
    static const char by_people[] = "update samples set source = 3 where ctid = any (array(select ctid from samples where "
                                    "profile_id = %lld and label = 0 and source = 2 limit %d)) and profile_id = %lld";
    struct sample_figures figures[SAMPLE_LABELS];
    struct db *db = NULL;

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    for (int way = 0; way < 3; way++) {
        static const char *const ways[] = {"pages", "pivots", "part"};
        struct sample_request request = request_of(people_ids[way], 1);
        char sql[256];

        samples_fill(db, request.profile_id, 0, way == 2 ? BETWEEN : way == 1 ? FEW : 4 * FEW, TEXT_BYTES, 0);
        (void)snprintf(sql, sizeof sql, by_people, (long long)request.profile_id, 100, (long long)request.profile_id);
        assert_status(STATUS_OK, db_script(db, sql));
        (void)draw(&request, figures);
        assert_string_equal(ways[way], sample_way_name(figures[0].way));
        assert_int_equal(100, figures[0].people);
        assert_in_range(figures[0].drawn, ROWS / 2 * 9 / 10, ROWS / 2); /* five draws of pages may not be enough */
        /* Of more than half, half: and some of the others by chance. */
        (void)snprintf(sql, sizeof sql, by_people, (long long)request.profile_id, 500, (long long)request.profile_id);
        assert_status(STATUS_OK, db_script(db, sql));
        (void)draw(&request, figures);
        assert_in_range(figures[0].people, ROWS / 4, ROWS / 4 + 100);
        assert_in_range(figures[0].drawn, ROWS / 2 * 9 / 10, ROWS / 2);
    }
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

struct watched {
    struct db *other;
    int64_t rows;
    int64_t asked; /* rows of the slice at hand; 0 = the server goes on by itself */
};

static enum status watch(void *context, const struct store_sample *sample)
{
    static const char asked[] = "select substring(query from '^fetch (\\d+) from draw$')::bigint from pg_stat_activity "
                                "where application_name = 'prismguard-trainer' and state = 'idle in transaction'";
    struct watched *watched = context;
    struct db_rows *rows;

    (void)sample;
    if (++watched->rows != LOOKED_AT) {
        return STATUS_OK;
    }
    for (int looks = 0; looks < LOOKS_MAX && watched->asked == 0; looks++) {
        assert_status(STATUS_OK, db_run(watched->other, asked, NULL, 0, &rows));
        watched->asked = db_rows_count(rows) == 1 ? db_bigint(rows, 0, 0) : 0;
        db_rows_close(&rows);
        (void)poll(NULL, 0, 5);
    }
    return STATUS_OK;
}

static int64_t watch_draw(struct db *other, int64_t profile_id, int64_t rows)
{
    const struct store_place place = {.profile_id = profile_id, .label = 0};
    struct watched watched = {.other = other};
    const struct store_reader reader = {watch, &watched};
    struct store *store = NULL;

    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, store_read_hashes(store, place, BYTES(""), rows, &reader));
    assert_int_equal(rows, watched.rows);
    store_close(&store);
    return watched.asked;
}

static void the_server_is_asked_for_a_little_at_a_time(void **state)
{
    struct db *db = NULL;

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    samples_fill(db, long_id, 0, LITTLE, LONG_BYTES, 0);
    assert_int_equal(SAMPLE_SLICE_ROWS, watch_draw(db, big_id, LITTLE));
    assert_int_equal(SAMPLE_SLICE_BYTES / LONG_BYTES, watch_draw(db, long_id, LITTLE));
    db_close(&db);
}

static enum status count_row(void *context, const struct store_sample *sample)
{
    (void)sample;
    ++*(int64_t *)context;
    return STATUS_OK;
}

/* A transaction that failed refuses every statement. */
static void a_draw_that_fails_leaves_no_transaction_behind(void **state)
{
    const struct store_place place = {.profile_id = little_id, .label = 0};
    struct store *store = NULL;
    struct db *db = NULL;
    int64_t rows = 0;
    const struct store_reader reader = {count_row, &rows};

    (void)state;
    assert_status(STATUS_OK, db_open(&db, &settings, "test"));
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_status(STATUS_OK, db_script(db, "alter table samples rename to samples_away"));
    assert_int_not_equal(STATUS_OK, store_read_hashes(store, place, BYTES(""), LITTLE, &reader));
    assert_status(STATUS_OK, db_script(db, "alter table samples_away rename to samples"));
    assert_status(STATUS_OK, store_read_hashes(store, place, BYTES(""), LITTLE, &reader));
    assert_int_equal(LITTLE, rows);
    store_close(&store);
    db_close(&db);
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
    latest_id = samples_add_neighbour(db, "latest", big_id);
    long_id = samples_add_profile(db, "long");
    people_ids[0] = samples_add_profile(db, "by pages");
    people_ids[1] = samples_add_neighbour(db, "by pivots", big_id);
    people_ids[2] = samples_add_neighbour(db, "a part", big_id);
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
        cmocka_unit_test(any_rows_have_the_shares_of_the_table),
        cmocka_unit_test(the_latest_rows_are_the_newest_of_the_profile),
        cmocka_unit_test(rows_of_people_come_first_up_to_half),
        cmocka_unit_test(a_taker_that_refuses_ends_the_draw),
        cmocka_unit_test(the_server_is_asked_for_a_little_at_a_time),
        cmocka_unit_test(a_draw_that_fails_leaves_no_transaction_behind),
        cmocka_unit_test(the_servers_own_plans_show_samples_scans_and_no_sequential_one),
        cmocka_unit_test(a_text_that_is_none_is_broken),
        cmocka_unit_test(a_row_stands_for_the_texts_that_were_not_reviewed_up_to_the_bound),
        cmocka_unit_test(broken_rows_are_passed_over_and_counted),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
