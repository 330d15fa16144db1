/* priority: only the calling thread gives way, and only a session of the trainer's own. */
#include "support/unit.h"

#include "trainer/priority.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of this process's session; INT_MAX where the kernel has none such. */
static int session_nice(void)
{
    FILE *file = fopen("/proc/self/autogroup", "re");
    int nice = INT_MAX;

    if (file != NULL) {
        nice = fscanf(file, "/autogroup-%*d nice %d", &nice) == 1 ? nice : INT_MAX;
        assert_int_equal(0, fclose(file));
    }
    return nice;
}

/* What became of the session of a process of its own that gives way. */
static int nice_of_child(bool leads)
{
    pid_t child = fork();
    int end;

    assert_true(child >= 0);
    if (child == 0) {
        if (leads && setsid() < 0) {
            _exit(EXIT_FAILURE);
        }
        priority_give_way_as_session();
        _exit(session_nice() & 0xff);
    }
    assert_int_equal(child, waitpid(child, &end, 0));
    assert_true(WIFEXITED(end));
    return WEXITSTATUS(end);
}

static void a_session_gives_way_only_where_it_is_the_trainers_own(void **state)
{
    int before = session_nice();

    (void)state;
    if (before == INT_MAX) {
        skip();
    }
    assert_int_equal(12, nice_of_child(true));
    assert_int_equal(before & 0xff, nice_of_child(false));
    assert_int_equal(before, session_nice());
}

static void *give_way(void *policy)
{
    priority_give_way();
    *(int *)policy = sched_getscheduler(0);
    return NULL;
}

static void one_thread_gives_way_and_not_the_others(void **state)
{
    pthread_t thread;
    int policy = -1;

    (void)state;
    assert_int_equal(0, pthread_create(&thread, NULL, give_way, &policy));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_int_equal(SCHED_IDLE, policy);
    assert_int_equal(SCHED_OTHER, sched_getscheduler(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_gives_way_and_not_the_others),
        cmocka_unit_test(a_session_gives_way_only_where_it_is_the_trainers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
