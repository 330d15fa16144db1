/* glance: looks into the events of a stream that passes: whether it has come to the end that its dialect marks, what it has
 * shown, and which response it is. Constant memory: no event is held, however long.
 *
 *   openai_chat        data: [DONE]                                             ends it
 *   openai_responses   response.completed, response.incomplete                  "
 *   claude_chat        message_stop                                             "
 *   gemini_chat        a finishReason or a blockReason; of the form in a list, its end
 *
 * Source: spec/wire-formats.md sections 0.2, 1.1.4, 1.2.3, 1.3.4, 1.4.4. Thread: any, one at a time for each object.
 */
#ifndef GATEWAY_GLANCE_H
#define GATEWAY_GLANCE_H

#include "gateway/format/errors.h"
#include "gateway/skim.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum glance_form {
    GLANCE_NONE,   /* nothing is looked at */
    GLANCE_EVENTS, /* an event stream */
    GLANCE_LIST,   /* Gemini's stream without alt=sse: one list in JSON; turns to none when it is no list */
};

struct glance {
    enum glance_form form;
    enum dialect dialect;
    uint64_t event_bytes_max;
    uint64_t event_bytes; /* of the event at hand, so far */
    struct skim skim;     /* of its data */

    /* The line at hand. */
    unsigned char place; /* private to glance.c */
    bool after_cr;
    bool first_line;
    size_t name_bytes;
    char name[GLANCE_FIELD_BYTES_MAX];

    /* The event at hand. */
    size_t data_bytes;
    char data[GLANCE_FIELD_BYTES_MAX]; /* its first bytes */
    struct {
        size_t count;
        char text[GLANCE_TYPE_BYTES_MAX];
    } event_type, data_type; /* of its field, of its data; a longer one is cut */
    bool shows;     /* text, reasoning or a call of a tool, unless its type says that it is none */
    bool is_call;   /* of a tool */
    bool is_error;
    bool is_end; /* of the stream */
    int64_t sequence; /* -1 = none */

    /* The stream. */
    bool ended;     /* as its dialect marks it */
    bool failed;    /* an error of the upstream's own was in it */
    enum error_kind error; /* which, as far as its code, type or status tells */
    bool content;   /* text, reasoning or a call of a tool was in it */
    bool created;   /* response.created has come */
    uint64_t event_count;
    int64_t next_sequence;
    size_t response_id_bytes;
    char response_id[GLANCE_ID_BYTES_MAX];
};

void glance_init(struct glance *glance, enum glance_form form, enum dialect dialect, uint64_t event_bytes_max);

/* The same on the heap; none (NULL) for GLANCE_NONE. STATUS_NO_MEMORY. */
MUST_CHECK enum status glance_open(struct glance **out, enum glance_form form, enum dialect dialect, uint64_t event_bytes_max);
void glance_close(struct glance **glance);

/* Follows the bytes of the stream in their order; without a glance (NULL) it does nothing. STATUS_TOO_LARGE when an event (with
 * the comments and line ends before it) has more bytes than it may; a list is not counted: it is no stream to the relay, and
 * bounded as a whole. */
MUST_CHECK enum status glance_follow(struct glance *glance, struct bytes chunk);

/* After the last byte: an event without its blank line counts when its data is whole (spec/wire-formats.md section 0.2). */
void glance_finish(struct glance *glance);

/* Lends until the glance changes; empty = none has come. */
struct bytes glance_response_id(const struct glance *glance);

#endif
