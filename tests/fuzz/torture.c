/* torture: readers of bodies, requests, streams, settings and messages while one allocation after the other fails: each says so
 * (STATUS_NO_MEMORY), nothing crashes and nothing leaks. The linker puts these in the place of malloc, calloc and realloc in all
 * of our code; libraries keep their own. */
#include "fuzz/fuzz.h"

#include "gateway/format/body.h"
#include "gateway/inflate.h"
#include "gateway/request.h"
#include "proto/sse.h"
#include "proto/json.h"
#include "proto/message.h"
#include "proto/settings.h"

void *__real_malloc(size_t count);
void *__real_calloc(size_t items, size_t count);
void *__real_realloc(void *block, size_t count);
void *__wrap_malloc(size_t count);
void *__wrap_calloc(size_t items, size_t count);
void *__wrap_realloc(void *block, size_t count);

static size_t until_failure = SIZE_MAX; /* allocations that still work */
static bool failed;

static bool fails(void)
{
    if (until_failure == 0) {
        failed = true;
        until_failure = SIZE_MAX;
        return true;
    }
    if (until_failure != SIZE_MAX) {
        until_failure--;
    }
    return false;
}

void *__wrap_malloc(size_t count)
{
    return fails() ? NULL : __real_malloc(count);
}

void *__wrap_calloc(size_t items, size_t count)
{
    return fails() ? NULL : __real_calloc(items, count);
}

void *__wrap_realloc(void *block, size_t count)
{
    return fails() ? NULL : __real_realloc(block, count);
}

static enum status read_json(void)
{
    static const char text[] = "{\"\\u0061\":[1,2,{\"b\":\"\\n\",\"c\":null}],"
                               "\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":6,\"k7\":7,"
                               "\"k8\":8,\"k9\":9,\"k10\":10,\"k11\":11,\"k12\":12,\"k13\":13,\"k14\":14,\"k15\":15,\"k16\":16}";
    struct buffer scratch;
    struct bytes decoded;
    struct json json;
    enum status status;

    json_init(&json);
    buffer_init(&scratch, KIB);
    status = json_read(&json, BYTES(text), JSON_REFUSE_DUPLICATES);
    if (status == STATUS_OK) {
        status = json_string(&json, json_first(&json, &json.tokens[0]), &scratch, &decoded);
    }
    buffer_free(&scratch);
    json_free(&json);
    return status;
}

static enum status drop(void *context, struct bytes part)
{
    (void)context;
    (void)part;
    return STATUS_OK;
}

static enum status read_request(void)
{
    static const struct request_limits limits = {.line_bytes = 512, .header_bytes = 2048, .fields = 16, .body_bytes = KIB};
    static const char text[] = "POST /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5;a=b\r\nhello\r\n0\r\nX-End: 1\r\n\r\n";
    const struct request_sink sink = {drop, NULL};
    struct request *request = NULL;
    enum request_progress progress = REQUEST_MORE;
    struct bytes rest = BYTES(text);
    enum status status = request_open(&request, &limits, &sink);

    while (status == STATUS_OK && progress != REQUEST_DONE) {
        size_t used;

        progress = request_read(request, rest, &used);
        rest = bytes_from(rest, used);
        fuzz_hold(progress != REQUEST_MORE || rest.count > 0);
        if (progress == REQUEST_REFUSED) {
            fuzz_hold(request_refusal(request) == REFUSAL_MEMORY);
            status = STATUS_NO_MEMORY;
        }
    }
    request_close(&request);
    return status;
}

static enum status take(void *context, const struct segment *segment)
{
    (void)context;
    (void)segment;
    return STATUS_OK;
}

