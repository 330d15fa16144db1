/* history: keeps the labels that reviews earn: a bounded queue, and a thread that writes it to PostgreSQL in batches.
 *
 *   review ──history_keep──> queue (HISTORY_QUEUE_BYTES_MAX) ──batch of one profile, <= SAMPLE_BATCH_MAX──> sample_put()
 *
 *                                              └─while the database is away─> spool on disk ──oldest first─┘
 *
 * The first label queued waits at most HISTORY_FLUSH_MS for company. While the database is away, and until the spool is empty
 * again, they go behind the spool (moderator.state_dir) as often; the spool is tried with a jittered back-off (DB_BACKOFF_MS to
 * DB_BACKOFF_MAX_MS), and by the next process when this one ends or dies. A statement (or connecting) that is not done after
 * HISTORY_HANG_MS sends to the disk whatever is in memory, its own batch too. Every SPOOL_ADOPT_MS a folder that a dead process
 * left is looked for, and its labels are written before others. Without a spool, or with a full one, the labels stay queued; a
 * full queue drops the newest, counted. A text is named by its keyed hash; whether the text itself is kept is the profile's
 * `store`, and a text above SAMPLE_TEXT_BYTES_MAX is kept by its hash alone. A label says whether its text was drawn at random,
 * and with what probability (moderator/share).
 *
 * Thread: history_keep any; open and close main. Source of the rule: house.md D11, spec/postgres.md.
 */
#ifndef MODERATOR_HISTORY_H
#define MODERATOR_HISTORY_H

#include "proto/message.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdatomic.h>

struct history;
struct history_lookup;
struct recent;

/* A text and what a reviewer said of it. */
struct history_label {
    size_t profile; /* index into settings.profiles */
    bool violation;
    enum drawn drawn;
    uint64_t model_version; /* that judged it; 0 = none */
    struct bytes caller;   /* the name of the key that sent the text; empty = none */
    struct bytes category; /* CATEGORY_BYTES_MAX; empty = none */
    struct bytes text;
};

/* Starts the writing thread and that of history_lookup; they connect by themselves. A state_dir that cannot be used is logged,
 * and done without. `settings`, `recent` (NULL: nobody keeps what reviews find), `metrics` and `note` are borrowed until
 * history_close. *note (NULL = nobody asks) is set to a literal while labels wait for the database, saying why, and to NULL when
 * they do not. What secret_read says of
 * database.hash_key_file; STATUS_NO_MEMORY. */
MUST_CHECK enum status history_open(struct history **out, const struct settings *settings, struct recent *recent,
                                    struct metrics *metrics, _Atomic(const char *) *note);

/* Writes what is queued, for at most HISTORY_DRAIN_MS; a statement that is under way then is cancelled. With a spool the first
 * failure, or a statement that hangs, ends the trying, and what is left goes there; without one, or past its bound, it is counted
 * as dropped and logged. */
void history_close(struct history **history);

/* Queues a copy, unless the profile stores nothing. STATUS_FULL or STATUS_NO_MEMORY: dropped and counted. */
MUST_CHECK enum status history_keep(struct history *history, const struct history_label *label);

/* Whether the text was drawn for a review of the profile (index into settings.profiles), whatever a model says. */
bool history_draws(const struct history *history, size_t profile, struct bytes text);

/* Where earlier labels are asked for; lent until history_close. */
struct history_lookup *history_lookup(struct history *history);

#endif
