/* history_writer: what is due next, and the doing of it. */
#include "moderator/history_writer.h"

#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/db.h"
#include "proto/log.h"
#include "proto/wait.h"

#include <stdlib.h>

void history_note(struct history *history, const char *why)
{
    if (history->note != NULL) {
        atomic_store(history->note, why);
    }
}

void history_show_spool(struct history *history)
{
    series_set(history->spool_bytes, (int64_t)history_spool_bytes(history->spool));
}

/* Takes in what came of a batch of `count`; says whether its entries are done with. */
static bool settle(struct history *history, enum status status, size_t count)
{
    struct writer *writer = &history->writer;
    const char *sqlstate = history_store_sqlstate(history->store);

    if (status == STATUS_OK) {
        if (writer->failures > 0) {
            log_event(LOG_INFO, "history_resumed", LOG_NUMBER("failures", writer->failures));
        }
        writer->failures = 0;
        writer->retry_ms = writer->respool_ms = 0;
        writer->batch_max = SAMPLE_BATCH_MAX;
        history_note(history, NULL);
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
    log_event_limited_status(status, LOG_WARN, "history_unavailable", LOG_TEXT("reason", db_failure(status)),
                             LOG_TEXT("sqlstate", sqlstate), LOG_NUMBER("failures", writer->failures + 1));
    history_note(history, db_failure(status));
    writer->retry_ms = clock_ms() + backoff_ms(writer->failures, DB_BACKOFF_MS, DB_BACKOFF_MAX_MS);
    writer->failures++;
    return false;
}

static bool has_spooled(const struct history *history)
{
    return history->spool != NULL && history_spool_count(history->spool) > 0;
}

/* Under the mutex: since when the queue is worth a batch, but not before `earliest_ms`; UINT64_MAX when it is empty. */
static uint64_t queue_ready_ms(const struct history *history, uint64_t earliest_ms)
{
    uint64_t ready_ms;

    if (history->queue.first == NULL) {
        return UINT64_MAX;
    }
    ready_ms = history->queue.first->queued_ms + HISTORY_FLUSH_MS;
    if (history->closing || history->queue.count >= SAMPLE_BATCH_MAX) {
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
    bool is_empty = history->queue.first == NULL && !has_spooled(history);
    bool may_leave_it = history->spool != NULL && writer->failures > 0;

    return is_empty || may_leave_it || now_ms >= writer->give_up_ms;
}

/* Under the mutex: when folders that dead processes left are to be looked for; not while there is no hope to empty them. */
static uint64_t adoption_due_ms(const struct history *history, const struct writer *writer)
{
    bool never = history->spool == NULL || history->closing || writer->failures > 0 || history_spool_has_adopted(history->spool);

    return never ? UINT64_MAX : writer->adopt_ms;
}

static uint64_t earlier(uint64_t left_ms, uint64_t right_ms)
{
    return left_ms < right_ms ? left_ms : right_ms;
}

/* Under the mutex: waits until something is due; false when the thread shall end. */
static bool wait_for_work(struct history *history)
{
    struct writer *writer = &history->writer;

    for (;;) {
        uint64_t now_ms = clock_ms();
        uint64_t batch_ms = batch_due_ms(history, writer);
        uint64_t spool_ms = spool_due_ms(history, writer);
        uint64_t next_ms = earlier(earlier(batch_ms, spool_ms), adoption_due_ms(history, writer));

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
        wait_until(&history->changed, &history->mutex, next_ms);
    }
}

/* Under the mutex, which is let go meanwhile: all of the queue behind the spool. What does not fit stays queued; so does a batch
 * under way, marked. */
static void spool_queue(struct history *history)
{
    struct writer *writer = &history->writer;
    struct history_entry *entry = history->queue.first;
    size_t count = history->queue.count;
    size_t moved = 0;
    enum status status = STATUS_OK;
    enum status synced;

    (void)pthread_mutex_unlock(&history->mutex);
    for (size_t index = 0; index < count; index++) {
        if (!entry->spooled) {
            status = history_spool_add(history->spool, entry);
            if (status != STATUS_OK) {
                break;
            }
            entry->spooled = true;
            moved++;
        }
        /* Behind the last one that was counted another thread may be linking a new one. */
        entry = index + 1 < count ? entry->next : NULL;
    }
    synced = history_spool_sync(history->spool);
    status = status == STATUS_OK ? synced : status;
    if (status != STATUS_OK) {
        log_event_limited_status(status, LOG_WARN, "spool_failed", LOG_NUMBER("waiting", count));
        writer->respool_ms = clock_ms() + HISTORY_FLUSH_MS;
    }
    series_add(history->spooled, (int64_t)moved);
    history_show_spool(history);
    (void)pthread_mutex_lock(&history->mutex);
    history_queue_drop_spooled(&history->queue);
    series_set(history->queued, (int64_t)history->queue.count);
}

/* While the thread waits for the database: what hangs may hang for a minute, so that all labels go to the disk meanwhile, those
 * of the batch under way too (they are written twice then, which changes nothing). STATUS_CLOSED when the process ends. */
enum status history_look(void *context)
{
    struct history *history = context;
    struct writer *writer = &history->writer;
    uint64_t now_ms = clock_ms();
    bool hangs = now_ms >= writer->began_ms + HISTORY_HANG_MS;
    bool is_over;

    (void)pthread_mutex_lock(&history->mutex);
    if (history->closing && writer->give_up_ms == 0) {
        writer->give_up_ms = now_ms + HISTORY_DRAIN_MS;
    }
    if (hangs && history->spool != NULL && history->queue.count > history->queue.spooled && now_ms >= writer->respool_ms) {
        writer->respool_ms = now_ms + HISTORY_FLUSH_MS;
        spool_queue(history);
        history_note(history, db_failure(STATUS_TIMEOUT));
    }
    is_over = history->closing && ((hangs && history->spool != NULL) || now_ms >= writer->give_up_ms);
    (void)pthread_mutex_unlock(&history->mutex);
    return is_over ? STATUS_CLOSED : STATUS_OK;
}

static enum status write_batch(struct history *history, struct history_entry *const *batch, size_t count)
{
    history->writer.began_ms = clock_ms();
    return history_store_write(history->store, batch, count);
}

/* Under the mutex, which is let go meanwhile: the oldest labels of the queue to the database. */
static void write_queue(struct history *history)
{
    struct history_entry *batch[SAMPLE_BATCH_MAX];
    size_t count = history_queue_take(&history->queue, history->writer.batch_max, batch);
    enum status status;
    bool done;

    (void)pthread_mutex_unlock(&history->mutex);
    status = write_batch(history, batch, count);
    done = settle(history, status, count);
    (void)pthread_mutex_lock(&history->mutex);
    count = history_queue_end(&history->queue, done);
    series_set(history->queued, (int64_t)history->queue.count);
    series_add(history->written, status == STATUS_OK ? (int64_t)count : 0);
}

/* The oldest labels of the spool to the database. Needs no mutex: the spool is the thread's alone. */
static void write_spool(struct history *history)
{
    struct writer *writer = &history->writer;
    struct history_entry *batch[SAMPLE_BATCH_MAX];
    size_t count;
    size_t given_up;
    enum status status = history_spool_take(history->spool, writer->batch_max, batch, &count, &given_up);

    if (given_up > 0) {
        log_event(LOG_WARN, "spooled_samples_useless", LOG_NUMBER("samples", given_up));
        series_add(history->dropped, (int64_t)given_up);
    }
    if (count > 0) {
        status = write_batch(history, batch, count);
    }
    series_add(history->written, status == STATUS_OK ? (int64_t)count : 0);
    if (status != STATUS_NOT_FOUND && settle(history, status, count)) {
        status = history_spool_forget(history->spool, count);
        if (status != STATUS_OK) {
            log_event_limited_status(status, LOG_WARN, "spool_failed", LOG_NUMBER("waiting", count));
            writer->retry_ms = clock_ms() + DB_BACKOFF_MAX_MS; /* they are written once more then, which changes nothing */
        }
    }
    for (size_t index = 0; index < count; index++) {
        free(batch[index]);
    }
    history_show_spool(history);
}

/* One folder at a time; the next look follows as soon as it is empty. */
static void adopt(struct history *history)
{
    unsigned number = 0;
    enum status status = history_spool_adopt(history->spool, &number);

    history->writer.adopt_ms = clock_ms() + SPOOL_ADOPT_MS;
    if (status == STATUS_OK) {
        history->writer.adopt_ms = 0;
        log_event(LOG_INFO, "spool_adopted", LOG_NUMBER("folder", number),
                  LOG_NUMBER("samples", history_spool_count(history->spool)));
        history_show_spool(history);
    } else if (status != STATUS_NOT_FOUND) {
        log_event_limited_status(status, LOG_WARN, "spool_not_adopted", LOG_NUMBER("folder", number));
    }
}

void *history_run(void *context)
{
    struct history *history = context;
    struct writer *writer = &history->writer;

    (void)pthread_mutex_lock(&history->mutex);
    while (wait_for_work(history)) {
        uint64_t now_ms = clock_ms();

        if (now_ms >= spool_due_ms(history, writer)) {
            spool_queue(history);
        } else if (now_ms >= adoption_due_ms(history, writer) || has_spooled(history)) {
            bool adopts = now_ms >= adoption_due_ms(history, writer);

            (void)pthread_mutex_unlock(&history->mutex);
            if (adopts) {
                adopt(history);
            } else {
                write_spool(history);
            }
            (void)pthread_mutex_lock(&history->mutex);
        } else {
            write_queue(history);
        }
    }
    if (history->spool != NULL && history->queue.first != NULL) {
        spool_queue(history);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    return NULL;
}
