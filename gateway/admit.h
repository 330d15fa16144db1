/* admit: the budgets of the whole process: connections, requests in flight, bytes of request bodies, decoders.
 *
 * Loops share nothing but these counters (house D3): relaxed atomics, so that a bound is the process's and not a loop's. Who
 * takes gives back exactly once. A refusal is counted by the one who answers it.
 *
 * Thread: any.
 */
#ifndef GATEWAY_ADMIT_H
#define GATEWAY_ADMIT_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admit;

/* Both are borrowed until admit_close. */
MUST_CHECK enum status admit_open(struct admit **out, const struct limit_settings *limits, struct metrics *metrics);
void admit_close(struct admit **admit);

/* STATUS_OK: serve it. STATUS_FULL: beyond limits.connections; it may hear so. Both hold a place until
 * admit_connection_end. STATUS_AGAIN: beyond SPARE_CONNECTIONS too; it waits in the listener's queue, no place is held. */
MUST_CHECK enum status admit_connection(struct admit *admit);
void admit_connection_end(struct admit *admit);

/* STATUS_FULL beyond limits.in_flight; nothing is held then. */
MUST_CHECK enum status admit_request(struct admit *admit);
void admit_request_end(struct admit *admit);

/* STATUS_FULL beyond limits.body_budget; nothing is held then. */
MUST_CHECK enum status admit_body(struct admit *admit, size_t more_bytes);
void admit_body_end(struct admit *admit, size_t all_bytes);

/* A decoder for a compressed body. STATUS_FULL beyond limits.decoders, or beyond DECODERS_BROTLI_MAX of brotli's; nothing is held
 * then. */
MUST_CHECK enum status admit_decoder(struct admit *admit, bool brotli);
void admit_decoder_end(struct admit *admit, bool brotli);

/* How much is taken now. */
uint64_t admit_in_flight(const struct admit *admit);
uint64_t admit_body_bytes(const struct admit *admit);
uint64_t admit_connections(const struct admit *admit);

#endif
