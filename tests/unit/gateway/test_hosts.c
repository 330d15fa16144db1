/* Tests of hosts: a bound is the process's, whoever of its loops takes; shares add up. */
#include "gateway/hosts.h"

#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX = 3, THREADS = 4, ROUNDS = 20000 };

static struct hosts *hosts;

static int set_up(void **state)
{
    (void)state;
    return hosts_open(&hosts, MAX) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hosts_close(&hosts);
    return 0;
}

static void a_bound_holds_over_all_who_hold_the_same_host(void **state)
{
    struct host *one, *same, *other;

    (void)state;
    assert_status(STATUS_OK, hosts_hold(hosts, "https://a", &one));
    assert_status(STATUS_OK, hosts_hold(hosts, "https://a", &same));
    assert_status(STATUS_OK, hosts_hold(hosts, "https://a:444", &other));
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    for (int taken = 0; taken < MAX - 1; taken++) {
        assert_status(STATUS_OK, host_take(one));
    }
    assert_status(STATUS_OK, host_take(same));
    assert_status(STATUS_FULL, host_take(one));
    assert_status(STATUS_FULL, host_take(same));
    assert_status(STATUS_OK, host_take(other));
    host_give_back(one);
    assert_status(STATUS_OK, host_take(same));
    for (int taken = 0; taken < MAX; taken++) {
        host_give_back(same);
    }
    host_give_back(other);
    hosts_release(hosts, &one);
    assert_null(one);
    assert_status(STATUS_OK, host_take(same)); /* the other holder keeps it */
    host_give_back(same);
    hosts_release(hosts, &same);
    hosts_release(hosts, &other);
    hosts_release(hosts, &other); /* nothing */
}

static _Atomic uint64_t inside, most;

static void *take_and_give(void *unused)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct host *host = NULL;

        if (hosts_hold(hosts, "http://b", &host) != STATUS_OK) {
            abort();
        }
        if (host_take(host) == STATUS_OK) {
            uint64_t now = atomic_fetch_add(&inside, 1) + 1;

            if (now > atomic_load(&most)) {
                atomic_store(&most, now);
            }
            atomic_fetch_sub(&inside, 1);
            host_give_back(host);
        }
        hosts_release(hosts, &host);
    }
    return unused;
}

static void many_threads_never_pass_it_and_leave_nothing(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (int index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, take_and_give, NULL));
    }
    for (int index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    assert_in_range(atomic_load(&most), 1, MAX);
}

static void shares_add_up_to_the_whole_and_differ_by_one_at_most(void **state)
{
    (void)state;
    for (uint64_t whole = 0; whole < 40; whole++) {
        for (size_t loops = 1; loops < 9; loops++) {
            uint64_t sum = 0;

            for (size_t index = 0; index < loops; index++) {
                assert_in_range(hosts_share(whole, index, loops), whole / loops, whole / loops + 1);
                sum += hosts_share(whole, index, loops);
            }
            assert_int_equal(whole, sum);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bound_holds_over_all_who_hold_the_same_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads_never_pass_it_and_leave_nothing, set_up, tear_down),
        cmocka_unit_test(shares_add_up_to_the_whole_and_differ_by_one_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
