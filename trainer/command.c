/* command: the table of subcommands, their command lines, and the session they work in. */
#include "trainer/command.h"

#include "proto/limits.h"
#include "proto/program.h"
#include "trainer/store_samples.h"
#include "trainer/store_versions.h"

#include <assert.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRAM "prismguard-trainer"

static const struct {
    const char *name;
    int has_value;
    const char *help;
} options[COMMAND_OPTIONS] = {
    [COMMAND_CONFIG] = {"config", required_argument, "FILE      prismguard.yaml"},
    [COMMAND_JSON] = {"json", no_argument, "            print JSON, one object a line"},
    [COMMAND_HELP] = {"help", no_argument, "            print this text"},
    [COMMAND_FORMAT] = {"format", required_argument, "FORMAT    jsonl or csv; without it by the file's name, else jsonl"},
    [COMMAND_SOURCE] = {"source", required_argument,
                        "SOURCE    who labelled: import, reviewer or person; of an import: import, person, or file, as each row\n"
                        "                     says"},
    [COMMAND_LABEL] = {"label", required_argument, "LABEL      only pass, or only violation"},
    [COMMAND_CATEGORY] = {"category", required_argument, "NAME    only of this category; of relabel: the violation's"},
    [COMMAND_LIMIT] = {"limit", required_argument, "N          at most so many, the newest first (20)"},
    [COMMAND_KEY] = {"key", required_argument,
                     "NAME         of delete: what was labelled last for the caller's key of this name, in all profiles"},
    [COMMAND_VERSION] = {"version", required_argument, "N        this version alone"},
};

#define BIT(option) (1u << (option))

static const struct command_kind kinds[] = {
    {"train", "PROFILE", "train a model now; it is stored, and live when it passes the gate",
     "The draw, the gate and the rest are those of the profile's settings; a training that the leader has under way goes on.\n"
     "Exit status 3: the gate refused it.\n",
     1, 1, 0, true, false, false, command_train},
    {"cancel", "PROFILE", "end the training that the leader has under way",
     "What is live stays, and the profile rests for training.every and 30 s. Exit status 3: no leader says that one is.\n",
     1, 1, 0, false, false, false, command_cancel},
    {"evaluate", "PROFILE", "judge a version of the model by the samples that no training sees",
     "Without --version the live one. The samples of today: those of a training's own figures were others.\n",
     1, 1, BIT(COMMAND_VERSION), true, false, false, command_evaluate},
    {"models", "PROFILE", "list the versions of the model with their figures",
     "With --version all that is known of one, also by script and length: on the rows that its training held out.\n",
     1, 1, BIT(COMMAND_VERSION), false, false, false, command_models},
    {"publish", "PROFILE VERSION", "make a version live, also one that was refused", "",
     2, 2, 0, false, false, false, command_publish},
    {"rollback", "PROFILE", "end the trial of a version, or else go back to the one that was live before",
     "While a version is on trial it is the one that goes, and what is live stays; without one the live version goes. It\n"
     "is refused from then on. A later training may still replace what is live: pin does not let it. --json: the live\n"
     "version as `models` has it, with rolled_back (the version that went) and was_on_trial.\n",
     1, 1, 0, false, false, false, command_rollback},
    {"pin", "PROFILE VERSION", "make a version live and keep it so, whatever is trained", "",
     2, 2, 0, false, false, false, command_pin},
    {"unpin", "PROFILE", "let later versions become live again", "Exit status 3: it was not pinned.\n",
     1, 1, 0, false, false, false, command_unpin},
    {"import", "PROFILE FILE", "store labelled texts of a file of JSON lines or CSV (-: of standard input)",
     "JSON lines have the keys text and label (pass or violation, 0 or 1, false or true), and may have category, source\n"
     "and labelled_us (microseconds since 1970, UTC); CSV has them as columns, named in its first line. source and\n"
     "labelled_us are read with --source file alone; else all rows are of one source, and labelled now. Broken rows are\n"
     "counted and passed over.\n"
     "A text is known by the hash of what is judged when a client sends it as one message: with a line feed behind it,\n"
     "where it does not end with one. So its label decides of what clients send and a model is unsure of, and an import that\n"
     "was interrupted, or is made twice, stores each text once; the second time its labels take the place of the first\n"
     "one's, which are older. A person's label is never overwritten by another source.\n",
     2, 2, BIT(COMMAND_FORMAT) | BIT(COMMAND_SOURCE), true, false, true, command_import},
    {"import-prismguard", "PROFILE DIR", "take over a profile of PrismGuard: its settings as YAML, its history of SQLite",
     "DIR is PrismGuard's configs/mod_profiles/NAME. Its profile.json is printed as a profile of prismguard.yaml; where it\n"
     "is missing, PrismGuard's defaults. With --config its history.db is stored too, as an import; history.rocks is not\n"
     "read, and said to be left out: it is a RocksDB. Written out as JSON lines by PrismGuard's own tools, `import` takes it.\n"
     "Texts are known as those of `import` are. What joins several messages there trains a model here, and decides of no\n"
     "request by itself: each message is judged alone.\n",
     2, 2, 0, true, true, true, command_import_prismguard},
    {"export", "PROFILE", "write all labelled texts of a profile to standard output, in the order of their hashes",
     "Only labels whose text is stored; `import --source file` takes what it writes. Who sent a text and how it came to be\n"
     "reviewed are not in it: each then stands for itself.\n",
     1, 1, BIT(COMMAND_FORMAT) | BIT(COMMAND_SOURCE) | BIT(COMMAND_LABEL), false, false, false, command_export},
    {"samples", "PROFILE [show HASH | relabel HASH LABEL | delete HASH] | delete --key NAME",
     "look at labelled texts, label them anew, delete them",
     "Without a word behind the profile it lists the newest. HASH is what the list shows. `relabel` is a person's word: it\n"
     "counts more than a reviewer's, and stays. `delete` takes a text with all that is known of it; with --key those that\n"
     "were labelled last for a request of this caller's key. A text keeps one key, the last: one that several keys sent goes\n"
     "with that one only, and a request that was answered without a review leaves none. Moderators heed either within 4 s\n"
     "wherever the text would be reviewed, or when they reach the database again. Exit status 3: there was nothing to delete.\n",
     1, 4, BIT(COMMAND_SOURCE) | BIT(COMMAND_LABEL) | BIT(COMMAND_CATEGORY) | BIT(COMMAND_LIMIT) | BIT(COMMAND_KEY), false, false,
     false, command_samples},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const unsigned common = BIT(COMMAND_CONFIG) | BIT(COMMAND_JSON) | BIT(COMMAND_HELP);

void command_write_time(char out[COMMAND_TIME_BYTES], int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, COMMAND_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        (void)snprintf(out, COMMAND_TIME_BYTES, "?");
    }
}

