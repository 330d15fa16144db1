/* share: which texts are in the random share of the reviews, and which decisions try out a new version: by keyed hashes, so that
 * all moderators agree, and a retry meets the same.
 *
 *   text ──keyed print──> 64 bits ──with the hour──> below review.sample_rate: drawn
 *   texts of a decision, in their order ──────────> 64 bits ──with the version──> below training.canary: the new version decides
 *
 * A text is drawn whatever the model thinks of it, so that the labels of those that were drawn tell how good a model is without
 * bias (trainer/trial). With the hour, so that a text that is sent again and again is drawn in the end.
 *
 * The key comes from database.hash_key_file; where there is none, or it cannot be read, it is random, and the process's own.
 * Thread: any.
 */
#ifndef MODERATOR_SHARE_H
#define MODERATOR_SHARE_H

#include "proto/secret_print.h"
#include "proto/settings.h"

enum { SHARE_WHOLE = 1000000 }; /* shares are kept in millionths: a label's with what probability its text was drawn */

struct share {
    struct secret_print_key key;
};

void share_open(struct share *out, const struct settings *settings);
void share_close(struct share *share); /* wipes */

/* What draws and trials rest on. `before` is that of the texts in front of this one in its decision, 0 at first. */
uint64_t share_of(const struct share *share, uint64_t before, struct bytes text);

/* Whether a text is drawn in the hour of `wall_us` (microseconds since 1970); `rate` is 0 to 1. A label that is made some seconds
 * later, in the next hour, is asked about anew: that costs as many texts of each kind. */
bool share_draws(uint64_t of_text, uint64_t wall_us, double rate);

/* Whether a decision is among the part (0 to 1) that this version decides while it is tried out. */
bool share_tries(uint64_t of_decision, uint64_t version, double part);

#endif
