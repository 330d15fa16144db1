/* store: the trainer's session, the profiles that are due, and the versions of their models. */
#include "trainer/store.h"
#include "trainer/store_session.h"

#include "proto/clock.h"
#include "proto/features.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Every fenced statement begins with this; a stale epoch finds no row, and a newer one waits until ours is committed.
 */
#define FENCE "with fence as (select 1 from leader where epoch = $1 for update) "

static enum status look(void *context)
{
    const struct store *store = context;

    if (store->cancelled != NULL && atomic_load(store->cancelled)) {
        return STATUS_CLOSED;
    }
    return store->answer_ms != 0 && clock_ms() - store->asked_ms > store->answer_ms ? STATUS_TIMEOUT : STATUS_OK;
}

/* What the server does with a session whose process is gone, hangs or cannot be reached: it ends it, with its locks, before
 * a standby has to wait for it. */
static enum status set_timers(struct store *store)
{
    char sql[384];

    /* A sequential scan only where there is no index, whatever the statistics say. Such a scan, as of the one row of the epoch,
     * then has a price at which the server would compile it: 100 to 400 ms and some 80 MB of its session, each time. */
    (void)snprintf(sql, sizeof sql,
                   "set max_parallel_workers_per_gather = 0; set enable_seqscan = off; set jit = off; "
                   "set idle_in_transaction_session_timeout = %d; set client_connection_check_interval = %d; "
                   "set tcp_keepalives_idle = %d; set tcp_keepalives_interval = %d; set tcp_keepalives_count = %d; "
                   "set tcp_user_timeout = %d",
                   LEADER_IN_TRANSACTION_MS, LEADER_CHECK_MS, DB_KEEPALIVE_IDLE_S, DB_KEEPALIVE_INTERVAL_S, DB_KEEPALIVES,
                   DB_USER_TIMEOUT_MS);
    return db_script(store->db, sql);
}

enum status store_open(struct store **out, const struct database_settings *settings, const atomic_bool *cancelled)
{
    struct store *store = calloc(1, sizeof *store);
    const struct db_watch watch = {look, store};
    enum status status;

    if (store == NULL) {
        return STATUS_NO_MEMORY;
    }
    store->cancelled = cancelled;
    status = db_open_watched(&store->db, settings, "prismguard-trainer", &watch);
    if (status == STATUS_OK) {
        status = set_timers(store);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = store;
    return STATUS_OK;
fail:
    store_close(&store);
    return status;
}

void store_close(struct store **store)
{
    if (*store != NULL) {
        db_close(&(*store)->db);
        free(*store);
        *store = NULL;
    }
}

void store_answer_within(struct store *store, uint64_t answer_ms)
{
    store->asked_ms = clock_ms();
    store->answer_ms = answer_ms;
}

bool store_alive(const struct store *store)
{
    return db_alive(store->db);
}

const char *store_sqlstate(const struct store *store)
{
    return db_sqlstate(store->db);
}

enum status store_numbers(struct store *store, const char *sql, const struct db_value *values, size_t value_count,
                          int64_t *out, size_t out_count)
{
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db, sql, values, value_count, &rows);

    if (status != STATUS_OK) {
        return status;
    }
    if (db_rows_count(rows) == 0) {
        status = STATUS_NOT_FOUND;
    } else {
        for (size_t column = 0; column < out_count; column++) {
            out[column] = db_bigint(rows, 0, column);
        }
    }
    db_rows_close(&rows);
    return status;
}

enum status store_add_profiles(struct store *store, int64_t epoch, const struct bytes *names, size_t count)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = epoch},
        {.type = DB_TEXT_ARRAY, .array = names, .array_count = count},
    };
    int64_t fences = 0;
    enum status status;

    assert(count <= PROFILES_MAX);
    /* `where not exists` spares the identity sequence, which a conflict would use up at every start. */
    status = store_numbers(store,
                           FENCE ", added as (insert into profiles (name) select n from unnest($2) n, fence "
                                 "where not exists (select from profiles p where p.name = n) "
                                 "on conflict (name) do nothing) select count(*) from fence",
                           values, 2, &fences, 1);
    if (status != STATUS_OK) {
        return status;
    }
    return fences == 1 ? STATUS_OK : STATUS_STALE;
}

