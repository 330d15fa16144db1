/* review_profile: what a review of one profile needs beside the settings: its policy text and its target with the key.
 *
 * Internal to moderator/review. Thread: opened by main, then the review thread's.
 */
#ifndef MODERATOR_REVIEW_PROFILE_H
#define MODERATOR_REVIEW_PROFILE_H

#include "moderator/recent.h"
#include "moderator/review_call.h"
#include "moderator/review_models.h"
#include "proto/log.h"
#include "proto/metrics.h"
#include "proto/secret.h"
#include "proto/settings.h"

#include <stdio.h>

/* How a review, or one call of it, ended; the label of prismguard_moderator_reviews_total. */
enum review_result {
    REVIEW_ALLOW,
    REVIEW_BLOCK,
    REVIEW_NO_VERDICT, /* an answer that is not strict, or beyond its bound */
    REVIEW_HTTP_ERROR, /* another status than 200 */
    REVIEW_TIMEOUT,
    REVIEW_FAILED, /* no connection, or it broke */
    REVIEW_TOO_LARGE, /* a text does not fit the request */
    REVIEW_UNREACHABLE, /* every model is left alone: it failed too often, or asked for a pause that is too long */
    REVIEW_HISTORY, /* earlier labels decided */
    REVIEW_CACHE,   /* what was said of late did */
    REVIEW_RESULTS,
};

struct review_profile {
    const struct profile_settings *settings; /* borrowed; NULL = the profile has no review */
    struct buffer policy_file;               /* empty when there is no prompt file */
    struct bytes policy;
    struct review_target *target;
    struct series *results[REVIEW_RESULTS];
    struct series *calls[REVIEW_RESULTS];
    struct series *shared;
    struct series *circuits_open;
    struct log_limiter told[REVIEW_RESULTS]; /* calls that failed */
    struct review_models models; /* the review thread's */
    struct recent_basis basis;   /* what is kept of it rests on */
};

/* `hosts`: whose addresses may be private. STATUS_MALFORMED with a line on `errors` that names the file or the URL;
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status review_profile_open(struct review_profile *out, const struct profile_settings *settings,
                                           const struct private_hosts *hosts, struct metrics *metrics, FILE *errors);
void review_profile_close(struct review_profile *profile);

/* "allow", "no_verdict", ... static. */
const char *review_result_name(enum review_result result);

#endif
