/* main: prismguard-moderator: judges texts for gateways, asks reviewing LLMs, keeps labels, follows new models. */
#include "moderator/dry_run.h"
#include "moderator/feed.h"
#include "moderator/feed_table.h"
#include "moderator/history.h"
#include "moderator/live.h"
#include "moderator/lookup.h"
#include "moderator/memory_bound.h"
#include "moderator/recent.h"
#include "moderator/retired.h"
#include "moderator/review.h"
#include "moderator/review_call.h"
#include "moderator/review_profile.h"
#include "moderator/rules.h"
#include "moderator/worker.h"
#include "proto/admin.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/program.h"
#include "proto/secret.h"
#include "proto/wire.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads and compiles the keyword lists as a start would. */
static enum status check_keywords(const struct settings *settings, FILE *errors)
{
    struct rules *rules = NULL;
    enum status status = rules_open(&rules, settings, errors);

    if (status != STATUS_OK && status != STATUS_MALFORMED) { /* which has said where */
        (void)fprintf(errors, "%s: the keywords cannot be used: %s\n", settings->file, status_sentence(status));
    }
    rules_release(&rules);
    return status;
}

static const struct program_service service = {
    .name = "moderator",
    .purpose = "judges texts for the gateways by keywords, a local model and a reviewing LLM; prismguard-moderator judge judges "
               "one text and tells why",
    .memory = memory_bound_reckon,
    .check = check_keywords,
};

enum { WHAT_BYTES = PATH_BYTES_MAX + 64 };

/* What follows new models; empty without a database. */
struct following {
    struct rules *rules; /* held for the feed */
    struct feed *feed;
};

/* What asks reviewing LLMs and keeps what they say. */
struct reviewing {
    struct rules *rules; /* held for both */
    struct history *history; /* NULL = no labels are kept */
    struct review *review;   /* NULL = no profile has one */
};

struct moderator {
    const struct settings *settings;
    char identity[WORKER_ID_BYTES]; /* of this process, in every READY */
    struct metrics *metrics;
    struct wire_security *security; /* NULL = no CURVE */
    struct lookup *gateways;
    struct lookup *trainers;
    struct rules *rules; /* of the tasks to come */
    struct live *live;
    struct recent *recent;
    struct following following;
    struct reviewing reviewing;
    struct worker *worker;
    struct retired retired; /* what reloads replaced */
    struct admin *admin;   /* NULL = off */
    _Atomic bool leaving;
    _Atomic(const char *) labels_wait; /* why; NULL = they do not */
};

static bool alive(void *context, const char **why)
{
    (void)context;
    (void)why;
    return true; /* the process answers; what it needs from others is readiness */
}

static bool ready(void *context, const char **why)
{
    const struct moderator *moderator = context;
    uint64_t heard_ms = worker_heard_ms(moderator->worker);

    if (atomic_load(&moderator->leaving)) {
        *why = "leaving";
        return false;
    }
    if (heard_ms == 0 || clock_ms() - heard_ms >= GATEWAY_SILENCE_MS) {
        *why = "no gateway was heard for 3 s";
        return false;
    }
    return true;
}

/* Requests are judged all the same. */
static const char *note(void *context)
{
    const struct moderator *moderator = context;

    return atomic_load(&moderator->labels_wait);
}

static enum status open_security(struct moderator *moderator)
{
    return wire_security_start(&moderator->security, moderator->settings->curve.dir, WIRE_MODERATOR, moderator->metrics);
}

static void tell_keywords(const struct moderator *moderator)
{
    const struct rules *rules = moderator->rules;

    series_set(metrics_series(moderator->metrics, METRIC_GAUGE, "prismguard_moderator_keywords",
                              "Keywords of all profiles that are in use", NULL, 0),
               (int64_t)rules_keyword_count(rules));
    log_event(LOG_INFO, "keywords_loaded", LOG_NUMBER("profiles", rules_settings(rules)->profile_count),
              LOG_NUMBER("keywords", rules_keyword_count(rules)));
}

