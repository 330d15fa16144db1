/* pulse: relaxed atomics; each number stands for itself. */
#include "gateway/pulse.h"

#include "proto/clock.h"

void pulse_begin(struct pulse *pulse, const char *name, uint64_t every_ms)
{
    pulse->name = name;
    pulse->every_ms = every_ms;
    atomic_store_explicit(&pulse->beat_ms, clock_ms(), memory_order_relaxed);
    atomic_store_explicit(&pulse->late_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&pulse->beating, true, memory_order_release);
}

static uint64_t late_by(const struct pulse *pulse, uint64_t now_ms)
{
    uint64_t due_ms = atomic_load_explicit(&pulse->beat_ms, memory_order_relaxed) + pulse->every_ms;

    return now_ms > due_ms ? now_ms - due_ms : 0;
}

void pulse_beat(struct pulse *pulse)
{
    uint64_t now_ms = clock_ms();
    uint64_t late_ms = late_by(pulse, now_ms);

    if (late_ms > atomic_load_explicit(&pulse->late_ms, memory_order_relaxed)) {
        atomic_store_explicit(&pulse->late_ms, late_ms, memory_order_relaxed);
    }
    atomic_store_explicit(&pulse->beat_ms, now_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(&pulse->beats, 1, memory_order_relaxed);
}

void pulse_end(struct pulse *pulse)
{
    atomic_store_explicit(&pulse->beating, false, memory_order_release);
}

bool pulse_is_expected(const struct pulse *pulse)
{
    return atomic_load_explicit(&pulse->beating, memory_order_acquire);
}

uint64_t pulse_count(const struct pulse *pulse)
{
    return atomic_load_explicit(&pulse->beats, memory_order_relaxed);
}

uint64_t pulse_silent_ms(const struct pulse *pulse)
{
    uint64_t beat_ms = atomic_load_explicit(&pulse->beat_ms, memory_order_relaxed);
    uint64_t now_ms = clock_ms();

    return pulse_is_expected(pulse) && now_ms > beat_ms ? now_ms - beat_ms : 0;
}

uint64_t pulse_take_late_ms(struct pulse *pulse)
{
    uint64_t worst_ms = atomic_exchange_explicit(&pulse->late_ms, 0, memory_order_relaxed);
    uint64_t late_ms = pulse_is_expected(pulse) ? late_by(pulse, clock_ms()) : 0;

    return late_ms > worst_ms ? late_ms : worst_ms;
}
