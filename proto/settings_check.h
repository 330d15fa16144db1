/* settings_check: what no single value shows: values that contradict each other, and files that are not there.
 *
 * Of the parts of proto/settings.c, for them and their tests; Thread: any.
 */
#ifndef PROTO_SETTINGS_CHECK_H
#define PROTO_SETTINGS_CHECK_H

#include "proto/settings.h"
#include "proto/settings_reader.h"

/* Adds every contradiction to `errors`, but none with a value of which a problem has been told: one slip shall not be told as
 * several. Routes must still stand in the order of the file. */
void settings_check(const struct settings *settings, const struct settings_document *document, struct settings_errors *errors);

/* Adds every named file and folder that cannot be read by who asks. Names are absolute; routes stand as in the file. */
void settings_check_files(const struct settings *settings, const struct settings_document *document,
                          struct settings_errors *errors);

#endif
