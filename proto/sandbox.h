/* sandbox: what a service gives up at start: core files, new privileges, being read by a debugger, showing its environment, and
 * most system calls.
 *
 * The filter (seccomp) is a list of what may be called, the same for all services, in place before the first thread starts
 * and inherited by each:
 *
 *   listed                            allowed
 *   socket                            UNIX; INET and INET6 as streams and datagrams; NETLINK for the routes alone, which the
 *                                     resolver asks for
 *   clone                             threads, and no new process
 *   mmap, mprotect                    never writable and executable at once
 *   execve, ptrace, mount, bpf, ...   no service ever has a reason: the kernel ends the process (SIGSYS)
 *   all others                        ENOSYS, as on an older kernel, for which every library has a way; under a sanitizer,
 *                                     which is to say in tests, SIGSYS, so that a missing name is found
 *
 * Source: spec/reliability.md B.3 and F, "Runtime".
 */
#ifndef PROTO_SANDBOX_H
#define PROTO_SANDBOX_H

#include "proto/status.h"

/* Once, by main(), before threads: the environment moves to where /proc/PID/environ does not show it (getenv finds it as
 * before; what it returned before is wiped), RLIMIT_CORE 0, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE 0 (not under a sanitizer, whose
 * leak check must be able to read its own process), SIGPIPE ignored, and last the filter. STATUS_UNAVAILABLE when the kernel
 * knows no filters (an emulator): all else is in place then. STATUS_DENIED, STATUS_NO_MEMORY. */
MUST_CHECK enum status sandbox_enter(void);

#endif
