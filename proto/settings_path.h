/* settings_path: what a node of the document is called, in the table and to people, and where it stands.
 *
 *   in the table   "routes[].path"     "profiles.*.model.low"
 *   to people      "routes[0].path"    "profiles.default.model.low"
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any.
 */
#ifndef PROTO_SETTINGS_PATH_H
#define PROTO_SETTINGS_PATH_H

#include "proto/settings_reader.h"

/* The path of a node in the table. A key with a dot or a bracket in it is written "?", which no row's path holds. */
void settings_path_of(const struct settings_document *document, size_t node, char out[SETTINGS_PATH_BYTES]);

/* The path of a node as people know it. */
void settings_path_shown(const struct settings_document *document, size_t node, char out[SETTINGS_PATH_BYTES]);

/* Tells a problem of a setting that people know as `path`: with the line where it, or the nearest section around it, stands
 * in the file, or with the name of the variable that has overridden it. */
void settings_path_refuse(struct settings_errors *errors, const struct settings_document *document, const char *path,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
