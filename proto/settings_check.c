/* settings_check: relations between settings, each with the line where it can be mended. */
#include "proto/settings_check.h"

#include "proto/settings_form.h"
#include "proto/settings_path.h"
#include "proto/settings_table.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct check {
    const struct settings *settings;
    const struct settings_document *document;
    struct settings_errors *errors;
};

/* Refuses `path` when its value is below what another setting needs of it. */
static void check_at_least(const struct check *check, enum setting_type type, const char *path, uint64_t value, uint64_t least,
                           const char *because)
{
    char room[64];
    struct buffer text = {.data = room, .room = sizeof room, .max = sizeof room};
    size_t split;

    if (value >= least) {
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
                   "one field may be twice header_line");
    check_at_least(check, SETTING_BYTES, "gateway.limits.body_budget", limits->body_budget_bytes, limits->request_bytes,
                   "one body may be request_bytes");
    check_at_least(check, SETTING_BYTES, "moderation.queue.bytes", check->settings->moderation.queue_bytes,
                   limits->moderated_text_bytes + TASK_OVERHEAD_BYTES_MAX,
                   "one text may be gateway.limits.moderated_text, and its envelope is 256KiB");
}

static void check_caller(const struct check *check)
{
    const struct gateway_settings *gateway = &check->settings->gateway;

    if (!settings_is_loopback(gateway->listen) && !gateway->open) {
        settings_path_refuse(check->errors, check->document, "gateway.listen",
                             "found '%s', which others can reach, and no keys are asked for; allowed is a loopback address, "
                             "or 'gateway.open: true' to let everybody in",
                             gateway->listen);
    }
    if (gateway->admin_listen[0] != '\0' && strcmp(gateway->admin_listen, gateway->listen) == 0) {
        settings_path_refuse(check->errors, check->document, "gateway.admin_listen",
                             "found '%s', the public port; allowed is another one", gateway->admin_listen);
    }
}

/* A link that is not encrypted may not leave the machine (house D16). */
static void check_local(const struct check *check, const char *path, const char *endpoint)
{
    if (check->settings->curve.dir[0] == '\0' && !setting_form_is_local(bytes_of(endpoint))) {
        settings_path_refuse(check->errors, check->document, path,
                             "found '%s', allowed is tcp:// on a loopback address, or ipc://: without curve.dir the link is not "
                             "encrypted",
                             endpoint);
    }
}

static void check_links(const struct check *check)
{
    const struct settings *settings = check->settings;

    check_local(check, "moderation.bind", settings->moderation.bind);
    check_local(check, "trainer.publish", settings->trainer.publish);
    for (size_t index = 0; index < settings->moderator.gateways.count; index++) {
        check_local(check, "moderator.gateways", settings->moderator.gateways.at[index]);
    }
    for (size_t index = 0; index < settings->moderator.models.count; index++) {
        check_local(check, "moderator.models", settings->moderator.models.at[index]);
    }
}

