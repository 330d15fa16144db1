/* connection_pressure: what the connections of a loop do when the process's budgets run short.
 *
 *   overload: keep_alive      idle connections are kept for OVERLOAD_KEEP_ALIVE_MS only
 *   overload: stalled         once a sample: the answer that holds most is cut, of those that stand still
 *   unsent bytes above 7/8    at once: the answer that holds most is cut, those first that stand still, until the rest is below
 *
 * Each loop cuts its own; the budgets are the process's. Thread: the loop's. Of connection_set.c.
 */
#ifndef GATEWAY_CONNECTION_PRESSURE_H
#define GATEWAY_CONNECTION_PRESSURE_H

struct connection_set;

/* Every turn: looks at one number unless there is something to do. */
void pressure_relieve(struct connection_set *set);

void pressure_tick(struct connection_set *set);

#endif
