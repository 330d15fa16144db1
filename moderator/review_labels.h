/* review_labels: what is kept of a reviewer's strict answers: labels for history, findings for reviews to come.
 *
 * A label is kept only when an answer says for certain which text it is about: no violation labels every text that was asked
 * about together, a violation labels the text when there was only one. A text that was drawn at random is asked about alone, so
 * that its label is certain whatever it is: else violations would be missing among the drawn.
 *
 * Internal to moderator/review. Thread: the review's.
 */
#ifndef MODERATOR_REVIEW_LABELS_H
#define MODERATOR_REVIEW_LABELS_H

#include "moderator/history.h"
#include "moderator/review_recent.h"

/* Borrowed for the call. */
struct review_labels {
    struct history *history;     /* NULL: no labels */
    struct review_recent recent; /* without `recent` in it: no findings */
    size_t number; /* of the profile: index into settings.profiles */
};

/* Sets the bit of each text of the task that was drawn, and so is to be asked about alone. */
void review_labels_drawn(const struct review_labels *labels, unsigned char alone[UNSURE_BYTES_MAX]);

/* What every text of `count` was found to be. What cannot be kept is counted by history. */
void review_labels_keep(const struct review_labels *labels, const struct bytes *texts, size_t count,
                        const struct review_answer *answer);

#endif
