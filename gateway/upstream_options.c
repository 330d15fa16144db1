/* upstream_options: a request into an easy handle of libcurl, and the callbacks that feed and guard it. */
#include "gateway/upstream_inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines beside the caller's fields: they switch off or replace libcurl's own. */
enum { LINES_OF_OUR_OWN = 4 };

/* libcurl asks for a large body: at most what it has room for, straight from the caller's bytes. */
static size_t on_read(char *out, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct bytes part;

    if (transfer_is_ending(transfer)) {
        return CURL_READFUNC_ABORT; /* the body is the caller's again */
    }
    part = bytes_first(bytes_from(transfer->body, transfer->body_at), size * count);
    if (part.count > 0) {
        memcpy(out, part.data, part.count);
    }
    transfer->body_at += part.count;
    return part.count;
}

/* The connection stands, TLS included; the next thing is the request's first byte.
 *
 * When a reused connection dies before the answer, libcurl comes here a second time over another one. A request that the
 * upstream may have read, and counts, is not sent again (reliability B.1 row 14). */
static int on_connected(void *context, char *remote_address, char *local_address, int remote_port, int local_port)
{
    struct transfer *transfer = context;

    (void)remote_address;
    (void)local_address;
    (void)remote_port;
    (void)local_port;
    if (transfer_is_ending(transfer)) {
        return CURL_PREREQFUNC_ABORT;
    }
    if (transfer_sent_any(transfer) && !transfer->repeatable) {
        transfer_fail(transfer, TRANSFER_BROKEN);
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->failure = TRANSFER_OK; /* an address that was refused on the way does not matter any more */
    upstream_options_arrived(transfer);
    transfer->asked_us = clock_us();
    transfer_enter(transfer, PHASE_ASKING);
    return CURL_PREREQFUNC_OK;
}

/* libcurl wants to resolve by itself. An IPv6 address in the URL comes here too: CURLOPT_RESOLVE cannot name it. */
static int on_resolver_start(void *resolver, void *reserved, void *context)
{
    const struct transfer *transfer = context;

    (void)resolver;
    (void)reserved;
    return transfer->host->origin.name[0] == '[' ? 0 : 1;
}

#define SET(easy, option, value)                                                                                       \
    do {                                                                                                               \
        if (curl_easy_setopt((easy), (option), (value)) != CURLE_OK) {                                                 \
            return STATUS_NO_MEMORY;                                                                                   \
        }                                                                                                              \
    } while (0)

static enum status init_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    SET(easy, CURLOPT_PRIVATE, transfer);
    SET(easy, CURLOPT_SHARE, transfer->upstream->share);
    SET(easy, CURLOPT_READFUNCTION, on_read);
    SET(easy, CURLOPT_READDATA, transfer);
    SET(easy, CURLOPT_HEADERFUNCTION, upstream_answer_line);
    SET(easy, CURLOPT_HEADERDATA, transfer);
    SET(easy, CURLOPT_WRITEFUNCTION, upstream_answer_body);
    SET(easy, CURLOPT_WRITEDATA, transfer);
    SET(easy, CURLOPT_PREREQFUNCTION, on_connected);
    SET(easy, CURLOPT_PREREQDATA, transfer);
    SET(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver_start);
    SET(easy, CURLOPT_RESOLVER_START_DATA, transfer);
    SET(easy, CURLOPT_OPENSOCKETFUNCTION, upstream_socket_open);
    SET(easy, CURLOPT_OPENSOCKETDATA, transfer);
    /* A connection outlives the transfer that opened it. */
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, upstream_socket_close);
    SET(easy, CURLOPT_CLOSESOCKETDATA, transfer->upstream);
    return STATUS_OK;
}

