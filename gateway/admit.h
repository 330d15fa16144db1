/* admit: the budgets of the whole process: connections and requests, all and of one address, requests of one upstream host,
 * decoders, and their bytes; and how short of them it is (gateway/overload).
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
#include "gateway/overload.h"
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

/* Lets connections have CONNECTIONS_OF_TEN_DESCRIPTORS tenths of so many descriptors at most, a quarter of these to be told that
 * they are too many. Returns how many are served at once. Before the first connection. */
uint64_t admit_fit(struct admit *admit, uint64_t descriptors);

/* STATUS_OK: serve it. STATUS_FULL: beyond limits.connections; it may hear so. Both hold a place until
 * admit_connection_end. STATUS_AGAIN: beyond the spare ones too; it waits in the listener's queue, no place is held. */
MUST_CHECK enum status admit_connection(struct admit *admit);
void admit_connection_end(struct admit *admit);

/* The connections of one address: limits.connections_per_address. */
struct addresses *admit_addresses(const struct admit *admit);

/* The requests of one upstream host: limits.upstream_connections. */
struct hosts *admit_hosts(const struct admit *admit);

/* The requests in flight of one client, who may stand behind a trusted proxy; the same bound. */
struct addresses *admit_clients(const struct admit *admit);

/* STATUS_FULL beyond limits.in_flight; nothing is held then. */
MUST_CHECK enum status admit_request(struct admit *admit);
void admit_request_end(struct admit *admit);

/* The accounts that are charged byte by byte. Lent until admit_close. */
struct account *admit_bodies(struct admit *admit);
struct account *admit_unsent(struct admit *admit);

/* Its accounts are signals of it. Lent until admit_close. */
struct overload *admit_overload(const struct admit *admit);

/* A decoder for a compressed body. STATUS_FULL beyond limits.decoders, or beyond DECODERS_BROTLI_MAX of brotli's; nothing is held
 * then. */
MUST_CHECK enum status admit_decoder(struct admit *admit, bool brotli);
void admit_decoder_end(struct admit *admit, bool brotli);

/* How much is taken now. */
uint64_t admit_in_flight(const struct admit *admit);
uint64_t admit_body_bytes(const struct admit *admit);
uint64_t admit_connections(const struct admit *admit);

#endif
