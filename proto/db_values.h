/* db_values: parameters and results in PostgreSQL's binary format; the half of proto/db that needs no connection.
 *
 * Numbers travel in network byte order. An array is: dimensions (0 or 1), "may hold NULL", type of the items, then
 * number of items and lower bound, then each item as length (-1 = NULL) and bytes (array_send in PostgreSQL's source,
 * documented only there). Thread: any; a struct belongs to one thread at a time.
 */
#ifndef PROTO_DB_VALUES_H
#define PROTO_DB_VALUES_H

#include "proto/db.h"
#include "proto/limits.h"

enum { DB_FORMAT_BINARY = 1 };

/* The parallel arrays that libpq wants. Numbers and arrays are encoded into `encoded`; texts and bytea stay where the
 * caller has them, who must keep them until the parameters are freed. */
struct db_parameters {
    unsigned types[DB_VALUES_MAX]; /* OID; 0 = the server infers it (of NULL) */
    const char *data[DB_VALUES_MAX];
    int bytes[DB_VALUES_MAX];
    int formats[DB_VALUES_MAX];
    size_t offset[DB_VALUES_MAX]; /* into `encoded`, whose bytes may still move; SIZE_MAX = not there */
    struct buffer encoded;
};

/* STATUS_TOO_LARGE past DB_ARRAY_BYTES_MAX or for a text above 2 GiB, STATUS_NO_MEMORY. At most DB_VALUES_MAX values.
 */
MUST_CHECK enum status db_parameters_init(struct db_parameters *parameters, const struct db_value *values,
                                          size_t value_count);
void db_parameters_free(struct db_parameters *parameters);

/* A value of a result whose column has the type `oid`. Asserts that the type is one of those db.h names: the SQL text
 * that chose it is ours. The bytes are a socket's: a length that is not the type's reads as NULL does, 0 or NaN. */
int64_t db_value_bigint(unsigned oid, struct bytes data);
double db_value_real(unsigned oid, struct bytes data);
bool db_value_is_bytes(unsigned oid);

#endif
