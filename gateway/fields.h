/* fields: a bounded list of header fields whose bytes it owns; used for requests, answers and what is sent on.
 *
 * Names and values were checked when they came in (RFC 9110 section 5: token names; values of 0x20-0x7E, 0x80-0xFF and tab),
 * so that nothing written from here can split a message. Thread: the loop's.
 */
#ifndef GATEWAY_FIELDS_H
#define GATEWAY_FIELDS_H

#include "proto/bytes.h"
#include "proto/status.h"

struct field {
    struct bytes name;
    struct bytes value;
};

struct fields; /* opaque: text in one bounded buffer, positions in an array */

/* At most `count_max` fields and `bytes_max` bytes of names and values together. */
MUST_CHECK enum status fields_open(struct fields **out, size_t count_max, size_t bytes_max);
void fields_close(struct fields **fields);

/* An empty list in any case: clears the one that is there, opens one where there is none (NULL). Statuses of fields_open. */
MUST_CHECK enum status fields_renew(struct fields **fields, size_t count_max, size_t bytes_max);
void fields_clear(struct fields *fields);

/* Clears, and gives back what the list held for its fields until some come again: for one whose owner lives long. */
void fields_free_room(struct fields *fields);

/* Copies. STATUS_MALFORMED when name or value has a byte that may not stand there, STATUS_FULL past count_max,
 * STATUS_TOO_LARGE past bytes_max, STATUS_NO_MEMORY. */
MUST_CHECK enum status fields_add(struct fields *fields, struct bytes name, struct bytes value);

size_t fields_count(const struct fields *fields);

/* Lends until the next change. `index` < fields_count. */
struct field fields_at(const struct fields *fields, size_t index);

/* The first value of `name` (without regard to case) into *out and true, or false. Lends until the next change. */
bool fields_find(const struct fields *fields, struct bytes name, struct bytes *out);

/* How often `name` stands there. */
size_t fields_times(const struct fields *fields, struct bytes name);

/* A token of RFC 9110 section 5.6.2. */
bool fields_is_token(struct bytes text);

/* Without the spaces and tabs around it. */
struct bytes fields_trim(struct bytes value);

/* Whether a server behind a CGI-like interface takes the two names for one: there '-' is '_' (RFC 3875 section 4.1.18). */
bool fields_is_alike(struct bytes name, struct bytes other);

/* Whether a field of this name belongs to one hop only and is never passed on (RFC 9110 section 7.6.1 and the fields of
 * proxies). */
bool fields_is_one_hop(struct bytes name);

/* Whether `Connection` makes a field of this name one of this hop (the same section), among the first CONNECTION_NAMES_MAX names
 * in it. A field that is known to be for the other end is never taken away by it: a credential, what says how a body is read, the
 * fields of the APIs (spec/reliability.md B.1 row 2). */
bool fields_is_named_one_hop(const struct fields *fields, struct bytes name);

#endif
