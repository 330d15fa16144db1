/* bytes: comparing and cutting views, and a buffer that grows up to its bound and no further. */
#include "proto/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST_BYTES = 256 }; /* the first reservation; below it growing by halves would only churn */

bool bytes_equal(struct bytes left, struct bytes right)
{
    return left.count == right.count && (left.count == 0 || memcmp(left.data, right.data, left.count) == 0);
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool bytes_same_nocase(const char *left, const char *right, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (lower(left[index]) != lower(right[index])) {
            return false;
        }
    }
    return true;
}

bool bytes_starts_with(struct bytes whole, struct bytes prefix)
{
    return whole.count >= prefix.count && bytes_equal(bytes_first(whole, prefix.count), prefix);
}

bool bytes_ends_with(struct bytes whole, struct bytes suffix)
{
    return whole.count >= suffix.count && bytes_equal(bytes_from(whole, whole.count - suffix.count), suffix);
}

ptrdiff_t bytes_find(struct bytes whole, char byte)
{
    const char *found = whole.count == 0 ? NULL : memchr(whole.data, byte, whole.count);

    return found == NULL ? -1 : found - whole.data;
}

int bytes_hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

int bytes_escaped(struct bytes text)
{
    int high = text.count >= 3 && text.data[0] == '%' ? bytes_hex_digit(text.data[1]) : -1;
    int low = high >= 0 ? bytes_hex_digit(text.data[2]) : -1;

    return low < 0 ? -1 : high * 16 + low;
}

enum status bytes_copy(struct bytes from, char *out, size_t room)
{
    assert(out != NULL && room > 0);
    if (from.count >= room) {
        return STATUS_TOO_LARGE;
    }
    if (from.count > 0) {
        memcpy(out, from.data, from.count);
    }
    out[from.count] = '\0';
    return STATUS_OK;
}

enum status bytes_number(struct bytes text, unsigned long long max, unsigned long long *out)
{
    unsigned long long number = 0;

    if (text.count == 0) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 0; index < text.count; index++) {
        unsigned digit = (unsigned)(unsigned char)text.data[index] - '0';

        if (digit > 9) {
            return STATUS_MALFORMED;
        }
        if (number > (max - (digit < max ? digit : max)) / 10) {
            return STATUS_TOO_LARGE;
        }
        number = number * 10 + digit;
    }
    if (number > max) {
        return STATUS_TOO_LARGE;
    }
    *out = number;
    return STATUS_OK;
}

void buffer_init(struct buffer *buffer, size_t bytes_max)
{
    assert(buffer != NULL);
    *buffer = (struct buffer){.max = bytes_max};
}

void buffer_free(struct buffer *buffer)
{
    assert(buffer != NULL);
    free(buffer->data);
    buffer_init(buffer, buffer->max);
}

void buffer_shed(struct buffer *buffer, size_t kept_bytes)
{
    if (buffer->room > kept_bytes) {
        buffer_free(buffer);
    }
}

void buffer_fit(struct buffer *buffer)
{
    char *fitted = buffer->count > 0 && buffer->count < buffer->room ? realloc(buffer->data, buffer->count) : NULL;

    if (fitted != NULL) {
        buffer->data = fitted;
        buffer->room = buffer->count;
    }
}

void buffer_clear(struct buffer *buffer)
{
    buffer->count = 0;
}

enum status buffer_room_for(const struct buffer *buffer, size_t more, size_t *out)
{
    size_t room = buffer->room < BUFFER_FIRST_BYTES ? BUFFER_FIRST_BYTES : buffer->room;

    assert(buffer->count <= buffer->room && buffer->room <= buffer->max);
    if (more > buffer->max - buffer->count) {
        return STATUS_TOO_LARGE;
    }
    if (more <= buffer->room - buffer->count) {
        *out = buffer->room;
        return STATUS_OK;
    }
    while (room < buffer->count + more) {
        room = room > SIZE_MAX / 2 ? buffer->count + more : room * 2;
    }
    *out = room < buffer->max ? room : buffer->max;
    return STATUS_OK;
}

enum status buffer_reserve(struct buffer *buffer, size_t more, char **out)
{
    size_t room;
    enum status status = buffer_room_for(buffer, more, &room);

    if (status != STATUS_OK) {
        return status;
    }
    if (room > buffer->room) {
        char *grown = realloc(buffer->data, room);

        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        buffer->data = grown;
        buffer->room = room;
    }
    *out = buffer->data + buffer->count;
    return STATUS_OK;
}

void buffer_used(struct buffer *buffer, size_t more)
{
    assert(more <= buffer->room - buffer->count);
    buffer->count += more;
}

enum status buffer_append_growing(struct buffer *buffer, struct bytes more)
{
    char *at;
    enum status status;

    if (more.count == 0) {
        return STATUS_OK;
    }
    status = buffer_reserve(buffer, more.count, &at);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(at, more.data, more.count);
    buffer_used(buffer, more.count);
    return STATUS_OK;
}

enum status buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, bytes_of(text));
}

enum status buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    int length;
    char *at;
    enum status status;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return STATUS_MALFORMED;
    }
    /* One byte more for the terminator that vsnprintf writes; it is not part of the content. */
    status = buffer_reserve(buffer, (size_t)length + 1, &at);
    if (status != STATUS_OK) {
        return status;
    }
    va_start(arguments, format);
    (void)vsnprintf(at, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer_used(buffer, (size_t)length);
    return STATUS_OK;
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    assert(count <= buffer->count);
    if (count > 0 && count < buffer->count) {
        memmove(buffer->data, buffer->data + count, buffer->count - count);
    }
    buffer->count -= count;
}

struct bytes buffer_view(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->count};
}
