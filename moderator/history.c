/* history: the queue of labels and the thread that writes it, batch by batch. */
#include "moderator/history.h"

#include "moderator/history_store.h"
#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/log.h"
#include "proto/secret.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct history {
    const struct settings *settings;
    struct history_store *store; /* the thread's alone */
    unsigned char hash_key[SECRET_HASH_KEY_BYTES];
    struct series *written;
    struct series *dropped;
    struct series *queued;
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct history_entry *first; /* oldest; entries are added behind and removed anywhere */
    struct history_entry **last; /* where the next one is linked */
    size_t count;
    size_t bytes; /* of all entries, at most HISTORY_QUEUE_BYTES_MAX */
    bool closing;
};

/* What the thread alone remembers between two batches. */
struct writer {
    uint64_t retry_ms;    /* not before */
    unsigned failures;    /* in a row */
    size_t batch_max;     /* 1 while a row is looked for that the database refuses for ever */
    uint64_t give_up_ms;  /* when closing */
};

static size_t entry_bytes(const struct history_entry *entry)
{
    return sizeof *entry + entry->text_count;
}

static enum status drop(struct history *history, enum status why, size_t bytes)
{
    series_add(history->dropped, 1);
    log_event_limited(LOG_WARN, "sample_dropped", LOG_STATUS("status", why), LOG_NUMBER("bytes", bytes));
    return why;
}

enum status history_keep(struct history *history, const struct history_label *label)
{
    enum store_choice store;
    struct history_entry *entry;
    size_t text_count;
    bool has_text;
    bool full;

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
    entry->queued_ms = clock_ms();
    entry->has_text = has_text;
    entry->text_count = text_count;
    if (text_count > 0) {
        memcpy(entry->text, label->text.data, text_count);
    }
    if (label->category.count > 0) {
        memcpy(entry->category, label->category.data, label->category.count);
    }
    secret_text_hash(entry->hash, history->hash_key, label->text);

