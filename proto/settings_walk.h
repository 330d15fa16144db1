/* settings_walk: what the file says, into the structs; what it says wrongly, told.
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any, while nobody changes the environment.
 */
#ifndef PROTO_SETTINGS_WALK_H
#define PROTO_SETTINGS_WALK_H

#include "proto/limits.h"
#include "proto/settings.h"
#include "proto/settings_reader.h"
#include "proto/settings_table.h"

enum { SETTINGS_FOUND_ROOM = SETTINGS_FOUND_BYTES_MAX + 32 }; /* quotes, dots and terminator, or a phrase instead */

/* Stores every value of `document` (unknown keys, wrong kinds, bad values and bad variables are added to `errors`). Routes
 * and profiles have as many places in `settings` as the document has entries, with their defaults. */
void settings_walk(struct settings *settings, struct settings_document *document, struct settings_errors *errors);

/* A bad value as it may be shown: in quotes, cut, without control bytes; nothing of a text that may hold a password. */
void settings_found(struct bytes text, char out[SETTINGS_FOUND_ROOM]);

/* "...: found 'two', allowed is auto or 1 to 64". */
void settings_refuse_value(struct settings_errors *errors, const char *source, unsigned line, const char *path,
                           const struct setting *row, const char *found);

#endif
