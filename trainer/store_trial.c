/* store_trial: one query for all profiles, one for the texts of one, and two writes under the epoch. */
#include "trainer/store_trial.h"
#include "trainer/store_session.h"

#include <assert.h>

#define MICROSECONDS(what) "coalesce((date_part('epoch', " what ") * 1000000)::bigint, 0)"

static const char standings_sql[] =
    "select w.place - 1, p.profile_id, coalesce(l.version, 0), " MICROSECONDS("l.made_at") ", coalesce(c.version, 0), "
    MICROSECONDS("c.made_at") ", coalesce((date_part('epoch', now() - c.made_at) * 1000)::bigint, 0), "
    MICROSECONDS("(select max(v.drawn_at) from verdicts v where v.profile_id = p.profile_id and v.drawn_at is not null)")
    " from unnest($1) with ordinality w (name, place) join profiles p on p.name = w.name "
    "left join models l on l.profile_id = p.profile_id and l.status = 'live' "
    "left join models c on c.profile_id = p.profile_id and c.status = 'canary' order by w.place";

enum status store_list_standings(struct store *store, const struct bytes *names, size_t count, struct store_standing *out,
                                 size_t *out_count)
{
    const struct db_value value = {.type = DB_TEXT_ARRAY, .array = names, .array_count = count};
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db, standings_sql, &value, 1, &rows);

    assert(count <= PROFILES_MAX);
    if (status != STATUS_OK) {
        return status;
    }
    *out_count = db_rows_count(rows);
    assert(*out_count <= count);
    for (size_t row = 0; row < *out_count; row++) {
        out[row] = (struct store_standing){
            .name = (size_t)db_bigint(rows, row, 0),
            .profile_id = db_bigint(rows, row, 1),
            .live_version = db_bigint(rows, row, 2),
            .live_made_us = db_bigint(rows, row, 3),
            .trial_version = db_bigint(rows, row, 4),
            .trial_made_us = db_bigint(rows, row, 5),
            .trial_age_ms = db_bigint(rows, row, 6),
            .drawn_us = db_bigint(rows, row, 7),
        };
    }
    db_rows_close(&rows);
    return STATUS_OK;
}

static enum status on_row(void *context, const struct db_rows *row)
{
    const struct store_drawn_reader *reader = context;
    const struct store_drawn_text text = {
        .drawn_us = db_bigint(row, 0, 0),
        .share = db_real(row, 0, 1),
        .label = db_bigint(row, 0, 2),
        .model_version = db_bigint(row, 0, 3),
        .text = db_bytes(row, 0, 4),
    };

    return reader->on_text(reader->context, &text);
}

enum status store_read_drawn(struct store *store, int64_t profile_id, int64_t since_us, int64_t limit,
                             const struct store_drawn_reader *reader)
{
    struct store_drawn_reader copy = *reader;
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = since_us},
        {.type = DB_BIGINT, .bigint = SAMPLE_TEXT_BYTES_MAX},
        {.type = DB_BIGINT, .bigint = limit},
    };

    enum status status = store_begin_walk(store);

    if (status == STATUS_OK) {
        status = db_stream(store->db,
                           "select " MICROSECONDS("v.drawn_at") ", v.drawn_share, v.label, coalesce(v.model_version, 0), s.text "
                           "from verdicts v cross join" STORE_TEXT_OF("v") "where v.profile_id = $1::int "
                           "and v.drawn_at is not null and v.drawn_at >= timestamptz 'epoch' + $2 * interval '1 microsecond' "
                           "and octet_length(s.text) <= $3 order by v.drawn_at desc limit $4",
                           values, sizeof values / sizeof *values, on_row, &copy);
    }
    return store_end_walk(store, status);
}

enum status store_note_trial(struct store *store, int64_t epoch, int64_t profile_id, int64_t version, struct bytes figures)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = epoch},
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = version},
        {.type = DB_TEXT, .bytes = figures},
    };
    int64_t fences = 0;
    /* Its change stays: there is nothing in it for a moderator. */
    enum status status = store_numbers(store,
                                       "with fence as (select 1 from leader where epoch = $1 for update), "
                                       "noted as (update models set trial = $4::jsonb from fence "
                                       "where profile_id = $2::int and version = $3) select count(*) from fence",
                                       values, sizeof values / sizeof *values, &fences, 1);

    return status == STATUS_OK && fences == 0 ? STATUS_STALE : status;
}

enum status store_end_trial(struct store *store, int64_t epoch, int64_t profile_id, int64_t version, const char *status_name,
                            const char *reason)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = epoch},
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = version},
        {.type = DB_TEXT, .bytes = bytes_of(status_name)},
        {.type = DB_TEXT, .bytes = bytes_of(reason)},
    };
    int64_t ended = 0;
    enum status status = store_numbers(store, "select model_end_trial($1, $2::int, $3, $4, $5)", values,
                                       sizeof values / sizeof *values, &ended, 1);

    if (status == STATUS_OK && ended <= 0) {
        status = ended < 0 ? STATUS_STALE : STATUS_NOT_FOUND;
    }
    return status;
}
