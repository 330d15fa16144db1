/* request_extension: the chunk extensions of a request, part by part: bounded, and where llhttp is generous, not.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_REQUEST_EXTENSION_H
#define GATEWAY_REQUEST_EXTENSION_H

#include "gateway/request_head.h"
#include "proto/bytes.h"

#include <stdbool.h>
#include <stddef.h>

/* Of one message; begins as zeros. */
struct request_extension {
    size_t bytes;
    size_t part_bytes; /* of the name or value at hand */
    bool quoted;       /* and that value is a quoted string */
};

/* Some bytes of a name or of a value. REFUSAL_NONE, REFUSAL_CHUNK, REFUSAL_EXTENSIONS. */
enum request_refusal request_extension_read(struct request_extension *extension, struct bytes part);

/* The name or value has come to its end. REFUSAL_NONE, REFUSAL_CHUNK. */
enum request_refusal request_extension_end(struct request_extension *extension);

#endif
