/* address: "host:port" as people write it: split, looked up, and the one rule of what is loopback.
 *
 * A host is a name, an IPv4 address, or an IPv6 address in brackets. Thread: any; address_find waits for the resolver and is for
 * the start of a process.
 */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Cuts at the last colon that is not inside brackets; the host keeps its brackets. False when there is none; outputs are
 * untouched then. */
MUST_CHECK bool address_split(struct bytes text, struct bytes *out_host, struct bytes *out_port);

/* 127.0.0.0/8 or ::1 as a literal address, with or without brackets, also as IPv6 writes IPv4; or localhost. Only a literal says
 * for certain where it leads: 127.evil.example is none. */
bool address_is_loopback(struct bytes host);

/* Of a listener: where to bind. STATUS_MALFORMED, or STATUS_NOT_FOUND when nobody knows the name. */
MUST_CHECK enum status address_find(const char *listen, struct sockaddr_storage *out, socklen_t *out_bytes);

/* Why a socket could not listen, from errno: STATUS_IN_USE, STATUS_DENIED, STATUS_NOT_FOUND (no address of this machine),
 * STATUS_FULL (descriptors), STATUS_NO_MEMORY, else STATUS_IO. */
enum status address_status(int error);

#endif
