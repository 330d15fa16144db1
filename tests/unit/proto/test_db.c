/* db: against a real server: values go there and back, every failure has its status, and no stream holds its rows. */
#include "support/database.h"
#include "support/heap.h"
#include "support/unit.h"

#include "proto/clock.h"

#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct db *connect_to_test(const char *application)
{
    struct database_settings settings;
    struct db *db = NULL;

    postgres_settings(&server, "postgres", &settings);
    assert_status(STATUS_OK, db_open(&db, &settings, application));
    return db;
}

static int64_t number_of(struct db *db, const char *sql)
{
    struct db_rows *rows = NULL;
    int64_t number;

    assert_status(STATUS_OK, db_run(db, sql, NULL, 0, &rows));
    assert_int_equal(1, db_rows_count(rows));
    number = db_bigint(rows, 0, 0);
    db_rows_close(&rows);
    return number;
}

static void values_go_there_and_back(void **state)
{
    const int64_t numbers[] = {-1, 7};
    const struct bytes texts[] = {BYTES("a,\"b\\{}"), {NULL, 0}};
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = INT64_MIN},
        {.type = DB_REAL, .real = 0.1},
        {.type = DB_TEXT, .bytes = BYTES("caf\xc3\xa9 'quoted'")},
        {.type = DB_BYTEA, .bytes = BYTES("\0\xff\\")},
        {.type = DB_SMALLINT_ARRAY, .numbers = numbers, .array_count = 2},
        {.type = DB_TEXT_ARRAY, .array = texts, .array_count = 2},
        {.type = DB_BYTEA_ARRAY},
        {.type = DB_NULL},
    };
    struct db *db = connect_to_test("test");
    struct db_rows *rows = NULL;

    (void)state;
    assert_status(STATUS_OK,
                  db_run(db,
                         "select $1, $2, $3, $4, ($5)[1], ($5)[2]::int, ($6)[1], ($6)[2], cardinality($7), $8, "
                         "cardinality($6), $2::real, true",
                         values, 8, &rows));
    assert_true(db_bigint(rows, 0, 0) == INT64_MIN);
    assert_true(db_real(rows, 0, 1) == 0.1);
    assert_bytes("caf\xc3\xa9 'quoted'", db_bytes(rows, 0, 2));
    assert_int_equal(3, db_bytes(rows, 0, 3).count);
    assert_memory_equal("\0\xff\\", db_bytes(rows, 0, 3).data, 3);
    assert_int_equal(-1, db_bigint(rows, 0, 4));
    assert_int_equal(7, db_bigint(rows, 0, 5));
    assert_bytes("a,\"b\\{}", db_bytes(rows, 0, 6));
    assert_true(db_is_null(rows, 0, 7));
    assert_int_equal(0, db_bigint(rows, 0, 8));
    assert_true(db_is_null(rows, 0, 9));
    assert_bytes("", db_bytes(rows, 0, 9));
    assert_int_equal(2, db_bigint(rows, 0, 10));
    assert_true(fabs(db_real(rows, 0, 11) - 0.1) < 1e-7);
    assert_int_equal(1, db_bigint(rows, 0, 12));
    db_rows_close(&rows);
    db_rows_close(&rows);
    db_close(&db);
    db_close(&db);
}

static void the_session_has_its_name_and_its_timeouts(void **state)
{
    struct db *db = connect_to_test("prismguard-test");
    struct db_rows *rows = NULL;

    (void)state;
    assert_status(STATUS_OK, db_run(db,
                                    "select current_setting('application_name'), current_setting('statement_timeout'), "
                                    "current_setting('lock_timeout'), "
                                    "current_setting('idle_in_transaction_session_timeout'), "
                                    "current_setting('client_encoding')",
                                    NULL, 0, &rows));
    assert_bytes("prismguard-test", db_bytes(rows, 0, 0));
    assert_bytes("1min", db_bytes(rows, 0, 1));
    assert_bytes("5s", db_bytes(rows, 0, 2));
    assert_bytes("30s", db_bytes(rows, 0, 3));
    assert_bytes("UTF8", db_bytes(rows, 0, 4));
    db_rows_close(&rows);
    db_close(&db);
}

