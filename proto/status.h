/* status: what every function that can fail returns.
 *
 * One enum made from one table. STATUS_OK is 0, every error is negative, so that a parser can answer three ways in one
 * number: n > 0 bytes used, 0 need more, negative = why it is bad (a value of this enum).
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

/* enumerator, its name in logs, its value, a sentence for people */
#define STATUS_TABLE(row)                                                                                              \
    row(STATUS_OK, "ok", 0, "ok")                                                                                      \
    row(STATUS_NO_MEMORY, "no_memory", -1, "out of memory")                                                            \
    row(STATUS_TOO_LARGE, "too_large", -2, "larger than its limit")                                                    \
    row(STATUS_MALFORMED, "malformed", -3, "not well formed")                                                          \
    row(STATUS_UNSUPPORTED, "unsupported", -4, "well formed, but of a kind that is not supported")                     \
    row(STATUS_DUPLICATE, "duplicate", -5, "the same name twice")                                                      \
    row(STATUS_NOT_FOUND, "not_found", -6, "not found")                                                                \
    row(STATUS_DENIED, "denied", -7, "not allowed")                                                                    \
    row(STATUS_FULL, "full", -8, "no room left")                                                                       \
    row(STATUS_AGAIN, "again", -9, "nothing now, try again later")                                                     \
    row(STATUS_TIMEOUT, "timeout", -10, "took longer than its deadline")                                               \
    row(STATUS_CLOSED, "closed", -11, "the other side is gone")                                                        \
    row(STATUS_UNAVAILABLE, "unavailable", -12, "nobody there to do it")                                               \
    row(STATUS_CONFLICT, "conflict", -13, "somebody else was first")                                                   \
    row(STATUS_STALE, "stale", -14, "of an older epoch or version")                                                    \
    row(STATUS_CORRUPT, "corrupt", -15, "checksum or self-test failed")                                                \
    row(STATUS_IO, "io", -16, "input or output failed")                                                                \
    row(STATUS_TOO_FEW, "too_few", -17, "fewer than are needed")                                                       \
    row(STATUS_IN_USE, "in_use", -18, "the address is in use")

enum status {
#define STATUS_ROW(enumerator, name, value, sentence) enumerator = value,
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

#define STATUS_ONE(enumerator, name, value, sentence) +1
enum { STATUS_COUNT = 0 STATUS_TABLE(STATUS_ONE) }; /* they go from 0 down to 1 - STATUS_COUNT */
#undef STATUS_ONE

#define MUST_CHECK __attribute__((warn_unused_result))

/* The name of a status in lower case without its prefix ("too_large"); "unknown" for a number that is none. Static. */
const char *status_name(enum status status);

/* A status as a short sentence for people. Static. */
const char *status_sentence(enum status status);

#endif
