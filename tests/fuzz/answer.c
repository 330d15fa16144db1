/* answer: a reviewer's answer, an object or a stream of events, is a verdict or none; a category that is shown to clients is of its
 * alphabet; and a content means the same whichever way it comes. */
#include "fuzz/fuzz.h"

#include "moderator/review_answer.h"
#include "proto/json.h"
#include "proto/utf8.h"

static enum status read_checked(struct bytes body, struct review_answer *out)
{
    enum status status;

    memset(out, 0xA5, sizeof *out);
    status = review_answer_read(body, out);
    fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED);
    if (status == STATUS_OK) {
        size_t count = strnlen(out->category, sizeof out->category);

        fuzz_hold(count <= CATEGORY_BYTES_MAX && out->violation == (count != 0));
        fuzz_hold(strspn(out->category, "abcdefghijklmnopqrstuvwxyz0123456789_/-") == count);
    }
    return status;
}

/* The words of the LLM between `head` and `tail`, which a JSON string makes complete. */
static void write_part(struct buffer *out, const char *head, struct bytes words, const char *tail)
{
    struct json_writer writer;

    fuzz_hold(buffer_append_text(out, head) == STATUS_OK);
    json_writer_init(&writer, out);
    json_write_string(&writer, words);
    fuzz_hold(writer.status == STATUS_OK && buffer_append_text(out, tail) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = fuzz_bytes(data, size);
    struct review_answer answer;
    struct review_answer streamed;
    struct buffer body;
    enum status status;

    (void)read_checked(input, &answer);
    buffer_init(&body, 16 * MIB);
    write_part(&body, "{\"choices\":[{\"message\":{\"content\":", input, "}}]}");
    status = read_checked(buffer_view(&body), &answer);
    if (utf8_sound_bytes(input) == size && size < REVIEW_ANSWER_BYTES_MAX) { /* else a cut would make other words of it */
        size_t half = size / 2;

        while (half > 0 && ((unsigned char)input.data[half] & 0xC0) == 0x80) {
            half--;
        }
        buffer_clear(&body);
        write_part(&body, "data: {\"choices\":[{\"delta\":{\"content\":", bytes_first(input, half), "}}]}\n\n");
        write_part(&body, "data: {\"choices\":[{\"delta\":{\"content\":", bytes_from(input, half), "}}]}\n\ndata: [DONE]\n\n");
        fuzz_hold(read_checked(buffer_view(&body), &streamed) == status);
        fuzz_hold(status != STATUS_OK || strcmp(answer.category, streamed.category) == 0);
    }
    buffer_free(&body);
    return 0;
}
