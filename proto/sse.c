/* sse: follows, reads and writes event streams. */
#include "proto/sse.h"

#include "proto/limits.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

enum place { PLACE_BLANK, PLACE_BLANK_CR, PLACE_LINE, PLACE_LINE_END, PLACE_LINE_END_CR, PLACE_COUNT };

/* A CR ends a line by itself; an LF behind it belongs to it. */
static const struct {
    enum place after_cr;
    enum place after_lf;
    struct bytes gap;
} places[PLACE_COUNT] = {
    [PLACE_BLANK] = {PLACE_BLANK_CR, PLACE_BLANK, {"", 0}},
    [PLACE_BLANK_CR] = {PLACE_BLANK_CR, PLACE_BLANK, {"", 0}},
    [PLACE_LINE] = {PLACE_LINE_END_CR, PLACE_LINE_END, {"\n\n", 2}},
    [PLACE_LINE_END] = {PLACE_BLANK_CR, PLACE_BLANK, {"\n", 1}},
    [PLACE_LINE_END_CR] = {PLACE_BLANK_CR, PLACE_LINE_END, {"\n\n", 2}}, /* the first LF may only complete the CR */
};

static bool is_line_end(char byte)
{
    return byte == '\n' || byte == '\r';
}

void sse_boundary_follow(struct sse_boundary *boundary, struct bytes chunk)
{
    enum place place = (enum place)boundary->place;
    size_t at = chunk.count;

    assert(boundary->place < PLACE_COUNT);
    while (at > 0 && is_line_end(chunk.data[at - 1])) {
        at--;
    }
    if (at > 0) {
        place = PLACE_LINE; /* whatever was before */
    }
    for (; at < chunk.count; at++) {
        place = chunk.data[at] == '\r' ? places[place].after_cr : places[place].after_lf;
    }
    boundary->place = (unsigned char)place;
}

struct bytes sse_boundary_gap(const struct sse_boundary *boundary)
{
    assert(boundary->place < PLACE_COUNT);
    return places[boundary->place].gap;
}

struct sse {
    struct buffer line; /* the beginning of a line whose end has not come */
    struct buffer data; /* of the event so far, an LF behind each line */
    struct buffer type;
    struct buffer id;
    int64_t retry_ms;
    bool has_data;
    bool after_cr;       /* an LF at this place belongs to the last line end */
    bool first_line;     /* which may begin with a byte order mark */
    bool given;          /* the event was lent by the last call and is to be forgotten now */
    enum status failure; /* STATUS_OK, or why the stream cannot be read on */
};

enum status sse_open(struct sse **out, size_t event_bytes_max)
{
    struct sse *sse = calloc(1, sizeof *sse);

    if (sse == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&sse->line, event_bytes_max);
    buffer_init(&sse->data, event_bytes_max);
    buffer_init(&sse->type, SSE_NAME_BYTES_MAX);
    buffer_init(&sse->id, SSE_NAME_BYTES_MAX);
    sse->retry_ms = -1;
    sse->first_line = true;
    sse->failure = STATUS_OK;
    *out = sse;
    return STATUS_OK;
}

void sse_close(struct sse **sse)
{
    if (*sse == NULL) {
        return;
    }
    buffer_free(&(*sse)->line);
    buffer_free(&(*sse)->data);
    buffer_free(&(*sse)->type);
    buffer_free(&(*sse)->id);
    free(*sse);
    *sse = NULL;
}

static enum status replace(struct buffer *buffer, struct bytes value)
{
    buffer_clear(buffer);
    return utf8_append(buffer, value);
}

static enum status take_data(struct sse *sse, struct bytes value)
{
    enum status status = STATUS_OK;

    if (sse->has_data) {
        status = buffer_append(&sse->data, BYTES("\n"));
    }
    sse->has_data = true;
    return status == STATUS_OK ? utf8_append(&sse->data, value) : status;
}

/* One line without its end, not blank. */
static enum status take_line(struct sse *sse, struct bytes line)
{
    ptrdiff_t colon;
    struct bytes name;
    struct bytes value;
    unsigned long long number;

    if (sse->first_line && bytes_starts_with(line, BYTES("\xEF\xBB\xBF"))) {
        line = bytes_from(line, 3);
    }
    sse->first_line = false;
    colon = bytes_find(line, ':');
    name = colon < 0 ? line : bytes_first(line, (size_t)colon);
    value = colon < 0 ? (struct bytes){NULL, 0} : bytes_from(line, (size_t)colon + 1);
    if (value.count > 0 && value.data[0] == ' ') {
        value = bytes_from(value, 1);
    }
    if (bytes_equal(name, BYTES("data"))) {
        return take_data(sse, value);
    }
    if (bytes_equal(name, BYTES("event"))) {
        return replace(&sse->type, value);
    }
    if (bytes_equal(name, BYTES("id")) && bytes_find(value, '\0') < 0) {
        return replace(&sse->id, value);
    }
    if (bytes_equal(name, BYTES("retry")) && bytes_number(value, INT64_MAX, &number) == STATUS_OK) {
        sse->retry_ms = (int64_t)number;
    }
    return STATUS_OK; /* a comment has an empty name; other names are ignored */
}

