/* feed: brings new models from PostgreSQL into use when the trainer announces them.
 *
 *   trainer ──PUB {epoch, change}──> feed ──rows of `models`, live or on trial, change > last seen──> check ──> live
 *
 * An announcement carries no model, only how far the table has come, so a lost one costs a second. The table is read at start,
 * after an announcement with a greater change or a new epoch, and every FEED_SILENCE_MS without an announcement, when the
 * trainers are connected to anew, too; one of a lower epoch than was seen comes from a leader that was replaced, and is ignored.
 * A model that fails its checks (size, SHA-256, format, feature version, self-test) is refused, counted and logged, and the
 * last good one serves on. What passed is kept on disk too (moderator/shelf), and serves from the start on, by the same checks,
 * whether the database answers or not. While the database is away the models in use serve on, and it is asked again with a
 * jittered back-off.
 *
 * A version on trial is not kept on disk, and its trial is over as soon as the table does not list it any more; while the
 * database is away it goes on. Where the settings want no trials (training.canary) it is not taken.
 *
 * Thread: its own; open and close main. Source of the rule: house.md D11, spec/zeromq.md.
 */
#ifndef MODERATOR_FEED_H
#define MODERATOR_FEED_H

#include "moderator/live.h"
#include "moderator/lookup.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

struct feed;

/* Borrowed until feed_close. */
struct feed_parts {
    const struct settings *settings;
    struct live *live;
    struct metrics *metrics;
    struct lookup *trainers; /* every address of moderator.models */
    const struct wire_security *security; /* NULL: no CURVE */
};

/* Connects to the trainers that are known by now and starts the thread, which connects to the database, and to other trainers as
 * they become known, by itself. What wire_open and wire_attach say of an address; STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status feed_open(struct feed **out, const struct feed_parts *parts);
void feed_close(struct feed **feed);

#endif
