/* settings_check: relations between settings, and files that are named, each with the line where it can be mended. */
#include "proto/settings_check.h"

#include "proto/settings_form.h"
#include "proto/settings_path.h"
#include "proto/settings_table.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    const struct settings *settings;
    const struct settings_document *document;
    struct settings_errors *errors;
};

/* Whether a problem of this setting has been told: its value is not what the file says. */
static bool told(const struct check *check, const char *path)
{
    return settings_errors_told(check->errors, path);
}

/* Refuses `path` when its value is below what the setting `other` needs of it. */
static void check_at_least(const struct check *check, enum setting_type type, const char *path, uint64_t value, uint64_t least,
                           const char *other, const char *because)
{
    char room[64];
    struct buffer text = {.data = room, .room = sizeof room, .max = sizeof room};
    size_t split;

    if (value >= least || told(check, path) || told(check, other)) {
        return;
    }
    if (setting_number(type, value, &text) != STATUS_OK) {
        return;
    }
    split = text.count;
    if (setting_number(type, least, &text) != STATUS_OK) {
        return;
    }
    settings_path_refuse(check->errors, check->document, path, "found %.*s, allowed is at least %.*s: %s", (int)split, room,
                         (int)(text.count - split), room + split, because);
}

static void check_limits(const struct check *check)
{
    const struct limit_settings *limits = &check->settings->gateway.limits;

    check_at_least(check, SETTING_BYTES, "gateway.limits.header_bytes", limits->header_bytes, 2 * limits->header_line_bytes,
                   "gateway.limits.header_line", "one field may be twice header_line");
    check_at_least(check, SETTING_BYTES, "gateway.limits.body_budget", limits->body_budget_bytes, limits->request_bytes,
                   "gateway.limits.request_bytes", "one body may be request_bytes");
    check_at_least(check, SETTING_BYTES, "gateway.limits.stream_budget", limits->stream_budget_bytes,
                   2 * (limits->relay_buffer_bytes + UPSTREAM_CHUNK_BYTES + REPLY_HEAD_BYTES_MAX), "gateway.limits.relay_buffer",
                   "one answer may have relay_buffer, a chunk and a head unsent, in two buffers");
    check_at_least(check, SETTING_BYTES, "moderation.queue.bytes", check->settings->moderation.queue_bytes,
                   limits->moderated_text_bytes + TASK_OVERHEAD_BYTES_MAX, "gateway.limits.moderated_text",
                   "one text may be gateway.limits.moderated_text, and its envelope is 256KiB");
}

static void check_caller(const struct check *check)
{
    const struct gateway_settings *gateway = &check->settings->gateway;

    if (check->settings->key_count == 0 && !settings_is_loopback(gateway->listen) && !gateway->open &&
        !told(check, "gateway.listen") && !told(check, "gateway.open")) {
        settings_path_refuse(check->errors, check->document, "gateway.listen",
                             "found '%s', which others can reach, and no keys are asked for; allowed is a loopback address, "
                             "keys in 'gateway.keys', or 'gateway.open: true' to let everybody in",
                             gateway->listen);
    }
    if (gateway->open && check->settings->key_count > 0 && !told(check, "gateway.open") && !told(check, "gateway.keys")) {
        settings_path_refuse(check->errors, check->document, "gateway.open",
                             "found 'true', but there are keys in 'gateway.keys'; allowed is one of the two");
    }
    if (gateway->admin_listen[0] != '\0' && strcmp(gateway->admin_listen, gateway->listen) == 0 &&
        !told(check, "gateway.listen") && !told(check, "gateway.admin_listen")) {
        settings_path_refuse(check->errors, check->document, "gateway.admin_listen",
                             "found '%s', the public port; allowed is another one", gateway->admin_listen);
    }
}

