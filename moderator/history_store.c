/* history_store: one batch of labels to one call of sample_put(). */
#include "moderator/history_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_REVIEWER = 2 }; /* verdicts.source in trainer/schema */

struct history_store {
    const struct settings *settings;
    struct db_watch watch;
    bool is_watched;
    struct db *db;          /* NULL = not connected */
    char sqlstate[8];       /* of the last failure */
    int64_t profile_ids[];  /* as in settings.profiles; 0 = not yet looked up */
};

enum status history_store_open(struct history_store **out, const struct settings *settings,
                               const struct db_watch *watch)
{
    struct history_store *store = calloc(1, sizeof *store + settings->profile_count * sizeof *store->profile_ids);

    if (store == NULL) {
        return STATUS_NO_MEMORY;
    }
    store->settings = settings;
    store->is_watched = watch != NULL;
    store->watch = watch != NULL ? *watch : (struct db_watch){NULL, NULL};
    *out = store;
    return STATUS_OK;
}

void history_store_close(struct history_store **store)
{
    assert(store != NULL);
    if (*store == NULL) {
        return;
    }
    db_close(&(*store)->db);
    free(*store);
    *store = NULL;
}

const char *history_store_sqlstate(const struct history_store *store)
{
    return store->sqlstate;
}

static enum status select_profile(struct history_store *store, struct bytes name, int64_t *out)
{
    const struct db_value value = {.type = DB_TEXT, .bytes = name};
    struct db_rows *rows = NULL;
    enum status status = db_run(store->db, "select profile_id from profiles where name = $1", &value, 1, &rows);

    if (status != STATUS_OK) {
        return status;
    }
    if (db_rows_count(rows) == 1) {
        *out = db_bigint(rows, 0, 0);
    } else {
        status = STATUS_NOT_FOUND;
    }
    db_rows_close(&rows);
    return status;
}

/* Looked up before it is inserted: an insert that meets a conflict still takes a number from the sequence. */
static enum status find_profile(struct history_store *store, size_t profile)
{
    struct bytes name = bytes_of(store->settings->profiles[profile].name);
    const struct db_value value = {.type = DB_TEXT, .bytes = name};
    enum status status;

    if (store->profile_ids[profile] != 0) {
        return STATUS_OK;
    }
    status = select_profile(store, name, &store->profile_ids[profile]);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    status = db_run(store->db, "insert into profiles (name) values ($1) on conflict (name) do nothing", &value, 1, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    return select_profile(store, name, &store->profile_ids[profile]);
}

/* A batch as sample_put wants it: an array for each of its columns. */
struct columns {
    struct bytes hashes[SAMPLE_BATCH_MAX];
    struct bytes categories[SAMPLE_BATCH_MAX];
    struct bytes texts[SAMPLE_BATCH_MAX];
    struct bytes callers[SAMPLE_BATCH_MAX];
    int64_t labels[SAMPLE_BATCH_MAX];
    int64_t sources[SAMPLE_BATCH_MAX];
    int64_t drawn[SAMPLE_BATCH_MAX];
    int64_t labelled[SAMPLE_BATCH_MAX];
    int64_t versions[SAMPLE_BATCH_MAX];
    int64_t shares[SAMPLE_BATCH_MAX];
};

static void fill(struct columns *columns, size_t index, const struct history_entry *entry)
{
    static const struct bytes none = {NULL, 0};

    columns->hashes[index] = (struct bytes){(const char *)entry->hash, sizeof entry->hash};
    columns->labels[index] = entry->violation ? 1 : 0;
    columns->sources[index] = SOURCE_REVIEWER;
    columns->drawn[index] = entry->drawn;
    columns->labelled[index] = (int64_t)entry->labelled_us;
    columns->versions[index] = (int64_t)entry->model_version;
    columns->shares[index] = entry->share;
    columns->categories[index] = entry->category[0] != '\0' ? bytes_of(entry->category) : none;
    columns->callers[index] = entry->has_caller ? (struct bytes){(const char *)entry->caller, sizeof entry->caller} : none;
    columns->texts[index] = entry->has_text ? (struct bytes){entry->text, entry->text_count} : none;
}

static enum status put(struct history_store *store, struct history_entry *const *entries, size_t count)
{
    struct columns columns;
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = store->profile_ids[entries[0]->profile]},
        {.type = DB_BYTEA_ARRAY, .array = columns.hashes, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = columns.labels, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = columns.sources, .array_count = count},
        {.type = DB_SMALLINT_ARRAY, .numbers = columns.drawn, .array_count = count},
        {.type = DB_TEXT_ARRAY, .array = columns.categories, .array_count = count},
        {.type = DB_BYTEA_ARRAY, .array = columns.texts, .array_count = count},
        {.type = DB_BIGINT_ARRAY, .numbers = columns.labelled, .array_count = count},
        {.type = DB_BYTEA_ARRAY, .array = columns.callers, .array_count = count},
        {.type = DB_BIGINT_ARRAY, .numbers = columns.versions, .array_count = count},
        {.type = DB_BIGINT_ARRAY, .numbers = columns.shares, .array_count = count},
        {.type = DB_BIGINT, .bigint = SCHEMA_VERSION},
    };
    struct db_rows *rows = NULL;
    enum status status;

    for (size_t index = 0; index < count; index++) {
        assert(entries[index]->profile == entries[0]->profile);
        fill(&columns, index, entries[index]);
    }
    /* The version is looked at with each batch, as the trainer may raise it any time: no row is no such version. */
    status = db_run(store->db,
                    "select sample_put($1::int, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) from schema_version "
                    "where version = $12",
                    values, sizeof values / sizeof *values, &rows);
    if (status == STATUS_OK && db_rows_count(rows) == 0) {
        status = STATUS_UNSUPPORTED;
    }
    db_rows_close(&rows);
    return status;
}

/* Data exceptions and broken constraints (SQLSTATE classes 22 and 23) stay what they are however often they are tried. */
static bool is_refused_for_ever(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0;
}

enum status history_store_write(struct history_store *store, struct history_entry *const *entries, size_t count)
{
    enum status status = STATUS_OK;

    assert(count > 0 && count <= SAMPLE_BATCH_MAX);
    store->sqlstate[0] = '\0';
    if (store->db == NULL) {
        status = db_open_watched(&store->db, &store->settings->database, "prismguard-moderator-history",
                                 store->is_watched ? &store->watch : NULL);
    }
    if (status == STATUS_OK) {
        status = find_profile(store, entries[0]->profile);
    }
    if (status == STATUS_OK) {
        status = put(store, entries, count);
    }
    if (status == STATUS_OK || store->db == NULL) {
        return status;
    }
    (void)snprintf(store->sqlstate, sizeof store->sqlstate, "%s", db_sqlstate(store->db)); /* kept beyond the connection */
    if (!db_alive(store->db)) {
        db_close(&store->db);
    }
    return status == STATUS_IO && is_refused_for_ever(store->sqlstate) ? STATUS_MALFORMED : status;
}