enum status upstream_options_init(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PROXY, ""); /* not even what http_proxy says */
    SET(easy, CURLOPT_PROXY_CAINFO, NULL); /* nor has each connection to hold copies of what it would be checked by */
    SET(easy, CURLOPT_PROXY_CAPATH, NULL);
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(easy, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L); /* libcurl finds the end; `chunks` reads what is before it */
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(easy, CURLOPT_QUICK_EXIT, 1L);
    SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, (long)UPSTREAM_LIFETIME_S);
    SET(easy, CURLOPT_FORBID_REUSE, transfer->upstream->idle_max == 0 ? 1L : 0L);
    return init_callbacks(transfer);
}

/* Fields that are made here, beside those of one hop. */
static bool is_made_here(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("host")) || bytes_equal_nocase(name, BYTES("content-length")) ||
           bytes_equal_nocase(name, BYTES("accept-encoding")) || bytes_equal_nocase(name, BYTES("expect")) ||
           fields_is_one_hop(name);
}

/* libcurl takes "Name:" for "leave it out" and sends an empty field only when told "Name;". */
static bool is_blank(struct bytes value)
{
    for (size_t index = 0; index < value.count; index++) {
        if (value.data[index] != ' ' && value.data[index] != '\t') {
            return false;
        }
    }
    return true;
}

/* Appends a terminated text and says where it stands; the room for all of them was reserved before. */
static char *append(struct transfer *transfer, struct bytes first, struct bytes second, struct bytes third)
{
    size_t at = transfer->text.count;
    const struct bytes parts[] = {first, second, third, {"", 1}};

    for (size_t index = 0; index < sizeof parts / sizeof parts[0]; index++) {
        enum status status = buffer_append(&transfer->text, parts[index]);

        assert(status == STATUS_OK);
        (void)status;
    }
    return transfer->text.data + at;
}

static void append_line(struct transfer *transfer, char *line)
{
    struct curl_slist *node = &transfer->lines[transfer->line_count];

    assert(transfer->line_count < transfer->lines_room);
    *node = (struct curl_slist){line, NULL};
    if (transfer->line_count > 0) {
        node[-1].next = node;
    }
    transfer->line_count++;
}

/* Whether the body goes out with the head in one write, from our copy of it. */
static bool is_small(struct bytes body)
{
    return body.count <= UPSTREAM_SMALL_BODY_BYTES;
}

static enum status reserve(struct transfer *transfer, const struct transfer_request *request)
{
    static const size_t own_bytes =
        sizeof "Accept-Encoding: identity" + sizeof "Expect:" + sizeof "Accept:" + sizeof "Content-Type:";
    size_t field_count = fields_count(request->fields);
    size_t body_bytes = request->has_body && is_small(request->body) ? request->body.count : 0;
    size_t needed = request->method.count + request->url.count + body_bytes + 3 + own_bytes; /* with their terminators */
    enum status status;
    char *ignored;

    if (field_count + LINES_OF_OUR_OWN > transfer->lines_room) {
        size_t room = field_count + LINES_OF_OUR_OWN;
        struct curl_slist *lines = realloc(transfer->lines, room * sizeof *lines);

        if (lines == NULL) {
            return STATUS_NO_MEMORY;
        }
        transfer->lines = lines;
        transfer->lines_room = room;
    }
    for (size_t index = 0; index < field_count; index++) {
        struct field field = fields_at(request->fields, index);

        needed += field.name.count + field.value.count + sizeof ": ";
    }
    status = buffer_reserve(&transfer->text, needed, &ignored);
    return status == STATUS_TOO_LARGE ? STATUS_MALFORMED : status;
}

/* The caller's fields, and what keeps libcurl from adding its own. */
static void set_lines(struct transfer *transfer, const struct fields *fields)
{
    const struct bytes none = {NULL, 0};

    transfer->line_count = 0;
    for (size_t index = 0; index < fields_count(fields); index++) {
        struct field field = fields_at(fields, index);
        bool blank = is_blank(field.value);

        if (!is_made_here(field.name)) {
            append_line(transfer, append(transfer, field.name, blank ? BYTES(";") : BYTES(": "),
                                         blank ? none : field.value));
        }
    }
    append_line(transfer, append(transfer, BYTES("Accept-Encoding: identity"), none, none));
    append_line(transfer, append(transfer, BYTES("Expect:"), none, none)); /* else a body above 1 MiB waits a second */
    if (fields_times(fields, BYTES("accept")) == 0) {
        append_line(transfer, append(transfer, BYTES("Accept:"), none, none));
    }
    if (fields_times(fields, BYTES("content-type")) == 0) {
        append_line(transfer, append(transfer, BYTES("Content-Type:"), none, none)); /* else a form's */
    }
}

