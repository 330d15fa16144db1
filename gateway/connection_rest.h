/* connection_rest: a connection is not heard until its client may come back, when its request was turned away for want of time.
 *
 * It has been told when (Retry-After). One that asks again at once would be turned away again, and each time cost a part of what
 * a request costs: its next request waits unread, so that its own window closes. A connection that rests is not idle: its client
 * would come back to one that is closed, and another costs more than the request.
 *
 * Thread: the loop's. Of connection.c and connection_set.c.
 */
#ifndef GATEWAY_CONNECTION_REST_H
#define GATEWAY_CONNECTION_REST_H

struct connection;
struct connection_set;

/* Begins by connection_rest of connection.h. Ends it, also when it does not rest. */
void rest_end(struct connection *connection);

void rest_tick(struct connection_set *set);

#endif
