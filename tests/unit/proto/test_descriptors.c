/* Tests of descriptors: the count follows what is opened and closed, and the limit is the one that the kernel has now. */
#include "proto/descriptors.h"

#include "support/unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static void the_count_follows_what_is_open(void **state)
{
    struct descriptors *descriptors = NULL;
    uint64_t before;
    int fds[3];

    (void)state;
    assert_status(STATUS_OK, descriptors_open(&descriptors));
    before = descriptors_count(descriptors);
    assert_true(before >= 4); /* three, and the one that looks */
    for (int index = 0; index < 3; index++) {
        fds[index] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[index] >= 0);
        assert_int_equal(before + (uint64_t)index + 1, descriptors_count(descriptors));
    }
    for (int index = 0; index < 3; index++) {
        assert_int_equal(0, close(fds[index]));
    }
    assert_int_equal(before, descriptors_count(descriptors));
    descriptors_close(&descriptors);
    descriptors_close(&descriptors);
}

static void the_limit_is_the_soft_one_of_now(void **state)
{
    struct rlimit before, lower;

    (void)state;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
    assert_int_equal(before.rlim_cur, descriptors_limit());
    lower = (struct rlimit){before.rlim_cur - 1, before.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &lower));
    assert_int_equal(before.rlim_cur - 1, descriptors_limit());
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_follows_what_is_open),
        cmocka_unit_test(the_limit_is_the_soft_one_of_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
