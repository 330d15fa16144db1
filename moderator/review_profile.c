/* review_profile: reads the prompt and the key of a profile's review. */
#include "moderator/review_profile.h"

#include "moderator/file.h"
#include "moderator/review_request.h"
#include "proto/secret.h"

#include <assert.h>
#include <string.h>

const char *review_result_name(enum review_result result)
{
    static const char *const names[REVIEW_RESULTS] = {
        [REVIEW_ALLOW] = "allow",           [REVIEW_BLOCK] = "block",   [REVIEW_NO_VERDICT] = "no_verdict",
        [REVIEW_HTTP_ERROR] = "http_error", [REVIEW_TIMEOUT] = "timeout", [REVIEW_FAILED] = "failed",
        [REVIEW_TOO_LARGE] = "too_large",  [REVIEW_UNREACHABLE] = "unreachable", [REVIEW_HISTORY] = "history",
        [REVIEW_CACHE] = "cache",
    };

    assert((unsigned)result < REVIEW_RESULTS);
    return names[result];
}

static enum status tell(FILE *errors, const char *name, const char *what, enum status status)
{
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    fprintf(errors, "%s: %s: %s\n", name, what, status_sentence(status));
    return STATUS_MALFORMED;
}

static enum status read_policy(struct review_profile *profile, FILE *errors)
{
    const char *file = profile->settings->review.prompt_file;
    enum status status;

    buffer_init(&profile->policy_file, REVIEW_PROMPT_BYTES_MAX);
    profile->policy = review_request_default_policy();
    if (file[0] == '\0') {
        return STATUS_OK;
    }
    status = file_read(file, &profile->policy_file);
    if (status == STATUS_OK && profile->policy_file.count == 0) {
        status = STATUS_TOO_FEW; /* a reviewer without a policy would say anything */
    }
    if (status != STATUS_OK) {
        return tell(errors, file, "prompt of a review", status);
    }
    profile->policy = buffer_view(&profile->policy_file);
    return STATUS_OK;
}

static enum status make_target(struct review_profile *profile, const struct private_hosts *hosts, FILE *errors)
{
    const struct review_settings *review = &profile->settings->review;
    struct secret key = {0};
    enum status status;

    if (review->key_file[0] != '\0') {
        status = secret_read(&key, review->key_file);
        if (status != STATUS_OK) {
            return tell(errors, review->key_file, "key of a review", status);
        }
    }
    status = review_target_open(&profile->target, review->url, secret_view(&key), hosts);
    secret_free(&key);
    return status == STATUS_OK ? status : tell(errors, review->url, "address of a review", status);
}

static void find_series(struct review_profile *profile, struct metrics *metrics)
{
    const struct metric_label labels[] = {{"profile", profile->settings->name}};

    for (int result = 0; result < REVIEW_RESULTS; result++) {
        const struct metric_label both[] = {labels[0], {"result", review_result_name((enum review_result)result)}};

        profile->results[result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_reviews_total",
                                                  "Reviews by how they ended", both, 2);
        if (result < REVIEW_TOO_LARGE) {
            profile->calls[result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_review_calls_total",
                                                    "Calls to reviewing models by how they ended", both, 2);
        }
    }
    profile->shared = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_reviews_shared_total",
                                     "Reviews that joined one of the same texts under way", labels, 1);
    profile->circuits_open = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_review_circuits_open",
                                            "Reviewing models that are left alone", labels, 1);
}

enum status review_profile_open(struct review_profile *out, const struct profile_settings *settings,
                                const struct private_hosts *hosts, struct metrics *metrics, FILE *errors)
{
    struct review_profile profile = {.settings = settings};
    enum status status = read_policy(&profile, errors);

    if (status == STATUS_OK) {
        status = make_target(&profile, hosts, errors);
    }
    if (status != STATUS_OK) {
        review_profile_close(&profile);
        return status;
    }
    find_series(&profile, metrics);
    review_models_init(&profile.models, settings->review.model_count);
    *out = profile;
    return STATUS_OK;
}

void review_profile_close(struct review_profile *profile)
{
    review_target_close(&profile->target);
    buffer_free(&profile->policy_file);
    *profile = (struct review_profile){0};
}
