/* database: the one PostgreSQL of a test program, for all its tests: cmocka_run_group_tests(tests, start_server, stop_server). */
#ifndef TESTS_SUPPORT_DATABASE_H
#define TESTS_SUPPORT_DATABASE_H

#include "support/samples.h"
#include "support/unit.h"

#include "proto/secret.h"

static struct postgres server;

static inline int start_server(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    postgres_start(&server);
    return 0;
}

static inline int stop_server(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

#endif
