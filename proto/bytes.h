/* bytes: a view of bytes that somebody else owns, and a buffer that owns its bytes and has a bound.
 *
 *   struct bytes    { data, count }               owns nothing; valid as long as its owner says
 *   struct buffer   { data, count, room, max }    owns data; never holds more than max bytes
 *
 * Thread: any, one at a time for a given buffer.
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bytes {
    const char *data; /* may be NULL when count is 0; not terminated */
    size_t count;     /* in bytes */
};

/* A view of a literal. */
#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})

/* Borrows a terminated string for as long as the view lives. */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

bool bytes_equal(struct bytes left, struct bytes right);

/* ASCII letters compare without regard to case (RFC 9110, field names). A request's fields are compared with some hundred names,
 * nearly all of another length. */
bool bytes_same_nocase(const char *left, const char *right, size_t count);
static inline bool bytes_equal_nocase(struct bytes left, struct bytes right)
{
    return left.count == right.count && bytes_same_nocase(left.data, right.data, left.count);
}

/* The part of `whole` from `from` to its end; empty when `from` is at or past the end. */
static inline struct bytes bytes_from(struct bytes whole, size_t from)
{
    return from >= whole.count ? (struct bytes){NULL, 0} : (struct bytes){whole.data + from, whole.count - from};
}

/* The first `count` bytes, or all of them when there are fewer. */
static inline struct bytes bytes_first(struct bytes whole, size_t count)
{
    return (struct bytes){whole.data, count < whole.count ? count : whole.count};
}

bool bytes_starts_with(struct bytes whole, struct bytes prefix);
bool bytes_ends_with(struct bytes whole, struct bytes suffix);

/* Position of `byte`, or -1. */
ptrdiff_t bytes_find(struct bytes whole, char byte);

/* Of ASCII. */
static inline bool bytes_is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* The value of a hexadecimal digit of either case, or -1. */
int bytes_hex_digit(char byte);

/* The byte that `text` begins with as "%XX" (RFC 3986 section 2.1), or -1. */
int bytes_escaped(struct bytes text);

/* Copies into `room` bytes at `out` and terminates. STATUS_TOO_LARGE (out untouched) when it would not fit. */
MUST_CHECK enum status bytes_copy(struct bytes from, char *out, size_t room);

/* Decimal digits only, no sign, no space, at most `max`. STATUS_MALFORMED or STATUS_TOO_LARGE. */
MUST_CHECK enum status bytes_number(struct bytes text, unsigned long long max, unsigned long long *out);

/* data[0 .. count) is content, data[count .. room) is reserved, room <= max. All zero but max = empty. */
struct buffer {
    char *data;
    size_t count;
    size_t room;
    size_t max; /* in bytes; an append that would pass it fails and changes nothing */
};

/* An empty buffer with a bound. Reserves nothing yet. */
void buffer_init(struct buffer *buffer, size_t bytes_max);

/* Frees the bytes; the bound stays. Accepts an empty one. */
void buffer_free(struct buffer *buffer);

/* The same where more than `kept_bytes` are reserved: what one large content needed does not stay for the small ones. */
void buffer_shed(struct buffer *buffer, size_t kept_bytes);

/* Gives back what is reserved beyond the content, of which there is some; it may move. */
void buffer_fit(struct buffer *buffer);

/* Forgets the content and keeps the reserved bytes. */
void buffer_clear(struct buffer *buffer);

/* STATUS_TOO_LARGE when count would pass max, STATUS_NO_MEMORY; the content is untouched in both cases. */
MUST_CHECK enum status buffer_append_growing(struct buffer *buffer, struct bytes more);
MUST_CHECK static inline enum status buffer_append(struct buffer *buffer, struct bytes more)
{
    if (more.count == 0 || more.count > buffer->room - buffer->count) {
        return buffer_append_growing(buffer, more);
    }
    memcpy(buffer->data + buffer->count, more.data, more.count);
    buffer->count += more.count;
    return STATUS_OK;
}
MUST_CHECK enum status buffer_append_text(struct buffer *buffer, const char *text);
MUST_CHECK enum status buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes room for `more` bytes after the content and says where; buffer_used() then takes them in. */
MUST_CHECK enum status buffer_reserve(struct buffer *buffer, size_t more, char **out);
void buffer_used(struct buffer *buffer, size_t more);

/* The room that the buffer would have after buffer_reserve: for those who must ask before they hold. STATUS_TOO_LARGE. */
MUST_CHECK enum status buffer_room_for(const struct buffer *buffer, size_t more, size_t *out);

/* Drops the first `count` bytes (count <= buffer->count). */
void buffer_consume(struct buffer *buffer, size_t count);

/* Lends a view until the next call that changes the buffer. */
struct bytes buffer_view(const struct buffer *buffer);

#endif