static enum status extract_words(void)
{
    static const char text[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be \\u006eice\"},"
                               "{\"role\":\"user\","
                               "\"name\":\"bob\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"file\",\"file\":"
                               "{"
                               "\"filename\":\"a.txt\",\"file_data\":\"data:text/plain;base64,aGVsbG8=\"}}]}],"
                               "\"other\":{\"a\":\"b\"}}";
    const struct extract_options options = {.scope_roles = SCOPE_SYSTEM | SCOPE_USER | SCOPE_DOCUMENT, .text_bytes_max = KIB,
                                            .add = take};
    struct extract *extract = NULL;
    struct problem problem = {0};
    struct body body = {0};
    struct json json;
    enum status status;

    json_init(&json);
    status = extract_open(&extract, &options);
    if (status == STATUS_OK) {
        status = body_read(DIALECT_OPENAI_CHAT, &json, BYTES(text), UNKNOWN_SCAN, extract, &body, &problem);
    }
    extract_close(&extract);
    json_free(&json);
    return status;
}

static enum status read_stream(void)
{
    struct bytes rest = BYTES("id: 7\nevent: delta\ndata: {\"a\":\ndata: \xff 1}\n\n");
    struct sse_event event;
    struct sse *sse = NULL;
    enum status status = sse_open(&sse, KIB);

    if (status == STATUS_OK) {
        status = sse_next(sse, &rest, &event);
    }
    sse_close(&sse);
    return status;
}

static enum status inflate_body(void)
{
    static const char stored[] = "\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"; /* "hello" */
    const struct inflate_sink sink = {drop, NULL};
    struct bytes in = BYTES(stored);
    struct inflate *decoder = NULL;
    enum status status = inflate_open(&decoder, CODING_DEFLATE, KIB, &sink);

    if (status == STATUS_OK) {
        status = inflate_write(decoder, &in, KIB);
    }
    if (status == STATUS_OK) {
        status = inflate_end(decoder);
    }
    inflate_close(&decoder);
    return status;
}

static const char *settings_file;

/* What fails within a value is one of the problems that are told, and the status is theirs. */
static enum status read_settings(void)
{
    struct settings *settings = NULL;
    char *told = NULL;
    size_t told_count = 0;
    FILE *errors = open_memstream(&told, &told_count);
    enum status status;

    fuzz_hold(errors != NULL);
    status = settings_open(&settings, settings_file, errors);
    fuzz_hold((status == STATUS_OK) == (settings != NULL));
    settings_close(&settings);
    fuzz_hold(fclose(errors) == 0);
    fuzz_hold((status == STATUS_OK) == (told_count == 0));
    if (told_count != 0 && strstr(told, "out of memory") != NULL) {
        status = STATUS_NO_MEMORY;
    }
    free(told);
    return status;
}

static enum status write_and_read_a_task(void)
{
    const struct message_task_head head = {
        .nonce = 1, .sequence = 1, .kind = SLOT_LOCAL, .remaining_ms = 5, .score = __builtin_nanf("")};
    const struct segment segment = {.role = SCOPE_USER, .text = BYTES("hello")};
    struct message_body body;
    struct message_task task;
    struct buffer packed, frame;
    enum status status;

    buffer_init(&packed, KIB);
    buffer_init(&frame, KIB);
    status = message_body_open(&body, &packed, BYTES("team-a"), BYTES("default"));
    if (status == STATUS_OK) {
        status = message_body_add(&body, &segment);
    }
    if (status == STATUS_OK) {
        message_body_end(&body);
        status = message_write_task(&head, buffer_view(&packed), &frame);
    }
    if (status == STATUS_OK) {
        status = message_read_task(buffer_view(&frame), &task);
    }
    buffer_free(&packed);
    buffer_free(&frame);
    return status;
}

int main(int count, char **paths)
{
    static const struct {
        const char *name;
        enum status (*does)(void);
    } tortured[] = {
        {"json", read_json},     {"request", read_request}, {"extract", extract_words},  {"sse", read_stream},
        {"inflate", inflate_body}, {"settings", read_settings}, {"message", write_and_read_a_task},
    };

    fuzz_hold(count == 2);
    settings_file = paths[1];
    for (size_t index = 0; index < sizeof tortured / sizeof tortured[0]; index++) {
        size_t at = 0;

        do {
            enum status status;

            failed = false;
            until_failure = at++;
            status = tortured[index].does();
            if (status != (failed ? STATUS_NO_MEMORY : STATUS_OK)) {
                (void)fprintf(stderr, "%s: allocation %zu %s: %s\n", tortured[index].name, at, failed ? "failed" : "worked",
                              status_name(status));
                abort();
            }
        } while (failed);
        fuzz_hold(at > 1);
        (void)fprintf(stderr, "%s: %zu allocations\n", tortured[index].name, at - 1);
    }
    return 0;
}