/* What is wrong with a key of one item of a list; nothing when something has been told of it already. */
static void __attribute__((format(printf, 5, 6)))
refuse_item(const struct check *check, const char *list, size_t index, const char *key, const char *format, ...)
{
    char path[SETTINGS_PATH_BYTES];
    char why[2 * PATH_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    (void)snprintf(path, sizeof path, "%s[%zu].%s", list, index, key);
    if (!told(check, path)) {
        settings_path_refuse(check->errors, check->document, path, "%s", why);
    }
}

static bool has_route(const struct settings *settings, const char *path)
{
    for (size_t index = 0; index < settings->route_count; index++) {
        if (strcmp(settings->routes[index].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A caller is one name and one key, and its routes are there. */
static void check_key(const struct check *check, size_t index)
{
    const struct settings *settings = check->settings;
    const struct key_settings *key = &settings->keys[index];

    for (size_t earlier = 0; earlier < index; earlier++) {
        const struct key_settings *other = &settings->keys[earlier];

        if (strcmp(other->name, key->name) == 0 && key->name[0] != '\0') {
            refuse_item(check, "gateway.keys", index, "name",
                        "found '%s', which the key in line %u has already", key->name, other->line);
        }
        if (strcmp(other->sha256, key->sha256) == 0 && key->sha256[0] != '\0') {
            refuse_item(check, "gateway.keys", index, "sha256",
                        "found the same as in line %u; allowed is a key for each", other->line);
        }
    }
    for (size_t route = 0; route < key->route_count; route++) {
        if (!has_route(settings, key->routes[route]) && !told(check, "routes")) {
            refuse_item(check, "gateway.keys", index, "routes",
                        "found '%s', but no route under 'routes' has this path", key->routes[route]);
        }
    }
}

static bool is_switch(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static void check_private(const struct check *check)
{
    const struct private_hosts *hosts = &check->settings->gateway.allow_private_upstreams;

    for (size_t index = 0; hosts->count > 1 && index < hosts->count; index++) {
        if (is_switch(hosts->at[index])) {
            settings_path_refuse(check->errors, check->document, "gateway.allow_private_upstreams",
                                 "found '%s' among others, allowed is true or false alone, or a list of hosts", hosts->at[index]);
        }
    }
}

/* What a caller's URL may choose must be bounded by the operator on both sides: where to, and how little is judged. */
static void check_url_config(const struct check *check)
{
    const struct gateway_settings *gateway = &check->settings->gateway;

    if (!gateway->url_config) {
        return;
    }
    if (gateway->url_config_hosts.count == 0) {
        settings_path_refuse(check->errors, check->document, "gateway.url_config_hosts",
                             "missing; with 'url_config: true' it says which upstreams a URL may name");
    }
    if (settings_profile(check->settings, bytes_of(gateway->url_config_floor)) == NULL) {
        settings_path_refuse(check->errors, check->document, "gateway.url_config_floor",
                             "found '%s', allowed is a profile that stands under 'profiles'", gateway->url_config_floor);
    }
}

/* A link that is not encrypted may not leave the machine (house D16). */
static void check_local(const struct check *check, const char *path, const char *endpoint)
{
    if (check->settings->curve.dir[0] == '\0' && !setting_form_is_local(bytes_of(endpoint)) && !told(check, path)) {
        settings_path_refuse(check->errors, check->document, path,
                             "found '%s', allowed is tcp:// on a loopback address, or ipc://: without curve.dir the link is not "
                             "encrypted",
                             endpoint);
    }
}

static void check_links(const struct check *check)
{
    const struct settings *settings = check->settings;

    if (told(check, "curve")) {
        return;
    }
    check_local(check, "moderation.bind", settings->moderation.bind);
    check_local(check, "trainer.publish", settings->trainer.publish);
    for (size_t index = 0; index < settings->moderator.gateways.count; index++) {
        check_local(check, "moderator.gateways", settings->moderator.gateways.at[index]);
    }
    for (size_t index = 0; index < settings->moderator.models.count; index++) {
        check_local(check, "moderator.models", settings->moderator.models.at[index]);
    }
}

/* A route answers from its upstream or by itself, and what belongs to the one must not stand beside the other. */
static void check_serve(const struct check *check, size_t index)
{
    static const char alone[] = "but the route says 'serve: moderations', which calls no upstream";
    const struct route_settings *route = &check->settings->routes[index];

    if (route->serve == SERVE_UPSTREAM) {
        if (route->upstream[0] == '\0') {
            refuse_item(check, "routes", index, "upstream", "missing; a route needs it unless it says 'serve: moderations'");
        }
        return;
    }
    if (route->upstream[0] != '\0') {
        refuse_item(check, "routes", index, "upstream", "found '%s', %s", route->upstream, alone);
    }
    if (route->key_file[0] != '\0') {
        refuse_item(check, "routes", index, "key_file", "found a file, %s", alone);
    }
    if (route->model_count > 0) {
        refuse_item(check, "routes", index, "models", "found a list, %s", alone);
    }
    if (strcmp(route->moderation, "none") == 0) {
        refuse_item(check, "routes", index, "moderation",
                    "found 'none', allowed is a profile: 'serve: moderations' answers by its verdicts");
    }
}

/* One whose name was refused: it may be the one that a route means. */
static bool has_nameless_profile(const struct settings *settings)
{
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (settings->profiles[index].name[0] == '\0') {
            return true;
        }
    }
    return false;
}

/* Whether a problem of this key of a route has been told. */
static bool told_route(const struct check *check, size_t index, const char *key)
{
    char path[SETTINGS_PATH_BYTES];

    (void)snprintf(path, sizeof path, "routes[%zu].%s", index, key);
    return told(check, path);
}

/* A route as it stands in the file at `index`. */
static void check_route(const struct check *check, size_t index)
{
    const struct settings *settings = check->settings;
    const struct route_settings *route = &settings->routes[index];

    if (!told_route(check, index, "serve")) {
        check_serve(check, index);
    }
    if (strcmp(route->moderation, "none") != 0 && settings_profile(settings, bytes_of(route->moderation)) == NULL &&
        !has_nameless_profile(settings)) {
        refuse_item(check, "routes", index, "moderation",
                    "found '%s', but there is no such profile under 'profiles'", route->moderation);
    }
    if (route->to != FORMAT_SAME && route->from != (unsigned)route->to && !told_route(check, index, "from")) {
        refuse_item(check, "routes", index, "to",
                    "found another format than the one in 'from', allowed is the same: conversion is not built yet");
    }
    for (size_t earlier = 0; earlier < index; earlier++) {
        if (strcmp(settings->routes[earlier].path, route->path) == 0 && route->path[0] != '\0') {
            refuse_item(check, "routes", index, "path", "found '%s', which the route in line %u has already", route->path,
                        settings->routes[earlier].line);
            break;
        }
    }
}

static void check_routes(const struct check *check)
{
    for (size_t index = 0; index < check->settings->route_count; index++) {
        check_route(check, index);
    }
}

/* A trial that nothing could ever decide would keep every new model from being used. */
static void check_trial(const struct check *check, const struct profile_settings *profile)
{
    char path[SETTINGS_PATH_BYTES];

    (void)snprintf(path, sizeof path, "profiles.%s.training.canary", profile->name);
    if (!(profile->training.canary > 0) || told(check, path)) {
        return;
    }
    if (profile->review.url[0] == '\0' || !(profile->review.sample_rate > 0)) {
        settings_path_refuse(check->errors, check->document, path,
                             "found %g, allowed is 0 without a review and its sample_rate, which tell how good a new model is",
                             profile->training.canary);
    } else if (profile->store != STORE_TEXT) {
        settings_path_refuse(check->errors, check->document, path,
                             "found %g, allowed is 0 without store: text: a new model is judged by texts",
                             profile->training.canary);
    }
}

static void check_profile(const struct check *check, const struct profile_settings *profile)
{
    const struct review_settings *review = &profile->review;
    char path[SETTINGS_PATH_BYTES];
    char other[SETTINGS_PATH_BYTES];

    (void)snprintf(path, sizeof path, "profiles.%s.model.low", profile->name);
    (void)snprintf(other, sizeof other, "profiles.%s.model.high", profile->name);
    if (profile->low > profile->high && !told(check, path) && !told(check, other)) {
        settings_path_refuse(check->errors, check->document, path, "found %g, allowed is at most model.high, %g",
                             profile->low, profile->high);
    }
    (void)snprintf(path, sizeof path, "profiles.%s.review.url", profile->name);
    (void)snprintf(other, sizeof other, "profiles.%s.review.models", profile->name);
    if (!told(check, path) && !told(check, other)) {
        if (review->url[0] != '\0' && review->model_count == 0) {
            settings_path_refuse(check->errors, check->document, other, "missing; review.url needs at least one model");
        } else if (review->url[0] == '\0' && review->model_count > 0) {
            settings_path_refuse(check->errors, check->document, path,
                                 "missing; review.models are named, but not where to ask them");
        }
    }
    (void)snprintf(path, sizeof path, "profiles.%s.training.max_samples", profile->name);
    (void)snprintf(other, sizeof other, "profiles.%s.training.min_samples", profile->name);
    check_at_least(check, SETTING_NUMBER, path, profile->training.max_samples, profile->training.min_samples, other,
                   "min_samples are needed to train");
    (void)snprintf(path, sizeof path, "profiles.%s.training.keep_samples", profile->name);
    check_at_least(check, SETTING_NUMBER, path, profile->training.keep_samples, profile->training.min_samples, other,
                   "min_samples are needed to train");
    check_trial(check, profile);
}

void settings_check(const struct settings *settings, const struct settings_document *document, struct settings_errors *errors)
{
    const struct check check = {settings, document, errors};

    check_caller(&check);
    for (size_t index = 0; index < settings->key_count; index++) {
        check_key(&check, index);
    }
    check_private(&check);
    check_url_config(&check);
    check_limits(&check);
    check_links(&check);
    check_routes(&check);
    for (size_t index = 0; index < settings->profile_count; index++) {
        check_profile(&check, &settings->profiles[index]);
    }
}

/* What cannot be read, or is no file, or no folder where one is meant. */
static void check_readable(const struct check *check, const char *path, const char *name, bool folder)
{
    struct stat found;
    const char *why = NULL;

    if (name[0] == '\0') {
        return;
    }
    if (access(name, folder ? R_OK | X_OK : R_OK) != 0 || stat(name, &found) != 0) {
        why = strerror(errno);
    } else if (S_ISDIR(found.st_mode) != folder) {
        why = folder ? "it is no folder" : "it is a folder";
    }
    if (why != NULL) {
        settings_path_refuse(check->errors, check->document, path,
                             "found '%s', which cannot be read (%s); allowed is a %s that can", name, why,
                             folder ? "folder" : "file");
    }
}

static void check_profile_files(const struct check *check, const struct profile_settings *profile)
{
    char path[SETTINGS_PATH_BYTES];

    for (size_t index = 0; index < profile->keyword_file_count; index++) {
        (void)snprintf(path, sizeof path, "profiles.%s.keywords[%zu]", profile->name, index);
        check_readable(check, path, profile->keyword_files[index], false);
    }
    (void)snprintf(path, sizeof path, "profiles.%s.review.key_file", profile->name);
    check_readable(check, path, profile->review.key_file, false);
    (void)snprintf(path, sizeof path, "profiles.%s.review.prompt", profile->name);
    check_readable(check, path, profile->review.prompt_file, false);
}

void settings_check_files(const struct settings *settings, const struct settings_document *document,
                          struct settings_errors *errors)
{
    const struct check check = {settings, document, errors};
    char path[SETTINGS_PATH_BYTES];

    for (size_t index = 0; index < settings->route_count; index++) {
        (void)snprintf(path, sizeof path, "routes[%zu].key_file", index);
        check_readable(&check, path, settings->routes[index].key_file, false);
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        check_profile_files(&check, &settings->profiles[index]);
    }
    check_readable(&check, "database.password_file", settings->database.password_file, false);
    check_readable(&check, "database.hash_key_file", settings->database.hash_key_file, false);
    check_readable(&check, "curve.dir", settings->curve.dir, true);
}