    (void)pthread_mutex_lock(&history->mutex);
    full = entry_bytes(entry) > HISTORY_QUEUE_BYTES_MAX - history->bytes;
    if (!full) {
        *history->last = entry;
        history->last = &entry->next;
        history->bytes += entry_bytes(entry);
        history->count++;
        series_set(history->queued, (int64_t)history->count);
        (void)pthread_cond_signal(&history->changed);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    if (full) {
        free(entry);
        return drop(history, STATUS_FULL, text_count);
    }
    return STATUS_OK;
}

/* Under the mutex: the oldest label's profile fills the batch, in the order in which its labels came. */
static size_t take_batch(struct history *history, size_t batch_max, struct history_entry **batch)
{
    size_t count = 0;

    for (struct history_entry *entry = history->first; entry != NULL && count < batch_max; entry = entry->next) {
        if (entry->profile == history->first->profile) {
            entry->taken = true;
            batch[count++] = entry;
        }
    }
    return count;
}

/* Under the mutex: ends the batch; removes its entries when they are done with, or leaves them for another try. */
static void end_batch(struct history *history, bool remove)
{
    struct history_entry **at = &history->first;

    while (*at != NULL) {
        struct history_entry *entry = *at;

        if (!entry->taken || !remove) {
            entry->taken = false;
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        history->bytes -= entry_bytes(entry);
        history->count--;
        free(entry);
    }
    history->last = at;
    series_set(history->queued, (int64_t)history->count);
}

/* Takes in what came of a batch; says whether its entries are done with. */
static bool settle(struct history *history, struct writer *writer, enum status status, size_t count)
{
    const char *sqlstate = history_store_sqlstate(history->store);

    if (status == STATUS_OK) {
        if (writer->failures > 0) {
            log_event(LOG_INFO, "history_resumed", LOG_NUMBER("failures", writer->failures));
        }
        *writer = (struct writer){.batch_max = SAMPLE_BATCH_MAX, .give_up_ms = writer->give_up_ms};
        series_add(history->written, (int64_t)count);
        return true;
    }
    if (status == STATUS_MALFORMED && count == 1) {
        series_add(history->dropped, 1);
        log_event(LOG_ERROR, "sample_refused", LOG_TEXT("sqlstate", sqlstate));
        writer->batch_max = SAMPLE_BATCH_MAX;
        return true;
    }
    if (status == STATUS_MALFORMED) {
        writer->batch_max = 1; /* one row spoils the batch: go on one by one until it is met */
        return false;
    }
    log_event_limited(LOG_WARN, "history_unavailable", LOG_STATUS("status", status), LOG_TEXT("sqlstate", sqlstate),
                      LOG_NUMBER("failures", writer->failures + 1));
    writer->retry_ms = clock_ms() + backoff_ms(writer->failures, DB_BACKOFF_MS, DB_BACKOFF_MAX_MS);
    writer->failures++;
    return false;
}

/* Under the mutex: until `until_ms`, or until something changes. */
static void wait_until(struct history *history, uint64_t until_ms)
{
    uint64_t now_ms = clock_ms();
    uint64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    struct timespec until;

    if (until_ms == UINT64_MAX) {
        (void)pthread_cond_wait(&history->changed, &history->mutex);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&history->changed, &history->mutex, &until);
}

/* Under the mutex: when the next batch may go; UINT64_MAX with an empty queue. */
static uint64_t next_batch_ms(const struct history *history, const struct writer *writer)
{
    uint64_t ready_ms;

    if (history->first == NULL) {
        return UINT64_MAX;
    }
    ready_ms = history->first->queued_ms + HISTORY_FLUSH_MS;
    if (history->closing || history->count >= SAMPLE_BATCH_MAX) {
        ready_ms = 0;
    }
    return ready_ms > writer->retry_ms ? ready_ms : writer->retry_ms;
}

/* Under the mutex: waits for a batch that may go; false when the thread shall end. */
static bool wait_for_batch(struct history *history, struct writer *writer)
{
    for (;;) {
        uint64_t now_ms = clock_ms();
        uint64_t next_ms = next_batch_ms(history, writer);

        if (history->closing && writer->give_up_ms == 0) {
            writer->give_up_ms = now_ms + HISTORY_DRAIN_MS;
        }
        if (history->closing && (history->first == NULL || now_ms >= writer->give_up_ms)) {
            return false;
        }
        if (now_ms >= next_ms) {
            return true;
        }
        if (history->closing && next_ms > writer->give_up_ms) {
            next_ms = writer->give_up_ms;
        }
        wait_until(history, next_ms);
    }
}

static void *run(void *context)
{
    struct history *history = context;
    struct writer writer = {.batch_max = SAMPLE_BATCH_MAX};
    struct history_entry *batch[SAMPLE_BATCH_MAX];

    (void)pthread_mutex_lock(&history->mutex);
    while (wait_for_batch(history, &writer)) {
        size_t count = take_batch(history, writer.batch_max, batch);
        enum status status;
        bool remove;

        (void)pthread_mutex_unlock(&history->mutex);
        status = history_store_write(history->store, batch, count);
        remove = settle(history, &writer, status, count);
        (void)pthread_mutex_lock(&history->mutex);
        end_batch(history, remove);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    return NULL;
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
    const struct metric_label dropped = {"result", "dropped"};

    history->written = metrics_series(metrics, METRIC_COUNTER, name, help, &written, 1);
    history->dropped = metrics_series(metrics, METRIC_COUNTER, name, help, &dropped, 1);
    history->queued = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_samples_queued",
                                     "Labels that wait for the database", NULL, 0);
}

/* Waiting goes by the monotonic clock, as everything does. */
static void init_locks(struct history *history)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&history->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&history->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

enum status history_open(struct history **out, const struct settings *settings, struct metrics *metrics)
{
    struct history *history = calloc(1, sizeof *history);
    enum status status;

    assert(out != NULL);
    if (history == NULL) {
        return STATUS_NO_MEMORY;
    }
    history->settings = settings;
    history->last = &history->first;
    init_locks(history);
    find_series(history, metrics);
    status = read_hash_key(history);
    if (status == STATUS_OK) {
        status = history_store_open(&history->store, settings);
    }
    if (status == STATUS_OK) {
        history->started = pthread_create(&history->thread, NULL, run, history) == 0;
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
    (void)pthread_mutex_lock(&closing->mutex);
    closing->closing = true;
    (void)pthread_cond_signal(&closing->changed);
    (void)pthread_mutex_unlock(&closing->mutex);
    if (closing->started) {
        (void)pthread_join(closing->thread, NULL);
    }
    if (closing->count > 0) {
        log_event(LOG_ERROR, "samples_lost", LOG_NUMBER("samples", closing->count));
        series_add(closing->dropped, (int64_t)closing->count);
    }
    for (struct history_entry *entry = closing->first; entry != NULL; entry = entry->next) {
        entry->taken = true;
    }
    end_batch(closing, true);
    history_store_close(&closing->store);
    (void)pthread_cond_destroy(&closing->changed);
    (void)pthread_mutex_destroy(&closing->mutex);
    explicit_bzero(closing->hash_key, sizeof closing->hash_key);
    free(closing);
    *history = NULL;
}
