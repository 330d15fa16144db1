/* upstream_hosts: what a URL's authority may be, read by libcurl's own parser, and a table that ends. */
#include "support/transfer.h"

#include "gateway/upstream_inside.h"

static enum status find(struct world *world, const char *url, struct upstream_host **out)
{
    return upstream_hosts_find(world->upstream, bytes_of(url), out);
}

static void a_url_gives_the_name_and_port_that_libcurl_reads(void **state)
{
    static const struct {
        const char *url;
        const char *name;
        unsigned port;
    } cases[] = {
        {"https://api.openai.com/v1/chat/completions?x=1", "api.openai.com", 443},
        {"http://api.openai.com", "api.openai.com", 80},
        {"HTTPS://API.OpenAI.com:8443/", "api.openai.com", 8443},
        {"http://127.0.0.1:9/x", "127.0.0.1", 9},
        {"http://2130706433/", "127.0.0.1", 80},
        {"http://0x7f.1/", "127.0.0.1", 80},
        {"http://[::1]:65535/", "[::1]", 65535},
        {"http://a_b-c.d?q", "a_b-c.d", 80},
    };
    struct world world;

    (void)state;
    world_open(&world);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct upstream_host *host;

        assert_status(STATUS_OK, find(&world, cases[index].url, &host));
        assert_string_equal(cases[index].name, host->origin.name);
        assert_int_equal(cases[index].port, host->origin.port);
    }
    world_close(&world);
}

static void what_is_no_plain_http_url_is_refused(void **state)
{
    static const char *const urls[] = {
        "", "http://", "http:///x", "https://", "ftp://a/", "file:///etc/passwd", "a.b/c", "//a/b", "http:/a", "javascript:x",
        "http://user@a/", "http://user:pass@a/", "http://a:b/", "http://a:0/", "http://a:65536/", "http://a:-1/",
        "http://a\\b/", "http://a%41/", "http://[fe80::1%25lo]/", "http://[::1/", "http://a]/", "http://a#f", "http://a/#f",
        "http://a/x y", "http://a/x\r\nHost: b", "http://a/\x7f", "http://a/\xc3\xa4", "http://\xc3\xa4.de/", "http://a;b/",
        " http://a/", "http://a /", "http://[zz]/",
    };
    struct world world;

    (void)state;
    world_open(&world);
    for (size_t index = 0; index < sizeof urls / sizeof urls[0]; index++) {
        struct upstream_host *host = NULL;
        enum status status = find(&world, urls[index], &host);

        if (status != STATUS_MALFORMED || host != NULL) {
            fail_msg("%s: %s", urls[index], status_name(status));
        }
    }
    assert_int_equal(0, world.upstream->host_count);
    world_close(&world);
}

static void names_and_urls_are_bounded(void **state)
{
    struct world world;
    struct upstream_host *host;
    char *url = calloc(1, UPSTREAM_URL_BYTES_MAX + 2);

    (void)state;
    world_open(&world);
    memcpy(url, "http://a/", 9);
    memset(url + 9, 'x', UPSTREAM_URL_BYTES_MAX - 9);
    assert_status(STATUS_OK, find(&world, url, &host));
    url[UPSTREAM_URL_BYTES_MAX] = 'x';
    assert_status(STATUS_MALFORMED, find(&world, url, &host));
    memset(url, 0, UPSTREAM_URL_BYTES_MAX + 2);
    memcpy(url, "https://", 8);
    for (size_t index = 0; index < HOST_NAME_BYTES_MAX; index++) {
        url[8 + index] = index % 50 == 49 ? '.' : 'n';
    }
    assert_status(STATUS_OK, find(&world, url, &host));
    url[8 + HOST_NAME_BYTES_MAX] = 'n';
    assert_status(STATUS_MALFORMED, find(&world, url, &host));
    memset(url + 8, 'n', 1000);
    assert_status(STATUS_MALFORMED, find(&world, url, &host));
    world_close(&world);
    free(url);
}

static void the_same_authority_is_one_record(void **state)
{
    struct world world;
    struct upstream_host *first;
    struct upstream_host *second;

    (void)state;
    world_open(&world);
    assert_status(STATUS_OK, find(&world, "https://a.b/x", &first));
    assert_status(STATUS_OK, find(&world, "HTTPS://A.B/y?z", &second));
    assert_ptr_equal(first, second);
    assert_status(STATUS_OK, find(&world, "http://a.b/x", &second));
    assert_ptr_not_equal(first, second);
    assert_status(STATUS_OK, find(&world, "https://a.b:444/x", &second));
    assert_ptr_not_equal(first, second);
    assert_int_equal(3, world.upstream->host_count);
    world_close(&world);
}

static void a_full_table_gives_up_what_is_idle_and_never_what_is_busy(void **state)
{
    struct world world;
    struct upstream_host *host;
    struct upstream_host *idle = NULL;
    char url[64];

    (void)state;
    world_open(&world);
    for (size_t index = 0; index < UPSTREAM_HOSTS_MAX; index++) {
        (void)snprintf(url, sizeof url, "http://host%zu/", index);
        assert_status(STATUS_OK, find(&world, url, &host));
        host->busy = 1;
        idle = index == 7 ? host : idle;
    }
    assert_status(STATUS_FULL, find(&world, "http://one-more/", &host));
    assert_status(STATUS_OK, find(&world, "http://host5/", &host));
    idle->busy = 0;
    assert_status(STATUS_OK, find(&world, "http://one-more/", &host));
    host->busy = 1;
    assert_status(STATUS_FULL, find(&world, "http://host7/", &host));
    assert_int_equal(UPSTREAM_HOSTS_MAX, world.upstream->host_count);
    for (size_t index = 0; index < UPSTREAM_HOSTS_MAX; index++) {
        world.upstream->hosts[index]->busy = 0;
    }
    world_close(&world);
}

static void a_bad_url_starts_nothing(void **state)
{
    struct world world;
    struct record record;
    struct transfer_request request = {.method = BYTES("GET"), .url = BYTES("http://user@127.0.0.1/")};

    (void)state;
    world_open(&world);
    request.fields = world.no_fields;
    record_init(&record, &world);
    assert_status(STATUS_MALFORMED, record_request(&record, &request));
    assert_null(record.transfer);
    record_free(&record);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_gives_the_name_and_port_that_libcurl_reads),
        cmocka_unit_test(what_is_no_plain_http_url_is_refused),
        cmocka_unit_test(names_and_urls_are_bounded),
        cmocka_unit_test(the_same_authority_is_one_record),
        cmocka_unit_test(a_full_table_gives_up_what_is_idle_and_never_what_is_busy),
        cmocka_unit_test(a_bad_url_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
