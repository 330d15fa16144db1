/* db: statements without libpq's blocking calls: every wait is a poll with a deadline, every value travels in binary. */
#include "proto/db_session.h"

#include "proto/clock.h"
#include "proto/db_values.h"
#include "proto/join.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct db_rows {
    PGresult *result;
};

static enum status lose(struct db *db)
{
    db->broken = true;
    if (db->sqlstate[0] == '\0') {
        (void)snprintf(db->sqlstate, sizeof db->sqlstate, "08006"); /* connection_failure */
    }
    return STATUS_UNAVAILABLE;
}

static void *cancel_on_thread(void *cancel)
{
    char ignored[1];

    (void)PQcancel(cancel, ignored, (int)sizeof ignored);
    PQfreeCancel(cancel);
    return NULL;
}

/* PQcancel opens a connection of its own and knows no timeout; on a thread it can be left behind when the server hangs.
 * Waiting for its end matters where the session goes on: a request that is still on its way would hit the next statement. */
static void cancel_query(struct db *db, uint64_t wait_ms)
{
    PGcancel *cancel = PQgetCancel(db->connection);
    pthread_t thread;

    if (cancel == NULL || pthread_create(&thread, NULL, cancel_on_thread, cancel) != 0) {
        PQfreeCancel(cancel);
        db->broken = true;
        return;
    }
    if (join_within(thread, wait_ms) != STATUS_OK) {
        (void)pthread_detach(thread);
        db->broken = true;
    }
}

/* Asks the watch; when it has seen enough the server is told, and its answer not waited for. */
static enum status look(struct db *db)
{
    enum status status = db->watch.look == NULL ? STATUS_OK : db->watch.look(db->watch.context);

    if (status != STATUS_OK) {
        cancel_query(db, DB_CANCEL_MS);
        db->broken = true;
    }
    return status;
}

static int wait_ms(const struct db *db, uint64_t left_ms)
{
    return (int)(db->watch.look != NULL && left_ms > DB_LOOK_MS ? DB_LOOK_MS : left_ms);
}

/* Until everything is sent and the next result is there, or `until_ms`. A server that does not answer in time is given
 * up with its connection: nobody knows what it would say later. */
static enum status await(struct db *db, uint64_t until_ms)
{
    for (;;) {
        int unsent = PQflush(db->connection);
        struct pollfd socket = {.fd = PQsocket(db->connection), .events = POLLIN};
        uint64_t now_ms = clock_ms();
        enum status status;

        if (unsent == 0 && PQisBusy(db->connection) == 0) {
            return STATUS_OK;
        }
        if (socket.fd < 0) {
            return lose(db);
        }
        if (now_ms >= until_ms) {
            db->broken = true;
            return STATUS_TIMEOUT;
        }
        status = look(db);
        if (status != STATUS_OK) {
            return status;
        }
        if (unsent != 0) {
            socket.events |= POLLOUT;
        }
        if (poll(&socket, 1, wait_ms(db, until_ms - now_ms)) < 0 && errno != EINTR) {
            return lose(db);
        }
        /* A failure is told by the result that libpq makes of it, and that may carry the server's last word. */
        if ((socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
            (void)PQconsumeInput(db->connection);
        }
    }
}

static uint64_t patience(void)
{
    /* The server's own timers speak first: they say which limit was met and leave the connection usable. */
    return clock_ms() + DB_STATEMENT_MS + DB_LOCK_MS;
}

static enum status status_of_state(const char *state)
{
    static const struct {
        const char *prefix; /* of a SQLSTATE, appendix A of PostgreSQL's manual */
        enum status status;
    } table[] = {
        {"40001", STATUS_CONFLICT},    {"40P01", STATUS_CONFLICT}, {"23505", STATUS_CONFLICT},
        {"57014", STATUS_TIMEOUT},     {"55P03", STATUS_TIMEOUT},  {"57P", STATUS_UNAVAILABLE},
        {"25P03", STATUS_UNAVAILABLE}, {"08", STATUS_UNAVAILABLE},
    };

