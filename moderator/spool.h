/* spool: records on disk that wait for the database: bounded, checksummed, read back in the order in which they came.
 *
 *   DIR/00000001.spool   segments of at most SPOOL_SEGMENT_BYTES, oldest first; one is removed once all of it is forgotten
 *   DIR/00000002.spool
 *   DIR/lock             locked by the process that uses the folder
 *
 *   a segment:  [ length u32 | checksum 8 bytes | record ] [ length | checksum | record ] ...      little-endian
 *
 * spool_next walks forward from the oldest record; what was walked over is given up by spool_forget, or walked again after
 * spool_rewind. After a crash everything that was not forgotten is there again, so a record can be delivered twice: its
 * receiver must not mind (sample_put does not). A torn or damaged record ends its segment there: what follows in that file is
 * cut off, and counted by spool_damaged_bytes.
 *
 * Thread: one at a time. The files hold texts: they are 0600, and the folder 0700.
 */
#ifndef MODERATOR_SPOOL_H
#define MODERATOR_SPOOL_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdint.h>

struct spool;

/* Makes `dir` when it is absent, locks it, and takes in what an earlier process left. `bytes_max` bounds all segments
 * together. STATUS_CONFLICT when another process has the folder, STATUS_IO. */
MUST_CHECK enum status spool_open(struct spool **out, const char *dir, uint64_t bytes_max);

/* What is not forgotten stays on disk. Takes NULL. */
void spool_close(struct spool **spool);

/* Adds a record behind all others; it is safe only after spool_sync. STATUS_FULL past the bound (nothing is written),
 * STATUS_TOO_LARGE (above SPOOL_RECORD_BYTES_MAX), STATUS_IO (disk full: the segment is cut back to its last whole record). */
MUST_CHECK enum status spool_append(struct spool *spool, struct bytes record);

/* Brings all appended records to the disk. */
MUST_CHECK enum status spool_sync(struct spool *spool);

/* The next record and forward. Lends until the next call. STATUS_NOT_FOUND when there is none. */
MUST_CHECK enum status spool_next(struct spool *spool, struct bytes *out);

/* Everything walked over so far is done with. */
MUST_CHECK enum status spool_forget(struct spool *spool);

/* Walk again from the oldest record that is not forgotten. */
void spool_rewind(struct spool *spool);

/* Records that are not forgotten, and the bytes of all segments. */
uint64_t spool_count(const struct spool *spool);
uint64_t spool_bytes(const struct spool *spool);

/* Bytes that were cut off because a checksum or a length was wrong. */
uint64_t spool_damaged_bytes(const struct spool *spool);

#endif
