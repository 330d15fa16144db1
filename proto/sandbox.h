/* sandbox: what a service gives up at start: core files, new privileges, being read by a debugger of another user.
 *
 * The seccomp filter joins with the issue that hardens the edge; its door (libseccomp) is here.
 */
#ifndef PROTO_SANDBOX_H
#define PROTO_SANDBOX_H

#include "proto/status.h"

/* Once, by main(), before threads: RLIMIT_CORE 0, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE 0 (not under a sanitizer, whose leak
 * check must be able to read its own process), SIGPIPE ignored. */
MUST_CHECK enum status sandbox_enter(void);

#endif
