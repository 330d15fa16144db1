/* live: the models in use, one a profile, and each thread's view of them.
 *
 *   feed ──live_put──> live [profile] ──> counted model <── view [profile] <── a worker scores with it
 *
 * A model is counted: `live` holds one reference and each view one. A view takes the current models anew only when
 * live_view_refresh() finds that something changed (one atomic read otherwise), so scoring takes no lock, and a task keeps the
 * model it began with. The last holder frees a model.
 *
 * A profile has a number for as long as the process runs, given when its name is first heard (live_number): its place in the file
 * changes with a reload, its model does not.
 *
 * Thread: live_* any; a view belongs to one thread.
 */
#ifndef MODERATOR_LIVE_H
#define MODERATOR_LIVE_H

#include "proto/model.h"
#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

struct live;
struct live_view;

/* `profile_count` bounds the numbers. */
MUST_CHECK enum status live_open(struct live **out, size_t profile_count);

/* The number of the profile with this name (at most PROFILE_NAME_BYTES_MAX bytes). STATUS_FULL when as many names were heard
 * as there may be. */
MUST_CHECK enum status live_number(struct live *live, const char *name, size_t *out);

/* Every view must be closed before. */
void live_close(struct live **live);

/* Makes `model` the one in use for the profile: takes it on success. STATUS_NO_MEMORY. */
MUST_CHECK enum status live_put(struct live *live, size_t profile, struct model *model, uint64_t version);

/* The version in use; 0 = none yet. */
uint64_t live_version(struct live *live, size_t profile);

/* Borrows `live` until live_view_close. */
MUST_CHECK enum status live_view_open(struct live_view **out, struct live *live);
void live_view_close(struct live_view **view);

/* Between two tasks: takes what changed, lets go of what was replaced. */
void live_view_refresh(struct live_view *view);

/* The profile's model and version; NULL and 0 when there is none. Lends until the next refresh. */
const struct model *live_view_model(const struct live_view *view, size_t profile, uint64_t *out_version);

#endif
