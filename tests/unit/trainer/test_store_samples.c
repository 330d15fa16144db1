/* store_samples: what a profile's texts cost to read, label and delete, when the server's statistics know nothing of the profile. */
#include "support/database.h"
#include "support/unit.h"

#include "trainer/store_samples.h"
#include "trainer/store_trial.h"

#include <poll.h>

/* Each row of verdicts and its text is read once or twice, by the index that is meant; without it, as many times as there are pages
 * or batches, or rows. An import looks first what there is. Who deletes finds a row, holds it and finds it again, and passes over
 * what was deleted before. */
enum {
    ROWS = 6000,
    READS_PER_ROW = 4,
    READS_PER_IMPORTED = 8,
    READS_PER_DELETED = 10,
    FEW = 20,
    PAGE = 256,
    LOOKS_MAX = 400,
    LOOK_MS = 5,
};

struct place {
    struct database_settings settings;
    struct db *db;
    int64_t profile_id;
    const char *database;
};

static const unsigned char digest[TEXT_HASH_BYTES] = {1, 2, 3}; /* of the key that sent all of them */

/* As an import stores them: in batches of PAGE, labelled at different times, a third violations, all drawn at random. Another
 * round labels two thirds of them anew. */
static void fill(struct db *db, int64_t profile_id, int64_t count, int round)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = count},
        {.type = DB_BIGINT, .bigint = PAGE},
        {.type = DB_BIGINT, .bigint = round},
        {.type = DB_BYTEA, .bytes = {(const char *)digest, sizeof digest}},
    };

    assert_status(STATUS_OK,
                  db_run(db,
                         "select sum(sample_put($1::int, h, l, s, d, c, t, a, k, null, w)) from (select "
                         "array_agg(decode(md5(n::text), 'hex')) h, array_agg((n % 3 = $4)::int::smallint) l, "
                         "array_agg(1::smallint) s, array_agg(1::smallint) d, array_agg(null::text) c, "
                         "array_agg(convert_to(rpad('text ' || n, 60, 'x'), 'UTF8')) t, array_agg(1700000000000000 + n + $4) a, "
                         "array_agg($5) k, array_agg(500000::bigint) w "
                         "from generate_series(1, $2) n group by n / $3) batch",
                         values, sizeof values / sizeof *values, NULL));
}

/* Fresh: what an import leaves, before anything was analysed. */
static void open_fresh(struct place *place, const char *database)
{
    *place = (struct place){.database = database};
    place->db = samples_create(&server, database, &place->settings);
    place->profile_id = samples_add_profile(place->db, "default");
    fill(place->db, place->profile_id, ROWS, 0);
}

/* Beside a large profile: the leaf was analysed before the profile came, and is not analysed again for so few rows. */
static void open_beside(struct place *place, const char *database)
{
    int64_t large;

    *place = (struct place){.database = database};
    place->db = samples_create(&server, database, &place->settings);
    large = samples_add_profile(place->db, "large");
    fill(place->db, large, 4 * ROWS, 0);
    assert_status(STATUS_OK, db_script(place->db, "analyze"));
    place->profile_id = samples_add_neighbour(place->db, "default", large);
    fill(place->db, place->profile_id, ROWS, 0);
}

static void close_place(struct place *place)
{
    db_close(&place->db);
}

static int64_t sessions(struct place *place)
{
    return samples_number(place->db, "select count(*) from pg_stat_activity where application_name = 'prismguard-trainer'");
}

/* Entries of indexes that were read so far. A session's own are counted when it ends, or when it asks for it. */
static int64_t count_reads(struct place *place)
{
    int64_t left = sessions(place);

    for (int looks = 0; looks < LOOKS_MAX && left > 0; looks++) {
        (void)poll(NULL, 0, LOOK_MS);
        left = sessions(place);
    }
    assert_int_equal(0, left);
    assert_status(STATUS_OK, db_run(place->db, "select pg_stat_force_next_flush()", NULL, 0, NULL));
    return samples_number(place->db, "select sum(idx_tup_read)::bigint from pg_stat_user_indexes");
}

