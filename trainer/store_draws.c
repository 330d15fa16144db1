/* store_draws: the queries of the sampler: counts, draws of whole pages, and walks along the primary key. */
#include "trainer/store.h"
#include "trainer/store_session.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    LEAVES = 16, /* hash leaves of one label, as in trainer/schema */
    SQL_BYTES = 512,
    TEXT_COLUMN = 4, /* of a draw */
};

/* Exact: a double holds a quarter of a microsecond of our time. */
#define MADE_US "(date_part('epoch', created_at) * 1000000)::bigint"

static const char *label_table(int label)
{
    assert(label == 0 || label == 1);
    return label == 0 ? "samples_pass" : "samples_violation";
}

static struct db_value number(int64_t value)
{
    return (struct db_value){.type = DB_BIGINT, .bigint = value};
}

enum status store_count(struct store *store, struct store_place place, int64_t limit, int64_t *out)
{
    const struct db_value values[] = {number(place.profile_id), number(place.label), number(limit)};

    return store_numbers(store,
                         "select count(*) from (select from samples where profile_id = $1::int and "
                         "label = $2::smallint limit $3) s",
                         values, 3, out, 1);
}

enum status store_count_since(struct store *store, struct store_place place, int64_t made_us, int64_t limit, int64_t *out)
{
    const struct db_value values[] = {number(place.profile_id), number(place.label), number(made_us), number(limit)};

    return store_numbers(store,
                         "select count(*) from (select from samples where profile_id = $1::int and label = $2::smallint and "
                         "created_at >= timestamptz 'epoch' + $3 * interval '1 microsecond' limit $4) s",
                         values, 4, out, 1);
}

static void take_hash(struct bytes found, unsigned char out[TEXT_HASH_BYTES])
{
    struct bytes hash = bytes_first(found, TEXT_HASH_BYTES);

    memset(out, 0, TEXT_HASH_BYTES);
    memcpy(out, hash.data, hash.count);
}

enum status store_hash_at(struct store *store, struct store_place place, int64_t index,
                          unsigned char out[TEXT_HASH_BYTES])
{
    const struct db_value values[] = {number(place.profile_id), number(place.label), number(index)};
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db,
                                "select text_hash from samples where profile_id = $1::int and label = $2::smallint "
                                "order by text_hash offset $3 limit 1",
                                values, 3, &rows);

    if (status != STATUS_OK) {
        return status;
    }
    if (db_rows_count(rows) == 0) {
        status = STATUS_NOT_FOUND;
    } else {
        take_hash(db_bytes(rows, 0, 0), out);
    }
    db_rows_close(&rows);
    return status;
}

enum status store_row_at(struct store *store, struct store_place place, int64_t index, int64_t *out_made_us,
                         unsigned char out_hash[TEXT_HASH_BYTES])
{
    const struct db_value values[] = {number(place.profile_id), number(place.label), number(index)};
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db,
                                "select text_hash, " MADE_US " from samples where profile_id = $1::int and "
                                "label = $2::smallint order by created_at desc, text_hash offset $3 limit 1",
                                values, 3, &rows);

    if (status == STATUS_OK && db_rows_count(rows) == 0) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        take_hash(db_bytes(rows, 0, 0), out_hash);
        *out_made_us = db_bigint(rows, 0, 1);
    }
    db_rows_close(&rows);
    return status;
}

enum status store_find_leaf(struct store *store, struct store_place place, struct store_leaf *out)
{
    const struct db_value values[] = {
        number(place.profile_id),
        number(LEAVES),
        {.type = DB_TEXT, .bytes = bytes_of(label_table(place.label))},
    };
    int64_t found[2];
    enum status status = store_numbers(store,
                                       "select i, pg_relation_size(($3 || '_' || i)::regclass) / "
                                       "current_setting('block_size')::int from generate_series(0, $2::int - 1) i "
                                       "where satisfies_hash_partition($3::regclass, $2::int, i, $1::int)",
                                       values, 3, found, 2);

    if (status == STATUS_OK) {
        *out = (struct store_leaf){.label = place.label, .number = (int)found[0], .pages = found[1]};
    }
    return status;
}