/* For each want two short walks along samples_by_time (fresh ones) and two along its front (enough of each label). The
 * limits inside keep the work per profile independent of the number of its samples, and their order, in a walk, keeps the server
 * from another index, of which it would read all of the profile each time. */
static const char due_sql[] =
    "select w.place - 1, p.profile_id, c.fresh, d.due "
    "from unnest($1, $2, $3, $5) with ordinality w (name, min_samples, every_ms, kind, place) "
    "join (select name, profile_id, case when trained_at <= now() + interval '1 minute' then trained_at else '-infinity' end "
    " as trained_at from profiles) p on p.name = w.name "
    "cross join lateral (select "
    "(select count(*) from (select from samples s where s.profile_id = p.profile_id and s.label = 0 "
    " and s.created_at > p.trained_at order by s.created_at limit w.min_samples) f) + "
    "(select count(*) from (select from samples s where s.profile_id = p.profile_id and s.label = 1 "
    " and s.created_at > p.trained_at order by s.created_at limit w.min_samples) f) as fresh, "
    "(select count(*) from (select from samples s where s.profile_id = p.profile_id and s.label = 0 order by s.created_at "
    " limit $4) f) as pass, "
    "(select count(*) from (select from samples s where s.profile_id = p.profile_id and s.label = 1 order by s.created_at "
    " limit $4) f) as violation) c "
    "cross join lateral (select (((p.trained_at <= now() - w.every_ms * interval '1 millisecond' and c.fresh >= w.min_samples) "
    " or exists (select from (select m.kind, m.feature_version from models m where m.profile_id = p.profile_id "
    "  order by m.version desc limit 1) v where v.kind <> w.kind or v.feature_version <> $6)) "
    "and c.pass >= $4 and c.violation >= $4 "
    "and not exists (select from models m where m.profile_id = p.profile_id and m.status = 'canary'))::int::bigint as due) d "
    "order by d.due desc, p.trained_at, w.place";

static void take_due(const struct db_rows *rows, size_t count, struct store_due *out, size_t *out_count, size_t *out_known)
{
    size_t found = db_rows_count(rows);

    assert(found <= count);
    *out_count = 0;
    for (size_t row = 0; row < found; row++) {
        out[row] = (struct store_due){
            .want = (size_t)db_bigint(rows, row, 0), .profile_id = db_bigint(rows, row, 1), .fresh = db_bigint(rows, row, 2)};
        *out_count += db_bigint(rows, row, 3) != 0 ? 1 : 0;
    }
    *out_known = found;
}

enum status store_due(struct store *store, const struct store_want *wants, size_t count, struct store_due *out,
                      size_t *out_count, size_t *out_known)
{
    struct bytes *names = calloc(2 * count + 1, sizeof *names);
    int64_t *numbers = calloc(2 * count + 1, sizeof *numbers);
    struct db_rows *rows = NULL;
    enum status status = STATUS_NO_MEMORY;

    assert(count <= PROFILES_MAX);
    if (names != NULL && numbers != NULL) {
        const struct db_value values[] = {
            {.type = DB_TEXT_ARRAY, .array = names, .array_count = count},
            {.type = DB_BIGINT_ARRAY, .numbers = numbers, .array_count = count},
            {.type = DB_BIGINT_ARRAY, .numbers = numbers + count, .array_count = count},
            {.type = DB_BIGINT, .bigint = TRAIN_LABEL_ROWS_MIN},
            {.type = DB_TEXT_ARRAY, .array = names + count, .array_count = count},
            {.type = DB_BIGINT, .bigint = FEATURES_VERSION},
        };

        for (size_t index = 0; index < count; index++) {
            names[index] = wants[index].name;
            names[count + index] = wants[index].kind;
            numbers[index] = wants[index].min_samples;
            numbers[count + index] = wants[index].every_ms;
        }
        status = store_begin_walk(store);
        if (status == STATUS_OK) {
            status = db_run(store->db, due_sql, values, sizeof values / sizeof values[0], &rows);
        }
        status = store_end_walk(store, status);
    }
    if (status == STATUS_OK) {
        take_due(rows, count, out, out_count, out_known);
    }
    db_rows_close(&rows);
    free(names);
    free(numbers);
    return status;
}

