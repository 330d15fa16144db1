/* resolve: how many addresses of a name are kept, and for how long it is known. The system's resolver and the clock that libuv reads
 * are this program's own: names have as many addresses as they say, and time stands where the test puts it. */
#include "support/unit.h"

#include "gateway/resolve.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BEGIN_MS = 1000000 };

static _Atomic long now_ms = BEGIN_MS;

int clock_gettime(clockid_t which, struct timespec *out)
{
    (void)which;
    *out = (struct timespec){.tv_sec = atomic_load(&now_ms) / 1000, .tv_nsec = atomic_load(&now_ms) % 1000 * 1000000};
    return 0;
}

/* "7.test" has 8.8.8.1 to 8.8.8.7. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    struct addrinfo *first = NULL;

    (void)service;
    (void)hints;
    for (long number = strtol(name, NULL, 10); number > 0; number--) {
        struct addrinfo *found = calloc(1, sizeof *found + sizeof(struct sockaddr_in));
        struct sockaddr_in *address = (struct sockaddr_in *)(found + 1);

        address->sin_family = AF_INET;
        address->sin_addr.s_addr = htonl(0x08080800U + (uint32_t)number);
        *found = (struct addrinfo){.ai_family = AF_INET, .ai_addr = (struct sockaddr *)address,
                                   .ai_addrlen = sizeof *address, .ai_next = first};
        first = found;
    }
    *out = first;
    return first == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *first)
{
    while (first != NULL) {
        struct addrinfo *next = first->ai_next;

        free(first);
        first = next;
    }
}

struct place {
    uv_loop_t loop;
    struct metrics *metrics;
    struct resolver *resolver;
    struct resolve_wait wait;
    unsigned calls;
    char addresses[1024];
};

static void on_found(void *context, enum status status, struct bytes addresses)
{
    struct place *place = context;

    assert_status(STATUS_OK, status);
    assert_status(STATUS_OK, bytes_copy(addresses, place->addresses, sizeof place->addresses));
    place->calls++;
}

static void open_place(struct place *place)
{
    *place = (struct place){0};
    assert_int_equal(0, uv_loop_init(&place->loop));
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, resolver_open(&place->resolver, &place->loop, place->metrics));
    place->wait.found = on_found;
    place->wait.context = place;
}

static void close_place(struct place *place)
{
    resolver_close(&place->resolver);
    (void)uv_run(&place->loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&place->loop));
    metrics_close(&place->metrics);
}

/* True when it was not known; then its look-up is awaited. */
static bool looks_up(struct place *place, const char *name)
{
    struct bytes out;
    enum status status;

    uv_update_time(&place->loop);
    status = resolve_name(place->resolver, bytes_of(name), true, &place->wait, &out);
    if (status == STATUS_AGAIN) {
        for (unsigned before = place->calls; place->calls == before;) {
            (void)uv_run(&place->loop, UV_RUN_ONCE);
        }
        return true;
    }
    assert_status(STATUS_OK, status);
    return false;
}

static void a_name_has_so_many_addresses_and_no_more(void **state)
{
    char expected[1024] = "";
    struct place place;
    char name[16];

    (void)state;
    open_place(&place);
    for (unsigned count = 1; count <= RESOLVE_ADDRESSES_MAX + 1; count++) {
        if (count <= RESOLVE_ADDRESSES_MAX) {
            (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s8.8.8.%u", count == 1 ? "" : ",",
                           count);
        }
        (void)snprintf(name, sizeof name, "%u.test", count);
        assert_true(looks_up(&place, name));
        assert_string_equal(expected, place.addresses);
    }
    close_place(&place);
}

static void a_name_is_known_for_its_time_only(void **state)
{
    struct place place;

    (void)state;
    open_place(&place);
    assert_true(looks_up(&place, "1.test"));
    atomic_store(&now_ms, BEGIN_MS + RESOLVE_TTL_MS - 1);
    assert_false(looks_up(&place, "1.test"));
    atomic_store(&now_ms, BEGIN_MS + RESOLVE_TTL_MS);
    assert_true(looks_up(&place, "1.test"));
    atomic_store(&now_ms, BEGIN_MS);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_so_many_addresses_and_no_more),
        cmocka_unit_test(a_name_is_known_for_its_time_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
