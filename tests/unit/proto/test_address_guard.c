/* address_guard: both ends of every special range are refused, their neighbours are not, however the address is wrapped. */
#include "support/file.h"

#include "proto/address_guard.h"

#include <arpa/inet.h>

union address {
    struct sockaddr any;
    struct sockaddr_in narrow;
    struct sockaddr_in6 wide;
};

static union address parse(const char *text)
{
    union address address = {.narrow = {.sin_family = AF_INET}};

    if (inet_pton(AF_INET, text, &address.narrow.sin_addr) != 1) {
        address = (union address){.wide = {.sin6_family = AF_INET6}};
        assert_int_equal(1, inet_pton(AF_INET6, text, &address.wide.sin6_addr));
    }
    return address;
}

static void check(bool allowed, const char *text, bool allow_private)
{
    union address address = parse(text);

    if (address_guard_allows(&address.any, allow_private) != allowed) {
        fail_msg("%s must be %s", text, allowed ? "allowed" : "refused");
    }
}

static void public_addresses_are_allowed(void **state)
{
    static const char *const public[] = {"1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1", "2a00:1450::5",
                                         "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"};

    (void)state;
    for (size_t index = 0; index < sizeof public / sizeof public[0]; index++) {
        check(true, public[index], false);
        check(true, public[index], true);
    }
}

static void neighbours_of_refused_ranges_are_allowed(void **state)
{
    static const char *const pairs[][2] = {
        {"1.0.0.0", "0.255.255.255"},     {"9.255.255.255", "10.0.0.0"},      {"11.0.0.0", "10.255.255.255"},
        {"100.63.255.255", "100.64.0.0"}, {"100.128.0.0", "100.127.255.255"}, {"126.255.255.255", "127.0.0.0"},
        {"128.0.0.0", "127.255.255.255"}, {"169.253.255.255", "169.254.0.0"}, {"169.255.0.0", "169.254.255.255"},
        {"172.15.255.255", "172.16.0.0"}, {"172.32.0.0", "172.31.255.255"},   {"192.167.255.255", "192.168.0.0"},
        {"192.169.0.0", "192.168.255.255"}, {"223.255.255.255", "224.0.0.0"}, {"198.17.255.255", "198.18.0.0"},
        {"2003::", "2002:ffff::"},        {"2001:db9::", "2001:db8:ffff::"},  {"fbff::", "fc00::"},
        {"fe7f::", "fe80::"},             {"2001:200::", "2001:1ff::"},       {"4000::", "3fff:fff::"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof pairs / sizeof pairs[0]; index++) {
        check(true, pairs[index][0], false);
        check(false, pairs[index][1], false);
    }
}

static void allow_private_opens_private_ranges_and_nothing_else(void **state)
{
    static const char *const private[] = {"127.0.0.1", "10.1.2.3",  "172.16.0.1", "192.168.1.1", "100.64.0.1",
                                          "::1",       "fd00::1",   "::ffff:127.0.0.1", "::127.0.0.1",
                                          "64:ff9b::10.0.0.1", "::ffff:0:127.0.0.1", "100.100.100.199",
                                          "fd00:ec2::253",     "fd20:ce::255"};
    static const char *const never[] = {"169.254.169.254", "0.0.0.0",   "::",     "224.0.0.1",        "255.255.255.255",
                                        "fe80::1",         "2001::1",   "ff02::1", "::ffff:169.254.169.254",
                                        "64:ff9b::169.254.169.254",     "2002:7f00:1::", "168.63.129.16",
                                        "100.100.100.200",              "fd00:ec2::254", "fd20:ce::254",
                                        "::ffff:0:169.254.169.254",     "::ffff:100.100.100.200"};

    (void)state;
    for (size_t index = 0; index < sizeof private / sizeof private[0]; index++) {
        check(false, private[index], false);
        check(true, private[index], true);
    }
    for (size_t index = 0; index < sizeof never / sizeof never[0]; index++) {
        check(false, never[index], false);
        check(false, never[index], true);
    }
}

/* Sets all bits behind the prefix to `bit`. */
static void fill_host_bits(unsigned char *bytes, size_t count, unsigned prefix_bits, unsigned bit)
{
    for (size_t index = prefix_bits; index < count * 8; index++) {
        unsigned char mask = (unsigned char)(0x80u >> index % 8);

        bytes[index / 8] = (unsigned char)(bit ? bytes[index / 8] | mask : bytes[index / 8] & (unsigned char)~mask);
    }
}

static void every_range_of_the_published_list_is_refused_at_both_ends(void **state)
{
    struct bytes file = file_read(TEST_VECTORS "/url", "blocked-cidr.txt");
    struct bytes rest = file;
    size_t ranges = 0;

    (void)state;
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        ptrdiff_t slash = bytes_find(line, '/');
        char text[64];
        unsigned long long prefix_bits;
        union address address;

        if (line.count == 0 || line.data[0] == '#') {
            continue;
        }
        assert_status(STATUS_OK, bytes_copy(bytes_first(line, (size_t)slash), text, sizeof text));
        assert_status(STATUS_OK, bytes_number(bytes_from(line, (size_t)slash + 1), 128, &prefix_bits));
        address = parse(text);
        for (unsigned bit = 0; bit < 2; bit++) {
            if (address.any.sa_family == AF_INET) {
                fill_host_bits((unsigned char *)&address.narrow.sin_addr, 4, (unsigned)prefix_bits, bit);
            } else {
                fill_host_bits(address.wide.sin6_addr.s6_addr, 16, (unsigned)prefix_bits, bit);
            }
            if (address_guard_allows(&address.any, false)) {
                fail_msg("%s: end %u is allowed", text, bit);
            }
        }
        ranges++;
    }
    assert_int_equal(35, ranges);
    free((char *)(uintptr_t)file.data);
}

static void other_families_are_refused(void **state)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};

    (void)state;
    assert_false(address_guard_allows(&address, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_addresses_are_allowed),
        cmocka_unit_test(neighbours_of_refused_ranges_are_allowed),
        cmocka_unit_test(allow_private_opens_private_ranges_and_nothing_else),
        cmocka_unit_test(every_range_of_the_published_list_is_refused_at_both_ends),
        cmocka_unit_test(other_families_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
