/* trial: how good the versions in use of one profile are, and what becomes of one that is on trial.
 *
 * Both are scored on the texts that were drawn at random since the version was made (store_read_drawn), so that what they
 * decide themselves has no part in what they are judged by. A version says that a text is a violation where its score reaches
 * the middle between `low` and `high`, as `undecided: model` does.
 *
 *   goes on      until there are training.canary_labels such texts, TRIAL_VIOLATIONS_MIN violations among them, and
 *                TRIAL_DECIDED_MIN labels of texts that the version itself judged: moderators do use it
 *   promoted     then, unless its precision or recall is behind the live version's by more than gate.max_regression and
 *                TRIAL_ERRORS standard errors of the difference
 *   refused      else ("trial_precision", "trial_recall"); at once where it is behind by TRIAL_ERRORS_EARLY standard errors
 *                among TRIAL_EARLY_MIN texts or more ("trial_unreadable": its file cannot be read any more)
 *   set aside    as a candidate, after training.canary_time without enough texts ("trial_too_few"), or when the settings want
 *                no trials any more ("trial_off"): it is never promoted without evidence, and a person may publish it
 *
 * At most the newest TRIAL_ROWS_MAX texts and TRIAL_BYTES_MAX of them are looked at; where the bytes end it, what there is must
 * do.
 * Thread: the leader's; it computes for up to a second. Memory: two models' files and what they unfold to.
 */
#ifndef TRAINER_TRIAL_H
#define TRAINER_TRIAL_H

#include "proto/settings.h"
#include "trainer/store_trial.h"
#include "trainer/tally.h"

enum trial_end {
    TRIAL_GOES_ON,
    TRIAL_PROMOTED,
    TRIAL_REFUSED,
    TRIAL_SET_ASIDE,
    TRIAL_PUBLISHED, /* this and those below: not by us (trainer/trials) */
    TRIAL_ROLLED_BACK,
    TRIAL_SUPERSEDED,
    TRIAL_ENDS
};

struct trial_result {
    struct tally_figures live; /* of all texts drawn since it was made; count 0 when there is none */
    struct tally_figures trial;
    struct tally_figures beside; /* the live version on the texts of the trial */
    size_t decided;              /* of those, judged by the version on trial */
    enum trial_end end;
    const char *reason; /* a literal; "" when it goes on or was promoted */
};

/* Scores, and decides. STATUS_NO_MEMORY, and what the store returns. */
MUST_CHECK enum status trial_judge(struct store *store, const struct profile_settings *profile,
                                   const struct store_standing *standing, struct trial_result *out);

/* As JSON objects for store_note_trial. STATUS_NO_MEMORY. */
MUST_CHECK enum status trial_write_live(const struct trial_result *result, struct buffer *out);
MUST_CHECK enum status trial_write(const struct trial_result *result, const struct profile_settings *profile,
                                   struct buffer *out);

/* "on_trial", "promoted", "refused", "aside", "published", "rolled_back", "superseded"; static. */
const char *trial_end_name(enum trial_end end);

#endif
