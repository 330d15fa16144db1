/* review_labels: an answer about some texts, text by text. */
#include "moderator/review_labels.h"

#include "moderator/review_recent.h"

void review_labels_drawn(const struct review_labels *labels, unsigned char alone[UNSURE_BYTES_MAX])
{
    struct bytes rest = labels->task->segments;
    struct segment segment;

    for (size_t index = 0; labels->history != NULL && message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        if (history_draws(labels->history, labels->number, segment.text)) {
            alone[index / 8] |= (unsigned char)(1u << index % 8);
        }
    }
}

void review_labels_keep(const struct review_labels *labels, const struct bytes *texts, size_t count,
                        const struct review_answer *answer)
{
    struct history_label label = {
        .profile = labels->number,
        .violation = answer->violation,
        .drawn = labels->task->head.drawn,
        .model_version = labels->task->head.model_version,
        .caller = labels->task->caller,
        .category = bytes_of(answer->category),
    };

    review_recent_keep(labels->recent, labels->profile, labels->task, texts, count, answer);
    if (labels->history == NULL || (answer->violation && count != 1)) {
        return;
    }
    for (size_t index = 0; index < count; index++) {
        label.text = texts[index];
        if (history_keep(labels->history, &label) != STATUS_OK) {
            return;
        }
    }
}
