/* lookup: every address behind each name of a list of endpoints, found on a thread of its own and looked up again and again.
 *
 *   tcp://gateway:5555 ──thread: getaddrinfo, each LOOKUP_EVERY_MS──► tcp://10.0.0.7:5555   ──watch──► worker threads, review
 *                                                                     tcp://10.0.0.9:5555              (or feed)
 *
 * What needs no question (a literal address, ipc, inproc) is there from the start; where nothing does, there is no thread. A name
 * that cannot be found keeps the addresses it had: a name server that is away takes no gateway away. The list is sorted, each
 * address stands in it once, and it holds at most ADDRESSES_MAX: what comes behind is left out, told and counted.
 *
 * getaddrinfo may hang for as long as name servers let it, so nobody ever waits for the thread, not even lookup_close.
 * Source of the rule: house D4, the settings' words on moderator.gateways and moderator.models.
 */
#ifndef MODERATOR_LOOKUP_H
#define MODERATOR_LOOKUP_H

#include "proto/limits.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct addresses {
    size_t count;
    char at[ADDRESSES_MAX][PATH_BYTES_MAX + 1]; /* endpoints, as wire_attach takes them */
};

/* Adds an endpoint in its place; one that is there already is no other. False: there was no room for all, and the last one in
 * order is left out. */
bool addresses_add(struct addresses *addresses, const char *endpoint);
bool addresses_have(const struct addresses *addresses, const char *endpoint);

struct lookup;

struct lookup_options {
    const struct endpoints *endpoints; /* copied */
    const char *what;                  /* "gateways", a literal: the label of its series */
    struct metrics *metrics;           /* borrowed until lookup_close */

    /* For tests; NULL and 0 = getaddrinfo and LOOKUP_EVERY_MS. Appends numeric hosts (IPv6 without brackets) by calling `add`. */
    enum status (*find)(void *context, const char *host, void (*add)(void *adding, const char *numeric), void *adding);
    void *context;
    uint64_t every_ms;
};

/* STATUS_NO_MEMORY, STATUS_MALFORMED (an endpoint that is none). */
MUST_CHECK enum status lookup_open(struct lookup **out, const struct lookup_options *options);

/* After every watch. A question under way is left to end by itself, and then changes nothing. Takes NULL. */
void lookup_close(struct lookup **lookup);

/* One reader of the list. Open and close by any thread; the rest by one. */
struct lookup_watch;
MUST_CHECK enum status lookup_watch_open(struct lookup_watch **out, struct lookup *lookup);
void lookup_watch_close(struct lookup_watch **watch);

/* Readable while there is a list that was not read. Only wait on it. */
int lookup_watch_fd(const struct lookup_watch *watch);

/* The list, when it is another than was read last (the first time always); else false, and *out is untouched. */
bool lookup_watch_read(struct lookup_watch *watch, struct addresses *out);

#endif
