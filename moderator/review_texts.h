/* review_texts: the texts of a task as reviews see them: in parts that go into one request each, and by one name for all.
 *
 * Internal to moderator/review. Thread: any.
 */
#ifndef MODERATOR_REVIEW_TEXTS_H
#define MODERATOR_REVIEW_TEXTS_H

#include "moderator/history_lookup.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/secret.h"

/* Which texts; `passed` and `alone` have a bit a text (message_unsure_has). */
struct review_texts_choice {
    struct bytes passed; /* left out */
    struct bytes alone;  /* in no part with others */
    size_t start;        /* the index of the first */
    size_t count_max;    /* 1 to REVIEW_PART_TEXTS_MAX */
};

/* Collects the texts of the next part: as chosen, and at most REVIEW_PART_BYTES unless it is one text. Returns how many; *out_end
 * is where the next part starts. They are views of the task's. */
size_t review_texts_collect(const struct message_task *task, const struct review_texts_choice *choice,
                            struct bytes texts[REVIEW_PART_TEXTS_MAX], size_t *out_end);

/* Asks for earlier labels of all texts. `own`: the profile, and what comes back as it was. STATUS_NO_MEMORY, and what
 * history_lookup_ask says. */
MUST_CHECK enum status review_texts_look_up(struct history_lookup *lookup, const struct history_question *own,
                                            const struct message_task *task);

/* A name that only the same texts in the same order have, within a profile. */
void review_texts_digest(const struct message_task *task, unsigned char out[SHA256_BYTES]);

#endif
