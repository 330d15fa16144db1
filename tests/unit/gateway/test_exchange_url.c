/* Tests of exchange_url: a request whose URL names its upstream and its policy, from the client to the upstream. */
#include "gateway/exchange.h"

#include "support/town.h"

#define BODY "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define STRICT "/%7B%22smart_moderation%22%3A%7B%22enabled%22%3Atrue%2C%22profile%22%3A%22strict%22%7D%7D"
#define LINES "Connection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer theirs\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

struct city {
    struct town town;
    struct profile_settings profiles[2];
    struct scripted slot;
    unsigned port;
    char room[TOWN_TEXT_BYTES_MAX];
    char path[KIB];
};

static struct city *city_open(void)
{
    struct city *city = calloc(1, sizeof *city);
    struct gateway_settings *gateway = &city->town.settings.gateway;

    assert_non_null(city);
    town_init(&city->town);
    assert_int_equal(1, sscanf(city->town.routes_settings[0].upstream, "http://127.0.0.1:%u", &city->port));
    gateway->url_config = true;
    gateway->url_config_hosts.count = 1;
    (void)snprintf(gateway->url_config_hosts.at[0], sizeof gateway->url_config_hosts.at[0], "http://127.0.0.1:%u/v1", city->port);
    (void)snprintf(gateway->url_config_floor, sizeof gateway->url_config_floor, "default");
    city->profiles[0] = city->town.profile;
    city->profiles[1] = (struct profile_settings){.name = "strict", .scope_roles = SCOPE_USER};
    city->town.settings.profiles = city->profiles;
    city->town.settings.profile_count = 2;
    town_start(&city->town);
    return city;
}

static void city_close(struct city *city)
{
    town_close(&city->town);
    free(city);
}

/* A client that has sent its request: the policy, '$', the test's own listener, and `path`. */
static int city_post(struct city *city, const char *policy, const char *path)
{
    int client = town_client(&city->town);

    (void)snprintf(city->path, sizeof city->path, "%s$http://127.0.0.1:%u%s", policy, city->port, path);
    town_post(client, city->path, LINES, BODY);
    return client;
}

static void judge(struct city *city, const char *profile, enum outcome outcome)
{
    scripted_task(&city->slot);
    assert_bytes(profile, city->slot.task.profile);
    scripted_answer(&city->slot, outcome);
}

static void assert_answer(struct city *city, int client, const char *status, const char *part)
{
    city->room[0] = '\0';
    assert_true(town_hear_all(client, city->room));
    if (strncmp(city->room + strlen("HTTP/1.1 "), status, 3) != 0 || strstr(city->room, part) == NULL) {
        fail_msg("wanted %s %s, got %s", status, part, city->room);
    }
    (void)close(client);
}

/* What comes to the upstream, answered. */
static void assert_relayed(struct city *city, int client, const char *line)
{
    int upstream = town_upstream(&city->town);

    city->room[0] = '\0';
    assert_true(town_hear(upstream, city->room, BODY));
    assert_memory_equal(line, city->room, strlen(line));
    assert_non_null(strstr(city->room, "Authorization: Bearer theirs\r\n"));
    town_say(upstream, ANSWER);
    assert_answer(city, client, "200", "{}");
    (void)close(upstream);
}

static void the_floor_judges_what_names_no_profile(void **state)
{
    struct city *city = city_open();
    int client;

    (void)state;
    town_moderator(&city->town, &city->slot);
    client = city_post(city, "/%7B%7D", "/v1/chat/completions?key=k&b=%2F");
    judge(city, "default", OUTCOME_ALLOW);
    assert_relayed(city, client, "POST /v1/chat/completions?key=k&b=%2F HTTP/1.1\r\n");
    client = city_post(city, "/%7B%7D", "/v1/chat/completions");
    judge(city, "default", OUTCOME_BLOCK);
    assert_answer(city, client, "400", "\"content_filter\"");
    assert_false(town_upstream_was_called(&city->town));
    scripted_close(&city->slot);
    city_close(city);
}

