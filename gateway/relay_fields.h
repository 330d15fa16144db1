/* relay_fields: the fields of an upstream's answer as they go to the client.
 *
 * Fields of one hop, of the upstream's own site (cookies, security policies) and our own names are left out; our own fields
 * join where the upstream has none of that name. Thread: any.
 */
#ifndef GATEWAY_RELAY_FIELDS_H
#define GATEWAY_RELAY_FIELDS_H

#include "gateway/fields.h"
#include "proto/status.h"

/* `added` may be NULL. Statuses of fields_open and fields_add. */
MUST_CHECK enum status relay_fields_open(struct fields **out, const struct fields *from, const struct fields *added);

#endif
