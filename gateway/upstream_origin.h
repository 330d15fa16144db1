/* upstream_origin: scheme, host and port of a URL, as libcurl will read them when it connects.
 *
 * Whoever compares hosts compares these, never text of the URL: "http://0x7f.1/" and "http://127.0.0.1/" are one host here as
 * they are for libcurl. What may stand in a URL at all is narrower than libcurl allows: two slashes, no user, no percent sign,
 * zone or byte beyond ASCII in the authority, no fragment, nothing invisible (spec/reliability.md B.1 row 12). Thread: any.
 */
#ifndef GATEWAY_UPSTREAM_ORIGIN_H
#define GATEWAY_UPSTREAM_ORIGIN_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>

enum { ORIGIN_BYTES_MAX = HOST_NAME_BYTES_MAX + 32 }; /* "https://" + name or [address] + ":65535", terminated */

struct upstream_origin {
    bool https;
    char name[HOST_NAME_BYTES_MAX + 1]; /* as libcurl's parser reads it; an IPv6 address in brackets */
    unsigned port;
};

/* How many bytes of `url` are its scheme and authority; *out_bytes is untouched on failure. STATUS_MALFORMED for what is no plain
 * http or https URL. */
MUST_CHECK enum status upstream_origin_bytes(struct bytes url, size_t *out_bytes);

/* `text` is of scheme and authority alone, terminated. STATUS_MALFORMED, STATUS_NO_MEMORY; *out is untouched then. */
MUST_CHECK enum status upstream_origin_read(const char *text, struct upstream_origin *out);

/* Names are compared without regard to case. */
bool upstream_origin_equal(const struct upstream_origin *left, const struct upstream_origin *right);

#endif
