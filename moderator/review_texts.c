/* review_texts: walks over the segments of a task. */
#include "moderator/review_texts.h"

#include <assert.h>
#include <string.h>

size_t review_texts_collect(const struct message_task *task, struct bytes passed, size_t start, size_t count_max,
                            struct bytes texts[REVIEW_PART_TEXTS_MAX], size_t *out_end)
{
    struct bytes rest = task->segments;
    struct segment segment;
    size_t count = 0;
    size_t bytes = 0;
    size_t index = 0;

    assert(count_max >= 1 && count_max <= REVIEW_PART_TEXTS_MAX);
    for (; message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        if (index < start || message_unsure_has(passed, index)) {
            continue;
        }
        if (count == count_max || (count > 0 && bytes + segment.text.count > REVIEW_PART_BYTES)) {
            break;
        }
        texts[count++] = segment.text;
        bytes += segment.text.count;
    }
    *out_end = index;
    return count;
}

struct history_question *review_texts_question(const struct history_lookup *lookup, size_t profile,
                                               const struct message_task *task)
{
    struct history_question *question = history_question_make(profile, task->segment_count);
    struct bytes rest = task->segments;
    struct segment segment;

    for (size_t index = 0; question != NULL && message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        history_lookup_name(lookup, question, index, segment.text);
    }
    return question;
}

void review_texts_digest(const struct message_task *task, unsigned char out[SHA256_BYTES])
{
    struct bytes rest = task->segments;
    struct segment segment;

    memset(out, 0, SHA256_BYTES);
    while (message_next_segment(&rest, &segment) == STATUS_OK) {
        secret_sha256_add(out, segment.text);
    }
}