enum status store_count_leaf(struct store *store, const struct store_leaf *leaf, struct store_draw draw,
                             double *out_rows)
{
    const struct db_value values[] = {{.type = DB_REAL, .real = draw.percent}, number(draw.seed)};
    char sql[SQL_BYTES];
    int64_t found[2];
    enum status status;

    assert(leaf->number >= 0 && leaf->number < LEAVES);
    /* A row's ctid is (page, place in the page): the rows of the pages that were met, and not the percentage asked for,
     * tell how full a page is. */
    (void)snprintf(sql, sizeof sql,
                   "select count(*), count(distinct (ctid::text::point)[0]) from %s_%d tablesample system ($1) "
                   "repeatable ($2)",
                   label_table(leaf->label), leaf->number);
    status = store_numbers(store, sql, values, 2, found, 2);
    if (status == STATUS_OK) {
        *out_rows = found[1] == 0 ? 0 : (double)leaf->pages * (double)found[0] / (double)found[1];
    }
    return status;
}

/* The same rows for counting and for reading. The conditions on the keys prune the parent to one leaf. */
#define DRAW "from samples tablesample system ($3) repeatable ($4) where profile_id = $1::int and label = $2::smallint"

#define BY_HASH "from samples where profile_id = $1::int and label = $2::smallint and text_hash >= $3 "

/* A text longer than any that is stored on purpose stays where it is; its length is known without fetching it. */
#define COLUMNS                                                                                                        \
    "select text_hash, label, source, octet_length(text), case when octet_length(text) <= %d then text else ''::bytea end, " \
    MADE_US ", reviewed_share "

enum status store_count_draw(struct store *store, struct store_place place, struct store_draw draw, int64_t *out)
{
    const struct db_value values[] = {
        number(place.profile_id),
        number(place.label),
        {.type = DB_REAL, .real = draw.percent},
        number(draw.seed),
    };

    return store_numbers(store, "select count(*) " DRAW, values, 4, out, 1);
}

static enum status read_row(const struct store_reader *reader, const struct db_rows *rows, size_t row)
{
    const struct store_sample sample = {
        .hash = db_bytes(rows, row, 0),
        .label = db_bigint(rows, row, 1),
        .source = db_bigint(rows, row, 2),
        .text_bytes = db_bigint(rows, row, 3),
        .text = db_bytes(rows, row, TEXT_COLUMN),
        .made_us = db_bigint(rows, row, 5),
        .reviewed_share = db_real(rows, row, 6),
    };

    return reader->on_sample(reader->context, &sample);
}

static int64_t text_bytes(const struct db_rows *rows)
{
    int64_t bytes = 0;

    for (size_t row = 0; row < db_rows_count(rows); row++) {
        bytes += (int64_t)db_bytes(rows, row, TEXT_COLUMN).count;
    }
    return bytes;
}

/* Twice as many as came before, as long as their texts are short. */
static int64_t next_count(int64_t count, int64_t bytes)
{
    int64_t next = bytes > SAMPLE_SLICE_BYTES / 2 ? count * SAMPLE_SLICE_BYTES / bytes : 2 * count;

    return next < 1 ? 1 : next > SAMPLE_SLICE_ROWS ? SAMPLE_SLICE_ROWS : next;
}

static enum status ask_rows(struct store *store, int64_t count)
{
    char sql[SQL_BYTES];

    (void)snprintf(sql, sizeof sql, "fetch %lld from draw", (long long)count);
    return db_ask(store->db, sql, NULL, 0);
}

/* The server works at the priority of everybody, and as fast as it can as long as somebody takes its rows: who wakes up
 * meanwhile waits for its whole turn on the processor. So it is asked for little at a time. It puts that together while the rows
 * before are worked on at our priority, for about three times as long: nobody waits for it, and it rests most of the time. Behind
 * long texts it is not asked ahead: we may take so long with them that its timers end the session which it cannot write to.
 * *read is what the reader said last; once it is bad what was asked for is passed over: a cancel would cost more. */
