/* own_folder: the folder of a test program, for all its tests: cmocka_run_group_tests(tests, make_folder, remove_folder). */
#ifndef TESTS_SUPPORT_OWN_FOLDER_H
#define TESTS_SUPPORT_OWN_FOLDER_H

#include "support/folder.h"
#include "support/unit.h"

#include "proto/secret.h"

static struct folder folder;

/* The tests' state is the folder too. */
static inline int make_folder(void **state)
{
    assert_status(STATUS_OK, secret_start());
    folder_open(&folder);
    *state = &folder;
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

#endif
