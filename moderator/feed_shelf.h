/* feed_shelf: the shelf as the feed uses it: models that passed their checks go there, and come from there at the start.
 *
 * Thread: feed's. A shelf that cannot be used is told once and does without: models then come from the database only.
 */
#ifndef MODERATOR_FEED_SHELF_H
#define MODERATOR_FEED_SHELF_H

#include "moderator/feed_table.h"
#include "proto/metrics.h"

struct feed_shelf;

/* In a folder of moderator.state_dir, if there is one. Borrows both until feed_shelf_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status feed_shelf_open(struct feed_shelf **out, const struct settings *settings, struct metrics *metrics);
void feed_shelf_close(struct feed_shelf **shelf);

/* Keeps the row's model, unless it is there already, as far as we know: not when it was refused since it was written. */
void feed_shelf_put(struct feed_shelf *shelf, const struct feed_row *row);

/* Calls `on_row` for the model that is kept of a profile of the settings; its change is 0. One that cannot be read is a row too:
 * whoever refuses models tells it as any other. STATUS_NOT_FOUND when there is none, or a newer one that could not be kept; else
 * what on_row returns. */
MUST_CHECK enum status feed_shelf_read(struct feed_shelf *shelf, size_t profile,
                                       enum status (*on_row)(void *context, const struct feed_row *row), void *context);

/* The same for who only looks, without a shelf of its own: nothing is made, counted or logged. STATUS_NOT_FOUND when there is
 * none; STATUS_CORRUPT, STATUS_IO and the like when it cannot be read; else what on_row returns. */
MUST_CHECK enum status feed_shelf_look(const struct settings *settings, size_t profile,
                                       enum status (*on_row)(void *context, const struct feed_row *row), void *context);

#endif
