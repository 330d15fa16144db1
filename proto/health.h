/* health: asks a running service's admin port how it is: what `--health FILE` and `--ready FILE` do, for a container's checks.
 *
 * An image needs no shell and no HTTP client for it, and the port is the one of the settings, overrides included.
 * Thread: any; waits at most HEALTH_WAIT_MS.
 */
#ifndef PROTO_HEALTH_H
#define PROTO_HEALTH_H

#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

/* GET `path` ("/healthz") from the listener "host:port"; the answer's body goes to `out`, whatever it says. STATUS_OK: 200.
 * STATUS_AGAIN: another answer. STATUS_UNAVAILABLE: nobody answers there. STATUS_UNSUPPORTED: `listen` is no address that can be
 * asked (empty, or port 0). STATUS_MALFORMED: the answer is not one of ours. STATUS_TIMEOUT, STATUS_IO. */
MUST_CHECK enum status health_ask(const char *listen, const char *path, FILE *out);

/* Where "gateway", "moderator" or "trainer" has its admin port; empty: off. Lends from `settings`. */
const char *health_listener(const struct settings *settings, const char *service);

#endif
