/* message_check: walks msgpack bytes that nobody trusts yet, within bounds, before msgpack-c sees them.
 *
 * msgpack-c reserves what a header claims (five bytes can ask it for 512 MB), so every claim is compared here with the
 * bytes that are really left. Nothing is allocated and nothing recurses.
 *
 * Thread: any. Rule: the msgpack specification; the bounds MSGPACK_DEPTH_MAX and MSGPACK_ITEMS_MAX of proto/limits.h.
 */
#ifndef PROTO_MESSAGE_CHECK_H
#define PROTO_MESSAGE_CHECK_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stddef.h>

/* Exactly one whole msgpack object and nothing behind it. STATUS_MALFORMED: cut short, more bytes behind it, a length or
 * count that the bytes left cannot hold, the byte 0xc1. STATUS_TOO_LARGE: nested deeper or made of more objects than the
 * bounds allow. Borrows. */
MUST_CHECK enum status message_check(struct bytes frame);

/* Steps over an array's header at the front of `*rest` and says how many objects follow. STATUS_MALFORMED (nothing changed)
 * when something else stands there, or fewer bytes than objects are left. */
MUST_CHECK enum status message_check_array(struct bytes *rest, size_t *out_count);

/* Steps over a str at the front of `*rest` and lends its bytes. STATUS_MALFORMED (nothing changed) when something else stands
 * there, or fewer bytes than it says are left. */
MUST_CHECK enum status message_check_text(struct bytes *rest, struct bytes *out);

#endif