enum status store_now(struct store *store, int64_t *out_us)
{
    return store_numbers(store, "select (extract(epoch from clock_timestamp()) * 1000000)::bigint", NULL, 0, out_us, 1);
}

/* What becomes of a version that passed its gate. The row of the epoch is ours: nobody changes a version meanwhile. */
static enum status find_end(struct store *store, const struct store_model *model, enum store_end *out)
{
    const struct db_value profile = {.type = DB_BIGINT, .bigint = model->profile_id};
    int64_t found[2];
    enum status status;

    if (!model->passed) {
        *out = STORE_REFUSED;
        return STATUS_OK;
    }
    status = store_numbers(store,
                           "select pinned, coalesce((select version from models where profile_id = $1 and status = 'live'), 0) "
                           "from profiles where profile_id = $1",
                           &profile, 1, found, 2);
    if (status == STATUS_OK) {
        int64_t live = found[1];

        *out = found[0] != 0                  ? STORE_CANDIDATE
               : live != model->beside        ? STORE_SUPERSEDED
               : model->on_trial && live != 0 ? STORE_CANARY
                                              : STORE_LIVE;
    }
    return status;
}

/* A version that takes a place makes it free first: the index that allows one a profile is checked row by row. */
static enum status make_room(struct store *store, int64_t profile_id, enum store_end end)
{
    const struct db_value profile = {.type = DB_BIGINT, .bigint = profile_id};
    enum status status = STATUS_OK;

    if (end == STORE_LIVE || end == STORE_CANARY) {
        status = db_run(store->db,
                        "update models set status = 'candidate', reason = 'superseded', change = nextval('model_change') "
                        "where profile_id = $1 and status = 'canary'",
                        &profile, 1, NULL);
    }
    if (status == STATUS_OK && end == STORE_LIVE) {
        status = db_run(store->db,
                        "update models set status = 'retired', change = nextval('model_change') "
                        "where profile_id = $1 and status = 'live'",
                        &profile, 1, NULL);
    }
    return status;
}

/* Those that nobody chooses any more: neither in use nor the one to roll back to. */
static enum status delete_old_versions(struct store *store, int64_t profile_id, int64_t newest)
{
    const struct db_value old[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = newest - MODEL_VERSIONS_KEPT},
    };

    return db_run(store->db,
                  "delete from models where profile_id = $1 and version <= $2 and status not in ('live', 'canary') "
                  "and version is distinct from (select version from models where profile_id = $1 and status = 'retired' "
                  "order by live_at desc nulls last, version desc limit 1)",
                  old, 2, NULL);
}

