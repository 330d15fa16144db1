/* metrics_process: what every service exports about itself: build, age, memory, processor time, descriptors, lines of its log.
 *
 * The files of /proc are opened once, at start, and read again for each look: a process that has no descriptor left, or may open
 * no file any more, can still be looked at. What cannot be read keeps its last value.
 *
 * Thread: one at a time (the admin port's).
 */
#ifndef PROTO_METRICS_PROCESS_H
#define PROTO_METRICS_PROCESS_H

#include "proto/metrics.h"
#include "proto/status.h"

struct metrics_process;

/* STATUS_NO_MEMORY. `metrics` is borrowed until metrics_process_close. */
MUST_CHECK enum status metrics_process_open(struct metrics_process **out, struct metrics *metrics);
void metrics_process_close(struct metrics_process **process);

/* Brings all of them up to date; before metrics_print. */
void metrics_process_refresh(struct metrics_process *process);

#endif
