/* test_settings_form: what is a listener, a URL, an endpoint, a path, a name, and what only looks like one. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings.h"
#include "proto/settings_form.h"

static void assert_all(bool expected, enum setting_type type, const char *const *texts)
{
    for (size_t index = 0; texts[index] != NULL; index++) {
        if (setting_form_holds(type, bytes_of(texts[index])) != expected) {
            fail_msg("'%s' is %s", texts[index], expected ? "refused" : "accepted");
        }
    }
}

#define ACCEPTS(type, ...) assert_all(true, type, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSES(type, ...) assert_all(false, type, (const char *const[]){__VA_ARGS__, NULL})

static void a_listener_is_a_host_and_a_port(void **state)
{
    (void)state;
    ACCEPTS(SETTING_LISTEN, "127.0.0.1:8080", "localhost:0", "[::1]:65535", "[::ffff:1.2.3.4]:1", "a-b.example:1");
    ACCEPTS(SETTING_LISTEN_ANY, "127.0.0.1:8080", "unix:/run/prismguard/http", "unix:/x");
    REFUSES(SETTING_LISTEN_ANY, "unix:", "unix:x", "a", "unix:/a\nb");
    ACCEPTS(SETTING_NETWORK, "10.0.0.0/8", "::1", "unix");
    REFUSES(SETTING_NETWORK, "10.0.0.1/8", "a.test", "UNIX", "unix:/a");
    REFUSES(SETTING_LISTEN, ":", ":80", "a", "a:", "a:b", "a:-1", "a:+1", "a: 1", "a:65536", "a:99999999999999999999",
            "::1:80", "[::1]", "[::1:80", "::1]:80", "[]:80", "[a.b]:80", "[1.2.3.4]:80", "a b:80", ".a:80", "-a:80",
            "http://a:80", "a:80/");
}

static void a_url_has_a_scheme_a_host_and_nothing_that_surprises(void **state)
{
    (void)state;
    ACCEPTS(SETTING_UPSTREAM, "http://a", "https://a", "https://a/", "https://a.example:8443/v1", "http://[::1]:80/x",
            "http://[::1]", "http://127.0.0.1:1", "https://a/b;c=d", "https://a/%20");
    REFUSES(SETTING_UPSTREAM, "a", "//a", "http:", "http://", "https:///x", "ftp://a", "HTTP://a", "http:/a", "http://a:",
            "http://a:0", "http://a:65536", "http://a:b", "http://a:80:80", "http://user@a", "http://user:p@a/", "http://a?b",
            "http://a/b?c", "http://a#b", "http://a/b#c", "http://a b", "http://a\\b", "http://a/\"", "http://a/\x7f",
            "http://a/\n", "http://\xC3\xA4", "http://-a", "http://[::1", "http://a/<");
    ACCEPTS(SETTING_URL, "https://a.example/v1/chat/completions?api-version=2024-10-21", "http://a?b");
    REFUSES(SETTING_URL, "https://user@a/?b", "https://a/?b#c", "https://?a");
}

static void an_endpoint_names_a_transport_and_an_address(void **state)
{
    (void)state;
    ACCEPTS(SETTING_BIND, "tcp://0.0.0.0:5555", "tcp://*:*", "tcp://127.0.0.1:0", "tcp://[::]:1", "ipc:///run/a b", "inproc://a");
    REFUSES(SETTING_BIND, "tcp://", "tcp://a", "tcp://a:", "tcp://:1", "tcp://a:65536", "ipc://", "inproc://", "udp://a:1", "a:1",
            "TCP://a:1", "ipc://a\n");
    ACCEPTS(SETTING_CONNECT, "tcp://gateway:5555", "tcp://[::1]:1", "ipc:///run/a");
    REFUSES(SETTING_CONNECT, "tcp://*:5555", "tcp://a:*", "tcp://a:0");
}

static void a_prefix_is_written_in_one_way_only(void **state)
{
    (void)state;
    ACCEPTS(SETTING_PREFIX, "/", "/a", "/openai/v1", "/a-b_c.d~e", "/...", "/.a");
    REFUSES(SETTING_PREFIX, "a", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/a/../b", "/a?b", "/a#b", "/a%20", "/a b",
            "/a\\b", "/{a}");
}

static void what_a_url_may_name_is_a_host_and_perhaps_more(void **state)
{
    (void)state;
    ACCEPTS(SETTING_URL_HOST, "api.openai.com", "a:8443", "https://a", "http://a:1", "a/v1", "http://127.0.0.1:8900/x/y", "[::1]:80",
            "a/");
    REFUSES(SETTING_URL_HOST, "a:0", "a:x", "ftp://a", "HTTPS://a", "https://", "u@a", "a?b", "a#b", "a/v1/", "a//b", "a/../b", "a/%20",
            "*.a", "a b", "/v1", "https:///v1");
    ACCEPTS(SETTING_HOST, "llm", "127.0.0.1", "[::1]", "true");
    REFUSES(SETTING_HOST, "llm:8900", "http://llm", "::1", "10.0.0.0/8", "*", "a b");
}

static void names_are_words(void **state)
{
    (void)state;
    ACCEPTS(SETTING_NAME, "none", "default", "a-B_9", "9");
    REFUSES(SETTING_NAME, "a b", "a.b", "a/b", "-a", "_a", "..");
    ACCEPTS(SETTING_LABEL, "default", "a-B_9", "9");
    REFUSES(SETTING_LABEL, "none", "a b", "a.b", "?a", "-a", "_a");
    assert_true(settings_is_key_name("team-a"));
    assert_false(settings_is_key_name("none"));
    ACCEPTS(SETTING_SHA256, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    REFUSES(SETTING_SHA256, "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
            "0123456789abcdeg0123456789abcdef0123456789abcdef0123456789abcdef");
    ACCEPTS(SETTING_MODEL, "gpt-4.1-mini", "org/model:tag@v1");
    REFUSES(SETTING_MODEL, "a b", "a\tb");
    ACCEPTS(SETTING_TEXT, "host=/tmp user=a", "\xC3\xA4");
    REFUSES(SETTING_TEXT, "a\nb", "\x7f");
    ACCEPTS(SETTING_FILE, "a.key", "/run/secrets/a b");
    REFUSES(SETTING_FILE, "a\nb");
    ACCEPTS(SETTING_FOLDER, "keys", "/run/secrets/curve");
    REFUSES(SETTING_FOLDER, "a\nb");
    REFUSES(SETTING_PROFILE_FILE, "a\x01");
    assert_false(setting_form_is_profile_name(BYTES("none")));
    assert_false(setting_form_is_profile_name(BYTES("")));
}

/* Not one of these may be cut short by a byte that ends a C string. */
static void a_nul_is_part_of_no_form(void **state)
{
    (void)state;
    assert_false(setting_form_holds(SETTING_PREFIX, BYTES("/a\0b")));
    assert_false(setting_form_holds(SETTING_LISTEN, BYTES("a\0b:80")));
    assert_false(setting_form_holds(SETTING_LISTEN, BYTES("[::\0]:80")));
    assert_false(setting_form_holds(SETTING_UPSTREAM, BYTES("http://a/\0")));
    assert_false(setting_form_holds(SETTING_NAME, BYTES("a\0")));
    assert_false(setting_form_holds(SETTING_TEXT, BYTES("a\0")));
}

