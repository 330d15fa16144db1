/* server_unix: a listener with a file for an address, which only this machine's processes of our user or group reach.
 *
 * A file that a process left behind is replaced; one on which somebody listens is not. Thread: main's, at start and end.
 */
#ifndef GATEWAY_SERVER_UNIX_H
#define GATEWAY_SERVER_UNIX_H

#include "gateway/server.h"

/* STATUS_MALFORMED when the path does not fit. */
MUST_CHECK enum status unix_address(struct server_address *out, struct bytes path);

/* A descriptor of the one socket, which the first call binds (mode 0660); -1 and errno. EADDRINUSE: somebody listens there, or
 * the file is no socket. */
int unix_socket(struct server_address *address);

#endif
