/* data_url: what a data URL (RFC 2397) or bare base64 (RFC 4648) says it holds, and its bytes.
 *
 *   data:text/plain;charset=utf-8;base64,aGVsbG8=
 *        ^media_type                    ^data        (without "base64": percent-encoded text)
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_DATA_URL_H
#define GATEWAY_FORMAT_DATA_URL_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

struct data_url {
    struct bytes media_type; /* without parameters; empty when there is none */
    bool base64;             /* to some readers: the word is among the parameters, spaces aside */
    bool percent;            /* to some: the word is not the last one, as RFC 2397 has it; both may be */
    struct bytes data;       /* still encoded */
};

/* False, and *out untouched, when `text` is no data URL; spaces around it are no part of it, as readers of URLs have it. Lends
 * from `text`. */
bool data_url_read(struct bytes text, struct data_url *out);

/* What stands behind the first "base64,", which some look for wherever it is: "data:text/plain;x=\",\";base64,aGVsbG8=". False,
 * and *out untouched, when it is nowhere. Lends from `text`. */
bool data_url_find_base64(struct bytes text, struct bytes *out);

/* "image/PNG" is of family "image/"; spaces around it are no part of it. */
bool data_url_is_family(struct bytes media_type, const char *family);

/* Appends the decoded bytes. Both alphabets, with or without padding; line ends are skipped and bits that are no whole
 * byte dropped, as lenient decoders do; a space is no line end, or prose would be base64. STATUS_MALFORMED,
 * STATUS_TOO_LARGE, STATUS_NO_MEMORY; what was decoded until then stays. */
MUST_CHECK enum status data_url_decode(struct bytes base64, struct buffer *out);

/* The same as the loosest readers do it: what is no digit is skipped (RFC 2045 section 6.8), percent escapes are decoded
 * first, and behind padding it begins anew. Never STATUS_MALFORMED. */
MUST_CHECK enum status data_url_decode_loosely(struct bytes base64, struct buffer *out);

/* Appends text with its "%41" decoded; a '%' that begins none stays. Statuses of buffer_append. */
MUST_CHECK enum status data_url_unescape(struct bytes escaped, struct buffer *out);

/* At least BASE64_RUN_BYTES_MIN bytes of the two alphabets and nothing else. */
bool data_url_is_base64_run(struct bytes text);

#endif