static enum status open_rules(struct moderator *moderator)
{
    enum status status = rules_open(&moderator->rules, moderator->settings, stderr);

    if (status == STATUS_OK) {
        tell_keywords(moderator);
    }
    return status;
}

static enum status open_lookups(struct moderator *moderator)
{
    const struct moderator_settings *settings = &moderator->settings->moderator;
    const struct lookup_options gateways = {.endpoints = &settings->gateways, .what = "gateways", .metrics = moderator->metrics};
    const struct lookup_options trainers = {.endpoints = &settings->models, .what = "models", .metrics = moderator->metrics};
    enum status status = lookup_open(&moderator->gateways, &gateways);

    return status == STATUS_OK ? lookup_open(&moderator->trainers, &trainers) : status;
}

static bool has_database(const struct moderator *moderator)
{
    return moderator->settings->database.url[0] != '\0';
}

static bool keeps_labels(const struct settings *settings)
{
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (settings->profiles[index].review.url[0] != '\0' && settings->profiles[index].store != STORE_OFF) {
            return true;
        }
    }
    return false;
}

static enum status open_following(const struct moderator *moderator, struct rules *rules, struct following *out)
{
    const struct feed_parts parts = {rules_settings(rules), moderator->live, moderator->metrics, moderator->trainers,
                                     moderator->security};
    enum status status = feed_open(&out->feed, &parts);

    if (status == STATUS_OK) {
        out->rules = rules_hold(rules);
    }
    return status;
}

static void close_following(struct following *following)
{
    feed_close(&following->feed);
    rules_release(&following->rules);
}

/* `out` is empty; on failure it is half-built, to be closed. */
static enum status open_reviewing(struct moderator *moderator, struct rules *rules, struct reviewing *out, FILE *errors)
{
    const struct settings *settings = rules_settings(rules);
    struct review_parts parts = {
        .rules = rules,
        .recent = moderator->recent,
        .metrics = moderator->metrics,
        .gateways = moderator->gateways,
        .identity = {moderator->identity, sizeof moderator->identity},
        .security = moderator->security,
    };
    enum status status = STATUS_OK;

    out->rules = rules_hold(rules);
    if (has_database(moderator) && keeps_labels(settings)) {
        status = history_open(&out->history, settings, moderator->recent, moderator->metrics, &moderator->labels_wait);
        if (status != STATUS_OK) {
            (void)fprintf(errors, "%s: database.hash_key_file: labels cannot be kept: %s\n", settings->file,
                          status_sentence(status));
        }
    }
    if (status == STATUS_OK && review_wanted(settings)) {
        parts.history = out->history;
        status = review_open(&out->review, &parts, errors);
    }
    return status;
}

static void close_reviewing(struct reviewing *reviewing)
{
    review_close(&reviewing->review);
    history_close(&reviewing->history);
    rules_release(&reviewing->rules);
}

static enum status follow_models(struct moderator *moderator)
{
    return has_database(moderator) ? open_following(moderator, moderator->rules, &moderator->following) : STATUS_OK;
}

static enum status start_reviews(struct moderator *moderator)
{
    return open_reviewing(moderator, moderator->rules, &moderator->reviewing, stderr);
}

static enum status open_worker(struct moderator *moderator)
{
    const struct worker_parts parts = {
        .judge = {.rules = moderator->rules, .live = moderator->live, .recent = moderator->recent},
        .metrics = moderator->metrics,
        .gateways = moderator->gateways,
        .identity = {moderator->identity, sizeof moderator->identity},
        .security = moderator->security,
    };

    return worker_open(&moderator->worker, &parts);
}

static enum status open_admin(struct moderator *moderator)
{
    const struct admin_hooks hooks = {.alive = alive, .ready = ready, .note = note, .context = moderator};
    const char *listen = moderator->settings->moderator.admin_listen;

    return listen[0] == '\0' ? STATUS_OK : admin_open(&moderator->admin, listen, moderator->metrics, &hooks);
}

