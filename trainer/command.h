/* command: what a person does on the command line with what was learned: prismguard-trainer SUBCOMMAND.
 *
 *   prismguard-trainer train PROFILE --config FILE      one of a table of subcommands; `help` lists them
 *
 * A subcommand is one session with PostgreSQL beside the trainers that run, and does nothing that needs to be the leader:
 * what it changes goes through the same doors as theirs. Where there is no schema, or an older one, and nobody leads, it
 * makes it. Results go to `out` (with --json as JSON, one object a line), progress to standard error when that is a terminal,
 * and why something failed, in one line, to `errors`.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong command line, 3 done, but the answer is no (a model that its gate refused, nothing to
 * delete). A signal ends a command as the system does: what it has stored stays, what it was at is not stored.
 */
#ifndef TRAINER_COMMAND_H
#define TRAINER_COMMAND_H

#include "proto/secret.h"
#include "trainer/store.h"

#include <stdio.h>

enum { COMMAND_ARGUMENTS_MAX = 4, COMMAND_REFUSED = 3 };

enum command_option {
    COMMAND_CONFIG,
    COMMAND_JSON,
    COMMAND_HELP,
    COMMAND_FORMAT,
    COMMAND_SOURCE,
    COMMAND_LABEL,
    COMMAND_CATEGORY,
    COMMAND_LIMIT,
    COMMAND_KEY,
    COMMAND_VERSION,
    COMMAND_OPTIONS
};

struct command;

struct command_kind {
    const char *name;
    const char *arguments; /* as --help names them */
    const char *purpose;   /* one line */
    const char *details;   /* further lines of its help, "" = none */
    size_t arguments_min;
    size_t arguments_max;
    unsigned options;      /* bits of enum command_option, beside --config, --json and --help */
    bool by_settings;      /* its profile must stand in the settings */
    bool without_database; /* it does a part of its work without --config */
    bool hashes;           /* it needs the key of text hashes */
    int (*run)(struct command *command);
};

struct command {
    const struct command_kind *kind;
    const char *arguments[COMMAND_ARGUMENTS_MAX];
    size_t argument_count;
    const char *options[COMMAND_OPTIONS]; /* what was given, "" for a flag; NULL = not given */
    FILE *out;
    FILE *errors;
    struct settings *settings;
    const struct profile_settings *profile; /* of the first argument; NULL when the settings have none of that name */
    struct store *store;
    unsigned char hash_key[SECRET_HASH_KEY_BYTES];
};

/* argv[1] names the subcommand. Returns the exit code. */
int command_run(int argc, char **argv, FILE *out, FILE *errors);

/* "prismguard-trainer NAME: what: why" on `errors`; returns PROGRAM_FAILED. */
MUST_CHECK int command_fail(const struct command *command, const char *what, const char *why);
/* The same of what the store answered. */
MUST_CHECK int command_fail_store(const struct command *command, const char *what, enum status status);
/* A wrong command line; returns PROGRAM_USAGE. */
MUST_CHECK int command_misused(const struct command *command, const char *what, const char *found);

/* Into command->hash_key, for a subcommand that needs it only sometimes. PROGRAM_OK, or what is to be returned: it was told. */
MUST_CHECK int command_read_hash_key(struct command *command);

/* The profile's row, made where there is none and `make` says so. False: it was told. */
MUST_CHECK bool command_profile(const struct command *command, bool make, int64_t *out_profile_id);

/* What share of the texts a model decides, and of those the share in which it is right: NaN where it decides none. */
void command_tell_decided(const struct command *command, double decided, double agreement);

/* What became of the rows of an import, with those that were broken; as text behind `mark`. */
struct import;
void command_tell_import(const struct command *command, const struct import *import, int64_t broken, const char *mark);

enum { COMMAND_TIME_BYTES = 32 };

/* A time in microseconds since 1970 as people and programs read it: 2026-11-26T22:45:00Z; "?" of one that has no such form. */
void command_write_time(char out[COMMAND_TIME_BYTES], int64_t us);

/* The subcommands. */
int command_train(struct command *command);
int command_cancel(struct command *command);
int command_evaluate(struct command *command);
int command_models(struct command *command);
int command_publish(struct command *command);
int command_rollback(struct command *command);
int command_pin(struct command *command);
int command_unpin(struct command *command);
int command_import(struct command *command);
int command_import_prismguard(struct command *command);
int command_export(struct command *command);
int command_samples(struct command *command);

#endif
