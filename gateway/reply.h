/* reply: one answer to the client: status line, fields, and a body in chunks or of a known length.
 *
 * HTTP/1.1 gets chunks where the length is not known; HTTP/1.0 gets a body that ends with the connection. Fields that belong
 * to one hop only are never copied from an upstream (RFC 9110 section 7.6.1). Thread: the loop's.
 */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include "gateway/connection.h"
#include "gateway/fields.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum reply_framing {
    REPLY_LENGTH,  /* Content-Length */
    REPLY_CHUNKED, /* Transfer-Encoding: chunked */
    REPLY_CLOSE,   /* HTTP/1.0: ends with the connection */
    REPLY_NONE,    /* 204, 304, or an answer to HEAD */
};

struct reply {
    struct connection *connection; /* borrowed */
    enum reply_framing framing;
    bool http_1_0;
    bool head_only;
    bool keep_alive;
    bool head_written;
    uint64_t left_bytes; /* REPLY_LENGTH: still owed */
};

/* Whether a field belongs to one hop or frames a body, so that it is made anew and never passed on, in either direction. */
bool reply_is_hop_field(struct bytes name);

/* What the request allows: filled in by the exchange before the answer begins. */
void reply_init(struct reply *reply, struct connection *connection, bool http_1_0, bool head_only, bool keep_alive);

/* Writes the head. `fields` (may be NULL) may hold hop fields, which are left out; framing fields, Connection and (where none
 * is there) Date are added here. `body_bytes` >= 0 is a known length, -1 an unknown one. Statuses of connection_write. */
MUST_CHECK enum status reply_head(struct reply *reply, unsigned status, const struct fields *fields, int64_t body_bytes);

/* A part of the body, framed. STATUS_MALFORMED when more comes than the announced length. An empty part writes nothing. */
MUST_CHECK enum status reply_body(struct reply *reply, struct bytes part);

/* The clean end: last chunk. Tells the connection that the answer is done, also on STATUS_CLOSED. STATUS_MALFORMED when bytes
 * of the length are missing, STATUS_TOO_LARGE: the caller then breaks the answer. */
MUST_CHECK enum status reply_end(struct reply *reply);

/* The body cannot be completed: what was written is still sent, nothing that looks like a clean end follows, then the
 * connection closes. */
void reply_break(struct reply *reply);

#endif