/* Everything in its order; on failure `what` says at which step. */
static enum status open_all(struct moderator *moderator, char what[WHAT_BYTES])
{
    const struct {
        const char *what;
        const char *where; /* follows it, or "" */
        enum status (*open)(struct moderator *moderator);
    } steps[] = {
        {"use the keys in ", moderator->settings->curve.dir, open_security},
        {"read the keywords", "", open_rules},
        {"look for moderator.gateways and moderator.models", "", open_lookups},
        {"follow the models (moderator.models)", "", follow_models},
        {"start the workers", "", open_worker},
        {"start the reviews and keep their labels", "", start_reviews},
        {"listen for admins on ", moderator->settings->moderator.admin_listen, open_admin},
    };
    enum status status = STATUS_OK;

    if (!has_database(moderator)) {
        log_event(LOG_WARN, "database_off", LOG_TEXT("means", "no model is loaded and no label is kept"));
    }
    for (size_t index = 0; status == STATUS_OK && index < sizeof steps / sizeof *steps; index++) {
        (void)snprintf(what, WHAT_BYTES, "%s%s", steps[index].what, steps[index].where);
        status = steps[index].open(moderator);
    }
    return status;
}

/* What a reload renews; an empty part stays as it is. */
struct renewal {
    struct rules *rules;
    struct wire_security_keys *keys;
    struct following following;
    struct reviewing reviewing;
};

static bool has_threads(const struct renewal *renewal)
{
    return renewal->following.rules != NULL || renewal->reviewing.rules != NULL;
}

static void close_renewal(void *what)
{
    struct renewal *renewal = what;

    close_reviewing(&renewal->reviewing);
    close_following(&renewal->following);
    wire_security_drop(&renewal->keys);
    rules_release(&renewal->rules);
    free(renewal);
}

static enum status read_keys(const struct moderator *moderator, struct wire_security_keys **out, FILE *errors)
{
    enum status status = wire_security_read(moderator->security, out);

    if (status != STATUS_OK) {
        (void)fprintf(errors, "%s: curve.dir: the keys cannot be used: %s\n", moderator->settings->file, status_sentence(status));
    }
    return status;
}

/* New slots and followers, where the old ones do not do. */
static enum status prepare_threads(struct moderator *moderator, const struct settings *fresh, struct renewal *out, FILE *errors)
{
    bool follows = has_database(moderator) && !feed_table_alike(rules_settings(moderator->following.rules), fresh);
    bool reviews = !rules_review_alike(moderator->reviewing.rules, out->rules);
    enum status status = STATUS_OK;

    if ((follows || reviews) && !retired_has_room(&moderator->retired)) {
        (void)fprintf(errors, "%s: reviews of %d earlier reloads have not ended yet: try again\n", fresh->file, RETIRED_MAX);
        return STATUS_FULL;
    }
    if (follows) {
        status = open_following(moderator, out->rules, &out->following);
    }
    if (status == STATUS_OK && reviews) {
        status = open_reviewing(moderator, out->rules, &out->reviewing, errors);
    }
    return status;
}

/* All that can fail, beside what runs: new slots are there before old ones leave. The workers take the rules last. */
static enum status prepare(struct moderator *moderator, const struct settings *fresh, struct renewal *out, FILE *errors)
{
    enum status status = rules_open(&out->rules, fresh, errors);

    if (status == STATUS_OK) {
        status = read_keys(moderator, &out->keys, errors);
    }
    if (status == STATUS_OK) {
        status = prepare_threads(moderator, fresh, out, errors);
    }
    if (status == STATUS_OK) {
        status = worker_use_rules(moderator->worker, out->rules);
    }
    return status;
}

/* Puts what was prepared in the place of what runs, and that into `renewal`. Cannot fail. */
static void exchange(struct moderator *moderator, struct renewal *renewal)
{
    struct rules *rules = moderator->rules;

    moderator->rules = renewal->rules;
    renewal->rules = rules;
    wire_security_use(moderator->security, &renewal->keys);
    if (renewal->following.rules != NULL) {
        struct following before = moderator->following;

        moderator->following = renewal->following;
        renewal->following = before;
    }
    if (renewal->reviewing.rules != NULL) {
        struct reviewing before = moderator->reviewing;

        moderator->reviewing = renewal->reviewing;
        renewal->reviewing = before;
    }
}

