/* log_line: one event as one line that no value can break, forge or lengthen beyond its bound. */
#include "proto/log.h"

#include "proto/clock.h"
#include "proto/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_PATTERN "0000-00-00T00:00:00.000000Z"

static const char cut_mark[] = ",\"cut\":true";
static const char cut_mark_text[] = " cut=true";

enum {
    LINE_END_BYTES = sizeof cut_mark + 2, /* kept free for the mark, "}" and the newline */
    TIME_BYTES = sizeof TIME_PATTERN - 1,
    DIGITS_MAX = 19, /* of 64 bits with a sign */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_names_text[] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* The code point of a sound sequence of `length` bytes. */
static uint32_t code_point_of(const unsigned char *at, size_t length)
{
    uint32_t code_point = length == 1 ? at[0] : at[0] & (0x7Fu >> length);

    for (size_t index = 1; index < length; index++) {
        code_point = code_point << 6 | (at[index] & 0x3Fu);
    }
    return code_point;
}

/* What must not stand in a line as it is: quotes, C0 and C1 controls, and the two separators that some viewers break at. */
static bool is_dangerous(uint32_t code_point)
{
    return code_point < 0x20 || code_point == '"' || code_point == '\\' || (code_point >= 0x7F && code_point <= 0x9F) ||
           code_point == 0x2028 || code_point == 0x2029;
}

static enum status append_escape(struct buffer *line, uint32_t code_point)
{
    char escape[8];

    switch (code_point) {
    case '"':
        return buffer_append_text(line, "\\\"");
    case '\\':
        return buffer_append_text(line, "\\\\");
    case '\n':
        return buffer_append_text(line, "\\n");
    case '\r':
        return buffer_append_text(line, "\\r");
    case '\t':
        return buffer_append_text(line, "\\t");
    default:
        (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code_point & 0xFFFFu);
        return buffer_append_text(line, escape);
    }
}

/* The usual case, told from the byte alone. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

/* Clean stretches are copied whole; `clean` is where the present one began. */
static enum status append_escaped(struct buffer *line, struct bytes value)
{
    const unsigned char *data = (const unsigned char *)value.data;
    size_t clean = 0;
    size_t at = 0;
    enum status status = STATUS_OK;

    while (at < value.count && status == STATUS_OK) {
        size_t length;
        uint32_t code_point;

        if (is_plain(data[at])) {
            at++;
            continue;
        }
        length = utf8_sequence(data + at, data + value.count);
        code_point = code_point_of(data + at, length);
        if (length > 0 && !is_dangerous(code_point)) {
            at += length;
            continue;
        }
        status = buffer_append(line, bytes_first(bytes_from(value, clean), at - clean));
        if (status == STATUS_OK) {
            status = length > 0 ? append_escape(line, code_point) : buffer_append_text(line, UTF8_REPLACEMENT);
        }
        at += length > 0 ? length : 1;
        clean = at;
    }
    return status == STATUS_OK ? buffer_append(line, bytes_from(value, clean)) : status;
}

/* A value too long is cut between two characters and its real length told. */
static enum status append_string(struct buffer *line, struct bytes value)
{
    size_t kept = value.count < LOG_VALUE_BYTES_MAX ? value.count : LOG_VALUE_BYTES_MAX;
    char mark[40] = "\"";
    enum status status;

    if (kept < value.count) {
        /* A character is at most four bytes; what is no UTF-8 at all is cut where it is. */
        for (int back = 0; back < 3 && utf8_is_continuation((unsigned char)value.data[kept]); back++) {
            kept--;
        }
        (void)snprintf(mark, sizeof mark, "...[%zu bytes]\"", value.count);
    }
    status = buffer_append_text(line, "\"");
    if (status == STATUS_OK) {
        status = append_escaped(line, bytes_first(value, kept));
    }
    return status == STATUS_OK ? buffer_append_text(line, mark) : status;
}

/* A line of a request has a dozen numbers: printf would be a quarter of its cost. */
static enum status append_number(struct buffer *line, int64_t number)
{
    char digits[DIGITS_MAX + 1];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    return buffer_append(line, (struct bytes){digits + at, sizeof digits - at});
}

static enum status append_value(struct buffer *line, const struct log_field *field)
{
    char number[40];

