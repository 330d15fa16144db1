/* samples: fills the tables of trainer/schema for tests: profiles, and thousands of texts made by the server itself. */
#ifndef TESTS_SUPPORT_SAMPLES_H
#define TESTS_SUPPORT_SAMPLES_H

#include "support/postgres.h"

/* The first column of the first row. */
static inline int64_t samples_number(struct db *db, const char *sql)
{
    struct db_rows *rows = NULL;
    int64_t number;

    assert_status(STATUS_OK, db_run(db, sql, NULL, 0, &rows));
    assert_int_equal(1, db_rows_count(rows));
    number = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return number;
}

/* The same by a session of its own. */
static inline int64_t samples_ask(const struct database_settings *settings, const char *sql)
{
    struct db *db = NULL;
    int64_t number;

    assert_status(STATUS_OK, db_open(&db, settings, "test"));
    number = samples_number(db, sql);
    db_close(&db);
    return number;
}

/* A database with the schema, and a session in it. */
static inline struct db *samples_create(const struct postgres *server, const char *database,
                                        struct database_settings *out)
{
    struct db *db = NULL;

    postgres_create(server, database, out);
    assert_status(STATUS_OK, db_open(&db, out, "test"));
    postgres_apply_schema(db);
    return db;
}

static inline int64_t samples_add_profile(struct db *db, const char *name)
{
    const struct db_value value = {.type = DB_TEXT, .bytes = bytes_of(name)};
    struct db_rows *rows = NULL;
    int64_t profile_id;

    assert_status(STATUS_OK,
                  db_run(db, "insert into profiles (name) values ($1) returning profile_id", &value, 1, &rows));
    profile_id = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return profile_id;
}

/* A profile that lies in the same leaf as `other`: what makes a small profile expensive to draw by pages. */
static inline int64_t samples_add_neighbour(struct db *db, const char *name, int64_t other)
{
    const struct db_value values[] = {
        {.type = DB_TEXT, .bytes = bytes_of(name)},
        {.type = DB_BIGINT, .bigint = other},
    };
    struct db_rows *rows = NULL;
    int64_t profile_id;

    assert_status(STATUS_OK, db_run(db,
                                    "insert into profiles (profile_id, name) overriding system value select n, $1 "
                                    "from generate_series($2::int + 1, $2::int + 10000) n, generate_series(0, 15) leaf "
                                    "where satisfies_hash_partition('samples_pass'::regclass, 16, leaf, n) "
                                    "and satisfies_hash_partition('samples_pass'::regclass, 16, leaf, $2::int) "
                                    "and not exists (select from profiles p where p.profile_id = n) "
                                    "order by n limit 1 returning profile_id",
                                    values, 2, &rows));
    profile_id = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return profile_id;
}

/* `count` texts of some `text_bytes` bytes that begin with their label ("0 ..." or "1 ..."), hashed as if by a key,
 * since `seconds_ago`. */
static inline void samples_fill(struct db *db, int64_t profile_id, int label, int64_t count, int64_t text_bytes,
                                int64_t seconds_ago)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},  {.type = DB_BIGINT, .bigint = label},
        {.type = DB_BIGINT, .bigint = count},       {.type = DB_BIGINT, .bigint = text_bytes},
        {.type = DB_BIGINT, .bigint = seconds_ago},
    };

    assert_status(STATUS_OK, db_run(db,
                                    "insert into samples (profile_id, label, text_hash, text, created_at) "
                                    "select $1, $2, decode(md5($1 || ' ' || $2 || ' ' || n || ' ' || $5), 'hex'), "
                                    "convert_to(rpad($2 || ' ' || n || ' ', $4::int, 'x'), 'UTF8'), "
                                    "now() - $5 * interval '1 second' from generate_series(1, $3) n",
                                    values, 5, NULL));
}

#endif
