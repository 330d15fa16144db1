/* fold: NFKC_Casefold by ICU, chunk by chunk, with a way around ICU for ASCII. */
#include "moderator/fold.h"

#include "proto/limits.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

/* The worst a compatibility mapping does (UAX 15, "Detecting Normalization Forms"; U+FDFA, three bytes): 18 UTF-16 units for one,
 * and 11 bytes of UTF-8 for one. */
enum {
    UNITS_IN_MAX = FOLD_CHUNK_BYTES,          /* one unit a byte at most */
    UNITS_OUT_MAX = FOLD_CHUNK_BYTES / 3 * 18 + 18,
    BYTES_OUT_MAX = FOLD_CHUNK_BYTES * 11 + 11,
};

struct fold {
    const UNormalizer2 *normalizer; /* ICU's own, shared and constant */
    UChar in[UNITS_IN_MAX];
    UChar out[UNITS_OUT_MAX];
    char bytes[BYTES_OUT_MAX];
};

enum status fold_open(struct fold **out)
{
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *normalizer = unorm2_getNFKCCasefoldInstance(&error);
    struct fold *fold;

    assert(out != NULL);
    if (U_FAILURE(error)) {
        return STATUS_UNAVAILABLE;
    }
    fold = malloc(sizeof *fold);
    if (fold == NULL) {
        return STATUS_NO_MEMORY;
    }
    fold->normalizer = normalizer;
    *out = fold;
    return STATUS_OK;
}

void fold_close(struct fold **fold)
{
    assert(fold != NULL);
    free(*fold);
    *fold = NULL;
}

/* How many bytes of `text` make the next chunk: all of them, or up to the last code point within FOLD_CHUNK_BYTES that no
 * normalisation joins to what stands before it. `from` bytes at the beginning are known to be ASCII, each such a point.
 *
 * A letter with more than FOLD_MARKS_MAX marks, or with thousands of invisible characters, is cut between two of them: no
 * keyword reaches that far, and four megabytes of marks in the wrong order must not cost minutes. */
static size_t chunk_count(const struct fold *fold, struct bytes text, size_t from)
{
    const uint8_t *data = (const uint8_t *)text.data;
    /* The code point that begins within the chunk may end behind it. */
    int32_t length = (int32_t)bytes_first(text, FOLD_CHUNK_BYTES + U8_MAX_LENGTH).count;
    int32_t at = from > 0 ? (int32_t)from - 1 : 0;
    int32_t last_boundary = at;
    size_t mark_count = 0;

    while (at < length) {
        int32_t start = at;
        UChar32 point;

        U8_NEXT_OR_FFFD(data, at, length, point);
        if (point < 0x80 || unorm2_hasBoundaryBefore(fold->normalizer, point)) {
            last_boundary = start;
            mark_count = 0;
        } else if (!u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) && ++mark_count > FOLD_MARKS_MAX) {
            return (size_t)start;
        }
        if (at > FOLD_CHUNK_BYTES) {
            return (size_t)(last_boundary > 0 ? last_boundary : start);
        }
    }
    return text.count;
}

static enum status fold_chunk(struct fold *fold, struct bytes chunk, struct bytes *out)
{
    UErrorCode error = U_ZERO_ERROR;
    int32_t in_count = 0;
    int32_t out_count = 0;
    int32_t byte_count = 0;

    u_strFromUTF8WithSub(fold->in, UNITS_IN_MAX, &in_count, chunk.data, (int32_t)chunk.count, 0xfffd, NULL, &error);
    out_count = unorm2_normalize(fold->normalizer, fold->in, in_count, fold->out, UNITS_OUT_MAX, &error);
    u_strToUTF8WithSub(fold->bytes, BYTES_OUT_MAX, &byte_count, fold->out, out_count, 0xfffd, NULL, &error);
    if (error == U_MEMORY_ALLOCATION_ERROR) {
        return STATUS_NO_MEMORY;
    }
    if (U_FAILURE(error)) {
        return STATUS_TOO_LARGE; /* a later Unicode with a longer mapping: said, never cut */
    }
    *out = (struct bytes){fold->bytes, (size_t)byte_count};
    return STATUS_OK;
}

enum status fold_next(struct fold *fold, struct bytes *rest, struct bytes *out)
{
    struct bytes window;
    struct bytes chunk;
    size_t ascii;
    enum status status = STATUS_OK;

    assert(fold != NULL && rest != NULL && out != NULL);
    if (rest->count == 0) {
        return STATUS_NOT_FOUND;
    }
    window = bytes_first(*rest, FOLD_CHUNK_BYTES);
    ascii = utf8_ascii_bytes(window);
    /* The next character may yet join the last one of a window. */
    if (ascii == rest->count || (ascii == window.count && (rest->data[ascii] & 0x80) == 0)) {
        *out = window;
        *rest = bytes_from(*rest, window.count);
        return STATUS_OK;
    }
    chunk = bytes_first(*rest, chunk_count(fold, *rest, ascii));
    status = fold_chunk(fold, chunk, out);
    if (status == STATUS_OK) {
        *rest = bytes_from(*rest, chunk.count);
    }
    return status;
}

enum status fold_append(struct fold *fold, struct bytes text, struct buffer *out)
{
    size_t count_before = out->count;
    struct bytes piece;
    enum status status;

    while ((status = fold_next(fold, &text, &piece)) == STATUS_OK) {
        status = buffer_append(out, piece);
        if (status != STATUS_OK) {
            break;
        }
    }
    if (status != STATUS_NOT_FOUND) {
        out->count = count_before;
        return status;
    }
    for (size_t index = count_before; index < out->count; index++) {
        if (out->data[index] >= 'A' && out->data[index] <= 'Z') {
            out->data[index] = (char)(out->data[index] - 'A' + 'a');
        }
    }
    return STATUS_OK;
}
