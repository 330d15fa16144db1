/* snapshot: settings, routes and callers that requests run by; counted, so that a reload changes nothing under a request's feet.
 *
 *   main ──snapshot_open──> loop 0: current ──> request, request, its job in the pool
 *                           loop 1: current ──> request
 *
 * Every loop holds the current one, and every request and every job the one it began with. The last holder frees it, keys wiped
 * (house D15). Thread: any.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H

#include "gateway/callers.h"
#include "gateway/forwarded.h"
#include "gateway/route.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

struct snapshot;

/* What must hold for a gateway alone: a route, or the URL forms, or a list of routes that says that there is none; and the
 * policies in the environment. Problems are lines on `errors`. STATUS_MALFORMED. */
MUST_CHECK enum status snapshot_check(const struct settings *settings, FILE *errors);

/* Reads the routes' key files. `settings` is borrowed until the last holder lets go. Callers keep their accounts of `before`,
 * the snapshot that this one replaces (NULL: there is none). `metrics` is borrowed until the last holder lets go. On failure the
 * reason is one line on `errors` ("prismguard.yaml:12: ..."). Statuses of routes_open, snapshot_check and
 * callers_open. The caller holds *out. */
MUST_CHECK enum status snapshot_open(struct snapshot **out, const struct settings *settings, const struct snapshot *before,
                                     struct metrics *metrics, FILE *errors);

/* Takes `settings`, the ones it was opened with: they are closed with it. */
void snapshot_own(struct snapshot *snapshot, struct settings *settings);

/* One holder more; returns it. */
struct snapshot *snapshot_hold(struct snapshot *snapshot);

/* One holder less; makes *snapshot NULL. Takes NULL. */
void snapshot_release(struct snapshot **snapshot);

/* Lent as long as it is held. */
const struct settings *snapshot_settings(const struct snapshot *snapshot);
const struct routes *snapshot_routes(const struct snapshot *snapshot);
const struct callers *snapshot_callers(const struct snapshot *snapshot);
const struct forwarded_proxies *snapshot_proxies(const struct snapshot *snapshot);

#endif
