/* backoff: how long to wait before the next try: doubled with each failure up to a bound, half of it random.
 *
 * The random half keeps many peers that lost the same server from coming back as one. Thread: any, after
 * secret_start().
 */
#ifndef PROTO_BACKOFF_H
#define PROTO_BACKOFF_H

#include <stdint.h>

/* `failures` in a row before this one: 0 waits first_ms / 2 to first_ms, and so on up to max_ms / 2 to max_ms. */
uint64_t backoff_ms(unsigned failures, uint64_t first_ms, uint64_t max_ms);

#endif
