/* address_guard: which addresses an upstream or a reviewing LLM may have, whatever a name server says.
 *
 * Refused are loopback, private, link-local, shared, multicast, documentation and reserved ranges (reliability B.1 row 12; RFC
 * 6890 and the IANA registries it began). An IPv4 address inside an IPv6 one (mapped, compatible, NAT64) is taken out and asked
 * again. `allow_private`, which the operator says of a host, opens loopback, private and shared ranges, never link-local, where
 * clouds keep their credentials. Thread: any.
 */
#ifndef PROTO_ADDRESS_GUARD_H
#define PROTO_ADDRESS_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

/* The last word, to be asked before each connect. */
bool address_guard_allows(const struct sockaddr *address, bool allow_private);

#endif
