/* wait: condition variables that go by the monotonic clock, as every timer does (proto/clock).
 *
 * Thread: any.
 */
#ifndef PROTO_WAIT_H
#define PROTO_WAIT_H

#include <pthread.h>
#include <stdint.h>

/* Ends with pthread_cond_destroy. */
void wait_init(pthread_cond_t *condition);

/* With `mutex` held: until the condition is signalled or clock_ms() reaches `until_ms`; UINT64_MAX = for ever. May return early.
 * */
void wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_ms);

#endif
