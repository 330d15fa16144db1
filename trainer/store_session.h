/* store_session: what the files of the store share and nobody else sees. */
#ifndef TRAINER_STORE_SESSION_H
#define TRAINER_STORE_SESSION_H

#include "proto/db.h"

#include <stdatomic.h>

struct store {
    struct db *db;
    const atomic_bool *cancelled; /* NULL = never */
    uint64_t asked_ms;  /* clock_ms() of the last store_answer_within */
    uint64_t answer_ms; /* 0 = the timers of proto/db */
};

/* The first `out_count` columns of the first row, all whole numbers. STATUS_NOT_FOUND when there is no row. */
MUST_CHECK enum status store_numbers(struct store *store, const char *sql, const struct db_value *values,
                                     size_t value_count, int64_t *out, size_t out_count);

/* `work` in a transaction: committed when it returns STATUS_OK, else as if it had not been. Returns the first failure. */
MUST_CHECK enum status store_transact(struct store *store, enum status (*work)(struct store *store, void *context),
                                      void *context);

/* A walk: reads whose rows come in the order of an index, all of one moment. Of a profile that statistics know nothing of yet, as
 * behind an import, or as a small one beside a large one, the server expects a single row and picks any index: it reads all of
 * the profile once for each row that is wanted. So nothing is sorted in a walk: an `order by` can then be had from one index
 * only, and that is the one to read, whatever the statistics say. A text is looked up by STORE_TEXT_OF. */
MUST_CHECK enum status store_begin_walk(struct store *store);
/* Ends it, also one that failed, so that the next statement does not meet its transaction. Returns `status`, or what the end of a
 * good one met. */
MUST_CHECK enum status store_end_walk(struct store *store, enum status status);

/* The text of a row `of` of verdicts, as one row `s`, or none. Only the primary key has the order of hashes; where the hash were
 * said to be equal there would be no order to ask for. */
#define STORE_TEXT_OF(of)                                                                                                \
    " lateral (select s.text from samples s where s.profile_id = $1::int and s.label = " of ".label "                     \
    "and s.text_hash >= " of ".text_hash and s.text_hash <= " of ".text_hash order by s.text_hash limit 1) s "

#endif
