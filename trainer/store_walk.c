/* store_walk: a transaction in which the server reads by the index whose order is asked for. */
#include "trainer/store_session.h"

#include "proto/limits.h"

#include <stdio.h>

enum status store_begin_walk(struct store *store)
{
    char sql[192];

    /* On a busy machine what is done with a row takes us long; while it does the server may wait in the transaction. */
    (void)snprintf(sql, sizeof sql,
                   "begin read only; set local enable_sort = off; set local idle_in_transaction_session_timeout = %d",
                   DB_STATEMENT_MS);
    return db_script(store->db, sql);
}

enum status store_end_walk(struct store *store, enum status status)
{
    enum status ended;

    if (!db_alive(store->db)) {
        return status;
    }
    ended = db_script(store->db, "rollback");
    return status == STATUS_OK ? ended : status;
}
