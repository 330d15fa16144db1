/* file: the whole of a file into a bounded buffer: keyword lists, review prompts, what a dry run judges.
 *
 * Thread: any. It blocks, so only main() at start and threads that nobody waits for use it.
 */
#ifndef MODERATOR_FILE_H
#define MODERATOR_FILE_H

#include "proto/bytes.h"
#include "proto/status.h"

/* Appends all of `path` to `out`. STATUS_NOT_FOUND when there is no such file, STATUS_IO when it cannot be read (a folder, no
 * permission), STATUS_TOO_LARGE past the buffer's bound, STATUS_NO_MEMORY. `out` keeps what it had on failure. */
MUST_CHECK enum status file_read(const char *path, struct buffer *out);

/* The same of what is open, from where it stands to its end. */
MUST_CHECK enum status file_read_rest(int descriptor, struct buffer *out);

#endif
