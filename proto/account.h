/* account: how many bytes one kind of thing holds, against its limit: charged before they are held, released after.
 *
 *   charge -> STATUS_OK: hold them        STATUS_FULL: nothing was charged; counted; the caller has an answer for that
 *
 * Exported: prismguard_memory_account_bytes, _limit_bytes, _high_bytes and _refused_total, by account. Relaxed atomics: an
 * account is the process's, whatever thread charges it (house D3). Of two who come at once at the limit one or none gets it.
 * Releasing more than was charged is a mistake of ours and ends the process; so does, in a debug build, closing one that is not
 * empty.
 *
 * Thread: any.
 */
#ifndef PROTO_ACCOUNT_H
#define PROTO_ACCOUNT_H

#include "proto/bytes.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account {
    uint64_t limit_bytes;
    _Atomic uint64_t bytes;
    _Atomic uint64_t high_bytes;
    struct series *gauge;
    struct series *high;
    struct series *refused;
};

/* `name` is a literal: the label. Borrows `metrics` until account_close. */
void account_open(struct account *account, const char *name, uint64_t limit_bytes, struct metrics *metrics);

/* It is empty, or was never opened. */
void account_close(struct account *account);

MUST_CHECK enum status account_charge(struct account *account, uint64_t bytes);
void account_release(struct account *account, uint64_t bytes);

/* Whether so many could be charged now. Counts nothing; another thread may be faster. */
bool account_has_room(const struct account *account, uint64_t bytes);

uint64_t account_bytes(const struct account *account);
uint64_t account_high_bytes(const struct account *account);

/* Room for `more` bytes in a buffer whose whole room is this account's: charges what the room grows by, then grows it.
 * STATUS_FULL, and those of buffer_reserve; nothing has changed then. */
MUST_CHECK enum status account_reserve(struct account *account, struct buffer *buffer, size_t more);

/* Gives back what such a buffer has reserved beyond its content. */
void account_fit(struct account *account, struct buffer *buffer);

/* Frees such a buffer's bytes and releases them. */
void account_free(struct account *account, struct buffer *buffer);

#endif