    switch (field->kind) {
    case LOG_FIELD_TEXT:
        return field->value.text == NULL ? buffer_append_text(line, "null")
                                         : append_string(line, bytes_of(field->value.text));
    case LOG_FIELD_BYTES:
        return append_string(line, field->value.bytes);
    case LOG_FIELD_STATUS:
        return append_string(line, bytes_of(status_name(field->value.status)));
    case LOG_FIELD_NUMBER:
        return append_number(line, field->value.number);
    case LOG_FIELD_REAL:
        if (!isfinite(field->value.real)) {
            return buffer_append_text(line, "null"); /* JSON has no word for it */
        }
        (void)snprintf(number, sizeof number, "%.6g", field->value.real);
        return buffer_append_text(line, number);
    }
    return STATUS_MALFORMED;
}

static enum status append_all(struct buffer *line, const struct bytes *parts, size_t count)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        status = buffer_append(line, parts[index]);
    }
    return status;
}

/* All of it or nothing of it. */
static enum status append_field(struct buffer *line, enum log_format format, const struct log_field *field)
{
    const struct bytes text[] = {BYTES(" "), bytes_of(field->name), BYTES("=")};
    const struct bytes json[] = {BYTES(",\""), bytes_of(field->name), BYTES("\":")};
    size_t before = line->count;
    enum status status = append_all(line, format == LOG_FORMAT_JSON ? json : text, sizeof text / sizeof text[0]);

    if (status == STATUS_OK) {
        status = append_value(line, field);
    }
    if (status != STATUS_OK) {
        line->count = before;
    }
    return status;
}

/* `number` in `count` digits, the last of them before `end`. */
static void put_digits(char *end, unsigned count, unsigned number)
{
    while (count-- > 0) {
        *--end = (char)('0' + number % 10);
        number /= 10;
    }
}

static struct bytes format_time(char out[TIME_BYTES], uint64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000u);
    struct tm parts;

    (void)gmtime_r(&seconds, &parts);
    memcpy(out, TIME_PATTERN, TIME_BYTES);
    put_digits(out + 4, 4, (unsigned)parts.tm_year + 1900); /* holds until the year 9999 */
    put_digits(out + 7, 2, (unsigned)parts.tm_mon + 1);
    put_digits(out + 10, 2, (unsigned)parts.tm_mday);
    put_digits(out + 13, 2, (unsigned)parts.tm_hour);
    put_digits(out + 16, 2, (unsigned)parts.tm_min);
    put_digits(out + 19, 2, (unsigned)parts.tm_sec);
    put_digits(out + 26, 6, (unsigned)(wall_us % 1000000u));
    return (struct bytes){out, TIME_BYTES};
}

static enum status append_head(struct buffer *line, enum log_format format, const char *service, enum log_level level,
                               const char *event)
{
    char room[TIME_BYTES];
    struct bytes time = format_time(room, clock_wall_us());
    const struct bytes space = BYTES(" ");
    const struct bytes text[] = {time,  space,           bytes_of(level_names_text[level]), space, bytes_of(service),
                                 space, bytes_of(event)};
    const struct bytes json[] = {BYTES("{\"time\":\""),       time,
                                 BYTES("\",\"level\":\""),   bytes_of(level_names[level]),
                                 BYTES("\",\"service\":\""), bytes_of(service),
                                 BYTES("\",\"event\":\""),   bytes_of(event),
                                 BYTES("\"")};

    return format == LOG_FORMAT_TEXT ? append_all(line, text, sizeof text / sizeof text[0])
                                     : append_all(line, json, sizeof json / sizeof json[0]);
}

enum status log_format_line(struct buffer *out, enum log_format format, const char *service, enum log_level level,
                            const char *event, const struct log_field *fields, size_t field_count)
{
    struct buffer line = {.room = LOG_LINE_BYTES_MAX - LINE_END_BYTES, .max = LOG_LINE_BYTES_MAX - LINE_END_BYTES};
    bool cut = false;
    enum status status = buffer_reserve(out, LOG_LINE_BYTES_MAX, &line.data);

    if (status != STATUS_OK) {
        return status;
    }
    status = append_head(&line, format, service, level, event);
    assert(status == STATUS_OK); /* literals of ours, far shorter than a line */
    for (size_t index = 0; index < field_count && !cut; index++) {
        cut = append_field(&line, format, &fields[index]) != STATUS_OK;
    }
    line.room = LOG_LINE_BYTES_MAX;
    line.max = LOG_LINE_BYTES_MAX;
    if (cut) {
        status = buffer_append_text(&line, format == LOG_FORMAT_JSON ? cut_mark : cut_mark_text);
        assert(status == STATUS_OK);
    }
    status = buffer_append_text(&line, format == LOG_FORMAT_JSON ? "}\n" : "\n");
    assert(status == STATUS_OK);
    buffer_used(out, line.count);
    return STATUS_OK;
}
