/* main: prismguard-moderator: judges texts for gateways, asks reviewing LLMs, keeps labels, follows new models. */
#include "moderator/feed.h"
#include "moderator/history.h"
#include "moderator/keywords.h"
#include "moderator/live.h"
#include "moderator/review.h"
#include "moderator/review_call.h"
#include "moderator/worker.h"
#include "proto/admin.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/program.h"
#include "proto/secret.h"
#include "proto/wire.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static const char purpose[] = "judges texts for the gateways by keywords, a local model and a reviewing LLM";

struct moderator {
    const struct settings *settings;
    char identity[WORKER_ID_BYTES]; /* of this process, in every READY */
    struct metrics *metrics;
    struct wire_security *security; /* NULL = no CURVE */
    struct keywords **keywords; /* one a profile */
    struct live *live;
    struct history *history; /* NULL = no labels are kept */
    struct feed *feed;       /* NULL = no models are followed */
    struct worker *worker;
    struct review *review; /* NULL = no profile has one */
    struct admin *admin;   /* NULL = off */
    _Atomic bool leaving;
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

static enum status open_security(struct moderator *moderator)
{
    const char *dir = moderator->settings->curve.dir;

    return dir[0] == '\0' ? STATUS_OK : wire_security_open(&moderator->security, dir, WIRE_MODERATOR);
}

/* All lists are read before the first failure is returned, so that all their problems are told at once. */
static enum status open_keywords(struct moderator *moderator)
{
    const struct settings *settings = moderator->settings;
    enum status first = STATUS_OK;
    size_t count = 0;

    moderator->keywords = calloc(settings->profile_count, sizeof(struct keywords *));
    if (moderator->keywords == NULL && settings->profile_count > 0) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];
        enum status status;

        status = keywords_open(&moderator->keywords[index], profile->keyword_files, profile->keyword_file_count, stderr);

        first = first == STATUS_OK ? status : first;
        count += status == STATUS_OK ? keywords_count(moderator->keywords[index]) : 0;
    }
    if (first == STATUS_OK) {
        log_event(LOG_INFO, "keywords_loaded", LOG_NUMBER("profiles", settings->profile_count), LOG_NUMBER("keywords", count));
    }
    return first;
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

static enum status open_feed(struct moderator *moderator)
{
    const struct feed_parts parts = {moderator->settings, moderator->live, moderator->metrics, moderator->security};

    return feed_open(&moderator->feed, &parts);
}

static enum status open_worker(struct moderator *moderator)
{
    const struct worker_parts parts = {
        .judge = {moderator->settings, moderator->keywords, moderator->live},
        .metrics = moderator->metrics,
        .identity = {moderator->identity, sizeof moderator->identity},
        .security = moderator->security,
    };

    return worker_open(&moderator->worker, &parts);
}

static enum status open_review(struct moderator *moderator)
{
    const struct review_parts parts = {
        .settings = moderator->settings,
        .metrics = moderator->metrics,
        .history = moderator->history,
        .identity = {moderator->identity, sizeof moderator->identity},
        .security = moderator->security,
    };

    if (!review_wanted(moderator->settings)) {
        return STATUS_OK;
    }
    return review_open(&moderator->review, &parts, stderr);
}

static enum status open_history(struct moderator *moderator)
{
    if (!keeps_labels(moderator->settings)) {
        return STATUS_OK;
    }
    return history_open(&moderator->history, moderator->settings, moderator->metrics);
}

static enum status open_admin(struct moderator *moderator)
{
    const struct admin_hooks hooks = {.alive = alive, .ready = ready, .context = moderator};
    const char *listen = moderator->settings->moderator.admin_listen;

    return listen[0] == '\0' ? STATUS_OK : admin_open(&moderator->admin, listen, moderator->metrics, &hooks);
}

/* Everything in its order; on failure says in *what at which step. */
static enum status open_all(struct moderator *moderator, const char **what)
{
    static const struct {
        const char *what;
        enum status (*open)(struct moderator *moderator);
        bool needs_database;
    } steps[] = {
        {"use the keys of curve.dir", open_security, false},
        {"read the keywords", open_keywords, false},
        {"keep labels (database.hash_key_file)", open_history, true},
        {"follow the models (moderator.models)", open_feed, true},
        {"start the workers", open_worker, false},
        {"start the reviews", open_review, false},
        {"listen on moderator.admin_listen", open_admin, false},
    };
    bool has_database = moderator->settings->database.url[0] != '\0';
    enum status status = STATUS_OK;

    if (!has_database) {
        log_event(LOG_WARN, "database_off", LOG_TEXT("means", "no model is loaded and no label is kept"));
    }
    for (size_t index = 0; status == STATUS_OK && index < sizeof steps / sizeof *steps; index++) {
        if (has_database || !steps[index].needs_database) {
            *what = steps[index].what;
            status = steps[index].open(moderator);
        }
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
    if (moderator->review != NULL) {
        review_leave(moderator->review);
    }
    review_close(&moderator->review);
    history_close(&moderator->history);
    feed_close(&moderator->feed);
    admin_close(&moderator->admin); /* before the workers that it asks */
    worker_close(&moderator->worker);
    live_close(&moderator->live);
    for (size_t index = 0; moderator->keywords != NULL && index < moderator->settings->profile_count; index++) {
        keywords_close(&moderator->keywords[index]);
    }
    free(moderator->keywords);
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
        status = live_open(&moderator->live, moderator->settings->profile_count);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct program *program = NULL;
    struct moderator moderator = {0};
    int code = program_open(&program, "moderator", purpose, argc, argv);
    const char *what = "start";
    enum status status;

    if (program == NULL) {
        return code;
    }
    moderator.settings = program_settings(program);
    status = begin(&moderator);
    if (status == STATUS_OK) {
        status = open_all(&moderator, &what);
    }
    if (status == STATUS_OK) {
        log_event(LOG_INFO, "serving", LOG_NUMBER("gateways", moderator.settings->moderator.gateways.count),
                  LOG_NUMBER("profiles", moderator.settings->profile_count));
        program_wait_for_end(program);
        (void)alarm(MODERATOR_END_S);
    } else {
        code = program_fail(program, what, status);
    }
    close_all(&moderator);
    program_close(&program);
    return code;
}