static void __attribute__((format(printf, 4, 5)))
refuse_route(const struct check *check, size_t index, const char *key, const char *format, ...)
{
    char path[SETTINGS_PATH_BYTES];
    char why[2 * PATH_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    (void)snprintf(path, sizeof path, "routes[%zu].%s", index, key);
    settings_path_refuse(check->errors, check->document, path, "%s", why);
}

/* A route answers from its upstream or by itself, and what belongs to the one must not stand beside the other. */
static void check_serve(const struct check *check, size_t index)
{
    static const char alone[] = "but the route says 'serve: moderations', which calls no upstream";
    const struct route_settings *route = &check->settings->routes[index];

    if (route->serve == SERVE_UPSTREAM) {
        if (route->upstream[0] == '\0') {
            refuse_route(check, index, "upstream", "missing; a route needs it unless it says 'serve: moderations'");
        }
        return;
    }
    if (route->upstream[0] != '\0') {
        refuse_route(check, index, "upstream", "found '%s', %s", route->upstream, alone);
    }
    if (route->key_file[0] != '\0') {
        refuse_route(check, index, "key_file", "found a file, %s", alone);
    }
    if (route->model_count > 0) {
        refuse_route(check, index, "models", "found a list, %s", alone);
    }
    if (strcmp(route->moderation, "none") == 0) {
        refuse_route(check, index, "moderation",
                     "found 'none', allowed is a profile: 'serve: moderations' answers by its verdicts");
    }
}

static void check_routes(const struct check *check)
{
    const struct settings *settings = check->settings;

    for (size_t index = 0; index < settings->route_count; index++) {
        const struct route_settings *route = &settings->routes[index];

        check_serve(check, index);
        if (strcmp(route->moderation, "none") != 0 && settings_profile(settings, bytes_of(route->moderation)) == NULL) {
            refuse_route(check, index, "moderation", "found '%s', but there is no such profile under 'profiles'",
                         route->moderation);
        }
        if (route->to != FORMAT_SAME && route->from != (unsigned)route->to) {
            refuse_route(check, index, "to",
                         "found another format than the one in 'from', allowed is the same: conversion is not built yet");
        }
        for (size_t earlier = 0; earlier < index; earlier++) {
            if (strcmp(settings->routes[earlier].path, route->path) == 0) {
                refuse_route(check, index, "path", "found '%s', which the route in line %u has already", route->path,
                             settings->routes[earlier].line);
                break;
            }
        }
    }
}

static void refuse_profile(const struct check *check, const struct profile_settings *profile, const char *key, const char *why)
{
    char path[SETTINGS_PATH_BYTES];

    (void)snprintf(path, sizeof path, "profiles.%s.%s", profile->name, key);
    settings_path_refuse(check->errors, check->document, path, "%s", why);
}

static void check_profile(const struct check *check, const struct profile_settings *profile)
{
    const struct review_settings *review = &profile->review;
    char path[SETTINGS_PATH_BYTES];

    if (profile->low > profile->high) {
        (void)snprintf(path, sizeof path, "profiles.%s.model.low", profile->name);
        settings_path_refuse(check->errors, check->document, path, "found %g, allowed is at most model.high, %g",
                             profile->low, profile->high);
    }
    if (review->url[0] != '\0' && review->model_count == 0) {
        refuse_profile(check, profile, "review.models", "missing; review.url needs at least one model");
    }
    if (review->url[0] == '\0' && review->model_count > 0) {
        refuse_profile(check, profile, "review.url", "missing; review.models are named, but not where to ask them");
    }
    (void)snprintf(path, sizeof path, "profiles.%s.training.max_samples", profile->name);
    check_at_least(check, SETTING_NUMBER, path, profile->training.max_samples, profile->training.min_samples,
                   "min_samples are needed to train");
}

void settings_check(const struct settings *settings, const struct settings_document *document, struct settings_errors *errors)
{
    const struct check check = {settings, document, errors};

    check_caller(&check);
    check_limits(&check);
    check_links(&check);
    check_routes(&check);
    for (size_t index = 0; index < settings->profile_count; index++) {
        check_profile(&check, &settings->profiles[index]);
    }
}

static size_t check_file(const struct settings *settings, const struct profile_settings *profile, const char *key,
                         const char *file, FILE *errors)
{
    if (file[0] == '\0' || access(file, R_OK) == 0) {
        return 0;
    }
    fprintf(errors, "%s:%u: profiles.%s.%s: '%s' cannot be read: %s\n", settings->file, profile->line, profile->name, key, file,
            strerror(errno));
    return 1;
}

enum status settings_check_files(const struct settings *settings, FILE *errors)
{
    size_t missing = 0;

    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];

        for (size_t at = 0; at < profile->keyword_file_count; at++) {
            missing += check_file(settings, profile, "keywords", profile->keyword_files[at], errors);
        }
        missing += check_file(settings, profile, "review.prompt", profile->review.prompt_file, errors);
    }
    if (settings->curve.dir[0] != '\0' && access(settings->curve.dir, R_OK | X_OK) != 0) {
        fprintf(errors, "%s: curve.dir: '%s' cannot be read: %s\n", settings->file, settings->curve.dir, strerror(errno));
        missing++;
    }
    return missing == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}
