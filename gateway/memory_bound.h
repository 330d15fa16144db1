/* memory_bound: what the gateway may come to hold, term by term, from its settings (spec/reliability.md D).
 *
 * Each term is what an account or a count bounds (gateway/accounts.h, gateway/admit.h). Thread: any.
 */
#ifndef GATEWAY_MEMORY_BOUND_H
#define GATEWAY_MEMORY_BOUND_H

#include "proto/memory.h"
#include "proto/settings.h"

#include <stddef.h>

/* The most that one connection, and one request in flight with its upstream, holds beside what is charged byte by byte. */
uint64_t memory_bound_connection_bytes(const struct limit_settings *limits);
uint64_t memory_bound_request_bytes(const struct limit_settings *limits);

/* Event loops: gateway.threads, or one a core. */
size_t memory_bound_loops(const struct settings *settings);

/* Terms and limit of the process, into an empty bound. */
void memory_bound_reckon(const struct settings *settings, struct memory_bound *out);

#endif
