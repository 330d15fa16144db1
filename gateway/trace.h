/* trace: the fields by which a request is followed through many services: what of a caller's is passed on as it came.
 *
 *   traceparent    00-<32 hex>-<16 hex>-<2 hex>, neither id all zeros (W3C Trace Context, section 3.2); once
 *   tracestate     only beside a traceparent that holds, each field of visible ASCII, at most TRACE_STATE_BYTES_MAX
 *   x-request-id   visible ASCII, at most REQUEST_ID_BYTES_MAX; once
 *
 * Passed on only: the gateway begins no trace of its own. What does not hold is left out, as the W3C asks, and the request goes
 * on. Thread: any.
 */
#ifndef GATEWAY_TRACE_H
#define GATEWAY_TRACE_H

#include "gateway/fields.h"
#include "proto/bytes.h"

#include <stdbool.h>

/* False for one of the three fields that does not hold; true for it otherwise, and for every other field. */
bool trace_may_pass(const struct fields *fields, struct field field);

/* The caller's x-request-id into *out and true, when there is one that holds. Lends as fields_find does. */
bool trace_request_id(const struct fields *fields, struct bytes *out);

#endif
