/* admin: the small listener of each service: GET /healthz, /readyz, /metrics.
 *
 * One thread, at most ADMIN_CONNECTIONS_MAX connections at once (one more waits in the kernel's queue until a place is free, or
 * ADMIN_ACCEPT_PAUSE_MS while the process has no descriptor left, but for one that is held back for this), requests of at most
 * ADMIN_REQUEST_BYTES_MAX, five seconds for each, then closed. Never on the public port. Anything else is 404; another method
 * 405; HEAD is GET without the body.
 *
 *   /healthz  200 {"status":"ok"} as long as alive() says so, else 503
 *   /readyz   200 {"status":"ready"}, with a "note" where there is one, or 503 {"status":"not ready","reason":"..."}
 *   /metrics  text/plain; version=0.0.4; what every service exports about itself included (proto/metrics_process.h)
 */
#ifndef PROTO_ADMIN_H
#define PROTO_ADMIN_H

#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>

struct admin;

struct admin_hooks {
    /* Called on the admin thread. A false puts a short reason (a literal) into *why. */
    bool (*alive)(void *context, const char **why);
    bool (*ready)(void *context, const char **why);
    /* On the admin thread: what a ready service still has to say (a literal), NULL = nothing; may be NULL. */
    const char *(*note)(void *context);
    /* Called before /metrics is printed, to refresh gauges; may be NULL. */
    void (*refresh)(void *context);
    void *context; /* borrowed until admin_close */
};

/* Listens on "host:port" (IPv4, [IPv6] or name; port 0 picks one) and starts the thread. STATUS_IO when the address cannot
 * be had. `metrics` is borrowed until admin_close. */
MUST_CHECK enum status admin_open(struct admin **out, const char *listen, struct metrics *metrics,
                                  const struct admin_hooks *hooks);

/* The port it listens on (the picked one when 0 was asked). */
unsigned admin_port(const struct admin *admin);

void admin_close(struct admin **admin);

#endif
