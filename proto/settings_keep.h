/* settings_keep: what a reload leaves as it was: keys that are read at start only.
 *
 *   read at start   what a socket, a thread or a reserved buffer was made from       -> kept, and named when it was changed
 *   read at reload  routes, profiles, times, the log's level (setting_is_live)       -> changed
 *
 * Thread: any. Source of the rule: house D15.
 */
#ifndef PROTO_SETTINGS_KEEP_H
#define PROTO_SETTINGS_KEEP_H

#include "proto/bytes.h"
#include "proto/settings.h"

/* Gives every key of `fresh` that is read at start the value it has in `old`. Those of them that `service` ("gateway") reads and
 * that differed are appended to `names`, apart by ", ", as far as there is room. Returns how many they are. */
size_t settings_keep(struct settings *fresh, const struct settings *old, const char *service, struct buffer *names);

#endif
