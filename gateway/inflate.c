/* inflate: zlib and brotli behind one door. */
#include "gateway/inflate.h"

#include "proto/limits.h"

#include <assert.h>
#include <brotli/decode.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

enum { WINDOW_BITS = 15, GZIP_ALONE = 16 }; /* as inflateInit2 wants them */

struct inflate {
    enum coding coding;
    struct inflate_sink sink;
    uint64_t decoded_bytes_max;
    uint64_t decoded_bytes;
    bool whole; /* the last byte used ended the stream, or a member of it */
    bool full;  /* zlib used all the room it had: there may be more */
    bool window_refused;
    size_t bytes;
    z_stream zlib;
    BrotliDecoderState *brotli;
};

static const struct {
    const char *name;
    size_t bytes_max;
} codings[CODING_COUNT] = {
    [CODING_NONE] = {"none", 0},
    [CODING_GZIP] = {"gzip", DECODER_BYTES_MAX},
    [CODING_DEFLATE] = {"deflate", DECODER_BYTES_MAX},
    [CODING_BROTLI] = {"br", DECODER_BROTLI_BYTES_MAX},
    [CODING_OTHER] = {"other", 0},
};

enum coding coding_find(struct bytes value)
{
    static const struct {
        struct bytes token;
        enum coding coding;
    } tokens[] = {{{"", 0}, CODING_NONE},       {{"identity", 8}, CODING_NONE},   {{"gzip", 4}, CODING_GZIP},
                  {{"x-gzip", 6}, CODING_GZIP}, {{"deflate", 7}, CODING_DEFLATE}, {{"br", 2}, CODING_BROTLI}};

    for (size_t index = 0; index < sizeof tokens / sizeof tokens[0]; index++) {
        if (bytes_equal_nocase(value, tokens[index].token)) {
            return tokens[index].coding;
        }
    }
    return CODING_OTHER;
}

const char *coding_name(enum coding coding)
{
    assert(coding < CODING_COUNT);
    return codings[coding].name;
}

size_t inflate_bytes_max(enum coding coding)
{
    assert(coding < CODING_COUNT);
    return codings[coding].bytes_max;
}

size_t inflate_bytes(const struct inflate *decoder)
{
    return decoder->bytes;
}

/* An allocation knows its size, so that the decoder's sum can be kept: [ size | what the library sees ]. */
union block {
    size_t bytes;
    max_align_t aligned;
};

static void *allocate(void *context, size_t bytes)
{
    struct inflate *decoder = context;
    size_t left = codings[decoder->coding].bytes_max - decoder->bytes;
    union block *block;

    if (bytes > DECODER_WINDOW_BYTES_MAX + KIB) { /* nothing else is so large; brotli writes a little beyond its window */
        decoder->window_refused = true;
        return NULL;
    }
    if (left < sizeof *block || bytes > left - sizeof *block) {
        return NULL;
    }
    block = malloc(sizeof *block + bytes);
    if (block == NULL) {
        return NULL;
    }
    block->bytes = sizeof *block + bytes;
    decoder->bytes += block->bytes;
    return block + 1;
}

static void release(void *context, void *at)
{
    struct inflate *decoder = context;

    if (at != NULL) {
        union block *block = (union block *)at - 1;

        decoder->bytes -= block->bytes;
        free(block);
    }
}

static void *allocate_items(void *context, unsigned count, unsigned bytes)
{
    return allocate(context, (size_t)count * bytes);
}

static enum status open_library(struct inflate *decoder)
{
    if (decoder->coding == CODING_BROTLI) {
        decoder->brotli = BrotliDecoderCreateInstance(allocate, release, decoder);
        return decoder->brotli != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    }
    decoder->zlib = (z_stream){.zalloc = allocate_items, .zfree = release, .opaque = decoder};
    return inflateInit2(&decoder->zlib, decoder->coding == CODING_GZIP ? WINDOW_BITS + GZIP_ALONE : WINDOW_BITS) == Z_OK
               ? STATUS_OK
               : STATUS_NO_MEMORY;
}

enum status inflate_open(struct inflate **out, enum coding coding, uint64_t decoded_bytes_max,
                         const struct inflate_sink *sink)
{
    struct inflate *decoder = calloc(1, sizeof *decoder);

    assert(coding != CODING_NONE && coding != CODING_OTHER && sink->decoded != NULL);
    if (decoder == NULL) {
        return STATUS_NO_MEMORY;
    }
    decoder->coding = coding;
    decoder->sink = *sink;
    decoder->decoded_bytes_max = decoded_bytes_max;
    decoder->bytes = sizeof *decoder;
    if (open_library(decoder) != STATUS_OK) {
        inflate_close(&decoder);
        return STATUS_NO_MEMORY;
    }
    *out = decoder;
    return STATUS_OK;
}

