/* keys: makes the secrets of an installation, at random and once: what `--make-keys DIR` does.
 *
 *   DIR/{gateway,moderator,trainer}.{key,pub}   CURVE, for curve.dir (proto/wire_security.h)
 *   DIR/hash                                    for database.hash_key_file
 *   DIR/database                                for database.password_file; the group may read it, since PostgreSQL must
 *
 * What is there is kept, so that it may be run at each start. Thread: one; secret_start() comes first.
 */
#ifndef PROTO_KEYS_H
#define PROTO_KEYS_H

#include "proto/status.h"

#include <stdio.h>

/* `dir` is made when absent (0700; secret files 0600, the password 0640). Says on `out` what was made and what was kept.
 * STATUS_IO, STATUS_TOO_LARGE (a path), STATUS_CONFLICT: some of the six CURVE files are there and others are not. */
MUST_CHECK enum status keys_make(const char *dir, FILE *out);

#endif
