/* feed_table: the models in use of our profiles, live or on trial, out of the table `models`.
 *
 * Thread: one at a time: feed's own, or that of a dry run.
 */
#ifndef MODERATOR_FEED_TABLE_H
#define MODERATOR_FEED_TABLE_H

#include "proto/db.h"
#include "proto/model.h"
#include "proto/settings.h"
#include "proto/status.h"

struct feed_table;

struct feed_row {
    size_t profile; /* index into settings.profiles */
    uint64_t version;
    uint64_t change;
    bool is_trial;       /* not live: on trial beside it */
    bool from_disk;      /* kept there (moderator/feed_shelf), not from the table */
    enum status unread;  /* why there is nothing but the profile; STATUS_OK when there is */
    bool too_large;      /* above the bound; `bytes` is then empty, and was never sent to us */
    struct bytes bytes;  /* the model file; lent for the call */
    struct bytes sha256; /* of it, as the trainer stored it */
};

/* Connects at the first read. `bytes_max` bounds one model file. `settings` is borrowed until feed_table_close, `watch` copied.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status feed_table_open(struct feed_table **out, const struct settings *settings, size_t bytes_max,
                                       const struct db_watch *watch);
void feed_table_close(struct feed_table **table);

/* Calls `on_row` for every model in use, of a profile of ours that wants one, whose change is greater than `change`, in the order
 * of changes. A status of `on_row` other than STATUS_OK ends the reading and is returned; else what proto/db says. */
MUST_CHECK enum status feed_table_read(struct feed_table *table, uint64_t change,
                                       enum status (*on_row)(void *context, const struct feed_row *row), void *context);

/* The same of one profile of the settings, whatever its change: of the live one, or of the one on trial. */
MUST_CHECK enum status feed_table_read_one(struct feed_table *table, size_t profile, bool is_trial,
                                           enum status (*on_row)(void *context, const struct feed_row *row), void *context);

/* Which versions are on trial now: `versions` has one a profile of the settings, 0 for none. */
MUST_CHECK enum status feed_table_read_trials(struct feed_table *table, uint64_t *versions);

/* Whether a feed by the ones does for the others: the same models, in the same places, on trial or not. */
bool feed_table_alike(const struct settings *left, const struct settings *right);

/* Checks a row's file and makes the model of it, the caller's. Why it was not read; STATUS_MALFORMED (version 0),
 * STATUS_TOO_LARGE, STATUS_CORRUPT (not what the trainer stored), and what model_open says. It may be of another kind than the
 * profile wants by now: what is live decides until the trainer has made one of that kind. */
MUST_CHECK enum status feed_row_model(const struct feed_row *row, struct model **out);

/* The SQLSTATE of the last failed read, "" when there was no connection. Lends until the next call. */
const char *feed_table_sqlstate(const struct feed_table *table);

#endif
