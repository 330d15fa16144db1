/* sandbox: gives up core files, new privileges, being read, and most system calls, once, at start. */
#include "proto/sandbox.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* By name: a name that this machine's kernel interface does not have (open, on arm64) is skipped. */
static const char *const allowed[] = {
    /* memory */
    "brk", "madvise", "membarrier", "mincore", "mlock", "mremap", "munlock", "munmap",
    /* threads and their end */
    "arch_prctl", "exit", "exit_group", "futex", "get_robust_list", "getcpu", "gettid", "prctl", "rseq",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_setaffinity", "sched_setscheduler", "sched_yield", "set_robust_list", "set_tid_address",
    /* time */
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep", "setitimer",
    "time", "times", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    /* signals */
    "kill", "pause", "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "sigaltstack", "signalfd4", "tgkill", "tkill",
    /* files: settings and keys read anew, models, spool, the libraries' own */
    "access", "chmod", "close", "close_range", "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64",
    "fallocate", "fchmod", "fchmodat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
    "getdents64", "ioctl", "link", "linkat", "lseek", "lstat", "memfd_create", "mkdir", "mkdirat", "newfstatat", "open",
    "openat", "pipe", "pipe2", "pread64", "preadv", "pwrite64", "pwritev", "read", "readlink", "readlinkat", "readv",
    "rename", "renameat", "renameat2", "rmdir", "sendfile", "stat", "statfs", "statx", "symlink", "symlinkat",
    "sync_file_range", "truncate", "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "poll", "ppoll",
    "pselect6",
    /* sockets */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom", "recvmmsg",
    "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
    /* what and who this is */
    "getegid", "geteuid", "getgid", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
    "getresuid", "getrlimit", "getrusage", "getsid", "getuid", "prlimit64", "setrlimit", "sysinfo", "uname",
};

/* A leak check stops the threads of its process as a debugger does; a report starts a program that knows the names of functions,
 * and is whole without it. */
static const char *const for_sanitizers[] = {"clone", "fork", "getdents", "personality", "process_vm_readv", "ptrace", "wait4"};

static const char *const ends_the_process[] = {
    "acct", "bpf", "chroot", "delete_module", "execve", "execveat", "finit_module", "fsmount", "fsopen",
    "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "mount", "move_mount", "open_tree",
    "perf_event_open", "pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "reboot", "setns",
    "swapoff", "swapon", "umount2", "unshare", "userfaultfd",
};

/* Asked for by libraries that then do without: io_uring by libuv, clone3 by glibc, whose flags a filter cannot see. */
static const char *const missing[] = {"clone3", "io_uring_setup"};

/* 0, or an errno below 0, as libseccomp's functions give it. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    int error = 0;

    for (size_t index = 0; index < count && error == 0; index++) {
        int call = seccomp_syscall_resolve_name(names[index]);

        if (call >= 0) {
            error = seccomp_rule_add(filter, action, call, 0);
        }
    }
    return error;
}

/* An argument of which these bits have this value; the kernel itself reads the lower half of each of those below. */
static struct scmp_arg_cmp bits_are(unsigned argument, uint32_t bits, uint32_t value)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = value};
}

static struct scmp_arg_cmp is(unsigned argument, uint32_t value)
{
    return bits_are(argument, UINT32_MAX, value);
}

/* What no rule below covers is as a call that is not listed. */
static int add_sockets(scmp_filter_ctx filter)
{
    static const unsigned families[] = {AF_INET, AF_INET6};
    static const unsigned kinds[] = {SOCK_STREAM, SOCK_DGRAM};
    const unsigned kind_bits = ~(unsigned)(SOCK_CLOEXEC | SOCK_NONBLOCK);
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, is(0, AF_UNIX));

    for (size_t family = 0; family < COUNT(families); family++) {
        for (size_t kind = 0; kind < COUNT(kinds) && error == 0; kind++) {
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is(0, families[family]),
                                     bits_are(1, kind_bits, kinds[kind]));
        }
    }
    if (error == 0) {
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is(0, AF_NETLINK), is(2, NETLINK_ROUTE));
    }
    return error;
}

static int add_memory_and_threads(scmp_filter_ctx filter)
{
    static const unsigned protections[] = {0, PROT_WRITE, PROT_EXEC};
    int error = 0;

    for (size_t index = 0; index < COUNT(protections) && error == 0; index++) {
        struct scmp_arg_cmp protection = bits_are(2, PROT_WRITE | PROT_EXEC, protections[index]);

        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, protection);
        if (error == 0) {
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, protection);
        }
    }
    if (error == 0 && !UNDER_SANITIZER) {
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, bits_are(0, CLONE_THREAD, CLONE_THREAD));
    }
    return error;
}

static int fill(scmp_filter_ctx filter)
{
    int error = add(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));

    if (error == 0) {
        error = add_sockets(filter);
    }
    if (error == 0) {
        error = add_memory_and_threads(filter);
    }
    /* libseccomp takes no rule that says what is done without it. */
    if (error == 0 && UNDER_SANITIZER) {
        error = add(filter, SCMP_ACT_ALLOW, for_sanitizers, COUNT(for_sanitizers));
        if (error == 0) {
            error = add(filter, SCMP_ACT_ERRNO(ENOSYS), missing, COUNT(missing));
        }
    } else if (error == 0) {
        error = add(filter, SCMP_ACT_KILL_PROCESS, ends_the_process, COUNT(ends_the_process));
    }
    /* ThreadSanitizer has a thread of its own by now. */
    return error != 0 ? error : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, UNDER_SANITIZER);
}

static enum status filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(UNDER_SANITIZER ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
    int error;

    if (filter == NULL) {
        return STATUS_NO_MEMORY;
    }
    error = fill(filter);
    if (error == 0) {
        error = seccomp_load(filter);
    }
    seccomp_release(filter);
    switch (error) {
    case 0:
        return STATUS_OK;
    case -ENOMEM:
        return STATUS_NO_MEMORY;
    case -EINVAL:
    case -ENOSYS:
        return STATUS_UNAVAILABLE;
    default:
        return STATUS_DENIED;
    }
}

/* A secret may have come by a variable; a reload reads it once more. */
static enum status hide_environment(void)
{
    size_t count = 0;
    char **copies;

    while (environ[count] != NULL) {
        count++;
    }
    copies = calloc(count + 1, sizeof *copies);
    for (size_t index = 0; copies != NULL && index < count; index++) {
        copies[index] = strdup(environ[index]);
        if (copies[index] == NULL) {
            while (index > 0) {
                free(copies[--index]);
            }
            free(copies);
            copies = NULL;
        }
    }
    if (copies == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < count; index++) {
        explicit_bzero(environ[index], strlen(environ[index]));
    }
    environ = copies;
    return STATUS_OK;
}

enum status sandbox_enter(void)
{
    const struct rlimit none = {0, 0};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    if (hide_environment() != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        sigaction(SIGPIPE, &ignore, NULL) != 0) {
        return STATUS_DENIED;
    }
    /* A leak check reads its own process as a debugger does. */
    if (!UNDER_SANITIZER && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return STATUS_DENIED;
    }
    return filter_calls();
}
