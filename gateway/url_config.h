/* url_config: PrismGuard's URL forms, in which a request itself says where it goes and by which policy.
 *
 *   /{json}$https://host/v1/chat/completions         the policy as percent-encoded JSON
 *   /!PROXY_CONFIG_NAME$https://host/v1/...          the policy in a variable of the gateway's environment
 *
 * The raw path is split at its first '$' and the policy is decoded once; the URL stays as it was sent, and so does the query.
 * Where no raw '$' is (clients that encode it), the whole path is decoded once and split then, and the URL may bring its query.
 * Only variables whose names begin with URL_CONFIG_VARIABLE are looked at: the operator has named them for this.
 *
 * A policy chooses among what the operator has allowed and weakens nothing: the floor judges whatever it says, and a profile of
 * the operator's that it names judges after it. It cannot name files, reviewers or thresholds. A member that asks for what is not
 * done here is refused, one that nobody knows is not looked at. Thread: any.
 */
#ifndef GATEWAY_URL_CONFIG_H
#define GATEWAY_URL_CONFIG_H

#include "gateway/format/dialect.h"
#include "gateway/format/problem.h"
#include "proto/bytes.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdio.h>

#define URL_CONFIG_VARIABLE "PROXY_CONFIG_"

struct url_config {
    const struct profile_settings *profile; /* judges after the floor; NULL: none does. Lent by the settings */
    bool transforms;                        /* format_transform.enabled: what follows counts */
    unsigned from;                          /* bits of enum format_choice */
    enum format_choice to;
    bool strict; /* what is of another format than `from` is refused */
    bool delays_head; /* as routes[].delay_stream_header; it counts whether `transforms` or not */
};

struct url_target {
    struct bytes url;   /* what stood behind the '$', without a query; not checked yet. Lends from path or `decoded` */
    struct bytes query; /* with its '?', or empty */
};

/* Whether a path begins as one of the forms does. */
bool url_config_is_form(struct bytes path);

/* `json` and `decoded` are for its use; what *target lends from `decoded` lasts until that changes. On STATUS_MALFORMED *problem
 * says what to answer (ERROR_CONFIG), and the outputs are undefined. */
MUST_CHECK enum status url_config_read(struct url_config *out, struct url_target *target, const struct settings *settings,
                                       struct bytes path, struct bytes query, struct json *json, struct buffer *decoded,
                                       struct problem *problem);

/* Whether a request of this dialect may pass under the policy. STATUS_MALFORMED and *problem as above. */
MUST_CHECK enum status url_config_admits(const struct url_config *config, enum dialect dialect, struct problem *problem);

/* Reads every variable of the environment that a URL may name; what is wrong with one is a line on `errors`. STATUS_MALFORMED
 * then. */
MUST_CHECK enum status url_config_check(const struct settings *settings, FILE *errors);

#endif
