/* Tests of addresses: both sides of each bound, which addresses are one, and many at once. */
#include "gateway/addresses.h"

#include "proto/limits.h"
#include "proto/secret.h"
#include "support/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>

enum { PLACES = 64, LIMIT = 3 };

static int set_up(void **state)
{
    assert_status(STATUS_OK, secret_start());
    assert_status(STATUS_OK, addresses_open((struct addresses **)state, PLACES, LIMIT));
    return 0;
}

static int tear_down(void **state)
{
    addresses_close((struct addresses **)state);
    addresses_close((struct addresses **)state);
    return 0;
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};

    if (strchr(text, ':') != NULL) {
        storage.ss_family = AF_INET6;
        assert_int_equal(1, inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&storage)->sin6_addr));
    } else {
        storage.ss_family = AF_INET;
        assert_int_equal(1, inet_pton(AF_INET, text, &((struct sockaddr_in *)&storage)->sin_addr));
    }
    return storage;
}

static enum status enter(struct addresses *addresses, const char *text, uint32_t *place)
{
    struct sockaddr_storage storage = address_of(text);

    return addresses_enter(addresses, (const struct sockaddr *)&storage, place);
}

static void each_address_has_its_bound_and_a_few_that_are_told(void **state)
{
    struct addresses *addresses = *state;
    uint32_t place = 0, other, ignored = 77;

    for (int index = 0; index < LIMIT; index++) {
        assert_status(STATUS_OK, enter(addresses, "192.0.2.1", &place));
    }
    for (int index = 0; index < ADDRESS_SPARE_CONNECTIONS; index++) {
        assert_status(STATUS_FULL, enter(addresses, "192.0.2.1", &place));
    }
    assert_status(STATUS_AGAIN, enter(addresses, "192.0.2.1", &ignored));
    assert_int_equal(77, ignored);
    assert_status(STATUS_OK, enter(addresses, "192.0.2.2", &other));
    assert_int_equal(2, addresses_count(addresses));
    addresses_leave(addresses, place);
    assert_status(STATUS_FULL, enter(addresses, "192.0.2.1", &place));
    for (int index = 0; index < LIMIT + ADDRESS_SPARE_CONNECTIONS; index++) {
        addresses_leave(addresses, place);
    }
    assert_status(STATUS_OK, enter(addresses, "192.0.2.1", &place));
    addresses_leave(addresses, place);
    addresses_leave(addresses, other);
    assert_int_equal(0, addresses_count(addresses));
}

static void a_network_of_ipv6_is_one_and_a_mapped_address_is_the_ipv4_one(void **state)
{
    static const struct {
        const char *left, *right;
        size_t addresses;
    } pairs[] = {
        {"2001:db8::1", "2001:db8::ffff:0:0:1", 1}, {"2001:db8:0:1::1", "2001:db8:0:2::1", 2},
        {"::ffff:192.0.2.1", "192.0.2.1", 1},       {"::ffff:192.0.2.1", "::ffff:192.0.2.2", 2},
        {"::1", "127.0.0.1", 2},
    };
    struct addresses *addresses = *state;

    for (size_t index = 0; index < sizeof pairs / sizeof pairs[0]; index++) {
        uint32_t left, right;

        assert_status(STATUS_OK, enter(addresses, pairs[index].left, &left));
        assert_status(STATUS_OK, enter(addresses, pairs[index].right, &right));
        assert_int_equal(pairs[index].addresses, addresses_count(addresses));
        addresses_leave(addresses, left);
        addresses_leave(addresses, right);
    }
}

static void as_many_addresses_as_connections_have_room_again_and_again(void **state)
{
    struct addresses *addresses = *state;
    uint32_t places[PLACES];
    char text[INET_ADDRSTRLEN];

    for (unsigned round = 0; round < 10; round++) {
        for (unsigned index = 0; index < PLACES; index++) {
            (void)snprintf(text, sizeof text, "10.0.%u.%u", round, index);
            assert_status(STATUS_OK, enter(addresses, text, &places[index]));
        }
        assert_int_equal(PLACES, addresses_count(addresses));
        for (unsigned index = 0; index < PLACES; index++) { /* in another order than they came */
            addresses_leave(addresses, places[index * 29 % PLACES]);
        }
        assert_int_equal(0, addresses_count(addresses));
    }
}

static void *come_and_go(void *context)
{
    struct addresses *addresses = context;
    uint32_t place;

    for (int index = 0; index < 5000; index++) {
        if (enter(addresses, index % 2 == 0 ? "192.0.2.1" : "192.0.2.2", &place) != STATUS_AGAIN) {
            addresses_leave(addresses, place);
        }
    }
    return NULL;
}

static void many_threads_leave_nothing_behind(void **state)
{
    pthread_t threads[4];

    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, come_and_go, *state));
    }
    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    assert_int_equal(0, addresses_count(*state));
}

static void an_address_as_text_is_the_same(void **state)
{
    struct addresses *addresses = *state;
    uint32_t place, same;

    assert_status(STATUS_OK, addresses_enter_text(addresses, "127.0.0.1", &place));
    assert_status(STATUS_OK, addresses_enter_text(addresses, "::ffff:127.0.0.1", &same));
    assert_int_equal(place, same);
    assert_int_equal(2, addresses_held(addresses, place));
    assert_status(STATUS_MALFORMED, addresses_enter_text(addresses, "unix", &same));
    assert_status(STATUS_MALFORMED, addresses_enter_text(addresses, "", &same));
    addresses_leave(addresses, place);
    assert_int_equal(1, addresses_held(addresses, place));
    addresses_leave(addresses, place);
    assert_int_equal(0, addresses_count(addresses));
}

int main(void)
{
#define with_addresses(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_addresses(each_address_has_its_bound_and_a_few_that_are_told),
        with_addresses(a_network_of_ipv6_is_one_and_a_mapped_address_is_the_ipv4_one),
        with_addresses(an_address_as_text_is_the_same),
        with_addresses(as_many_addresses_as_connections_have_room_again_and_again),
        with_addresses(many_threads_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
