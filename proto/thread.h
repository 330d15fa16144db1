/* thread: begins a thread that no signal reaches, and ends one that waits on an eventfd. Waiting for one, but not for ever, is
 * proto/join's. Thread: any.
 */
#ifndef PROTO_THREAD_H
#define PROTO_THREAD_H

#include "proto/status.h"

#include <pthread.h>

/* All signals are blocked in it: they are for the main thread. STATUS_NO_MEMORY; *out is untouched then. */
MUST_CHECK enum status thread_start(pthread_t *out, void *(*run)(void *context), void *context);

/* Makes the eventfd `end` readable, for which the thread ends, and joins it. `end` stays open. */
void thread_end(pthread_t thread, int end);

#endif
