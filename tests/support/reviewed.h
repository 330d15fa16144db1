/* reviewed.h: texts that all have a label, of which a reviewer saw those that a model was unsure of and a twentieth of the others. */
#ifndef SUPPORT_REVIEWED_H
#define SUPPORT_REVIEWED_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum { REVIEWED_TEXTS = 60000 };

#define REVIEWED_SHARE 0.05

struct reviewed_text {
    double probability; /* what the model said that chose the reviews; the labels follow it */
    double other;       /* what another model says, which is worse where that one is sure, and better where it is not */
    int label;
    bool is_reviewed;
    double weight; /* 1 / the probability with which it was reviewed */
};

static inline double reviewed_roll(uint64_t *dice)
{
    *dice = *dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*dice >> 11) / 9007199254740992.0;
}

/* Equal seeds make equal texts. `texts` has room for REVIEWED_TEXTS. */
static inline void reviewed_make(struct reviewed_text *texts, uint64_t seed)
{
    uint64_t dice = seed;

    for (int at = 0; at < REVIEWED_TEXTS; at++) {
        struct reviewed_text *text = &texts[at];
        double score = 12 * reviewed_roll(&dice) - 6;
        bool is_unsure, is_lost;

        text->probability = 1 / (1 + exp(-score));
        text->label = reviewed_roll(&dice) < text->probability;
        is_unsure = text->probability >= 0.2 && text->probability <= 0.8;
        is_lost = !is_unsure && reviewed_roll(&dice) < 0.1;
        text->other = is_unsure ? (text->probability + text->label) / 2 : text->probability;
        text->other = is_lost ? 1 - text->other : text->other;
        text->is_reviewed = is_unsure || reviewed_roll(&dice) < REVIEWED_SHARE;
        text->weight = is_unsure ? 1 : 1 / REVIEWED_SHARE;
    }
}

#endif