void command_tell_decided(const struct command *command, double decided, double agreement)
{
    (void)fprintf(command->out, "  decided    %.4f without a review\n", decided);
    if (isnan(agreement)) {
        (void)fputs("  agreement  -\n", command->out);
    } else {
        (void)fprintf(command->out, "  agreement  %.4f of those\n", agreement);
    }
}

int command_fail(const struct command *command, const char *what, const char *why)
{
    (void)fprintf(command->errors, PROGRAM " %s: %s: %s\n", command->kind->name, what, why);
    return PROGRAM_FAILED;
}

int command_fail_store(const struct command *command, const char *what, enum status status)
{
    const char *sqlstate = command->store == NULL ? "" : store_sqlstate(command->store);

    (void)fprintf(command->errors, PROGRAM " %s: %s: %s%s%s\n", command->kind->name, what, db_failure(status),
                  sqlstate[0] == '\0' ? "" : ", SQLSTATE ", sqlstate);
    return PROGRAM_FAILED;
}

int command_misused(const struct command *command, const char *what, const char *found)
{
    (void)fprintf(command->errors, PROGRAM " %s: %s, found '%s'; --help tells more\n", command->kind->name, what, found);
    return PROGRAM_USAGE;
}

static int misused_words(const struct command *command, int count, const char *first)
{
    const char *wanted = command->kind->arguments[0] == '\0' ? "no words" : command->kind->arguments;
    const char *quote = count == 0 ? "" : "'";

    (void)fprintf(command->errors, PROGRAM " %s: wants %s, found %s%s%s%s; --help tells more\n", command->kind->name, wanted,
                  count == 0 ? "nothing" : quote, first, quote, count > 1 ? " and more" : "");
    return PROGRAM_USAGE;
}

/* Where an option means less, or something else, than to most. */
static const struct {
    const char *kind;
    enum command_option option;
    const char *help;
} own_help[] = {
    {"export", COMMAND_FORMAT, "FORMAT    jsonl or csv; without it jsonl"},
    {"export", COMMAND_SOURCE, "SOURCE    only what import, reviewer or person labelled"},
    {"samples", COMMAND_SOURCE, "SOURCE    only what import, reviewer or person labelled"},
};

