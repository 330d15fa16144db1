/* log: a queue of finished lines under one lock, and the thread that writes them to standard error. */
#include "proto/log.h"

#include "proto/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEVEL_CLOSED = LOG_ERROR + 1 };

/* The log belongs to the process as standard error does, so this is one of the few mutable globals.
 *
 *      queue: |......[oldest ... newest].....|    bytes head .. head + count, around the end
 *
 * Lines lie in the queue byte after byte: the writer takes what lies there in one piece, whatever lines it is. */
static struct {
    pthread_mutex_t lock; /* guards all below; never held while writing */
    pthread_cond_t wake;
    char *queue; /* the writer frees it; NULL: closed */
    size_t head;
    size_t count;
    uint64_t dropped_untold;
    bool sleeps; /* the writer waits and must be woken: by any line, */
    bool pauses; /* or by a piece's worth of them */
    enum { WRITER_RUNS, WRITER_ENDS, WRITER_ABANDONED } writer_state;
    pthread_t writer;
    const char *service;
    enum log_format format;
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Read without the lock by everybody: a line below the level costs one load. */
static _Atomic int level_min = LEVEL_CLOSED;
static _Atomic uint64_t lines_total[LOG_ERROR + 1];
static _Atomic uint64_t dropped_total;
static _Atomic uint64_t suppressed_total;

/* Writes all of it, however long that takes, or gives up when standard error is gone. */
static void write_all(const char *data, size_t count)
{
    while (count > 0) {
        ssize_t written = write(STDERR_FILENO, data, count);

        if (written > 0) {
            data += written;
            count -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            /* Another owner of the same terminal or pipe made it non-blocking. */
            struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

            (void)poll(&ready, 1, -1);
        } else if (written == 0 || errno != EINTR) {
            break;
        }
    }
}

/* Between two lines only. Called without the lock. */
static void tell_dropped(uint64_t dropped)
{
    char space[LOG_LINE_BYTES_MAX];
    struct buffer line = {.data = space, .room = sizeof space, .max = sizeof space};
    const struct log_field field = LOG_NUMBER("lines", dropped);
    enum status status = log_format_line(&line, the_log.format, the_log.service, LOG_WARN, "log_dropped", &field, 1);

    assert(status == STATUS_OK);
    write_all(line.data, line.count);
}

/* A line that comes when all is quiet is written at once; those that follow within LOG_PAUSE_MS go together. Under load a
 * line so costs neither a wake nor a write of its own. Called with the lock. */
static void pause_writer(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOG_PAUSE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (the_log.writer_state == WRITER_RUNS && the_log.count < LOG_WRITE_BYTES_MAX) {
        the_log.pauses = true;
        if (pthread_cond_clockwait(&the_log.wake, &the_log.lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT) {
            break;
        }
    }
    the_log.pauses = false;
}

/* A piece has been written. The little that came meanwhile goes to where an empty queue begins: only pages that lines have waited
 * in are ever touched, though under load there is always one. Called with the lock. */
static void give_back(size_t count)
{
    the_log.count -= count;
    the_log.head = (the_log.head + count) % LOG_QUEUE_BYTES_MAX;
    if (the_log.count <= LOG_WRITE_BYTES_MAX && the_log.head + the_log.count <= LOG_QUEUE_BYTES_MAX) {
        memmove(the_log.queue, the_log.queue + the_log.head, the_log.count);
        the_log.head = 0;
    }
}

/* The writer's thread: waits, takes a piece, writes it, gives its room back. */
static void *write_queued(void *unused)
{
    bool between_lines = true;

    pthread_mutex_lock(&the_log.lock);
    while (the_log.writer_state != WRITER_ABANDONED) {
        const char *piece = the_log.queue + the_log.head;
        size_t count = the_log.count;
        uint64_t dropped = 0;

        between_lines = between_lines || count == 0; /* lines are queued whole */
        if (count == 0 && the_log.dropped_untold == 0) {
            if (the_log.writer_state == WRITER_ENDS) {
                break;
            }
            the_log.sleeps = true;
            pthread_cond_wait(&the_log.wake, &the_log.lock);
            continue;
        }
        if (count > LOG_QUEUE_BYTES_MAX - the_log.head) {
            count = LOG_QUEUE_BYTES_MAX - the_log.head;
        }
        if (count > LOG_WRITE_BYTES_MAX) {
            count = LOG_WRITE_BYTES_MAX;
        }
        if (between_lines) {
            dropped = the_log.dropped_untold;
            the_log.dropped_untold = 0;
        }
        pthread_mutex_unlock(&the_log.lock);
        if (dropped > 0) {
            tell_dropped(dropped);
        }
        write_all(piece, count);
        between_lines = count == 0 || piece[count - 1] == '\n';
        pthread_mutex_lock(&the_log.lock);
        give_back(count);
        pause_writer();
    }
    free(the_log.queue);
    the_log.queue = NULL;
    pthread_mutex_unlock(&the_log.lock);
    return unused;
}

enum status log_open(const char *service, const struct log_settings *settings)
{
    assert(the_log.queue == NULL && service != NULL);
    assert(LOG_CLOSE_MS % 1000 == 0); /* log_close counts in seconds */
    the_log.queue = malloc(LOG_QUEUE_BYTES_MAX);
    if (the_log.queue == NULL) {
        return STATUS_NO_MEMORY;
    }
    the_log.head = 0;
    the_log.count = 0;
    the_log.dropped_untold = 0;
    the_log.sleeps = false;
    the_log.pauses = false;
    the_log.writer_state = WRITER_RUNS;
    the_log.service = service;
    the_log.format = settings->format;
    if (pthread_create(&the_log.writer, NULL, write_queued, NULL) != 0) {
        free(the_log.queue);
        the_log.queue = NULL;
        return STATUS_NO_MEMORY;
    }
    atomic_store(&level_min, settings->level);
    return STATUS_OK;
}

void log_set_level(enum log_level level)
{
    assert(atomic_load(&level_min) != LEVEL_CLOSED);
    atomic_store(&level_min, (int)level);
}

void log_close(void)
{
    struct timespec deadline;

    if (atomic_exchange(&level_min, LEVEL_CLOSED) == LEVEL_CLOSED) {
        return;
    }
    pthread_mutex_lock(&the_log.lock);
    the_log.writer_state = WRITER_ENDS;
    pthread_mutex_unlock(&the_log.lock);
    pthread_cond_signal(&the_log.wake);

    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += LOG_CLOSE_MS / 1000;
    if (pthread_timedjoin_np(the_log.writer, NULL, &deadline) != 0) {
        /* It waits for a reader that does not read, and must not keep the process from ending. */
        pthread_mutex_lock(&the_log.lock);
        the_log.writer_state = WRITER_ABANDONED;
        pthread_mutex_unlock(&the_log.lock);
        (void)pthread_detach(the_log.writer);
    }
}

/* The lower the level, the sooner its lines give way. */
static size_t room_for(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return LOG_QUEUE_BYTES_MAX / 2;
    case LOG_INFO:
        return LOG_QUEUE_BYTES_MAX / 4 * 3;
    default:
        return LOG_QUEUE_BYTES_MAX;
    }
}

/* Called with the lock, and only when the line fits. */
static void enqueue(struct bytes line)
{
    size_t tail = (the_log.head + the_log.count) % LOG_QUEUE_BYTES_MAX;
    struct bytes before_end = bytes_first(line, LOG_QUEUE_BYTES_MAX - tail);
    struct bytes around = bytes_from(line, before_end.count);

    memcpy(the_log.queue + tail, before_end.data, before_end.count);
    if (around.count > 0) {
        memcpy(the_log.queue, around.data, around.count);
    }
    the_log.count += line.count;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t field_count)
{
    char space[LOG_LINE_BYTES_MAX];
    struct buffer line = {.data = space, .room = sizeof space, .max = sizeof space};
    bool wake = false;
    enum status status;

    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed)) {
        return;
    }
    status = log_format_line(&line, the_log.format, the_log.service, level, event, fields, field_count);
    assert(status == STATUS_OK);
    atomic_fetch_add_explicit(&lines_total[level], 1, memory_order_relaxed);
    pthread_mutex_lock(&the_log.lock);
    if (the_log.queue != NULL && line.count + the_log.count <= room_for(level)) {
        enqueue(buffer_view(&line));
        /* A writer at work looks again by itself: only one that sleeps costs a system call. */
        wake = the_log.sleeps || (the_log.pauses && the_log.count >= LOG_WRITE_BYTES_MAX);
        the_log.sleeps = false;
        the_log.pauses = the_log.pauses && !wake;
    } else {
        the_log.dropped_untold++;
        atomic_fetch_add_explicit(&dropped_total, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&the_log.lock);
    if (wake) {
        pthread_cond_signal(&the_log.wake);
    }
}

uint64_t log_lines(enum log_level level)
{
    return atomic_load_explicit(&lines_total[level], memory_order_relaxed);
}

uint64_t log_suppressed(void)
{
    return atomic_load_explicit(&suppressed_total, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped_total, memory_order_relaxed);
}

bool log_limiter_pass(struct log_limiter *limiter, uint64_t *out_suppressed)
{
    uint64_t now_ms = clock_ms();
    uint64_t next_ms = atomic_load_explicit(&limiter->next_ms, memory_order_relaxed);

    /* Of several threads that find the time come, the one whose exchange succeeds passes. */
    if (now_ms < next_ms ||
        !atomic_compare_exchange_strong_explicit(&limiter->next_ms, &next_ms, now_ms + LOG_LIMITER_MS,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limiter->suppressed, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&suppressed_total, 1, memory_order_relaxed);
        return false;
    }
    *out_suppressed = atomic_exchange_explicit(&limiter->suppressed, 0, memory_order_relaxed);
    return true;
}
