/* upstream_answer: the lines of an answer's head, stricter than libcurl reads them, and the parts of its body.
 *
 * libcurl hands over one line a call, with its end. Whatever a strict reader would not take as HTTP/1.x is refused here, so
 * that the client's side never has to doubt it (RFC 9112; tests/vectors/http-response). Of a body in chunks libcurl hands over
 * chunks and all (CURLOPT_HTTP_TRANSFER_DECODING): it finds the end, and `chunks` reads what is before it, as strictly.
 */
#include "gateway/upstream_inside.h"

#include <string.h>

_Static_assert(UPSTREAM_CHUNK_BYTES == CURL_MAX_WRITE_SIZE, "what transfer_events.body promises is libcurl's own bound");

enum { STATUS_DIGITS_AT = 9, STATUS_LINE_BYTES_MIN = 12 }; /* "HTTP/1.1 200" */

/* "HTTP/1.0 200 reason" or "HTTP/1.1 200"; the reason may be missing, with its space, and has no control bytes but tabs. 0 when
 * it is anything else. */
static unsigned status_of(struct bytes line)
{
    unsigned long long status = 0;

    for (size_t index = 0; index < line.count; index++) {
        unsigned char byte = (unsigned char)line.data[index];

        if ((byte < ' ' && byte != '\t') || byte == 0x7F) {
            return 0;
        }
    }
    if (line.count < STATUS_LINE_BYTES_MIN ||
        !(bytes_starts_with(line, BYTES("HTTP/1.1 ")) || bytes_starts_with(line, BYTES("HTTP/1.0 "))) ||
        (line.count > STATUS_LINE_BYTES_MIN && line.data[STATUS_LINE_BYTES_MIN] != ' ')) {
        return 0;
    }
    if (bytes_number(bytes_first(bytes_from(line, STATUS_DIGITS_AT), 3), 599, &status) != STATUS_OK || status < 100) {
        return 0;
    }
    return (unsigned)status;
}

static enum transfer_failure take_status_line(struct transfer *transfer, struct bytes line)
{
    transfer->status = status_of(line);
    transfer->http_1_0 = bytes_starts_with(line, BYTES("HTTP/1.0"));
    if (transfer->status == 0 || transfer->status == 101) {
        return TRANSFER_BROKEN; /* nobody asked for another protocol */
    }
    if (transfer->status < 200) {
        transfer->interim_count++;
    }
    transfer->part = ANSWER_FIELDS;
    return transfer->interim_count > UPSTREAM_INTERIM_MAX ? TRANSFER_TOO_LARGE : TRANSFER_OK;
}

/* Without the spaces and tabs around it (RFC 9110 section 5.5). */
static struct bytes trim(struct bytes value)
{
    while (value.count > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = bytes_from(value, 1);
    }
    while (value.count > 0 && (value.data[value.count - 1] == ' ' || value.data[value.count - 1] == '\t')) {
        value.count--;
    }
    return value;
}

/* A folded line has no name before its colon, or no colon; both are refused with everything else that is no field. */
static enum transfer_failure take_field(struct transfer *transfer, struct bytes line)
{
    ptrdiff_t colon = bytes_find(line, ':');
    enum status status = STATUS_MALFORMED;

    if (colon > 0) {
        status = fields_add(transfer->fields, bytes_first(line, (size_t)colon),
                            trim(bytes_from(line, (size_t)colon + 1)));
    }
    return status == STATUS_OK                                       ? TRANSFER_OK
           : status == STATUS_TOO_LARGE || status == STATUS_FULL ? TRANSFER_TOO_LARGE
                                                                     : TRANSFER_BROKEN;
}

/* One length or one "chunked", never both and never twice: whoever counts otherwise would see another end of the body. */
static enum transfer_failure take_framing(const struct transfer *transfer, struct transfer_head *out)
{
    const struct fields *fields = transfer->fields;
    size_t lengths = fields_times(fields, BYTES("content-length"));
    size_t codings = fields_times(fields, BYTES("transfer-encoding"));
    unsigned long long number = 0;
    struct bytes value;

