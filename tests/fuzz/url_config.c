/* url_config: a path of PrismGuard's URL forms, and behind a line end its query. Whatever it says, the policy is one of the
 * operator's profiles, the URL that is called begins as one that the operator has listed, and a refusal says why in our own words;
 * how much of the policy is percent-encoded changes nothing. */
#include "fuzz/fuzz.h"

#include "gateway/route.h"
#include "gateway/url_config.h"

static struct profile_settings profiles[] = {{.name = "default"}, {.name = "strict"}};
static struct settings settings = {
    .file = "fuzz.yaml",
    .profile_count = 2,
    .profiles = profiles,
    .gateway = {.url_config = true,
                .url_config_floor = "default",
                .url_config_hosts = {3, {"https://upstream.test/v1", "http://plain.test", "b.test:8443"}}},
};

struct reading {
    struct json json;
    struct buffer decoded;
    struct url_config config;
    struct url_target target;
    struct problem problem;
    enum status status;
};

static void read_form(struct reading *reading, struct bytes path, struct bytes query)
{
    *reading = (struct reading){0};
    json_init(&reading->json);
    buffer_init(&reading->decoded, 64 * KIB);
    reading->status = url_config_read(&reading->config, &reading->target, &settings, path, query, &reading->json,
                                      &reading->decoded, &reading->problem);
}

static void end(struct reading *reading)
{
    json_free(&reading->json);
    buffer_free(&reading->decoded);
}

static bool is_visible(struct bytes text)
{
    for (size_t at = 0; at < text.count; at++) {
        if (text.data[at] < '!' || text.data[at] > '~') {
            return false;
        }
    }
    return true;
}

static void hold_refusal(const struct problem *problem)
{
    fuzz_hold(problem->kind == ERROR_CONFIG && problem->sentence[0] != '\0');
    for (const char *at = problem->sentence; *at != '\0'; at++) {
        fuzz_hold(*at >= ' ' && *at <= '~');
    }
}

static void hold_policy(const struct url_config *config)
{
    fuzz_hold(config->profile == NULL || config->profile == &profiles[0] || config->profile == &profiles[1]);
    fuzz_hold(((unsigned)config->from & ~(unsigned)FORMAT_AUTO) == 0);
    fuzz_hold(config->to == FORMAT_SAME || (((unsigned)config->to & ~(unsigned)FORMAT_AUTO) == 0 &&
                                            ((unsigned)config->to & ((unsigned)config->to - 1)) == 0));
    for (unsigned dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct problem problem = {0};

        if (url_config_admits(config, (enum dialect)dialect, &problem) != STATUS_OK) {
            hold_refusal(&problem);
            fuzz_hold(config->transforms);
        }
    }
}

/* What would be called. */
static void hold_target(const struct url_target *target)
{
    static struct routes *routes;
    const struct route_settings *bad;
    const struct route *route = NULL;
    struct bytes rest;
    struct buffer url;

    if (routes == NULL) {
        fuzz_hold(routes_open(&routes, &settings, &bad) == STATUS_OK);
    }
    if (route_find_url(routes, target->url, &route, &rest) != STATUS_OK) {
        return;
    }
    fuzz_hold(route->profile == &profiles[0]); /* the floor */
    fuzz_hold(rest.count == 0 || rest.data[0] == '/');
    fuzz_hold(memmem(rest.data, rest.count, "/../", 4) == NULL && !bytes_ends_with(rest, BYTES("/..")));
    fuzz_hold(is_visible(rest));
    buffer_init(&url, 64 * KIB);
    fuzz_hold(route_url(route, rest, target->query, true, &url) == STATUS_OK);
    fuzz_hold(bytes_starts_with(buffer_view(&url), route->upstream));
    fuzz_hold(bytes_starts_with(buffer_view(&url), BYTES("https://upstream.test")) ||
              bytes_starts_with(buffer_view(&url), BYTES("http://plain.test")) ||
              bytes_starts_with(buffer_view(&url), BYTES("https://b.test:8443")));
    buffer_free(&url);
}

/* All of the policy encoded, the URL as it was. */
static void hold_encoded(const struct reading *reading, struct bytes path, struct bytes query)
{
    ptrdiff_t dollar = bytes_find(path, '$');
    struct bytes policy = buffer_view(&reading->decoded);
    struct reading again;
    struct buffer whole;

    if (dollar < 0 || strcmp(reading->problem.sentence, "invalid percent encoding") == 0) {
        return;
    }
    buffer_init(&whole, 128 * KIB);
    fuzz_hold(buffer_append_text(&whole, "/") == STATUS_OK);
    for (size_t at = 0; at < policy.count; at++) {
        fuzz_hold(buffer_append_format(&whole, at % 2 == 0 ? "%%%02x" : "%%%02X", (unsigned char)policy.data[at]) == STATUS_OK);
    }
    fuzz_hold(buffer_append(&whole, bytes_from(path, (size_t)dollar)) == STATUS_OK);
    read_form(&again, buffer_view(&whole), query);
    fuzz_hold(again.status == reading->status);
    if (again.status == STATUS_OK) {
        fuzz_hold(again.config.profile == reading->config.profile && again.config.from == reading->config.from);
        fuzz_hold(again.config.to == reading->config.to && again.config.strict == reading->config.strict);
        fuzz_hold(bytes_equal(again.target.url, reading->target.url) && bytes_equal(again.target.query, query));
    } else {
        fuzz_hold(strcmp(again.problem.sentence, reading->problem.sentence) == 0);
    }
    end(&again);
    buffer_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes path = fuzz_bytes(data, size);
    ptrdiff_t line = bytes_find(path, '\n');
    struct bytes query = {NULL, 0};
    struct reading reading;

    if (line >= 0) {
        query = bytes_from(path, (size_t)line + 1);
        path = bytes_first(path, (size_t)line);
    }
    if (size > 16 * KIB || !url_config_is_form(path) || (query.count > 0 && (query.data[0] != '?' || !is_visible(query)))) {
        return 0;
    }
    fuzz_hold(setenv("PROXY_CONFIG_FUZZ", "{\"smart_moderation\":{\"enabled\":true,\"profile\":\"strict\"}}", 1) == 0);
    read_form(&reading, path, query);
    if (reading.status == STATUS_OK) {
        hold_policy(&reading.config);
        hold_target(&reading.target);
        fuzz_hold(reading.target.query.count == 0 || (reading.target.query.data[0] == '?' && is_visible(reading.target.query)));
    } else {
        fuzz_hold(reading.status == STATUS_MALFORMED);
        hold_refusal(&reading.problem);
    }
    hold_encoded(&reading, path, query);
    end(&reading);
    return 0;
}
