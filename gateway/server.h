/* server: listens for one loop and accepts while there is room.
 *
 * Every loop has a socket of its own on the same address (SO_REUSEPORT), so that the kernel spreads connections and loops
 * share nothing. A unix socket cannot be bound twice: there they accept from one. Beyond limits.connections a connection takes
 * the place of an idle one of its loop, or hears 503 and is closed; beyond the spare ones it waits in the kernel's queue until
 * one ends. So it does while overload says so, and for ACCEPT_PAUSE_MS when the process has no descriptor left.
 *
 * Accepting is our own: libuv's asks again and again, for as long as there is no descriptor, without an end to its turn, once its
 * spare one is lost; and it holds a connection that has no place yet. Thread: the loop's, but for server_address.
 */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "gateway/admit.h"
#include "gateway/connection_set.h"
#include "gateway/pace.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

struct server;

struct server_address {
    struct sockaddr_storage socket;
    socklen_t socket_bytes;
    /* Of a unix socket: the one that all loops accept from, and the file that is ours. */
    bool is_shared;
    int shared;
    dev_t device;
    ino_t file;
};

/* "host:port", "[v6]:port" or "unix:/path" of the settings; a name is looked up (this may wait: for main() at start).
 * STATUS_MALFORMED,
 * STATUS_NOT_FOUND. Any thread. */
MUST_CHECK enum status server_address(struct server_address *out, const char *listen);

/* Before the first server_open: whether another process listens there. With SO_REUSEPORT both would get a part of the
 * connections, and nobody would be told. STATUS_IN_USE, or another reason of address_status. Port 0 and files are not asked
 * for: their server_open tells. Any thread. */
MUST_CHECK enum status server_vacant(const struct server_address *address);

/* "127.0.0.1:8080". STATUS_TOO_LARGE. */
MUST_CHECK enum status server_address_text(const struct server_address *address, struct buffer *out);

/* No client finds the unix socket any more: its file goes, if it is ours still. For a TCP address nothing is to be done. What has
 * been accepted stays. */
void server_address_close(struct server_address *address);

/* Listens. Port 0 picks one and writes it into *address, for the other loops. `set`, `admit` and the loop's `pace` are borrowed
 * until server_close has ended. STATUS_NO_MEMORY, or why it cannot listen (address_status). */
MUST_CHECK enum status server_open(struct server **out, uv_loop_t *loop, struct server_address *address,
                                   struct connection_set *set, struct admit *admit, const struct pace *pace);

/* A connection of this loop has ended: takes those that wait. Also every tick, for those that ended on other loops, and for
 * pauses that are over. */
void server_room(struct server *server);

/* The process ends: from now on each connection hears so, and is closed. */
void server_end(struct server *server);

/* Stops listening. The loop must turn until it is closed. Takes NULL and sets it. */
void server_close(struct server **server);

#endif
