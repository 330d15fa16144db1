/* message_check: one loop over msgpack headers with a small stack of "objects still to come". */
#include "proto/message_check.h"

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* What one header says: its own bytes, the bytes of content behind it, and how many objects are nested in it. */
struct shape {
    size_t head_bytes;
    uint64_t content_bytes;
    uint64_t children;
    bool array;
};

/* The bytes 0xc0 to 0xdf: how long the length field is, how many bytes follow in any case, what the length counts. */
struct form {
    unsigned char length_bytes;
    unsigned char fixed_bytes;
    enum { COUNTS_BYTES, COUNTS_ITEMS, COUNTS_PAIRS, IS_INVALID } counts;
};

static const struct form forms[32] = {
    [0x00] = {0, 0, COUNTS_BYTES},  /* nil */
    [0x01] = {0, 0, IS_INVALID},    /* never used */
    [0x02] = {0, 0, COUNTS_BYTES},  /* false */
    [0x03] = {0, 0, COUNTS_BYTES},  /* true */
    [0x04] = {1, 0, COUNTS_BYTES},  /* bin 8, 16, 32 */
    [0x05] = {2, 0, COUNTS_BYTES},
    [0x06] = {4, 0, COUNTS_BYTES},
    [0x07] = {1, 1, COUNTS_BYTES},  /* ext 8, 16, 32: one byte of type before the content */
    [0x08] = {2, 1, COUNTS_BYTES},
    [0x09] = {4, 1, COUNTS_BYTES},
    [0x0a] = {0, 4, COUNTS_BYTES},  /* float 32, 64 */
    [0x0b] = {0, 8, COUNTS_BYTES},
    [0x0c] = {0, 1, COUNTS_BYTES},  /* uint 8 to 64 */
    [0x0d] = {0, 2, COUNTS_BYTES},
    [0x0e] = {0, 4, COUNTS_BYTES},
    [0x0f] = {0, 8, COUNTS_BYTES},
    [0x10] = {0, 1, COUNTS_BYTES},  /* int 8 to 64 */
    [0x11] = {0, 2, COUNTS_BYTES},
    [0x12] = {0, 4, COUNTS_BYTES},
    [0x13] = {0, 8, COUNTS_BYTES},
    [0x14] = {0, 2, COUNTS_BYTES},  /* fixext 1 to 16, with their type */
    [0x15] = {0, 3, COUNTS_BYTES},
    [0x16] = {0, 5, COUNTS_BYTES},
    [0x17] = {0, 9, COUNTS_BYTES},
    [0x18] = {0, 17, COUNTS_BYTES},
    [0x19] = {1, 0, COUNTS_BYTES},  /* str 8, 16, 32 */
    [0x1a] = {2, 0, COUNTS_BYTES},
    [0x1b] = {4, 0, COUNTS_BYTES},
    [0x1c] = {2, 0, COUNTS_ITEMS},  /* array 16, 32 */
    [0x1d] = {4, 0, COUNTS_ITEMS},
    [0x1e] = {2, 0, COUNTS_PAIRS},  /* map 16, 32 */
    [0x1f] = {4, 0, COUNTS_PAIRS},
};

/* A header of the bytes 0xc0 to 0xdf. */
static enum status read_form(struct bytes rest, struct shape *out)
{
    const struct form *form = &forms[(unsigned char)rest.data[0] & 0x1f];
    size_t head_bytes = 1 + (size_t)form->length_bytes;
    uint64_t length = 0;

    if (form->counts == IS_INVALID || rest.count < head_bytes) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 1; index < head_bytes; index++) {
        length = length << 8 | (unsigned char)rest.data[index];
    }
    *out = (struct shape){.head_bytes = head_bytes, .content_bytes = form->fixed_bytes};
    switch (form->counts) {
    case COUNTS_ITEMS:
        out->children = length;
        out->array = true;
        break;
    case COUNTS_PAIRS:
        out->children = 2 * length;
        break;
    default:
        out->content_bytes += length;
        break;
    }
    return STATUS_OK;
}

static enum status read_shape(struct bytes rest, struct shape *out)
{
    unsigned char first;

    if (rest.count == 0) {
        return STATUS_MALFORMED;
    }
    first = (unsigned char)rest.data[0];
    if (first < 0x80 || first >= 0xe0) { /* a small integer, all of it in this byte */
        *out = (struct shape){.head_bytes = 1};
    } else if (first < 0x90) {
        *out = (struct shape){.head_bytes = 1, .children = 2u * (first & 0x0fu)};
    } else if (first < 0xa0) {
        *out = (struct shape){.head_bytes = 1, .children = first & 0x0fu, .array = true};
    } else if (first < 0xc0) {
        *out = (struct shape){.head_bytes = 1, .content_bytes = first & 0x1fu};
    } else {
        return read_form(rest, out);
    }
    return STATUS_OK;
}

enum status message_check(struct bytes frame)
{
    uint64_t to_come[MSGPACK_DEPTH_MAX]; /* for each open container: its objects not yet begun or not yet ended */
    size_t depth = 0;
    size_t items = 0;
    struct bytes rest = frame;

    do {
        struct shape shape;
        enum status status = read_shape(rest, &shape);

        if (status != STATUS_OK) {
            return status;
        }
        rest = bytes_from(rest, shape.head_bytes);
        /* An object takes at least one byte, so more children than bytes is a lie. */
        if (shape.content_bytes > rest.count || shape.children > rest.count) {
            return STATUS_MALFORMED;
        }
        if (++items > MSGPACK_ITEMS_MAX) {
            return STATUS_TOO_LARGE;
        }
        rest = bytes_from(rest, (size_t)shape.content_bytes);
        if (shape.children > 0) {
            if (depth == MSGPACK_DEPTH_MAX) {
                return STATUS_TOO_LARGE;
            }
            to_come[depth++] = shape.children;
            continue;
        }
        /* The end of an object may be the end of the container around it, and so on outwards. */
        while (depth > 0 && --to_come[depth - 1] == 0) {
            depth--;
        }
    } while (depth > 0);
    return rest.count == 0 ? STATUS_OK : STATUS_MALFORMED;
}

enum status message_check_array(struct bytes *rest, size_t *out_count)
{
    struct shape shape;
    enum status status = read_shape(*rest, &shape);

    if (status != STATUS_OK) {
        return status;
    }
    if (!shape.array || shape.children > rest->count - shape.head_bytes) {
        return STATUS_MALFORMED;
    }
    *rest = bytes_from(*rest, shape.head_bytes);
    *out_count = (size_t)shape.children;
    return STATUS_OK;
}

static bool is_text(unsigned char first)
{
    return (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb);
}

enum status message_check_text(struct bytes *rest, struct bytes *out)
{
    struct shape shape;
    enum status status = read_shape(*rest, &shape);

    if (status != STATUS_OK) {
        return status;
    }
    if (!is_text((unsigned char)rest->data[0]) || shape.content_bytes > rest->count - shape.head_bytes) {
        return STATUS_MALFORMED;
    }
    *out = bytes_first(bytes_from(*rest, shape.head_bytes), (size_t)shape.content_bytes);
    *rest = bytes_from(*rest, shape.head_bytes + (size_t)shape.content_bytes);
    return STATUS_OK;
}
