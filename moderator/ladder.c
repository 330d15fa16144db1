/* ladder: thresholds, the undecided rule and sampling. */
#include "moderator/ladder.h"

bool ladder_has_review(const struct profile_settings *profile)
{
    return profile->review.url[0] != '\0';
}

static void set(struct message_verdict *out, enum outcome outcome, enum verdict_source source, const char *category)
{
    out->outcome = outcome;
    out->fallback = OUTCOME_ALLOW;
    out->drawn = DRAWN_UNSURE;
    out->source = source;
    out->category = outcome == OUTCOME_BLOCK ? bytes_of(category) : (struct bytes){NULL, 0};
}

/* The same decision, as the fallback of a text that a review shall see. */
static void set_unsure(struct message_verdict *out, enum drawn drawn)
{
    out->fallback = out->outcome;
    out->outcome = OUTCOME_UNSURE;
    out->drawn = drawn;
}

static void decide_undecided(const struct profile_settings *profile, enum ladder_find find, double score,
                             struct message_verdict *out)
{
    switch (profile->undecided) {
    case UNDECIDED_BLOCK:
        set(out, OUTCOME_BLOCK, SOURCE_UNDECIDED, LADDER_CATEGORY_UNDECIDED);
        break;
    case UNDECIDED_ALLOW:
        set(out, OUTCOME_ALLOW, SOURCE_UNDECIDED, NULL);
        break;
    case UNDECIDED_MODEL:
        if (find == LADDER_NO_MODEL) {
            set(out, OUTCOME_ALLOW, SOURCE_UNDECIDED, NULL);
        } else if (score >= (profile->low + profile->high) / 2) {
            set(out, OUTCOME_BLOCK, SOURCE_MODEL, LADDER_CATEGORY_MODEL);
        } else {
            set(out, OUTCOME_ALLOW, SOURCE_MODEL, NULL);
        }
        break;
    }
    if (ladder_has_review(profile)) {
        set_unsure(out, DRAWN_UNSURE);
    }
}

void ladder_decide(const struct profile_settings *profile, enum ladder_find find, double score, bool sampled,
                   struct message_verdict *out)
{
    if (find == LADDER_NO_TEXT) {
        set(out, OUTCOME_ALLOW, SOURCE_NONE, NULL);
        return;
    }
    if (find == LADDER_KEYWORD) {
        set(out, OUTCOME_BLOCK, SOURCE_KEYWORD, LADDER_CATEGORY_KEYWORD);
        return;
    }
    if (find == LADDER_REVIEWED_VIOLATION || find == LADDER_REVIEWED_ALL) {
        set(out, find == LADDER_REVIEWED_ALL ? OUTCOME_ALLOW : OUTCOME_BLOCK, SOURCE_CACHE, LADDER_CATEGORY_MODEL);
        return;
    }
    if (find == LADDER_SCORE && score < profile->low) {
        set(out, OUTCOME_ALLOW, SOURCE_MODEL, NULL);
    } else if (find == LADDER_SCORE && score > profile->high) {
        set(out, OUTCOME_BLOCK, SOURCE_MODEL, LADDER_CATEGORY_MODEL);
    } else {
        decide_undecided(profile, find, score, out);
        return;
    }
    if (ladder_has_review(profile) && sampled) {
        set_unsure(out, DRAWN_RANDOM);
    }
}
