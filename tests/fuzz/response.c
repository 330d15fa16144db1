/* response: an upstream's bytes through libcurl, as the gateway sets it up, and our own reading of each line. What comes out keeps the
 * rules of an answer, and a head that we take llhttp takes too: the same status and the same fields. */
#include "fuzz/fuzz.h"

#include "gateway/upstream_inside.h"

#include <llhttp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIELDS_MAX = 200 };

struct seen {
    struct transfer transfer;
    struct buffer head; /* "name:value\n" ... */
    unsigned status;
    int64_t announced;
    uint64_t body_bytes;
    struct bytes answer;
    int socket; /* the upstream's end; -1 before libcurl has connected */
};

static void on_head(void *context, const struct transfer_head *head)
{
    struct seen *seen = context;

    fuzz_hold(seen->status == 0 && head->status >= 200 && head->status <= 599);
    fuzz_hold(head->body_bytes >= -1 && (!head->until_close || head->body_bytes == -1));
    fuzz_hold(fields_times(head->fields, BYTES("content-length")) + fields_times(head->fields, BYTES("transfer-encoding")) <= 1);
    seen->status = head->status;
    seen->announced = head->body_bytes;
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);

        fuzz_hold(buffer_append(&seen->head, field.name) == STATUS_OK && buffer_append_text(&seen->head, ":") == STATUS_OK);
        fuzz_hold(buffer_append(&seen->head, field.value) == STATUS_OK && buffer_append_text(&seen->head, "\n") == STATUS_OK);
    }
}

static bool on_body(void *context, struct bytes part)
{
    struct seen *seen = context;

    fuzz_hold(seen->status != 0 && part.count > 0 && part.count <= UPSTREAM_CHUNK_BYTES);
    seen->body_bytes += part.count;
    fuzz_hold(seen->announced < 0 || seen->body_bytes <= (uint64_t)seen->announced);
    return true;
}

/* The upstream's side, of all answers: an abstract unix socket, which leaves neither a port nor a file behind. */
static const char *listener_name(int *out)
{
    static char name[64];
    static int listener = -1;

    if (listener < 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int length = snprintf(name, sizeof name, "prismguard-fuzz-response-%ld", (long)getpid());

        memcpy(address.sun_path + 1, name, (size_t)length);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        fuzz_hold(bind(listener, (struct sockaddr *)&address,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0);
        fuzz_hold(listen(listener, 1) == 0);
    }
    *out = listener;
    return name;
}

/* Connected, and before the request goes out: the answer is there already. */
static int send_answer(void *context, char *peer, char *local, int peer_port, int local_port)
{
    struct seen *seen = context;
    int listener;

    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    (void)listener_name(&listener);
    fuzz_hold(seen->socket < 0);
    seen->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    fuzz_hold(seen->socket >= 0);
    fuzz_hold(send(seen->socket, seen->answer.data, seen->answer.count, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)seen->answer.count);
    fuzz_hold(shutdown(seen->socket, SHUT_WR) == 0);
    return CURL_PREREQFUNC_OK;
}

static bool set_options(CURL *easy, struct seen *seen)
{
    int listener;

    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, send_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, seen) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, listener_name(&listener)) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_URL, "http://127.0.0.1/") == CURLE_OK;
}

