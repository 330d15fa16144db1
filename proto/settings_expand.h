/* settings_expand: ${VAR} and ${VAR:-default} in a value, replaced from the environment.
 *
 * It works on values after YAML has been read, so that no variable can add a key or change the file's structure. The default
 * is taken when the variable is not set or is empty, as in a shell; it ends at the next "}" and is not expanded itself. A "$"
 * that no "{" follows is a dollar sign.
 *
 * Of the parts of proto/settings.c. Thread: any, while nobody changes the environment.
 */
#ifndef PROTO_SETTINGS_EXPAND_H
#define PROTO_SETTINGS_EXPAND_H

#include "proto/bytes.h"
#include "proto/status.h"

/* Appends `text` to `out`, variables replaced. STATUS_MALFORMED: a "${" that is not closed or holds no name of letters,
 * digits and "_"; STATUS_NOT_FOUND: no such variable and no default; both lend the part of `text` that is meant in
 * *out_at. STATUS_TOO_LARGE, STATUS_NO_MEMORY. What has been appended before a failure stays. */
MUST_CHECK enum status settings_expand(struct bytes text, struct buffer *out, struct bytes *out_at);

#endif
