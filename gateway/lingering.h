/* lingering: sockets whose last answer has gone, which wait for their clients without a connection: the cheapest end that is no
 * reset.
 *
 *   take:   our side ends (FIN); what the client still sends is thrown away, READ_BUFFER_BYTES at each tick
 *   ends:   the client ends its side (client), LINGER_MS are over (time), or another one wants the place (room): the oldest goes
 *
 * A close at once would meet the client's request on its way, and answer it with a reset, which may take the answer away from the
 * client (RFC 9112 section 9.6). One here holds a descriptor and what the kernel has of it; LINGERING_MAX of a loop. Embedded in
 * its set. Thread: the loop's.
 */
#ifndef GATEWAY_LINGERING_H
#define GATEWAY_LINGERING_H

#include "proto/limits.h"
#include "proto/metrics.h"

#include <stddef.h>
#include <stdint.h>

enum lingering_end { LINGERED_CLIENT, LINGERED_TIME, LINGERED_ROOM, LINGERING_ENDS };

struct lingering {
    struct lingerer {
        int socket;
        uint64_t since_ms;
    } list[LINGERING_MAX]; /* the oldest first */
    size_t count;
    struct series *ended[LINGERING_ENDS];
};

/* `metrics` is borrowed until lingering_close. */
void lingering_open(struct lingering *lingering, struct metrics *metrics);

/* Closes all. */
void lingering_close(struct lingering *lingering);

/* Takes a connected socket that does not block. */
void lingering_take(struct lingering *lingering, int socket);

/* Every LOOP_TICK_MS. */
void lingering_tick(struct lingering *lingering);

#endif
