/* media_type: whether a Content-Type says that a body is JSON in UTF-8.
 *
 * Thread: any.
 */
#ifndef GATEWAY_MEDIA_TYPE_H
#define GATEWAY_MEDIA_TYPE_H

#include "proto/bytes.h"

#include <stdbool.h>

/* "application/json" with parameters that are well formed (RFC 9110 section 5.6.6). JSON has none and its readers ignore them
 * (RFC 8259 section 11); but one that begins with "charset" is utf-8 or says that somebody would read another text. Twice
 * it would leave a doubt. `value` is trimmed. */
bool media_type_is_json(struct bytes value);

#endif
