/* history_lookup: a queue of questions, a session of its own, and a queue of answers. */
#include "moderator/history_lookup.h"

#include "moderator/history_marks.h"
#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/db.h"
#include "proto/log.h"
#include "proto/wait.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum lookup_result { LOOKUP_FOUND, LOOKUP_MISSED, LOOKUP_FAILED, LOOKUP_SKIPPED, LOOKUP_RESULTS };

struct question_queue {
    struct history_question *first;
    struct history_question **last;
    size_t count;
};

struct history_lookup {
    const struct settings *settings;
    unsigned char hash_key[SECRET_HASH_KEY_BYTES];
    const struct share *share;
    struct series *results[LOOKUP_RESULTS];
    struct series *marked;
    int answered_fd; /* eventfd */
    pthread_t thread;
    bool started;
    /* The thread's alone. */
    struct db *db;
    struct history_marks *marks;
    uint64_t give_up_ms; /* the statement under way; UINT64_MAX = connecting */
    uint64_t retry_ms;   /* no connecting before */
    unsigned failures;   /* in a row */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct question_queue asked;
    struct question_queue answered;
    bool connected;
    bool closing;
};

static void queue_init(struct question_queue *queue)
{
    *queue = (struct question_queue){.last = &queue->first};
}

static void queue_push(struct question_queue *queue, struct history_question *question)
{
    question->next = NULL;
    *queue->last = question;
    queue->last = &question->next;
    queue->count++;
}

static struct history_question *queue_pop(struct question_queue *queue)
{
    struct history_question *question = queue->first;

    if (question != NULL) {
        queue->first = question->next;
        queue->last = queue->first == NULL ? &queue->first : queue->last;
        queue->count--;
    }
    return question;
}

static void queue_free(struct question_queue *queue)
{
    struct history_question *question;

    while ((question = queue_pop(queue)) != NULL) {
        free(question);
    }
}

/* A statement may take so long and no longer; nothing may when the process ends. */
static enum status look(void *context)
{
    struct history_lookup *lookup = context;
    bool closing;

    (void)pthread_mutex_lock(&lookup->mutex);
    closing = lookup->closing;
    (void)pthread_mutex_unlock(&lookup->mutex);
    return closing || clock_ms() >= lookup->give_up_ms ? STATUS_CLOSED : STATUS_OK;
}

static void take_row(const struct db_rows *rows, size_t row, struct history_question *question)
{
    struct bytes hash = db_bytes(rows, row, 0);

    if (db_bigint(rows, row, 1) != 0) {
        struct bytes category = db_bytes(rows, row, 2);

        question->violation = true;
        if (bytes_copy(category, question->category, sizeof question->category) != STATUS_OK) {
            question->category[0] = '\0';
        }
        return;
    }
    for (size_t index = 0; index < question->text_count; index++) {
        if (bytes_equal(hash, (struct bytes){(const char *)question->hashes[index], TEXT_HASH_BYTES})) {
            question->passed[index / 8] |= (unsigned char)(1u << index % 8);
        }
    }
}

static enum status run_select(struct history_lookup *lookup, struct history_question *question, size_t *out_found)
{
    struct bytes *hashes = calloc(question->text_count, sizeof *hashes);
    const struct db_value values[] = {
        {.type = DB_TEXT, .bytes = bytes_of(lookup->settings->profiles[question->profile].name)},
        {.type = DB_BYTEA_ARRAY, .array = hashes, .array_count = question->text_count},
    };
    struct db_rows *rows = NULL;
    enum status status;

    if (hashes == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < question->text_count; index++) {
        hashes[index] = (struct bytes){(const char *)question->hashes[index], TEXT_HASH_BYTES};
    }
    lookup->give_up_ms = clock_ms() + HISTORY_LOOKUP_MS;
    status = db_run(lookup->db,
                    "select text_hash, label, coalesce(category, '') from verdicts "
                    "where profile_id = (select profile_id from profiles where name = $1) and text_hash = any ($2)",
                    values, sizeof values / sizeof *values, &rows);
    if (status == STATUS_OK) {
        *out_found = db_rows_count(rows);
        for (size_t row = 0; row < *out_found; row++) {
            take_row(rows, row, question);
        }
    }
    db_rows_close(&rows);
    free(hashes);
    return status;
}

