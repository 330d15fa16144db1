/* review_texts: walks over the segments of a task. */
#include "moderator/review_texts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t review_texts_collect(const struct message_task *task, const struct review_texts_choice *choice,
                            struct bytes texts[REVIEW_PART_TEXTS_MAX], size_t *out_end)
{
    struct bytes rest = task->segments;
    struct segment segment;
    size_t count = 0;
    size_t bytes = 0;
    size_t index = 0;
    bool closed = false; /* by a text that is alone */

    assert(choice->count_max >= 1 && choice->count_max <= REVIEW_PART_TEXTS_MAX);
    for (; message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        bool alone = message_unsure_has(choice->alone, index);

        if (index < choice->start || message_unsure_has(choice->passed, index)) {
            continue;
        }
        if (closed || count == choice->count_max ||
            (count > 0 && (alone || bytes + segment.text.count > REVIEW_PART_BYTES))) {
            break;
        }
        texts[count++] = segment.text;
        bytes += segment.text.count;
        closed = alone;
    }
    *out_end = index;
    return count;
}

enum status review_texts_look_up(struct history_lookup *lookup, const struct history_question *own,
                                 const struct message_task *task)
{
    struct history_question *question = history_question_make(own->profile, task->segment_count);
    struct bytes rest = task->segments;
    struct segment segment;
    enum status status;

    if (question == NULL) {
        return STATUS_NO_MEMORY;
    }
    question->number = own->number;
    question->turn = own->turn;
    for (size_t index = 0; message_next_segment(&rest, &segment) == STATUS_OK; index++) {
        history_lookup_name(lookup, question, index, segment.text);
    }
    status = history_lookup_ask(lookup, question);
    if (status != STATUS_OK) {
        free(question);
    }
    return status;
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
