/* trials: looks at the versions in use, profile by profile: notes how good they are, and ends trials (trainer/trial).
 *
 * Whenever a version of any profile changes, all are listed: the metrics say which are in use, and a trial that others ended
 * since the last look of the same lead is told as one that we end, by what its version is now: "published" (it is live),
 * "rolled_back", or "superseded" (another version was published, pinned or trained).
 *
 * Every trainer.check_every all profiles are listed; those with a version on trial, and those of which texts were drawn since the
 * last look, are judged, a few in each turn of the leader: a turn takes TRIAL_TURN_MS and the profile it is at. What is known
 * stands in the database (models.trial) and in the metrics; a trainer that starts anew, or takes the lead, begins from there.
 *
 * Thread: the leader's.
 */
#ifndef TRAINER_TRIALS_H
#define TRAINER_TRIALS_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"
#include "trainer/store.h"

struct trials;

/* Settings and metrics are borrowed until trials_close, settings until trials_use too. STATUS_NO_MEMORY. */
MUST_CHECK enum status trials_open(struct trials **out, const struct settings *settings, struct metrics *metrics);
void trials_close(struct trials **trials);

/* From now on these; all profiles are looked at anew. */
void trials_use(struct trials *trials, const struct settings *settings);

/* `change`: of `models`, as store_check_epoch. Returns what the store returns; the profile that failed is left for the next
 * round. */
MUST_CHECK enum status trials_turn(struct trials *trials, struct store *store, int64_t epoch, int64_t change);

/* The lead is over: what is in use is not ours to tell. */
void trials_leave(struct trials *trials);

#endif
