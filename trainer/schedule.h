/* schedule: which profile is trained next, one at a time, each on a thread of its own.
 *
 * Every trainer.check_every the leader asks which profiles are due (store_due: enough new samples, `every` ago, some of
 * both labels, no version on trial) and the longest untrained one is trained. A run that was refused lets its profile rest for
 * `every`; one that a person stopped for that and TRAIN_REST_MS; one that failed too, doubled with each further failure up to
 * TRAIN_REST_MAX_MS. A run that takes longer than TRAIN_RUN_MS is cancelled, whatever it is at, and counts as failed. The
 * training thread runs at low priority, so that it never holds up what the leader's thread and the announcing loop do.
 *
 *   IDLE ── due ──► RUNNING ── the thread ends ──► DONE ── schedule_settle ──► IDLE
 *
 * Thread: the leader's, except where said otherwise.
 */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"
#include "trainer/store.h"

#include <stdbool.h>

struct schedule;

/* Metrics are borrowed until schedule_close, settings until schedule_use too. `on_done` is called on the training thread when a
 * run has ended: the next schedule_settle will report it. */
MUST_CHECK enum status schedule_open(struct schedule **out, const struct settings *settings, struct metrics *metrics,
                                     void (*on_done)(void *context), void *context);

/* Reports a run that has ended, if there is one. */
void schedule_settle(struct schedule *schedule);

/* Tells how far a run is, and ends it when it takes too long. Looks for the next run when it is time and none is going, and
 * starts it. Returns what store_due returns. */
MUST_CHECK enum status schedule_turn(struct schedule *schedule, struct store *store, int64_t epoch);

/* Whether no run is going or waits to be reported, so that other settings may be used. */
bool schedule_is_idle(const struct schedule *schedule);

/* Cancels the run that is going when these settings ask for another one: without its profile, with another database, or when
 * what the profile says of its model or training differs. */
void schedule_outdate(struct schedule *schedule, const struct settings *settings);

/* From now on these, borrowed as the others were; only while it is idle. Profiles that rested are looked at anew, as what they
 * were refused for may have been changed; but not the one whose run a person stopped last. */
void schedule_use(struct schedule *schedule, const struct settings *settings);

/* Cancels the run of this profile for a person, if it is going. Whether it is. */
MUST_CHECK bool schedule_stop(struct schedule *schedule, int64_t profile_id);

/* Asks a run to end; returns at once. Any thread. */
void schedule_cancel(struct schedule *schedule);

/* Cancels, waits up to `wait_ms` for the run to end, and frees. STATUS_TIMEOUT when it is still computing: then nothing
 * is freed and the process must end itself without touching the schedule again. NULL is STATUS_OK. */
MUST_CHECK enum status schedule_close(struct schedule **schedule, uint64_t wait_ms);

#endif
