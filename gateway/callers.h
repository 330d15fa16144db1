/* callers: who may call, known by the SHA-256 of a key; what each may use, how often, and how much of it at once.
 *
 *   callers (of one reading of the settings)         accounts (of the process, by name)
 *     team-a: sha256, rate, in_flight, routes ──────>  team-a: requests in flight, when its bucket is full, series
 *     team-b: ...                             ──────>  team-b: ...
 *
 * A reload reads the keys anew, whole, and a name that is kept keeps its account: what runs is still counted. Loops share an
 * account's two atomics, so that a bound is the process's. The bucket is one number, the time at which it will be full again
 * (GCRA); it holds `rate.count` requests and gets one back each period / count.
 *
 * A credential is looked up by a hash of its hash, keyed at random for each process, and only then compared in constant time: how
 * long a look-up takes says nothing about the keys there are. Thread: any.
 */
#ifndef GATEWAY_CALLERS_H
#define GATEWAY_CALLERS_H

#include "proto/bytes.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct callers;
struct caller; /* lent as long as its callers */

enum { CALLER_DIGEST_DIGITS = 8 };

/* enumerator, its name in metrics */
#define CALLER_RESULT_TABLE(row)                                                                                       \
    row(CALLER_ADMITTED, "admitted")                                                                                   \
    row(CALLER_FORBIDDEN, "forbidden")                                                                                 \
    row(CALLER_RATE, "rate")                                                                                           \
    row(CALLER_IN_FLIGHT, "in_flight")

enum caller_result {
#define CALLER_ROW(enumerator, name) enumerator,
    CALLER_RESULT_TABLE(CALLER_ROW)
#undef CALLER_ROW
    CALLER_RESULTS
};

/* The keys of `settings`, which are borrowed until callers_close, with the accounts of `before` (may be NULL). `metrics` is
 * borrowed as long as any account. STATUS_NO_MEMORY, STATUS_MALFORMED (a hash that is none). */
MUST_CHECK enum status callers_open(struct callers **out, const struct settings *settings, const struct callers *before,
                                    struct metrics *metrics);
void callers_close(struct callers **callers);

/* Whether a key is asked for at all. */
bool callers_are_known(const struct callers *callers);

/* Whose credential it is; NULL when nobody's here. */
struct caller *callers_find(const struct callers *callers, struct bytes credential);

/* Names a credential that nobody here has, for logs: the same one in the same way until the process ends. Terminated. */
void callers_digest(const struct callers *callers, struct bytes credential, char out[CALLER_DIGEST_DIGITS + 1]);

/* Counts a request that brought no credential, or none that is known. */
void callers_count_stranger(const struct callers *callers, bool has_credential);

struct bytes caller_name(const struct caller *caller);

/* Whether it may use the route with this path; counted when not. */
bool caller_may_use(struct caller *caller, const char *route_path);

/* CALLER_ADMITTED: one more request in flight until caller_leave. CALLER_IN_FLIGHT, CALLER_RATE: nothing is held; there will be
 * room in *retry_after_s, rounded up. Counted by what it was. `now_us` is clock_us(). */
MUST_CHECK enum caller_result caller_enter(struct caller *caller, uint64_t now_us, unsigned *retry_after_s);
void caller_leave(struct caller *caller);

/* Its requests in flight now. */
uint64_t caller_in_flight(const struct caller *caller);

/* How many callers have any. */
size_t callers_in_flight(const struct callers *callers);

#endif
