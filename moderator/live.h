/* live: the models in use, at most one a profile, and one on trial, and so many together, and each thread's view of them.
 *
 *   feed ──live_put──> live [profile] ──> counted model <── view [profile] <── a worker scores with it
 *
 * A model is counted: `live` holds one reference and each view one. A view takes the current models anew only when
 * live_view_refresh() finds that something changed (one atomic read otherwise), so scoring takes no lock, and a task keeps the
 * model it began with. The last holder frees a model.
 *
 * Where there is no room for another model, the least recently used one goes, but none that was used within LIVE_FLOOR_MS:
 * profiles in turn would otherwise push out each other's for ever. A profile whose model went, or found no room, is *away*:
 * whoever judges it next asks for the model (live_wanted_fd, the feed) and waits up to LIVE_WAIT_MS, and then judges without.
 *
 * A profile has a number for as long as the process runs, given when its name is first heard (live_number): its place in the file
 * changes with a reload, its model does not.
 *
 * A version on trial has a seat of its own, with a number of its own (live_trial_of), which all functions take that take a
 * profile's. It counts among the models as any other, but is not away where it found no room: the profile does without.
 *
 * Thread: live_* any; a view belongs to one thread.
 */
#ifndef MODERATOR_LIVE_H
#define MODERATOR_LIVE_H

#include "proto/metrics.h"
#include "proto/model.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live;
struct live_view;

/* `profile_count` bounds the numbers. STATUS_NO_MEMORY, STATUS_UNAVAILABLE (no descriptor). */
MUST_CHECK enum status live_open(struct live **out, size_t profile_count);

/* The number of the profile with this name (at most PROFILE_NAME_BYTES_MAX bytes). STATUS_FULL when as many names were heard
 * as there may be. */
MUST_CHECK enum status live_number(struct live *live, const char *name, size_t *out);

/* The number of the seat for a profile's version on trial. */
size_t live_trial_of(const struct live *live, size_t profile);

/* From now on at most so many models (above 0; at first as many as seats), counted in `metrics`, which are borrowed until
 * live_close. A lower number lets go of some with the next live_put. */
void live_limit(struct live *live, size_t models_max, struct metrics *metrics);

/* Every view must be closed before. */
void live_close(struct live **live);

/* Makes `model` the one in use for the profile: takes it on success. STATUS_NO_MEMORY; STATUS_FULL when there is no room and all
 * others were used of late: the profile is then away. */
MUST_CHECK enum status live_put(struct live *live, size_t profile, struct model *model, uint64_t version);

/* From now on there is none, and none is away. */
void live_drop(struct live *live, size_t profile);

/* The version in use; 0 = none yet. */
uint64_t live_version(struct live *live, size_t profile);

/* Whether there is a model of the profile that is not held here. */
bool live_is_away(struct live *live, size_t profile);

/* Readable when a model that is away is wanted. Lends until live_close. */
int live_wanted_fd(const struct live *live);

/* The next profile whose model is wanted, once each; false when there is none, and the descriptor is quiet again. Answered by
 * live_put, or by live_give_up: it cannot be had now, and is not asked for again within LIVE_RETRY_MS. */
bool live_take_wanted(struct live *live, size_t *out_profile);
void live_give_up(struct live *live, size_t profile);

/* Borrows `live` until live_view_close. */
MUST_CHECK enum status live_view_open(struct live_view **out, struct live *live);
void live_view_close(struct live_view **view);

/* Between two tasks: takes what changed, lets go of what was replaced. */
void live_view_refresh(struct live_view *view);

/* A model that is away is asked for and waited for. Refreshes. */
void live_view_await(struct live_view *view, size_t profile);

/* The same, and it counts as used: the profile is about to be judged. */
void live_view_use(struct live_view *view, size_t profile);

/* The profile's model and version; NULL and 0 when there is none. Lends until the next refresh. */
const struct model *live_view_model(const struct live_view *view, size_t profile, uint64_t *out_version);

#endif
