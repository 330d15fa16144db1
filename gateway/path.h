/* path: whether a path begins with another one, also for servers that read it more freely than it is written.
 *
 *   /%761//x   //v1/x   /v1;a=b/x      all begin with /v1: what is escaped and need not be is the same (RFC 3986 section
 *                                      6.2.2.2), and there are servers that take slashes in a row for one, or drop parameters
 *
 * Who goes by the text alone would give such a path other rules than the server behind it gives it meaning. Thread: any.
 */
#ifndef GATEWAY_PATH_H
#define GATEWAY_PATH_H

#include "proto/bytes.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether it has nothing but the characters of a path and a query (RFC 3986 sections 3.3 and 3.4), each '%' before two digits. */
bool path_is_of_uri(struct bytes text);

/* The front of a path, as the freest of them reads it: as much as the longest prefix can need. One pass over the path; then a
 * prefix costs no more than its own length, whatever the path is made of. */
struct path_front {
    struct bytes path; /* as written; lent as the path is */
    size_t count;
    char text[PATH_BYTES_MAX + 1];
    uint32_t at[PATH_BYTES_MAX + 2]; /* where each byte of `text`, and what is behind them, stands in the path as written */
};

/* path.count is at most UINT32_MAX. */
void path_front_read(struct path_front *out, struct bytes path);

/* `prefix` begins with a slash and has none at its end, or is empty, and has nothing that could be read in two ways; at most
 * PATH_BYTES_MAX bytes. What is behind it into *out_rest: nothing, or from a slash on; lent as the path is. */
bool path_begins_with(const struct path_front *front, struct bytes prefix, struct bytes *out_rest);

/* Whether `part`, as a prefix is written, stands anywhere in the path. */
bool path_leads_through(struct bytes path, struct bytes part);

#endif
