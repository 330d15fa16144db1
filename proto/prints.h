/* prints: which keyed hashes were met of late, each with another one that belongs to it.
 *
 *   print ──its first bytes──> set of PRINTS_WAYS:  most recently used <──> ... <──> least: pushed out by the next one
 *
 * Prints are random to all who do not know their key, so that nobody can choose some that meet in a set. Memory is taken once.
 * Thread: any, one at a time.
 */
#ifndef PROTO_PRINTS_H
#define PROTO_PRINTS_H

#include "proto/secret.h"

#include <stdbool.h>
#include <stddef.h>

struct print {
    unsigned char bytes[TABLE_HASH_BYTES];
};

struct prints;

/* For so many: a power of two, PRINTS_WAYS at least. STATUS_NO_MEMORY. */
MUST_CHECK enum status prints_open(struct prints **out, size_t count);
void prints_close(struct prints **prints);

/* Says that it is looked for soon: its set is fetched from memory meanwhile. Any thread, whatever the others do. */
void prints_expect(const struct prints *prints, const struct print *print);

/* False when it is not there, or not any more. */
bool prints_find(struct prints *prints, const struct print *print, struct print *out);

/* In the place of what belonged to it, or of the least recently used one. */
void prints_keep(struct prints *prints, const struct print *print, const struct print *other);

void prints_drop(struct prints *prints, const struct print *print);

/* What so many of them hold. */
size_t prints_bytes(size_t count);

#endif
