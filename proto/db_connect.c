/* db_connect: opens a session within its time: parameters, timers, the password; on a thread of its own when it may be left. */
#include "proto/db_session.h"

#include "proto/clock.h"
#include "proto/join.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libpq counts its connect timeout in whole seconds, so that it may come up to one second early. */
enum { NUMBER_TEXT_BYTES = 24, APPLICATION_BYTES_MAX = 63, DB_SILENCE_MS = DB_MS_PER_S * (DB_CONNECT_S - 1) };

/* libpq has no way to try several addresses within a time each but its blocking call. So that a caller with a watch need not
 * wait for it, it runs on a thread that can be left behind; whoever of the two lets go last frees this. */
struct attempt {
    _Atomic int holders;
    char url[sizeof((struct database_settings *)0)->url];
    char application[APPLICATION_BYTES_MAX + 1];
    char password[SECRET_BYTES_MAX + 1];
    bool has_password;
    PGconn *connection;
    enum status status;
};

static void let_go(struct attempt **attempt)
{
    if (*attempt != NULL && atomic_fetch_sub(&(*attempt)->holders, 1) == 1) {
        PQfinish((*attempt)->connection);
        explicit_bzero((*attempt)->password, sizeof(*attempt)->password);
        free(*attempt);
    }
    *attempt = NULL;
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

static enum status connect_to(struct attempt *attempt)
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
    const char *values[TIMERS + 5] = {attempt->url, "UTF8", attempt->application};
    char numbers[TIMERS][NUMBER_TEXT_BYTES];
    uint64_t started_ms = clock_ms();
    size_t count = 3;

    for (size_t index = 0; index < TIMERS; index++, count++) {
        (void)snprintf(numbers[index], sizeof numbers[index], "%d", timers[index].value);
        names[count] = timers[index].name;
        values[count] = numbers[index];
    }
    names[count] = attempt->has_password ? "password" : NULL;
    values[count] = attempt->password;
    attempt->connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(attempt->connection) != CONNECTION_OK) {
        return why_not_connected(attempt->connection, started_ms, names, values);
    }
    return PQserverVersion(attempt->connection) < DB_SERVER_VERSION_MIN ? STATUS_UNSUPPORTED : STATUS_OK;
}

static void *run_attempt(void *context)
{
    struct attempt *attempt = context;

    attempt->status = connect_to(attempt);
    let_go(&attempt);
    return NULL;
}

/* Runs the attempt, which is held once, to its end, or leaves it to its thread when the watch says so. */
static enum status make_attempt(struct attempt *attempt, const struct db_watch *watch)
{
    pthread_t thread;

    if (watch == NULL) {
        return connect_to(attempt);
    }
    atomic_fetch_add(&attempt->holders, 1);
    if (pthread_create(&thread, NULL, run_attempt, attempt) != 0) {
        atomic_fetch_sub(&attempt->holders, 1);
        return STATUS_NO_MEMORY;
    }
    while (join_within(thread, DB_LOOK_MS) != STATUS_OK) {
        enum status status = watch->look(watch->context);

        if (status != STATUS_OK) {
            (void)pthread_detach(thread);
            return status;
        }
    }
    return attempt->status;
}

static enum status prepare_attempt(struct attempt *attempt, const struct database_settings *settings, const char *application)
{
    struct secret secret;
    enum status status = bytes_copy(bytes_of(settings->url), attempt->url, sizeof attempt->url);

    if (status == STATUS_OK) {
        status = bytes_copy(bytes_of(application), attempt->application, sizeof attempt->application);
    }
    attempt->has_password = settings->password_file[0] != '\0';
    if (status != STATUS_OK || !attempt->has_password) {
        return status;
    }
    status = secret_read(&secret, settings->password_file);
    if (status == STATUS_OK) {
        status = bytes_copy(secret_view(&secret), attempt->password, sizeof attempt->password);
        secret_free(&secret);
    }
    return status;
}

/* Notices quote data as errors do. */
static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static enum status open_connection(struct db *db, const struct database_settings *settings, const char *application)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    enum status status;

    if (attempt == NULL) {
        return STATUS_NO_MEMORY;
    }
    atomic_init(&attempt->holders, 1);
    status = prepare_attempt(attempt, settings, application);
    if (status == STATUS_OK) {
        status = make_attempt(attempt, db->watch.look == NULL ? NULL : &db->watch);
    }
    if (status == STATUS_OK) {
        db->connection = attempt->connection;
        attempt->connection = NULL;
        PQsetNoticeReceiver(db->connection, ignore_notice, NULL);
        status = PQsetnonblocking(db->connection, 1) == 0 ? STATUS_OK : STATUS_UNAVAILABLE;
    }
    let_go(&attempt);
    return status;
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

enum status db_open_watched(struct db **out, const struct database_settings *settings, const char *application,
                            const struct db_watch *watch)
{
    struct db *db = NULL;
    enum status status;

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
    if (watch != NULL) {
        db->watch = *watch;
    }
    status = open_connection(db, settings, application);
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

enum status db_open(struct db **out, const struct database_settings *settings, const char *application)
{
    return db_open_watched(out, settings, application, NULL);
}

void db_close(struct db **db)
{
    if (*db != NULL) {
        PQfinish((*db)->connection);
        free(*db);
        *db = NULL;
    }
}

const char *db_failure(enum status status)
{
    switch (status) {
    case STATUS_DENIED:
        return "the database refuses the user, the password or the name of the database";
    case STATUS_UNAVAILABLE:
        return "the database cannot be reached";
    case STATUS_TIMEOUT:
        return "the database does not answer in time";
    case STATUS_UNSUPPORTED:
        return "the database, or its schema, is of a version that is not supported";
    default:
        return "the database fails";
    }
}
