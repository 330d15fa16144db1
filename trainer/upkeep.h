/* upkeep: deletes what is too old and what is too many, a little in each turn of the leader.
 *
 * Each UPKEEP_EVERY_MS it begins a round through all profiles of the database, those too that the settings do not name any
 * more (kept for UPKEEP_RETENTION_S, in any number). Of each profile first what is older than its `retention` goes, then
 * what is above its `keep_samples`: the oldest of the larger label, and of both in turn where they are equal. A turn takes
 * UPKEEP_TURN_MS and the batch it is at, and goes on where the last one stopped.
 *
 * Thread: the leader's.
 */
#ifndef TRAINER_UPKEEP_H
#define TRAINER_UPKEEP_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"
#include "trainer/store.h"

struct upkeep;

/* Settings and metrics are borrowed until upkeep_close, settings until upkeep_use too. STATUS_NO_MEMORY. */
MUST_CHECK enum status upkeep_open(struct upkeep **out, const struct settings *settings, struct metrics *metrics);
void upkeep_close(struct upkeep **upkeep);

/* From now on these; the round begins anew. */
void upkeep_use(struct upkeep *upkeep, const struct settings *settings);

/* Returns what the store returns; a later turn then begins at the profile that failed. STATUS_TIMEOUT because others held a row
 * is no failure. */
MUST_CHECK enum status upkeep_turn(struct upkeep *upkeep, struct store *store, int64_t epoch);

#endif
