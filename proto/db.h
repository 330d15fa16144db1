/* db: libpq with every timeout set: connect, statements with binary or text parameters, single rows.
 *
 * A connection belongs to one thread, which it may block up to its timeouts (connect 5 s, statement 60 s, lock 5 s,
 * tcp_user_timeout 10 s, keepalives); so only threads that nobody waits for use it. SQL text stands only in
 * moderator/history, moderator/feed, trainer/store and trainer/schema.
 *
 * Errors are told as status and SQLSTATE; the server's message is never logged whole (it can quote row data).
 */
#ifndef PROTO_DB_H
#define PROTO_DB_H

#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct db;
struct db_rows;

enum db_type {
    DB_NULL,
    DB_BIGINT,
    DB_REAL,
    DB_TEXT,
    DB_BYTEA,
    DB_BIGINT_ARRAY,
    DB_SMALLINT_ARRAY,
    DB_TEXT_ARRAY,
    DB_BYTEA_ARRAY
};

/* A parameter; at most DB_VALUES_MAX a statement. They travel as bigint, double precision, text, bytea and arrays of
 * these (DB_SMALLINT_ARRAY: of smallint): write $1::int or $1::jsonb where SQL does not convert by itself. Arrays:
 * `array` of `array_count` items; an item of a TEXT or BYTEA array whose data is NULL is SQL NULL. */
struct db_value {
    enum db_type type;
    int64_t bigint;
    double real;
    struct bytes bytes;
    const int64_t *numbers;    /* DB_BIGINT_ARRAY, DB_SMALLINT_ARRAY */
    const struct bytes *array; /* DB_TEXT_ARRAY, DB_BYTEA_ARRAY */
    size_t array_count;
};

/* Called on the connection's thread while the server is waited for, at least once in DB_LOOK_MS. STATUS_OK: wait on. Anything
 * else is returned at once: the statement is cancelled at the server, and the connection given up. */
struct db_watch {
    enum status (*look)(void *context);
    void *context; /* borrowed until db_close */
};

/* Connects. `application` names the connection in pg_stat_activity ("prismguard-trainer"). STATUS_UNAVAILABLE when the
 * server cannot be reached or no URL is set, STATUS_DENIED when it refuses us, STATUS_UNSUPPORTED below PostgreSQL 15,
 * STATUS_MALFORMED for a URL that libpq cannot read, and what secret_read says of the password file. */
MUST_CHECK enum status db_open(struct db **out, const struct database_settings *settings, const char *application);
/* The same for one whose waiting can end early; `watch` is copied, NULL = none. Connecting can be left too: libpq's thread then
 * ends by its own timeout. */
MUST_CHECK enum status db_open_watched(struct db **out, const struct database_settings *settings, const char *application,
                                       const struct db_watch *watch);
void db_close(struct db **db);

/* What a failed call means, in words for a person; a literal. */
const char *db_failure(enum status status);

/* False once the connection is known to be broken: close it and open another, with a back-off. */
bool db_alive(const struct db *db);

/* Runs `sql`. `rows` may be NULL when no row is wanted; otherwise the caller owns *rows and frees it with
 * db_rows_close. STATUS_CONFLICT for serialization, deadlock and unique violations, STATUS_TIMEOUT, STATUS_UNAVAILABLE
 * (connection lost), STATUS_IO for every other refusal. */
MUST_CHECK enum status db_run(struct db *db, const char *sql, const struct db_value *values, size_t value_count,
                              struct db_rows **rows);

/* The same in two steps: db_ask sends, db_answer waits. In between the server works, and the caller on something else; nothing
 * else is asked of the session before it has answered. */
MUST_CHECK enum status db_ask(struct db *db, const char *sql, const struct db_value *values, size_t value_count);
MUST_CHECK enum status db_answer(struct db *db, struct db_rows **rows);

/* Several statements without parameters (trainer/schema), in one implicit transaction. */
MUST_CHECK enum status db_script(struct db *db, const char *sql);

/* Takes the oldest notification (NOTIFY) that this session has received and not yet taken: reads what is there and does not wait.
 * False when there is none; the connection may be lost then. One on another channel, or whose payload is no number, is 0. */
MUST_CHECK bool db_take_notice(struct db *db, const char *channel, int64_t *out);

/* One row at a time (libpq's single-row mode): memory does not depend on the number of rows. `on_row` returns STATUS_OK
 * to go on; anything else cancels the query, drains it and is returned. The row is lent for the call. */
MUST_CHECK enum status db_stream(struct db *db, const char *sql, const struct db_value *values, size_t value_count,
                                 enum status (*on_row)(void *context, const struct db_rows *row), void *context);

size_t db_rows_count(const struct db_rows *rows);
bool db_is_null(const struct db_rows *rows, size_t row, size_t column);
/* NULL reads as 0, NaN and no bytes. A column of another type is a mistake in our SQL text and ends the program. */
int64_t db_bigint(const struct db_rows *rows, size_t row, size_t column);     /* of boolean, smallint, int, bigint */
double db_real(const struct db_rows *rows, size_t row, size_t column);        /* of real, double precision */
struct bytes db_bytes(const struct db_rows *rows, size_t row, size_t column); /* of text, bytea; lends until close */
void db_rows_close(struct db_rows **rows);

/* The SQLSTATE of the last failure ("40P01"), "" when there was none. Lends until the next call. */
const char *db_sqlstate(const struct db *db);

#endif