static void check(struct place *place, const char *what, int64_t rows, int64_t reads, int64_t reads_per_row)
{
    if (reads < rows || reads > reads_per_row * rows + PAGE) {
        fail_msg("%s of '%s': %lld entries were read for %lld rows", what, place->database, (long long)reads, (long long)rows);
    }
}

typedef int64_t walk(struct store *store, int64_t profile_id);

/* What the walk reads, in a session of its own; it returns for how many rows. */
static void check_reads(struct place *place, const char *what, walk *take, int64_t reads_per_row)
{
    int64_t before = count_reads(place);
    struct store *store = NULL;
    int64_t rows;

    assert_status(STATUS_OK, store_open(&store, &place->settings, NULL));
    rows = take(store, place->profile_id);
    store_close(&store);
    check(place, what, rows, count_reads(place) - before, reads_per_row);
}

/* What a session reads that is not a trainer's, as a moderator's is not, when it labels all of the texts anew. */
static void check_put(struct place *place)
{
    int64_t before = count_reads(place);

    fill(place->db, place->profile_id, ROWS, 1);
    check(place, "labels", ROWS, count_reads(place) - before, READS_PER_ROW);
    assert_int_equal(ROWS, samples_number(place->db, "select count(*) from samples s where exists (select from verdicts v where "
                                                     "(v.profile_id, v.label, v.text_hash) = (s.profile_id, s.label, s.text_hash))"));
}

/* And when it marks them as drawn, a batch at a time, of which the last has an unknown text and one twice. */
static void check_marks(struct place *place)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = place->profile_id},
        {.type = DB_BIGINT, .bigint = ROWS},
        {.type = DB_BIGINT, .bigint = PAGE},
    };
    struct db_rows *rows = NULL;
    int64_t before = count_reads(place);

    assert_status(STATUS_OK,
                  db_run(place->db,
                         "select sum(sample_mark($1::int, h, 250000)) from (select array_agg(decode(md5(least(n, $2 + 1)::text), "
                         "'hex')) || decode(md5(max(least(n, $2))::text), 'hex') h from generate_series(1, $2 + 1) n "
                         "group by n / $3) batch",
                         values, sizeof values / sizeof *values, &rows));
    assert_int_equal(ROWS, db_bigint(rows, 0, 0));
    db_rows_close(&rows);
    check(place, "marks", ROWS, count_reads(place) - before, READS_PER_ROW);
    assert_int_equal(ROWS, samples_number(place->db, "select count(*) from verdicts where drawn_share = 0.25 and drawn_at > now() "
                                                     "- interval '1 minute'"));
}

struct seen {
    int64_t rows;
    unsigned char last[TEXT_HASH_BYTES];
};

static enum status see_fact(void *context, const struct store_fact *fact)
{
    struct seen *seen = context;

    assert_true(fact->has_text && fact->text.count > 0);
    assert_int_equal(TEXT_HASH_BYTES, fact->hash.count);
    memcpy(seen->last, fact->hash.data, TEXT_HASH_BYTES);
    seen->rows++;
    return STATUS_OK;
}

static int64_t list_some(struct store *store, int64_t profile_id, struct store_filter filter)
{
    struct seen seen = {0};
    const struct store_fact_reader reader = {see_fact, &seen};

    assert_status(STATUS_OK, store_list_facts(store, profile_id, &filter, &reader));
    assert_int_equal(FEW, seen.rows);
    return seen.rows;
}

static int64_t list_all(struct store *store, int64_t profile_id)
{
    return list_some(store, profile_id, (struct store_filter){.label = -1, .source = -1, .limit = FEW});
}

static int64_t list_label(struct store *store, int64_t profile_id)
{
    return list_some(store, profile_id, (struct store_filter){.label = 1, .source = -1, .limit = FEW});
}

static int64_t list_source(struct store *store, int64_t profile_id)
{
    return list_some(store, profile_id, (struct store_filter){.label = -1, .source = STORE_IMPORT, .limit = FEW});
}

