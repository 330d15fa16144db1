/* upstream_origin: a narrow grammar first, then libcurl's own parser, so that what is compared is what is connected to. */
#include "gateway/upstream_origin.h"

#include <curl/curl.h>

/* What may stand in an authority: no user, no percent sign, no zone; an IPv6 address in brackets. */
static bool is_authority_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '.' || byte == '-' || byte == '_' || byte == ':' || byte == '[' || byte == ']';
}

static size_t scheme_bytes(struct bytes url)
{
    return bytes_equal_nocase(bytes_first(url, 8), BYTES("https://"))  ? 8
           : bytes_equal_nocase(bytes_first(url, 7), BYTES("http://")) ? 7
                                                                       : 0;
}

enum status upstream_origin_bytes(struct bytes url, size_t *out_bytes)
{
    size_t scheme = scheme_bytes(url);
    size_t end = scheme;

    if (scheme == 0 || url.count > UPSTREAM_URL_BYTES_MAX) {
        return STATUS_MALFORMED;
    }
    while (end < url.count && is_authority_byte(url.data[end])) {
        end++;
    }
    if (end == scheme || (end < url.count && url.data[end] != '/' && url.data[end] != '?')) {
        return STATUS_MALFORMED;
    }
    for (size_t index = end; index < url.count; index++) {
        if (url.data[index] < 0x21 || url.data[index] > 0x7E || url.data[index] == '#') {
            return STATUS_MALFORMED;
        }
    }
    *out_bytes = end;
    return STATUS_OK;
}

/* One part of a URL that libcurl has read, into `room` bytes. */
static enum status part_copy(CURLU *url, CURLUPart part, char *out, size_t room)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, CURLU_DEFAULT_PORT);
    enum status status = code == CURLUE_OK              ? bytes_copy(bytes_of(text), out, room)
                         : code == CURLUE_OUT_OF_MEMORY ? STATUS_NO_MEMORY
                                                        : STATUS_MALFORMED;

    curl_free(text);
    return status == STATUS_TOO_LARGE ? STATUS_MALFORMED : status;
}

enum status upstream_origin_read(const char *text, struct upstream_origin *out)
{
    struct upstream_origin origin = {.https = scheme_bytes(bytes_of(text)) == 8};
    CURLU *url = curl_url();
    char port[8];
    unsigned long long number = 0;
    enum status status = STATUS_MALFORMED;

    if (url == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK) {
        status = part_copy(url, CURLUPART_HOST, origin.name, sizeof origin.name);
    }
    if (status == STATUS_OK) {
        status = part_copy(url, CURLUPART_PORT, port, sizeof port);
    }
    if (status == STATUS_OK && (bytes_number(bytes_of(port), 65535, &number) != STATUS_OK || number == 0)) {
        status = STATUS_MALFORMED;
    }
    curl_url_cleanup(url);
    if (status == STATUS_OK) {
        origin.port = (unsigned)number;
        *out = origin;
    }
    return status;
}

bool upstream_origin_equal(const struct upstream_origin *left, const struct upstream_origin *right)
{
    return left->https == right->https && left->port == right->port &&
           bytes_equal_nocase(bytes_of(left->name), bytes_of(right->name));
}
