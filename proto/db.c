/* db: libpq without its blocking calls: every wait is a poll with a deadline, every value travels in binary. */
#include "proto/db.h"

#include "proto/clock.h"
#include "proto/db_values.h"
#include "proto/join.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libpq counts its connect timeout in whole seconds, so that it may come up to one second early. */
enum { SQLSTATE_BYTES = 5, NUMBER_TEXT_BYTES = 24, MS_PER_S = 1000, DB_SILENCE_MS = MS_PER_S * (DB_CONNECT_S - 1) };

struct db {
    PGconn *connection;
    char sqlstate[SQLSTATE_BYTES + 1];
    bool broken; /* lost or given up: nothing may be sent any more */
};

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

/* Until everything is sent and the next result is there, or `until_ms`. A server that does not answer in time is given
 * up with its connection: nobody knows what it would say later. */
static enum status await(struct db *db, uint64_t until_ms)
{
    for (;;) {
        int unsent = PQflush(db->connection);
        struct pollfd socket = {.fd = PQsocket(db->connection), .events = POLLIN};
        uint64_t now_ms = clock_ms();

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
        if (unsent != 0) {
            socket.events |= POLLOUT;
        }
        if (poll(&socket, 1, (int)(until_ms - now_ms)) < 0 && errno != EINTR) {
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

/* Notices quote data as errors do. */
static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static bool is_readable_url(const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);

    PQconninfoFree(options);
    return options != NULL;
}

/* libpq tells a refusal and a silence apart only by asking again; a server that was silent for seconds is not asked. */
static enum status why_not_connected(const PGconn *connection, uint64_t started_ms, const char *const *names,
                                     const char *const *values)
{
    if (connection == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (clock_ms() - started_ms >= DB_SILENCE_MS) {
        return STATUS_UNAVAILABLE;
    }
    return PQpingParams(names, values, 1) == PQPING_OK ? STATUS_DENIED : STATUS_UNAVAILABLE;
}

static enum status connect_to(struct db *db, const char *url, const char *application, const char *password)
{
    static const struct {
        const char *name;
        int value;
    } timers[] = {
        {"connect_timeout", DB_CONNECT_S},
        {"tcp_user_timeout", DB_USER_TIMEOUT_MS},
        {"keepalives", 1},
        {"keepalives_idle", DB_KEEPALIVE_IDLE_S},
        {"keepalives_interval", DB_KEEPALIVE_INTERVAL_S},
        {"keepalives_count", DB_KEEPALIVES},
    };
    enum { TIMERS = sizeof timers / sizeof timers[0] };
    /* A later name wins over the same name inside the URL, so that no URL can switch a timer off. */
    const char *names[TIMERS + 5] = {"dbname", "client_encoding", "application_name"};
    const char *values[TIMERS + 5] = {url, "UTF8", application};
    char numbers[TIMERS][NUMBER_TEXT_BYTES];
    uint64_t started_ms = clock_ms();
    size_t count = 3;

    for (size_t index = 0; index < TIMERS; index++, count++) {
        (void)snprintf(numbers[index], sizeof numbers[index], "%d", timers[index].value);
        names[count] = timers[index].name;
        values[count] = numbers[index];
    }
    names[count] = password != NULL ? "password" : NULL;
    values[count] = password;
    db->connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(db->connection) != CONNECTION_OK) {
        return why_not_connected(db->connection, started_ms, names, values);
    }
    if (PQserverVersion(db->connection) < DB_SERVER_VERSION_MIN) {
        return STATUS_UNSUPPORTED;
    }
    PQsetNoticeReceiver(db->connection, ignore_notice, NULL);
    return PQsetnonblocking(db->connection, 1) == 0 ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* By statement and not as start-up options, which connection poolers refuse. */
static enum status set_timeouts(struct db *db)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "set statement_timeout = %d; set lock_timeout = %d; set idle_in_transaction_session_timeout = %d",
                   DB_STATEMENT_MS, DB_LOCK_MS, DB_IDLE_IN_TRANSACTION_MS);
    return db_script(db, sql);
}

/* The password without its file; the caller wipes `out`. */
static enum status read_password(const char *file, char *out, size_t room)
{
    struct secret secret;
    enum status status = secret_read(&secret, file);

