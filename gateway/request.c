/* request: the reader of one request after the other: lines are measured here, their grammar is llhttp's. */
#include "gateway/request.h"

#include "gateway/request_extension.h"
#include "proto/limits.h"

#include <assert.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

enum state { STATE_REQUEST_LINE, STATE_FIELDS, STATE_BODY, STATE_DONE, STATE_REFUSED, STATE_COUNT };

struct request {
    enum state state;
    enum request_refusal refusal;
    struct request_limits limits;
    struct request_sink sink;
    llhttp_t parser;
    struct request_head head;
    bool head_seen;    /* llhttp has seen the end of the head, */
    bool message_seen; /* and of the message */

    size_t line_bytes;   /* of the line that is being read, so far, CR included */
    bool after_cr;       /* its last byte was a CR */
    char tail[sizeof "HTTP/1.x\r\n" - 1]; /* the last bytes of the request line */
    size_t header_bytes; /* of all field lines so far */
    size_t empty_lines;
    struct buffer target;
    struct buffer field; /* a name, and behind it its value */
    size_t name_bytes;
    struct fields *fields;

    uint64_t body_bytes;
    uint64_t framing_bytes; /* bytes of a chunked body that are not its content */
    uint64_t chunk_count;
    struct request_extension extension;
    size_t trailer_bytes;
    size_t trailer_count;
};

/* Only the first refusal counts. Its value stops llhttp when a callback returns it. */
static int refuse(struct request *request, enum request_refusal refusal)
{
    if (request->refusal == REFUSAL_NONE) {
        request->refusal = refusal;
    }
    return HPE_USER;
}

static int on_url(llhttp_t *parser, const char *at, size_t count)
{
    struct request *request = parser->data;

    if (buffer_append(&request->target, (struct bytes){at, count}) != STATUS_OK) {
        return refuse(request, request->target.count + count > request->target.max ? REFUSAL_LINE_SIZE : REFUSAL_MEMORY);
    }
    return 0;
}

static int on_field_part(llhttp_t *parser, const char *at, size_t count)
{
    struct request *request = parser->data;

    if (request->state == STATE_BODY) {
        request->trailer_bytes += count;
        if (request->trailer_bytes > TRAILER_BYTES_MAX || count > request->field.max - request->field.count) {
            return refuse(request, REFUSAL_TRAILERS);
        }
    }
    if (buffer_append(&request->field, (struct bytes){at, count}) != STATUS_OK) {
        return refuse(request, REFUSAL_MEMORY); /* the line's own bound is met before the buffer's */
    }
    return 0;
}

static int on_name_complete(llhttp_t *parser)
{
    struct request *request = parser->data;

    request->name_bytes = request->field.count;
    return request->state == STATE_BODY && request_head_forbids_trailer(buffer_view(&request->field))
               ? refuse(request, REFUSAL_TRAILER_FIELD)
               : 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct request *request = parser->data;
    struct bytes whole = buffer_view(&request->field);
    enum status status;

    if (request->state == STATE_BODY) { /* counted and forgotten: it never joins the head (B.1 row 1) */
        buffer_free(&request->field);
        request->trailer_count++;
        return request->trailer_count > TRAILER_FIELDS_MAX ? refuse(request, REFUSAL_TRAILERS) : 0;
    }
    status = fields_add(request->fields, bytes_first(whole, request->name_bytes),
                        fields_trim(bytes_from(whole, request->name_bytes)));
    buffer_clear(&request->field);
    return status == STATUS_OK ? 0 : refuse(request, refusal_of_field(status));
}

static int on_headers_complete(llhttp_t *parser)
{
    /* An upgrade is ignored (RFC 9110 section 7.8): without this, llhttp would take what follows for another protocol. */
    parser->upgrade = 0;
    ((struct request *)parser->data)->head_seen = true;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t count)
{
    struct request *request = parser->data;
    enum status status;

    if (count > request->limits.body_bytes - request->body_bytes) {
        return refuse(request, REFUSAL_BODY_SIZE);
    }
    status = request->sink.body(request->sink.context, (struct bytes){at, count});
    request->body_bytes += status == STATUS_OK ? count : 0;
    return status == STATUS_OK ? 0 : refuse(request, refusal_of_sink(status));
}

static int on_chunk_header(llhttp_t *parser)
{
    struct request *request = parser->data;

    request->chunk_count++;
    /* A chunk that cannot fit is refused by its size, not by its bytes. */
    if (parser->content_length > request->limits.body_bytes - request->body_bytes) {
        return refuse(request, REFUSAL_BODY_SIZE);
    }
    return 0;
}

