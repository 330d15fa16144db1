/* request: a connection's bytes mean the same however they are cut into reads; what is accepted keeps the rules of a head. */
#include "fuzz/fuzz.h"

#include "gateway/request.h"

enum { BODY_BYTES_MAX = 4096, REQUESTS_MAX = 64 };

static const struct request_limits limits = {.line_bytes = 512, .header_bytes = 2048, .fields = 16, .body_bytes = BODY_BYTES_MAX};

static enum status keep(void *context, struct bytes part)
{
    fuzz_hold(part.count != 0);
    return buffer_append(context, part);
}

static void tell_head(const struct request_head *head, struct buffer *story)
{
    fuzz_hold(head->path.count != 0 && (head->path.data[0] == '/' || bytes_equal(head->path, BYTES("*"))));
    fuzz_hold(head->body_bytes >= -1 && head->body_bytes <= BODY_BYTES_MAX);
    fuzz_hold(fields_times(head->fields, BYTES("host")) <= 1);
    fuzz_hold(head->http_1_0 || fields_times(head->fields, BYTES("host")) == 1);
    fuzz_hold(fields_times(head->fields, BYTES("content-length")) == 0 || head->body_bytes >= 0);
    fuzz_hold(fields_times(head->fields, BYTES("transfer-encoding")) == 0 || head->body_bytes == -1);
    fuzz_hold(fields_count(head->fields) <= limits.fields);
    fuzz_hold(buffer_append_format(story, "\nhead %d %d %d %lld ", head->http_1_0, head->keep_alive, head->wants_continue,
                                   (long long)head->body_bytes) == STATUS_OK);
    fuzz_hold(buffer_append(story, head->method) == STATUS_OK && buffer_append(story, head->path) == STATUS_OK &&
              buffer_append(story, head->query) == STATUS_OK);
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);

        for (size_t at = 0; at < field.value.count; at++) {
            unsigned char byte = (unsigned char)field.value.data[at];

            fuzz_hold((byte >= ' ' && byte != 0x7F) || byte == '\t');
        }
        fuzz_hold(field.name.count != 0 && buffer_append_text(story, "\n") == STATUS_OK);
        fuzz_hold(buffer_append(story, field.name) == STATUS_OK && buffer_append_text(story, "=") == STATUS_OK);
        fuzz_hold(buffer_append(story, field.value) == STATUS_OK);
    }
}

/* Reads one piece to its end. False once the connection is refused. */
static bool read_piece(struct request *request, struct bytes piece, size_t *messages, struct buffer *story)
{
    size_t used;

    for (;;) {
        enum request_progress progress = request_read(request, piece, &used);

        fuzz_hold(used <= piece.count);
        piece = bytes_from(piece, used);
        switch (progress) {
        case REQUEST_HEAD:
            tell_head(request_head(request), story);
            break;
        case REQUEST_MORE:
            fuzz_hold(piece.count == 0);
            return true;
        case REQUEST_DONE:
            fuzz_hold(request_is_complete(request) && buffer_append_text(story, "\ndone") == STATUS_OK);
            if (++*messages == REQUESTS_MAX) {
                return false;
            }
            request_reset(request);
            break;
        case REQUEST_REFUSED:
            fuzz_hold(request_refusal(request) > REFUSAL_NONE && request_refusal(request) < REFUSAL_COUNT);
            fuzz_hold(buffer_append_format(story, "\nrefused %s", refusal_rule(request_refusal(request))) == STATUS_OK);
            return false;
        }
    }
}

static void tell(struct bytes input, enum fuzz_cut cut, struct buffer *story)
{
    const struct request_sink sink = {keep, story};
    uint64_t seed = fuzz_seed(input);
    struct request *request = NULL;
    size_t messages = 0;
    bool going = true;

    fuzz_hold(request_open(&request, &limits, &sink) == STATUS_OK);
    while (going && input.count != 0) {
        struct bytes piece = fuzz_piece(&input, cut, &seed);

        going = read_piece(request, piece, &messages, story);
        free((char *)piece.data);
    }
    request_close(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer stories[FUZZ_CUTS];

    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buffer_init(&stories[cut], 64 * MIB);
        tell(fuzz_bytes(data, size), (enum fuzz_cut)cut, &stories[cut]);
        fuzz_hold(bytes_equal(buffer_view(&stories[0]), buffer_view(&stories[cut])));
    }
    for (int cut = 0; cut < FUZZ_CUTS; cut++) {
        buffer_free(&stories[cut]);
    }
    return 0;
}
