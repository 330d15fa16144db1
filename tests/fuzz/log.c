/* log: whatever a value is, the line is one line of JSON (or of text without control bytes) within its bound. */
#include "fuzz/fuzz.h"

#include "proto/log.h"

#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = fuzz_bytes(data, size), first = bytes_first(whole, size / 2), second = bytes_from(whole, size / 2);
    const struct log_field fields[] = {LOG_BYTES("first", first), LOG_BYTES("second", second), LOG_BYTES("whole", whole),
                                       LOG_REAL("real", size == 0 ? 0 : (double)data[0] / 3), LOG_NUMBER("number", size)};
    struct buffer line;

    buffer_init(&line, LOG_LINE_BYTES_MAX);
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        buffer_clear(&line);
        fuzz_hold(log_format_line(&line, (enum log_format)format, "gateway", LOG_WARN, "event", fields,
                                  sizeof fields / sizeof fields[0]) == STATUS_OK);
        fuzz_hold(line.count > 0 && line.data[line.count - 1] == '\n');
        for (size_t at = 0; at + 1 < line.count; at++) {
            fuzz_hold((unsigned char)line.data[at] >= ' ' && line.data[at] != 0x7F);
        }
        if (format == LOG_FORMAT_JSON) {
            yyjson_doc *document = yyjson_read(line.data, line.count, YYJSON_READ_NOFLAG);

            fuzz_hold(document != NULL && yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(document), "event")));
            yyjson_doc_free(document);
        }
    }
    buffer_free(&line);
    return 0;
}