static void a_refusal_has_a_status_and_a_sqlstate_and_leaves_the_connection_usable(void **state)
{
    static const struct {
        const char *sql;
        enum status status;
        const char *sqlstate;
    } table[] = {
        {"select 1 / 0", STATUS_IO, "22012"},
        {"selec", STATUS_IO, "42601"},
        {"insert into refusals values (1)", STATUS_CONFLICT, "23505"},
        {"insert into refusals values (null)", STATUS_IO, "23502"},
        {"do $$ begin raise exception using errcode = '40001'; end $$", STATUS_CONFLICT, "40001"},
        {"do $$ begin raise exception using errcode = '40P01'; end $$", STATUS_CONFLICT, "40P01"},
        {"do $$ begin raise exception using errcode = '53100'; end $$", STATUS_IO, "53100"},
    };
    struct db *db = connect_to_test("test");
    struct db_rows *rows = NULL;

    (void)state;
    assert_string_equal("", db_sqlstate(db));
    assert_status(STATUS_OK,
                  db_script(db, "create table refusals (id int primary key); insert into refusals values (1)"));
    for (size_t index = 0; index < sizeof table / sizeof table[0]; index++) {
        assert_status(table[index].status, db_run(db, table[index].sql, NULL, 0, &rows));
        assert_string_equal(table[index].sqlstate, db_sqlstate(db));
        assert_null(rows);
        assert_true(db_alive(db));
    }
    assert_int_equal(1, number_of(db, "select count(*) from refusals"));
    assert_string_equal("", db_sqlstate(db));
    db_close(&db);
}

static void a_script_is_one_transaction(void **state)
{
    struct db *db = connect_to_test("test");

    (void)state;
    assert_status(STATUS_IO,
                  db_script(db, "create table halves (id int); insert into halves values (1); select 1 / 0"));
    assert_string_equal("22012", db_sqlstate(db));
    assert_int_equal(1, number_of(db, "select (to_regclass('halves') is null)::int"));
    db_close(&db);
}

