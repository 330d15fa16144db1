/* framing: whatever our reader takes as requests, llhttp alone takes as the same ones: method, target, fields and body, one after the
 * other. Where ours is stricter nothing is said. */
#include "fuzz/fuzz.h"

#include "gateway/request.h"

#include <llhttp.h>

static const struct request_limits limits = {.line_bytes = 8192, .header_bytes = 32768, .fields = 100, .body_bytes = MIB};

/* What a reader has understood, as text; `whole` counts what stands behind the last whole message not. */
struct story {
    struct buffer text;
    size_t whole;
    struct buffer value; /* llhttp's: the field at hand */
    bool message_seen;
};

static void tell(struct buffer *text, struct bytes part, const char *end)
{
    fuzz_hold(buffer_append(text, part) == STATUS_OK && buffer_append_text(text, end) == STATUS_OK);
}

static enum status keep(void *context, struct bytes part)
{
    return buffer_append(context, part);
}

static void tell_head(const struct request_head *head, struct buffer *text)
{
    tell(text, head->method, " ");
    tell(text, head->target, "\n");
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);

        tell(text, field.name, ":");
        tell(text, field.value, "\n");
    }
    tell(text, BYTES(""), "\n");
}

static void read_ours(struct bytes in, struct story *story)
{
    const struct request_sink sink = {keep, &story->text};
    enum request_progress progress = REQUEST_HEAD;
    struct request *request = NULL;

    fuzz_hold(request_open(&request, &limits, &sink) == STATUS_OK);
    while (progress == REQUEST_HEAD || progress == REQUEST_DONE) {
        size_t used;

        progress = request_read(request, in, &used);
        in = bytes_from(in, used);
        if (progress == REQUEST_HEAD) {
            tell_head(request_head(request), &story->text);
        } else if (progress == REQUEST_DONE) {
            tell(&story->text, BYTES(""), "\ndone\n");
            story->whole = story->text.count;
            request_reset(request);
        }
    }
    request_close(&request);
}

static int on_url(llhttp_t *parser, const char *at, size_t count)
{
    return buffer_append(&((struct story *)parser->data)->text, (struct bytes){at, count}) == STATUS_OK ? 0 : HPE_USER;
}

static int on_url_complete(llhttp_t *parser)
{
    tell(&((struct story *)parser->data)->text, BYTES(""), "\n");
    return 0;
}

static int on_method_complete(llhttp_t *parser)
{
    tell(&((struct story *)parser->data)->text, bytes_of(llhttp_method_name((llhttp_method_t)parser->method)), " ");
    return 0;
}

/* Those of the head; trailers are dropped. */
static int on_field(llhttp_t *parser, const char *at, size_t count)
{
    return buffer_append(&((struct story *)parser->data)->value, (struct bytes){at, count}) == STATUS_OK ? 0 : HPE_USER;
}

static int on_field_complete(llhttp_t *parser)
{
    struct story *story = parser->data;

    tell(&story->text, (parser->flags & F_TRAILING) != 0 ? BYTES("") : buffer_view(&story->value),
         (parser->flags & F_TRAILING) != 0 ? "" : ":");
    buffer_clear(&story->value);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct story *story = parser->data;

    if ((parser->flags & F_TRAILING) == 0) {
        tell(&story->text, fields_trim(buffer_view(&story->value)), "\n");
    }
    buffer_clear(&story->value);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    parser->upgrade = 0; /* as ours does */
    tell(&((struct story *)parser->data)->text, BYTES(""), "\n");
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct story *story = parser->data;

    tell(&story->text, BYTES(""), "\ndone\n");
    story->message_seen = true;
    return HPE_PAUSED;
}

static void read_theirs(struct bytes in, struct story *story)
{
    static const llhttp_settings_t settings = {
        .on_method_complete = on_method_complete,
        .on_url = on_url,
        .on_url_complete = on_url_complete,
        .on_header_field = on_field,
        .on_header_field_complete = on_field_complete,
        .on_header_value = on_field,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
        .on_body = on_url,
        .on_message_complete = on_message_complete,
    };
    llhttp_t parser;

    do {
        story->message_seen = false;
        llhttp_init(&parser, HTTP_REQUEST, &settings);
        parser.data = story;
        if (llhttp_execute(&parser, in.data, in.count) == HPE_PAUSED && story->message_seen) {
            in = bytes_from(in, (size_t)(llhttp_get_error_pos(&parser) - in.data));
        }
    } while (story->message_seen && in.count > 0);
}

static bool begins_framing(struct bytes line)
{
    return bytes_equal_nocase(bytes_first(line, 15), BYTES("content-length:")) ||
           bytes_equal_nocase(bytes_first(line, 18), BYTES("transfer-encoding:"));
}

/* Tabs around a length or a coding become spaces: llhttp takes none there (request.c). For both readers. */
static void replace_tabs(char *text, size_t count)
{
    size_t line_at = 0;

    for (size_t at = 0; at < count; at++) {
        if (text[at] == '\t' && begins_framing((struct bytes){text + line_at, at - line_at})) {
            text[at] = ' ';
        }
        line_at = text[at] == '\n' ? at + 1 : line_at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story ours = {0}, theirs = {0};
    char *text = malloc(size + 1);

    fuzz_hold(text != NULL);
    memcpy(text, data, size);
    replace_tabs(text, size);
    buffer_init(&ours.text, 16 * MIB);
    buffer_init(&theirs.text, 16 * MIB);
    buffer_init(&theirs.value, MIB);
    read_ours((struct bytes){text, size}, &ours);
    read_theirs((struct bytes){text, size}, &theirs);
    fuzz_hold(bytes_starts_with(buffer_view(&theirs.text), bytes_first(buffer_view(&ours.text), ours.whole)));
    buffer_free(&ours.text);
    buffer_free(&theirs.text);
    buffer_free(&theirs.value);
    free(text);
    return 0;
}
