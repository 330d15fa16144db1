/* models_table: rows of the table `models` for the tests of what reads them. */
#ifndef TESTS_SUPPORT_MODELS_TABLE_H
#define TESTS_SUPPORT_MODELS_TABLE_H

#include "support/unit.h"

#include "proto/db.h"
#include "proto/secret.h"

struct model_row {
    const char *profile;
    int64_t version;
    const char *status;  /* "live", "candidate", ... */
    struct bytes bytes;
    struct bytes sha256; /* empty = the right one */
};

/* Inserts a row; an older live one of the profile is retired first. Returns its change. */
static inline int64_t models_table_put(struct db *db, const struct model_row *row)
{
    static const char retire[] = "update models set status = 'retired' where status = 'live' and $2 = 'live' and "
                                 "profile_id = (select profile_id from profiles where name = $1)";
    static const char insert[] =
        "insert into models (profile_id, version, epoch, kind, feature_version, bytes, sha256, figures, status) "
        "select profile_id, $2, 1, 'hashlinear', 1, $3, $4, '{}', $5 from profiles where name = $1 returning change";
    unsigned char right[SHA256_BYTES];
    struct bytes sha256 = row->sha256.count > 0 ? row->sha256 : (struct bytes){(const char *)right, sizeof right};
    const struct db_value name = {.type = DB_TEXT, .bytes = bytes_of(row->profile)};
    const struct db_value retired[] = {name, {.type = DB_TEXT, .bytes = bytes_of(row->status)}};
    const struct db_value values[] = {
        name,
        {.type = DB_BIGINT, .bigint = row->version},
        {.type = DB_BYTEA, .bytes = row->bytes},
        {.type = DB_BYTEA, .bytes = sha256},
        {.type = DB_TEXT, .bytes = bytes_of(row->status)},
    };
    struct db_rows *rows = NULL;
    int64_t change;

    secret_sha256(right, row->bytes);
    assert_status(STATUS_OK, db_run(db, "insert into profiles (name) values ($1) on conflict do nothing", &name, 1, NULL));
    assert_status(STATUS_OK, db_run(db, retire, retired, 2, NULL));
    assert_status(STATUS_OK, db_run(db, insert, values, 5, &rows));
    assert_int_equal(1, db_rows_count(rows));
    change = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return change;
}

#endif