static enum status read_slices(struct store *store, const struct store_reader *reader, enum status *read)
{
    int64_t wanted = 1;
    enum status status = ask_rows(store, wanted);
    bool is_asked = true;

    while (status == STATUS_OK && is_asked) {
        struct db_rows *rows = NULL;
        bool is_more;

        status = db_answer(store->db, &rows);
        is_more = status == STATUS_OK && *read == STATUS_OK && (int64_t)db_rows_count(rows) == wanted;
        is_asked = is_more && text_bytes(rows) <= SAMPLE_SLICE_BYTES;
        wanted = is_more ? next_count(wanted, text_bytes(rows)) : 0;
        if (is_asked) {
            status = ask_rows(store, wanted);
        }
        for (size_t row = 0; status == STATUS_OK && *read == STATUS_OK && row < db_rows_count(rows); row++) {
            *read = read_row(reader, rows, row);
        }
        db_rows_close(&rows);
        if (is_more && !is_asked && status == STATUS_OK && *read == STATUS_OK) {
            status = ask_rows(store, wanted);
            is_asked = true;
        }
    }
    return status;
}

static enum status read_rows(struct store *store, const char *from, const struct db_value *values, size_t value_count,
                             const struct store_reader *reader)
{
    char sql[SQL_BYTES];
    enum status read = STATUS_OK;
    enum status status;

    status = store_begin_walk(store);
    if (status == STATUS_OK) {
        (void)snprintf(sql, sizeof sql, "declare draw no scroll cursor for " COLUMNS "%s", SAMPLE_TEXT_BYTES_MAX, from);
        status = db_run(store->db, sql, values, value_count, NULL);
    }
    if (status == STATUS_OK) {
        status = read_slices(store, reader, &read);
    }
    status = store_end_walk(store, status);
    return read == STATUS_OK ? status : read; /* who stopped wants nothing that came after it */
}

enum status store_read_draw(struct store *store, struct store_place place, struct store_draw draw,
                            const struct store_reader *reader)
{
    const struct db_value values[] = {
        number(place.profile_id),
        number(place.label),
        {.type = DB_REAL, .real = draw.percent},
        number(draw.seed),
    };

    return read_rows(store, DRAW, values, 4, reader);
}

enum status store_read_hashes(struct store *store, struct store_place place, struct bytes hash, int64_t limit,
                              const struct store_reader *reader)
{
    const struct db_value values[] = {
        number(place.profile_id),
        number(place.label),
        {.type = DB_BYTEA, .bytes = hash},
        number(limit),
    };

    return read_rows(store, BY_HASH "order by text_hash limit $4", values, 4, reader);
}

enum status store_read_people(struct store *store, struct store_place place, struct bytes hash, int64_t limit,
                              const struct store_reader *reader)
{
    const struct db_value values[] = {
        number(place.profile_id),
        number(place.label),
        {.type = DB_BYTEA, .bytes = hash},
        number(limit),
    };

    return read_rows(store, BY_HASH "and source = 3 order by text_hash limit $4", values, 4, reader);
}

enum status store_read_latest(struct store *store, struct store_place place, int64_t limit, const struct store_reader *reader)
{
    const struct db_value values[] = {number(place.profile_id), number(place.label), number(limit)};

    /* The hash decides among rows of one moment, so that equal tables are read in equal orders. */
    return read_rows(store,
                     "from samples where profile_id = $1::int and label = $2::smallint "
                     "order by created_at desc, text_hash limit $3",
                     values, 3, reader);
}

enum status store_count_latest(struct store *store, int64_t profile_id, int64_t limit, int64_t out[2])
{
    const struct db_value values[] = {number(profile_id), number(limit)};

    return store_numbers(store,
                         "select count(*) filter (where label = 0), count(*) filter (where label = 1) from ("
                         "(select 0 as label, created_at from samples where profile_id = $1::int and label = 0 "
                         "order by created_at desc limit $2) union all "
                         "(select 1, created_at from samples where profile_id = $1::int and label = 1 "
                         "order by created_at desc limit $2) order by created_at desc limit $2) s",
                         values, 2, out, 2);
}
