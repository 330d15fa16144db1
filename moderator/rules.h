/* rules: the settings and keyword lists that texts are judged by; counted, so that a reload changes nothing under a task's feet.
 *
 * main holds the current ones, every judge and every part that a reload did not renew the ones it was made with. The last holder
 * frees them. Thread: any.
 */
#ifndef MODERATOR_RULES_H
#define MODERATOR_RULES_H

#include "moderator/keywords.h"
#include "moderator/share.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

struct rules;

/* Reads the keyword lists of every profile, all of them before a failure is returned, so that all their problems are told on
 * `errors` at once. `settings` is borrowed until the last holder lets go. Statuses of keywords_open. The caller holds *out. */
MUST_CHECK enum status rules_open(struct rules **out, const struct settings *settings, FILE *errors);

/* Takes `settings`, the ones it was opened with: they are closed with it. */
void rules_own(struct rules *rules, struct settings *settings);

/* One holder more; returns it. Takes NULL. */
struct rules *rules_hold(struct rules *rules);

/* One holder less; makes *rules NULL. Takes NULL. */
void rules_release(struct rules **rules);

/* Lent as long as they are held. */
const struct settings *rules_settings(const struct rules *rules);
struct keywords *const *rules_keywords(const struct rules *rules); /* one a profile */

const struct share *rules_share(const struct rules *rules); /* by the hash key as it was when they were opened */

/* A digest (SHA256_BYTES) of all that the profile's reviews and their labels are made from, and of when the model is unsure:
 * name, store, model kind and thresholds, review settings, prompt and key, as they were when the rules were opened. Equal ones
 * mean that what a review said still holds, and that a reload has nothing to renew there. Of a profile without a review it is the
 * name's. What cannot be read changes it. Lent as long as they are held. */
const unsigned char *rules_review_digest(const struct rules *rules, size_t profile);

/* Whether it says the same of every profile of both. */
bool rules_review_alike(const struct rules *left, const struct rules *right);

/* Of all lists together. */
size_t rules_keyword_count(const struct rules *rules);

#endif
