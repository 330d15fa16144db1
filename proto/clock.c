/* clock: CLOCK_MONOTONIC in milliseconds, with a switch that lets tests stand still. */
#include "proto/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

/* The one exception to "no mutable globals": time is global, and tests must be able to stop it. */
static _Atomic uint64_t frozen_ms;

static uint64_t read_us(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);

    assert(failed == 0);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_us(void)
{
    uint64_t frozen = atomic_load_explicit(&frozen_ms, memory_order_relaxed);

    return frozen != 0 ? frozen * 1000u : read_us(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
    return clock_us() / 1000u;
}

uint64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void clock_freeze(uint64_t now_ms)
{
    atomic_store_explicit(&frozen_ms, now_ms, memory_order_relaxed);
}
