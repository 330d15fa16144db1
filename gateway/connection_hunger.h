/* connection_hunger: a body for which the budget has no room waits, unread, and is refused when that takes too long.
 *
 *   hunger_feeds: room?  yes -> read on
 *                        no  -> hunger_begin: what has been read is kept ahead, the socket is not read, so that the client's
 *                               window closes; hunger_tick asks again, the longest waiting first, and after BODY_BUDGET_WAIT_MS
 *                               the request is refused with 503 (limits.body_budget; reliability B.2)
 *
 * Thread: the loop's. Of connection.c and connection_set.c.
 */
#ifndef GATEWAY_CONNECTION_HUNGER_H
#define GATEWAY_CONNECTION_HUNGER_H

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct connection_set;

/* Whether there is room for so many more bytes of the body; it is reserved then. */
bool hunger_feeds(const struct connection *connection, size_t bytes);

/* How many bytes the socket may be asked for in its state. */
size_t hunger_read_room(const struct connection *connection);

void hunger_begin(struct connection *connection);

/* Also when it does not wait. */
void hunger_end(struct connection *connection);

void hunger_tick(struct connection_set *set);

#endif
