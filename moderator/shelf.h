/* shelf: the last good model of each profile on disk, so that a moderator judges before, and without, the database.
 *
 *   DIR/0123456789abcdef....model   one a profile, named by the SHA-256 of the profile's name
 *
 *   a file:  [ magic 8 | version 8 | bytes 8 | SHA-256 of the model 32 | digest of all before and the profile's name 32 | model ]
 *
 * A file is written beside its place, brought to the disk and renamed into it: whatever happens meanwhile, there is the old one
 * or the new one. Processes that share a state_dir share its shelf: they write the same models, one at a time each. What is more
 * than the bounds allow goes, the longest unwritten first.
 *
 * Thread: one at a time; it may block.
 */
#ifndef MODERATOR_SHELF_H
#define MODERATOR_SHELF_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/secret.h"
#include "proto/status.h"

#include <stdint.h>

struct shelf;

/* Whose model, and what was checked when it came. */
struct shelf_label {
    const char *profile;
    uint64_t version; /* above 0 */
    unsigned char sha256[SHA256_BYTES];
};

/* Makes `dir` when it is absent. `files_max` (above 0) and `bytes_max` (SHELF_FILES_MAX, SHELF_BYTES_MAX) bound all there is.
 * STATUS_NO_MEMORY, STATUS_TOO_LARGE (the name), STATUS_IO. */
MUST_CHECK enum status shelf_open(struct shelf **out, const char *dir, size_t files_max, uint64_t bytes_max);
void shelf_close(struct shelf **shelf);

/* In the place of what was there of the profile. STATUS_TOO_LARGE when it alone is above the bound, STATUS_CONFLICT while
 * another process writes the profile's model, STATUS_IO; what was there stays. *out_dropped: how many other files had to go. */
MUST_CHECK enum status shelf_put(struct shelf *shelf, const struct shelf_label *label, struct bytes model, size_t *out_dropped);

/* Fills `out` but its profile, which says whose, and replaces the content of `model`. STATUS_NOT_FOUND, STATUS_CORRUPT (torn, or
 * of another profile), STATUS_TOO_LARGE (buffer), STATUS_NO_MEMORY, STATUS_IO. Whether the model fits its digest is the caller's
 * to check, as with one from the database. */
MUST_CHECK enum status shelf_read(struct shelf *shelf, struct shelf_label *out, struct buffer *model);

#endif