    for (size_t index = 0; index < sizeof table / sizeof table[0]; index++) {
        if (strncmp(state, table[index].prefix, strlen(table[index].prefix)) == 0) {
            return table[index].status;
        }
    }
    return STATUS_IO;
}

/* Keeps the SQLSTATE of a result and turns it into a status. */
static enum status judge(struct db *db, const PGresult *result)
{
    ExecStatusType kind = PQresultStatus(result);
    enum status status;
    const char *state;

    if (kind == PGRES_COMMAND_OK || kind == PGRES_TUPLES_OK || kind == PGRES_SINGLE_TUPLE ||
        kind == PGRES_EMPTY_QUERY) {
        return STATUS_OK;
    }
    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", state == NULL ? "" : state);
    if (kind != PGRES_FATAL_ERROR && kind != PGRES_BAD_RESPONSE) {
        db->broken = true; /* COPY and pipelines are not spoken here; no way back from them */
        return STATUS_UNSUPPORTED;
    }
    if (PQstatus(db->connection) != CONNECTION_OK) {
        return lose(db);
    }
    status = status_of_state(db->sqlstate);
    if (status == STATUS_UNAVAILABLE) {
        db->broken = true; /* the session's last word; the end of the connection follows */
    }
    return status;
}

static enum status send_query(struct db *db, const char *sql, const struct db_value *values, size_t value_count)
{
    struct db_parameters parameters;
    enum status status;
    int sent;

    db->sqlstate[0] = '\0';
    if (db->broken) {
        return lose(db);
    }
    status = db_parameters_init(&parameters, values, value_count);
    if (status == STATUS_OK) {
        sent = PQsendQueryParams(db->connection, sql, (int)value_count, parameters.types, parameters.data,
                                 parameters.bytes, parameters.formats, DB_FORMAT_BINARY);
        status = sent == 1 ? STATUS_OK : lose(db);
    }
    db_parameters_free(&parameters);
    return status;
}

/* The next result of what was sent; NULL after the last. The caller clears it. */
static enum status next_result(struct db *db, uint64_t until_ms, PGresult **out)
{
    enum status status = await(db, until_ms);

    if (status == STATUS_OK) {
        *out = PQgetResult(db->connection);
    }
    return status;
}

/* Takes all results of what was sent, keeps the last good one in `*last` if wanted, and returns the first failure. */
static enum status finish(struct db *db, PGresult **last)
{
    enum status first = STATUS_OK;
    uint64_t until_ms = patience();

