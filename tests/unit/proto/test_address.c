/* test_address: "host:port" is split at its port, looked up, and known as loopback by its number. */
#include "support/unit.h"

#include "proto/address.h"

#include <errno.h>
#include <netinet/in.h>

static void an_address_is_split_at_its_port(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        const char *port;
    } good[] = {{"a:1", "a", "1"}, {"[::1]:0", "[::1]", "0"}, {"*:*", "*", "*"}, {":80", "", "80"}, {"a:", "a", ""}};
    static const char *const bad[] = {"", "a", "127.0.0.1", "[::1]", "[a:1]"};
    struct bytes host = BYTES("untouched");
    struct bytes port = BYTES("untouched");

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_false(address_split(bytes_of(bad[index]), &host, &port));
        assert_true(bytes_equal(host, BYTES("untouched")) && bytes_equal(port, BYTES("untouched")));
    }
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        assert_true(address_split(bytes_of(good[index].text), &host, &port));
        assert_true(bytes_equal(host, bytes_of(good[index].host)) && bytes_equal(port, bytes_of(good[index].port)));
    }
}

static void loopback_is_known_by_its_number_and_not_by_a_name_that_looks_like_it(void **state)
{
    static const char *const local[] = {"127.0.0.1", "127.255.0.9", "[::1]", "::1", "[::ffff:127.0.0.1]", "localhost"};
    static const char *const remote[] = {
        "",           "0.0.0.0",        "128.0.0.1",  "[::]",   "127.evil.example", "127.0.0.1.evil", "1270.0.0.1", "gateway",
        "10.127.0.1", "localhost.evil", "127.0.1",    "*",      "[::1",             "127.0.0.256",    "[::ffff:10.0.0.1]",
        "127.0.0.1.and-a-name-that-is-longer-than-any-address-can-be.example"};

    (void)state;
    for (size_t index = 0; index < sizeof local / sizeof local[0]; index++) {
        assert_true(address_is_loopback(bytes_of(local[index])));
    }
    for (size_t index = 0; index < sizeof remote / sizeof remote[0]; index++) {
        assert_false(address_is_loopback(bytes_of(remote[index])));
    }
}

static void a_listener_is_looked_up(void **state)
{
    static const char *const bad[] = {"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":80", "127.0.0.1:"};
    struct sockaddr_storage found;
    socklen_t count = 0;

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_status(STATUS_MALFORMED, address_find(bad[index], &found, &count));
        assert_int_equal(0, count);
    }
    assert_status(STATUS_NOT_FOUND, address_find("[::1:80", &found, &count));
    assert_status(STATUS_OK, address_find("127.0.0.1:65535", &found, &count));
    assert_int_equal(sizeof(struct sockaddr_in), count);
    assert_int_equal(65535, ntohs(((struct sockaddr_in *)&found)->sin_port));
    assert_status(STATUS_OK, address_find("[::1]:0", &found, &count));
    assert_int_equal(AF_INET6, found.ss_family);
}

static void a_failure_to_listen_says_why(void **state)
{
    (void)state;
    assert_status(STATUS_IN_USE, address_status(EADDRINUSE));
    assert_status(STATUS_DENIED, address_status(EACCES));
    assert_status(STATUS_NOT_FOUND, address_status(EADDRNOTAVAIL));
    assert_status(STATUS_FULL, address_status(EMFILE));
    assert_status(STATUS_NO_MEMORY, address_status(ENOBUFS));
    assert_status(STATUS_IO, address_status(EIO));
    assert_string_equal("the address is in use", status_sentence(STATUS_IN_USE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_split_at_its_port),
        cmocka_unit_test(loopback_is_known_by_its_number_and_not_by_a_name_that_looks_like_it),
        cmocka_unit_test(a_listener_is_looked_up),
        cmocka_unit_test(a_failure_to_listen_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
