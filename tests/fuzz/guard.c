/* guard: paths that could mean another one reach no upstream, a caller's key is gone from the query, and an address is judged
 * alike in each of its spellings. */
#include "fuzz/fuzz.h"

#include "gateway/endpoint.h"
#include "gateway/fields.h"
#include "gateway/resolve.h"
#include "gateway/route.h"
#include "proto/address.h"
#include "proto/address_guard.h"

#include <arpa/inet.h>

static void hold_path(struct bytes path)
{
    static struct route_settings settings_of_routes[] = {
        {.path = "/a", .upstream = "https://a.example/v1", .moderation = "none"},
        {.path = "/", .upstream = "http://b.example", .moderation = "none"},
    };
    const struct settings settings = {.route_count = 2, .routes = settings_of_routes};
    const struct route_settings *bad = NULL;
    const struct route *route = NULL;
    struct routes *routes = NULL;
    struct bytes rest;
    struct buffer url;

    fuzz_hold(routes_open(&routes, &settings, &bad) == STATUS_OK);
    if (route_find(routes, path, &route, &rest) == STATUS_OK) {
        fuzz_hold(memmem(path.data, path.count, "/../", 4) == NULL && !bytes_ends_with(path, BYTES("/..")));
        fuzz_hold(memmem(path.data, path.count, "/./", 3) == NULL && !bytes_ends_with(path, BYTES("/.")));
        buffer_init(&url, 64 * KIB);
        fuzz_hold(route_url(route, rest, (struct bytes){NULL, 0}, false, &url) == STATUS_OK);
        fuzz_hold(bytes_starts_with(buffer_view(&url), route->upstream));
        fuzz_hold(rest.count == 0 || rest.data[0] == '/');
        buffer_free(&url);
    }
    routes_close(&routes);
}

static void hold_query(struct bytes text)
{
    struct buffer query, without, again;

    buffer_init(&query, 64 * KIB);
    buffer_init(&without, 64 * KIB);
    buffer_init(&again, 64 * KIB);
    fuzz_hold(buffer_append_text(&query, "?") == STATUS_OK && buffer_append(&query, text) == STATUS_OK);
    fuzz_hold(endpoint_append_query_without_key(buffer_view(&query), &without) == STATUS_OK);
    fuzz_hold(without.count <= query.count);
    fuzz_hold(without.count == 0 || memmem(without.data, without.count, "&key=", 5) == NULL);
    fuzz_hold(!bytes_starts_with(buffer_view(&without), BYTES("?key=")));
    fuzz_hold(endpoint_append_query_without_key(buffer_view(&without), &again) == STATUS_OK);
    /* A second time takes nothing but an empty parameter at the end. */
    fuzz_hold(bytes_starts_with(buffer_view(&without), buffer_view(&again)) && without.count <= again.count + 1);
    buffer_free(&query);
    buffer_free(&without);
    buffer_free(&again);
}

static void hold_address(struct bytes text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct bytes host, port;

    (void)address_is_loopback(text);
    if (address_split(text, &host, &port)) {
        fuzz_hold(host.count + 1 + port.count == text.count);
    }
    if (text.count < sizeof six.sin6_addr) {
        return;
    }
    memcpy(&six.sin6_addr, text.data, sizeof six.sin6_addr);
    memcpy(&four.sin_addr, text.data, sizeof four.sin_addr);
    fuzz_hold(!address_guard_allows((struct sockaddr *)&six, false) || address_guard_allows((struct sockaddr *)&six, true));
    for (int private = 0; private < 2; private++) {
        struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
        bool allowed = address_guard_allows((struct sockaddr *)&four, private != 0);
        uint32_t number = ntohl(four.sin_addr.s_addr);

        mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xFF;
        memcpy(&mapped.sin6_addr.s6_addr[12], &four.sin_addr, sizeof four.sin_addr);
        fuzz_hold(!address_guard_allows((struct sockaddr *)&mapped, private != 0) || allowed);
        fuzz_hold(!allowed || private != 0 || (number >> 24 != 127 && number >> 24 != 10));
        fuzz_hold(!allowed || number >> 16 != 0xA9FE);
    }
}

static void hold_field(struct bytes name, struct bytes value)
{
    struct fields *fields = NULL;
    enum status status;

    fuzz_hold(fields_open(&fields, 4, 64 * KIB) == STATUS_OK);
    status = fields_add(fields, name, value);
    fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED);
    if (status == STATUS_OK) {
        struct field field = fields_at(fields, 0);

        fuzz_hold(name.count != 0 && bytes_equal(field.name, name));
        for (size_t at = 0; at < field.name.count; at++) {
            fuzz_hold((unsigned char)field.name.data[at] > ' ' && strchr("\"(),/:;<=>?@[\\]{}\x7f", field.name.data[at]) == NULL);
        }
        for (size_t at = 0; at < field.value.count; at++) {
            unsigned char byte = (unsigned char)field.value.data[at];

            fuzz_hold(byte == '\t' || (byte >= ' ' && byte != 0x7F));
        }
    }
    fields_close(&fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = fuzz_bytes(data, size);
    ptrdiff_t colon = bytes_find(text, ':');

    if (size > 16 * KIB) {
        return 0;
    }
    hold_path(text);
    hold_query(text);
    hold_address(text);
    if (colon >= 0) {
        hold_field(bytes_first(text, (size_t)colon), bytes_from(text, (size_t)colon + 1));
    }
    return 0;
}
