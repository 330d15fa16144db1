/* extract_inside: what extract.c (texts) and extract_media.c (what may hold one) share. For them alone.
 *
 * Thread: any, one at a time.
 */
#ifndef GATEWAY_FORMAT_EXTRACT_INSIDE_H
#define GATEWAY_FORMAT_EXTRACT_INSIDE_H

#include "gateway/format/extract.h"
#include "proto/bytes.h"

/* A message is gathered in streams, one for each role; each that is not empty becomes a segment, in this order. */
enum stream {
    STREAM_SYSTEM,
    STREAM_USER,
    STREAM_TOOL,
    STREAM_ASSISTANT,
    STREAM_REASONING,
    STREAM_TOOL_DEF,
    STREAM_ANYBODY, /* a role that nobody knows */
    STREAM_DOCUMENT,
    STREAM_MEDIA_URL,
    STREAM_UNKNOWN, /* shapes that nobody knows */
    STREAM_COUNT,
};

struct extract {
    struct extract_options options;
    struct extract_result result;
    enum status status; /* the first failure, or STATUS_OK */
    bool open;          /* between extract_begin and extract_end */
    enum stream at;     /* where text goes */
    bool counting;      /* turns only */
    bool in_turns;      /* messages that begin are turns */
    size_t turn;        /* the last one that began, from 1 */
    size_t last_assistant;
    size_t turns_passed; /* the first ones, which are not judged */
    struct json inner;   /* JSON in a string */
    struct buffer streams[STREAM_COUNT];
    struct buffer decoded; /* of a file */
};

bool extract_in_scope(const struct extract *extract, enum stream stream);

void extract_append(struct extract *extract, enum stream stream, struct bytes text);

/* Charges what a stream has grown by; `status` says how the growing went. */
void extract_charge(struct extract *extract, size_t more, enum status status);

/* Ends the stream's line, if one is begun. */
void extract_end_line(struct extract *extract, enum stream stream);

/* The string decoded into `scratch`, which is initialised here and freed by the caller. False when the extraction is over. */
bool extract_decode(struct extract *extract, const struct json *json, const struct json_token *string, struct buffer *scratch,
                    struct bytes *out);

/* A data URL of base64, or of an image or a recording. */
bool extract_is_data_url(struct bytes text);

/* The same in a shape that nobody knows: judged or counted. False: it is so short that it may be words as it stands, too. */
bool extract_data_url(struct extract *extract, struct bytes text);

/* A run of base64 where nobody knows what it is: judged when it is text, else counted. */
void extract_run(struct extract *extract, struct bytes base64);

#endif
