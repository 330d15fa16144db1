/* connection_pressure: what the connections of a loop do when the process's budgets run short.
 *
 *   a budget at 85 %          idle connections are kept for 2 s only (until all are below 80 %)
 *   unsent bytes above 7/8    the answer that holds most is cut, those first that stand still, until the rest is below
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
