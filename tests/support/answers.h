/* answers: reads the plain answer of an upstream in a dialect and keeps its text, for the tests of all dialects. */
#ifndef TESTS_SUPPORT_ANSWERS_H
#define TESTS_SUPPORT_ANSWERS_H

#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/answer.h"

enum {
    ANSWER_TEXT_BYTES = 64 * KIB,
    ANSWER_ROLES = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT | SCOPE_ASSISTANT | SCOPE_REASONING,
};

/* The text of an answer, all segments together, into `segments`, which is empty. */
static inline enum status answers_read(enum dialect dialect, const char *body, size_t text_bytes_max, struct segments *segments)
{
    const struct extract_options options = {
        .scope_roles = ANSWER_ROLES, .text_bytes_max = text_bytes_max, .add = segments_add, .context = segments};
    struct extract *extract = NULL;
    struct extract_result result;
    struct json json;
    enum status status;

    json_init(&json);
    assert_status(STATUS_OK, extract_open(&extract, &options));
    status = answer_read(dialect, &json, bytes_of(body), extract, &result);
    extract_close(&extract);
    json_free(&json);
    return status;
}

/* The words of each of these are in the text. */
static inline void answers_assert_says(enum dialect dialect, const char *body, const char *const *words)
{
    struct segments segments;

    segments_init(&segments);
    assert_status(STATUS_OK, answers_read(dialect, body, ANSWER_TEXT_BYTES, &segments));
    for (; *words != NULL; words++) {
        if (memmem(segments.text.data, segments.text.count, *words, strlen(*words)) == NULL) {
            fail_msg("'%s' is not in: %.*s", *words, (int)segments.text.count, segments.text.data);
        }
    }
    segments_free(&segments);
}

/* Nothing of the answer is text. */
static inline void answers_assert_silent(enum dialect dialect, const char *body)
{
    struct segments segments;

    segments_init(&segments);
    assert_status(STATUS_OK, answers_read(dialect, body, ANSWER_TEXT_BYTES, &segments));
    assert_int_equal(0, segments.count);
    segments_free(&segments);
}

static inline void answers_assert_refused(enum dialect dialect, enum status expected, const char *body)
{
    struct segments segments;

    segments_init(&segments);
    assert_status(expected, answers_read(dialect, body, ANSWER_TEXT_BYTES, &segments));
    segments_free(&segments);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
