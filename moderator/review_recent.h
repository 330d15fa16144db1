/* review_recent: what reviews know of texts from those before them, and leave for those after them (moderator/recent).
 *
 * A gateway may ask any moderator for a review: without this each turn of a conversation could cost a call of the LLM.
 *
 * Internal to moderator/review. Thread: any. `recent` is NULL where nothing is known; then nothing is kept either. A review finds
 * and keeps what is of the version that the profile's labels had when it began (recent_labels_version): it may have asked for
 * them before a person changed one.
 */
#ifndef MODERATOR_REVIEW_RECENT_H
#define MODERATOR_REVIEW_RECENT_H

#include "moderator/recent.h"
#include "moderator/review_answer.h"
#include "moderator/review_profile.h"
#include "proto/message.h"

/* What a review is about. */
struct review_recent {
    struct recent *recent;
    const struct review_profile *profile;
    const struct message_task *task;
    uint64_t labels_version;
};

/* Sets the bit of each text in `passed` (message_unsure_has) that passed of late, and returns how many are left to be asked
 * about. 0 too where one of them is a violation: then *out says which. */
size_t review_recent_ask(const struct review_recent *review, unsigned char passed[UNSURE_BYTES_MAX], struct review_answer *out);

/* Keeps a strict answer about some texts of the task. Of a violation among several nobody knows which it is: nothing is kept. */
void review_recent_keep(const struct review_recent *review, const struct bytes *texts, size_t count,
                        const struct review_answer *answer);

/* Keeps that the texts whose bits are set passed. */
void review_recent_keep_passed(const struct review_recent *review, const unsigned char passed[UNSURE_BYTES_MAX]);

#endif
