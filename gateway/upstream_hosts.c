/* upstream_hosts: the records of scheme, host and port; a URL finds its own by its text, a new one is read by libcurl. */
#include "gateway/upstream_inside.h"

#include <stdlib.h>
#include <string.h>

/* What may stand in an authority: no user, no percent sign, no zone; an IPv6 address in brackets. */
static bool is_authority_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '.' || byte == '-' || byte == '_' || byte == ':' || byte == '[' || byte == ']';
}

/* Scheme and authority of `url` in lower case into `key`. The rest must be visible ASCII without a fragment. */
static enum status key_of(struct bytes url, char key[HOST_KEY_BYTES])
{
    size_t scheme = bytes_equal_nocase(bytes_first(url, 8), BYTES("https://"))  ? 8
                    : bytes_equal_nocase(bytes_first(url, 7), BYTES("http://")) ? 7
                                                                                : 0;
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
    if (bytes_copy(bytes_first(url, end), key, HOST_KEY_BYTES) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    for (char *at = key; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
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

/* By libcurl's own parser, so that what is checked is what is connected to ("2130706433" is 127.0.0.1). */
static enum status host_read(struct upstream_host *host)
{
    CURLU *url = curl_url();
    char port[8];
    unsigned long long number = 0;
    enum status status = STATUS_MALFORMED;

    if (url == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (curl_url_set(url, CURLUPART_URL, host->key, CURLU_DISALLOW_USER) == CURLUE_OK) {
        status = part_copy(url, CURLUPART_HOST, host->name, sizeof host->name);
    }
    if (status == STATUS_OK) {
        status = part_copy(url, CURLUPART_PORT, port, sizeof port);
    }
    if (status == STATUS_OK && (bytes_number(bytes_of(port), 65535, &number) != STATUS_OK || number == 0)) {
        status = STATUS_MALFORMED;
    }
    host->port = (unsigned)number;
    curl_url_cleanup(url);
    return status;
}

/* The place of the record that was used longest ago and is not busy; UPSTREAM_HOSTS_MAX when there is none. */
static size_t oldest_of(const struct upstream *upstream)
{
    size_t oldest = UPSTREAM_HOSTS_MAX;

    for (size_t index = 0; index < upstream->host_count; index++) {
        const struct upstream_host *host = upstream->hosts[index];

        if (host->busy == 0 && (oldest == UPSTREAM_HOSTS_MAX || host->used_ms < upstream->hosts[oldest]->used_ms)) {
            oldest = index;
        }
    }
    return oldest;
}

static enum status host_make(struct upstream *upstream, const char *key, struct upstream_host **out)
{
    size_t place = upstream->host_count < UPSTREAM_HOSTS_MAX ? upstream->host_count : oldest_of(upstream);
    struct upstream_host *host;
    enum status status;

    if (place == UPSTREAM_HOSTS_MAX) {
        return STATUS_FULL;
    }
    host = calloc(1, sizeof *host);
    if (host == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(host->key, key, sizeof host->key);
    status = host_read(host);
    if (status != STATUS_OK) {
        free(host);
        return status;
    }
    if (place == upstream->host_count) {
        upstream->host_count++;
    } else {
        free(upstream->hosts[place]);
    }
    upstream->hosts[place] = host;
    *out = host;
    return STATUS_OK;
}

enum status upstream_hosts_find(struct upstream *upstream, struct bytes url, struct upstream_host **out)
{
    char key[HOST_KEY_BYTES] = "";
    struct upstream_host *host = NULL;
    enum status status = key_of(url, key);

    if (status != STATUS_OK) {
        return status;
    }
    for (size_t index = 0; index < upstream->host_count && host == NULL; index++) {
        if (strcmp(upstream->hosts[index]->key, key) == 0) {
            host = upstream->hosts[index];
        }
    }
    if (host == NULL) {
        status = host_make(upstream, key, &host);
    }
    if (status != STATUS_OK) {
        return status;
    }
    host->used_ms = uv_now(upstream->loop);
    *out = host;
    return STATUS_OK;
}

void upstream_hosts_free(struct upstream *upstream)
{
    for (size_t index = 0; index < upstream->host_count; index++) {
        free(upstream->hosts[index]);
    }
    upstream->host_count = 0;
}
