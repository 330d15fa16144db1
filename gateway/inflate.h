/* inflate: a coded body into the bytes it stands for, part by part, within a bound on what comes out.
 *
 *   Content-Encoding   what is read                                      what is refused as malformed
 *   gzip, x-gzip       RFC 1952: all members, one behind the other       anything behind a member that is not one, padding too
 *   deflate            RFC 1950, the zlib format (RFC 9110 section       deflate without its wrapper, a preset dictionary,
 *                      8.4.1.2)                                          anything behind the stream
 *   br                 RFC 7932                                          large windows, anything behind the stream; more than
 *                                                                        4 MiB in a window of more than that
 *   identity, none     the bytes themselves: no decoder is needed
 *   others, or a list  not read                                          CODING_OTHER
 *
 * One body has one reading: what is left over, checksums that differ and an early end are errors, and never bytes that a
 * stricter or a laxer reader behind us would see in another way. 155 bytes of brotli may stand for 64 MiB: not a byte beyond the
 * bound is given out, and a decoder holds no more than inflate_bytes_max, by an allocator that counts (spec/reliability.md B.1
 * row 5). The answer does not depend on how the bytes were cut; but a body of brotli that is both broken and beyond the bound is
 * malformed where its library meets both in one part, for it then gives nothing out.
 *
 * Brotli's library fills its window before it says anything, and one command of a few bits may fill all of it: 38 ms for the
 * 16 MiB that RFC 7932 allows, 7 ms for 4 MiB (1.0.9, zeros), whatever parts it is fed. It takes no more window than what has
 * come out of a body, so that a small body may announce any; one that wants more than DECODER_WINDOW_BYTES_MAX is too large.
 * Encoders announce 4 MiB unless they are told otherwise.
 *
 * Thread: any, one at a time for a given decoder.
 */
#ifndef GATEWAY_INFLATE_H
#define GATEWAY_INFLATE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

enum coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE, CODING_BROTLI, CODING_OTHER, CODING_COUNT };

/* Of a Content-Encoding field's value. */
enum coding coding_find(struct bytes value);

/* "gzip", ...; the label of metrics. Static. */
const char *coding_name(enum coding coding);

struct inflate; /* a decoder */

/* Where decoded bytes go, lent during the call; never an empty part. Its failure ends the decoding and is passed on. */
struct inflate_sink {
    enum status (*decoded)(void *context, struct bytes part);
    void *context;
};

/* What a decoder of a coding may come to hold. */
size_t inflate_bytes_max(enum coding coding);

/* For CODING_GZIP, _DEFLATE and _BROTLI. At most `decoded_bytes_max` bytes are given out. `sink.context` is borrowed until
 * inflate_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status inflate_open(struct inflate **out, enum coding coding, uint64_t decoded_bytes_max,
                                    const struct inflate_sink *sink);
void inflate_close(struct inflate **decoder);

/* Decodes from the front of *in, which moves past what was used, and gives out at most `room` bytes (not 0). STATUS_OK: all of
 * it. STATUS_AGAIN: the room is used, and there may be more: call again, also when none of *in is left. STATUS_MALFORMED,
 * STATUS_TOO_LARGE beyond the bound, STATUS_NO_MEMORY, or as the sink failed: then the decoder can only be closed. */
MUST_CHECK enum status inflate_write(struct inflate *decoder, struct bytes *in, size_t room);

/* No byte follows: STATUS_MALFORMED when some are missing; none at all is no body in any coding. */
MUST_CHECK enum status inflate_end(const struct inflate *decoder);

/* The bytes that the decoder holds now. */
size_t inflate_bytes(const struct inflate *decoder);

#endif