static int on_extension(llhttp_t *parser, const char *at, size_t count)
{
    struct request *request = parser->data;
    enum request_refusal refusal = request_extension_read(&request->extension, (struct bytes){at, count});

    return refusal == REFUSAL_NONE ? 0 : refuse(request, refusal);
}

static int on_extension_part(llhttp_t *parser)
{
    struct request *request = parser->data;
    enum request_refusal refusal = request_extension_end(&request->extension);

    return refusal == REFUSAL_NONE ? 0 : refuse(request, refusal);
}

static int on_message_complete(llhttp_t *parser)
{
    ((struct request *)parser->data)->message_seen = true;
    return HPE_PAUSED; /* what follows belongs to the next request and waits for its turn */
}

static const llhttp_settings_t parser_settings = {
    .on_url = on_url,
    .on_header_field = on_field_part,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_field_part,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_chunk_extension_name_complete = on_extension_part,
    .on_chunk_extension_value_complete = on_extension_part,
    .on_message_complete = on_message_complete,
};

enum status request_open(struct request **out, const struct request_limits *limits, const struct request_sink *sink)
{
    struct request *request;
    enum status status;

    assert(limits->line_bytes > 0 && sink->body != NULL && limits->body_bytes <= INT64_MAX);
    request = calloc(1, sizeof *request);
    if (request == NULL) {
        return STATUS_NO_MEMORY;
    }
    request->limits = *limits;
    request->sink = *sink;
    buffer_init(&request->target, limits->line_bytes);
    buffer_init(&request->field, 2 * limits->line_bytes);
    status = fields_open(&request->fields, limits->fields, limits->header_bytes);
    if (status != STATUS_OK) {
        request_close(&request);
        return status;
    }
    request_reset(request);
    *out = request;
    return STATUS_OK;
}

void request_close(struct request **request)
{
    if (*request != NULL) {
        buffer_free(&(*request)->target);
        buffer_free(&(*request)->field);
        fields_close(&(*request)->fields);
        free(*request);
        *request = NULL;
    }
}

void request_reset(struct request *request)
{
    request->state = STATE_REQUEST_LINE;
    request->refusal = REFUSAL_NONE;
    request->head = (struct request_head){.fields = request->fields};
    request->head_seen = request->message_seen = false;
    request->line_bytes = request->header_bytes = request->empty_lines = 0;
    request->after_cr = false;
    buffer_clear(&request->target);
    buffer_clear(&request->field);
    fields_clear(request->fields);
    request->body_bytes = request->framing_bytes = request->chunk_count = 0;
    request->trailer_bytes = request->trailer_count = 0;
    request->extension = (struct request_extension){0};
    llhttp_init(&request->parser, HTTP_REQUEST, &parser_settings);
    request->parser.data = request;
}

void request_forget_text(struct request *request)
{
    const struct bytes none = {NULL, 0};

    assert(request->state == STATE_DONE);
    buffer_free(&request->target);
    fields_free_room(request->fields);
    request->head.target = request->head.path = request->head.query = none;
}

static enum request_progress refused(struct request *request, enum request_refusal refusal)
{
    (void)refuse(request, refusal);
    request->state = STATE_REFUSED;
    return REQUEST_REFUSED;
}

/* Gives bytes to llhttp and says how many it used; fewer only at the end of the message. */
static enum request_refusal parse(struct request *request, struct bytes in, size_t *used)
{
    llhttp_errno_t error = llhttp_execute(&request->parser, in.data, in.count);

    if (request->refusal != REFUSAL_NONE) {
        return request->refusal;
    }
    if (error == HPE_PAUSED && request->message_seen) {
        *used = (size_t)(llhttp_get_error_pos(&request->parser) - in.data);
        return REFUSAL_NONE;
    }
    *used = in.count;
    return error == HPE_OK ? REFUSAL_NONE : refusal_of_syntax((int)error);
}

/* A tab around a length or a coding is a space, which llhttp knows there alone (RFC 9110 section 5.6.3). */
static enum request_refusal parse_line(struct request *request, struct bytes piece)
{
    enum request_refusal refusal = REFUSAL_NONE;
    size_t used;

