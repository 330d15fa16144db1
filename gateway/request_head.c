/* request_head: what the fields of a request must and must not say. */
#include "gateway/request_head.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *rule;
    unsigned status;
    const char *sentence;
} refusals[REFUSAL_COUNT] = {
#define REFUSAL_ROW(enumerator, rule, status, sentence) [enumerator] = {rule, status, sentence},
    REFUSAL_TABLE(REFUSAL_ROW)
#undef REFUSAL_ROW
};

const char *refusal_rule(enum request_refusal refusal)
{
    assert(refusal < REFUSAL_COUNT);
    return refusals[refusal].rule;
}

unsigned refusal_status(enum request_refusal refusal)
{
    assert(refusal < REFUSAL_COUNT);
    return refusals[refusal].status;
}

const char *refusal_sentence(enum request_refusal refusal)
{
    assert(refusal < REFUSAL_COUNT);
    return refusals[refusal].sentence;
}

static bool is_letter_or_digit(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static bool is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* A path and an optional query in the characters of RFC 3986; every '%' begins two hex digits. */
static bool is_origin_form(struct bytes target)
{
    static const char marks[] = "-._~!$&'()*+,;=:@/?";

    for (size_t index = 0; index < target.count; index++) {
        char byte = target.data[index];

        if (byte == '%') {
            if (target.count - index < 3 || !is_hex(target.data[index + 1]) || !is_hex(target.data[index + 2])) {
                return false;
            }
        } else if (!is_letter_or_digit(byte) && memchr(marks, byte, sizeof marks - 1) == NULL) {
            return false;
        }
    }
    return target.count > 0 && target.data[0] == '/';
}

static enum request_refusal check_target(struct request_head *head)
{
    ptrdiff_t mark = bytes_find(head->target, '?');

    if (bytes_equal(head->method, BYTES("CONNECT"))) {
        return REFUSAL_CONNECT;
    }
    if (!is_origin_form(head->target) &&
        !(bytes_equal(head->target, BYTES("*")) && bytes_equal(head->method, BYTES("OPTIONS")))) {
        return REFUSAL_TARGET;
    }
    head->path = mark < 0 ? head->target : bytes_first(head->target, (size_t)mark);
    head->query = mark < 0 ? (struct bytes){NULL, 0} : bytes_from(head->target, (size_t)mark);
    return REFUSAL_NONE;
}

/* A name, an IPv4 address or an IPv6 address in brackets, then an optional port. No user, no list, no path: whoever looks
 * at this field behind us must not be able to read it in another way. */
static bool is_host(struct bytes host)
{
    size_t at = 0;
    unsigned long long port;

    if (host.count > 0 && host.data[0] == '[') {
        for (at = 1; at < host.count && (is_hex(host.data[at]) || host.data[at] == ':' || host.data[at] == '.'); at++) {
        }
        if (at < 3 || at == host.count || host.data[at] != ']') {
            return false;
        }
        at++;
    } else {
        while (at < host.count && (is_letter_or_digit(host.data[at]) || memchr("-._", host.data[at], 3) != NULL)) {
            at++;
        }
        if (at == 0) {
            return false;
        }
    }
    return at == host.count ||
           (host.data[at] == ':' && bytes_number(bytes_from(host, at + 1), UINT16_MAX, &port) == STATUS_OK);
}

static enum request_refusal check_host(const struct request_head *head)
{
    struct bytes host;
    size_t times = fields_times(head->fields, BYTES("host"));

    if (times == 0 && head->http_1_0) {
        return REFUSAL_NONE;
    }
    if (times != 1 || !fields_find(head->fields, BYTES("host"), &host) || !is_host(host)) {
        return REFUSAL_HOST;
    }
    return REFUSAL_NONE;
}

/* Whichever of two values we took, somebody behind us might take the other one. */
static enum request_refusal check_duplicates(const struct request_head *head)
{
    static const struct bytes once[] = {
        {"authorization", 13},   {"content-type", 12},      {"content-encoding", 16}, {"x-api-key", 9},
        {"x-goog-api-key", 14}, {"anthropic-version", 17}, {"expect", 6},
    };

    for (size_t index = 0; index < sizeof once / sizeof once[0]; index++) {
        if (fields_times(head->fields, once[index]) > 1) {
            return REFUSAL_DUPLICATE;
        }
    }
    return REFUSAL_NONE;
}

/* "Content_Length" is another field to us and the same one to a server behind a CGI-like interface. */
static bool has_framing_look_alike(const struct fields *fields)
{
    for (size_t index = 0; index < fields_count(fields); index++) {
        struct bytes name = fields_at(fields, index).name;

        if (bytes_equal_nocase(name, BYTES("content_length")) || bytes_equal_nocase(name, BYTES("transfer_encoding"))) {
            return true;
        }
    }
    return false;
}

/* RFC 9112 section 6.3, without any of its ways to be generous. */
static enum request_refusal check_framing(struct request_head *head, uint64_t body_bytes_max)
{
    size_t lengths = fields_times(head->fields, BYTES("content-length"));
    size_t codings = fields_times(head->fields, BYTES("transfer-encoding"));
    unsigned long long body_bytes = 0;
    struct bytes value;

    if (lengths + codings > 1 || has_framing_look_alike(head->fields)) {
        return REFUSAL_FRAMING;
    }
    if (codings == 1) {
        if (head->http_1_0 || !fields_find(head->fields, BYTES("transfer-encoding"), &value) ||
            !bytes_equal_nocase(value, BYTES("chunked"))) {
            return REFUSAL_FRAMING;
        }
        head->body_bytes = -1;
        return REFUSAL_NONE;
    }
    if (lengths == 1 && fields_find(head->fields, BYTES("content-length"), &value)) {
        enum status status = bytes_number(value, body_bytes_max, &body_bytes);

        /* "0200" is 200 to us and 128 to a reader of octal numbers. */
        if (status == STATUS_MALFORMED || (value.count > 1 && value.data[0] == '0')) {
            return REFUSAL_FRAMING;
        }
        if (status != STATUS_OK) {
            return REFUSAL_BODY_SIZE;
        }
    }
    head->body_bytes = (int64_t)body_bytes;
    return REFUSAL_NONE;
}

/* The next item of a comma separated list, trimmed; false at its end. */
static bool next_item(struct bytes *rest, struct bytes *out)
{
    ptrdiff_t comma = bytes_find(*rest, ',');
    struct bytes item = comma < 0 ? *rest : bytes_first(*rest, (size_t)comma);

    if (rest->count == 0) {
        return false;
    }
    *rest = comma < 0 ? (struct bytes){NULL, 0} : bytes_from(*rest, (size_t)comma + 1);
    while (item.count > 0 && (item.data[0] == ' ' || item.data[0] == '\t')) {
        item = bytes_from(item, 1);
    }
    while (item.count > 0 && (item.data[item.count - 1] == ' ' || item.data[item.count - 1] == '\t')) {
        item.count--;
    }
    *out = item;
    return true;
}

/* Only "close" and "keep-alive" are looked at: a Connection field never takes an end-to-end field away (B.1 row 2). */
static void read_connection(struct request_head *head)
{
    bool close = false;
    bool keep_alive = !head->http_1_0;

    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);
        struct bytes item;

        if (!bytes_equal_nocase(field.name, BYTES("connection"))) {
            continue;
        }
        while (next_item(&field.value, &item)) {
            close = close || bytes_equal_nocase(item, BYTES("close"));
            keep_alive = keep_alive || bytes_equal_nocase(item, BYTES("keep-alive"));
        }
    }
    head->keep_alive = keep_alive && !close;
}

static enum request_refusal read_expectation(struct request_head *head)
{
    struct bytes value;

    head->wants_continue = false;
    if (head->http_1_0 || !fields_find(head->fields, BYTES("expect"), &value)) {
        return REFUSAL_NONE; /* a 1.0 client cannot understand a 100 (RFC 9110 section 10.1.1) */
    }
    head->wants_continue = head->body_bytes != 0;
    return bytes_equal_nocase(value, BYTES("100-continue")) ? REFUSAL_NONE : REFUSAL_EXPECT;
}

enum request_refusal request_head_check(struct request_head *head, uint64_t body_bytes_max)
{
    enum request_refusal refusal = check_target(head);

    assert(body_bytes_max <= INT64_MAX);
    refusal = refusal != REFUSAL_NONE ? refusal : check_host(head);
    refusal = refusal != REFUSAL_NONE ? refusal : check_duplicates(head);
    refusal = refusal != REFUSAL_NONE ? refusal : check_framing(head, body_bytes_max);
    refusal = refusal != REFUSAL_NONE ? refusal : read_expectation(head);
    read_connection(head);
    return refusal;
}
