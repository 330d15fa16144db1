/* memory_limit: how much memory the container allows: the lowest limit of the process's cgroup and of those above it; and how
 * much of it is used.
 *
 *   /proc/self/cgroup   "0::/a/b"         version 2   ROOT/a/b/memory.max                      "max" = none
 *                       "4:memory:/a/b"   version 1   ROOT/memory/a/b/memory.limit_in_bytes    near 2^63 = none
 *
 * Inside a container the path may be the host's while the mount shows the container's own group as its root: a folder that is
 * not there is passed over, and the root is always looked at. Thread: any.
 */
#ifndef PROTO_MEMORY_LIMIT_H
#define PROTO_MEMORY_LIMIT_H

#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_UNLIMITED UINT64_MAX

/* In bytes, or MEMORY_UNLIMITED. What cannot be read is no limit. */
uint64_t memory_limit_bytes(void);

/* The same with other names for /proc/self/cgroup and /sys/fs/cgroup. */
uint64_t memory_limit_read(const char *groups_file, const char *root);

/* The group that has that limit. */
struct memory_group {
    uint64_t limit_bytes; /* MEMORY_UNLIMITED: there is none */
    bool is_first_version;
    char folder[4 * PATH_BYTES_MAX];
};

void memory_group_find(struct memory_group *out);
void memory_group_read(struct memory_group *out, const char *groups_file, const char *root);

/* What its processes hold now, and the kernel for them, without the pages of files: those are given up before the limit is met.
 * STATUS_IO when it cannot be read; STATUS_UNAVAILABLE without a limit. */
MUST_CHECK enum status memory_group_used(const struct memory_group *group, uint64_t *out_bytes);

#endif
