/* route: which upstream a path leads to, by whose rules.
 *
 *   routes: /openai -> https://api.openai.com        POST /openai/v1/chat/completions?x=1
 *           the longest prefix that ends at a segment's boundary wins and is taken off ("/" takes nothing off):
 *           https://api.openai.com + /v1/chat/completions + ?x=1
 *           /%6Fpenai and //openai begin with it too (path.h), or they would have the rules of a shorter one
 *
 *   gateway.url_config_hosts: api.openai.com/v1      https://API.openai.com:443/v1/models
 *           a URL that a request names is compared with what the operator has listed: scheme, host and port as libcurl reads
 *           them, then the prefix of the path. What is called is the operator's own text and the path behind it.
 *
 * A path that could mean another one to somebody behind us (dot segments, encoded slashes, dots and control bytes) is refused
 * before it is looked at (spec/reliability.md B.1 row 12). Thread: made by main(), read by all loops.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "gateway/format/dialect.h"
#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>

struct routes;

#define ROUTE_NAME_URL "url_config" /* the path of such a route, in logs and metrics; one of the file begins with a slash */

struct route {
    const struct route_settings *settings;
    const struct profile_settings *profile; /* NULL: nothing is judged on this route */
    struct bytes prefix;                    /* without a slash at its end; empty for "/" */
    struct bytes upstream;                  /* without a slash at its end */
    struct bytes key;                       /* of the route's key file; empty = the caller's credential is passed on */
};

/* Reads the key files. `settings` is borrowed until routes_close. On failure *bad is the route at fault. Statuses of
 * secret_read, STATUS_NOT_FOUND when a profile does not exist, STATUS_MALFORMED for a host that
 * libcurl does not take, STATUS_NO_MEMORY; *bad is NULL where no route is at fault. */
MUST_CHECK enum status routes_open(struct routes **out, const struct settings *settings,
                                   const struct route_settings **bad);

/* Wipes the keys. */
void routes_close(struct routes **routes);

/* The route of `path` into *out, lent until routes_close, and what is left of the path behind its prefix into *rest, lent as
 * long as `path`. STATUS_MALFORMED for a path that is refused, STATUS_NOT_FOUND when no prefix fits. */
MUST_CHECK enum status route_find(const struct routes *routes, struct bytes path, const struct route **out,
                                  struct bytes *rest);

/* The same for a URL without query that a request names; *rest is its whole path, and an encoded slash may be in it.
 * STATUS_MALFORMED for what is no plain http or https URL, STATUS_DENIED for one that the operator has not listed,
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status route_find_url(const struct routes *routes, struct bytes url, const struct route **out,
                                      struct bytes *rest);

/* Appends upstream, rest and query; where the route has a key, or `without_key`, the caller's is taken out of the query.
 * STATUS_TOO_LARGE past the buffer's bound, STATUS_NO_MEMORY. */
MUST_CHECK enum status route_url(const struct route *route, struct bytes rest, struct bytes query, bool without_key,
                                 struct buffer *out);

/* Whether clients of this dialect may use the route. */
bool route_speaks(const struct route *route, enum dialect dialect);

#endif
