/* extract: an extraction whose segments are kept as text, for the tests of what is gathered. */
#ifndef TESTS_SUPPORT_EXTRACT_H
#define TESTS_SUPPORT_EXTRACT_H

#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/extract.h"

enum { TEXT_BYTES = 64 * KIB, SCOPE_DEFAULT = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT };

static struct segments segments;
static struct json json;
static struct extract *extract;
static struct extract_result result;

static inline void start_with(struct extract_options options)
{
    options.add = segments_add;
    options.context = &segments;
    extract_close(&extract);
    assert_null(extract);
    buffer_clear(&segments.text);
    segments.count = 0;
    assert_status(STATUS_OK, extract_open(&extract, &options));
}

static inline void start(unsigned scope_roles, size_t text_bytes_max)
{
    start_with((struct extract_options){.scope_roles = scope_roles, .text_bytes_max = text_bytes_max});
}

static inline int set_up(void **state)
{
    (void)state;
    segments_init(&segments);
    json_init(&json);
    start(SCOPE_DEFAULT, TEXT_BYTES);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    extract_close(&extract);
    extract_close(&extract);
    json_free(&json);
    segments_free(&segments);
    return 0;
}

static inline const struct json_token *token(const char *text)
{
    assert_status(STATUS_OK, json_read(&json, bytes_of(text), JSON_REFUSE_DUPLICATES));
    return &json.tokens[0];
}

static inline void assert_segments(const char *expected)
{
    assert_status(STATUS_OK, extract_finish(extract, &result));
    assert_bytes(expected, buffer_view(&segments.text));
}

#endif
