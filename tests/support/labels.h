/* labels: where a test program's labels go: a PostgreSQL, and a folder with the key of their hashes, for all its tests.
 *
 *   cmocka_run_group_tests(tests, start_labels, stop_labels);
 */
#ifndef TESTS_SUPPORT_LABELS_H
#define TESTS_SUPPORT_LABELS_H

#include "support/database.h"
#include "support/own_folder.h"
#include "support/samples.h"

static inline int start_labels(void **state)
{
    (void)make_folder(state);
    folder_write(&folder, "hash", BYTES("a key for hashes\n"));
    return start_server(state);
}

static inline int stop_labels(void **state)
{
    (void)stop_server(state);
    return remove_folder(state);
}

/* A new database with the schema, and settings that lead to it and to the key. */
static inline struct db *labels_create(const char *name, struct database_settings *out)
{
    struct db *db = samples_create(&server, name, out);

    folder_path(&folder, "hash", out->hash_key_file);
    return db;
}

#endif
