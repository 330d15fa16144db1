/* history: the queue of labels and the thread that writes it, batch by batch, or spools it. */
#include "moderator/history.h"

#include "moderator/history_spool.h"
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
    struct history_spool *spool; /* the thread's alone; NULL = none */
    unsigned char hash_key[SECRET_HASH_KEY_BYTES];
    struct series *written;
    struct series *spooled;
    struct series *dropped;
    struct series *queued;
    struct series *spool_bytes;
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
    uint64_t retry_ms;    /* no statement before */
    uint64_t respool_ms;  /* nothing into the spool before: it is full, or the disk */
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
        log_event_limited(LOG_ERROR, "sample_refused", LOG_TEXT("sqlstate", sqlstate));
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

static bool has_spooled(const struct history *history)
{
    return history->spool != NULL && history_spool_count(history->spool) > 0;
}

/* Under the mutex: since when the queue is worth a batch, but not before `earliest_ms`; UINT64_MAX when it is empty. */
static uint64_t queue_ready_ms(const struct history *history, uint64_t earliest_ms)
{
    uint64_t ready_ms;

    if (history->first == NULL) {
        return UINT64_MAX;
    }
    ready_ms = history->first->queued_ms + HISTORY_FLUSH_MS;
    if (history->closing || history->count >= SAMPLE_BATCH_MAX) {
        ready_ms = 0;
    }
    return ready_ms > earliest_ms ? ready_ms : earliest_ms;
}

/* Under the mutex: when the queue shall go into the spool. */
static uint64_t spool_due_ms(const struct history *history, const struct writer *writer)
{
    bool spooling = has_spooled(history) || (history->spool != NULL && writer->failures > 0);

    return spooling ? queue_ready_ms(history, writer->respool_ms) : UINT64_MAX;
}

/* Under the mutex: when the next batch may go to the database. */
static uint64_t batch_due_ms(const struct history *history, const struct writer *writer)
{
    return has_spooled(history) ? writer->retry_ms : queue_ready_ms(history, writer->retry_ms);
}

/* Under the mutex: whether the closing thread has nothing more to write, or no hope or time for it. */
static bool is_over(const struct history *history, const struct writer *writer, uint64_t now_ms)
{
    bool is_empty = history->first == NULL && !has_spooled(history);
    bool may_leave_it = history->spool != NULL && writer->failures > 0;

    return is_empty || may_leave_it || now_ms >= writer->give_up_ms;
}

/* Under the mutex: waits until something is due; false when the thread shall end. */
static bool wait_for_work(struct history *history, struct writer *writer)
{
    for (;;) {
        uint64_t now_ms = clock_ms();
        uint64_t batch_ms = batch_due_ms(history, writer);
        uint64_t spool_ms = spool_due_ms(history, writer);
        uint64_t next_ms = batch_ms < spool_ms ? batch_ms : spool_ms;

        if (history->closing && writer->give_up_ms == 0) {
            writer->give_up_ms = now_ms + HISTORY_DRAIN_MS;
        }
        if (history->closing && is_over(history, writer, now_ms)) {
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

/* Under the mutex, which is let go meanwhile: the oldest labels of the queue to the database. */
static void write_queue(struct history *history, struct writer *writer)
{
    struct history_entry *batch[SAMPLE_BATCH_MAX];
    size_t count = take_batch(history, writer->batch_max, batch);
    enum status status;
    bool remove;

    (void)pthread_mutex_unlock(&history->mutex);
    status = history_store_write(history->store, batch, count);
    remove = settle(history, writer, status, count);
    (void)pthread_mutex_lock(&history->mutex);
    end_batch(history, remove);
}

/* Under the mutex, which is let go meanwhile: the whole queue behind the spool. What does not fit stays queued. */
static void spool_queue(struct history *history, struct writer *writer)
{
    struct history_entry *entry = history->first;
    size_t count = history->count;
    size_t moved = 0;
    enum status status = STATUS_OK;
    enum status synced;

    (void)pthread_mutex_unlock(&history->mutex);
    while (moved < count) {
        status = history_spool_add(history->spool, entry);
        if (status != STATUS_OK) {
            break;
        }
        entry->taken = true;
        /* Behind the last one that was counted another thread may be linking a new one. */
        entry = ++moved < count ? entry->next : NULL;
    }
    synced = history_spool_sync(history->spool);
    status = status == STATUS_OK ? synced : status;
    if (status != STATUS_OK) {
        log_event_limited(LOG_WARN, "spool_failed", LOG_STATUS("status", status), LOG_NUMBER("waiting", count - moved));
        writer->respool_ms = clock_ms() + HISTORY_FLUSH_MS;
    }
    series_add(history->spooled, (int64_t)moved);
    series_set(history->spool_bytes, (int64_t)history_spool_bytes(history->spool));
    (void)pthread_mutex_lock(&history->mutex);
    end_batch(history, true);
}

/* The oldest labels of the spool to the database. Needs no mutex: the spool is the thread's alone. */
static void write_spool(struct history *history, struct writer *writer)
{
    struct history_entry *batch[SAMPLE_BATCH_MAX];
    size_t count;
    size_t given_up;
    enum status status = history_spool_take(history->spool, writer->batch_max, batch, &count, &given_up);

    if (given_up > 0) {
        log_event(LOG_WARN, "spooled_samples_useless", LOG_NUMBER("samples", given_up));
        series_add(history->dropped, (int64_t)given_up);
    }
    if (count > 0) {
        status = history_store_write(history->store, batch, count);
    }
    if (status != STATUS_NOT_FOUND && settle(history, writer, status, count)) {
        status = history_spool_forget(history->spool, count);
        if (status != STATUS_OK) {
            log_event_limited(LOG_WARN, "spool_failed", LOG_STATUS("status", status), LOG_NUMBER("waiting", count));
            writer->retry_ms = clock_ms() + DB_BACKOFF_MAX_MS; /* they are written once more then, which changes nothing */
        }
    }
    for (size_t index = 0; index < count; index++) {
        free(batch[index]);
    }
    series_set(history->spool_bytes, (int64_t)history_spool_bytes(history->spool));
}

static void *run(void *context)
{
    struct history *history = context;
    struct writer writer = {.batch_max = SAMPLE_BATCH_MAX};

    (void)pthread_mutex_lock(&history->mutex);
    while (wait_for_work(history, &writer)) {
        if (clock_ms() >= spool_due_ms(history, &writer)) {
            spool_queue(history, &writer);
        } else if (has_spooled(history)) {
            (void)pthread_mutex_unlock(&history->mutex);
            write_spool(history, &writer);
            (void)pthread_mutex_lock(&history->mutex);
        } else {
            write_queue(history, &writer);
        }
    }
    if (history->spool != NULL && history->first != NULL) {
        spool_queue(history, &writer);
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
    series_set(history->spool_bytes, (int64_t)history_spool_bytes(history->spool));
    log_event(LOG_INFO, "spool_opened", LOG_NUMBER("samples", history_spool_count(history->spool)));
    if (history_spool_damaged_bytes(history->spool) > 0) {
        log_event(LOG_ERROR, "spool_damaged", LOG_NUMBER("bytes", history_spool_damaged_bytes(history->spool)));
    }
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
        open_spool(history);
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
    history_spool_close(&closing->spool);
    (void)pthread_cond_destroy(&closing->changed);
    (void)pthread_mutex_destroy(&closing->mutex);
    explicit_bzero(closing->hash_key, sizeof closing->hash_key);
    free(closing);
    *history = NULL;
}
