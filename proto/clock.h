/* clock: milliseconds that only go forward; a test can freeze them.
 *
 * Every timer and deadline of the three services uses this clock (a jump of the wall clock changes nothing but
 * timestamps). Thread: any.
 */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include <stdint.h>

/* Monotonic milliseconds and microseconds since an arbitrary point. */
uint64_t clock_ms(void);
uint64_t clock_us(void);

/* Wall clock, microseconds since 1970 UTC: for timestamps in logs and rows only. */
uint64_t clock_wall_us(void);

/* For tests: from now on clock_ms() is `now_ms` until the next call; 0 thaws. */
void clock_freeze(uint64_t now_ms);

#endif
