/* settings_form: strict little grammars over bytes, each a page shorter than a library's and without its surprises. */
#include "proto/settings_form.h"

#include "proto/address.h"
#include "proto/network.h"
#include "proto/settings.h"

#include <assert.h>
#include <string.h>
#include <sys/un.h>

enum { PORT_MAX = 65535 };

static bool is_alphanumeric(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static bool all_of(struct bytes text, const char *others)
{
    for (size_t index = 0; index < text.count; index++) {
        if (!is_alphanumeric(text.data[index]) && (text.data[index] == '\0' || strchr(others, text.data[index]) == NULL)) {
            return false;
        }
    }
    return true;
}

/* Visible ASCII, without the bytes that end or confuse a URL. */
static bool is_url_text(struct bytes text)
{
    return all_of(text, "-._~:/?#[]@!$&'()*+,;=%");
}

static bool is_printable(struct bytes text)
{
    for (size_t index = 0; index < text.count; index++) {
        unsigned char byte = (unsigned char)text.data[index];

        if (byte < 0x20 || byte == 0x7F) {
            return false;
        }
    }
    return true;
}

/* In one way only: what is compared with it is written so. */
static bool is_sha256(struct bytes text)
{
    for (size_t index = 0; index < text.count; index++) {
        char byte = text.data[index];

        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'))) {
            return false;
        }
    }
    return text.count == SETTINGS_SHA256_DIGITS;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(struct bytes host)
{
    if (host.count > 2 && host.data[0] == '[' && host.data[host.count - 1] == ']') {
        struct bytes inside = bytes_first(bytes_from(host, 1), host.count - 2);

        for (size_t index = 0; index < inside.count; index++) {
            if (inside.data[index] == '\0' || strchr("0123456789abcdefABCDEF:.", inside.data[index]) == NULL) {
                return false;
            }
        }
        return bytes_find(inside, ':') >= 0;
    }
    return host.count > 0 && all_of(host, "-._") && host.data[0] != '.' && host.data[0] != '-';
}

static bool is_port(struct bytes port, unsigned long long min)
{
    unsigned long long number;

    return bytes_number(port, PORT_MAX, &number) == STATUS_OK && number >= min;
}

static bool is_listen(struct bytes text)
{
    struct bytes host;
    struct bytes port;

    return address_split(text, &host, &port) && is_host(host) && is_port(port, 0);
}

/* A path that fits an address of the kernel's. */
static bool is_unix(struct bytes text)
{
    const struct sockaddr_un *address = NULL;

    return bytes_starts_with(text, BYTES("unix:/")) && is_printable(text) && text.count - 5 < sizeof address->sun_path;
}

static bool is_network(struct bytes text)
{
    struct network network;

    return bytes_equal(text, BYTES("unix")) || network_read(text, &network);
}

static bool is_url(struct bytes url, bool query_allowed)
{
    bool https = bytes_starts_with(url, BYTES("https://"));
    struct bytes rest = bytes_from(url, https ? 8 : 7);
    struct bytes authority = rest;
    struct bytes host;
    struct bytes port;

    if ((!https && !bytes_starts_with(url, BYTES("http://"))) || !is_url_text(url)) {
        return false;
    }
    for (size_t index = 0; index < rest.count; index++) {
        if (rest.data[index] == '/' || rest.data[index] == '?' || rest.data[index] == '#') {
            authority = bytes_first(rest, index);
            break;
        }
    }
    if (bytes_find(url, '#') >= 0 || (bytes_find(url, '?') >= 0 && !query_allowed)) {
        return false;
    }
    if (address_split(authority, &host, &port)) {
        return is_host(host) && is_port(port, 1);
    }
    return is_host(authority);
}

/* "/", or segments of which none is empty, "." or "..": what is compared as bytes must be written in one way only. */
static bool is_prefix(struct bytes path)
{
    size_t begin = 1;

    if (path.data[0] != '/' || !all_of(path, "-._~/")) {
        return false;
    }
    for (size_t at = 1; path.count > 1 && at <= path.count; at++) {
        if (at == path.count || path.data[at] == '/') {
            struct bytes segment = {path.data + begin, at - begin};

            if (segment.count == 0 || bytes_equal(segment, BYTES(".")) || bytes_equal(segment, BYTES(".."))) {
                return false;
            }
            begin = at + 1;
        }
    }
    return true;
}

/* What a caller's URL is compared with: the prefix is written in one way only. */
static bool is_url_host(struct bytes text)
{
    size_t begin = bytes_starts_with(text, BYTES("https://")) ? 8 : bytes_starts_with(text, BYTES("http://")) ? 7 : 0;
    struct bytes authority = bytes_from(text, begin);
    ptrdiff_t slash = bytes_find(authority, '/');
    struct bytes host;
    struct bytes port;

    if (slash >= 0 && !is_prefix(bytes_from(authority, (size_t)slash))) {
        return false;
    }
    authority = slash < 0 ? authority : bytes_first(authority, (size_t)slash);
    return address_split(authority, &host, &port) ? is_host(host) && is_port(port, 1) : is_host(authority);
}

bool setting_form_is_profile_name(struct bytes name)
{
    return name.count > 0 && name.count <= PROFILE_NAME_BYTES_MAX && all_of(name, "-_") && is_alphanumeric(name.data[0]) &&
           !bytes_equal(name, BYTES("none"));
}

/* tcp://host:port, ipc://path, inproc://name (the last for tests, inside one process). A socket that binds may be given "*"
 * as address, and 0 or "*" as port. */
static bool is_endpoint(struct bytes text, bool binds)
{
    struct bytes host;
    struct bytes port;

    if (bytes_starts_with(text, BYTES("ipc://"))) {
        return text.count > 6 && is_printable(text);
    }
    if (bytes_starts_with(text, BYTES("inproc://"))) {
        return text.count > 9 && is_printable(text);
    }
    if (!bytes_starts_with(text, BYTES("tcp://")) || !address_split(bytes_from(text, 6), &host, &port)) {
        return false;
    }
    if (binds) {
        return (is_host(host) || bytes_equal(host, BYTES("*"))) && (is_port(port, 0) || bytes_equal(port, BYTES("*")));
    }
    return is_host(host) && is_port(port, 1);
}

static bool is_model(struct bytes text)
{
    return is_printable(text) && bytes_find(text, ' ') < 0;
}

bool setting_form_holds(enum setting_type type, struct bytes text)
{
    assert(text.count > 0);
    switch (type) {
    case SETTING_TEXT:
    case SETTING_FILE:
    case SETTING_FOLDER:
    case SETTING_PROFILE_FILE:
        return is_printable(text);
    case SETTING_NAME:
        return setting_form_is_profile_name(text) || bytes_equal(text, BYTES("none"));
    case SETTING_LABEL:
        return setting_form_is_profile_name(text);
    case SETTING_SHA256:
        return is_sha256(text);
    case SETTING_PREFIX:
        return is_prefix(text);
    case SETTING_LISTEN:
        return is_listen(text);
    case SETTING_LISTEN_ANY:
        return is_listen(text) || is_unix(text);
    case SETTING_NETWORK:
        return is_network(text);
    case SETTING_UPSTREAM:
        return is_url(text, false);
    case SETTING_URL:
        return is_url(text, true);
    case SETTING_BIND:
        return is_endpoint(text, true);
    case SETTING_CONNECT:
        return is_endpoint(text, false);
    case SETTING_MODEL:
        return is_model(text);
    case SETTING_HOST:
        return is_host(text);
    case SETTING_URL_HOST:
        return is_url_host(text);
    default:
        assert(false);
        return false;
    }
}

bool settings_is_key_name(const char *name)
{
    return setting_form_is_profile_name(bytes_of(name));
}

bool settings_is_loopback(const char *listen)
{
    struct bytes host;
    struct bytes port;

    return bytes_starts_with(bytes_of(listen), BYTES("unix:")) ||
           (address_split(bytes_of(listen), &host, &port) && address_is_loopback(host));
}

bool setting_form_is_local(struct bytes endpoint)
{
    struct bytes host;
    struct bytes port;

    if (!bytes_starts_with(endpoint, BYTES("tcp://"))) {
        return true;
    }
    return address_split(bytes_from(endpoint, 6), &host, &port) && address_is_loopback(host);
}