/* The whole life of one answer. True when it was taken to its end. */
static bool ask(struct seen *seen)
{
    static const struct limit_settings limits = {.total_ms = 100000, .total_plain_ms = 100000, .idle_ms = 100000};
    struct upstream upstream = {.limits = &limits};
    struct transfer *transfer = &seen->transfer;
    uv_loop_t loop;
    CURLcode code;

    fuzz_hold(uv_loop_init(&loop) == 0 && uv_prepare_init(&loop, &upstream.turn_end) == 0);
    TAILQ_INIT(&upstream.turn);
    upstream.loop = &loop;
    *transfer = (struct transfer){.upstream = &upstream, .phase = PHASE_ASKING, .events = {on_head, on_body, NULL, seen, NULL}};
    upstream_answer_begin(transfer);
    fuzz_hold(uv_timer_init(&loop, &transfer->timer) == 0);
    fuzz_hold(fields_open(&transfer->fields, FIELDS_MAX, UPSTREAM_FIELDS_BYTES_MAX) == STATUS_OK);
    buffer_init(&transfer->text, KIB);
    buffer_init(&seen->head, MIB);
    transfer->easy = curl_easy_init();
    fuzz_hold(transfer->easy != NULL && upstream_options_init(transfer) == STATUS_OK && set_options(transfer->easy, seen));
    code = curl_easy_perform(transfer->easy);
    curl_easy_cleanup(transfer->easy);
    fuzz_hold(seen->socket >= 0 && close(seen->socket) == 0);
    fuzz_hold(!transfer_is_ending(transfer) || transfer->failure != TRANSFER_OK);
    uv_close((uv_handle_t *)&transfer->timer, NULL);
    uv_close((uv_handle_t *)&upstream.turn_end, NULL);
    fuzz_hold(uv_run(&loop, UV_RUN_DEFAULT) == 0 && uv_loop_close(&loop) == 0);
    fields_close(&transfer->fields);
    return code == CURLE_OK && !transfer_is_ending(transfer) && upstream_answer_is_whole(transfer); /* as upstream_transfer says */
}

/* llhttp's reading: fields of the head at hand, and of which head. */
struct theirs {
    struct buffer head;
    struct buffer value;
    unsigned status;
    bool over;
};

static int on_part(llhttp_t *parser, const char *at, size_t count)
{
    return buffer_append(&((struct theirs *)parser->data)->value, (struct bytes){at, count}) == STATUS_OK ? 0 : HPE_USER;
}

static int on_name_complete(llhttp_t *parser)
{
    struct theirs *theirs = parser->data;

    fuzz_hold(buffer_append(&theirs->head, buffer_view(&theirs->value)) == STATUS_OK);
    fuzz_hold(buffer_append_text(&theirs->head, ":") == STATUS_OK);
    buffer_clear(&theirs->value);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct theirs *theirs = parser->data;

    fuzz_hold(buffer_append(&theirs->head, fields_trim(buffer_view(&theirs->value))) == STATUS_OK);
    fuzz_hold(buffer_append_text(&theirs->head, "\n") == STATUS_OK);
    buffer_clear(&theirs->value);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct theirs *theirs = parser->data;

    parser->upgrade = 0;
    theirs->status = parser->status_code;
    theirs->over = theirs->status >= 200;
    return theirs->over ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static void hold_same_head(struct bytes in, const struct seen *seen)
{
    static const llhttp_settings_t settings = {
        .on_header_field = on_part,
        .on_header_field_complete = on_name_complete,
        .on_header_value = on_part,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
        .on_message_complete = on_message_complete,
    };
    struct theirs theirs = {0};
    enum llhttp_errno error;
    llhttp_t parser;

    buffer_init(&theirs.head, MIB);
    buffer_init(&theirs.value, MIB);
    do {
        buffer_clear(&theirs.head);
        llhttp_init(&parser, HTTP_RESPONSE, &settings);
        parser.data = &theirs;
        error = llhttp_execute(&parser, in.data, in.count);
        if (error == HPE_PAUSED) {
            in = bytes_from(in, (size_t)(llhttp_get_error_pos(&parser) - in.data));
        }
    } while (error == HPE_PAUSED && !theirs.over && in.count > 0);
    fuzz_hold(theirs.over && theirs.status == seen->status);
    fuzz_hold(bytes_equal(buffer_view(&theirs.head), buffer_view(&seen->head)));
    buffer_free(&theirs.head);
    buffer_free(&theirs.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes answer = fuzz_bytes(data, size);
    struct seen seen = {.announced = -1, .answer = answer, .socket = -1};
    bool whole;

    if (size > 64 * KIB) {
        return 0;
    }
    whole = ask(&seen);
    fuzz_hold(!whole || seen.status != 0);
    fuzz_hold(!whole || seen.announced < 0 || seen.status == 204 || seen.status == 304 || seen.body_bytes == (uint64_t)seen.announced);
    if (seen.status != 0) {
        hold_same_head(answer, &seen);
    }
    buffer_free(&seen.head);
    return 0;
}