void inflate_close(struct inflate **decoder)
{
    if (*decoder == NULL) {
        return;
    }
    if ((*decoder)->brotli != NULL) {
        BrotliDecoderDestroyInstance((*decoder)->brotli);
    } else if ((*decoder)->zlib.state != NULL) {
        (void)inflateEnd(&(*decoder)->zlib);
    }
    assert((*decoder)->bytes == sizeof **decoder);
    free(*decoder);
    *decoder = NULL;
}

static enum status give_out(struct inflate *decoder, struct bytes part)
{
    if (part.count == 0) {
        return STATUS_OK;
    }
    if (part.count > decoder->decoded_bytes_max - decoder->decoded_bytes) {
        return STATUS_TOO_LARGE;
    }
    decoder->decoded_bytes += part.count;
    return decoder->sink.decoded(decoder->sink.context, part);
}

/* One call of zlib: what came out is given out before its verdict counts, so that "too large" does not depend on the cuts. */
static enum status turn_zlib(struct inflate *decoder, size_t *room)
{
    z_stream *zlib = &decoder->zlib;
    unsigned char out[INFLATE_CHUNK_BYTES];
    size_t count = *room < sizeof out ? *room : sizeof out;
    enum status status;
    int result;

    zlib->next_out = out;
    zlib->avail_out = (unsigned)count;
    result = inflate(zlib, Z_NO_FLUSH);
    count -= zlib->avail_out;
    *room -= count;
    decoder->full = zlib->avail_out == 0;
    decoder->whole = result == Z_STREAM_END;
    status = give_out(decoder, (struct bytes){(const char *)out, count});
    if (status != STATUS_OK) {
        return status;
    }
    if (result == Z_MEM_ERROR) {
        return STATUS_NO_MEMORY;
    }
    if (result == Z_BUF_ERROR) { /* nothing was left to do */
        return zlib->avail_in == 0 ? STATUS_OK : STATUS_MALFORMED;
    }
    return result == Z_OK || result == Z_STREAM_END ? STATUS_OK : STATUS_MALFORMED;
}

static enum status write_zlib(struct inflate *decoder, struct bytes *in, size_t room)
{
    z_stream *zlib = &decoder->zlib;
    enum status status = STATUS_OK;

    zlib->next_in = (const unsigned char *)in->data;
    zlib->avail_in = (unsigned)in->count;
    while (status == STATUS_OK && (zlib->avail_in > 0 || (decoder->full && !decoder->whole))) {
        if (decoder->whole && (decoder->coding != CODING_GZIP || inflateReset(zlib) != Z_OK)) {
            return STATUS_MALFORMED; /* bytes behind the stream; behind a member of gzip there may be another */
        }
        status = room == 0 ? STATUS_AGAIN : turn_zlib(decoder, &room);
    }
    *in = bytes_from(*in, in->count - zlib->avail_in);
    return status;
}

/* It decodes into its own window, which is lent to us: no copy. STATUS_AGAIN: more is ready than there is room for. */
static enum status give_ready(struct inflate *decoder, size_t *room)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && BrotliDecoderHasMoreOutput(decoder->brotli)) {
        struct bytes part = {NULL, *room};

        if (part.count == 0) { /* it would mean all */
            return STATUS_AGAIN;
        }
        part.data = (const char *)BrotliDecoderTakeOutput(decoder->brotli, &part.count);
        *room -= part.count;
        status = give_out(decoder, part);
    }
    return status;
}

static enum status brotli_error(const struct inflate *decoder)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(decoder->brotli);
    bool no_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;

    if (decoder->window_refused) {
        return STATUS_TOO_LARGE;
    }
    return no_memory ? STATUS_NO_MEMORY : STATUS_MALFORMED;
}

static enum status write_brotli(struct inflate *decoder, struct bytes *in, size_t room)
{
    BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    enum status status = give_ready(decoder, &room);

    while (!decoder->whole && status == STATUS_OK && result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        const unsigned char *next = (const unsigned char *)in->data;
        size_t left = in->count, no_room = 0;

        if (room == 0) {
            return STATUS_AGAIN;
        }
        result = BrotliDecoderDecompressStream(decoder->brotli, &left, &next, &no_room, NULL, NULL);
        *in = bytes_from(*in, in->count - left);
        decoder->whole = result == BROTLI_DECODER_RESULT_SUCCESS;
        status = result == BROTLI_DECODER_RESULT_ERROR ? brotli_error(decoder) : give_ready(decoder, &room);
    }
    return status == STATUS_OK && decoder->whole && in->count > 0 ? STATUS_MALFORMED : status;
}

enum status inflate_write(struct inflate *decoder, struct bytes *in, size_t room)
{
    assert(in->count <= UINT_MAX && room > 0);
    return decoder->coding == CODING_BROTLI ? write_brotli(decoder, in, room) : write_zlib(decoder, in, room);
}

enum status inflate_end(const struct inflate *decoder)
{
    return decoder->whole ? STATUS_OK : STATUS_MALFORMED;
}
