/* resolve: names of upstreams to vetted addresses: uv_getaddrinfo behind a bounded cache and an address guard.
 *
 * libcurl's own resolver starts a thread for each look-up and blocks the loop when a look-up is cut (spec/libraries.md
 * section 3), so it is never asked. Here one look-up runs for each name, however many wait for it; an answer is kept for
 * RESOLVE_TTL_MS, a missing name for RESOLVE_MISSING_TTL_MS. Only addresses that pass proto/address_guard come out; a name
 * that has none of them left is denied. An address in text needs no look-up and passes the same guard.
 *
 * Thread: the loop's. Time is the loop's (uv_now).
 */
#ifndef GATEWAY_RESOLVE_H
#define GATEWAY_RESOLVE_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

struct resolver;
struct resolve_entry;

enum { RESOLVE_TEXT_BYTES_MAX = RESOLVE_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) }; /* brackets and a comma each */

/* One who waits: lives inside the caller's object, which must not move while it waits. */
struct resolve_wait {
    /* Once, from the loop, when the look-up has ended: STATUS_OK and the addresses (lent during the call), or
     * STATUS_NOT_FOUND, STATUS_DENIED. Must not call the resolver. */
    void (*found)(void *context, enum status status, struct bytes addresses);
    void *context;
    /* The resolver's own. */
    struct resolve_entry *entry; /* NULL: does not wait */
    struct resolve_wait *next;
    struct resolve_wait *previous;
};

/* `loop` and `metrics` are borrowed until resolver_close. */
MUST_CHECK enum status resolver_open(struct resolver **out, uv_loop_t *loop, struct metrics *metrics);

/* Nobody may wait any more (resolve_forget). Look-ups that still run free themselves when the loop brings their end; the
 * loop stays alive until then. Takes NULL and sets it. */
void resolver_close(struct resolver **resolver);

/* Addresses of `host` (a name, an IPv4 address or an IPv6 address in brackets) as text that CURLOPT_RESOLVE takes:
 * "192.0.2.1,[2001:db8::1]", at most RESOLVE_ADDRESSES_MAX.
 *
 * STATUS_OK: known; *out is lent until the next call. STATUS_AGAIN: `wait` is queued and `found` will be called, unless
 * resolve_forget comes first. STATUS_NOT_FOUND: no such name. STATUS_DENIED: every address of it is refused. STATUS_FULL:
 * too many names are being looked up, or too many wait for this one. STATUS_NO_MEMORY. */
MUST_CHECK enum status resolve_name(struct resolver *resolver, struct bytes host, bool allow_private,
                                    struct resolve_wait *wait, struct bytes *out);

/* `found` will not be called. Harmless when it does not wait. The look-up goes on for the cache. */
void resolve_forget(struct resolve_wait *wait);

#endif
