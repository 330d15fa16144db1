/* sample_seen: the hashes of the texts drawn so far, so that no draw hands out a text twice.
 *
 * Open addressing over an array made once: `room` hashes are TEXT_HASH_BYTES * 2 * room bytes, rounded up to a power of
 * two, and never more. The hashes are keyed (proto/secret) and so spread by themselves. Thread: one at a time.
 */
#ifndef TRAINER_SAMPLE_SEEN_H
#define TRAINER_SAMPLE_SEEN_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

struct sample_seen;

MUST_CHECK enum status sample_seen_open(struct sample_seen **out, size_t room);
void sample_seen_close(struct sample_seen **seen);

/* Hashes are of TEXT_HASH_BYTES. */
bool sample_seen_has(const struct sample_seen *seen, struct bytes hash);

/* STATUS_FULL when `room` other hashes are remembered; one that is known already is STATUS_OK. */
MUST_CHECK enum status sample_seen_add(struct sample_seen *seen, struct bytes hash);

#endif
