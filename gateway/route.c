/* route: prefixes, longest first; and which paths are not looked at. */
#include "gateway/route.h"

#include "gateway/endpoint.h"
#include "gateway/path.h"
#include "gateway/upstream_origin.h"
#include "proto/secret.h"

#include <stdlib.h>

/* Settings name the formats without knowing the dialects. */
_Static_assert(FORMAT_OPENAI_CHAT == 1 << DIALECT_OPENAI_CHAT && FORMAT_OPENAI_RESPONSES == 1 << DIALECT_OPENAI_RESPONSES &&
                   FORMAT_CLAUDE_CHAT == 1 << DIALECT_CLAUDE_CHAT && FORMAT_GEMINI_CHAT == 1 << DIALECT_GEMINI_CHAT &&
                   FORMAT_AUTO == (1 << DIALECT_COUNT) - 1,
               "a format is the bit of its dialect");

/* An upstream that a URL may name. */
struct url_host {
    struct route route; /* its prefix is compared, and stays in what is left of the path */
    struct upstream_origin origin;
    char text[PATH_BYTES_MAX + sizeof "https://"];
};

struct routes {
    size_t count;
    struct secret *keys; /* one a route, or empty */
    struct route *at;    /* longest path first, as the settings are */
    size_t url_count;
    struct url_host *urls;
    struct route_settings *url_settings; /* of all of them: the settings of a route that nobody wrote down */
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

static enum status open_url_host(struct url_host *host, const struct route_settings *settings,
                                 const struct profile_settings *floor, struct bytes text)
{
    bool has_scheme = bytes_starts_with(text, BYTES("https://")) || bytes_starts_with(text, BYTES("http://"));
    struct buffer whole = {.data = host->text, .room = sizeof host->text, .max = sizeof host->text};
    enum status status = buffer_append_text(&whole, has_scheme ? "" : "https://");
    char origin[ORIGIN_BYTES_MAX];
    size_t bytes = 0;

    if (status == STATUS_OK) {
        status = buffer_append(&whole, text);
    }
    if (status == STATUS_OK) {
        status = upstream_origin_bytes(buffer_view(&whole), &bytes);
    }
    if (status == STATUS_OK) {
        status = bytes_copy(bytes_first(buffer_view(&whole), bytes), origin, sizeof origin);
    }
    host->route = (struct route){.settings = settings,
                                 .profile = floor,
                                 .prefix = without_slash(bytes_from(buffer_view(&whole), bytes)),
                                 .upstream = bytes_first(buffer_view(&whole), bytes)};
    return status == STATUS_OK ? upstream_origin_read(origin, &host->origin) : status;
}

/* The caller's own credential and no other goes to them: a route's key is bound to the route's host. */
static enum status open_urls(struct routes *routes, const struct settings *settings)
{
    const struct gateway_settings *gateway = &settings->gateway;
    const struct profile_settings *floor = settings_profile(settings, bytes_of(gateway->url_config_floor));
    enum status status = STATUS_OK;

    if (!gateway->url_config) {
        return STATUS_OK;
    }
    if (floor == NULL) {
        return STATUS_NOT_FOUND;
    }
    routes->urls = calloc(gateway->url_config_hosts.count + 1, sizeof routes->urls[0]);
    routes->url_settings = calloc(1, sizeof *routes->url_settings);
    if (routes->urls == NULL || routes->url_settings == NULL) {
        return STATUS_NO_MEMORY;
    }
    *routes->url_settings = (struct route_settings){.path = ROUTE_NAME_URL, .from = FORMAT_AUTO};
    while (status == STATUS_OK && routes->url_count < gateway->url_config_hosts.count) {
        status = open_url_host(&routes->urls[routes->url_count], routes->url_settings, floor,
                               bytes_of(gateway->url_config_hosts.at[routes->url_count]));
        routes->url_count++;
    }
    return status;
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
    status = open_urls(routes, settings);
    if (status != STATUS_OK) {
        goto fail;
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
        free((*routes)->url_settings);
        free((*routes)->urls);
        free((*routes)->keys);
        free((*routes)->at);
        free(*routes);
        *routes = NULL;
    }
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

static size_t separator_bytes(struct bytes path)
{
    if (path.count > 0 && path.data[0] == '/') {
        return 1;
    }
    return path.count > 0 && path.data[0] == '%' && bytes_equal_nocase(bytes_first(path, 3), BYTES("%2F")) ? 3 : 0;
}

static struct bytes first_segment(struct bytes path)
{
    size_t end = 0;

    while (end < path.count && separator_bytes(bytes_from(path, end)) == 0) {
        end++;
    }
    return bytes_first(path, end);
}

/* What one server takes for a name and another one for a way to somewhere else. An encoded slash is one of them, unless
 * `slashes` may be there as parts of names; what they would make of the path is looked at then. */
static bool is_ambiguous(struct bytes path, bool slashes)
{
    for (size_t index = 0; index < path.count; index++) {
        struct bytes here = bytes_from(path, index);
        size_t separator = separator_bytes(here);

        if (separator > 0) {
            if ((separator > 1 && !slashes) || is_dot_segment(first_segment(bytes_from(here, separator)))) {
                return true;
            }
        } else if (here.data[0] == '%') {
            int byte = bytes_escaped(here);

            if (byte < 0x20 || byte == 0x7F || byte == '.' || byte == '\\' || byte == '%') {
                return true;
            }
        } else if (here.data[0] == '\\') {
            return true;
        }
    }
    return false;
}

/* By the text alone: whatever else a URL calls its path is not what the operator has listed. */
static bool has_prefix(struct bytes path, struct bytes prefix)
{
    return bytes_starts_with(path, prefix) && (prefix.count == path.count || path.data[prefix.count] == '/');
}

enum status route_find(const struct routes *routes, struct bytes path, const struct route **out, struct bytes *rest)
{
    struct path_front front;

    if (path.count == 0 || path.data[0] != '/' || is_ambiguous(path, false)) {
        return STATUS_MALFORMED;
    }
    path_front_read(&front, path);
    for (size_t index = 0; index < routes->count; index++) {
        const struct route *route = &routes->at[index];

        if (path_begins_with(&front, route->prefix, rest)) {
            *out = route;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

enum status route_find_url(const struct routes *routes, struct bytes url, const struct route **out, struct bytes *rest)
{
    struct upstream_origin origin;
    char text[ORIGIN_BYTES_MAX];
    struct bytes path;
    size_t bytes;
    enum status status = upstream_origin_bytes(url, &bytes);

    if (status != STATUS_OK || bytes_copy(bytes_first(url, bytes), text, sizeof text) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    status = upstream_origin_read(text, &origin);
    if (status != STATUS_OK) {
        return status;
    }
    path = bytes_from(url, bytes);
    if (bytes_find(path, '?') >= 0 || !path_is_of_uri(path) || is_ambiguous(path, true)) {
        return STATUS_MALFORMED;
    }
    for (size_t index = 0; index < routes->url_count; index++) {
        const struct url_host *host = &routes->urls[index];

        if (upstream_origin_equal(&origin, &host->origin) && has_prefix(path, host->route.prefix)) {
            *out = &host->route;
            *rest = path;
            return STATUS_OK;
        }
    }
    return STATUS_DENIED;
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