    out->body_bytes = -1;
    out->until_close = lengths + codings == 0;
    if (lengths + codings > 1) {
        return TRANSFER_BROKEN;
    }
    if (fields_find(fields, BYTES("transfer-encoding"), &value)) {
        /* 1.0 has no codings: whoever uses one there has not framed it himself (RFC 9112 section 6.1). */
        return bytes_equal_nocase(value, BYTES("chunked")) && !transfer->http_1_0 ? TRANSFER_OK : TRANSFER_BROKEN;
    }
    if (fields_find(fields, BYTES("content-length"), &value)) {
        if (bytes_number(value, INT64_MAX, &number) != STATUS_OK) {
            return TRANSFER_BROKEN;
        }
        out->body_bytes = (int64_t)number;
    }
    return TRANSFER_OK;
}

/* text/event-stream, with or without parameters. */
static bool is_stream(const struct fields *fields)
{
    static const struct bytes type = {"text/event-stream", 17};
    struct bytes value;

    return fields_find(fields, BYTES("content-type"), &value) && bytes_equal_nocase(bytes_first(value, type.count), type) &&
           (value.count == type.count || value.data[type.count] == ';' || value.data[type.count] == ' ' ||
            value.data[type.count] == '\t');
}

static void tell_head(struct transfer *transfer, const struct transfer_head *head)
{
    transfer->head_due = false;
    transfer->events.head(transfer->events.context, head);
    if (head->stream) {
        fields_close(&transfer->fields);
    }
}

/* Whether a body follows the head, in chunks (RFC 9112 section 6.3). */
static bool is_chunked(const struct transfer *transfer)
{
    return fields_times(transfer->fields, BYTES("transfer-encoding")) > 0 && !transfer->head_only && transfer->status != 204 &&
           transfer->status != 304;
}

/* A stream's head goes on at once: its first event may take a while. That of a plain answer in chunks waits for the first of
 * them, so that one that is none is still a 502. */
static enum transfer_failure take_head(struct transfer *transfer)
{
    const struct limit_settings *limits = transfer->upstream->limits;
    struct transfer_head head = {.status = transfer->status, .fields = transfer->fields};
    enum transfer_failure failure = take_framing(transfer, &head);

    if (failure != TRANSFER_OK) {
        return failure;
    }
    head.stream = is_stream(transfer->fields);
    transfer->chunked = is_chunked(transfer);
    transfer->head_due = transfer->chunked && !head.stream;
    transfer->part = ANSWER_BODY;
    transfer->first_byte_us = clock_us() - transfer->started_us;
    transfer->total_until_ms =
        transfer->started_ms + (head.stream ? limits->total_ms : limits->total_plain_ms);
    transfer_enter(transfer, PHASE_ANSWERING);
    head.request_gone = head.stream && transfer_drop_request(transfer);
    if (!transfer->head_due) {
        tell_head(transfer, &head);
    }
    return TRANSFER_OK;
}

/* The empty line: after an interim answer another head follows. It has no body (RFC 9110 section 8.6): whoever read one would see
 * another answer behind it. */
static enum transfer_failure take_end(struct transfer *transfer)
{
    struct transfer_head interim;

    if (transfer->status >= 200) {
        return take_head(transfer);
    }
    if (take_framing(transfer, &interim) != TRANSFER_OK || (!interim.until_close && interim.body_bytes != 0)) {
        return TRANSFER_BROKEN;
    }
    fields_clear(transfer->fields);
    transfer->part = ANSWER_STATUS_LINE;
    return TRANSFER_OK;
}

