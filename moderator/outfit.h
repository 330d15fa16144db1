/* outfit: what one worker thread judges with under one set of rules, and the counts of its verdicts; made anew for new rules.
 *
 * Thread: the one that judges; opened and closed by any.
 */
#ifndef MODERATOR_OUTFIT_H
#define MODERATOR_OUTFIT_H

#include "moderator/judge.h"
#include "proto/metrics.h"
#include "proto/status.h"

struct outfit {
    struct judge *judge;
    struct judge *second; /* for short texts, between two steps of a long one */
    struct metrics *metrics;
    struct series *judged[]; /* [profile of the judge][outcome][source], looked up when first needed */
};

/* `pause` is what happens between two steps of a long text; that of `base` is not looked at. Lends `metrics` until outfit_close.
 * STATUS_NO_MEMORY; statuses of judge_open. */
MUST_CHECK enum status outfit_open(struct outfit **out, const struct judge_parts *base, struct pause pause,
                                   struct metrics *metrics);

/* Takes NULL. */
void outfit_close(struct outfit *outfit);

/* One verdict more, of a profile that the judge knows. */
void outfit_count(struct outfit *outfit, struct bytes profile, const struct message_verdict *verdict);

#endif