/* A method that says what it does with its content sends a length even when there is none (RFC 9110 section 8.6). */
static bool has_length(const struct transfer_request *request)
{
    return request->has_body || bytes_equal(request->method, BYTES("POST")) ||
           bytes_equal(request->method, BYTES("PUT")) || bytes_equal(request->method, BYTES("PATCH"));
}

/* May be sent again: it asks for nothing but an answer (RFC 9110 section 9.2.1). */
static bool is_safe(struct bytes method)
{
    return bytes_equal(method, BYTES("GET")) || bytes_equal(method, BYTES("HEAD")) ||
           bytes_equal(method, BYTES("OPTIONS"));
}

static bool is_method(struct bytes method)
{
    for (size_t index = 0; index < method.count; index++) {
        if (method.data[index] < 'A' || method.data[index] > 'Z') {
            return false;
        }
    }
    return method.count > 0;
}

/* What goes out behind the head. A handle's last request may have had another kind of body: first there is none either way,
 * then the one that is wanted. */
static enum status set_body(struct transfer *transfer, const struct transfer_request *request)
{
    const struct bytes none = {NULL, 0};
    CURL *easy = transfer->easy;

    transfer->body = request->has_body ? request->body : none;
    transfer->body_at = 0;
    SET(easy, CURLOPT_NOBODY, 0L);
    SET(easy, CURLOPT_POSTFIELDS, NULL);
    SET(easy, CURLOPT_HTTPGET, 1L);
    if (transfer->head_only) {
        SET(easy, CURLOPT_NOBODY, 1L);
    } else if (has_length(request) && is_small(transfer->body)) {
        /* The usual case: one write, one packet, and the copy lives as long as libcurl may look at it. */
        SET(easy, CURLOPT_POSTFIELDS, append(transfer, transfer->body, none, none));
        SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.count);
    } else if (has_length(request)) {
        SET(easy, CURLOPT_UPLOAD, 1L); /* whatever the method: the bytes come from on_read */
        SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->body.count);
    }
    return STATUS_OK;
}

static enum status set_url(struct transfer *transfer, const char *url)
{
    CURLUcode code;

    if (transfer->url == NULL) {
        transfer->url = curl_url();
    }
    if (transfer->url == NULL) {
        return STATUS_NO_MEMORY;
    }
    code = curl_url_set(transfer->url, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (code != CURLUE_OK) {
        return code == CURLUE_OUT_OF_MEMORY ? STATUS_NO_MEMORY : STATUS_MALFORMED;
    }
    SET(transfer->easy, CURLOPT_URL, url);
    SET(transfer->easy, CURLOPT_CURLU, transfer->url);
    return STATUS_OK;
}

enum status upstream_options_set(struct transfer *transfer, const struct transfer_request *request)
{
    CURL *easy = transfer->easy;
    const struct bytes none = {NULL, 0};
    enum status status;

