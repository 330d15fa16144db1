/* reply: framing an answer, and saying clearly when one is broken. */
#include "gateway/reply.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool reply_is_hop_field(struct bytes name)
{
    return fields_is_one_hop(name) || bytes_equal_nocase(name, BYTES("content-length"));
}

void reply_init(struct reply *reply, struct connection *connection, bool http_1_0, bool head_only, bool keep_alive)
{
    *reply = (struct reply){
        .connection = connection, .http_1_0 = http_1_0, .head_only = head_only, .keep_alive = keep_alive};
}

static const char *phrase_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t index = 0; index < sizeof phrases / sizeof phrases[0]; index++) {
        if (phrases[index].status == status) {
            return phrases[index].phrase;
        }
    }
    return "Status"; /* the phrase means nothing to a client (RFC 9112 section 4) */
}

static enum reply_framing framing_of(const struct reply *reply, unsigned status, int64_t body_bytes)
{
    if (reply->head_only || status == 204 || status == 304) {
        return REPLY_NONE;
    }
    if (body_bytes >= 0) {
        return REPLY_LENGTH;
    }
    return reply->http_1_0 ? REPLY_CLOSE : REPLY_CHUNKED;
}

/* Remembers the first failure, so that a head is written without a check a line. */
static void put(const struct reply *reply, enum status *status, struct bytes bytes)
{
    if (*status == STATUS_OK) {
        *status = connection_write(reply->connection, bytes);
    }
}

static void put_field(const struct reply *reply, enum status *status, struct bytes name, struct bytes value)
{
    const struct bytes pieces[] = {name, BYTES(": "), value, BYTES("\r\n")};

    if (*status == STATUS_OK) {
        *status = connection_write_pieces(reply->connection, pieces, sizeof pieces / sizeof pieces[0]);
    }
}

static void put_fields(const struct reply *reply, enum status *status, const struct fields *fields)
{
    bool dated = false;

    for (size_t index = 0; fields != NULL && index < fields_count(fields); index++) {
        struct field field = fields_at(fields, index);

        if (!reply_is_hop_field(field.name)) {
            dated = dated || bytes_equal_nocase(field.name, BYTES("date"));
            put_field(reply, status, field.name, field.value);
        }
    }
    if (!dated) {
        put_field(reply, status, BYTES("Date"), connection_date(reply->connection));
    }
}

enum status reply_head(struct reply *reply, unsigned status, const struct fields *fields, int64_t body_bytes)
{
    enum status written = STATUS_OK;
    char line[64], length[24];
    int count;

    assert(!reply->head_written && status >= 200 && status <= 599);
    reply->framing = framing_of(reply, status, body_bytes);
    reply->left_bytes = reply->framing == REPLY_LENGTH ? (uint64_t)body_bytes : 0;
    reply->keep_alive = reply->keep_alive && reply->framing != REPLY_CLOSE;
    count = snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", status, phrase_of(status));
    assert(count > 0 && (size_t)count < sizeof line);
    put(reply, &written, (struct bytes){line, (size_t)count});
    put_fields(reply, &written, fields);
    if (body_bytes >= 0 && status != 204 && status != 304) { /* also the length that an answer to HEAD does not bring */
        count = snprintf(length, sizeof length, "%lld", (long long)body_bytes);
        put_field(reply, &written, BYTES("Content-Length"), (struct bytes){length, (size_t)count});
    } else if (reply->framing == REPLY_CHUNKED) {
        put(reply, &written, BYTES("Transfer-Encoding: chunked\r\n"));
    }
    if (!reply->keep_alive) {
        put(reply, &written, BYTES("Connection: close\r\n"));
    } else if (reply->http_1_0) {
        put(reply, &written, BYTES("Connection: keep-alive\r\n"));
    }
    put(reply, &written, BYTES("\r\n"));
    reply->head_written = true;
    return written;
}

static enum status put_chunk(const struct reply *reply, struct bytes part)
{
    char line[2 * sizeof part.count + sizeof "\r\n" - 1]; /* its size in hexadecimal digits */
    char *at = line + sizeof line;
    struct bytes pieces[] = {{NULL, 0}, part, BYTES("\r\n")};

    *--at = '\n';
    *--at = '\r';
    for (size_t left = part.count; left > 0; left /= 16) {
        *--at = "0123456789abcdef"[left % 16];
    }
    pieces[0] = (struct bytes){at, (size_t)(line + sizeof line - at)};
    return connection_write_pieces(reply->connection, pieces, sizeof pieces / sizeof pieces[0]);
}

enum status reply_body(struct reply *reply, struct bytes part)
{
    enum status written = STATUS_OK;

    assert(reply->head_written);
    if (part.count == 0 || reply->framing == REPLY_NONE) {
        return STATUS_OK;
    }
    switch (reply->framing) {
    case REPLY_LENGTH:
        if (part.count > reply->left_bytes) {
            return STATUS_MALFORMED;
        }
        put(reply, &written, part);
        reply->left_bytes -= part.count;
        break;
    case REPLY_CHUNKED:
        written = put_chunk(reply, part);
        break;
    default:
        put(reply, &written, part);
        break;
    }
    return written;
}

enum status reply_end(struct reply *reply)
{
    enum status written = STATUS_OK;

    assert(reply->head_written);
    if (reply->left_bytes > 0) {
        return STATUS_MALFORMED;
    }
    if (reply->framing == REPLY_CHUNKED) {
        put(reply, &written, BYTES("0\r\n\r\n"));
    }
    if (written == STATUS_OK || written == STATUS_CLOSED) { /* a client that is gone is nobody's answer any more */
        connection_answer_done(reply->connection, reply->keep_alive);
    }
    return written;
}

void reply_break(struct reply *reply)
{
    /* Without a length and without chunks the end of the connection is the end of the body: only a reset says otherwise. */
    if (reply->framing == REPLY_CLOSE) {
        connection_break(reply->connection);
    } else {
        connection_finish(reply->connection);
    }
}
