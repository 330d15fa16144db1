/* request_head: what the fields of a request must and must not say. */
#include "gateway/request_head.h"

#include "gateway/path.h"

#include <arpa/inet.h>
#include <assert.h>
#include <llhttp.h>
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

enum request_refusal refusal_of_sink(enum status status)
{
    switch (status) {
    case STATUS_FULL:
        return REFUSAL_BODY_BUDGET;
    case STATUS_TOO_LARGE:
        return REFUSAL_DECODED_SIZE;
    case STATUS_MALFORMED:
        return REFUSAL_DECODING;
    default:
        return REFUSAL_MEMORY;
    }
}

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

enum request_refusal refusal_of_syntax(int error)
{
    switch ((llhttp_errno_t)error) {
    case HPE_INVALID_METHOD:
        return REFUSAL_METHOD;
    case HPE_INVALID_URL:
        return REFUSAL_TARGET;
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE:
        return REFUSAL_VERSION;
    case HPE_INVALID_HEADER_TOKEN:
        return REFUSAL_FIELD;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
        return REFUSAL_FRAMING;
    case HPE_INVALID_CHUNK_SIZE:
        return REFUSAL_CHUNK;
    default:
        return REFUSAL_SYNTAX;
    }
}

enum request_refusal refusal_of_field(enum status status)
{
    switch (status) {
    case STATUS_MALFORMED:
        return REFUSAL_FIELD;
    case STATUS_FULL:
        return REFUSAL_FIELD_COUNT;
    case STATUS_TOO_LARGE:
        return REFUSAL_HEADER_SIZE;
    default:
        return REFUSAL_MEMORY;
    }
}

/* Fields that a head is checked by. From KNOWN_ONCE on they may stand once, for no reason of framing. */
enum known_field {
    KNOWN_HOST,
    KNOWN_CONNECTION,
    KNOWN_LENGTH,
    KNOWN_CODING,
    KNOWN_LENGTH_ALIKE,
    KNOWN_CODING_ALIKE,
    KNOWN_EXPECT,
    KNOWN_ONCE = KNOWN_EXPECT,
    KNOWN_AUTHORIZATION,
    KNOWN_CONTENT_TYPE,
    KNOWN_CONTENT_ENCODING,
    KNOWN_API_KEY,
    KNOWN_X_API_KEY,
    KNOWN_X_GOOG_API_KEY,
    KNOWN_ANTHROPIC_VERSION,
    KNOWN_COUNT
};

static const struct bytes known_names[KNOWN_COUNT] = {
    [KNOWN_HOST] = {"host", 4},
    [KNOWN_CONNECTION] = {"connection", 10},
    [KNOWN_LENGTH] = {"content-length", 14},
    [KNOWN_CODING] = {"transfer-encoding", 17},
    [KNOWN_LENGTH_ALIKE] = {"content_length", 14},
    [KNOWN_CODING_ALIKE] = {"transfer_encoding", 17},
    [KNOWN_EXPECT] = {"expect", 6},
    [KNOWN_AUTHORIZATION] = {"authorization", 13},
    [KNOWN_CONTENT_TYPE] = {"content-type", 12},
    [KNOWN_CONTENT_ENCODING] = {"content-encoding", 16},
    [KNOWN_API_KEY] = {"api-key", 7},
    [KNOWN_X_API_KEY] = {"x-api-key", 9},
    [KNOWN_X_GOOG_API_KEY] = {"x-goog-api-key", 14},
    [KNOWN_ANTHROPIC_VERSION] = {"anthropic-version", 17},
};

struct known {
    size_t times;
    struct bytes value; /* the first one */
};

/* Takes scheme and authority off a target in absolute-form, which a server accepts too (RFC 9112 section 3.2.2): what is left may
 * have no path. The authority is empty when the target has another form. */
static struct bytes take_authority(struct bytes *target)
{
    static const struct bytes schemes[] = {{"http://", 7}, {"https://", 8}};
    struct bytes authority = {NULL, 0};

