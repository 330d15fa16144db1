/* hosts: how many requests each upstream host has under way, over all loops.
 *
 *   loop 0: its record of a host ──holds──┐
 *   loop 1: its record of a host ──holds──┴──> host: taken, at most limits.upstream_connections
 *
 * Loops meet under a lock when one of them makes or gives up a record of its own; a request only touches the host's counter, a
 * relaxed atomic (house D3). There are as many hosts as somebody holds: at most UPSTREAM_HOSTS_MAX a loop.
 *
 * Connections that wait for a request are libcurl's, and its bound is a loop's: of limits.upstream_idle every loop has its
 * share, and the shares add up to the limit. Thread: any.
 */
#ifndef GATEWAY_HOSTS_H
#define GATEWAY_HOSTS_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

struct hosts;
struct host;

/* `requests_max`: of one host. STATUS_NO_MEMORY. */
MUST_CHECK enum status hosts_open(struct hosts **out, uint64_t requests_max);

/* No host is held any more. Takes NULL and sets it. */
void hosts_close(struct hosts **hosts);

/* The host of this name (scheme, host and port; copied), the same for all who ask; held until hosts_release. STATUS_NO_MEMORY. */
MUST_CHECK enum status hosts_hold(struct hosts *hosts, const char *name, struct host **out);

/* Makes *host NULL; takes NULL. What was taken of it has been given back. */
void hosts_release(struct hosts *hosts, struct host **host);

/* One request more: STATUS_OK, or STATUS_FULL and nothing is taken. host_give_back: exactly once for each that was taken. */
MUST_CHECK enum status host_take(struct host *host);
void host_give_back(struct host *host);

/* What the loop `index` of `loops` may have of `whole`: the shares of all loops add up to it, none is greater than another by
 * more than one. */
uint64_t hosts_share(uint64_t whole, size_t index, size_t loops);

#endif
