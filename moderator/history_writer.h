/* history_writer: the thread of history: batches to the database, and to the disk while it is away. Internal to history.
 *
 * history_look is called while the thread waits for the database (proto/db.h); the other two once, by history.
 */
#ifndef MODERATOR_HISTORY_WRITER_H
#define MODERATOR_HISTORY_WRITER_H

#include "moderator/history.h"
#include "moderator/history_lookup.h"
#include "moderator/history_queue.h"
#include "moderator/history_spool.h"
#include "proto/secret.h"

#include <pthread.h>

/* What the thread alone remembers between two batches. */
struct writer {
    uint64_t retry_ms;    /* no statement before */
    uint64_t respool_ms;  /* nothing into the spool before: it is full, or the disk; or something went there just now */
    uint64_t began_ms;    /* when the statement under way began */
    uint64_t adopt_ms;    /* no look for leftover folders before */
    unsigned failures;    /* in a row */
    size_t batch_max;     /* 1 while a row is looked for that the database refuses for ever */
    uint64_t give_up_ms;  /* when closing */
};

struct history {
    const struct settings *settings;
    struct history_store *store; /* the thread's alone */
    struct history_spool *spool; /* the thread's alone; NULL = none */
    struct history_lookup *lookup; /* the review's */
    struct writer writer;        /* the thread's alone */
    unsigned char hash_key[SECRET_HASH_KEY_BYTES];
    struct share share;
    _Atomic(const char *) *note; /* NULL = nobody asks */
    struct series *written;
    struct series *spooled;
    struct series *dropped;
    struct series *queued;
    struct series *spool_bytes;
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct history_queue queue;
    bool closing;
};

/* The thread's function; the context is the history. It ends some time after `closing`, with what is left in the queue. */
void *history_run(void *context);

/* STATUS_CLOSED when there is no more time to wait for the database. */
MUST_CHECK enum status history_look(void *context);

/* Says why labels wait; NULL = they do not. */
void history_note(struct history *history, const char *why);

/* Brings the gauge of the spool up to date. */
void history_show_spool(struct history *history);

#endif
