/* Tests of forwarded: whose X-Forwarded-For counts, and which of its addresses. */
#include "gateway/forwarded.h"

#include "support/unit.h"

/* The address of a request with these X-Forwarded-For fields (NULL: none) that `peer` brings. */
static void find(const char *peer, const char *first, const char *second, char out[INET6_ADDRSTRLEN])
{
    static const char *const trusted[] = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.1"};
    struct gateway_settings settings = {0};
    struct forwarded_proxies proxies;
    struct fields *fields = NULL;

    for (size_t index = 0; index < sizeof trusted / sizeof trusted[0]; index++) {
        (void)snprintf(settings.trusted_proxies[index], sizeof settings.trusted_proxies[0], "%s", trusted[index]);
    }
    settings.trusted_proxy_count = sizeof trusted / sizeof trusted[0];
    forwarded_init(&proxies, &settings);
    assert_status(STATUS_OK, fields_open(&fields, 8, KIB));
    if (first != NULL) {
        assert_status(STATUS_OK, fields_add(fields, BYTES("X-Forwarded-For"), bytes_of(first)));
    }
    assert_status(STATUS_OK, fields_add(fields, BYTES("X-Forwarded-Host"), BYTES("7.7.7.7")));
    if (second != NULL) {
        assert_status(STATUS_OK, fields_add(fields, BYTES("x-forwarded-for"), bytes_of(second)));
    }
    forwarded_address(&proxies, bytes_of(peer), fields, out);
    fields_close(&fields);
}

static void assert_found(const char *expected, const char *peer, const char *first, const char *second)
{
    char found[INET6_ADDRSTRLEN];

    find(peer, first, second, found);
    assert_string_equal(expected, found);
}

static void a_stranger_names_nobody_but_itself(void **state)
{
    (void)state;
    assert_found("9.9.9.9", "9.9.9.9", "1.2.3.4", NULL);
    assert_found("unix", "unix", "1.2.3.4", NULL); /* not in the list */
    assert_found("192.0.2.2", "192.0.2.2", "1.2.3.4", "1.2.3.4");
}

static void a_trusted_proxy_names_the_rightmost_that_is_not_trusted(void **state)
{
    (void)state;
    assert_found("10.1.1.1", "10.1.1.1", NULL, NULL);
    assert_found("1.2.3.4", "10.1.1.1", "1.2.3.4", NULL);
    assert_found("1.2.3.4", "10.1.1.1", "6.6.6.6, 1.2.3.4", NULL);
    assert_found("1.2.3.4", "10.1.1.1", "6.6.6.6,1.2.3.4 , 10.2.2.2,192.0.2.1", NULL);
    assert_found("1.2.3.4", "10.1.1.1", "6.6.6.6, 1.2.3.4", "10.2.2.2");
    assert_found("5.5.5.5", "10.1.1.1", "1.2.3.4", "5.5.5.5");
    assert_found("10.3.3.3", "10.1.1.1", "10.3.3.3, 10.2.2.2", NULL); /* all of them are proxies: the farthest */
    assert_found("1.2.3.4", "2001:db8::1", "1.2.3.4", NULL);
    assert_found("1.2.3.4", "::ffff:10.1.1.1", "1.2.3.4", NULL);
    assert_found("2a00::1", "10.1.1.1", "2a00::1", NULL);
}

static void a_port_and_brackets_do_not_matter(void **state)
{
    (void)state;
    assert_found("1.2.3.4", "10.1.1.1", "1.2.3.4:55", NULL);
    assert_found("2a00::1", "10.1.1.1", "[2a00::1]:55", NULL);
    assert_found("2a00::1", "10.1.1.1", "[2a00::1]", NULL);
}

static void what_cannot_be_read_ends_the_search(void **state)
{
    (void)state;
    assert_found("10.1.1.1", "10.1.1.1", "1.2.3.4, unknown", NULL);
    assert_found("10.2.2.2", "10.1.1.1", "1.2.3.4, _hidden, 10.2.2.2", NULL);
    assert_found("10.1.1.1", "10.1.1.1", "", NULL);
    assert_found("10.1.1.1", "10.1.1.1", "1.2.3.4,", NULL);
    assert_found("10.1.1.1", "10.1.1.1", "1.2.3.4", ""); /* the same in a field of its own, */
    assert_found("10.2.2.2", "10.1.1.1", "1.2.3.4", ",10.2.2.2"); /* and at the beginning of one */
    assert_found("10.1.1.1", "10.1.1.1", "unix", NULL);
    assert_found("10.1.1.1", "10.1.1.1", "1111111111111111111111111111111111111111111111111111111111111111", NULL);
}

static void a_unix_socket_is_trusted_by_its_name(void **state)
{
    struct gateway_settings settings = {.trusted_proxy_count = 1, .trusted_proxies = {FORWARDED_UNIX}};
    struct forwarded_proxies proxies;
    struct fields *fields = NULL;
    char found[INET6_ADDRSTRLEN];

    (void)state;
    forwarded_init(&proxies, &settings);
    assert_status(STATUS_OK, fields_open(&fields, 8, KIB));
    assert_status(STATUS_OK, fields_add(fields, BYTES("X-Forwarded-For"), BYTES("1.2.3.4")));
    forwarded_address(&proxies, BYTES(FORWARDED_UNIX), fields, found);
    assert_string_equal("1.2.3.4", found);
    forwarded_address(&proxies, BYTES("10.1.1.1"), fields, found);
    assert_string_equal("10.1.1.1", found);
    fields_close(&fields);
}

static void proxies_are_told_from_clients(void **state)
{
    struct gateway_settings settings = {.trusted_proxy_count = 2, .trusted_proxies = {"10.0.0.0/8", "unix"}};
    struct forwarded_proxies proxies;

    (void)state;
    forwarded_init(&proxies, &settings);
    assert_true(forwarded_trusts(&proxies, BYTES("10.1.2.3")));
    assert_true(forwarded_trusts(&proxies, BYTES("unix")));
    assert_false(forwarded_trusts(&proxies, BYTES("11.1.2.3")));
    settings.trusted_proxy_count = 0;
    forwarded_init(&proxies, &settings);
    assert_false(forwarded_trusts(&proxies, BYTES("10.1.2.3")));
    assert_false(forwarded_trusts(&proxies, BYTES("unix")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_names_nobody_but_itself),
        cmocka_unit_test(a_trusted_proxy_names_the_rightmost_that_is_not_trusted),
        cmocka_unit_test(a_port_and_brackets_do_not_matter),
        cmocka_unit_test(what_cannot_be_read_ends_the_search),
        cmocka_unit_test(a_unix_socket_is_trusted_by_its_name),
        cmocka_unit_test(proxies_are_told_from_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