static const char *option_help(const struct command_kind *kind, enum command_option option)
{
    for (size_t index = 0; index < sizeof own_help / sizeof *own_help; index++) {
        if (own_help[index].option == option && strcmp(own_help[index].kind, kind->name) == 0) {
            return own_help[index].help;
        }
    }
    return options[option].help;
}

static void list_kinds(FILE *to)
{
    (void)fputs("usage: " PROGRAM " SUBCOMMAND ... --config FILE [--json]\n\n", to);
    (void)fputs("  run                 the service itself (as without a subcommand)\n", to);
    for (size_t index = 0; index < KINDS; index++) {
        (void)fprintf(to, "  %-19s %s\n", kinds[index].name, kinds[index].purpose);
    }
    (void)fputs("\n" PROGRAM " SUBCOMMAND --help tells more of each; --help of the service.\n", to);
}

static void print_help(const struct command_kind *kind, FILE *to)
{
    (void)fprintf(to, "usage: " PROGRAM " %s %s --config FILE [options]\n\n%c%s.\n%s\n", kind->name, kind->arguments,
                  kind->purpose[0] - 'a' + 'A', kind->purpose + 1, kind->details);
    for (enum command_option option = 0; option < COMMAND_OPTIONS; option++) {
        if (((kind->options | common) & BIT(option)) != 0) {
            (void)fprintf(to, "  --%s %s\n", options[option].name, option_help(kind, option));
        }
    }
    (void)fputs("\nExit status: 0 done, 1 failed (the reason is told), 2 wrong command line.\n", to);
}

