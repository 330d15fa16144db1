/* publish: tells the moderators which models there are: {epoch, change} once a second, at each change, then more often for
 * two seconds, and to each newcomer.
 *
 *   leader thread ── publish_set ──► [epoch, change, until] ── publish_run, main thread ──► XPUB ──► every moderator
 *
 * The announcement is the whole state, so that a lost one costs a second and never a model (PROTOCOL.md, MODEL). News are
 * repeated each ANNOUNCE_NEWS_MS until they were said ANNOUNCE_NEWS_COUNT times, so that half of all may be lost. It is
 * a lease: nothing is announced after `until_ms`, so that a leader cut off from PostgreSQL falls silent by itself,
 * whatever its thread is waiting for. Only publish_run touches the socket.
 */
#ifndef TRAINER_PUBLISH_H
#define TRAINER_PUBLISH_H

#include "proto/metrics.h"
#include "proto/status.h"
#include "proto/wire_security.h"

#include <stdbool.h>
#include <stdint.h>

struct publish;

/* Binds `endpoint` (trainer.publish). `security` (NULL: no CURVE, and so loopback only) and `metrics` are borrowed until
 * publish_close. What wire_open and wire_attach return. */
MUST_CHECK enum status publish_open(struct publish **out, const char *endpoint, const struct wire_security *security,
                                    struct metrics *metrics);
void publish_close(struct publish **publish);

/* The endpoint really bound. Lends until publish_close. */
const char *publish_endpoint(const struct publish *publish);

/* Any thread: announce this at once if it is news, and every second until clock_ms() is `until_ms`. */
void publish_set(struct publish *publish, int64_t epoch, int64_t change, uint64_t until_ms);

/* Any thread: say nothing more until the next publish_set. */
void publish_clear(struct publish *publish);

/* Any thread: makes publish_run return. */
void publish_end(struct publish *publish);

/* Announces until publish_end, or until `end_fd` is readable (-1 = there is none). One thread, the one that closes it.
 */
void publish_run(struct publish *publish, int end_fd);

/* Any thread: whether publish_run's loop has turned within the last PUBLISH_TURN_MS. */
bool publish_alive(const struct publish *publish);

#endif
