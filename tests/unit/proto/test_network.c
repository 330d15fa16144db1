/* Tests of network: what is a network, and which addresses are in it. */
#include "proto/network.h"

#include "support/unit.h"

static bool holds(const char *network, const char *address)
{
    struct network outer;
    struct network inner;

    assert_true(network_read(bytes_of(network), &outer));
    assert_true(network_read_address(bytes_of(address), &inner));
    return network_holds(&outer, &inner);
}

static void a_network_holds_its_addresses_and_no_other(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.255.255"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_true(holds("192.0.2.128/25", "192.0.2.128"));
    assert_false(holds("192.0.2.128/25", "192.0.2.127"));
    assert_true(holds("192.0.2.7", "192.0.2.7"));
    assert_false(holds("192.0.2.7", "192.0.2.6"));
    assert_true(holds("fd00::/8", "fdff::1"));
    assert_false(holds("fd00::/8", "fe00::1"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::"));
    assert_true(holds("0.0.0.0/0", "255.1.2.3"));
    assert_false(holds("0.0.0.0/0", "::1"));
    assert_true(holds("::/0", "::1"));
    assert_true(holds("::/0", "1.2.3.4"));
}

static void ipv4_is_the_same_however_it_is_written(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_false(holds("::ffff:10.0.0.0/104", "11.1.2.3"));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const bad[] = {"",           "/8",           "10.0.0.0/33", "10.0.0.0/",    "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8",
                                      "10.0.0/8",   "fd00::1/8",    "fd00::/129",  "[fd00::]/8",   "a.test",      "10.0.0.0/8 ",  " 10.0.0.0",
                                      "010.0.0.0/8", "10.0.0.0/ 8", "fe80::1%lo",  "10.0.0.0:80"};
    struct network network;

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        if (network_read(bytes_of(bad[index]), &network)) {
            fail_msg("'%s' was taken", bad[index]);
        }
    }
    assert_false(network_read_address(BYTES("10.0.0.0/8"), &network));
    assert_false(network_read_address(BYTES("10.0.0.1\0"), &network));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_holds_its_addresses_and_no_other),
        cmocka_unit_test(ipv4_is_the_same_however_it_is_written),
        cmocka_unit_test(what_is_no_network_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