    for (size_t index = 0; index < sizeof schemes / sizeof schemes[0] && authority.count == 0; index++) {
        if (bytes_equal_nocase(bytes_first(*target, schemes[index].count), schemes[index])) {
            struct bytes rest = bytes_from(*target, schemes[index].count);
            ptrdiff_t path = bytes_find(rest, '/'), query = bytes_find(rest, '?');
            ptrdiff_t end = path < 0 || (query >= 0 && query < path) ? query : path;

            authority = end < 0 ? rest : bytes_first(rest, (size_t)end);
            *target = authority.count > 0 ? bytes_from(rest, authority.count) : *target;
        }
    }
    return authority;
}

static enum request_refusal check_target(struct request_head *head, struct bytes *out_authority)
{
    struct bytes target = head->target;
    ptrdiff_t mark;

    if (bytes_equal(head->method, BYTES("CONNECT"))) {
        return REFUSAL_CONNECT;
    }
    *out_authority = take_authority(&target);
    mark = bytes_find(target, '?');
    head->path = mark < 0 ? target : bytes_first(target, (size_t)mark);
    head->query = mark < 0 ? (struct bytes){NULL, 0} : bytes_from(target, (size_t)mark);
    if (head->path.count == 0 && out_authority->count > 0) {
        head->path = BYTES("/"); /* RFC 9110 section 4.2.3 */
    }
    if (bytes_equal(target, BYTES("*")) && bytes_equal(head->method, BYTES("OPTIONS"))) {
        return REFUSAL_NONE;
    }
    if (!bytes_starts_with(head->path, BYTES("/")) || !path_is_of_uri(head->path) || !path_is_of_uri(head->query)) {
        return REFUSAL_TARGET;
    }
    return REFUSAL_NONE;
}

static bool is_ipv6(struct bytes text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr out;

    return bytes_copy(text, address, sizeof address) == STATUS_OK && inet_pton(AF_INET6, address, &out) == 1;
}

/* A name, an IPv4 address or an IPv6 address in brackets, then an optional port, which may be empty (RFC 3986 section 3.2.3).
 * No user, no zone, no list, no path: whoever looks at this field behind us must not be able to read it in another way. */
static bool is_host(struct bytes host)
{
    size_t at = 0;
    unsigned long long port;

    if (host.count > 0 && host.data[0] == '[') {
        ptrdiff_t end = bytes_find(host, ']');

        if (end < 0 || !is_ipv6((struct bytes){host.data + 1, (size_t)end - 1})) {
            return false;
        }
        at = (size_t)end + 1;
    } else {
        while (at < host.count && (bytes_is_letter_or_digit(host.data[at]) || memchr("-._", host.data[at], 3) != NULL)) {
            at++;
        }
        if (at == 0) {
            return false;
        }
    }
    return at == host.count ||
           (host.data[at] == ':' && (at + 1 == host.count ||
                                     bytes_number(bytes_from(host, at + 1), UINT16_MAX, &port) == STATUS_OK));
}

/* A target's authority says what Host says: we would take the first (RFC 9112 section 3.2.2), somebody else the second. */
static enum request_refusal check_host(const struct request_head *head, const struct known *known, struct bytes authority)
{
    struct bytes host = known[KNOWN_HOST].value;

    if (known[KNOWN_HOST].times == 0 && head->http_1_0) {
        return authority.count == 0 || is_host(authority) ? REFUSAL_NONE : REFUSAL_HOST;
    }
    if (known[KNOWN_HOST].times != 1 || !is_host(host)) {
        return REFUSAL_HOST;
    }
    return authority.count == 0 || bytes_equal_nocase(authority, host) ? REFUSAL_NONE : REFUSAL_HOST;
}

/* Whichever of two values we took, somebody behind us might take the other one. */
static enum request_refusal check_duplicates(const struct known *known)
{
    for (size_t index = KNOWN_ONCE; index < KNOWN_COUNT; index++) {
        if (known[index].times > 1) {
            return REFUSAL_DUPLICATE;
        }
    }
    return REFUSAL_NONE;
}

/* RFC 9112 section 6.3, without any of its ways to be generous. "Content_Length" is another field to us and the same one to
 * a server behind a CGI-like interface. */
static enum request_refusal check_framing(struct request_head *head, const struct known *known, uint64_t body_bytes_max)
{
    struct bytes length = known[KNOWN_LENGTH].value;
    unsigned long long body_bytes = 0;

