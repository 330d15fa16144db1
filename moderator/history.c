/* history: takes labels in, and begins and ends the thread that writes them. */
#include "moderator/history.h"

#include "moderator/history_writer.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/wait.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Millionths; 0: it was not drawn. */
static uint32_t share_now(const struct history *history, size_t profile, struct bytes text, uint64_t wall_us)
{
    double rate = history->settings->profiles[profile].review.sample_rate;

    return share_draws(share_of(&history->share, 0, text), wall_us, rate) ? (uint32_t)(rate * SHARE_WHOLE) : 0;
}

bool history_draws(const struct history *history, size_t profile, struct bytes text)
{
    assert(profile < history->settings->profile_count);
    return share_now(history, profile, text, clock_wall_us()) > 0;
}

static enum status drop(struct history *history, enum status why, size_t bytes)
{
    series_add(history->dropped, 1);
    log_event_limited_status(why, LOG_WARN, "sample_dropped", LOG_NUMBER("bytes", bytes));
    return why;
}

enum status history_keep(struct history *history, const struct history_label *label)
{
    enum store_choice store;
    struct history_entry *entry;
    size_t text_count;
    bool has_text;
    enum status status;

    assert(label->profile < history->settings->profile_count && label->category.count <= CATEGORY_BYTES_MAX);
    store = history->settings->profiles[label->profile].store;
    if (store == STORE_OFF) {
        return STATUS_OK;
    }
    has_text = store == STORE_TEXT && label->text.count <= SAMPLE_TEXT_BYTES_MAX;
    text_count = has_text ? label->text.count : 0;
    entry = calloc(1, sizeof *entry + text_count);
    if (entry == NULL) {
        return drop(history, STATUS_NO_MEMORY, text_count);
    }
    entry->profile = label->profile;
    entry->violation = label->violation;
    entry->drawn = label->drawn;
    entry->model_version = label->model_version;
    entry->queued_ms = clock_ms();
    entry->labelled_us = clock_wall_us();
    entry->share = share_now(history, label->profile, label->text, entry->labelled_us);
    entry->has_text = has_text;
    entry->text_count = text_count;
    if (text_count > 0) {
        memcpy(entry->text, label->text.data, text_count);
    }
    if (label->category.count > 0) {
        memcpy(entry->category, label->category.data, label->category.count);
    }
    secret_text_hash(entry->hash, history->hash_key, label->text);
    entry->has_caller = label->caller.count > 0;
    if (entry->has_caller) {
        secret_text_hash(entry->caller, history->hash_key, label->caller);
    }

    (void)pthread_mutex_lock(&history->mutex);
    status = history_queue_add(&history->queue, entry);
    if (status == STATUS_OK) {
        series_set(history->queued, (int64_t)history->queue.count);
        (void)pthread_cond_signal(&history->changed);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    if (status != STATUS_OK) {
        free(entry);
        return drop(history, status, text_count);
    }
    return STATUS_OK;
}

static enum status read_hash_key(struct history *history)
{
    struct secret secret;
    enum status status = secret_read(&secret, history->settings->database.hash_key_file);

    if (status == STATUS_OK) {
        secret_hash_key(history->hash_key, secret_view(&secret));
        secret_free(&secret);
    }
    return status;
}

static void find_series(struct history *history, struct metrics *metrics)
{
    static const char name[] = "prismguard_moderator_samples_total";
    static const char help[] = "Labels of reviews by what became of them";
    const struct metric_label written = {"result", "written"};
    const struct metric_label spooled = {"result", "spooled"};
    const struct metric_label dropped = {"result", "dropped"};

    history->written = metrics_series(metrics, METRIC_COUNTER, name, help, &written, 1);
    history->spooled = metrics_series(metrics, METRIC_COUNTER, name, help, &spooled, 1);
    history->dropped = metrics_series(metrics, METRIC_COUNTER, name, help, &dropped, 1);
    history->queued = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_samples_queued",
                                     "Labels that wait for the database", NULL, 0);
    history->spool_bytes = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_spool_bytes",
                                          "Bytes of labels on disk that wait for the database", NULL, 0);
}

/* Without a spool the service is as good as it was, until the database fails. */
static void open_spool(struct history *history)
{
    const char *dir = history->settings->moderator.state_dir;
    enum status status = dir[0] == '\0' ? STATUS_NOT_FOUND : history_spool_open(&history->spool, history->settings);

    if (status != STATUS_OK) {
        log_event(LOG_WARN, "spool_off", LOG_STATUS("status", status), LOG_TEXT("state_dir", dir));
        return;
    }
    history_show_spool(history);
    log_event(LOG_INFO, "spool_opened", LOG_NUMBER("samples", history_spool_count(history->spool)));
    if (history_spool_damaged_bytes(history->spool) > 0) {
        log_event(LOG_ERROR, "spool_damaged", LOG_NUMBER("bytes", history_spool_damaged_bytes(history->spool)));
    }
}

enum status history_open(struct history **out, const struct settings *settings, struct recent *recent,
                         struct metrics *metrics, _Atomic(const char *) *note)
{
    struct history *history = calloc(1, sizeof *history);
    const struct db_watch watch = {history_look, history};
    enum status status;

    assert(out != NULL);
    if (history == NULL) {
        return STATUS_NO_MEMORY;
    }
    history->settings = settings;
    history->note = note;
    history->writer.batch_max = SAMPLE_BATCH_MAX;
    history_queue_init(&history->queue);
    (void)pthread_mutex_init(&history->mutex, NULL);
    wait_init(&history->changed);
    find_series(history, metrics);
    share_open(&history->share, settings);
    status = read_hash_key(history);
    if (status == STATUS_OK) {
        status = history_store_open(&history->store, settings, &watch);
    }
    if (status == STATUS_OK) {
        status = history_lookup_open(&history->lookup, settings, history->hash_key, &history->share, recent, metrics);
    }
    if (status == STATUS_OK) {
        open_spool(history);
        history->started = pthread_create(&history->thread, NULL, history_run, history) == 0;
        status = history->started ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        history_close(&history);
        return status;
    }
    *out = history;
    return STATUS_OK;
}

void history_close(struct history **history)
{
    struct history *closing;

    assert(history != NULL);
    closing = *history;
    if (closing == NULL) {
        return;
    }
    history_lookup_close(&closing->lookup);
    (void)pthread_mutex_lock(&closing->mutex);
    closing->closing = true;
    (void)pthread_cond_signal(&closing->changed);
    (void)pthread_mutex_unlock(&closing->mutex);
    if (closing->started) {
        (void)pthread_join(closing->thread, NULL);
    }
    if (closing->queue.count > 0) {
        log_event(LOG_ERROR, "samples_lost", LOG_NUMBER("samples", closing->queue.count));
        series_add(closing->dropped, (int64_t)closing->queue.count);
    }
    history_queue_free(&closing->queue);
    history_note(closing, NULL);
    history_store_close(&closing->store);
    history_spool_close(&closing->spool);
    (void)pthread_cond_destroy(&closing->changed);
    (void)pthread_mutex_destroy(&closing->mutex);
    share_close(&closing->share);
    explicit_bzero(closing->hash_key, sizeof closing->hash_key);
    free(closing);
    *history = NULL;
}

struct history_lookup *history_lookup(struct history *history)
{
    return history->lookup;
}
