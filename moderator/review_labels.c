/* review_labels: an answer about some texts, text by text. */
#include "moderator/review_labels.h"

void review_labels_drawn(const struct review_labels *labels, unsigned char alone[UNSURE_BYTES_MAX])
{
    struct bytes rest = labels->recent.task->segments;
    struct segment segment;

    for (size_t index = 0; labels->history != NULL && message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        if (history_draws(labels->history, labels->number, segment.text)) {
            alone[index / 8] |= (unsigned char)(1u << index % 8);
        }
    }
}

/* Of several texts of an unsure decision the one that was drawn may be the one that the model was unsure of, or not: it counts as
 * drawn, as which it would stand for others. Counting some twice is a smaller error than leaving out those that were sure. */
static enum drawn find_reason(const struct review_labels *labels, struct bytes text)
{
    bool is_random = labels->recent.task->segment_count > 1 && history_draws(labels->history, labels->number, text);

    return is_random ? DRAWN_RANDOM : labels->recent.task->head.drawn;
}

void review_labels_keep(const struct review_labels *labels, const struct bytes *texts, size_t count,
                        const struct review_answer *answer)
{
    struct history_label label = {
        .profile = labels->number,
        .violation = answer->violation,
        .model_version = labels->recent.task->head.model_version,
        .caller = labels->recent.task->caller,
        .category = bytes_of(answer->category),
    };

    review_recent_keep(&labels->recent, texts, count, answer);
    if (labels->history == NULL || (answer->violation && count != 1)) {
        return;
    }
    for (size_t index = 0; index < count; index++) {
        label.text = texts[index];
        label.drawn = find_reason(labels, texts[index]);
        if (history_keep(labels->history, &label) != STATUS_OK) {
            return;
        }
    }
}
