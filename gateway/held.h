/* held: an upstream's plain answer, held whole until it has been judged, and then passed on as fast as the client takes it.
 *
 *   transfer --chunk--> held [charged to an account] --done--> its owner judges held_body() --held_send--> reply
 *
 * Nothing is written before held_send: an answer that must not be released leaves no trace, and its owner answers instead. The
 * body is at most limits.response_bytes; one for which the account has no room fails with TRANSFER_NO_ROOM. An answer that
 * succeeded and is a stream of events, which nobody asked for, fails with TRANSFER_BROKEN: it has no end to be judged at.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_HELD_H
#define GATEWAY_HELD_H

#include "gateway/relay.h"
#include "gateway/reply.h"
#include "gateway/upstream.h"
#include "proto/account.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/status.h"

struct held;

struct held_options {
    const struct limit_settings *limits; /* borrowed until held_close, as are the next two */
    const struct relay_series *series;   /* bytes and failures are counted as the relay's */
    struct account *account;             /* charged with the body */
    const struct fields *add_fields;     /* for the head where the upstream has no such field; borrowed until `done` */
    /* Once; never from inside held_open or held_close. RELAY_COMPLETE: all of it is there. RELAY_FAILED_BEFORE: it is not. The
     * body of the request is the caller's again. */
    void (*done)(void *context, const struct relay_result *result);
    void *context;
};

/* Starts the transfer. Statuses of transfer_start. */
MUST_CHECK enum status held_open(struct held **out, struct upstream *upstream, const struct transfer_request *request,
                                 const struct held_options *options);

/* Cancels what runs, and gives the body back to the account. Takes NULL and sets it. */
void held_close(struct held **held);

/* What has come of it so far. Lends until held_close. */
const struct relay_result *held_so_far(const struct held *held);

/* After RELAY_COMPLETE. Lends until held_close. */
struct bytes held_body(const struct held *held);

/* After RELAY_COMPLETE: takes out of the body what its later members override. `json` is the document that was read of it, and is
 * empty then. Not between two calls of held_send. */
void held_cut_repeats(struct held *held, struct json *json);

/* After RELAY_COMPLETE: writes as much as the client may have unsent. STATUS_OK: all of it, the end included. STATUS_AGAIN: call
 * it again once the client has taken half of that (connection_when_drained). Else statuses of reply_head and reply_body: the
 * answer cannot be completed. */
MUST_CHECK enum status held_send(struct held *held, struct reply *reply);

#endif
