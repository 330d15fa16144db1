/* sandbox: after it no core file, no new privileges, and a closed pipe is an error instead of an end. */
#include "support/unit.h"

#include "proto/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void no_core_file_and_no_new_privileges_are_left(void **state)
{
    struct rlimit core;

    (void)state;
    assert_status(STATUS_OK, sandbox_enter());
    assert_int_equal(0, getrlimit(RLIMIT_CORE, &core));
    assert_int_equal(0, core.rlim_cur);
    assert_int_equal(0, core.rlim_max);
    assert_int_equal(1, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void writing_to_a_closed_pipe_is_an_error(void **state)
{
    int ends[2];

    (void)state;
    assert_status(STATUS_OK, sandbox_enter());
    assert_int_equal(0, pipe(ends));
    assert_int_equal(0, close(ends[0]));
    assert_int_equal(-1, write(ends[1], "x", 1));
    assert_int_equal(EPIPE, errno);
    assert_int_equal(0, close(ends[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core_file_and_no_new_privileges_are_left),
        cmocka_unit_test(writing_to_a_closed_pipe_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
