/* store_versions: one query that describes versions, and a function of the schema for each choice but the end of a trial. */
#include "trainer/store_versions.h"
#include "trainer/store_session.h"

#include <assert.h>

/* As functions of the schema answer. */
enum { NO_SUCH_VERSION = 0, PINNED = -1 };

enum status store_find_profile(struct store *store, struct bytes name, int64_t *out_profile_id)
{
    const struct db_value value = {.type = DB_TEXT, .bytes = name};

    return store_numbers(store, "select profile_id from profiles where name = $1", &value, 1, out_profile_id, 1);
}

static const char versions_sql[] =
    "select m.version, m.epoch, m.change, m.kind, m.feature_version, octet_length(m.bytes), m.status, "
    "p.pinned and m.status = 'live', (extract(epoch from m.made_at) * 1000000)::bigint, "
    "(extract(epoch from m.live_at) * 1000000)::bigint, m.reason, m.figures::text, m.trial::text "
    "from models m join profiles p using (profile_id) "
    "where m.profile_id = $1 and ($2 < 0 or m.version = $2 or $2 = 0 and m.status = 'live') order by m.version desc";

enum { ALL_VERSIONS = -1 };

struct reading {
    const struct store_version_reader *reader;
    size_t count;
};

static enum status on_row(void *context, const struct db_rows *row)
{
    struct reading *reading = context;
    const struct store_version version = {
        .version = db_bigint(row, 0, 0),
        .epoch = db_bigint(row, 0, 1),
        .change = db_bigint(row, 0, 2),
        .kind = db_bytes(row, 0, 3),
        .feature_version = db_bigint(row, 0, 4),
        .file_bytes = db_bigint(row, 0, 5),
        .status = db_bytes(row, 0, 6),
        .pinned = db_bigint(row, 0, 7) != 0,
        .made_at_us = db_bigint(row, 0, 8),
        .live_at_us = db_bigint(row, 0, 9),
        .reason = db_bytes(row, 0, 10),
        .figures = db_bytes(row, 0, 11),
        .trial = db_bytes(row, 0, 12),
    };

    reading->count++;
    return reading->reader->on_version(reading->reader->context, &version);
}

static enum status read_versions(struct store *store, int64_t profile_id, int64_t version, struct reading *reading)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = version},
    };

    return db_stream(store->db, versions_sql, values, 2, on_row, reading);
}

enum status store_list_versions(struct store *store, int64_t profile_id, const struct store_version_reader *reader)
{
    struct reading reading = {.reader = reader};

    return read_versions(store, profile_id, ALL_VERSIONS, &reading);
}

enum status store_show_version(struct store *store, int64_t profile_id, int64_t version,
                               const struct store_version_reader *reader)
{
    struct reading reading = {.reader = reader};
    enum status status;

    assert(version >= 0);
    status = read_versions(store, profile_id, version, &reading);
    return status == STATUS_OK && reading.count == 0 ? STATUS_NOT_FOUND : status;
}

enum status store_read_version(struct store *store, int64_t profile_id, int64_t version, struct buffer *file)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = version},
    };
    struct db_rows *rows = NULL;
    enum status status =
        db_run(store->db, "select bytes from models where profile_id = $1 and version = $2", values, 2, &rows);

    if (status == STATUS_OK) {
        status = db_rows_count(rows) == 0 ? STATUS_NOT_FOUND : buffer_append(file, db_bytes(rows, 0, 0));
    }
    db_rows_close(&rows);
    return status;
}

/* `sql` is a call of $1 (the profile) and, where `version` is one, $2. */
static enum status choose(struct store *store, const char *sql, int64_t profile_id, const int64_t *version, int64_t *out)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = profile_id},
        {.type = DB_BIGINT, .bigint = version == NULL ? 0 : *version},
    };
    int64_t answer = NO_SUCH_VERSION;
    enum status status = store_numbers(store, sql, values, version == NULL ? 1 : 2, &answer, 1);

    if (status == STATUS_OK && answer == NO_SUCH_VERSION) {
        status = STATUS_NOT_FOUND;
    } else if (status == STATUS_OK && answer == PINNED) {
        status = STATUS_CONFLICT;
    }
    if (status == STATUS_OK) {
        *out = answer;
    }
    return status;
}

enum status store_publish_version(struct store *store, int64_t profile_id, int64_t version)
{
    int64_t live;

    return choose(store, "select model_publish($1::int, $2)", profile_id, &version, &live);
}

/* The versions in use, 0 = none: the live one, and the one on trial. */
struct in_use {
    int64_t live;
    int64_t on_trial;
};

static enum status look_at_use(struct store *store, int64_t profile_id, struct in_use *out)
{
    const struct db_value profile = {.type = DB_BIGINT, .bigint = profile_id};
    int64_t found[2];
    enum status status = store_numbers(store,
                                       "select coalesce(max(version) filter (where status = 'live'), 0), "
                                       "coalesce(max(version) filter (where status = 'canary'), 0) "
                                       "from models where profile_id = $1",
                                       &profile, 1, found, 2);

    if (status == STATUS_OK) {
        *out = (struct in_use){.live = found[0], .on_trial = found[1]};
    }
    return status;
}

struct retreat {
    int64_t profile_id;
    struct in_use seen; /* before it was our turn */
    struct store_retreat done;
};

/* Beneath the row of the epoch: nobody else ends a trial, or begins one, meanwhile. */
static enum status retreat(struct store *store, void *context)
{
    struct retreat *retreat = context;
    const struct db_value profile = {.type = DB_BIGINT, .bigint = retreat->profile_id};
    struct in_use now;
    enum status status = db_run(store->db, "select 1 from leader for update", NULL, 0, NULL);

    if (status == STATUS_OK) {
        status = look_at_use(store, retreat->profile_id, &now);
    }
    if (status != STATUS_OK) {
        return status;
    }
    retreat->done = (struct store_retreat){.live_version = now.live, .gone_version = now.on_trial, .was_on_trial = true};
    if (now.on_trial != 0) {
        return db_run(store->db,
                      "update models set status = 'refused', reason = 'rolled_back', change = nextval('model_change') "
                      "where profile_id = $1 and status = 'canary'",
                      &profile, 1, NULL);
    }
    if (retreat->seen.on_trial != 0 && retreat->seen.on_trial != now.live) {
        retreat->done.gone_version = retreat->seen.on_trial;
        return STATUS_OK; /* the leader was faster: the live one is not what was meant */
    }
    retreat->done.gone_version = now.live;
    retreat->done.was_on_trial = false;
    return choose(store, "select model_rollback($1::int)", retreat->profile_id, NULL, &retreat->done.live_version);
}

enum status store_rollback(struct store *store, int64_t profile_id, struct store_retreat *out)
{
    struct retreat wanted = {.profile_id = profile_id};
    enum status status = look_at_use(store, profile_id, &wanted.seen);

    if (status == STATUS_OK) {
        status = store_transact(store, retreat, &wanted);
    }
    if (status == STATUS_OK) {
        *out = wanted.done;
    }
    return status;
}

enum status store_pin(struct store *store, int64_t profile_id, int64_t version)
{
    int64_t live;

    return choose(store, "select model_pin($1::int, $2)", profile_id, &version, &live);
}

enum status store_unpin(struct store *store, int64_t profile_id)
{
    int64_t was_pinned;

    return choose(store, "select model_unpin($1::int)", profile_id, NULL, &was_pinned);
}
