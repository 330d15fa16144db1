/* history_store: labels into PostgreSQL: profile ids, and sample_put() of trainer/schema. Internal to moderator/history.
 *
 * Thread: history's own.
 */
#ifndef MODERATOR_HISTORY_STORE_H
#define MODERATOR_HISTORY_STORE_H

#include "proto/bytes.h"
#include "proto/db.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/settings.h"
#include "proto/status.h"

/* One label as it waits in the queue; allocated with its text behind it. */
struct history_entry {
    struct history_entry *next;
    size_t profile;
    uint64_t queued_ms;
    uint64_t labelled_us; /* wall clock */
    uint64_t model_version; /* that judged the text; 0 = none */
    uint32_t share; /* with which the text was drawn at random, in millionths; 0 = it was not */
    unsigned char hash[TEXT_HASH_BYTES];
    unsigned char caller[TEXT_HASH_BYTES]; /* the keyed hash of the key's name */
    char category[CATEGORY_BYTES_MAX + 1];
    bool violation;
    bool taken;   /* in the batch that is being written */
    bool spooled; /* on disk too; set by history's thread alone */
    bool has_text;
    bool has_caller;
    enum drawn drawn;
    size_t text_count;
    char text[];
};

struct history_store;

/* Connects at the first write. Borrows `settings` until history_store_close; `watch` is copied, NULL = none.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status history_store_open(struct history_store **out, const struct settings *settings,
                                          const struct db_watch *watch);
void history_store_close(struct history_store **store);

/* Writes `count` (1 to SAMPLE_BATCH_MAX) entries of one profile: all or none. STATUS_MALFORMED: the database will never take
 * one of these rows. Anything else means not now: STATUS_UNSUPPORTED (the schema is not of SCHEMA_VERSION, or the server too
 * old), STATUS_DENIED, STATUS_UNAVAILABLE, STATUS_TIMEOUT, STATUS_CONFLICT, STATUS_IO, STATUS_NO_MEMORY... */
MUST_CHECK enum status history_store_write(struct history_store *store, struct history_entry *const *entries, size_t count);

/* The SQLSTATE of the last failed write, "" when there was no connection. Lends until the next call. */
const char *history_store_sqlstate(const struct history_store *store);

#endif
