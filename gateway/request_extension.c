/* request_extension: what llhttp takes as a chunk extension and RFC 9112 section 7.1.1 does not. */
#include "gateway/request_extension.h"

#include "proto/limits.h"

/* llhttp takes a DEL in a quoted string, and a quoted string behind a token ("5;a=b\"c\""). */
enum request_refusal request_extension_read(struct request_extension *extension, struct bytes part)
{
    struct bytes within = bytes_first(part, CHUNK_EXTENSION_BYTES_MAX - extension->bytes);

    if (extension->part_bytes == 0) {
        extension->quoted = bytes_starts_with(within, BYTES("\""));
    }
    if (bytes_find(within, 0x7F) >= 0 || (!extension->quoted && bytes_find(within, '"') >= 0)) {
        return REFUSAL_CHUNK;
    }
    if (part.count > within.count) {
        return REFUSAL_EXTENSIONS;
    }
    extension->bytes += part.count;
    extension->part_bytes += part.count;
    return REFUSAL_NONE;
}

/* llhttp takes "5;;a", "5;=b" and "5;a=". */
enum request_refusal request_extension_end(struct request_extension *extension)
{
    bool empty = extension->part_bytes == 0;

    extension->part_bytes = 0;
    return empty ? REFUSAL_CHUNK : REFUSAL_NONE;
}
