/* history_spool: labels as records of a spool, in a folder of the process's own below moderator.state_dir. Internal to history.
 *
 *   STATE_DIR/0, STATE_DIR/1 ...   the first one that no other process holds; what a dead process left there is taken over,
 *                                  and what others left in theirs is adopted: read first, and its folder let go when it is empty
 *
 *   a record:  [ version 4 | flags | drawn | category count | profile count | hash 16 | labelled 8 | caller 16
 *                | model version 8 | share 4 | category | profile | text ]
 *
 * labelled: microseconds since 1970 UTC; share: as in struct history_entry; numbers are little-endian. Version 3 had neither
 * model version nor share, and is read. caller: the keyed hash of the name of the key that sent the text, where the flags say so.
 * A record names its profile, as a number means another one after a change of the file. What has no
 * profile any more, or is of another version, can never be written: it is given up and counted.
 *
 * Thread: history's own.
 */
#ifndef MODERATOR_HISTORY_SPOOL_H
#define MODERATOR_HISTORY_SPOOL_H

#include "moderator/history_store.h"

struct history_spool;

/* Borrows `settings` until history_spool_close. The state_dir must be there; its sub-folder is made. STATUS_CONFLICT when
 * STATE_FOLDERS_MAX processes hold one each, STATUS_IO, STATUS_TOO_LARGE (the name), STATUS_FULL (too many files),
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status history_spool_open(struct history_spool **out, const struct settings *settings);

/* Takes over one folder that holds labels and whose process is dead, its number in *number; its lock keeps two from doing so.
 * Its labels are counted, taken and forgotten like ours from then on. Not while one is in hand. STATUS_NOT_FOUND
 * when there is none; what spool_open says when one could not be opened (*number) and no other could be. */
MUST_CHECK enum status history_spool_adopt(struct history_spool *spool, unsigned *number);

bool history_spool_has_adopted(const struct history_spool *spool);

/* What is not forgotten stays on disk. Takes NULL. */
void history_spool_close(struct history_spool **spool);

/* Adds a label behind all others; it is safe after history_spool_sync. What spool_append says. */
MUST_CHECK enum status history_spool_add(struct history_spool *spool, const struct history_entry *entry);
MUST_CHECK enum status history_spool_sync(struct history_spool *spool);

/* The oldest labels, all of one profile, at most `count_max` (1 to SAMPLE_BATCH_MAX) and HISTORY_QUEUE_BYTES_MAX; the caller
 * frees each. They are given again until they are forgotten. *given_up counts the useless records before them. STATUS_NOT_FOUND
 * when no label is left, STATUS_IO, STATUS_NO_MEMORY; with any of them *count is 0. */
MUST_CHECK enum status history_spool_take(struct history_spool *spool, size_t count_max, struct history_entry **entries,
                                          size_t *count, size_t *given_up);

/* The oldest `count` labels, as many as were taken, are in the database. */
MUST_CHECK enum status history_spool_forget(struct history_spool *spool, size_t count);

/* Labels that wait, the bytes of their files, and the bytes that were damaged when the folder at hand was taken over. */
uint64_t history_spool_count(const struct history_spool *spool);
uint64_t history_spool_bytes(const struct history_spool *spool);
uint64_t history_spool_damaged_bytes(const struct history_spool *spool);

#endif
