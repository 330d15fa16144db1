/* store_cancel: whoever has a session asks the leader to end the training of a profile that is under way, and hears that it does.
 *
 *   store_ask_cancel ──NOTIFY──> store_take_cancel, schedule_stop, store_confirm_cancel ──NOTIFY──> store_is_cancelled
 *
 * A leader hears it at its next turn (LEADER_CHECK_MS). Nothing of it is stored: what was asked of a leader that is gone is
 * forgotten, and so is its training. Sessions as in trainer/store.h.
 */
#ifndef TRAINER_STORE_CANCEL_H
#define TRAINER_STORE_CANCEL_H

#include "trainer/store.h"

/* The leader's side. store_take_cancel does not wait: false when nobody asks; 0 for what means no profile. */
MUST_CHECK enum status store_hear_cancels(struct store *store);
MUST_CHECK bool store_take_cancel(struct store *store, int64_t *out_profile_id);
MUST_CHECK enum status store_confirm_cancel(struct store *store, int64_t profile_id);

/* The other side. store_is_cancelled does not wait either; of a leader that has no such training under way nothing is heard. */
MUST_CHECK enum status store_ask_cancel(struct store *store, int64_t profile_id);
MUST_CHECK bool store_is_cancelled(struct store *store, int64_t profile_id);

#endif