    while (refusal == REFUSAL_NONE && piece.count > 0) {
        ptrdiff_t tab = bytes_find(piece, '\t');
        bool space = tab == 0 && request_head_is_framing(bytes_first(buffer_view(&request->field), request->name_bytes));
        size_t count = tab < 0 ? piece.count : tab == 0 ? 1 : (size_t)tab;

        refusal = parse(request, space ? BYTES(" ") : bytes_first(piece, count), &used);
        piece = bytes_from(piece, count);
    }
    return refusal;
}

/* Cuts the next piece of the current line from `in`: at most up to its end, and never past its bounds. A byte that may not
 * follow ends the piece before it and is told in *fault, so that the answer is the same wherever the reads were cut. */
static struct bytes next_piece(struct request *request, struct bytes in, bool *ended, enum request_refusal *fault)
{
    bool fields = request->state == STATE_FIELDS;
    size_t line_room = request->limits.line_bytes * (fields ? 2 : 1) + 2 - request->line_bytes;
    size_t header_room = fields ? request->limits.header_bytes + 2 - request->header_bytes : line_room;
    size_t room = line_room < header_room ? line_room : header_room;
    struct bytes piece = bytes_first(in, room);
    ptrdiff_t line_feed, carriage_return;

    *ended = false;
    *fault = REFUSAL_NONE;
    if (fields && request->line_bytes == 0 && in.count > 0 && (in.data[0] == ' ' || in.data[0] == '\t')) {
        *fault = REFUSAL_FOLD;
        return bytes_first(in, 0);
    }
    if (request->after_cr) {
        *ended = piece.count > 0 && piece.data[0] == '\n';
        *fault = *ended || piece.count == 0 ? REFUSAL_NONE : REFUSAL_LINE_END;
        piece.count = *ended ? 1 : 0;
    } else {
        line_feed = bytes_find(piece, '\n');
        piece.count = line_feed < 0 ? piece.count : (size_t)line_feed;
        carriage_return = bytes_find(piece, '\r');
        if (carriage_return < 0) {
            *fault = line_feed < 0 ? REFUSAL_NONE : REFUSAL_LINE_END;
        } else if ((size_t)carriage_return + 1 == piece.count) {
            *ended = line_feed >= 0;
            piece.count += *ended ? 1 : 0;
        } else {
            piece.count = (size_t)carriage_return + 1;
            *fault = REFUSAL_LINE_END;
        }
    }
    if (*fault == REFUSAL_NONE && !*ended && piece.count == room) {
        *fault = !fields ? REFUSAL_LINE_SIZE : line_room <= header_room ? REFUSAL_FIELD_SIZE : REFUSAL_HEADER_SIZE;
    }
    return piece;
}

/* llhttp has read the request line; it forgives more than one space, any version it knows, and RTSP. */
static enum request_refusal check_request_line(struct request *request, size_t line_bytes)
{
    struct bytes method = bytes_of(llhttp_method_name(request->parser.method));

    request->head.target = buffer_view(&request->target);
    if (request->parser.http_major != 1 || request->parser.http_minor > 1) {
        return REFUSAL_VERSION;
    }
    if (line_bytes != method.count + request->target.count + strlen("  HTTP/1.x\r\n") ||
        memcmp(request->tail, "HTTP/1.", strlen("HTTP/1.")) != 0) {
        return REFUSAL_SYNTAX;
    }
    request->head.method = method;
    request->head.http_1_0 = request->parser.http_minor == 0;
    return REFUSAL_NONE;
}

static void keep_tail(struct request *request, struct bytes piece)
{
    size_t count = piece.count < sizeof request->tail ? piece.count : sizeof request->tail;

    memmove(request->tail, request->tail + count, sizeof request->tail - count);
    memcpy(request->tail + sizeof request->tail - count, piece.data + piece.count - count, count);
}

/* The empty line behind the fields has come. llhttp and we must agree on what follows. */
static enum request_progress end_head(struct request *request)
{
    enum request_refusal refusal;
    bool chunked;

    if (!request->head_seen) {
        return refused(request, REFUSAL_SYNTAX);
    }
    refusal = request_head_check(&request->head, request->limits.body_bytes);
    if (refusal != REFUSAL_NONE) {
        return refused(request, refusal);
    }
    chunked = (request->parser.flags & F_CHUNKED) != 0;
    if (chunked != (request->head.body_bytes < 0) || request->message_seen != (request->head.body_bytes == 0) ||
        (!chunked && request->parser.content_length != (uint64_t)request->head.body_bytes)) {
        return refused(request, REFUSAL_FRAMING);
    }
    buffer_free(&request->field); /* its longest line was for a moment; the request may live for an hour */
    request->state = request->message_seen ? STATE_DONE : STATE_BODY;
    return REQUEST_HEAD;
}

