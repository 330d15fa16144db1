/* rules: a count of holders around settings and keyword lists. */
#include "moderator/rules.h"

#include "moderator/file.h"
#include "proto/secret.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rules {
    const struct settings *settings;
    struct settings *owned; /* the same, or NULL: they are the program's */
    _Atomic size_t holders;
    struct share share;
    size_t list_count;
    unsigned char (*review_digests)[SHA256_BYTES]; /* one a profile, as the lists */
    struct keywords *keywords[]; /* one a profile */
};

static void add_files(unsigned char digest[SHA256_BYTES], const struct review_settings *review)
{
    struct secret key = {0};
    struct buffer prompt;

    buffer_init(&prompt, REVIEW_PROMPT_BYTES_MAX);
    if (review->prompt_file[0] != '\0' && file_read(review->prompt_file, &prompt) == STATUS_OK) {
        secret_sha256_add(digest, buffer_view(&prompt));
    }
    if (review->key_file[0] != '\0' && secret_read(&key, review->key_file) == STATUS_OK) {
        secret_sha256_add(digest, secret_view(&key));
    }
    secret_free(&key);
    buffer_free(&prompt);
}

/* Of the bytes as they lie in memory: what was read the same way is the same, and nothing more is needed. */
static void digest_review(const struct profile_settings *profile, unsigned char out[SHA256_BYTES])
{
    const struct bytes parts[] = {
        {(const char *)&profile->store, sizeof profile->store},
        {(const char *)&profile->model_kind, sizeof profile->model_kind},
        {(const char *)&profile->low, sizeof profile->low},
        {(const char *)&profile->high, sizeof profile->high},
        {(const char *)&profile->review, sizeof profile->review},
    };

    memset(out, 0, SHA256_BYTES);
    secret_sha256_add(out, bytes_of(profile->name));
    if (profile->review.url[0] == '\0') {
        return;
    }
    for (size_t index = 0; index < sizeof parts / sizeof *parts; index++) {
        secret_sha256_add(out, parts[index]);
    }
    add_files(out, &profile->review);
}

enum status rules_open(struct rules **out, const struct settings *settings, FILE *errors)
{
    struct rules *rules = calloc(1, sizeof *rules + settings->profile_count * sizeof *rules->keywords);
    enum status first = STATUS_OK;

    if (rules == NULL) {
        return STATUS_NO_MEMORY;
    }
    rules->settings = settings;
    share_open(&rules->share, settings);
    atomic_init(&rules->holders, 1);
    rules->review_digests = calloc(settings->profile_count + 1, sizeof *rules->review_digests);
    if (rules->review_digests == NULL) {
        rules_release(&rules);
        return STATUS_NO_MEMORY;
    }
    rules->list_count = settings->profile_count;
    for (size_t index = 0; index < rules->list_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];
        enum status status =
            keywords_open(&rules->keywords[index], profile->keyword_files, profile->keyword_file_count, errors);

        first = first == STATUS_OK ? status : first;
        digest_review(profile, rules->review_digests[index]);
    }
    if (first != STATUS_OK) {
        rules_release(&rules);
        return first;
    }
    *out = rules;
    return STATUS_OK;
}

void rules_own(struct rules *rules, struct settings *settings)
{
    assert(rules->owned == NULL && settings == rules->settings);
    rules->owned = settings;
}

struct rules *rules_hold(struct rules *rules)
{
    if (rules != NULL) {
        (void)atomic_fetch_add_explicit(&rules->holders, 1, memory_order_relaxed);
    }
    return rules;
}

void rules_release(struct rules **rules)
{
    struct rules *released = *rules;

    *rules = NULL;
    /* Acquire and release: the last holder must see all that the others did with it. */
    if (released == NULL || atomic_fetch_sub_explicit(&released->holders, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t index = 0; index < released->list_count; index++) {
        keywords_close(&released->keywords[index]);
    }
    free(released->review_digests);
    share_close(&released->share);
    settings_close(&released->owned);
    free(released);
}

const struct settings *rules_settings(const struct rules *rules)
{
    return rules->settings;
}

struct keywords *const *rules_keywords(const struct rules *rules)
{
    return rules->keywords;
}

const struct share *rules_share(const struct rules *rules)
{
    return &rules->share;
}

const unsigned char *rules_review_digest(const struct rules *rules, size_t profile)
{
    assert(profile < rules->list_count);
    return rules->review_digests[profile];
}

bool rules_review_alike(const struct rules *left, const struct rules *right)
{
    return left->list_count == right->list_count &&
           memcmp(left->review_digests, right->review_digests, left->list_count * sizeof *left->review_digests) == 0;
}

size_t rules_keyword_count(const struct rules *rules)
{
    size_t count = 0;

    for (size_t index = 0; index < rules->list_count; index++) {
        count += keywords_count(rules->keywords[index]);
    }
    return count;
}
