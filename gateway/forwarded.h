/* forwarded: who stands behind a proxy: the address that a client has for fairness and in logs.
 *
 *   client ──> proxy A ──> proxy B ──> gateway        X-Forwarded-For: CLAIMED, CLIENT, A      (B is the connection's)
 *
 * Only a peer of gateway.trusted_proxies is asked. From the right, the first address that is not of a trusted proxy is the
 * client's: what stands left of it is what the client says. Thread: any.
 */
#ifndef GATEWAY_FORWARDED_H
#define GATEWAY_FORWARDED_H

#include "gateway/fields.h"
#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/network.h"
#include "proto/settings.h"

#include <netinet/in.h>
#include <stdbool.h>

/* The peer's name on a unix socket, which has no address; in gateway.trusted_proxies too. */
#define FORWARDED_UNIX "unix"

struct forwarded_proxies {
    bool trusts_unix;
    size_t count;
    struct network at[TRUSTED_PROXIES_MAX];
};

/* The settings have been checked. */
void forwarded_init(struct forwarded_proxies *out, const struct gateway_settings *settings);

/* Whether the peer, or the one named by another, is one of them. */
bool forwarded_trusts(const struct forwarded_proxies *proxies, struct bytes address);

/* `peer`, or the address that a trusted one names: the farthest trusted proxy where no other address can be read. */
void forwarded_address(const struct forwarded_proxies *proxies, struct bytes peer, const struct fields *fields,
                       char out[INET6_ADDRSTRLEN]);

#endif