static void loopback_is_known_by_its_address_and_not_by_a_name_that_looks_like_it(void **state)
{
    static const char *const local[] = {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "localhost:1"};
    static const char *const remote[] = {"0.0.0.0:1",          "128.0.0.1:1", "[::]:1",        "127.evil.example:1",
                                         "127.0.0.1.evil:1",   "1270.0.0.1:1", "gateway:1",    "localhost.evil:1",
                                         "10.127.0.1:1",       "127.0.1:1"};

    (void)state;
    for (size_t index = 0; index < sizeof local / sizeof local[0]; index++) {
        assert_true(settings_is_loopback(local[index]));
    }
    for (size_t index = 0; index < sizeof remote / sizeof remote[0]; index++) {
        assert_false(settings_is_loopback(remote[index]));
    }
    assert_true(setting_form_is_local(BYTES("ipc:///a")));
    assert_true(setting_form_is_local(BYTES("inproc://a")));
    assert_true(setting_form_is_local(BYTES("tcp://127.0.0.1:1")));
    assert_false(setting_form_is_local(BYTES("tcp://*:1")));
    assert_false(setting_form_is_local(BYTES("tcp://0.0.0.0:1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_is_a_host_and_a_port),
        cmocka_unit_test(a_url_has_a_scheme_a_host_and_nothing_that_surprises),
        cmocka_unit_test(an_endpoint_names_a_transport_and_an_address),
        cmocka_unit_test(a_prefix_is_written_in_one_way_only),
        cmocka_unit_test(what_a_url_may_name_is_a_host_and_perhaps_more),
        cmocka_unit_test(names_are_words),
        cmocka_unit_test(a_nul_is_part_of_no_form),
        cmocka_unit_test(loopback_is_known_by_its_address_and_not_by_a_name_that_looks_like_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
