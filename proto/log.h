/* log: one JSON line per event on standard error; bounded; never blocks the caller.
 *
 * A line is made on the caller's stack, put into a queue of LOG_QUEUE_BYTES_MAX and written by the log's own thread. When
 * nobody reads standard error the queue fills up and lines are dropped, debug first (from half full on), then info (from
 * three quarters on), then all. Dropped lines are counted and the count is told by a line of its own ("log_dropped") once
 * there is room again.
 *
 * Values are escaped, so that no value can forge a line; bytes that are not UTF-8 become U+FFFD. A value longer than
 * LOG_VALUE_BYTES_MAX is cut and marked ("abc...[1234 bytes]"); fields that do not fit into LOG_LINE_BYTES_MAX are left out and
 * the line says "cut":true. Never pass a prompt, a completion, a key or a buffer: counts and bytes only.
 *
 *   {"time":"2026-01-02T03:04:05.678901Z","level":"info","service":"gateway","event":"request_done","route":"/openai",...}
 *   2026-01-02T03:04:05.678901Z INFO gateway request_done route="/openai" ...                          (log.format: text)
 *
 * Thread: any. The log is opened once by main() before any thread starts; before that, and in unit tests, events go nowhere.
 */
#ifndef PROTO_LOG_H
#define PROTO_LOG_H

#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct log_field {
    const char *name;
    enum { LOG_FIELD_TEXT, LOG_FIELD_BYTES, LOG_FIELD_NUMBER, LOG_FIELD_REAL, LOG_FIELD_STATUS } kind;
    union {
        const char *text;
        struct bytes bytes;
        int64_t number;
        double real;
        enum status status;
    } value;
};

#define LOG_TEXT(key, v) ((struct log_field){.name = (key), .kind = LOG_FIELD_TEXT, .value.text = (v)})
#define LOG_BYTES(key, v) ((struct log_field){.name = (key), .kind = LOG_FIELD_BYTES, .value.bytes = (v)})
#define LOG_NUMBER(key, v) ((struct log_field){.name = (key), .kind = LOG_FIELD_NUMBER, .value.number = (int64_t)(v)})
#define LOG_REAL(key, v) ((struct log_field){.name = (key), .kind = LOG_FIELD_REAL, .value.real = (v)})
#define LOG_STATUS(key, v) ((struct log_field){.name = (key), .kind = LOG_FIELD_STATUS, .value.status = (v)})

/* Starts the writing thread. `service` is borrowed for the life of the process. */
MUST_CHECK enum status log_open(const char *service, const struct log_settings *settings);

/* From now on. By the thread that opened the log. */
void log_set_level(enum log_level level);

/* Writes what is queued (at most LOG_CLOSE_MS) and stops the thread. Later events go nowhere. */
void log_close(void);

/* log_event(LOG_INFO, "request_done", LOG_TEXT("route", path), LOG_NUMBER("status", 200)); at least one field. */
#define log_event(level, event, ...)                                                                                   \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                                               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* At most one line a second for each place in the code; the next line that passes tells how many were held back
 * ("suppressed"). For everything a peer can cause. */
#define log_event_limited(level, event, ...) log_event_limited_each(0, 1, level, event, __VA_ARGS__)

/* The same for each of `count` reasons (a constant) at this place, so that none hides another: `which` < `count`. */
#define log_event_limited_each(which, count, level, event, ...)                                                        \
    do {                                                                                                               \
        static struct log_limiter log_limiters_here[count];                                                            \
        log_event_limited_by(&log_limiters_here[which], level, event, __VA_ARGS__);                                    \
    } while (0)

/* The same by a limiter of the caller's, which begins as zeros: one of whom the event speaks of (a profile, a gateway). */
#define log_event_limited_by(limiter, level, event, ...)                                                               \
    do {                                                                                                               \
        uint64_t log_suppressed_here;                                                                                  \
        if (log_limiter_pass((limiter), &log_suppressed_here)) {                                                       \
            log_event((level), (event), LOG_NUMBER("suppressed", log_suppressed_here), __VA_ARGS__);                   \
        }                                                                                                              \
    } while (0)

/* The same, with a status for a reason. */
#define log_event_limited_status(why, level, event, ...)                                                               \
    log_event_limited_each(-(int)(why), STATUS_COUNT, level, event, LOG_STATUS("status", (why)), __VA_ARGS__)

struct log_limiter {
    _Atomic uint64_t next_ms;
    _Atomic uint64_t suppressed;
};

bool log_limiter_pass(struct log_limiter *limiter, uint64_t *out_suppressed);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t field_count);

/* Makes the line without writing it, newline included: what log_write does before the queue. For tests. */
MUST_CHECK enum status log_format_line(struct buffer *out, enum log_format format, const char *service,
                                       enum log_level level, const char *event, const struct log_field *fields,
                                       size_t field_count);

/* Since the start, for the metrics of these names: lines of a level, those included that were dropped; lines dropped; events that
 * a limiter held back. */
uint64_t log_lines(enum log_level level);
uint64_t log_dropped(void);
uint64_t log_suppressed(void);

#endif
