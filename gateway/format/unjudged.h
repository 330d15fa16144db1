/* unjudged: how much of a request no moderator has seen, by kind; for the answer's field, the log and the metrics.
 *
 *   x-prismguard-unjudged: images=2, files=1
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_UNJUDGED_H
#define GATEWAY_FORMAT_UNJUDGED_H

#include "gateway/format/extract.h"

enum unjudged_kind {
    UNJUDGED_TEXTS,   /* no verdict could be had, and the profile lets that through */
    UNJUDGED_IMAGES,
    UNJUDGED_AUDIO,   /* and video */
    UNJUDGED_FILES,   /* that are no text, or are not here */
    UNJUDGED_ENCODED, /* runs of base64 where nobody knows what they are */
    UNJUDGED_KINDS,
};

struct unjudged {
    size_t counts[UNJUDGED_KINDS];
};

enum { UNJUDGED_TEXT_ROOM = 160 }; /* five names, each with the digits of a size_t */

/* "images"; static. */
const char *unjudged_name(enum unjudged_kind kind);

/* All but the texts. */
struct unjudged unjudged_of(const struct extract_result *extracted);

/* "images=2, files=1", terminated; empty when all was judged. */
void unjudged_write(const struct unjudged *unjudged, char out[UNJUDGED_TEXT_ROOM]);

#endif
