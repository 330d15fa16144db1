/* rules: a count of holders around settings and keyword lists. */
#include "moderator/rules.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct rules {
    const struct settings *settings;
    struct settings *owned; /* the same, or NULL: they are the program's */
    _Atomic size_t holders;
    size_t list_count;
    struct keywords *keywords[]; /* one a profile */
};

enum status rules_open(struct rules **out, const struct settings *settings, FILE *errors)
{
    struct rules *rules = calloc(1, sizeof *rules + settings->profile_count * sizeof *rules->keywords);
    enum status first = STATUS_OK;

    if (rules == NULL) {
        return STATUS_NO_MEMORY;
    }
    rules->settings = settings;
    rules->list_count = settings->profile_count;
    atomic_init(&rules->holders, 1);
    for (size_t index = 0; index < rules->list_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];
        enum status status =
            keywords_open(&rules->keywords[index], profile->keyword_files, profile->keyword_file_count, errors);

        first = first == STATUS_OK ? status : first;
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

size_t rules_keyword_count(const struct rules *rules)
{
    size_t count = 0;

    for (size_t index = 0; index < rules->list_count; index++) {
        count += keywords_count(rules->keywords[index]);
    }
    return count;
}
