/* route: prefixes, longest first; and which paths are not looked at. */
#include "gateway/route.h"

#include "gateway/endpoint.h"
#include "proto/secret.h"

#include <stdlib.h>

/* Settings name the formats without knowing the dialects. */
_Static_assert(FORMAT_OPENAI_CHAT == 1 << DIALECT_OPENAI_CHAT && FORMAT_OPENAI_RESPONSES == 1 << DIALECT_OPENAI_RESPONSES &&
                   FORMAT_CLAUDE_CHAT == 1 << DIALECT_CLAUDE_CHAT && FORMAT_GEMINI_CHAT == 1 << DIALECT_GEMINI_CHAT &&
                   FORMAT_AUTO == (1 << DIALECT_COUNT) - 1,
               "a format is the bit of its dialect");

struct routes {
    size_t count;
    struct secret *keys; /* one a route, or empty */
    struct route *at;    /* longest path first, as the settings are */
};

static struct bytes without_slash(struct bytes text)
{
    while (text.count > 0 && text.data[text.count - 1] == '/') {
        text.count--;
    }
    return text;
}

static enum status open_route(struct route *route, struct secret *key, const struct settings *settings,
                              const struct route_settings *from)
{
    struct bytes moderation = bytes_of(from->moderation);

    route->settings = from;
    route->prefix = without_slash(bytes_of(from->path));
    route->upstream = without_slash(bytes_of(from->upstream));
    if (!bytes_equal(moderation, BYTES("none"))) {
        route->profile = settings_profile(settings, moderation);
        if (route->profile == NULL) {
            return STATUS_NOT_FOUND;
        }
    }
    if (from->key_file[0] != '\0') {
        enum status status = secret_read(key, from->key_file);

        if (status != STATUS_OK) {
            return status;
        }
        route->key = secret_view(key);
    }
    return STATUS_OK;
}

enum status routes_open(struct routes **out, const struct settings *settings, const struct route_settings **bad)
{
    struct routes *routes = calloc(1, sizeof *routes);
    enum status status = STATUS_NO_MEMORY;

    *bad = NULL;
    if (routes == NULL) {
        return STATUS_NO_MEMORY;
    }
    routes->count = settings->route_count;
    routes->at = calloc(routes->count + 1, sizeof routes->at[0]);
    routes->keys = calloc(routes->count + 1, sizeof routes->keys[0]);
    if (routes->at == NULL || routes->keys == NULL) {
        goto fail;
    }
    for (size_t index = 0; index < routes->count; index++) {
        status = open_route(&routes->at[index], &routes->keys[index], settings, &settings->routes[index]);
        if (status != STATUS_OK) {
            *bad = &settings->routes[index];
            goto fail;
        }
    }
    *out = routes;
    return STATUS_OK;
fail:
    routes_close(&routes);
    return status;
}

void routes_close(struct routes **routes)
{
    if (*routes != NULL) {
        for (size_t index = 0; (*routes)->keys != NULL && index < (*routes)->count; index++) {
            secret_free(&(*routes)->keys[index]);
        }
        free((*routes)->keys);
        free((*routes)->at);
        free(*routes);
        *routes = NULL;
    }
}

static int hex_of(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* A segment of one or two dots, followed by nothing, a slash or a parameter (";" hides one from some servers). */
static bool is_dot_segment(struct bytes segment)
{
    size_t dots = 0;

    while (dots < segment.count && segment.data[dots] == '.') {
        dots++;
    }
    return (dots == 1 || dots == 2) && (dots == segment.count || segment.data[dots] == ';');
}

/* What one server takes for a name and another one for a way to somewhere else. */
static bool is_ambiguous(struct bytes path)
{
    for (size_t index = 0; index < path.count; index++) {
        if (path.data[index] == '/') {
            struct bytes segment = bytes_from(path, index + 1);
            ptrdiff_t end = bytes_find(segment, '/');

            if (is_dot_segment(end < 0 ? segment : bytes_first(segment, (size_t)end))) {
                return true;
            }
        } else if (path.data[index] == '%' && path.count - index >= 3) {
            int byte = hex_of(path.data[index + 1]) * 16 + hex_of(path.data[index + 2]);

            if (byte < 0x20 || byte == 0x7F || byte == '.' || byte == '/' || byte == '\\' || byte == '%') {
                return true;
            }
        } else if (path.data[index] == '\\' || path.data[index] == '%') {
            return true;
        }
    }
    return false;
}

enum status route_find(const struct routes *routes, struct bytes path, const struct route **out, struct bytes *rest)
{
    if (path.count == 0 || path.data[0] != '/' || is_ambiguous(path)) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 0; index < routes->count; index++) {
        const struct route *route = &routes->at[index];
        size_t end = route->prefix.count;

        if (bytes_starts_with(path, route->prefix) && (end == path.count || path.data[end] == '/')) {
            *out = route;
            *rest = bytes_from(path, end);
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

enum status route_url(const struct route *route, struct bytes rest, struct bytes query, bool without_key, struct buffer *out)
{
    enum status status = buffer_append(out, route->upstream);

    if (status == STATUS_OK) {
        status = buffer_append(out, rest.count == 0 ? BYTES("/") : rest);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return without_key || route->key.count > 0 ? endpoint_append_query_without_key(query, out) : buffer_append(out, query);
}

bool route_speaks(const struct route *route, enum dialect dialect)
{
    return (route->settings->from & 1U << dialect) != 0;
}