/* The texts of the question that were drawn. Those of which nothing is known have no row, and get their mark with their label. */
static enum status mark_drawn(struct history_lookup *lookup, const struct history_question *question)
{
    const struct profile_settings *profile = &lookup->settings->profiles[question->profile];
    struct bytes *hashes = calloc(question->text_count, sizeof *hashes);
    struct db_value values[] = {
        {.type = DB_TEXT, .bytes = bytes_of(profile->name)},
        {.type = DB_BYTEA_ARRAY, .array = hashes},
        {.type = DB_BIGINT, .bigint = (int64_t)(profile->review.sample_rate * SHARE_WHOLE)},
        {.type = DB_BIGINT, .bigint = SCHEMA_VERSION},
    };
    struct db_rows *rows = NULL;
    enum status status = hashes == NULL ? STATUS_NO_MEMORY : STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < question->text_count; index++) {
        if ((question->drawn[index / 8] & 1u << index % 8) != 0) {
            hashes[values[1].array_count++] = (struct bytes){(const char *)question->hashes[index], TEXT_HASH_BYTES};
        }
    }
    if (values[1].array_count > 0 && values[2].bigint > 0) {
        lookup->give_up_ms = clock_ms() + HISTORY_LOOKUP_MS;
        status = db_run(lookup->db,
                        "select sample_mark(p.profile_id, $2, $3) from profiles p, schema_version s "
                        "where p.name = $1 and s.version = $4",
                        values, sizeof values / sizeof *values, &rows);
    }
    if (rows != NULL && db_rows_count(rows) == 1) {
        series_add(lookup->marked, db_bigint(rows, 0, 0));
    }
    db_rows_close(&rows);
    free(hashes);
    return status;
}

static void set_connected(struct history_lookup *lookup, bool connected)
{
    (void)pthread_mutex_lock(&lookup->mutex);
    lookup->connected = connected;
    (void)pthread_mutex_unlock(&lookup->mutex);
}

/* Without a session until the back-off has passed. */
static void fail(struct history_lookup *lookup, enum status status)
{
    log_event_limited_status(status, LOG_WARN, "lookup_unavailable", LOG_TEXT("reason", db_failure(status)),
                             LOG_TEXT("sqlstate", lookup->db == NULL ? "" : db_sqlstate(lookup->db)),
                             LOG_NUMBER("failures", lookup->failures + 1));
    db_close(&lookup->db);
    set_connected(lookup, false);
    lookup->retry_ms = clock_ms() + backoff_ms(lookup->failures, DB_BACKOFF_MS, DB_BACKOFF_MAX_MS);
    lookup->failures++;
}

static void answer(struct history_lookup *lookup, struct history_question *question)
{
    size_t found = 0;
    enum status status;

    question->status = lookup->db == NULL ? STATUS_UNAVAILABLE : run_select(lookup, question, &found);
    if (question->status == STATUS_OK) {
        lookup->failures = 0;
        series_add(lookup->results[found > 0 ? LOOKUP_FOUND : LOOKUP_MISSED], 1);
        status = found > 0 ? mark_drawn(lookup, question) : STATUS_OK;
        if (status != STATUS_OK && !db_alive(lookup->db)) {
            fail(lookup, status);
        }
        return;
    }
    series_add(lookup->results[LOOKUP_FAILED], 1);
    if (lookup->db != NULL) {
        fail(lookup, question->status);
    }
}

static void connect_to_database(struct history_lookup *lookup)
{
    const struct db_watch watch = {look, lookup};
    enum status status;

    lookup->give_up_ms = UINT64_MAX;
    status = db_open_watched(&lookup->db, &lookup->settings->database, "prismguard-moderator-lookup", &watch);
    if (status == STATUS_OK) {
        set_connected(lookup, true);
        history_marks_begin(lookup->marks); /* afterwards: who finds nobody to ask knows nothing of the labels of then */
    } else {
        fail(lookup, status);
    }
}

static void read_marks(struct history_lookup *lookup)
{
    enum status status;

    lookup->give_up_ms = clock_ms() + HISTORY_LOOKUP_MS;
    status = history_marks_read(lookup->marks, lookup->db);
    if (status == STATUS_OK) {
        lookup->failures = 0;
    } else {
        fail(lookup, status);
    }
}

static void *run(void *context)
{
    struct history_lookup *lookup = context;

    (void)pthread_mutex_lock(&lookup->mutex);
    while (!lookup->closing) {
        uint64_t due_ms = lookup->db == NULL ? lookup->retry_ms : history_marks_due_ms(lookup->marks);
        bool is_due = clock_ms() >= due_ms;
        struct history_question *question = is_due && lookup->db != NULL ? NULL : queue_pop(&lookup->asked);

        if (question == NULL && !is_due) {
            wait_until(&lookup->changed, &lookup->mutex, due_ms);
            continue;
        }
        (void)pthread_mutex_unlock(&lookup->mutex);
        if (question != NULL) {
            answer(lookup, question);
        } else if (lookup->db == NULL) {
            connect_to_database(lookup);
        } else {
            read_marks(lookup);
        }
        (void)pthread_mutex_lock(&lookup->mutex);
        if (question != NULL) {
            queue_push(&lookup->answered, question);
            (void)eventfd_write(lookup->answered_fd, 1);
        }
    }
    (void)pthread_mutex_unlock(&lookup->mutex);
    return NULL;
}

