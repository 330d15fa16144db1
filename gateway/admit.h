/* admit: the budgets of the whole process: connections, all and of one address, requests, all and of one upstream host, decoders,
 * and their bytes.
 *
 *   account        charged by                                             at its limit
 *   connections    admit_connection: a fixed share each                   limits.connections: an idle one gives way, else 503
 *   requests       admit_request: a fixed share each, upstream included   limits.in_flight: 503
 *   bodies         their buffers as they grow, and texts at the pool      limits.body_budget: the body waits, then 503
 *   unsent         buffers of answers that sockets did not take           limits.stream_budget: the largest is cut
 *
 * Loops share nothing but these counters (house D3): relaxed atomics, so that a bound is the process's and not a loop's. Who
 * takes gives back exactly once: an account that is not empty at admit_close ends the process of a debug build. A refusal is
 * counted by the one who answers it.
 *
 * Thread: any.
 */
#ifndef GATEWAY_ADMIT_H
#define GATEWAY_ADMIT_H

#include "gateway/addresses.h"
#include "gateway/hosts.h"
#include "proto/account.h"
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

/* The connections of one address: limits.connections_per_address. */
struct addresses *admit_addresses(const struct admit *admit);

/* The requests of one upstream host: limits.upstream_connections. */
struct hosts *admit_hosts(const struct admit *admit);

/* STATUS_FULL beyond limits.in_flight; nothing is held then. */
MUST_CHECK enum status admit_request(struct admit *admit);
void admit_request_end(struct admit *admit);

/* The accounts that are charged byte by byte. Lent until admit_close. */
struct account *admit_bodies(struct admit *admit);
struct account *admit_unsent(struct admit *admit);

/* How full the fullest of connections, requests and byte accounts is, in percent. */
unsigned admit_pressure(const struct admit *admit);

/* A decoder for a compressed body. STATUS_FULL beyond limits.decoders, or beyond DECODERS_BROTLI_MAX of brotli's; nothing is held
 * then. */
MUST_CHECK enum status admit_decoder(struct admit *admit, bool brotli);
void admit_decoder_end(struct admit *admit, bool brotli);

/* How much is taken now. */
uint64_t admit_in_flight(const struct admit *admit);
uint64_t admit_body_bytes(const struct admit *admit);
uint64_t admit_connections(const struct admit *admit);

#endif
