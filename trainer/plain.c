/* plain: a string of JSON, and in it what a terminal or an eye would still follow. */
#include "trainer/plain.h"

#include "proto/json.h"
#include "proto/utf8.h"

enum { QUOTES = 2 };

static const struct {
    uint32_t first;
    uint32_t last;
} escaped[] = {{0x7F, 0x9F}, {0x61C, 0x61C}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};

static bool is_escaped(uint32_t point)
{
    for (size_t index = 0; index < sizeof escaped / sizeof *escaped; index++) {
        if (point >= escaped[index].first && point <= escaped[index].last) {
            return true;
        }
    }
    return false;
}

static enum status escape(struct buffer *out, struct bytes quoted)
{
    const unsigned char *at = (const unsigned char *)quoted.data;
    const unsigned char *end = at + quoted.count;
    const unsigned char *run = at; /* what is not appended yet begins here */
    enum status status = STATUS_OK;

    while (at < end && status == STATUS_OK) {
        const unsigned char *start = at;
        uint32_t point = utf8_decode(&at, end);

        if (is_escaped(point)) {
            status = buffer_append(out, (struct bytes){(const char *)run, (size_t)(start - run)});
            if (status == STATUS_OK) {
                status = buffer_append_format(out, "\\u%04x", (unsigned)point);
            }
            run = at;
        }
    }
    return status == STATUS_OK ? buffer_append(out, (struct bytes){(const char *)run, (size_t)(end - run)}) : status;
}

enum status plain_append(struct buffer *out, struct bytes text)
{
    struct json_writer writer;
    struct buffer quoted;
    enum status status;

    buffer_init(&quoted, PLAIN_TIMES_MAX * text.count + QUOTES);
    json_writer_init(&writer, &quoted);
    json_write_string(&writer, text);
    status = writer.status == STATUS_OK ? escape(out, buffer_view(&quoted)) : writer.status;
    buffer_free(&quoted);
    return status;
}

struct bytes plain_first(struct bytes text, size_t bytes_max)
{
    const unsigned char *data = (const unsigned char *)text.data;

    if (text.count <= bytes_max) {
        return text;
    }
    /* The character that the cut goes through began at most three bytes before; where none did, these are bytes of none. */
    for (size_t back = 1; back < UTF8_POINT_BYTES_MAX && back <= bytes_max; back++) {
        if (utf8_sequence(data + bytes_max - back, data + text.count) > back) {
            return bytes_first(text, bytes_max - back);
        }
    }
    return bytes_first(text, bytes_max);
}
