/* metrics_listen: how many connections the kernel dropped in front of a listener whose queue was full, out of /proc/net/netstat.
 *
 *   TcpExt: SyncookiesSent ... ListenOverflows ListenDrops ...      names,
 *   TcpExt: 0 ... 17 17 ...                                         and below them their numbers
 *
 * The kernel counts for a network namespace as a whole, and not for a process: in a container that is the same. Thread: any.
 */
#ifndef PROTO_METRICS_LISTEN_H
#define PROTO_METRICS_LISTEN_H

#include "proto/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* From the file's text into *out and true; false when it does not say. */
bool metrics_listen_overflows(struct bytes text, int64_t *out);

#endif
