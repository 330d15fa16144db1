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

#endif
