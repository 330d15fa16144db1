/* store_keep: what leaves the tables by age and by number, in batches, under the epoch. */
#include "trainer/store.h"
#include "trainer/store_session.h"

#include <assert.h>
#include <stdlib.h>

enum status store_list_profiles(struct store *store, const struct bytes *names, size_t name_count, int64_t after_id,
                                struct store_profile *out, size_t room, size_t *out_count)
{
    const struct db_value values[] = {
        {.type = DB_TEXT_ARRAY, .array = names, .array_count = name_count},
        {.type = DB_BIGINT, .bigint = after_id},
        {.type = DB_BIGINT, .bigint = (int64_t)room},
    };
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db,
                                "select p.profile_id, w.place - 1 from profiles p "
                                "left join unnest($1) with ordinality w (name, place) on w.name = p.name "
                                "where p.profile_id > $2 order by p.profile_id limit $3",
                                values, sizeof values / sizeof values[0], &rows);

    if (status != STATUS_OK) {
        return status;
    }
    *out_count = db_rows_count(rows);
    assert(*out_count <= room);
    for (size_t row = 0; row < *out_count; row++) {
        out[row] = (struct store_profile){
            .profile_id = db_bigint(rows, row, 0),
            .is_known = !db_is_null(rows, row, 1),
            .name = (size_t)db_bigint(rows, row, 1),
        };
    }
    db_rows_close(&rows);
    return STATUS_OK;
}

static enum status delete_batch(struct store *store, const char *sql, const struct db_value *values, int64_t *out_deleted)
{
    int64_t deleted = 0;
    enum status status = store_numbers(store, sql, values, 4, &deleted, 1);

    if (status == STATUS_OK && deleted < 0) {
        status = STATUS_STALE;
    }
    if (status == STATUS_OK) {
        *out_deleted = deleted;
    }
    return status;
}

enum status store_expire(struct store *store, int64_t epoch, int64_t profile_id, int64_t age_ms, int64_t *out_deleted)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = epoch},
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = age_ms},
        {.type = DB_BIGINT, .bigint = SAMPLE_BATCH_MAX},
    };

    return delete_batch(store, "select sample_expire($1, $2::int, $3, $4::int)", values, out_deleted);
}

enum status store_prune(struct store *store, int64_t epoch, struct store_place place, int64_t rows, int64_t *out_deleted)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = epoch},
        {.type = DB_BIGINT, .bigint = place.profile_id},
        {.type = DB_BIGINT, .bigint = place.label},
        {.type = DB_BIGINT, .bigint = rows < SAMPLE_BATCH_MAX ? rows : SAMPLE_BATCH_MAX},
    };

    return delete_batch(store, "select sample_prune($1, $2::int, $3::smallint, $4::int)", values, out_deleted);
}
