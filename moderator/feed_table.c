/* feed_table: one query over the table of models, row by row, so that one model at a time is in memory. */
#include "moderator/feed_table.h"

#include "proto/secret.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_NAME, COLUMN_VERSION, COLUMN_CHANGE, COLUMN_BYTES, COLUMN_SHA256, COLUMN_TRIAL };

/* A file above the bound stays in the server. */
static const char models_in_use[] =
    "select p.name, m.version, m.change, case when octet_length(m.bytes) <= $3 then m.bytes end, m.sha256, "
    "m.status = 'canary' from models m join profiles p using (profile_id) "
    "where m.status = any($4) and m.change > $1 and p.name = any($2) order by m.change";

struct feed_table {
    const struct settings *settings;
    size_t bytes_max;
    struct db_watch watch;
    struct db *db; /* NULL = not connected */
    char sqlstate[8];
    size_t name_count;
    struct bytes names[]; /* of the profiles that want a model */
};

enum status feed_table_open(struct feed_table **out, const struct settings *settings, size_t bytes_max,
                            const struct db_watch *watch)
{
    struct feed_table *table = calloc(1, sizeof *table + settings->profile_count * sizeof *table->names);

    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    table->settings = settings;
    table->bytes_max = bytes_max;
    table->watch = *watch;
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (settings->profiles[index].model_kind != MODEL_KIND_NONE) {
            table->names[table->name_count++] = bytes_of(settings->profiles[index].name);
        }
    }
    *out = table;
    return STATUS_OK;
}

void feed_table_close(struct feed_table **table)
{
    assert(table != NULL);
    if (*table == NULL) {
        return;
    }
    db_close(&(*table)->db);
    free(*table);
    *table = NULL;
}

const char *feed_table_sqlstate(const struct feed_table *table)
{
    return table->sqlstate;
}

enum status feed_row_model(const struct feed_row *row, struct model **out)
{
    unsigned char sha256[SHA256_BYTES];

    if (row->unread != STATUS_OK) {
        return row->unread;
    }
    if (row->version == 0) {
        return STATUS_MALFORMED; /* 0 means none everywhere */
    }
    if (row->too_large) {
        return STATUS_TOO_LARGE;
    }
    secret_sha256(sha256, row->bytes);
    if (!bytes_equal(row->sha256, (struct bytes){(const char *)sha256, sizeof sha256})) {
        return STATUS_CORRUPT;
    }
    return model_open(out, row->bytes);
}

struct reading {
    const struct settings *settings;
    enum status (*on_row)(void *context, const struct feed_row *row);
    void *context;
};

static enum status on_db_row(void *context, const struct db_rows *found)
{
    const struct reading *reading = context;
    const struct profile_settings *profile = settings_profile(reading->settings, db_bytes(found, 0, COLUMN_NAME));
    struct feed_row row = {
        .version = (uint64_t)db_bigint(found, 0, COLUMN_VERSION),
        .change = (uint64_t)db_bigint(found, 0, COLUMN_CHANGE),
        .is_trial = db_bigint(found, 0, COLUMN_TRIAL) != 0,
        .too_large = db_is_null(found, 0, COLUMN_BYTES),
        .bytes = db_bytes(found, 0, COLUMN_BYTES),
        .sha256 = db_bytes(found, 0, COLUMN_SHA256),
    };

    if (profile == NULL) {
        return STATUS_OK; /* not asked for */
    }
    row.profile = (size_t)(profile - reading->settings->profiles);
    return reading->on_row(reading->context, &row);
}

static const struct bytes in_use[] = {{"live", 4}, {"canary", 6}};
enum { ONE_STATE = 1, BOTH_STATES = 2 };

/* Which rows. */
struct choice {
    uint64_t change;
    const struct bytes *names;
    size_t name_count;
    const struct bytes *states; /* of in_use */
    size_t state_count;
};

static enum status run(struct feed_table *table, const char *sql, const struct db_value *values, size_t value_count,
                       enum status (*on_found)(void *context, const struct db_rows *found), void *context)
{
    enum status status = STATUS_OK;

    table->sqlstate[0] = '\0';
    if (table->db == NULL) {
        status = db_open_watched(&table->db, &table->settings->database, "prismguard-moderator-feed", &table->watch);
    }
    if (status == STATUS_OK) {
        status = db_stream(table->db, sql, values, value_count, on_found, context);
    }
    if (status == STATUS_OK || table->db == NULL) {
        return status;
    }
    (void)snprintf(table->sqlstate, sizeof table->sqlstate, "%s", db_sqlstate(table->db)); /* kept beyond the connection */
    if (!db_alive(table->db)) {
        db_close(&table->db);
    }
    return status;
}

static enum status read_rows(struct feed_table *table, const struct choice *choice, struct reading *reading)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = (int64_t)choice->change},
        {.type = DB_TEXT_ARRAY, .array = choice->names, .array_count = choice->name_count},
        {.type = DB_BIGINT, .bigint = (int64_t)table->bytes_max},
        {.type = DB_TEXT_ARRAY, .array = choice->states, .array_count = choice->state_count},
    };

    return run(table, models_in_use, values, sizeof values / sizeof *values, on_db_row, reading);
}

enum status feed_table_read(struct feed_table *table, uint64_t change,
                            enum status (*on_row)(void *context, const struct feed_row *row), void *context)
{
    struct reading reading = {.settings = table->settings, .on_row = on_row, .context = context};
    const struct choice choice = {change, table->names, table->name_count, in_use, BOTH_STATES};

    return read_rows(table, &choice, &reading);
}

enum status feed_table_read_one(struct feed_table *table, size_t profile, bool is_trial,
                                enum status (*on_row)(void *context, const struct feed_row *row), void *context)
{
    struct reading reading = {.settings = table->settings, .on_row = on_row, .context = context};
    const struct bytes name = bytes_of(table->settings->profiles[profile].name);
    const struct choice choice = {0, &name, 1, is_trial ? &in_use[1] : &in_use[0], ONE_STATE};

    return read_rows(table, &choice, &reading);
}

/* What the list is read into. */
struct listing {
    const struct settings *settings;
    uint64_t *versions;
};

static enum status on_trial(void *context, const struct db_rows *found)
{
    const struct listing *listing = context;
    const struct profile_settings *profile = settings_profile(listing->settings, db_bytes(found, 0, 0));

    if (profile != NULL) {
        listing->versions[profile - listing->settings->profiles] = (uint64_t)db_bigint(found, 0, 1);
    }
    return STATUS_OK;
}

enum status feed_table_read_trials(struct feed_table *table, uint64_t *versions)
{
    const struct db_value names = {.type = DB_TEXT_ARRAY, .array = table->names, .array_count = table->name_count};
    struct listing listing = {table->settings, versions};

    for (size_t profile = 0; profile < table->settings->profile_count; profile++) {
        versions[profile] = 0;
    }
    return run(table,
               "select p.name, m.version from models m join profiles p using (profile_id) "
               "where m.status = 'canary' and p.name = any($1)",
               &names, 1, on_trial, &listing);
}

bool feed_table_alike(const struct settings *left, const struct settings *right)
{
    bool same = left->profile_count == right->profile_count;

    for (size_t index = 0; same && index < left->profile_count; index++) {
        const struct profile_settings *one = &left->profiles[index];
        const struct profile_settings *other = &right->profiles[index];

        same = strcmp(one->name, other->name) == 0 && one->model_kind == other->model_kind &&
               (one->training.canary > 0) == (other->training.canary > 0);
    }
    return same;
}