static void the_servers_timers_end_a_statement_and_a_wait_for_a_lock(void **state)
{
    struct db *holder = connect_to_test("test");
    struct db *db = connect_to_test("test");

    (void)state;
    assert_status(STATUS_OK,
                  db_script(db, "set statement_timeout = 50; set lock_timeout = 50; create table locked (id int)"));
    assert_status(STATUS_TIMEOUT, db_run(db, "select pg_sleep(30)", NULL, 0, NULL));
    assert_string_equal("57014", db_sqlstate(db));
    assert_true(db_alive(db));
    assert_status(STATUS_OK, db_script(db, "set statement_timeout = 10000"));
    assert_status(STATUS_OK, db_run(holder, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(holder, "lock table locked", NULL, 0, NULL));
    assert_status(STATUS_TIMEOUT, db_run(db, "select * from locked", NULL, 0, NULL));
    assert_string_equal("55P03", db_sqlstate(db));
    assert_true(db_alive(db));
    db_close(&holder);
    db_close(&db);
}

struct counted {
    int64_t rows;
    int64_t stop_at; /* refuse this row; 0 = take all */
    size_t heap_bytes;
    size_t heap_bytes_max;
    int64_t sum;
};

static enum status count_row(void *context, const struct db_rows *row)
{
    struct counted *counted = context;
    size_t heap_bytes = heap_live_bytes();

    counted->rows++;
    counted->sum += db_bigint(row, 0, 0);
    if (heap_bytes > counted->heap_bytes_max) {
        counted->heap_bytes_max = heap_bytes;
    }
    return counted->rows == counted->stop_at ? STATUS_FULL : STATUS_OK;
}

static void a_stream_of_thirty_thousand_rows_holds_none_of_them(void **state)
{
    struct counted counted = {0};
    struct db *db = connect_to_test("test");

    (void)state;
    counted.heap_bytes = heap_live_bytes();
    assert_status(STATUS_OK, db_stream(db, "select n, repeat('x', 1000) from generate_series(1, 30000) n", NULL, 0,
                                       count_row, &counted));
    assert_int_equal(30000, counted.rows);
    assert_int_equal(450015000, counted.sum);
    /* 30 MB went by. */
    assert_true(counted.heap_bytes_max < counted.heap_bytes + MIB);
    assert_int_equal(1, number_of(db, "select 1"));
    db_close(&db);
}

static void a_stream_can_be_left_in_the_middle(void **state)
{
    struct counted counted = {.stop_at = 10};
    struct db *db = connect_to_test("test");

    (void)state;
    /* Without the cancel, draining a billion rows would meet the test's own timeout. */
    assert_status(STATUS_FULL, db_stream(db, "select generate_series(1, 1000000000)", NULL, 0, count_row, &counted));
    assert_int_equal(10, counted.rows);
    assert_true(db_alive(db));
    assert_int_equal(2, number_of(db, "select 2"));
    db_close(&db);
}

static void an_error_in_the_middle_of_a_stream_is_told_after_its_rows(void **state)
{
    struct counted counted = {0};
    struct db *db = connect_to_test("test");

    (void)state;
    assert_status(STATUS_IO, db_stream(db, "select 100 / (n - 500) from generate_series(1, 1000) n", NULL, 0, count_row,
                                       &counted));
    assert_string_equal("22012", db_sqlstate(db));
    assert_int_equal(499, counted.rows);
    assert_true(db_alive(db));
    db_close(&db);
}

static void what_is_asked_is_answered_later(void **state)
{
    struct db *db = connect_to_test("test");
    struct db_rows *rows = NULL;

    (void)state;
    assert_status(STATUS_OK, db_ask(db, "select 7 from generate_series(1, 3)", NULL, 0));
    assert_status(STATUS_OK, db_answer(db, &rows));
    assert_int_equal(3, db_rows_count(rows));
    assert_int_equal(7, db_bigint(rows, 2, 0));
    db_rows_close(&rows);
    assert_status(STATUS_OK, db_ask(db, "select 1 / 0", NULL, 0));
    assert_status(STATUS_IO, db_answer(db, &rows));
    assert_string_equal("22012", db_sqlstate(db));
    assert_null(rows);
    assert_status(STATUS_OK, db_ask(db, "select 8", NULL, 0));
    assert_status(STATUS_OK, db_answer(db, NULL));
    assert_int_equal(9, number_of(db, "select 9"));
    db_close(&db);
}

static void terminate(const char *application)
{
    const struct db_value name = {.type = DB_TEXT, .bytes = bytes_of(application)};
    struct db *other = connect_to_test("killer");

    assert_status(STATUS_OK,
                  db_run(other,
                         "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1",
                         &name, 1, NULL));
    db_close(&other);
}

static enum status terminate_at_row_ten(void *context, const struct db_rows *row)
{
    struct counted *counted = context;

    (void)row;
    if (++counted->rows == 10) {
        terminate("victim");
    }
    return STATUS_OK;
}

static void a_killed_session_is_unavailable_from_then_on(void **state)
{
    struct counted counted = {0};
    struct db *db = connect_to_test("victim");

    (void)state;
    terminate("victim");
    assert_status(STATUS_UNAVAILABLE, db_run(db, "select 1", NULL, 0, NULL));
    assert_false(db_alive(db));
    assert_status(STATUS_UNAVAILABLE, db_run(db, "select 1", NULL, 0, NULL));
    assert_status(STATUS_UNAVAILABLE, db_ask(db, "select 1", NULL, 0));
    assert_status(STATUS_UNAVAILABLE, db_answer(db, NULL));
    assert_status(STATUS_UNAVAILABLE, db_script(db, "select 1"));
    assert_status(STATUS_UNAVAILABLE, db_stream(db, "select 1", NULL, 0, count_row, &counted));
    assert_int_equal(0, counted.rows);
    db_close(&db);

    db = connect_to_test("victim");
    assert_status(STATUS_UNAVAILABLE, db_stream(db, "select generate_series(1, 1000000), repeat('x', 1000)", NULL, 0,
                                                terminate_at_row_ten, &counted));
    assert_false(db_alive(db));
    db_close(&db);
}

static void credentials_come_from_a_file_and_are_refused_as_denied(void **state)
{
    char file[128];
    FILE *out;
    struct database_settings settings;
    struct db *db = connect_to_test("test");

    (void)state;
    assert_status(STATUS_OK, db_run(db, "create role guarded login password 'sesame'", NULL, 0, NULL));
    db_close(&db);
    (void)snprintf(file, sizeof file, "%s/password", server.folder);
    for (int good = 1; good >= 0; good--) {
        out = fopen(file, "we");
        assert_non_null(out);
        assert_true(fputs(good != 0 ? "sesame\n" : "barley\n", out) >= 0);
        assert_int_equal(0, fclose(out));
        settings = (struct database_settings){0};
        (void)snprintf(settings.url, sizeof settings.url, "host=%s user=guarded dbname=postgres", server.folder);
        (void)snprintf(settings.password_file, sizeof settings.password_file, "%s", file);
        assert_status(good != 0 ? STATUS_OK : STATUS_DENIED, db_open(&db, &settings, "test"));
        db_close(&db);
    }
    (void)snprintf(settings.password_file, sizeof settings.password_file, "%s/none", server.folder);
    assert_status(STATUS_IO, db_open(&db, &settings, "test"));
    assert_null(db);
}

static void what_cannot_be_reached_is_unavailable(void **state)
{
    struct database_settings settings = {0};
    struct db *db = NULL;

    (void)state;
    assert_status(STATUS_UNAVAILABLE, db_open(&db, &settings, "test"));
    postgres_settings(&server, "nowhere", &settings);
    assert_status(STATUS_DENIED, db_open(&db, &settings, "test"));
    (void)snprintf(settings.url, sizeof settings.url, "host=/nonexistent dbname=postgres");
    assert_status(STATUS_UNAVAILABLE, db_open(&db, &settings, "test"));
    (void)snprintf(settings.url, sizeof settings.url, "host=%s nonsense", server.folder);
    assert_status(STATUS_MALFORMED, db_open(&db, &settings, "test"));
    assert_null(db);
}

/* A socket that accepts (by its backlog) and never says a word, as a server that hangs. */
/* The other end of a connection of this process. */
static int own_end_of(int accepted)
{
    struct sockaddr_in theirs, own;

    for (int fd = 3; fd < 1024; fd++) {
        socklen_t theirs_bytes = sizeof theirs, own_bytes = sizeof own;

        if (fd != accepted && getsockname(fd, (struct sockaddr *)&own, &own_bytes) == 0 && own.sin_family == AF_INET &&
            getpeername(accepted, (struct sockaddr *)&theirs, &theirs_bytes) == 0 && theirs.sin_port == own.sin_port) {
            return fd;
        }
    }
    return -1;
}

struct looked {
    int listener;
    int user_timeout_ms;
    int keeps_alive;
    int idle_s;
    int interval_s;
    int probes;
};

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;

    return getsockopt(fd, level, name, &value, &bytes) == 0 ? value : -1;
}

