/* wire_security: CURVE keys of the three parties, and the ZAP handler that lets nobody in but whom a file names.
 *
 *   DIR/gateway.pub   gateway.key      one party's public and secret key: 40 characters of Z85 (ZeroMQ RFC 32) and a line feed
 *   DIR/moderator.pub moderator.key    a .pub may hold several lines, so that keys can be changed one machine at a time
 *   DIR/trainer.pub   trainer.key
 *
 * Gateway and trainer bind, and admit the keys of moderator.pub; a moderator connects, and knows gateway.pub and trainer.pub.
 * Each process needs its own .key and the .pub files of those it talks to, nothing else.
 *
 * CURVE fails open: without a ZAP handler libzmq admits every key. So the handler runs before the first bind, a bind asks it
 * first and is refused when it does not answer, and its end ends the process (house D16). ZAP is RFC 27.
 *
 * Keys can be changed while it runs: a binding party takes its allow-list anew, for connections to come (those that stand stay);
 * a moderator takes all of its keys anew, for sockets to come. What a binding party has bound keeps the key it was bound with.
 *
 * Thread: open, read, use, reload and close by the main thread; the rest by any.
 */
#ifndef PROTO_WIRE_SECURITY_H
#define PROTO_WIRE_SECURITY_H

#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_party { WIRE_GATEWAY, WIRE_MODERATOR, WIRE_TRAINER };

struct wire_security;

/* Reads the keys of `party` from `dir` and, where it binds, starts the handler; wire_start() comes first. STATUS_IO (no such
 * file), STATUS_MALFORMED (not a key, or a public key that is not the secret one's), STATUS_CONFLICT (a handler runs already
 * in this process). */
MUST_CHECK enum status wire_security_open(struct wire_security **out, const char *dir, enum wire_party party);

/* The same at the start of a service: nothing for the folder "", which turns CURVE off; and whom it refuses is counted in
 * zap_denied_total where the party binds. `metrics` is borrowed until wire_security_close. */
MUST_CHECK enum status wire_security_start(struct wire_security **out, const char *dir, enum wire_party party,
                                           struct metrics *metrics);

/* After every socket that used it. Takes NULL. */
void wire_security_close(struct wire_security **security);

/* The keys of the same folder anew, to be used or dropped: statuses of wire_security_open. Nothing to do for NULL. */
struct wire_security_keys;
MUST_CHECK enum status wire_security_read(const struct wire_security *security, struct wire_security_keys **out);

/* Takes *keys, and makes it NULL: whole, and it cannot fail. Nothing to do for NULL. */
void wire_security_use(struct wire_security *security, struct wire_security_keys **keys);
void wire_security_drop(struct wire_security_keys **keys); /* not used after all; takes NULL */

/* Both at once; on failure the old keys stay. */
MUST_CHECK enum status wire_security_reload(struct wire_security *security);

/* Connections refused since the start. */
uint64_t wire_security_denied(const struct wire_security *security);

/* Options of one ZeroMQ socket of this party, before bind or connect: `server` binds; `peer` is whom a client connects to.
 * Called by wire_attach. STATUS_UNAVAILABLE when the handler does not answer. */
MUST_CHECK enum status wire_security_apply(const struct wire_security *security, void *handle, bool server,
                                           enum wire_party peer);

/* Makes the six files in `dir` (made when absent, 0700; secret files 0600). STATUS_CONFLICT when any of them is there
 * already: keys are never overwritten. */
MUST_CHECK enum status wire_security_make_keys(const char *dir);

#endif
