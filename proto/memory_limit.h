/* memory_limit: how much memory the container allows: the lowest limit of the process's cgroup and of those above it.
 *
 *   /proc/self/cgroup   "0::/a/b"         version 2   ROOT/a/b/memory.max                      "max" = none
 *                       "4:memory:/a/b"   version 1   ROOT/memory/a/b/memory.limit_in_bytes    near 2^63 = none
 *
 * Inside a container the path may be the host's while the mount shows the container's own group as its root: a folder that is
 * not there is passed over, and the root is always looked at. Thread: any.
 */
#ifndef PROTO_MEMORY_LIMIT_H
#define PROTO_MEMORY_LIMIT_H

#include <stdint.h>

#define MEMORY_UNLIMITED UINT64_MAX

/* In bytes, or MEMORY_UNLIMITED. What cannot be read is no limit. */
uint64_t memory_limit_bytes(void);

/* The same with other names for /proc/self/cgroup and /sys/fs/cgroup. */
uint64_t memory_limit_read(const char *groups_file, const char *root);

#endif