/* Looks at the client's socket, and leaves it without an answer. */
static void *look_at_client(void *context)
{
    struct looked *looked = context;
    int accepted = accept(looked->listener, NULL, NULL);
    int fd = own_end_of(accepted);

    looked->user_timeout_ms = option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
    looked->keeps_alive = option(fd, SOL_SOCKET, SO_KEEPALIVE);
    looked->idle_s = option(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    looked->interval_s = option(fd, IPPROTO_TCP, TCP_KEEPINTVL);
    looked->probes = option(fd, IPPROTO_TCP, TCP_KEEPCNT);
    (void)shutdown(looked->listener, SHUT_RDWR);
    (void)close(looked->listener); /* asked again, the server is not there */
    (void)close(accepted);
    return NULL;
}

/* What the kernel does then is its own: it ends a connection on which nothing sent was taken for so long, or no probe answered. */
static void a_session_over_tcp_has_its_timers_whatever_its_url_says(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct looked looked = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct database_settings settings = {0};
    socklen_t bytes = sizeof address;
    struct db *db = NULL;
    pthread_t thread;

    (void)state;
    assert_int_equal(0, bind(looked.listener, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(looked.listener, 4));
    assert_int_equal(0, getsockname(looked.listener, (struct sockaddr *)&address, &bytes));
    (void)snprintf(settings.url, sizeof settings.url,
                   "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable tcp_user_timeout=0 keepalives=0",
                   ntohs(address.sin_port));
    assert_int_equal(0, pthread_create(&thread, NULL, look_at_client, &looked));
    assert_status(STATUS_UNAVAILABLE, db_open(&db, &settings, "test"));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_int_equal(DB_USER_TIMEOUT_MS, looked.user_timeout_ms);
    assert_int_equal(1, looked.keeps_alive);
    assert_int_equal(DB_KEEPALIVE_IDLE_S, looked.idle_s);
    assert_int_equal(DB_KEEPALIVE_INTERVAL_S, looked.interval_s);
    assert_int_equal(DB_KEEPALIVES, looked.probes);
}

static void a_server_that_never_answers_costs_the_connect_timeout(void **state)
{
    struct database_settings settings = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct db *db = NULL;
    uint64_t before_ms = clock_ms();

    (void)state;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.1", server.folder);
    assert_int_equal(0, bind(listener, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(listener, 4));
    (void)snprintf(settings.url, sizeof settings.url, "host=%s port=1 user=u dbname=d", server.folder);
    assert_status(STATUS_UNAVAILABLE, db_open(&db, &settings, "test"));
    assert_null(db);
    assert_in_range(clock_ms() - before_ms, 1000 * (DB_CONNECT_S - 1), 1000 * (DB_CONNECT_S + 2));
    assert_int_equal(0, close(listener));
}

static void a_parameter_may_be_larger_than_the_sockets_buffers(void **state)
{
    struct bytes big = {calloc(1, 8 * MIB), 8 * MIB};
    const struct db_value value = {.type = DB_BYTEA, .bytes = big};
    struct db *db = connect_to_test("test");
    struct db_rows *rows = NULL;

    (void)state;
    assert_non_null(big.data);
    assert_status(STATUS_OK, db_run(db, "select length($1), $1", &value, 1, &rows));
    assert_int_equal(8 * MIB, db_bigint(rows, 0, 0));
    assert_int_equal(8 * MIB, db_bytes(rows, 0, 1).count);
    db_rows_close(&rows);
    db_close(&db);
    free((void *)(uintptr_t)big.data);
}

/* Counts its calls; at each one stops, stops the time, or lets it run. */
struct watching {
    int looks;
    int stop_at;
    uint64_t freeze_ms[2]; /* the time at the first look and at the next */
};

static enum status look(void *context)
{
    struct watching *watching = context;

    if (watching->freeze_ms[0] != 0) {
        clock_freeze(watching->freeze_ms[watching->looks > 0]);
    }
    return ++watching->looks == watching->stop_at ? STATUS_CLOSED : STATUS_OK;
}

static struct db *connect_watched(struct watching *watching)
{
    const struct db_watch watch = {look, watching};
    struct database_settings settings;
    struct db *db = NULL;

    postgres_settings(&server, "postgres", &settings);
    assert_status(STATUS_OK, db_open_watched(&db, &settings, "watched", &watch));
    return db;
}

static void a_watch_cancels_the_statement_at_the_server(void **state)
{
    struct watching watching = {0};
    struct db *other = connect_to_test("other");
    struct db *db;
    uint64_t before_ms;

    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        struct counted counted = {0};
        const char *sql = "select pg_sleep(3600)";

        db = connect_watched(&watching);
        before_ms = clock_ms();
        watching = (struct watching){.stop_at = 3};
        assert_status(STATUS_CLOSED, streamed ? db_stream(db, sql, NULL, 0, count_row, &counted)
                                              : db_run(db, sql, NULL, 0, NULL));
        assert_int_equal(3, watching.looks);
        assert_in_range(clock_ms() - before_ms, 2 * DB_LOOK_MS - 1, DB_CONNECT_S * 1000);
        assert_false(db_alive(db));
        /* The session is not closed yet: it is the cancel that ended the statement. */
        while (number_of(other, "select count(*) from pg_stat_activity where application_name = 'watched' "
                                "and state = 'active'") > 0) {
            (void)poll(NULL, 0, 5);
        }
        assert_in_range(clock_ms() - before_ms, 0, DB_STATEMENT_MS / 2); /* and not the statement's own time */
        db_close(&db);
    }
    db_close(&other);
}

static void a_watch_leaves_a_server_that_never_answers(void **state)
{
    struct watching watching = {.stop_at = 2};
    const struct db_watch watch = {look, &watching};
    struct database_settings settings = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct db *db = NULL;
    uint64_t before_ms = clock_ms();

    (void)state;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.2", server.folder);
    assert_int_equal(0, bind(listener, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(listener, 4));
    (void)snprintf(settings.url, sizeof settings.url, "host=%s port=2 user=u dbname=d", server.folder);
    assert_status(STATUS_CLOSED, db_open_watched(&db, &settings, "test", &watch));
    assert_null(db);
    assert_in_range(clock_ms() - before_ms, 0, 1000 * (DB_CONNECT_S - 2));
    assert_int_equal(0, close(listener));
}

/* The client's own deadline, for a server whose timers stand still with it. */
static void a_statement_is_given_up_when_its_time_is_over(void **state)
{
    struct watching watching = {0};
    struct db *db = connect_watched(&watching);
    uint64_t started_ms = clock_ms();
    uint64_t end_ms = started_ms + DB_STATEMENT_MS + DB_LOCK_MS;

    (void)state;
    clock_freeze(started_ms);
    watching = (struct watching){.freeze_ms = {end_ms - 1, end_ms}};
    assert_status(STATUS_TIMEOUT, db_run(db, "select pg_sleep(3600)", NULL, 0, NULL));
    clock_freeze(0);
    assert_int_equal(2, watching.looks);
    assert_false(db_alive(db));
    db_close(&db);
    terminate("watched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_there_and_back),
        cmocka_unit_test(the_session_has_its_name_and_its_timeouts),
        cmocka_unit_test(a_refusal_has_a_status_and_a_sqlstate_and_leaves_the_connection_usable),
        cmocka_unit_test(a_script_is_one_transaction),
        cmocka_unit_test(the_servers_timers_end_a_statement_and_a_wait_for_a_lock),
        cmocka_unit_test(a_stream_of_thirty_thousand_rows_holds_none_of_them),
        cmocka_unit_test(a_stream_can_be_left_in_the_middle),
        cmocka_unit_test(an_error_in_the_middle_of_a_stream_is_told_after_its_rows),
        cmocka_unit_test(what_is_asked_is_answered_later),
        cmocka_unit_test(a_killed_session_is_unavailable_from_then_on),
        cmocka_unit_test(credentials_come_from_a_file_and_are_refused_as_denied),
        cmocka_unit_test(what_cannot_be_reached_is_unavailable),
        cmocka_unit_test(a_session_over_tcp_has_its_timers_whatever_its_url_says),
        cmocka_unit_test(a_server_that_never_answers_costs_the_connect_timeout),
        cmocka_unit_test(a_parameter_may_be_larger_than_the_sockets_buffers),
        cmocka_unit_test(a_watch_cancels_the_statement_at_the_server),
        cmocka_unit_test(a_watch_leaves_a_server_that_never_answers),
        cmocka_unit_test(a_statement_is_given_up_when_its_time_is_over),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
