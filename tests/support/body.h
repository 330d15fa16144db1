/* body: reads a request's body in a dialect and keeps what was extracted, for the tests of all dialects. */
#ifndef TESTS_SUPPORT_BODY_H
#define TESTS_SUPPORT_BODY_H

#include "support/segments.h"
#include "support/unit.h"

#include "gateway/format/body.h"

#include <stdlib.h>

enum { TEXT_BYTES = 4 * MIB, SCOPE_DEFAULT = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT };

static struct segments segments;
static struct json json;
static struct body request;
static struct problem problem;

static inline int set_up(void **state)
{
    (void)state;
    segments_init(&segments);
    json_init(&json);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    json_free(&json);
    segments_free(&segments);
    return 0;
}

static inline enum status read_with(enum dialect dialect, struct bytes body, enum unknown_choice unknown,
                                    struct extract_options options)
{
    struct extract *extract = NULL;
    enum status status;

    options.add = segments_add;
    options.context = &segments;
    buffer_clear(&segments.text);
    segments.count = 0;
    memset(&problem, 0, sizeof problem);
    assert_status(STATUS_OK, extract_open(&extract, &options));
    status = body_read(dialect, &json, body, unknown, extract, &request, &problem);
    extract_close(&extract);
    return status;
}

static inline enum status read_as(enum dialect dialect, struct bytes body, enum unknown_choice unknown, unsigned scope,
                                  size_t text_bytes_max)
{
    return read_with(dialect, body, unknown,
                     (struct extract_options){.scope_roles = scope, .text_bytes_max = text_bytes_max});
}

static inline bool holds_keyword(struct bytes text)
{
    return text.count > 0 && memmem(text.data, text.count, "forbidden-keyword", strlen("forbidden-keyword")) != NULL;
}

/* A body, and what is extracted from it or the path that a refusal names. */
struct body_case {
    const char *body;
    const char *expected;
};

static inline void assert_judged(enum dialect dialect, unsigned scope, const struct body_case *cases, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        enum status status = read_as(dialect, bytes_of(cases[index].body), UNKNOWN_BLOCK, scope, TEXT_BYTES);

        if (status != STATUS_OK) {
            fail_msg("%s: %s", problem.sentence, cases[index].body);
        }
        assert_bytes(cases[index].expected, buffer_view(&segments.text));
    }
}

static inline void assert_refused(enum dialect dialect, const struct body_case *cases, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        for (int unknown = UNKNOWN_SCAN; unknown <= UNKNOWN_BLOCK; unknown++) {
            assert_status(STATUS_MALFORMED, read_as(dialect, bytes_of(cases[index].body), (enum unknown_choice)unknown,
                                                    SCOPE_DEFAULT, TEXT_BYTES));
            assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
            assert_string_equal(cases[index].expected, problem.path);
        }
    }
}

/* Each body holds the keyword where no table knows a text; `list` is where refusals are said to be. */
static inline void assert_scanned_or_refused(enum dialect dialect, const char *list, const char *const *bodies,
                                             size_t count)
{
    for (size_t index = 0; index < count; index++) {
        enum status status =
            read_as(dialect, bytes_of(bodies[index]), UNKNOWN_SCAN, SCOPE_DEFAULT, TEXT_BYTES);

        if (status != STATUS_OK || !holds_keyword(buffer_view(&segments.text))) {
            fail_msg("passed over: %s", bodies[index]);
        }
        status = read_as(dialect, bytes_of(bodies[index]), UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES);
        assert_true(status == STATUS_UNSUPPORTED || status == STATUS_MALFORMED);
        assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
        if (strncmp(problem.path, list, strlen(list)) != 0) {
            fail_msg("refused at %s: %s", problem.path, bodies[index]);
        }
        assert_null(strstr(problem.sentence, "keyword"));
    }
}

static inline void assert_no_prefix_is_read(enum dialect dialect, const char *body)
{
    for (size_t count = 0; count < strlen(body); count++) {
        char *copy = malloc(count == 0 ? 1 : count);

        assert_non_null(copy);
        memcpy(copy, body, count);
        assert_status(STATUS_MALFORMED,
                      read_as(dialect, (struct bytes){copy, count}, UNKNOWN_SCAN, SCOPE_DEFAULT, TEXT_BYTES));
        assert_int_equal(ERROR_INVALID_JSON, problem.kind);
        free(copy);
    }
    assert_status(STATUS_OK, read_as(dialect, bytes_of(body), UNKNOWN_BLOCK, SCOPE_DEFAULT, TEXT_BYTES));
}

#endif
