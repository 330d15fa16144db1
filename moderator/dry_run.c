/* dry_run: reads command line, settings, model and text; judges, and measures each stage by itself. */
#include "moderator/dry_run.h"

#include "moderator/dry_run_report.h"
#include "moderator/feed_shelf.h"
#include "moderator/feed_table.h"
#include "moderator/file.h"
#include "moderator/judge.h"
#include "proto/limits.h"
#include "proto/program.h"
#include "proto/secret.h"
#include "proto/utf8.h"

#include <getopt.h>
#include <string.h>
#include <time.h>

#define TOLD_AS "prismguard-moderator judge: "

enum { FILE_MODEL_VERSION = 1 }; /* any but 0, which means none */

/* The command line. */
struct wish {
    const char *config;
    const char *profile;
    const char *model_file; /* NULL: the database's */
    bool no_model;
    bool json;
    bool help;
};

/* All that is held. */
struct session {
    struct wish wish;
    FILE *errors;
    struct settings *settings;
    struct buffer text;
    struct buffer task_body;
    struct buffer task;
    struct buffer keyword;
    struct rules *rules;
    struct live *live;
    struct judge *judge;
    struct live_view *view;
    struct model_room *room;
    struct keyword_scanner *scanner;
    struct dry_run run;
};

static void say_usage(FILE *to)
{
    (void)fprintf(to,
                  "usage: prismguard-moderator judge --config FILE --profile NAME [--model FILE | --no-model] [--json] < TEXT\n\n"
                  "Judges one text as a moderator with these settings would, and prints the verdict and every stage's figure:\n"
                  "which keyword matched, what the model says, whether a review would be asked. Asks no reviewer, keeps and\n"
                  "sends nothing.\n\n"
                  "  --config FILE   prismguard.yaml\n"
                  "  --profile NAME  the profile to judge by\n"
                  "  --model FILE    score with the model of FILE; without it with the live one of the database, or where that\n"
                  "                  cannot be read with the last good copy in moderator.state_dir\n"
                  "  --no-model      judge as a moderator does that has no model yet\n"
                  "  --json          print one JSON object\n"
                  "  --help          print this text\n\n"
                  "Exit status: 0 allowed, 1 not judged (the reason is told), 2 wrong command line, 3 blocked,\n"
                  "4 unsure: a review would decide.\n");
}

/* False: it was said what is wrong. */
static bool read_wish(struct wish *out, int argc, char **argv, FILE *errors)
{
    enum { CONFIG, PROFILE, MODEL, NO_MODEL, JSON, HELP };
    static const struct option options[] = {
        {"config", required_argument, NULL, CONFIG}, {"profile", required_argument, NULL, PROFILE},
        {"model", required_argument, NULL, MODEL},   {"no-model", no_argument, NULL, NO_MODEL},
        {"json", no_argument, NULL, JSON},           {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    int option;

    optind = 2; /* behind "judge" */
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case CONFIG:
            out->config = optarg;
            break;
        case PROFILE:
            out->profile = optarg;
            break;
        case MODEL:
            out->model_file = optarg;
            break;
        case NO_MODEL:
            out->no_model = true;
            break;
        case JSON:
            out->json = true;
            break;
        case HELP:
            out->help = true;
            break;
        default:
            (void)fprintf(errors, TOLD_AS "'%s' is not understood; --help tells more\n", argv[optind - 1]);
            return false;
        }
    }
    if (optind < argc) {
        (void)fprintf(errors, TOLD_AS "'%s' is not understood; the text comes from standard input\n", argv[optind]);
        return false;
    }
    if (!out->help && (out->config == NULL || out->profile == NULL)) {
        (void)fprintf(errors, TOLD_AS "--config FILE and --profile NAME are needed\n");
        return false;
    }
    if (out->model_file != NULL && out->no_model) {
        (void)fprintf(errors, TOLD_AS "--model and --no-model exclude each other\n");
        return false;
    }
    return true;
}

