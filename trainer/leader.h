/* leader: the thread that takes the lead, keeps it, and loses it (house D12).
 *
 *             ┌───────────────── lock held by another ────────────────┐
 *             ▼                                                       │
 *   connect ─────► stand by ── lock ours ──► take over ──► lead ──┐   │ (every check_every, at most LEADER_STANDBY_MS)
 *      ▲                                                    ▲  └──┘ each LEADER_CHECK_MS, and when a run ends
 *      └── rest ◄── any failure, from any step                        │
 *          (back-off with jitter)                                     ▼
 *                                     end: told to, or the schema is newer than this program
 *
 * Taking over makes the schema where there is none, raises an older one step by step (trainer/schema), raises the epoch and
 * adds the settings' profiles. While leading, each check renews the lease of the announcements (trainer/publish) and gives
 * the schedule, the upkeep and the trials their turns. A leader that loses its connection falls silent, cancels its run, and
 * whatever it still writes carries an epoch that is not the newest any more.
 */
#ifndef TRAINER_LEADER_H
#define TRAINER_LEADER_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"
#include "trainer/publish.h"

struct leader;

/* Starts the thread. All parts are borrowed until leader_close, the settings also where others have taken their place. */
MUST_CHECK enum status leader_open(struct leader **out, const struct settings *settings, struct metrics *metrics,
                                   struct publish *publish);

/* Takes *fresh (and makes it NULL): used from the next step on, or, where a training runs, from its end on, which comes at
 * once when they ask for another training; newer ones take the
 * place of those that were not used yet. Connections that stand stay. One thread. */
void leader_use_settings(struct leader *leader, struct settings **fresh);

/* Ends the thread, waiting up to `wait_ms`. STATUS_TIMEOUT when it, or a training, hangs in a call: then nothing is
 * freed and the process must end itself without touching the parts again. NULL is STATUS_OK. */
MUST_CHECK enum status leader_close(struct leader **leader, uint64_t wait_ms);

/* Any thread. Connected to PostgreSQL and its tables are there, leading or standing by; else a literal into *why. */
bool leader_ready(const struct leader *leader, const char **why);

/* Any thread. False until the thread has ended by itself, which it does only when the schema is newer than this program
 * (STATUS_UNSUPPORTED); it then also ends publish_run. */
bool leader_failed(const struct leader *leader);

#endif
