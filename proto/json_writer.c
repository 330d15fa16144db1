/* json_writer: JSON into a bounded buffer, with the commas, escapes and number forms that RFC 8259 wants. */
#include "proto/json.h"
#include "proto/json_scan.h"
#include "proto/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 32 }; /* "-1.7976931348623157e+308" and its terminator fit */

_Static_assert(JSON_DEPTH_MAX <= 64, "need_comma has a bit for each level");

static void put(struct json_writer *writer, struct bytes bytes)
{
    if (writer->status == STATUS_OK) {
        writer->status = buffer_append(writer->out, bytes);
    }
}

static uint64_t level_bit(const struct json_writer *writer)
{
    return UINT64_C(1) << (writer->depth - 1);
}

/* Before a key, and before a value that has none. */
static void put_comma(struct json_writer *writer)
{
    if (writer->depth > 0 && (writer->need_comma & level_bit(writer)) != 0) {
        put(writer, BYTES(","));
    }
}

/* After a value. */
static void want_comma(struct json_writer *writer)
{
    if (writer->depth > 0) {
        writer->need_comma |= level_bit(writer);
    }
}

static void put_value(struct json_writer *writer, struct bytes value)
{
    put_comma(writer);
    put(writer, value);
    want_comma(writer);
}

static void begin(struct json_writer *writer, struct bytes bracket)
{
    put_comma(writer);
    if (writer->status == STATUS_OK && writer->depth == JSON_DEPTH_MAX) {
        writer->status = STATUS_TOO_LARGE;
    }
    if (writer->status != STATUS_OK) {
        return;
    }
    put(writer, bracket);
    writer->depth++;
    writer->need_comma &= ~level_bit(writer);
}

static void end(struct json_writer *writer, struct bytes bracket)
{
    if (writer->status != STATUS_OK) {
        return; /* the levels stopped counting at the failure */
    }
    assert(writer->depth > 0);
    put(writer, bracket);
    writer->depth--;
    want_comma(writer);
}

static void put_escape(struct json_writer *writer, unsigned char byte)
{
    static const char letters[] = "\"\\\b\f\n\r\t";
    static const char escapes[] = "\"\\bfnrt";
    const char *letter = byte == 0 ? NULL : strchr(letters, byte);
    char text[8];

    if (letter != NULL) {
        put(writer, (struct bytes){(char[]){'\\', escapes[letter - letters]}, 2});
        return;
    }
    (void)snprintf(text, sizeof text, "\\u%04x", (unsigned)byte);
    put(writer, bytes_of(text));
}

static void put_quoted(struct json_writer *writer, struct bytes text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *last = text.count == 0 ? at : at + text.count;

    put(writer, BYTES("\""));
    while (at < last && writer->status == STATUS_OK) {
        const unsigned char *start = at;

        at = *start < 0x80 ? json_plain_end(start, last) : utf8_end(start, last);
        if (at > start) {
            put(writer, (struct bytes){(const char *)start, (size_t)(at - start)});
        } else if (*start < 0x80) {
            put_escape(writer, *start);
            at++;
        } else {
            put(writer, BYTES(UTF8_REPLACEMENT)); /* for each byte that is part of no sequence */
            at++;
        }
    }
    put(writer, BYTES("\""));
}

void json_writer_init(struct json_writer *writer, struct buffer *out)
{
    assert(writer != NULL && out != NULL);
    *writer = (struct json_writer){.out = out, .status = STATUS_OK};
}

void json_write_object_begin(struct json_writer *writer)
{
    begin(writer, BYTES("{"));
}

void json_write_object_end(struct json_writer *writer)
{
    end(writer, BYTES("}"));
}

void json_write_array_begin(struct json_writer *writer)
{
    begin(writer, BYTES("["));
}

void json_write_array_end(struct json_writer *writer)
{
    end(writer, BYTES("]"));
}

void json_write_key(struct json_writer *writer, const char *key)
{
    if (writer->status != STATUS_OK) {
        return;
    }
    assert(writer->depth > 0);
    put_comma(writer);
    put_quoted(writer, bytes_of(key));
    put(writer, BYTES(":"));
    writer->need_comma &= ~level_bit(writer); /* none between a key and its value */
}

void json_write_string(struct json_writer *writer, struct bytes text)
{
    put_comma(writer);
    put_quoted(writer, text);
    want_comma(writer);
}

void json_write_text(struct json_writer *writer, const char *text)
{
    json_write_string(writer, bytes_of(text));
}

void json_write_integer(struct json_writer *writer, int64_t number)
{
    char text[NUMBER_BYTES];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    put_value(writer, bytes_of(text));
}

void json_write_real(struct json_writer *writer, double number)
{
    char text[NUMBER_BYTES];

    if (!isfinite(number)) {
        json_write_null(writer);
        return;
    }
    /* The fewest digits that read back as the same number; 17 always do. */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    put_value(writer, bytes_of(text));
}

void json_write_integer_member(struct json_writer *writer, const char *key, int64_t number)
{
    json_write_key(writer, key);
    json_write_integer(writer, number);
}

void json_write_real_member(struct json_writer *writer, const char *key, double number)
{
    json_write_key(writer, key);
    json_write_real(writer, number);
}

void json_write_bool(struct json_writer *writer, bool value)
{
    put_value(writer, value ? BYTES("true") : BYTES("false"));
}

void json_write_null(struct json_writer *writer)
{
    put_value(writer, BYTES("null"));
}

void json_write_raw(struct json_writer *writer, struct bytes json)
{
    assert(json.count > 0);
    put_value(writer, json);
}