static void a_profile_that_the_url_names_judges_after_the_floor(void **state)
{
    struct city *city = city_open();
    int client;

    (void)state;
    town_moderator(&city->town, &city->slot);
    client = city_post(city, STRICT, "/v1/chat/completions");
    judge(city, "default", OUTCOME_ALLOW);
    judge(city, "strict", OUTCOME_BLOCK);
    assert_answer(city, client, "400", "\"content_filter\"");
    client = city_post(city, STRICT, "/v1/chat/completions");
    judge(city, "default", OUTCOME_BLOCK);
    assert_answer(city, client, "400", "\"content_filter\"");
    assert_false(town_upstream_was_called(&city->town));
    client = city_post(city, STRICT, "/v1//chat/completions");
    judge(city, "default", OUTCOME_ALLOW);
    judge(city, "strict", OUTCOME_ALLOW);
    assert_relayed(city, client, "POST /v1//chat/completions HTTP/1.1\r\n");
    scripted_close(&city->slot);
    city_close(city);
}

/* A stream that ends before it has said anything: an error, where the policy says that its head waits. */
static void the_url_decides_whether_a_stream_s_head_waits(void **state)
{
    static const struct {
        const char *policy;
        const char *status;
    } cases[] = {{"/%7B%7D", "200"}, {"/%7B%22format_transform%22%3A%7B%22delay_stream_header%22%3Atrue%7D%7D", "502"}};
    struct city *city = city_open();

    (void)state;
    town_moderator(&city->town, &city->slot);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        int client = city_post(city, cases[index].policy, "/v1/chat/completions");
        int upstream;

        judge(city, "default", OUTCOME_ALLOW);
        upstream = town_upstream(&city->town);
        city->room[0] = '\0';
        assert_true(town_hear(upstream, city->room, BODY));
        town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 14\r\n\r\ndata: [DONE]\n\n");
        assert_answer(city, client, cases[index].status, "");
        (void)close(upstream);
    }
    scripted_close(&city->slot);
    city_close(city);
}

/* Refused, and nobody was asked or called. */
static void assert_refused(struct city *city, const char *path, const char *status, const char *part)
{
    int client = town_client(&city->town);

    town_post(client, path, LINES, BODY);
    assert_answer(city, client, status, part);
    assert_false(town_upstream_was_called(&city->town));
}

static void what_is_not_allowed_is_refused_before_anybody_is_asked(void **state)
{
    struct city *city = city_open();

    (void)state;
    assert_refused(city, "/%7B%7D$http://127.0.0.1:1/v1/chat/completions", "403", "\"upstream_not_allowed\"");
    assert_refused(city, "/%7B%7D$http://127.0.0.1/v1/messages", "403", "\"permission_error\"");
    assert_refused(city, "/%7B$http://127.0.0.1/v1", "400", "\"CONFIG_PARSE_ERROR\"");
    assert_refused(city, "/%7B%7D$ftp://a/v1/messages", "400", "\"message\":\"invalid upstream url\",\"type\":\"config_error\"");
    assert_refused(city, "/!PATH$http://127.0.0.1/v1", "400", "Environment variable PATH not found");
    assert_answer(city, city_post(city, "/%7B%7D", "/v2/chat/completions"), "403", "\"upstream_not_allowed\"");
    assert_answer(city, city_post(city, "/%7B%7D", "/v1/files"), "404", "\"endpoint_not_supported\"");
    assert_answer(city, city_post(city, "/%7B%22format_transform%22%3A%7B%22enabled%22%3Atrue%2C%22to%22%3A%22claude_chat%22%7D%7D",
                                  "/v1/chat/completions"),
                  "400", "format_transform.to");
    assert_false(town_upstream_was_called(&city->town));
    city_close(city);
}

static void the_forms_are_no_paths_of_ours_when_they_are_off(void **state)
{
    struct town town;
    int client;
    char room[TOWN_TEXT_BYTES_MAX] = "";

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_post(client, "/%7B%7D$http://127.0.0.1/v1/chat/completions", LINES, BODY);
    assert_true(town_hear_all(client, room));
    assert_non_null(strstr(room, "no route of this gateway serves this path"));
    (void)close(client);
    assert_false(town_upstream_was_called(&town));
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_floor_judges_what_names_no_profile),
        cmocka_unit_test(a_profile_that_the_url_names_judges_after_the_floor),
        cmocka_unit_test(the_url_decides_whether_a_stream_s_head_waits),
        cmocka_unit_test(what_is_not_allowed_is_refused_before_anybody_is_asked),
        cmocka_unit_test(the_forms_are_no_paths_of_ours_when_they_are_off),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}