static int64_t page_through(struct store *store, int64_t profile_id, int label, int64_t expected)
{
    const struct store_filter filter = {.label = label, .source = -1, .limit = PAGE};
    struct seen seen = {0};
    const struct store_fact_reader reader = {see_fact, &seen};
    int64_t before;

    do {
        unsigned char after[TEXT_HASH_BYTES];

        before = seen.rows;
        memcpy(after, seen.last, sizeof after);
        assert_status(STATUS_OK, store_page_facts(store, profile_id, &filter,
                                                  (struct bytes){(const char *)after, before == 0 ? 0 : sizeof after}, &reader));
    } while (seen.rows - before == PAGE);
    assert_int_equal(expected, seen.rows);
    return seen.rows;
}

static int64_t page_all(struct store *store, int64_t profile_id)
{
    return page_through(store, profile_id, -1, ROWS);
}

static int64_t page_label(struct store *store, int64_t profile_id)
{
    return page_through(store, profile_id, 0, ROWS - ROWS / 3);
}

static int64_t find_each(struct store *store, int64_t profile_id)
{
    struct seen seen = {0};
    const struct store_fact_reader reader = {see_fact, &seen};
    const struct store_filter filter = {.label = -1, .source = -1, .limit = 1};

    assert_status(STATUS_OK, store_list_facts(store, profile_id, &filter, &reader));
    for (int times = 0; times < FEW; times++) {
        unsigned char hash[TEXT_HASH_BYTES];

        memcpy(hash, seen.last, sizeof hash);
        assert_status(STATUS_OK, store_find_fact(store, profile_id, (struct bytes){(const char *)hash, sizeof hash}, &reader));
    }
    return seen.rows;
}

static enum status see_drawn(void *context, const struct store_drawn_text *text)
{
    struct seen *seen = context;

    assert_true(text->text.count > 0);
    seen->rows++;
    return STATUS_OK;
}

static int64_t read_drawn(struct store *store, int64_t profile_id)
{
    struct seen seen = {0};
    const struct store_drawn_reader reader = {see_drawn, &seen};

    assert_status(STATUS_OK, store_read_drawn(store, profile_id, 0, FEW, &reader));
    assert_int_equal(FEW, seen.rows);
    return seen.rows;
}

static enum status see_sample(void *context, const struct store_sample *sample)
{
    struct seen *seen = context;

    memcpy(seen->last, sample->hash.data, TEXT_HASH_BYTES);
    seen->rows++;
    return STATUS_OK;
}

static int64_t read_stretches(struct store *store, int64_t profile_id)
{
    const struct store_place place = {.profile_id = profile_id, .label = 0};
    struct seen seen = {0};
    const struct store_reader reader = {see_sample, &seen};

    for (int stretch = 0; stretch < FEW; stretch++) {
        unsigned char first = (unsigned char)(10 * stretch);

        assert_status(STATUS_OK, store_read_hashes(store, place, (struct bytes){(const char *)&first, 1}, FEW, &reader));
    }
    assert_int_equal(FEW * FEW, seen.rows);
    return seen.rows;
}

/* Nothing came since the last training: as often as the leader asks, little is read. */
static int64_t ask_what_is_due(struct store *store, int64_t profile_id)
{
    const struct store_want want = {.name = BYTES("default"), .kind = BYTES("hashlinear"), .min_samples = FEW};
    struct store_due due;
    size_t count = 0, known = 0;

    assert_status(STATUS_OK, store_due(store, &want, 1, &due, &count, &known));
    assert_int_equal(1, known);
    assert_int_equal(profile_id, due.profile_id);
    assert_int_equal(0, due.fresh);
    return 1; /* the profile's row */
}

static enum status gather_hash(void *context, const struct store_fact *fact)
{
    struct store_label **next = context;

    memcpy((*next)->hash, fact->hash.data, TEXT_HASH_BYTES);
    (*next)->text = BYTES("words");
    (*next)->label = 1 - (int)fact->label;
    (*next)->source = STORE_IMPORT;
    (*next)->labelled_us = 1800000000000000;
    (*next)++;
    return STATUS_OK;
}

