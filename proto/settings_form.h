/* settings_form: whether a text has the form of a listener, a URL, an endpoint, a path or a name.
 *
 * Of the parts of proto/settings.c, for them and their tests; settings_is_loopback stands in proto/settings.h.
 * Thread: any. Source: RFC 3986 for URLs, narrowed to what an operator needs.
 */
#ifndef PROTO_SETTINGS_FORM_H
#define PROTO_SETTINGS_FORM_H

#include "proto/bytes.h"
#include "proto/settings_table.h"

#include <stdbool.h>

/* Whether `text` (not empty) is of a type of text: SETTING_TEXT to SETTING_BIND, or of an item only. */
bool setting_form_holds(enum setting_type type, struct bytes text);

/* A profile's name: letters, digits, "-" and "_", beginning with a letter or digit, at most PROFILE_NAME_BYTES_MAX, and not
 * "none". It is a folder's name too. */
bool setting_form_is_profile_name(struct bytes name);

/* Whether an endpoint stays on this machine: ipc, or tcp at a loopback address. */
bool setting_form_is_local(struct bytes endpoint);

#endif
