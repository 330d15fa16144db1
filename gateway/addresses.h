/* addresses: how many connections, or requests, each client address has, over all loops.
 *
 *   1 .. limit            STATUS_OK     served
 *   .. limit + spare      STATUS_FULL   it may hear why it is refused (ADDRESS_SPARE_CONNECTIONS)
 *   beyond                STATUS_AGAIN  it hears so and goes in the same turn (gateway/lingering); no place is held
 *
 * An IPv6 address counts with its /64, which one host has for itself; an IPv4 address in IPv6 form is the IPv4 address. The table
 * has a place for every connection that there may be, so it is never full. Loops meet here once for each connection, under a
 * lock. Thread: any.
 */
#ifndef GATEWAY_ADDRESSES_H
#define GATEWAY_ADDRESSES_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct addresses;

/* For at most `connections_max` connections, `limit` of one address. STATUS_NO_MEMORY. */
MUST_CHECK enum status addresses_open(struct addresses **out, size_t connections_max, uint64_t limit);
void addresses_close(struct addresses **addresses);

/* One more connection from `address` (IPv4 or IPv6). With STATUS_OK and STATUS_FULL *place is held until addresses_leave. */
MUST_CHECK enum status addresses_enter(struct addresses *addresses, const struct sockaddr *address, uint32_t *place);
void addresses_leave(struct addresses *addresses, uint32_t place);

/* The same from text. STATUS_MALFORMED: it is no address; no place is held. */
MUST_CHECK enum status addresses_enter_text(struct addresses *addresses, const char *address, uint32_t *place);

/* How many of them hold this place. */
uint64_t addresses_held(struct addresses *addresses, uint32_t place);

/* Addresses that have connections. */
size_t addresses_count(struct addresses *addresses);

#endif