    if (known[KNOWN_LENGTH].times + known[KNOWN_CODING].times > 1 || known[KNOWN_LENGTH_ALIKE].times > 0 ||
        known[KNOWN_CODING_ALIKE].times > 0) {
        return REFUSAL_FRAMING;
    }
    if (known[KNOWN_CODING].times == 1) {
        head->body_bytes = -1;
        return !head->http_1_0 && bytes_equal_nocase(known[KNOWN_CODING].value, BYTES("chunked")) ? REFUSAL_NONE
                                                                                                  : REFUSAL_FRAMING;
    }
    if (known[KNOWN_LENGTH].times == 1) {
        enum status status = bytes_number(length, body_bytes_max, &body_bytes);

        /* "0200" is 200 to us and 128 to a reader of octal numbers. */
        if (status == STATUS_MALFORMED || (length.count > 1 && length.data[0] == '0')) {
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
    *out = fields_trim(item);
    return true;
}

/* Only "close" and "keep-alive" are looked at here (B.1 row 2; fields_is_named_one_hop). */
static void read_connection(struct bytes value, bool *keep_alive, bool *closes)
{
    struct bytes item;

    while (next_item(&value, &item)) {
        *closes = *closes || bytes_equal_nocase(item, BYTES("close"));
        *keep_alive = *keep_alive || bytes_equal_nocase(item, BYTES("keep-alive"));
    }
}

static enum request_refusal read_expectation(struct request_head *head, const struct known *known)
{
    head->wants_continue = false;
    if (head->http_1_0 || known[KNOWN_EXPECT].times == 0) {
        return REFUSAL_NONE; /* a 1.0 client cannot understand a 100 (RFC 9110 section 10.1.1) */
    }
    head->wants_continue = head->body_bytes != 0;
    return bytes_equal_nocase(known[KNOWN_EXPECT].value, BYTES("100-continue")) ? REFUSAL_NONE : REFUSAL_EXPECT;
}

static size_t known_index(struct bytes name)
{
    size_t which = 0;

    while (which < KNOWN_COUNT && !bytes_equal_nocase(name, known_names[which])) {
        which++;
    }
    return which;
}

bool request_head_is_framing(struct bytes name)
{
    return bytes_equal_nocase(name, known_names[KNOWN_LENGTH]) || bytes_equal_nocase(name, known_names[KNOWN_CODING]);
}

bool request_head_forbids_trailer(struct bytes name)
{
    static const struct bytes names[] = {
        {"cache-control", 13},     {"max-forwards", 12},        {"range", 5},           {"content-range", 13},
        {"if-match", 8},           {"if-none-match", 13},       {"if-range", 8},        {"if-modified-since", 17},
        {"if-unmodified-since", 19}, {"cookie", 6},             {"set-cookie", 10},     {"www-authenticate", 16},
        {"forwarded", 9},          {"x-forwarded-for", 15},     {"x-forwarded-host", 16}, {"x-forwarded-proto", 17},
    };

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (bytes_equal_nocase(name, names[index])) {
            return true;
        }
    }
    return known_index(name) < KNOWN_COUNT || fields_is_one_hop(name);
}

/* One pass over the fields: how often each known one stands there, and its first value. */
static void read_known(struct request_head *head, struct known known[KNOWN_COUNT])
{
    bool closes = false;

    head->keep_alive = !head->http_1_0;
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);
        size_t which = known_index(field.name);

        if (which == KNOWN_COUNT) {
            continue;
        }
        if (which == KNOWN_CONNECTION) {
            read_connection(field.value, &head->keep_alive, &closes);
        }
        if (known[which].times++ == 0) {
            known[which].value = field.value;
        }
    }
    head->keep_alive = head->keep_alive && !closes;
}

enum request_refusal request_head_check(struct request_head *head, uint64_t body_bytes_max)
{
    struct bytes authority = {NULL, 0};
    enum request_refusal refusal = check_target(head, &authority);
    struct known known[KNOWN_COUNT] = {0};

    assert(body_bytes_max <= INT64_MAX);
    read_known(head, known);
    refusal = refusal != REFUSAL_NONE ? refusal : check_host(head, known, authority);
    refusal = refusal != REFUSAL_NONE ? refusal : check_duplicates(known);
    refusal = refusal != REFUSAL_NONE ? refusal : check_framing(head, known, body_bytes_max);
    return refusal != REFUSAL_NONE ? refusal : read_expectation(head, known);
}