static enum transfer_failure take_line(struct transfer *transfer, struct bytes line)
{
    if (transfer->part == ANSWER_BODY) {
        transfer->trailer_bytes += line.count;
        return transfer->trailer_bytes > UPSTREAM_FIELDS_BYTES_MAX ? TRANSFER_TOO_LARGE : TRANSFER_OK;
    }
    if (!bytes_ends_with(line, BYTES("\r\n"))) {
        return TRANSFER_BROKEN;
    }
    line.count -= 2;
    if (transfer->part == ANSWER_STATUS_LINE) {
        return take_status_line(transfer, line);
    }
    return line.count == 0 ? take_end(transfer) : take_field(transfer, line);
}

size_t upstream_answer_line(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    enum transfer_failure failure;

    if (transfer_is_ending(transfer)) {
        return 0;
    }
    transfer->progress_ms = uv_now(transfer->upstream->loop);
    failure = take_line(transfer, (struct bytes){data, size * count});
    if (failure != TRANSFER_OK) {
        transfer_fail(transfer, failure);
    }
    return transfer_is_ending(transfer) ? 0 : size * count;
}

void upstream_answer_begin(struct transfer *transfer)
{
    transfer->part = ANSWER_STATUS_LINE;
    transfer->status = 0;
    transfer->interim_count = 0;
    transfer->trailer_bytes = 0;
    transfer->chunked = false;
    transfer->head_due = false;
    transfer->chunks_taken = 0;
    chunks_init(&transfer->chunks);
}

bool upstream_answer_is_whole(const struct transfer *transfer)
{
    return transfer->part == ANSWER_BODY && (!transfer->chunked || chunks_ended(&transfer->chunks));
}

/* One part of the content, or a piece of what frames it. What is not taken is read once more. */
static bool take_chunked(struct transfer *transfer, struct bytes in, size_t *out_used)
{
    const struct chunks before = transfer->chunks;
    const struct transfer_head head = {.status = transfer->status, .fields = transfer->fields, .body_bytes = -1};
    struct bytes content;
    ptrdiff_t used = chunks_read(&transfer->chunks, in, &content);

    *out_used = 0;
    if (used < 0) {
        transfer_fail(transfer, used == STATUS_TOO_LARGE ? TRANSFER_TOO_LARGE : TRANSFER_BROKEN);
        return true;
    }
    if (transfer->head_due && transfer->chunks.begun) {
        tell_head(transfer, &head);
    }
    if (content.count > 0 && !transfer_is_ending(transfer) && !transfer->events.body(transfer->events.context, content)) {
        transfer->chunks = before;
        return false;
    }
    *out_used = (size_t)used;
    return true;
}

/* After a pause libcurl hands over once more what it was told not to have handed over, and perhaps more behind it. */
static bool take_all_chunked(struct transfer *transfer, struct bytes in)
{
    size_t at = transfer->chunks_taken < in.count ? transfer->chunks_taken : in.count;

    transfer->chunks_taken -= at;
    while (at < in.count && !transfer_is_ending(transfer)) {
        size_t used;

        if (!take_chunked(transfer, bytes_from(in, at), &used)) {
            transfer->chunks_taken = at;
            return false;
        }
        at += used;
    }
    return true;
}

size_t upstream_answer_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    bool taken;

    if (!transfer_is_ending(transfer) && transfer->part != ANSWER_BODY) {
        transfer_fail(transfer, TRANSFER_BROKEN);
    }
    if (transfer_is_ending(transfer)) {
        return CURL_WRITEFUNC_ERROR;
    }
    transfer->progress_ms = uv_now(transfer->upstream->loop);
    taken = transfer->chunked ? take_all_chunked(transfer, (struct bytes){data, size * count})
                              : transfer->events.body(transfer->events.context, (struct bytes){data, size * count});
    if (transfer_is_ending(transfer)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (!taken) {
        transfer_enter(transfer, PHASE_PAUSED);
        return CURL_WRITEFUNC_PAUSE;
    }
    return size * count;
}