/* A line is complete: REQUEST_MORE to go on with the next one. */
static enum request_progress end_line(struct request *request)
{
    size_t line_bytes = request->line_bytes;
    enum request_refusal refusal;

    request->line_bytes = 0;
    if (line_bytes == 2) {
        if (request->state == STATE_FIELDS) {
            return end_head(request);
        }
        request->empty_lines++;
        return request->empty_lines > REQUEST_EMPTY_LINES_MAX ? refused(request, REFUSAL_EMPTY_LINES) : REQUEST_MORE;
    }
    if (request->state == STATE_REQUEST_LINE) {
        refusal = check_request_line(request, line_bytes);
        if (refusal != REFUSAL_NONE) {
            return refused(request, refusal);
        }
        request->state = STATE_FIELDS;
    }
    return REQUEST_MORE;
}

static enum request_progress read_lines(struct request *request, struct bytes in, size_t *used)
{
    enum request_progress progress = REQUEST_MORE;

    while (progress == REQUEST_MORE && *used < in.count) {
        bool ended;
        enum request_refusal fault, refusal;
        struct bytes piece = next_piece(request, bytes_from(in, *used), &ended, &fault);

        refusal = parse_line(request, piece);
        *used += piece.count;
        request->line_bytes += piece.count;
        request->header_bytes += request->state == STATE_FIELDS ? piece.count : 0;
        if (piece.count > 0) {
            keep_tail(request, piece);
            request->after_cr = piece.data[piece.count - 1] == '\r';
        }
        if (refusal != REFUSAL_NONE || fault != REFUSAL_NONE) {
            return refused(request, refusal != REFUSAL_NONE ? refusal : fault);
        }
        if (ended) {
            progress = end_line(request);
        }
    }
    return progress;
}

static enum request_progress read_body(struct request *request, struct bytes in, size_t *used)
{
    uint64_t body_bytes = request->body_bytes;
    enum request_refusal refusal;

    if (in.count == 0) {
        return REQUEST_MORE;
    }
    refusal = parse(request, in, used);
    if (refusal != REFUSAL_NONE) {
        return refused(request, refusal);
    }
    /* What llhttp swallows without a callback (zeros before a size, spaces in a trailer) is bounded too. */
    request->framing_bytes += *used - (request->body_bytes - body_bytes);
    if (request->framing_bytes > CHUNK_EXTENSION_BYTES_MAX + TRAILER_BYTES_MAX +
                                     (request->chunk_count + TRAILER_FIELDS_MAX) * CHUNK_LINE_BYTES) {
        return refused(request, REFUSAL_CHUNK);
    }
    request->state = request->message_seen ? STATE_DONE : STATE_BODY;
    return request->message_seen ? REQUEST_DONE : REQUEST_MORE;
}

/* Bytes behind the end are not ours. */
static enum request_progress stay(struct request *request, struct bytes in, size_t *used)
{
    (void)in;
    (void)used;
    return request->state == STATE_DONE ? REQUEST_DONE : REQUEST_REFUSED;
}

static const struct {
    const char *name;
    enum request_progress (*step)(struct request *request, struct bytes in, size_t *used);
} states[STATE_COUNT] = {
    [STATE_REQUEST_LINE] = {"request_line", read_lines},
    [STATE_FIELDS] = {"fields", read_lines},
    [STATE_BODY] = {"body", read_body},
    [STATE_DONE] = {"done", stay},
    [STATE_REFUSED] = {"refused", stay},
};

enum request_progress request_read(struct request *request, struct bytes in, size_t *used)
{
    *used = 0;
    return states[request->state].step(request, in, used);
}

bool request_begun(const struct request *request)
{
    return request->state != STATE_REQUEST_LINE || request->line_bytes > (request->after_cr ? 1 : 0);
}

uint64_t request_body_read(const struct request *request)
{
    return request->body_bytes + request->framing_bytes;
}

bool request_is_complete(const struct request *request)
{
    return request->state == STATE_DONE;
}

struct bytes request_target(const struct request *request)
{
    return request->head.target;
}

uint64_t request_body_left(const struct request *request)
{
    return request->head.body_bytes < 0 ? 0 : (uint64_t)request->head.body_bytes - request->body_bytes;
}

const struct request_head *request_head(const struct request *request)
{
    assert(request->head_seen);
    return &request->head;
}

enum request_refusal request_refusal(const struct request *request)
{
    return request->refusal;
}
