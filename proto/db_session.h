/* db_session: what the files of db share and nobody else sees. */
#ifndef PROTO_DB_SESSION_H
#define PROTO_DB_SESSION_H

#include "proto/db.h"

#include <libpq-fe.h>

enum { DB_SQLSTATE_BYTES = 5, DB_MS_PER_S = 1000 };

struct db {
    PGconn *connection;
    struct db_watch watch; /* look is NULL = nobody wants to stop it */
    char sqlstate[DB_SQLSTATE_BYTES + 1];
    bool broken; /* lost or given up: nothing may be sent any more */
};

#endif
