/* program: what the three main functions share: command line, settings, log, sandbox, and the wait for the end.
 *
 *   prismguard-gateway --config FILE    run                                  exit codes: 0 ended as it was asked to
 *                      --check FILE     check the settings, say what they mean           1 failed (the reason is told)
 *                      --make-keys DIR  make the secrets that DIR has not yet (proto/keys.h)         2 wrong command line
 *                      --health FILE    ask the running service of FILE on its admin port: 0 alive, 1 not (proto/health.h)
 *                      --ready FILE     the same: 0 it can do its work, 1 not
 *                      --settings       print the table of settings as Markdown
 *                      --version, --help
 *
 * A main reads:
 *
 *   int main(int argc, char **argv)
 *   {
 *       struct program *program = NULL;
 *       int code = program_open(&program, &service, argc, argv);
 *
 *       if (program == NULL) {
 *           return code;
 *       }
 *       ...wire_start(), open the parts with program_settings(program), start threads...
 *       program_on_reload(program, apply, metrics, context);
 *       program_wait_for_end(program);
 *       ...close the parts, in turn...
 *       program_close(&program);
 *       return PROGRAM_OK;
 *   }
 *
 * Thread: the main thread, before any other is started and after all others have ended.
 */
#ifndef PROTO_PROGRAM_H
#define PROTO_PROGRAM_H

#include "proto/memory.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdio.h>

enum { PROGRAM_OK = 0, PROGRAM_FAILED = 1, PROGRAM_USAGE = 2 }; /* exit codes */

struct program;

struct program_service { /* static; all texts are literals */
    const char *name;    /* "gateway": the program is "prismguard-gateway" */
    const char *purpose; /* one sentence for --help */
    /* What it may come to hold, into an empty bound; --check explains it. NULL: not reckoned. */
    void (*memory)(const struct settings *settings, struct memory_bound *out);
    bool memory_binds; /* does not start above its limit; else it warns */
    /* What must hold for this service alone; --check asks it, the service itself does at start and reload. Each problem is a line
     * on `errors`. NULL: nothing. */
    enum status (*check)(const struct settings *settings, FILE *errors);
};

/* Reads the command line and does what it asks. With --config the settings are read, randomness and sandbox are set up,
 * SIGTERM, SIGINT and SIGHUP are kept from every thread (threads inherit the mask) for program_wait_for_end, the log is open
 * and *out is made. In every other case *out is untouched, all has been said on standard output or standard error, and the
 * exit code is returned. */
MUST_CHECK int program_open(struct program **out, const struct program_service *service, int argc, char **argv);

/* Those of the start. Lends until program_close. */
const struct settings *program_settings(const struct program *program);
const struct memory_bound *program_memory(const struct program *program);

/* What SIGHUP does: the file is read anew, keys that are read at start keep their values (proto/settings_keep.h: a warning names
 * those that were changed), and `apply` gets the rest: it takes *fresh (and makes it NULL) when it returns STATUS_OK, and must
 * change nothing otherwise, but write why on `errors`, a line each. The log tells config_reloaded with the file's digest or
 * config_reload_failed with the first error; both are counted. Without `apply` SIGHUP is told and changes nothing.
 * `metrics` and `context` are borrowed while the program waits. */
void program_on_reload(struct program *program, enum status (*apply)(void *context, struct settings **fresh, FILE *errors),
                       struct metrics *metrics, void *context);

/* Sleeps until SIGTERM or SIGINT; returns at once when one has come already. Reloads when SIGHUP comes; those that come during a
 * reload are one. Meanwhile it gives memory that a peak left free back to the system. From the end on a second signal ends the
 * process as the system does by itself: whoever waits for a drain can cut it short. */
void program_wait_for_end(struct program *program);

/* For a main thread that has a loop of its own: readable once an end or a reload has been asked for; program_heard then does what
 * program_wait_for_end would, and tells whether it is the end. Only wait on it; read nothing. Lends until program_close. */
int program_signal_fd(const struct program *program);
bool program_heard(struct program *program);

/* For a main that cannot go on: one line on standard error and in the log ("prismguard-gateway: cannot listen: ..."),
 * returns PROGRAM_FAILED. `what` is the attempt, a verb and what it is about ("listen on 127.0.0.1:8080"), never a secret. */
MUST_CHECK int program_fail(const struct program *program, const char *what, enum status status);

/* Writes what the log holds, gives back the settings. */
void program_close(struct program **program);

#endif
