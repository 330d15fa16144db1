/* join: waits for a thread to end, but not for ever. Thread: any, but one for a given thread. */
#ifndef PROTO_JOIN_H
#define PROTO_JOIN_H

#include "proto/status.h"

#include <pthread.h>
#include <stdint.h>

/* STATUS_OK: it has ended and is joined. STATUS_TIMEOUT: it still runs after `wait_ms` and must be left alone. */
MUST_CHECK enum status join_within(pthread_t thread, uint64_t wait_ms);

#endif