/* PROGRAM_OK, or it was told what is wrong. */
static int read_line(struct command *command, int argc, char **argv)
{
    struct option table[COMMAND_OPTIONS + 1] = {{NULL, 0, NULL, 0}};
    unsigned allowed = command->kind->options | common;
    size_t count = 0;
    int found;

    for (int option = 0; option < COMMAND_OPTIONS; option++) {
        if ((allowed & BIT(option)) != 0) {
            table[count++] = (struct option){options[option].name, options[option].has_value, NULL, option};
        }
    }
    optind = 2; /* behind the subcommand */
    opterr = 0;
    while ((found = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (found == '?') {
            return command_misused(command, "an option is not understood or has no value", argv[optind - 1]);
        }
        command->options[found] = optarg == NULL ? "" : optarg;
    }
    if (command->options[COMMAND_HELP] != NULL) {
        return PROGRAM_OK;
    }
    command->argument_count = (size_t)(argc - optind);
    if (command->argument_count < command->kind->arguments_min || command->argument_count > command->kind->arguments_max) {
        return misused_words(command, argc - optind, argc == optind ? "" : argv[optind]);
    }
    for (size_t index = 0; index < command->argument_count; index++) {
        command->arguments[index] = argv[optind + (int)index];
    }
    if (command->options[COMMAND_CONFIG] == NULL && !command->kind->without_database) {
        return command_misused(command, "--config FILE is needed", "");
    }
    return PROGRAM_OK;
}

static int open_settings(struct command *command)
{
    const struct settings *settings;

    if (settings_open(&command->settings, command->options[COMMAND_CONFIG], command->errors) != STATUS_OK) {
        return PROGRAM_FAILED; /* each problem has been told */
    }
    settings = command->settings;
    if (settings->database.url[0] == '\0') {
        return command_fail(command, settings->file, "it names no database.url");
    }
    command->profile = settings_profile(settings, bytes_of(command->arguments[0]));
    if (command->profile == NULL && command->kind->by_settings) {
        return command_fail(command, settings->file, "it has no profile of that name");
    }
    return PROGRAM_OK;
}

int command_read_hash_key(struct command *command)
{
    struct secret secret;
    enum status status = secret_read(&secret, command->settings->database.hash_key_file);

    if (status != STATUS_OK) {
        return command_fail(command, "database.hash_key_file cannot be read", status_sentence(status));
    }
    secret_hash_key(command->hash_key, secret_view(&secret));
    secret_free(&secret);
    return PROGRAM_OK;
}

static int open_secrets(struct command *command)
{
    enum status status = secret_start();

    if (status != STATUS_OK) {
        return command_fail(command, "there is no randomness", status_sentence(status));
    }
    return command->kind->hashes ? command_read_hash_key(command) : PROGRAM_OK;
}

/* Only a leader raises the schema; where there is none, this session is one until it has. */
static enum status raise_schema(struct command *command, int64_t version)
{
    struct store *store = NULL;
    bool locked = false;
    enum status status = store_open(&store, &command->settings->database, NULL);

    if (status == STATUS_OK) {
        status = store_try_lock(store, &locked);
    }
    if (status == STATUS_OK && !locked) {
        status = STATUS_AGAIN;
    }
    if (status == STATUS_OK) {
        status = store_schema_version(store, &version); /* as it is under the lock */
    }
    while (status == STATUS_OK && version < SCHEMA_VERSION) {
        status = store_raise_schema(store, ++version);
    }
    store_close(&store);
    return status;
}

static int open_store(struct command *command)
{
    int64_t version = 0;
    enum status status = store_open(&command->store, &command->settings->database, NULL);

    if (status == STATUS_OK) {
        status = store_schema_version(command->store, &version);
    }
    if (status == STATUS_OK && version > SCHEMA_VERSION) {
        return command_fail(command, "cannot use this database", "its schema is newer than this program");
    }
    if (status == STATUS_OK && version < SCHEMA_VERSION) {
        status = raise_schema(command, version);
        if (status == STATUS_AGAIN) {
            return command_fail(command, "cannot use this database", "a trainer leads that knows only an older schema");
        }
    }
    return status == STATUS_OK ? PROGRAM_OK : command_fail_store(command, "cannot use the database", status);
}

bool command_profile(const struct command *command, bool make, int64_t *out_profile_id)
{
    struct bytes name = bytes_of(command->arguments[0]);
    enum status status = make ? store_make_profile(command->store, name, out_profile_id)
                              : store_find_profile(command->store, name, out_profile_id);
    int ignored = PROGRAM_OK;

    if (status == STATUS_NOT_FOUND) {
        ignored = command_fail(command, command->arguments[0], "the database has nothing of a profile of that name");
    } else if (status != STATUS_OK) {
        ignored = command_fail_store(command, "cannot find the profile", status);
    }
    (void)ignored;
    return status == STATUS_OK;
}

static void close_command(struct command *command)
{
    store_close(&command->store);
    settings_close(&command->settings);
    explicit_bzero(command->hash_key, sizeof command->hash_key);
}

/* With the subcommand's command line read. */
static int work(struct command *command)
{
    bool connects = command->options[COMMAND_CONFIG] != NULL;
    int code = connects ? open_settings(command) : PROGRAM_OK;

    if (code == PROGRAM_OK && connects) {
        code = open_secrets(command);
    }
    if (code == PROGRAM_OK && connects) {
        code = open_store(command);
    }
    if (code == PROGRAM_OK) {
        code = command->kind->run(command);
    }
    /* An answer that went nowhere was not given. */
    if (fflush(command->out) != 0 || ferror(command->out) != 0) {
        code = command_fail(command, "standard output", "it cannot be written");
    }
    close_command(command);
    return code;
}

static const struct command_kind *find_kind(const char *name, FILE *errors)
{
    for (size_t index = 0; index < KINDS; index++) {
        if (strcmp(name, kinds[index].name) == 0) {
            return &kinds[index];
        }
    }
    (void)fprintf(errors, PROGRAM ": there is no subcommand '%s'; " PROGRAM " help lists them\n", name);
    return NULL;
}

/* `help NAME` is what `NAME --help` is; the service's own help is `--help`. */
static int help(int argc, char **argv, FILE *out, FILE *errors)
{
    const struct command_kind *kind;

    if (argc == 2 || strcmp(argv[2], "run") == 0) {
        list_kinds(out);
        return PROGRAM_OK;
    }
    kind = find_kind(argv[2], errors);
    if (kind == NULL) {
        return PROGRAM_USAGE;
    }
    print_help(kind, out);
    return PROGRAM_OK;
}

int command_run(int argc, char **argv, FILE *out, FILE *errors)
{
    struct command command = {.out = out, .errors = errors};
    int code;

    assert(argc > 1);
    if (strcmp(argv[1], "help") == 0) {
        return help(argc, argv, out, errors);
    }
    command.kind = find_kind(argv[1], errors);
    if (command.kind == NULL) {
        return PROGRAM_USAGE;
    }
    code = read_line(&command, argc, argv);
    if (code != PROGRAM_OK) {
        return code;
    }
    if (command.options[COMMAND_HELP] != NULL) {
        print_help(command.kind, out);
        return PROGRAM_OK;
    }
    return work(&command);
}
