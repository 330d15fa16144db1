/* chunks: the chunked coding of an upstream's answer, read by the letter of RFC 9112 section 7.1.
 *
 *   1a;name=value CR LF  26 bytes  CR LF  ...  0 CR LF  Trailer: field CR LF  CR LF
 *
 * libcurl finds the end of such a body too, but reads on over whatever stands behind a size: who took another size there would
 * see another answer. Extensions and trailers are checked and forgotten. Thread: any.
 */
#ifndef GATEWAY_CHUNKS_H
#define GATEWAY_CHUNKS_H

#include "proto/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunks {
    uint8_t state;
    bool sized; /* the size at hand has a digit */
    bool begun; /* the first size has been read, with its line */
    uint64_t left;     /* of the chunk at hand */
    size_t line_bytes; /* of the size's line at hand */
    size_t trailer_bytes;
};

void chunks_init(struct chunks *chunks);

/* Reads on: returns how much of `in` it took, at least 1 of what is not empty. *out is a part of the content, lent from `in`, or
 * empty: one call hands over at most one. What stands behind the end is taken and dropped. Negative: STATUS_MALFORMED, or
 * STATUS_TOO_LARGE for a size's line of more than UPSTREAM_CHUNK_LINE_BYTES_MAX or trailers of more than
 * UPSTREAM_FIELDS_BYTES_MAX. */
ptrdiff_t chunks_read(struct chunks *chunks, struct bytes in, struct bytes *out);

/* Whether the last chunk has come, and the trailers. */
bool chunks_ended(const struct chunks *chunks);

#endif
