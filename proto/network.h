/* network: networks of addresses, IPv4 in the form that IPv6 has for it (RFC 4291 section 2.5.5.2): one comparison does for both.
 *
 * Thread: any.
 */
#ifndef PROTO_NETWORK_H
#define PROTO_NETWORK_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { NETWORK_BYTES = 16 };

struct network {
    uint8_t byte[NETWORK_BYTES]; /* 0 behind the prefix */
    unsigned bits;               /* of the prefix; 128 = one address */
};

/* "10.0.0.0/8", "fd00::/8", or an address alone. False when it is none, or has bits behind its prefix; *out is untouched then. */
MUST_CHECK bool network_read(struct bytes text, struct network *out);

/* An address alone, without brackets or a port; as an IPv6 address also one of IPv4. */
MUST_CHECK bool network_read_address(struct bytes text, struct network *out);

bool network_holds(const struct network *network, const struct network *address);

#endif
