/* review_recent: findings of reviews, looked for and kept text by text. */
#include "moderator/review_recent.h"

#include "proto/clock.h"

#include <math.h>
#include <string.h>

/* The score says nothing of a review, but the model's version does of when it was unsure. */
static struct recent_basis basis_of(const struct review_recent *review)
{
    struct recent_basis basis = review->profile->basis;

    basis.model_version = review->task->head.model_version;
    basis.labels_version = review->labels_version;
    return basis;
}

size_t review_recent_ask(const struct review_recent *review, unsigned char passed[UNSURE_BYTES_MAX], struct review_answer *out)
{
    struct recent *recent = review->recent;
    struct recent_basis basis = basis_of(review);
    struct bytes rest = review->task->segments;
    struct segment segment;
    uint64_t now_ms = clock_ms();
    size_t left = 0;

    if (recent == NULL || basis.ttl_ms == 0) {
        return review->task->segment_count;
    }
    for (size_t index = 0; message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        const struct print print = recent_print_of(recent, segment.text);
        struct recent_finding finding;

        if (!recent_find(recent, &basis, &print, now_ms, &finding)) {
            left++;
        } else if (finding.violation) {
            out->violation = true;
            memcpy(out->category, finding.category, sizeof out->category);
            return 0;
        } else {
            passed[index / 8] |= (unsigned char)(1u << index % 8);
        }
    }
    return left;
}

static void keep(struct recent *recent, struct recent_basis *basis, struct bytes text, const struct review_answer *answer)
{
    struct recent_finding finding = {.score = (double)NAN, .violation = answer->violation};
    const struct print print = recent_print_of(recent, text);

    memcpy(finding.category, answer->category, sizeof finding.category);
    recent_keep(recent, basis, &print, clock_ms(), &finding);
}

void review_recent_keep(const struct review_recent *review, const struct bytes *texts, size_t count,
                        const struct review_answer *answer)
{
    struct recent_basis basis = basis_of(review);

    if (review->recent == NULL || (answer->violation && count != 1)) {
        return;
    }
    for (size_t index = 0; index < count; index++) {
        keep(review->recent, &basis, texts[index], answer);
    }
}

void review_recent_keep_passed(const struct review_recent *review, const unsigned char passed[UNSURE_BYTES_MAX])
{
    const struct bytes bits = {(const char *)passed, UNSURE_BYTES_MAX};
    struct recent_basis basis = basis_of(review);
    const struct review_answer answer = {.violation = false};
    struct bytes rest = review->task->segments;
    struct segment segment;

    for (size_t index = 0; review->recent != NULL && message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        if (message_unsure_has(bits, index)) {
            keep(review->recent, &basis, segment.text, &answer);
        }
    }
}
