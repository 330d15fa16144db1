/* feed_trials: the versions on trial as the feed has them: taken where the settings want trials, let go when they are over.
 *
 * A trial is over as soon as the table does not list it any more, whatever became of the version: the list is the whole state, so
 * nothing can be missed. Internal to moderator/feed. Thread: feed's.
 */
#ifndef MODERATOR_FEED_TRIALS_H
#define MODERATOR_FEED_TRIALS_H

#include "moderator/feed_table.h"
#include "moderator/live.h"
#include "proto/metrics.h"

struct feed_trials;

/* `numbers` are the profiles' in `live`. All are borrowed until feed_trials_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status feed_trials_open(struct feed_trials **out, const struct settings *settings, struct live *live,
                                        const size_t *numbers, struct metrics *metrics);
void feed_trials_close(struct feed_trials **trials);

/* Whether the settings of this profile want trials. */
bool feed_trials_wanted(const struct feed_trials *trials, size_t profile);

/* The number of the seat in `live`. */
size_t feed_trials_seat(const struct feed_trials *trials, size_t profile);

/* This version took it. */
void feed_trials_took(struct feed_trials *trials, size_t profile, uint64_t version);

/* Reads the list, and lets go of what is not on it. As feed_table_read_trials; on failure all go on. */
MUST_CHECK enum status feed_trials_end(struct feed_trials *trials, struct feed_table *table);

#endif