/* Bytes of `text` before its first line end, or all of them. */
static size_t line_bytes(struct bytes text)
{
    size_t count = 0;

    while (count < text.count && !is_line_end(text.data[count])) {
        count++;
    }
    return count;
}

static void lend(struct sse *sse, struct sse_event *out)
{
    out->type = sse->type.count == 0 ? BYTES("message") : buffer_view(&sse->type);
    out->data = buffer_view(&sse->data);
    out->id = buffer_view(&sse->id);
    sse->given = true;
}

static void forget_event(struct sse *sse)
{
    buffer_clear(&sse->data);
    buffer_clear(&sse->type);
    sse->has_data = false;
    sse->given = false;
}

/* Takes one line of the input, or what there is of it. STATUS_OK when an event is complete, STATUS_AGAIN otherwise. */
static enum status step(struct sse *sse, struct bytes *input)
{
    size_t count;
    bool ends;
    enum status status = STATUS_OK;
    struct bytes line;

    if (sse->after_cr && input->data[0] == '\n') {
        *input = bytes_from(*input, 1);
        sse->after_cr = false;
        return STATUS_AGAIN;
    }
    sse->after_cr = false;
    count = line_bytes(*input);
    ends = count < input->count;
    line = bytes_first(*input, count);
    if (!ends || sse->line.count > 0) { /* a line in one piece needs no copy */
        status = buffer_append(&sse->line, line);
        line = buffer_view(&sse->line);
    } else if (count > sse->line.max) {
        status = STATUS_TOO_LARGE;
    }
    if (status != STATUS_OK) {
        return status;
    }
    sse->after_cr = ends && input->data[count] == '\r';
    *input = bytes_from(*input, ends ? count + 1 : count);
    if (!ends) {
        return STATUS_AGAIN;
    }
    if (line.count == 0) {
        sse->first_line = false;
        if (sse->has_data) {
            return STATUS_OK;
        }
        buffer_clear(&sse->type);
        return STATUS_AGAIN;
    }
    status = take_line(sse, line);
    buffer_clear(&sse->line);
    return status == STATUS_OK ? STATUS_AGAIN : status;
}

enum status sse_next(struct sse *sse, struct bytes *input, struct sse_event *out)
{
    enum status status = sse->failure;

    if (sse->given) {
        forget_event(sse);
    }
    while (status == STATUS_OK || status == STATUS_AGAIN) {
        if (input->count == 0) {
            return STATUS_AGAIN;
        }
        status = step(sse, input);
        if (status == STATUS_OK) {
            lend(sse, out);
            return STATUS_OK;
        }
    }
    sse->failure = status;
    return status;
}

enum status sse_rest(struct sse *sse, struct sse_event *out)
{
    enum status status = sse->failure;

    if (sse->given) {
        forget_event(sse);
    }
    if (status == STATUS_OK && sse->line.count > 0) {
        status = take_line(sse, buffer_view(&sse->line));
        buffer_clear(&sse->line);
        sse->failure = status;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!sse->has_data) {
        return STATUS_NOT_FOUND;
    }
    lend(sse, out);
    return STATUS_OK;
}

int64_t sse_retry_ms(const struct sse *sse)
{
    return sse->retry_ms;
}

static enum status write_data_lines(struct buffer *out, struct bytes data)
{
    for (;;) {
        size_t count = line_bytes(data);
        enum status status = buffer_append(out, BYTES("data: "));

        status = status == STATUS_OK ? buffer_append(out, bytes_first(data, count)) : status;
        status = status == STATUS_OK ? buffer_append(out, BYTES("\n")) : status;
        if (status != STATUS_OK || count == data.count) {
            return status;
        }
        count += bytes_starts_with(bytes_from(data, count), BYTES("\r\n")) ? 2 : 1;
        data = bytes_from(data, count);
    }
}

enum status sse_write(struct buffer *out, struct bytes type, struct bytes data)
{
    size_t before = out->count;
    enum status status = STATUS_OK;

    if (line_bytes(type) < type.count) {
        return STATUS_MALFORMED;
    }
    if (type.count > 0) {
        status = buffer_append(out, BYTES("event: "));
        status = status == STATUS_OK ? buffer_append(out, type) : status;
        status = status == STATUS_OK ? buffer_append(out, BYTES("\n")) : status;
    }
    status = status == STATUS_OK ? write_data_lines(out, data) : status;
    status = status == STATUS_OK ? buffer_append(out, BYTES("\n")) : status;
    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}
