/* drawn: versions whose scores can be foreseen, and labels of texts that were drawn at random, for the tests of trials. */
#ifndef TESTS_SUPPORT_DRAWN_H
#define TESTS_SUPPORT_DRAWN_H

#include "support/model.h"
#include "support/samples.h"

#include "proto/secret.h"
#include "trainer/store.h"

/* Says that a text is a violation when it is long; that everything is one; that nothing is. */
enum drawn_model { DRAWN_MODEL_LONG, DRAWN_MODEL_ALL, DRAWN_MODEL_NONE };

static inline int64_t drawn_add_version(struct store *store, int64_t profile_id, int64_t epoch, enum drawn_model kind,
                                        bool on_trial)
{
    unsigned char sha256[SHA256_BYTES];
    struct buffer file, live_file;
    enum store_end end;
    int64_t version = 0, live_version = 0;
    enum status status;

    buffer_init(&live_file, MODEL_FILE_BYTES_MAX);
    status = store_live_model(store, profile_id, &live_file, &live_version);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    buffer_free(&live_file);
    model_file_make(&file, kind == DRAWN_MODEL_LONG ? -9 : kind == DRAWN_MODEL_ALL ? 5 : -5, kind == DRAWN_MODEL_LONG ? 1 : 0);
    secret_sha256(sha256, buffer_view(&file));
    const struct store_model model = {.profile_id = profile_id,
                                      .epoch = epoch,
                                      .kind = "hashlinear",
                                      .feature_version = 1,
                                      .file = buffer_view(&file),
                                      .sha256 = {(const char *)sha256, sizeof sha256},
                                      .figures = BYTES("{}"),
                                      .passed = true,
                                      .on_trial = on_trial,
                                      .reason = "",
                                      .trained_at_us = 1,
                                      .beside = live_version};
    assert_status(STATUS_OK, store_publish(store, &model, &version, &end));
    assert_int_equal(on_trial ? STORE_CANARY : STORE_LIVE, end);
    buffer_free(&file);
    return version;
}

/* Labels of texts that were drawn now with this share and judged by this version: long texts and short ones. */
static inline void drawn_add(struct db *db, int64_t profile_id, int64_t version, bool is_long, int label, int64_t count,
                             double share)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = label},
        {.type = DB_BIGINT, .bigint = count},
        {.type = DB_BIGINT, .bigint = version},
        {.type = DB_BIGINT, .bigint = (int64_t)(share * 1e6)},
        {.type = DB_TEXT, .bytes = is_long ? BYTES("abcdefghijklmnopqrstuvwxyz, the quick brown fox and all the others that jump over it ")
                                           : BYTES("")},
    };

    assert_status(STATUS_OK,
                  db_run(db,
                         "select sample_put($1::int, array_agg(decode(md5(t), 'hex')), array_agg($2::smallint), "
                         "array_agg(2::smallint), array_agg(1::smallint), array_agg(null::text), array_agg(convert_to(t, 'UTF8')), "
                         "null, null, array_agg($4::bigint), array_agg($5::bigint)) from (select $6 || n || ' ' || "
                         "(select count(*) from verdicts where profile_id = $1::int) as t from generate_series(1, $3) n) s",
                         values, sizeof values / sizeof *values, NULL));
}

#endif