    if (!is_method(request->method) || (bytes_equal(request->method, BYTES("HEAD")) && request->has_body)) {
        return STATUS_MALFORMED;
    }
    buffer_clear(&transfer->text);
    status = reserve(transfer, request);
    if (status != STATUS_OK) {
        return status;
    }
    transfer->repeatable = is_safe(request->method);
    transfer->head_only = bytes_equal(request->method, BYTES("HEAD"));
    SET(easy, CURLOPT_BUFFERSIZE, (long)(request->expects_stream ? UPSTREAM_STREAM_READ_BYTES : UPSTREAM_READ_BYTES));
    status = set_url(transfer, append(transfer, request->url, none, none));
    if (status != STATUS_OK) {
        return status;
    }
    set_lines(transfer, request->fields);
    SET(easy, CURLOPT_HTTPHEADER, transfer->lines);
    status = set_body(transfer, request);
    if (status != STATUS_OK) {
        return status;
    }
    SET(easy, CURLOPT_CUSTOMREQUEST, append(transfer, request->method, none, none));
    return STATUS_OK;
}

/* The `attempt`-th IPv6 address and the `attempt`-th IPv4 address of a list, either of which may be missing. */
static void pick_pair(struct bytes list, unsigned attempt, struct bytes *out_wide, struct bytes *out_narrow)
{
    unsigned wides = 0;
    unsigned narrows = 0;

    *out_wide = *out_narrow = (struct bytes){NULL, 0};
    while (list.count > 0) {
        ptrdiff_t comma = bytes_find(list, ',');
        struct bytes address = comma < 0 ? list : bytes_first(list, (size_t)comma);

        list = bytes_from(list, address.count + 1);
        if (address.count > 0 && address.data[0] == '[') {
            *out_wide = wides++ == attempt ? address : *out_wide;
        } else {
            *out_narrow = narrows++ == attempt ? address : *out_narrow;
        }
    }
}

static bool has_attempt(struct bytes addresses, unsigned attempt)
{
    struct bytes wide;
    struct bytes narrow;

    pick_pair(addresses, attempt, &wide, &narrow);
    return wide.count + narrow.count > 0;
}

enum status upstream_options_way(struct transfer *transfer, struct bytes addresses)
{
    size_t line_room = strlen(transfer->host->origin.name) + 2 * INET6_ADDRSTRLEN + 16;
    struct upstream_way *way = malloc(sizeof *way + addresses.count + line_room);

    assert(addresses.count > 0 && addresses.count <= RESOLVE_TEXT_BYTES_MAX);
    if (way == NULL) {
        return STATUS_NO_MEMORY;
    }
    way->addresses_bytes = addresses.count;
    way->line_room = line_room;
    memcpy(way->texts, addresses.data, addresses.count);
    way->resolve = (struct curl_slist){way->texts + addresses.count, NULL};
    free(transfer->way);
    transfer->way = way;
    return STATUS_OK;
}

void upstream_options_arrived(struct transfer *transfer)
{
    /* Setting a pointer cannot fail. */
    (void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, NULL);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CURLU, NULL);
    free(transfer->way);
    curl_url_cleanup(transfer->url);
    transfer->way = NULL;
    transfer->url = NULL;
}

enum status upstream_options_attempt(struct transfer *transfer, uint64_t left_ms)
{
    const struct upstream_host *host = transfer->host;
    struct upstream_way *way = transfer->way;
    const struct bytes addresses = {way->texts, way->addresses_bytes};
    bool last = !has_attempt(addresses, transfer->attempt + 1);
    struct bytes wide;
    struct bytes narrow;
    int count;

    if (left_ms == 0 || !has_attempt(addresses, transfer->attempt)) {
        return STATUS_NOT_FOUND;
    }
    SET(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(last || left_ms < 2 ? left_ms : left_ms / 2));
    if (host->origin.name[0] == '[') {
        SET(transfer->easy, CURLOPT_RESOLVE, NULL);
        return STATUS_OK;
    }
    /* '+': libcurl forgets it after a minute; it is given anew for each request. */
    pick_pair(addresses, transfer->attempt, &wide, &narrow);
    count = snprintf(way->resolve.data, way->line_room, "+%s:%u:%.*s%s%.*s", host->origin.name, host->origin.port,
                     (int)wide.count, wide.count == 0 ? "" : wide.data, wide.count > 0 && narrow.count > 0 ? "," : "",
                     (int)narrow.count, narrow.count == 0 ? "" : narrow.data);
    assert(count > 0 && (size_t)count < way->line_room);
    (void)count;
    SET(transfer->easy, CURLOPT_RESOLVE, &way->resolve);
    return STATUS_OK;
}