    if (status != STATUS_OK) {
        return status;
    }
    status = bytes_copy(secret_view(&secret), out, room);
    secret_free(&secret);
    return status;
}

enum status db_open(struct db **out, const struct database_settings *settings, const char *application)
{
    char password[SECRET_BYTES_MAX + 1];
    bool has_password = settings->password_file[0] != '\0';
    struct db *db = NULL;
    enum status status = STATUS_OK;

    if (settings->url[0] == '\0') {
        return STATUS_UNAVAILABLE; /* an empty URL would make libpq guess a server from the environment */
    }
    if (!is_readable_url(settings->url)) {
        return STATUS_MALFORMED;
    }
    db = calloc(1, sizeof *db);
    if (db == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (has_password) {
        status = read_password(settings->password_file, password, sizeof password);
    }
    if (status == STATUS_OK) {
        status = connect_to(db, settings->url, application, has_password ? password : NULL);
    }
    explicit_bzero(password, sizeof password);
    if (status == STATUS_OK) {
        status = set_timeouts(db);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = db;
    return STATUS_OK;
fail:
    db_close(&db);
    return status;
}

void db_close(struct db **db)
{
    if (*db != NULL) {
        PQfinish((*db)->connection);
        free(*db);
        *db = NULL;
    }
}

bool db_alive(const struct db *db)
{
    return !db->broken;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
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

enum status db_run(struct db *db, const char *sql, const struct db_value *values, size_t value_count,
                   struct db_rows **rows)
{
    PGresult *last = NULL;
    enum status status = send_query(db, sql, values, value_count);

    if (status == STATUS_OK) {
        status = finish(db, &last);
    }
    if (status == STATUS_OK && rows != NULL) {
        return take_rows(last, rows);
    }
    PQclear(last);
    return status;
}

enum status db_script(struct db *db, const char *sql)
{
    db->sqlstate[0] = '\0';
    if (db->broken || PQsendQuery(db->connection, sql) != 1) {
        return lose(db);
    }
    return finish(db, NULL);
}

static void *cancel_on_thread(void *cancel)
{
    char ignored[1];

    (void)PQcancel(cancel, ignored, (int)sizeof ignored);
    PQfreeCancel(cancel);
    return NULL;
}

/* PQcancel opens a connection of its own and knows no timeout; on a thread it can be left behind when the server hangs.
 * Waiting for its end matters: a request that is still on its way would hit the next statement. */
static void cancel_query(struct db *db)
{
    PGcancel *cancel = PQgetCancel(db->connection);
    pthread_t thread;

    if (cancel == NULL || pthread_create(&thread, NULL, cancel_on_thread, cancel) != 0) {
        PQfreeCancel(cancel);
        db->broken = true;
        return;
    }
    if (join_within(thread, DB_CONNECT_S * MS_PER_S) != STATUS_OK) {
        (void)pthread_detach(thread);
        db->broken = true;
    }
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
            cancel_query(db);
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
    return db_value_bigint(PQftype(rows->result, (int)column), PQgetvalue(rows->result, (int)row, (int)column));
}

double db_real(const struct db_rows *rows, size_t row, size_t column)
{
    if (db_is_null(rows, row, column)) {
        return (double)NAN;
    }
    return db_value_real(PQftype(rows->result, (int)column), PQgetvalue(rows->result, (int)row, (int)column));
}

struct bytes db_bytes(const struct db_rows *rows, size_t row, size_t column)
{
    assert(db_value_is_bytes(PQftype(rows->result, (int)column)));
    if (db_is_null(rows, row, column)) {
        return (struct bytes){NULL, 0};
    }
    return (struct bytes){PQgetvalue(rows->result, (int)row, (int)column),
                          (size_t)PQgetlength(rows->result, (int)row, (int)column)};
}

void db_rows_close(struct db_rows **rows)
{
    if (*rows != NULL) {
        PQclear((*rows)->result);
        free(*rows);
        *rows = NULL;
    }
}
