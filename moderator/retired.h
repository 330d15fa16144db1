/* retired: closes what a reload replaced, each on a thread of its own, so that the main thread does not wait for its last tasks.
 *
 *   reload ── retired_take(close, what) ──► thread: close(what) ──► its place is free at the next retired_has_room
 *
 * At most RETIRED_MAX at a time: whoever finds no room refuses the reload. Thread: the main thread; `close` runs on another.
 */
#ifndef MODERATOR_RETIRED_H
#define MODERATOR_RETIRED_H

#include "proto/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum retired_state { RETIRED_FREE, RETIRED_CLOSING, RETIRED_CLOSED };

/* All zero is empty. */
struct retired {
    struct retired_place {
        _Atomic enum retired_state state;
        pthread_t thread;
        void (*close)(void *what);
        void *what;
    } places[RETIRED_MAX];
};

/* Whether retired_take would find a place. */
bool retired_has_room(struct retired *retired);

/* Takes `what`, which `close` closes and frees: on a thread, or here and now where there is no thread to be had. Only after
 * retired_has_room. */
void retired_take(struct retired *retired, void (*close)(void *what), void *what);

/* Waits until all are closed. */
void retired_join(struct retired *retired);

#endif
