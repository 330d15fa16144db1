/* fold: NFKC_Casefold by ICU, chunk by chunk, with a way around ICU for ASCII. */
#include "moderator/fold.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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

static bool is_ascii(struct bytes text)
{
    size_t index = 0;
    uint64_t eight;

    for (; index + sizeof eight <= text.count; index += sizeof eight) {
        memcpy(&eight, text.data + index, sizeof eight);
        if ((eight & 0x8080808080808080u) != 0) {
            return false;
        }
    }
    for (; index < text.count; index++) {
        if ((text.data[index] & 0x80) != 0) {
            return false;
        }
    }
    return true;
}

/* How many bytes of `text` make the next chunk: all of them, or up to the last code point below FOLD_CHUNK_BYTES that no
 * normalisation joins to what stands before it. A chunk without any such point (thousands of combining marks on one letter) is
 * cut between two code points; no keyword reaches that far. */
static size_t chunk_count(const struct fold *fold, struct bytes text)
{
    const uint8_t *data = (const uint8_t *)text.data;
    int32_t length;
    int32_t cut = FOLD_CHUNK_BYTES;

    if (text.count <= FOLD_CHUNK_BYTES) {
        return text.count;
    }
    /* Four bytes more than the chunk are enough to read the code point that begins at its end. */
    length = (int32_t)(text.count < FOLD_CHUNK_BYTES + U8_MAX_LENGTH ? text.count : FOLD_CHUNK_BYTES + U8_MAX_LENGTH);
    U8_SET_CP_START(data, 0, cut);
    for (int32_t at = cut; at > 0;) {
        int32_t next = at;
        UChar32 point;

        U8_NEXT_OR_FFFD(data, next, length, point);
        if (unorm2_hasBoundaryBefore(fold->normalizer, point)) {
            return (size_t)at;
        }
        U8_BACK_1(data, 0, at);
    }
    return (size_t)cut;
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
    struct bytes chunk;
    enum status status = STATUS_OK;

    assert(fold != NULL && rest != NULL && out != NULL);
    if (rest->count == 0) {
        return STATUS_NOT_FOUND;
    }
    chunk = bytes_first(*rest, chunk_count(fold, *rest));
    if (is_ascii(chunk)) {
        *out = chunk;
    } else {
        status = fold_chunk(fold, chunk, out);
    }
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