/* Keywords, profiles, prompts, reviewers' keys and CURVE keys. Tasks and reviews that run end as they began. */
static enum status reload(void *context, struct settings **fresh, FILE *errors)
{
    struct moderator *moderator = context;
    struct renewal *renewal = calloc(1, sizeof *renewal);
    enum status status;

    if (renewal == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = prepare(moderator, *fresh, renewal, errors);
    if (status == STATUS_OK) {
        if (recent_fit(moderator->recent, *fresh) != STATUS_OK) {
            log_event(LOG_WARN, "cache_off", LOG_TEXT("means", "there is no memory to know texts again, all are judged anew"));
        }
        live_limit(moderator->live, (size_t)(*fresh)->moderator.live_models, moderator->metrics);
        rules_own(renewal->rules, *fresh);
        *fresh = NULL;
        exchange(moderator, renewal);
        tell_keywords(moderator);
    }
    /* What was replaced, or what could not be used. Where threads must end first, another one waits for them. */
    if (has_threads(renewal)) {
        retired_take(&moderator->retired, close_renewal, renewal);
    } else {
        close_renewal(renewal);
    }
    return status;
}

/* What needs others ends before what they need: slots, then the labels they made. */
static void close_all(struct moderator *moderator)
{
    atomic_store(&moderator->leaving, true);
    if (moderator->worker != NULL) {
        worker_leave(moderator->worker);
    }
    if (moderator->reviewing.review != NULL) {
        review_leave(moderator->reviewing.review);
    }
    retired_join(&moderator->retired);
    close_reviewing(&moderator->reviewing);
    close_following(&moderator->following);
    admin_close(&moderator->admin); /* before the workers that it asks */
    worker_close(&moderator->worker);
    recent_close(&moderator->recent);
    lookup_close(&moderator->gateways);
    lookup_close(&moderator->trainers);
    live_close(&moderator->live);
    rules_release(&moderator->rules);
    wire_security_close(&moderator->security);
    metrics_close(&moderator->metrics);
}

/* The libraries and what all parts share. */
static enum status begin(struct moderator *moderator)
{
    enum status status = wire_start();

    secret_random(moderator->identity, sizeof moderator->identity);
    if (status == STATUS_OK) {
        status = review_call_start_library();
    }
    if (status == STATUS_OK) {
        status = metrics_open(&moderator->metrics);
    }
    if (status == STATUS_OK) {
        status = live_open(&moderator->live, PROFILES_MAX);
    }
    if (status == STATUS_OK) {
        live_limit(moderator->live, (size_t)moderator->settings->moderator.live_models, moderator->metrics);
    }
    if (status == STATUS_OK) {
        status = recent_open(&moderator->recent, moderator->live, moderator->metrics);
    }
    if (status == STATUS_OK) {
        status = recent_fit(moderator->recent, moderator->settings);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct program *program = NULL;
    struct moderator moderator = {0};
    char what[WHAT_BYTES] = "start";
    enum status status;
    int code;

    if (argc > 1 && strcmp(argv[1], "judge") == 0) {
        return dry_run_command(argc, argv, STDIN_FILENO, stdout, stderr);
    }
    code = program_open(&program, &service, argc, argv);
    if (program == NULL) {
        return code;
    }
    moderator.settings = program_settings(program);
    status = begin(&moderator);
    if (status == STATUS_OK) {
        status = open_all(&moderator, what);
    }
    if (status == STATUS_OK) {
        memory_bound_export(program_memory(program), moderator.metrics);
        log_event(LOG_INFO, "serving", LOG_NUMBER("gateways", moderator.settings->moderator.gateways.count),
                  LOG_NUMBER("profiles", moderator.settings->profile_count));
        program_on_reload(program, reload, moderator.metrics, &moderator);
        program_wait_for_end(program);
        (void)alarm(MODERATOR_END_S);
    } else {
        code = program_fail(program, what, status);
    }
    close_all(&moderator);
    program_close(&program);
    return code;
}
