/* judge: one TASK to one VERDICT by keywords and the local model; no I/O, and no lock unless the model is away (moderator/live).
 *
 * Every segment is looked at whole: a keyword in any of them blocks; otherwise the worst score decides (moderator/ladder). With
 * OUTCOME_UNSURE the verdict names the segments a review should see: those that score `low` or more (all that have text when
 * there is no model), and those that were drawn at random (moderator/share).
 *
 * Where a version is on trial (training.canary), a part of the tasks is judged by it, always the same ones (moderator/share); the
 * verdict names the version that judged.
 *
 * A text that is known of late (moderator/recent) is neither scanned nor scored; one that a reviewer has seen of late is settled:
 * a violation blocks, and what passed counts no more. A verdict that rests on nothing new has the source cache, but that a text
 * is unsure or undecided is said anew each time. Only texts that are judged anew are drawn; what keywords and model said of those
 * is kept with that mark, and settles them only beside what a review said: no text escapes a sample_rate of 1 by being sent
 * twice, or when a person's label makes a review forgotten.
 *
 * Thread: a judge belongs to one thread.
 */
#ifndef MODERATOR_JUDGE_H
#define MODERATOR_JUDGE_H

#include "moderator/keywords.h"
#include "moderator/live.h"
#include "moderator/recent.h"
#include "moderator/rules.h"
#include "proto/message.h"
#include "proto/pause.h"
#include "proto/settings.h"

struct judge;

/* What all judges of the process share. */
struct judge_parts {
    struct rules *rules; /* held until judge_close */
    struct live *live;   /* borrowed until judge_close */
    struct recent *recent; /* the same; NULL: every text is judged anew */
    struct pause pause;    /* between two steps of a long text; it must not use this judge */
};

/* STATUS_NO_MEMORY, STATUS_UNAVAILABLE (fold_open), STATUS_FULL
 * (live_number). */
MUST_CHECK enum status judge_open(struct judge **out, const struct judge_parts *parts);
void judge_close(struct judge **judge);

/* The profile of this name by the judge's rules, NULL when there is none, and its place among theirs. Lent until judge_close. */
const struct profile_settings *judge_profile(const struct judge *judge, struct bytes name, size_t *out_index);

/* Lets go of models that were replaced; judge_task does it too. For a thread that has long had no task. */
void judge_rest(struct judge *judge);

/* A text that was left out of a RECALL is judged by what is known of it; where nothing is, nothing is guessed: STATUS_AGAIN, the
 * task is to be sent whole.
 * Fills all of `out` but worker_us; category and `unsure` are lent until the next judge_task.
 * STATUS_NOT_FOUND when the profile is unknown, STATUS_MALFORMED when the segments are, STATUS_NO_MEMORY, STATUS_TOO_LARGE
 * (keywords_scan), STATUS_TIMEOUT when the pause said to stop. */
MUST_CHECK enum status judge_task(struct judge *judge, const struct message_task *task, struct message_verdict *out);

#endif
