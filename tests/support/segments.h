/* segments: an extraction's sink that writes what it is given as text: "user:hello\n;" a segment. */
#ifndef TESTS_SUPPORT_SEGMENTS_H
#define TESTS_SUPPORT_SEGMENTS_H

#include "support/unit.h"

#include "proto/message.h"
#include "proto/settings.h"

struct segments {
    struct buffer text;
    size_t count;
    size_t count_max; /* the next one is STATUS_FULL */
};

static inline const char *segments_role(unsigned role)
{
    switch (role) {
    case SCOPE_SYSTEM:
        return "system";
    case SCOPE_USER:
        return "user";
    case SCOPE_TOOL:
        return "tool";
    case SCOPE_DOCUMENT:
        return "document";
    case SCOPE_ASSISTANT:
        return "assistant";
    default:
        return "?";
    }
}

static inline enum status segments_add(void *context, const struct segment *segment)
{
    struct segments *segments = context;

    if (segments->count == segments->count_max) {
        return STATUS_FULL;
    }
    segments->count++;
    assert_status(STATUS_OK, buffer_append_format(&segments->text, "%s:", segments_role(segment->role)));
    assert_status(STATUS_OK, buffer_append(&segments->text, segment->text));
    assert_status(STATUS_OK, buffer_append_text(&segments->text, ";"));
    return STATUS_OK;
}

static inline void segments_init(struct segments *segments)
{
    buffer_init(&segments->text, 16 * MIB);
    segments->count = 0;
    segments->count_max = SEGMENTS_MAX;
}

static inline void segments_free(struct segments *segments)
{
    buffer_free(&segments->text);
}

#endif