/* Says what failed and returns that it did. */
static bool tell(const struct session *session, const char *what, const char *which, const char *why)
{
    (void)fprintf(session->errors, TOLD_AS "%s%s: %s\n", what, which, why);
    return false;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The settings with nothing but the wished profile, drawn for no review. */
static bool open_settings(struct session *session)
{
    const struct profile_settings *profile;
    struct settings *settings;

    if (settings_open(&session->settings, session->wish.config, session->errors) != STATUS_OK) {
        return false; /* each problem has been told */
    }
    settings = session->settings;
    profile = settings_profile(settings, bytes_of(session->wish.profile));
    if (profile == NULL) {
        (void)fprintf(session->errors, TOLD_AS "%s has no profile %s; it has", session->wish.config, session->wish.profile);
        for (size_t index = 0; index < settings->profile_count; index++) {
            (void)fprintf(session->errors, "%s %s", index == 0 ? "" : ",", settings->profiles[index].name);
        }
        (void)fputs(settings->profile_count == 0 ? " none\n" : "\n", session->errors);
        return false;
    }
    memmove(&settings->profiles[0], profile, sizeof *profile);
    settings->profile_count = 1;
    session->run.settings_file = settings->file;
    session->run.profile = &settings->profiles[0];
    session->run.sample_rate = settings->profiles[0].review.sample_rate;
    settings->profiles[0].review.sample_rate = 0;
    return true;
}

static bool read_text(struct session *session, int in)
{
    char bound[64];
    enum status status;

    buffer_init(&session->text, session->settings->gateway.limits.moderated_text_bytes);
    status = file_read_rest(in, &session->text);
    if (status == STATUS_TOO_LARGE) {
        (void)snprintf(bound, sizeof bound, "more than the %zu bytes of gateway.limits.moderated_text", session->text.max);
        return tell(session, "the text cannot be judged", "", bound);
    }
    if (status != STATUS_OK) {
        return tell(session, "the text cannot be read", "", status_sentence(status));
    }
    session->run.text = buffer_view(&session->text);
    if (utf8_sound_bytes(session->run.text) < session->run.text.count) {
        return tell(session, "the text cannot be judged", "", "it is not UTF-8");
    }
    return true;
}

static bool open_rules(struct session *session)
{
    enum status status = rules_open(&session->rules, session->settings, session->errors);

    if (status == STATUS_OK) {
        status = live_open(&session->live, 1);
    }
    return status == STATUS_OK || tell(session, "the keywords cannot be used", "", status_sentence(status));
}

/* Takes the model. */
static enum status use_model(struct session *session, struct model *model, uint64_t version)
{
    size_t number = 0;
    enum model_kind kind = model_kind_of(model);
    enum status status = live_number(session->live, session->run.profile->name, &number);

    if (status == STATUS_OK) {
        status = live_put(session->live, number, model, version);
    }
    if (status != STATUS_OK) {
        model_close(&model);
        return status;
    }
    session->run.model_version = version;
    session->run.model_kind = kind;
    return STATUS_OK;
}

static bool read_model_file(struct session *session)
{
    struct buffer file;
    struct model *model = NULL;
    enum status status;

    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    status = file_read(session->wish.model_file, &file);
    if (status == STATUS_OK) {
        status = model_open(&model, buffer_view(&file));
    }
    buffer_free(&file);
    if (status == STATUS_OK) {
        status = use_model(session, model, FILE_MODEL_VERSION);
    }
    session->run.model_from = DRY_RUN_FILE;
    session->run.model_file = session->wish.model_file;
    return status == STATUS_OK || tell(session, "cannot use the model ", session->wish.model_file, status_sentence(status));
}

static enum status on_row(void *context, const struct feed_row *row)
{
    struct session *session = context;
    struct model *model = NULL;
    enum status status;

    if (row->is_trial) {
        return STATUS_OK; /* what most are judged by is asked for */
    }
    status = feed_row_model(row, &model);
    return status == STATUS_OK ? use_model(session, model, row->version) : status;
}

/* What a moderator would start with that finds the database so. */
static bool read_model_copy(struct session *session, const char *no_database)
{
    enum status status = feed_shelf_look(session->settings, 0, on_row, session);

    if (status == STATUS_NOT_FOUND) {
        return tell(session, "cannot read the model from database.url (--model FILE or --no-model does without)", "",
                    no_database);
    }
    if (status != STATUS_OK) {
        return tell(session, "cannot read the model from database.url, nor its copy in ", session->settings->moderator.state_dir,
                    status_sentence(status));
    }
    session->run.model_from = DRY_RUN_STATE_DIR;
    session->run.no_database = no_database;
    session->run.state_dir = session->settings->moderator.state_dir;
    return true;
}

static bool read_model_row(struct session *session)
{
    static const struct db_watch nobody = {NULL, NULL};
    struct feed_table *table = NULL;
    enum status status = feed_table_open(&table, session->settings, MODEL_FILE_BYTES_MAX, &nobody);

    if (status == STATUS_OK) {
        status = feed_table_read(table, 0, on_row, session);
    }
    feed_table_close(&table);
    if (status != STATUS_OK) {
        return read_model_copy(session, db_failure(status));
    }
    session->run.model_from = session->run.model_version == 0 ? DRY_RUN_NO_MODEL : DRY_RUN_DATABASE;
    session->run.no_model = "the database has none for this profile yet";
    return true;
}

static bool open_model(struct session *session)
{
    if (session->run.profile->model_kind == MODEL_KIND_NONE) {
        session->run.no_model = "the profile wants none";
        return session->wish.model_file == NULL ||
               tell(session, "cannot use the model ", session->wish.model_file, "the profile wants none");
    }
    if (session->wish.no_model) {
        session->run.no_model = "it was asked for none";
        return true;
    }
    if (session->wish.model_file != NULL) {
        return read_model_file(session);
    }
    if (session->settings->database.url[0] == '\0') {
        session->run.no_model = "the settings name no database to read it from";
        return true;
    }
    return read_model_row(session);
}

/* The verdict, by the frame that a gateway would send. */
static enum status judge_text(struct session *session)
{
    const struct judge_parts parts = {.rules = session->rules, .live = session->live};
    const struct message_task_head head = {.kind = SLOT_LOCAL};
    const struct segment segment = {.role = SCOPE_USER, .text = session->run.text};
    struct message_task task;
    struct message_body body;
    enum status status = judge_open(&session->judge, &parts);

    buffer_init(&session->task_body, session->text.max + TASK_OVERHEAD_BYTES_MAX);
    buffer_init(&session->task, session->text.max + TASK_OVERHEAD_BYTES_MAX);
    if (status == STATUS_OK) {
        status = message_body_open(&body, &session->task_body, (struct bytes){NULL, 0}, bytes_of(session->run.profile->name));
    }
    if (status == STATUS_OK) {
        status = message_body_add(&body, &segment);
    }
    if (status == STATUS_OK) {
        message_body_end(&body);
        status = message_write_task(&head, buffer_view(&session->task_body), &session->task);
    }
    if (status == STATUS_OK) {
        status = message_read_task(buffer_view(&session->task), &task);
    }
    return status == STATUS_OK ? judge_task(session->judge, &task, &session->run.verdict) : status;
}

static enum status find_keyword(struct session *session, struct keyword_place place)
{
    struct dry_run *run = &session->run;
    enum status status;

    run->keyword_file = run->profile->keyword_files[place.file];
    run->keyword_line = place.line;
    buffer_init(&session->keyword, KEYWORD_BYTES_MAX + 3); /* "re:" */
    status = keyword_read(run->keyword_file, place.line, &session->keyword);
    run->keyword = buffer_view(&session->keyword);
    return status;
}

static enum status measure_keywords(struct session *session)
{
    struct dry_run *run = &session->run;
    struct keywords *const *lists = rules_keywords(session->rules);
    enum status status = keyword_scanner_open(&session->scanner, lists, 1);
    uint64_t begun_ns = now_ns();

    run->keyword_count = keywords_count(lists[0]);
    if (status == STATUS_OK) {
        begun_ns = now_ns();
        status = keywords_scan(lists[0], session->scanner, run->text, &run->keyword_hit);
    }
    run->keywords_ns = now_ns() - begun_ns;
    return status == STATUS_OK && run->keyword_hit ? find_keyword(session, keyword_scanner_place(session->scanner)) : status;
}

static enum status measure_model(struct session *session)
{
    struct dry_run *run = &session->run;
    const struct model *model;
    uint64_t version, begun_ns;
    enum status status = live_view_open(&session->view, session->live);

    if (status == STATUS_OK) {
        status = model_room_open(&session->room);
    }
    if (status != STATUS_OK) {
        return status;
    }
    model = live_view_model(session->view, 0, &version);
    if (model != NULL) {
        begun_ns = now_ns();
        run->reading = model_read(model, session->room, run->text, NULL);
        run->model_ns = now_ns() - begun_ns;
    }
    return STATUS_OK;
}

/* What a judge says comes first: it warms the caches for what is measured. */
static bool judge_all(struct session *session)
{
    enum status status = judge_text(session);

    if (status == STATUS_OK) {
        status = measure_keywords(session);
    }
    if (status == STATUS_OK) {
        status = measure_model(session);
    }
    return status == STATUS_OK || tell(session, "the text cannot be judged", "", status_sentence(status));
}

static void close_session(struct session *session)
{
    keyword_scanner_close(&session->scanner);
    model_room_close(&session->room);
    live_view_close(&session->view);
    judge_close(&session->judge);
    live_close(&session->live);
    rules_release(&session->rules);
    buffer_free(&session->keyword);
    buffer_free(&session->task);
    buffer_free(&session->task_body);
    buffer_free(&session->text);
    settings_close(&session->settings);
}

static int report(struct session *session, FILE *out)
{
    static const int codes[] = {
        [OUTCOME_ALLOW] = PROGRAM_OK, [OUTCOME_BLOCK] = DRY_RUN_BLOCKED, [OUTCOME_UNSURE] = DRY_RUN_UNSURE};
    enum status status = STATUS_OK;

    if (session->wish.json) {
        status = dry_run_tell_json(&session->run, out);
    } else {
        dry_run_tell(&session->run, out);
    }
    if (status != STATUS_OK || fflush(out) != 0 || ferror(out) != 0) {
        (void)tell(session, "standard output cannot be written", "", status_sentence(status == STATUS_OK ? STATUS_IO : status));
        return PROGRAM_FAILED;
    }
    return codes[session->run.verdict.outcome];
}

int dry_run_command(int argc, char **argv, int in, FILE *out, FILE *errors)
{
    struct session session = {.errors = errors};
    int code = PROGRAM_FAILED;

    if (!read_wish(&session.wish, argc, argv, errors)) {
        return PROGRAM_USAGE;
    }
    if (session.wish.help) {
        say_usage(out);
        return PROGRAM_OK;
    }
    if (secret_start() != STATUS_OK) {
        (void)tell(&session, "the system has no randomness", "", status_sentence(STATUS_UNAVAILABLE));
        return PROGRAM_FAILED;
    }
    if (open_settings(&session) && read_text(&session, in) && open_rules(&session) && open_model(&session) &&
        judge_all(&session)) {
        code = report(&session, out);
    }
    close_session(&session);
    return code;
}
