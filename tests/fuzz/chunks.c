/* chunks: an answer's chunks read the same whole and byte by byte, and those that we take llhttp takes too, to the same content; but for
 * space around extensions, which it does not know. */
#include "fuzz/fuzz.h"

#include "gateway/chunks.h"

#include <llhttp.h>

/* `step` bytes at a time. 1: ended, 0: not yet, negative: a status. */
static int read_ours(struct bytes in, size_t step, struct buffer *out)
{
    struct chunks chunks;

    chunks_init(&chunks);
    while (in.count > 0) {
        struct bytes part = bytes_first(in, step);
        struct bytes content;
        ptrdiff_t used = chunks_read(&chunks, part, &content);

        if (used < 0) {
            return (int)used;
        }
        fuzz_hold(used > 0 && (size_t)used <= part.count);
        fuzz_hold(content.count == 0 || (content.data >= part.data && content.data + content.count <= part.data + used));
        fuzz_hold(buffer_append(out, content) == STATUS_OK);
        in = bytes_from(in, (size_t)used);
    }
    fuzz_hold(!chunks_ended(&chunks) || chunks.begun);
    return chunks_ended(&chunks) ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t count)
{
    fuzz_hold(buffer_append(parser->data, (struct bytes){at, count}) == STATUS_OK);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static bool is_taken_by_llhttp(struct bytes in, struct buffer *out)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_message_complete};
    llhttp_t parser;

    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = out;
    fuzz_hold(llhttp_execute(&parser, head, sizeof head - 1) == HPE_OK);
    return llhttp_execute(&parser, in.data, in.count) == HPE_PAUSED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = fuzz_bytes(data, size);
    struct buffer whole, bytewise, theirs;
    int result;

    buffer_init(&whole, MIB);
    buffer_init(&bytewise, MIB);
    buffer_init(&theirs, MIB);
    result = read_ours(in, size + 1, &whole);
    fuzz_hold(result == read_ours(in, 1, &bytewise));
    fuzz_hold(bytes_equal(buffer_view(&whole), buffer_view(&bytewise)));
    if (result == 1 && bytes_find(in, ' ') < 0 && bytes_find(in, '\t') < 0) {
        fuzz_hold(is_taken_by_llhttp(in, &theirs) && bytes_equal(buffer_view(&whole), buffer_view(&theirs)));
    }
    buffer_free(&whole);
    buffer_free(&bytewise);
    buffer_free(&theirs);
    return 0;
}