    for (;;) {
        PGresult *result = NULL;
        enum status status = next_result(db, until_ms, &result);

        if (status == STATUS_OK && result == NULL) {
            return first;
        }
        if (status == STATUS_OK) {
            status = judge(db, result);
        }
        if (first == STATUS_OK) {
            first = status;
        }
        if (last != NULL && status == STATUS_OK) {
            PQclear(*last);
            *last = result;
        } else {
            PQclear(result);
        }
        if (db->broken) {
            return first;
        }
    }
}

bool db_take_notice(struct db *db, const char *channel, int64_t *out)
{
    PGnotify *notice;
    char *end;

    if (PQconsumeInput(db->connection) != 1) {
        (void)lose(db); /* what came before is still told */
    }
    notice = PQnotifies(db->connection);
    if (notice == NULL) {
        return false;
    }
    *out = strcmp(notice->relname, channel) == 0 ? strtoll(notice->extra, &end, 10) : 0;
    if (*out != 0 && *end != '\0') {
        *out = 0;
    }
    PQfreemem(notice);
    return true;
}

bool db_alive(const struct db *db)
{
    return !db->broken;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

/* The bytes of a value that is not NULL. */
static struct bytes value_of(const struct db_rows *rows, size_t row, size_t column)
{
    return (struct bytes){PQgetvalue(rows->result, (int)row, (int)column),
                          (size_t)PQgetlength(rows->result, (int)row, (int)column)};
}

static enum status take_rows(PGresult *result, struct db_rows **out)
{
    struct db_rows *rows = calloc(1, sizeof *rows);

    if (rows == NULL) {
        PQclear(result);
        return STATUS_NO_MEMORY;
    }
    rows->result = result;
    *out = rows;
    return STATUS_OK;
}

enum status db_ask(struct db *db, const char *sql, const struct db_value *values, size_t value_count)
{
    return send_query(db, sql, values, value_count);
}

enum status db_answer(struct db *db, struct db_rows **rows)
{
    PGresult *last = NULL;
    enum status status = db->broken ? lose(db) : finish(db, &last);

    if (status == STATUS_OK && rows != NULL) {
        return take_rows(last, rows);
    }
    PQclear(last);
    return status;
}

enum status db_run(struct db *db, const char *sql, const struct db_value *values, size_t value_count,
                   struct db_rows **rows)
{
    enum status status = db_ask(db, sql, values, value_count);

    return status == STATUS_OK ? db_answer(db, rows) : status;
}

enum status db_script(struct db *db, const char *sql)
{
    db->sqlstate[0] = '\0';
    if (db->broken || PQsendQuery(db->connection, sql) != 1) {
        return lose(db);
    }
    return finish(db, NULL);
}

/* One result of a stream. *status is what the stream will return; once it is bad, rows are only drained. */
static void take_streamed(struct db *db, PGresult *result, enum status *status,
                          enum status (*on_row)(void *context, const struct db_rows *row), void *context)
{
    struct db_rows row = {result};
    enum status judged;

    if (*status != STATUS_OK) {
        return; /* the echo of the cancel is no failure of the stream */
    }
    judged = judge(db, result);
    if (judged != STATUS_OK) {
        *status = judged;
    } else if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        *status = on_row(context, &row);
        if (*status != STATUS_OK) {
            cancel_query(db, DB_CONNECT_S * DB_MS_PER_S);
        }
    }
}

enum status db_stream(struct db *db, const char *sql, const struct db_value *values, size_t value_count,
                      enum status (*on_row)(void *context, const struct db_rows *row), void *context)
{
    enum status status = send_query(db, sql, values, value_count);

    if (status != STATUS_OK) {
        return status;
    }
    if (PQsetSingleRowMode(db->connection) != 1) {
        db->broken = true;
        return STATUS_UNSUPPORTED;
    }
    while (!db->broken) {
        PGresult *result = NULL;
        /* The deadline runs from the last row: the caller may work on each as long as it likes. */
        enum status waited = next_result(db, patience(), &result);

        if (waited == STATUS_OK && result == NULL) {
            break;
        }
        if (waited == STATUS_OK) {
            take_streamed(db, result, &status, on_row, context);
        } else if (status == STATUS_OK) {
            status = waited;
        }
        PQclear(result);
    }
    return status;
}

size_t db_rows_count(const struct db_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

bool db_is_null(const struct db_rows *rows, size_t row, size_t column)
{
    assert(row < (size_t)PQntuples(rows->result) && column < (size_t)PQnfields(rows->result));
    return PQgetisnull(rows->result, (int)row, (int)column) == 1;
}

int64_t db_bigint(const struct db_rows *rows, size_t row, size_t column)
{
    if (db_is_null(rows, row, column)) {
        return 0;
    }
    return db_value_bigint(PQftype(rows->result, (int)column), value_of(rows, row, column));
}

double db_real(const struct db_rows *rows, size_t row, size_t column)
{
    if (db_is_null(rows, row, column)) {
        return (double)NAN;
    }
    return db_value_real(PQftype(rows->result, (int)column), value_of(rows, row, column));
}

struct bytes db_bytes(const struct db_rows *rows, size_t row, size_t column)
{
    assert(db_value_is_bytes(PQftype(rows->result, (int)column)));
    return db_is_null(rows, row, column) ? (struct bytes){NULL, 0} : value_of(rows, row, column);
}

void db_rows_close(struct db_rows **rows)
{
    if (*rows != NULL) {
        PQclear((*rows)->result);
        free(*rows);
        *rows = NULL;
    }
}
