/* ladder: the rule that turns what is known about a text into a verdict; nothing but the rule.
 *
 *   keyword             -> BLOCK   source keyword, never sampled
 *   no text             -> ALLOW   source none
 *   a review said of late of one text that it is a violation -> BLOCK, of all that they are not -> ALLOW   source cache
 *   score < low         -> ALLOW   source model   } a share of sample_rate goes to review all the same:
 *   score > high        -> BLOCK   source model   } UNSURE, drawn random, fallback = what the model said
 *   low <= score <= high, or no model:
 *     with a review     -> UNSURE  fallback by `undecided`
 *     without           -> the fallback itself
 *
 * The fallback by `undecided`: model = the nearer side of the middle of low and high (the middle itself blocks), source model;
 * with no model it allows, source undecided. block and allow are what they say, source undecided.
 * Only UNSURE has a fallback and a reason for the review; they are 0 otherwise (PROTOCOL.md).
 * Thread: any. Source of the rule: house.md D6.
 */
#ifndef MODERATOR_LADDER_H
#define MODERATOR_LADDER_H

#include "proto/message.h"
#include "proto/settings.h"

#include <stdbool.h>

enum ladder_find {
    LADDER_NO_TEXT,
    LADDER_KEYWORD,
    LADDER_REVIEWED_VIOLATION,
    LADDER_REVIEWED_ALL, /* and passed */
    LADDER_SCORE,
    LADDER_NO_MODEL,
};

/* What the client may read of a block: it names the rung, never the word or the score. */
#define LADDER_CATEGORY_KEYWORD "keyword"
#define LADDER_CATEGORY_MODEL "violation"
#define LADDER_CATEGORY_UNDECIDED "undecided"

/* Whether the profile has a reviewing LLM. */
bool ladder_has_review(const struct profile_settings *profile);

/* Sets outcome, fallback, drawn, source and category (a literal) of `out` and nothing else. `score` counts with LADDER_SCORE
 * only. `sampled`: drawn at random for a review. */
void ladder_decide(const struct profile_settings *profile, enum ladder_find find, double score, bool sampled,
                   struct message_verdict *out);

#endif