/* An import of labels for texts that are known. */
static int64_t import_some(struct store *store, int64_t profile_id)
{
    static struct store_label labels[PAGE];
    const struct store_filter filter = {.label = -1, .source = -1, .limit = PAGE};
    struct store_label *next = labels;
    const struct store_fact_reader reader = {gather_hash, &next};
    struct store_put put = {0};

    assert_status(STATUS_OK, store_list_facts(store, profile_id, &filter, &reader));
    assert_ptr_equal(labels + PAGE, next);
    assert_status(STATUS_OK, store_put_labels(store, profile_id, labels, PAGE, &put));
    return PAGE;
}

static int64_t expire_all(struct store *store, int64_t profile_id)
{
    int64_t epoch = 0, all = 0, deleted = 0;

    assert_status(STATUS_OK, store_read_epoch(store, &epoch));
    do {
        assert_status(STATUS_OK, store_expire(store, epoch, profile_id, 0, &deleted));
        all += deleted;
    } while (deleted > 0);
    assert_int_equal(ROWS, all);
    return all;
}

static int64_t prune_all(struct store *store, int64_t profile_id)
{
    const struct store_place place = {.profile_id = profile_id, .label = 0};
    int64_t epoch = 0, all = 0, deleted = 0;

    assert_status(STATUS_OK, store_read_epoch(store, &epoch));
    do {
        assert_status(STATUS_OK, store_prune(store, epoch, place, PAGE, &deleted));
        all += deleted;
    } while (deleted > 0);
    assert_int_equal(ROWS - ROWS / 3, all);
    return all;
}

static int64_t delete_by_key(struct store *store, int64_t profile_id)
{
    int64_t all = 0, deleted = 0;

    (void)profile_id;
    do {
        assert_status(STATUS_OK, store_delete_key(store, (struct bytes){(const char *)digest, sizeof digest}, &deleted));
        all += deleted;
    } while (deleted > 0);
    assert_true(all >= ROWS);
    return all;
}

/* One after the other, each of a full profile again. */
static void check_deletions(struct place *place)
{
    check_reads(place, "what is old", expire_all, READS_PER_DELETED);
    fill(place->db, place->profile_id, ROWS, 0);
    check_reads(place, "what is too many", prune_all, READS_PER_DELETED);
    fill(place->db, place->profile_id, ROWS, 0);
    check_reads(place, "what a key sent", delete_by_key, READS_PER_DELETED);
    fill(place->db, place->profile_id, ROWS, 0);
    assert_int_equal(2 * ROWS, samples_number(place->db, "select (select count(*) from verdicts) + (select count(*) from samples)"));
}

static void check_all(struct place *place)
{
    check_reads(place, "a list", list_all, READS_PER_ROW);
    check_reads(place, "a list of a label", list_label, READS_PER_ROW);
    check_reads(place, "a list of a source", list_source, READS_PER_ROW);
    check_reads(place, "all pages", page_all, READS_PER_ROW);
    check_reads(place, "all pages of a label", page_label, READS_PER_ROW);
    check_reads(place, "one text", find_each, READS_PER_ROW);
    check_reads(place, "what was drawn", read_drawn, READS_PER_ROW);
    check_reads(place, "stretches of a draw", read_stretches, READS_PER_ROW);
    assert_status(STATUS_OK, db_script(place->db, "update profiles set trained_at = now()"));
    check_reads(place, "what is due", ask_what_is_due, READS_PER_ROW);
    check_reads(place, "an import", import_some, READS_PER_IMPORTED);
    check_deletions(place);
    check_put(place);
    check_marks(place);
}

static void what_was_never_analysed_is_read_once(void **state)
{
    struct place place;

    (void)state;
    open_fresh(&place, "fresh");
    check_all(&place);
    close_place(&place);
}

static void so_is_what_the_statistics_leave_out(void **state)
{
    struct place place;

    (void)state;
    open_beside(&place, "beside");
    check_all(&place);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_analysed_is_read_once),
        cmocka_unit_test(so_is_what_the_statistics_leave_out),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
