/* json_keys: does an object name a key twice? Part of the reader in proto/json.c and of nothing else.
 *
 * Few keys are compared each with each. Many, or any with an escape, go through a hash table whose hash is drawn at
 * random for each document, so that nobody can prepare keys that collide: the cost stays linear in the bytes of the
 * object whatever they are.
 *
 * Thread: that of the document.
 */
#ifndef PROTO_JSON_KEYS_H
#define PROTO_JSON_KEYS_H

#include "proto/json.h"

/* STATUS_DUPLICATE with the second of two equal keys in `*repeated`, STATUS_NO_MEMORY, or STATUS_UNAVAILABLE when the
 * system gives no random numbers. Keys compare decoded; a lone surrogate counts as U+FFFD. */
MUST_CHECK enum status json_keys_check(struct json *json, const struct json_token *object,
                                       const struct json_token **repeated);

/* Marks all but the last of equal keys as overridden. STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status json_keys_mark(struct json *json, const struct json_token *object);

#endif