/* The steps of store_publish, in its transaction. */
static enum status write_version(struct store *store, const struct store_model *model, int64_t *out_version,
                                 enum store_end *out_end)
{
    static const char *const ends[] = {"refused", "candidate", "candidate", "canary", "live"};
    static const char *const reasons[] = {NULL, "pinned", "superseded", NULL, NULL};
    struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = model->epoch},
        {.type = DB_BIGINT, .bigint = model->profile_id},
        {.type = DB_TEXT, .bytes = bytes_of(model->kind)},
        {.type = DB_BIGINT, .bigint = model->feature_version},
        {.type = DB_BYTEA, .bytes = model->file},
        {.type = DB_BYTEA, .bytes = model->sha256},
        {.type = DB_TEXT, .bytes = model->figures},
        {.type = DB_TEXT},
        {.type = DB_TEXT, .bytes = bytes_of(model->reason)},
    };
    const struct db_value trained[] = {values[1], {.type = DB_BIGINT, .bigint = model->trained_at_us}};
    int64_t fenced;
    enum status status =
        store_numbers(store, "select 1 from leader where epoch = $1 for update", values, 1, &fenced, 1);

    if (status == STATUS_NOT_FOUND) {
        return STATUS_STALE;
    }
    if (status == STATUS_OK) {
        status = find_end(store, model, out_end);
    }
    if (status == STATUS_OK) {
        status = make_room(store, model->profile_id, *out_end);
    }
    if (status == STATUS_OK) {
        values[7].bytes = bytes_of(ends[*out_end]);
        values[8].bytes = reasons[*out_end] != NULL ? bytes_of(reasons[*out_end]) : values[8].bytes;
        status = store_numbers(store,
                               "insert into models (profile_id, version, epoch, kind, feature_version, bytes, sha256, "
                               "figures, status, reason, live_at) select $2, coalesce(max(version), 0) + 1, $1, $3, $4, $5, "
                               "$6, $7::jsonb, $8, $9, case when $8 = 'live' then now() end "
                               "from models where profile_id = $2 returning version",
                               values, sizeof values / sizeof values[0], out_version, 1);
    }
    if (status == STATUS_OK) {
        status = db_run(store->db,
                        "update profiles set trained_at = timestamptz 'epoch' + $2 * interval '1 microsecond' "
                        "where profile_id = $1 and $2 > 0",
                        trained, 2, NULL);
    }
    return status == STATUS_OK ? delete_old_versions(store, model->profile_id, *out_version) : status;
}

enum status store_transact(struct store *store, enum status (*work)(struct store *store, void *context), void *context)
{
    enum status status = db_run(store->db, "begin", NULL, 0, NULL);

    if (status == STATUS_OK) {
        status = work(store, context);
    }
    if (status == STATUS_OK) {
        status = db_run(store->db, "commit", NULL, 0, NULL);
    } else if (db_alive(store->db)) {
        enum status ignored = db_run(store->db, "rollback", NULL, 0, NULL);

        (void)ignored; /* the first failure is the one to tell */
    }
    return status;
}

struct publication {
    const struct store_model *model;
    int64_t version;
    enum store_end end;
};

static enum status publish(struct store *store, void *context)
{
    struct publication *publication = context;

    return write_version(store, publication->model, &publication->version, &publication->end);
}

enum status store_publish(struct store *store, const struct store_model *model, int64_t *out_version, enum store_end *out_end)
{
    struct publication publication = {.model = model, .end = STORE_REFUSED};
    enum status status = store_transact(store, publish, &publication);

    if (status == STATUS_OK) {
        *out_version = publication.version;
        *out_end = publication.end;
    }
    return status;
}

enum status store_live_model(struct store *store, int64_t profile_id, struct buffer *file, int64_t *out_version)
{
    const struct db_value value = {.type = DB_BIGINT, .bigint = profile_id};
    struct db_rows *rows = NULL;
    enum status status = db_run(
        store->db, "select bytes, version from models where profile_id = $1 and status = 'live'", &value, 1, &rows);

    if (status == STATUS_OK) {
        status = db_rows_count(rows) == 0 ? STATUS_NOT_FOUND : buffer_append(file, db_bytes(rows, 0, 0));
    }
    if (status == STATUS_OK) {
        *out_version = db_bigint(rows, 0, 1);
    }
    db_rows_close(&rows);
    return status;
}

enum status store_last_change(struct store *store, int64_t profile_id, int64_t *out_us)
{
    const struct db_value value = {.type = DB_BIGINT, .bigint = profile_id};
    enum status status = store_numbers(store,
                                       "select coalesce((figures->>'changed_at_us')::bigint, 0) from models "
                                       "where profile_id = $1 order by version desc limit 1",
                                       &value, 1, out_us, 1);

    if (status == STATUS_NOT_FOUND) {
        *out_us = 0; /* no version yet */
        status = STATUS_OK;
    }
    return status;
}
