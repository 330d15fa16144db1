/* answer: a reviewer's answer is a verdict or none, and a category that is shown to clients is of its alphabet. */
#include "fuzz/fuzz.h"

#include "moderator/review_answer.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct review_answer answer;
    struct json_writer writer;
    struct buffer body;
    enum status status;

    memset(&answer, 0xA5, sizeof answer);
    status = review_answer_read(fuzz_bytes(data, size), &answer);
    fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED);
    if (status == STATUS_OK) {
        size_t count = strnlen(answer.category, sizeof answer.category);

        fuzz_hold(count <= CATEGORY_BYTES_MAX && answer.violation == (count != 0));
        fuzz_hold(strspn(answer.category, "abcdefghijklmnopqrstuvwxyz0123456789_/-") == count);
    }
    /* The input as the words of the LLM. */
    buffer_init(&body, 16 * MIB);
    fuzz_hold(buffer_append_text(&body, "{\"choices\":[{\"message\":{\"content\":") == STATUS_OK);
    json_writer_init(&writer, &body);
    json_write_string(&writer, fuzz_bytes(data, size));
    fuzz_hold(writer.status == STATUS_OK && buffer_append_text(&body, "}}]}") == STATUS_OK);
    status = review_answer_read(buffer_view(&body), &answer);
    fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED);
    if (status == STATUS_OK) {
        fuzz_hold(strspn(answer.category, "abcdefghijklmnopqrstuvwxyz0123456789_/-") == strlen(answer.category));
        fuzz_hold(answer.violation == (answer.category[0] != '\0'));
    }
    buffer_free(&body);
    return 0;
}
