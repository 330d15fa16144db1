/* pulse: a sign of life of one thread, for those that watch it.
 *
 *   pulse_begin --pulse_beat, pulse_beat, ...--> pulse_end        only between the two it is expected to beat
 *
 * The thread beats at least once in its `every_ms`; what comes later than that is its lag, silence that lasts included. Embedded
 * in what the thread belongs to. Beating: that thread; begin and end: also who starts and joins it; all else: any thread.
 */
#ifndef GATEWAY_PULSE_H
#define GATEWAY_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pulse {
    const char *name; /* of the thread, for people: a literal of up to 15 characters */
    uint64_t every_ms;
    _Atomic bool beating;
    _Atomic uint64_t beats;
    _Atomic uint64_t beat_ms; /* the last one */
    _Atomic uint64_t late_ms; /* the worst since it was taken */
};

/* `name` is a literal. */
void pulse_begin(struct pulse *pulse, const char *name, uint64_t every_ms);
void pulse_beat(struct pulse *pulse);
void pulse_end(struct pulse *pulse);

bool pulse_is_expected(const struct pulse *pulse);

/* Beats so far. */
uint64_t pulse_count(const struct pulse *pulse);

/* Since the last beat; 0 when none is expected. */
uint64_t pulse_silent_ms(const struct pulse *pulse);

/* By how much beats came too late at most, since the last call. For one caller. */
uint64_t pulse_take_late_ms(struct pulse *pulse);

#endif
