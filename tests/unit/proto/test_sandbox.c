/* sandbox: what it gives up is gone, what a service needs still works; each in a process of its own, which ends with it. */
#include "support/unit.h"

#include "proto/sandbox.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKED = 0, REFUSED = 1, NO_SANDBOX = 2, ENDED = 3 };

/* What became of a process that entered the sandbox and then did this. `does` returns whether it worked. */
static int inside(bool (*does)(void))
{
    pid_t child = fork();
    int end;

    assert_true(child >= 0);
    if (child == 0) {
        if (sandbox_enter() != STATUS_OK) {
            _exit(NO_SANDBOX);
        }
        _exit(does() ? WORKED : REFUSED);
    }
    assert_int_equal(child, waitpid(child, &end, 0));
    if (WIFSIGNALED(end)) {
        assert_int_equal(SIGSYS, WTERMSIG(end));
        return ENDED;
    }
    assert_true(WIFEXITED(end));
    return WEXITSTATUS(end);
}

static bool gave_up_cores_and_privileges(void)
{
    struct rlimit core;

    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
}

static void no_core_file_and_no_new_privileges_are_left(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(gave_up_cores_and_privileges));
}

/* What another process of this user, or root, could read of it. */
static bool hides_its_environment(void)
{
    static char shown[64 * 1024];
    const char *path = getenv("PATH");
    FILE *file = fopen("/proc/self/environ", "r");
    size_t count = file == NULL ? 0 : fread(shown, 1, sizeof shown, file);

    return path != NULL && path[0] != '\0' && memmem(shown, count, path, strlen(path)) == NULL &&
           (file == NULL || fclose(file) == 0);
}

static void the_environment_is_read_and_not_shown(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(hides_its_environment));
}

static bool write_to_a_closed_pipe(void)
{
    int ends[2];

    return pipe(ends) == 0 && close(ends[0]) == 0 && write(ends[1], "x", 1) == -1 && errno == EPIPE && close(ends[1]) == 0;
}

static void writing_to_a_closed_pipe_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(write_to_a_closed_pipe));
}

static bool give_way(void)
{
    const struct sched_param none = {0};

    return sched_setscheduler(0, SCHED_IDLE, &none) == 0;
}

static void a_thread_may_give_way_to_others(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(give_way));
}

static bool run_a_program(void)
{
    char *const words[] = {"true", NULL};

    return execv("/bin/true", words) == 0;
}

static bool mount_a_folder(void)
{
    return mount("none", "/nowhere", "tmpfs", 0, NULL) == 0 || errno == ENOENT;
}

static bool leave_the_root(void)
{
    return chroot("/") == 0;
}

static bool load_a_program_into_the_kernel(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) == 0 || errno == EINVAL;
}

static void what_no_service_has_a_reason_for_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(ENDED, inside(run_a_program));
    assert_int_equal(ENDED, inside(mount_a_folder));
    assert_int_equal(ENDED, inside(leave_the_root));
    assert_int_equal(ENDED, inside(load_a_program_into_the_kernel));
}

/* Refused in a release, the end under a sanitizer. */
static void assert_not_allowed(bool (*does)(void))
{
    int became = inside(does);

    assert_true(became == REFUSED || became == ENDED);
}

static bool opens(int family, int kind, int protocol)
{
    int opened = socket(family, kind, protocol);

    return opened >= 0 && close(opened) == 0;
}

static bool open_packets(void)
{
    return opens(AF_PACKET, SOCK_DGRAM, 0) || errno == EPERM;
}

static bool open_raw_internet(void)
{
    return opens(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1) || errno == EPERM;
}

static bool open_kernel_audit(void)
{
    return opens(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) || errno == EPERM || errno == EPROTONOSUPPORT;
}

static bool open_vsock(void)
{
    return opens(AF_VSOCK, SOCK_STREAM, 0) || errno == EAFNOSUPPORT;
}

static void sockets_are_for_the_internet_and_this_machine_only(void **state)
{
    (void)state;
    assert_not_allowed(open_packets);
    assert_not_allowed(open_raw_internet);
    assert_not_allowed(open_kernel_audit);
    assert_not_allowed(open_vsock);
}

static bool open_what_is_needed(void)
{
    return opens(AF_UNIX, SOCK_STREAM, 0) && opens(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) &&
           (opens(AF_INET6, SOCK_DGRAM, 0) || errno == EAFNOSUPPORT) && opens(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static bool find_localhost(void)
{
    const struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", "80", &hints, &found) != 0) {
        return false;
    }
    freeaddrinfo(found);
    return true;
}

static void *do_nothing(void *context)
{
    return context;
}

static bool start_a_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static void sockets_names_and_threads_still_work(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(open_what_is_needed));
    assert_int_equal(WORKED, inside(find_localhost));
    assert_int_equal(WORKED, inside(start_a_thread));
}

static bool make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool turn_data_into_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static bool map_data(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static void memory_is_never_written_and_run(void **state)
{
    (void)state;
    assert_int_equal(WORKED, inside(map_data));
    assert_not_allowed(make_code);
    assert_not_allowed(turn_data_into_code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core_file_and_no_new_privileges_are_left),
        cmocka_unit_test(the_environment_is_read_and_not_shown),
        cmocka_unit_test(writing_to_a_closed_pipe_is_an_error),
        cmocka_unit_test(a_thread_may_give_way_to_others),
        cmocka_unit_test(what_no_service_has_a_reason_for_ends_the_process),
        cmocka_unit_test(sockets_are_for_the_internet_and_this_machine_only),
        cmocka_unit_test(sockets_names_and_threads_still_work),
        cmocka_unit_test(memory_is_never_written_and_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
