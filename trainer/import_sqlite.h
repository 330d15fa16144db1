/* import_sqlite: the history that PrismGuard kept in SQLite, read row by row (spec/prismguard-compat.md 7.1).
 *
 *   samples (id, text, label, category, created_at)     label 0 is a pass, any other a violation; of equal texts the greatest id
 *                                                       was said last
 *
 * The file is opened for reading only and is not trusted: nothing that its schema defines is run beside built-in functions, and
 * SQLite holds at most SQLITE_HEAP_BYTES_MAX. Thread: one at a time.
 */
#ifndef TRAINER_IMPORT_SQLITE_H
#define TRAINER_IMPORT_SQLITE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdint.h>

struct import_sqlite_row { /* lent for the call */
    struct bytes text;     /* sound: as trainer/records.h says of a text */
    int label;
    struct bytes category; /* empty = none, or none that can be kept */
};

struct import_sqlite_reader {
    enum status (*on_row)(void *context, const struct import_sqlite_row *row);
    void *context;
};

/* How many rows it has. STATUS_NOT_FOUND when there is no such file, STATUS_MALFORMED when it is no such history, STATUS_IO. */
MUST_CHECK enum status import_sqlite_count(const char *path, int64_t *out);

/* All rows by rising id; *out_broken counts those that are passed over: no text, a text that is empty, too long, not UTF-8 or has
 * a NUL. Statuses as above, and what on_row returns. */
MUST_CHECK enum status import_sqlite_read(const char *path, const struct import_sqlite_reader *reader, int64_t *out_broken);

#endif
