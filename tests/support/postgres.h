/* postgres: a private PostgreSQL cluster for a test program: own folder, own unix socket, no TCP port.
 *
 *   static struct postgres server;                       the server runs as an unprivileged user also when the test is
 *   postgres_start(&server);                             root (it refuses root), dies with the test program, and its
 *   postgres_settings(&server, "moderator", &database);  folder is removed by postgres_stop.
 *   postgres_stop(&server);
 *
 * Start one in the group's set-up, stop it in its tear-down, and give each test a database of its own: making one takes
 * some 50 ms, starting a server about a second. Thread: the main thread, whose end takes the server with it.
 */
#ifndef TESTS_SUPPORT_POSTGRES_H
#define TESTS_SUPPORT_POSTGRES_H

#include "support/unit.h"

#include "proto/db.h"
#include "proto/limits.h"
#include "proto/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POSTGRES_TRIES_MAX = 1500, POSTGRES_TRY_MS = 20, POSTGRES_OWNER_ID = 65534 };

struct postgres {
    char folder[64];               /* also holds the socket; its path must stay below 108 bytes */
    char programs[PATH_BYTES_MAX]; /* where initdb and postgres are */
    pid_t process;
};

/* The newest installed server; Debian keeps its programs out of PATH. */
static inline void postgres_find_programs(struct postgres *server)
{
    glob_t found;

    assert_int_equal(0, glob("/usr/lib/postgresql/*/bin", 0, NULL, &found));
    assert_status(STATUS_OK,
                  bytes_copy(bytes_of(found.gl_pathv[found.gl_pathc - 1]), server->programs, sizeof server->programs));
    globfree(&found);
}

static inline uid_t postgres_owner(void)
{
    const struct passwd *user = getpwnam("postgres");

    if (geteuid() != 0) {
        return geteuid();
    }
    return user != NULL ? user->pw_uid : POSTGRES_OWNER_ID;
}

/* Becomes `program` as the server's owner, its output going to the folder's log. Never returns. */
static inline void postgres_become(const struct postgres *server, char *const arguments[])
{
    char path[PATH_BYTES_MAX + 32];
    char log[128];
    int output;
    uid_t owner = postgres_owner();

    (void)snprintf(path, sizeof path, "%s/%s", server->programs, arguments[0]);
    (void)snprintf(log, sizeof log, "%s/log", server->folder);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(POSTGRES_OWNER_ID) != 0 || setuid(owner) != 0)) {
        _exit(126);
    }
    /* A test that is killed takes its server along; SIGQUIT is PostgreSQL's immediate shutdown. */
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        chdir(server->folder) != 0) {
        _exit(126);
    }
    execv(path, arguments);
    _exit(127);
}

static inline void postgres_initialise(const struct postgres *server)
{
    char *arguments[] = {"initdb", "-D", "data", "-U",          "prismguard", "-A",
                         "trust",  "-E", "UTF8", "--no-locale", "--no-sync",  NULL};
    int result = -1;
    pid_t process = fork();

    assert_true(process >= 0);
    if (process == 0) {
        postgres_become(server, arguments);
    }
    assert_int_equal(process, waitpid(process, &result, 0));
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

/* The role "guarded" must show its password; everybody else is trusted. */
static inline void postgres_write_rules(const struct postgres *server)
{
    static const char rules[] = "local all guarded scram-sha-256\nlocal all all trust\n";
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/data/pg_hba.conf", server->folder);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(1, fwrite(rules, sizeof rules - 1, 1, file));
    assert_int_equal(0, fclose(file));
}

static inline void postgres_settings(const struct postgres *server, const char *database, struct database_settings *out)
{
    *out = (struct database_settings){0};
    (void)snprintf(out->url, sizeof out->url, "host=%s user=prismguard dbname=%s", server->folder, database);
}

/* Starts the server process and waits until it answers; for postgres_start, and after a test killed it. */
static inline void postgres_run(struct postgres *server)
{
    char *arguments[] = {"postgres",           "-D", "data",           "-k", server->folder,        "-c",
                         "listen_addresses=",  "-c", "fsync=off",      "-c", "shared_buffers=32MB", "-c",
                         "max_connections=40", "-c", "autovacuum=off", NULL};
    struct database_settings settings;
    struct db *db = NULL;

    server->process = fork();
    assert_true(server->process >= 0);
    if (server->process == 0) {
        postgres_become(server, arguments);
    }
    postgres_settings(server, "postgres", &settings);
    /* An answer is the event waited for; the pause only keeps the tries apart. */
    for (int try = 0; db == NULL && try < POSTGRES_TRIES_MAX; try++) {
        assert_int_equal(0, waitpid(server->process, NULL, WNOHANG));
        if (db_open(&db, &settings, "test") != STATUS_OK) {
            (void)poll(NULL, 0, POSTGRES_TRY_MS);
        }
    }
    assert_non_null(db);
    db_close(&db);
}

static inline void postgres_start(struct postgres *server)
{
    *server = (struct postgres){.folder = "/tmp/prismguard-pg-XXXXXX"};
    postgres_find_programs(server);
    assert_non_null(mkdtemp(server->folder));
    assert_int_equal(0, chown(server->folder, postgres_owner(), (gid_t)-1));
    postgres_initialise(server);
    postgres_write_rules(server);
    postgres_run(server);
}

/* Ends the server at once, as a crash would. */
static inline void postgres_kill(struct postgres *server)
{
    if (server->process > 0) {
        (void)kill(server->process, SIGQUIT);
        (void)waitpid(server->process, NULL, 0);
        server->process = 0;
    }
}

static inline int postgres_remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void postgres_stop(struct postgres *server)
{
    postgres_kill(server);
    if (server->folder[0] != '\0') {
        (void)nftw(server->folder, postgres_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

/* A new, empty database and the settings that lead to it. */
static inline void postgres_create(const struct postgres *server, const char *database, struct database_settings *out)
{
    char sql[128];
    struct db *db = NULL;

    postgres_settings(server, "postgres", out);
    assert_status(STATUS_OK, db_open(&db, out, "test"));
    (void)snprintf(sql, sizeof sql, "create database %s", database);
    assert_status(STATUS_OK, db_run(db, sql, NULL, 0, NULL));
    db_close(&db);
    postgres_settings(server, database, out);
}

static inline void postgres_run_file(struct db *db, const char *path)
{
    FILE *file = fopen(path, "re");
    struct buffer text;
    char *at;

    assert_non_null(file);
    buffer_init(&text, MIB);
    assert_status(STATUS_OK, buffer_reserve(&text, 64 * KIB, &at));
    buffer_used(&text, fread(at, 1, 64 * KIB - 1, file));
    assert_true(feof(file) != 0);
    assert_int_equal(0, fclose(file));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    assert_status(STATUS_OK, db_script(db, text.data));
    buffer_free(&text);
}

/* Makes the schema of this version by the files of trainer/schema, as the leader does. */
static inline void postgres_apply_schema_up_to(struct db *db, size_t version)
{
    glob_t found;

    assert_int_equal(0, glob(TEST_ROOT "/trainer/schema/*.sql", 0, NULL, &found));
    assert_true(version <= found.gl_pathc);
    for (size_t index = 0; index < version; index++) {
        postgres_run_file(db, found.gl_pathv[index]);
    }
    globfree(&found);
}

static inline void postgres_apply_schema(struct db *db)
{
    postgres_apply_schema_up_to(db, SCHEMA_VERSION);
}

#endif
