/* extract: in every dialect a body is read or refused, what is judged is UTF-8 within its bound, and a refusal says why. */
#include "fuzz/fuzz.h"

#include "gateway/format/answer.h"
#include "gateway/format/body.h"
#include "proto/utf8.h"

enum {
    TEXT_BYTES_MAX = 4096,
    EVERYBODY = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT | SCOPE_ASSISTANT | SCOPE_REASONING | SCOPE_TOOL_DEF |
                SCOPE_MEDIA_URL,
};

struct taken {
    size_t count;
    size_t bytes;
};

static enum status take(void *context, const struct segment *segment)
{
    struct taken *taken = context;

    fuzz_hold(segment->text.count != 0 && utf8_sound_bytes(segment->text) == segment->text.count);
    fuzz_hold((segment->role & EVERYBODY) == segment->role && segment->role != 0);
    taken->count++;
    taken->bytes += segment->text.count;
    return STATUS_OK;
}

/* STATUS_OK with what was extracted, or the refusal. */
static enum status read_as(enum dialect dialect, struct bytes source, unsigned scope, enum unknown_choice unknown,
                           struct taken *taken)
{
    const struct extract_options options = {
        .scope_roles = scope, .text_bytes_max = TEXT_BYTES_MAX, .add = take, .context = taken};
    struct extract *extract = NULL;
    struct problem problem = {0};
    struct body body = {0};
    struct json json;
    enum status status;

    *taken = (struct taken){0};
    json_init(&json);
    fuzz_hold(extract_open(&extract, &options) == STATUS_OK);
    status = body_read(dialect, &json, source, unknown, extract, &body, &problem);
    if (status == STATUS_OK) {
        fuzz_hold(body.extracted.segment_count == taken->count && body.extracted.text_bytes == taken->bytes);
        fuzz_hold(taken->bytes <= TEXT_BYTES_MAX);
        fuzz_hold(body.model == NULL || body.model->type == JSON_STRING);
    } else {
        fuzz_hold(status != STATUS_NO_MEMORY && status != STATUS_UNAVAILABLE);
    }
    extract_close(&extract);
    json_free(&json);
    return status;
}

/* The same as an upstream's answer: nobody's words are out of scope there. */
static void read_answer(enum dialect dialect, struct bytes source)
{
    struct taken taken = {0};
    const struct extract_options options = {
        .scope_roles = EVERYBODY, .text_bytes_max = TEXT_BYTES_MAX, .add = take, .context = &taken};
    struct extract *extract = NULL;
    struct extract_result result;
    struct json json;
    enum status status;

    json_init(&json);
    fuzz_hold(extract_open(&extract, &options) == STATUS_OK);
    status = answer_read(dialect, &json, source, extract, &result);
    fuzz_hold(status != STATUS_OK || (result.segment_count == taken.count && result.text_bytes == taken.bytes));
    fuzz_hold(status != STATUS_NO_MEMORY && status != STATUS_UNAVAILABLE);
    extract_close(&extract);
    json_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes source = fuzz_bytes(data, size);

    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct taken all, some, strict;
        enum status lax = read_as((enum dialect)dialect, source, EVERYBODY, UNKNOWN_SCAN, &all);

        /* A profile that blocks what is unknown takes nothing that one which scans it refuses, and never more text. */
        if (read_as((enum dialect)dialect, source, EVERYBODY, UNKNOWN_BLOCK, &strict) == STATUS_OK) {
            fuzz_hold(lax == STATUS_OK && strict.bytes <= all.bytes);
        }
        /* A narrower scope judges no more. */
        if (lax == STATUS_OK) {
            fuzz_hold(read_as((enum dialect)dialect, source, SCOPE_USER, UNKNOWN_SCAN, &some) == STATUS_OK);
            fuzz_hold(some.bytes <= all.bytes);
        }
        read_answer((enum dialect)dialect, source);
    }
    return 0;
}
