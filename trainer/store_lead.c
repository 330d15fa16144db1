/* store_lead: what makes one trainer the leader: the schema, the lock, and the epoch that outlives it. */
#include "trainer/store.h"
#include "trainer/store_schema.h"
#include "trainer/store_session.h"

#include <assert.h>
#include <stdio.h>

/* The leader's lock: "PRISMGRD" as a number. Any number will do as long as all trainers use the same. */
#define LEADER_LOCK INT64_C(0x505249534d475244)

enum status store_schema_version(struct store *store, int64_t *out)
{
    int64_t exists = 0;
    enum status status = store_numbers(store, "select to_regclass('schema_version') is not null", NULL, 0, &exists, 1);

    if (status != STATUS_OK) {
        return status;
    }
    if (exists == 0) {
        *out = 0;
        return STATUS_OK;
    }
    return store_numbers(store, "select version from schema_version", NULL, 0, out, 1);
}

enum status store_raise_schema(struct store *store, int64_t version)
{
    assert(version > 0 && version <= SCHEMA_VERSION);
    return db_script(store->db, schema_steps[version - 1]);
}

enum status store_try_lock(struct store *store, bool *out_locked)
{
    const struct db_value key = {.type = DB_BIGINT, .bigint = LEADER_LOCK};
    char sql[64];
    int64_t locked = 0;
    enum status status = store_numbers(store, "select pg_try_advisory_lock($1)", &key, 1, &locked, 1);

    if (status == STATUS_OK && locked != 0) {
        (void)snprintf(sql, sizeof sql, "set idle_session_timeout = %d", LEADER_SESSION_MS);
        status = db_script(store->db, sql);
    }
    if (status == STATUS_OK) {
        *out_locked = locked != 0;
    }
    return status;
}

/* Whoever else holds the row has lost the lock and may hang in the middle of a write: its session is ended, so that nobody has
 * to wait for it. What it wrote is gone with it, and its process hears that the session is over. */
static enum status end_former_writers(struct store *store)
{
    return db_run(store->db,
                  "select pg_terminate_backend(a.pid) from leader l join pg_stat_activity a on a.backend_xid = l.xmax "
                  "where a.pid <> pg_backend_pid() and a.usename = current_user",
                  NULL, 0, NULL);
}

enum status store_raise_epoch(struct store *store, int64_t *out)
{
    enum status status = end_former_writers(store);

    if (status != STATUS_OK) {
        return status;
    }
    return store_numbers(store, "update leader set epoch = epoch + 1 returning epoch", NULL, 0, out, 1);
}

enum status store_check_epoch(struct store *store, int64_t epoch, int64_t *out_change)
{
    const struct db_value value = {.type = DB_BIGINT, .bigint = epoch};
    enum status status =
        store_numbers(store, "select coalesce((select max(change) from models), 0) from leader where epoch = $1",
                      &value, 1, out_change, 1);

    return status == STATUS_NOT_FOUND ? STATUS_STALE : status;
}