static void find_series(struct history_lookup *lookup, struct metrics *metrics)
{
    static const char *const names[LOOKUP_RESULTS] = {
        [LOOKUP_FOUND] = "found", [LOOKUP_MISSED] = "missed", [LOOKUP_FAILED] = "failed", [LOOKUP_SKIPPED] = "skipped"};

    for (size_t result = 0; result < LOOKUP_RESULTS; result++) {
        const struct metric_label label = {"result", names[result]};

        lookup->results[result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_history_lookups_total",
                                                 "Searches for earlier labels of texts under review", &label, 1);
    }
    lookup->marked = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_texts_marked_total",
                                    "Texts drawn at random whose label was known already", NULL, 0);
}

enum status history_lookup_open(struct history_lookup **out, const struct settings *settings,
                                const unsigned char hash_key[SECRET_HASH_KEY_BYTES], const struct share *share,
                                struct recent *recent, struct metrics *metrics)
{
    struct history_lookup *lookup = calloc(1, sizeof *lookup);

    assert(out != NULL);
    if (lookup == NULL) {
        return STATUS_NO_MEMORY;
    }
    lookup->settings = settings;
    lookup->share = share;
    memcpy(lookup->hash_key, hash_key, sizeof lookup->hash_key);
    queue_init(&lookup->asked);
    queue_init(&lookup->answered);
    (void)pthread_mutex_init(&lookup->mutex, NULL);
    wait_init(&lookup->changed);
    find_series(lookup, metrics);
    lookup->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (history_marks_open(&lookup->marks, settings, recent) != STATUS_OK) {
        history_lookup_close(&lookup);
        return STATUS_NO_MEMORY;
    }
    lookup->started = lookup->answered_fd >= 0 && pthread_create(&lookup->thread, NULL, run, lookup) == 0;
    if (!lookup->started) {
        history_lookup_close(&lookup);
        return STATUS_NO_MEMORY;
    }
    *out = lookup;
    return STATUS_OK;
}

void history_lookup_close(struct history_lookup **lookup)
{
    struct history_lookup *closing;

    assert(lookup != NULL);
    closing = *lookup;
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
    db_close(&closing->db);
    history_marks_close(&closing->marks);
    queue_free(&closing->asked);
    queue_free(&closing->answered);
    if (closing->answered_fd >= 0) {
        (void)close(closing->answered_fd);
    }
    (void)pthread_cond_destroy(&closing->changed);
    (void)pthread_mutex_destroy(&closing->mutex);
    explicit_bzero(closing->hash_key, sizeof closing->hash_key);
    free(closing);
    *lookup = NULL;
}

struct history_question *history_question_make(size_t profile, size_t text_count)
{
    struct history_question *question = calloc(1, sizeof *question + text_count * sizeof *question->hashes);

    assert(text_count <= SEGMENTS_MAX);
    if (question != NULL) {
        question->profile = profile;
        question->text_count = text_count;
    }
    return question;
}

void history_lookup_name(const struct history_lookup *lookup, struct history_question *question, size_t index, struct bytes text)
{
    assert(index < question->text_count);
    secret_text_hash(question->hashes[index], lookup->hash_key, text);
    if (share_draws(share_of(lookup->share, 0, text), clock_wall_us(),
                    lookup->settings->profiles[question->profile].review.sample_rate)) {
        question->drawn[index / 8] |= (unsigned char)(1u << index % 8);
    }
}

enum status history_lookup_ask(struct history_lookup *lookup, struct history_question *question)
{
    enum status status = STATUS_OK;

    assert(question->profile < lookup->settings->profile_count && question->text_count > 0);
    (void)pthread_mutex_lock(&lookup->mutex);
    if (!lookup->connected) {
        status = STATUS_UNAVAILABLE;
    } else if (lookup->asked.count >= HISTORY_QUESTIONS_MAX) {
        status = STATUS_FULL;
    } else {
        queue_push(&lookup->asked, question);
        (void)pthread_cond_signal(&lookup->changed);
    }
    (void)pthread_mutex_unlock(&lookup->mutex);
    if (status != STATUS_OK) {
        series_add(lookup->results[LOOKUP_SKIPPED], 1);
    }
    return status;
}

int history_lookup_fd(const struct history_lookup *lookup)
{
    return lookup->answered_fd;
}

struct history_question *history_lookup_next(struct history_lookup *lookup)
{
    struct history_question *question;
    eventfd_t count;

    (void)pthread_mutex_lock(&lookup->mutex);
    question = queue_pop(&lookup->answered);
    if (question == NULL) {
        (void)eventfd_read(lookup->answered_fd, &count); /* no answer is there, and none comes while the mutex is held */
    }
    (void)pthread_mutex_unlock(&lookup->mutex);
    return question;
}
