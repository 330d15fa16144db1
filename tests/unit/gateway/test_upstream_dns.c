/* Tests of upstream against name servers that lie: the system's resolver and connect() are the test's own, and every address that
 * is connected to is written down. */
#include "support/file.h"
#include "support/transfer.h"

#include "gateway/resolve.h"
#include "proto/address_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <yyjson.h>

enum { ANSWERS_MAX = 4, ANSWER_ADDRESSES_MAX = 4, CONNECTS_MAX = 16 };

/* What the name server says of any name: one answer after the other, the last one again and again. */
static struct {
    const char *addresses[ANSWERS_MAX][ANSWER_ADDRESSES_MAX];
    size_t answers;
    atomic_size_t asked;
} server_of_names;

static struct sockaddr_storage connects[CONNECTS_MAX];
static size_t connect_count;

union address {
    struct sockaddr any;
    struct sockaddr_in narrow;
    struct sockaddr_in6 wide;
};

static struct addrinfo *address_open(const char *text, struct addrinfo *next)
{
    struct addrinfo *info = calloc(1, sizeof *info);
    union address *address = calloc(1, sizeof *address);

    assert_true(info != NULL && address != NULL);
    if (inet_pton(AF_INET, text, &address->narrow.sin_addr) == 1) {
        address->narrow.sin_family = AF_INET;
    } else {
        assert_int_equal(1, inet_pton(AF_INET6, text, &address->wide.sin6_addr));
        address->wide.sin6_family = AF_INET6;
    }
    *info = (struct addrinfo){.ai_family = address->any.sa_family, .ai_socktype = SOCK_STREAM, .ai_addr = &address->any,
                              .ai_addrlen = sizeof *address, .ai_next = next};
    return info;
}

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out)
{
    size_t answer = atomic_fetch_add(&server_of_names.asked, 1);

    (void)name;
    (void)service;
    (void)hints;
    answer = answer < server_of_names.answers ? answer : server_of_names.answers - 1;
    *out = NULL;
    for (size_t index = ANSWER_ADDRESSES_MAX; index > 0; index--) {
        if (server_of_names.addresses[answer][index - 1] != NULL) {
            *out = address_open(server_of_names.addresses[answer][index - 1], *out);
        }
    }
    return *out == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;

        free(info->ai_addr);
        free(info);
        info = next;
    }
}

/* Loopback is connected to; nobody else hears of us. */
int written_connect(int fd, const struct sockaddr *address, socklen_t bytes) __asm__("connect");

int written_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    const struct sockaddr_in *narrow = (const struct sockaddr_in *)(const void *)address;

    if (connect_count < CONNECTS_MAX) {
        memcpy(&connects[connect_count++], address, bytes < sizeof connects[0] ? bytes : sizeof connects[0]);
    }
    if (address->sa_family == AF_INET && narrow->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
        return (int)syscall(SYS_connect, fd, address, bytes);
    }
    errno = ECONNREFUSED;
    return -1;
}

static void forget(void)
{
    memset(&server_of_names, 0, sizeof server_of_names);
    connect_count = 0;
}

static void assert_nothing_blocked_was_connected_to(const char *name)
{
    for (size_t index = 0; index < connect_count; index++) {
        if (!address_guard_allows((const struct sockaddr *)&connects[index], false)) {
            fail_msg("%s: connected to a blocked address", name);
        }
    }
}

static enum transfer_failure get(struct world *world, const char *name, unsigned port)
{
    char url[320];
    struct transfer_request request = {.method = BYTES("GET"), .fields = world->no_fields};
    struct record record;
    enum transfer_failure failure;

    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://%s:%u/", name, port)};
    record_init(&record, world);
    assert_status(STATUS_OK, record_request(&record, &request));
    record_await(&record);
    failure = record.failure;
    record_free(&record);
    return failure;
}

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void world_of(struct world *world, const char *private_host)
{
    world_settings(world);
    world->settings.allow_private_upstreams = (struct private_hosts){.count = private_host == NULL ? 0 : 1};
    if (private_host != NULL) {
        assert_status(STATUS_OK, bytes_copy(bytes_of(private_host), world->settings.allow_private_upstreams.at[0],
                                            sizeof world->settings.allow_private_upstreams.at[0]));
    }
    world_start(world);
}

/* One name of the collection: each of its answers meets a loop that has not heard of it. */
static void try_name(yyjson_val *entry, unsigned port)
{
    const char *name = yyjson_get_str(yyjson_obj_get(entry, "name"));
    bool refuse = yyjson_equals_str(yyjson_obj_get(entry, "verdict"), "refuse");
    yyjson_val *answer;
    yyjson_val *text;
    size_t index;
    size_t max;
    size_t at;
    size_t count;

    forget();
    yyjson_arr_foreach(yyjson_obj_get(entry, "answers"), index, max, answer)
    {
        yyjson_arr_foreach(answer, at, count, text)
        {
            assert_true(index < ANSWERS_MAX && at < ANSWER_ADDRESSES_MAX);
            server_of_names.addresses[index][at] = yyjson_get_str(text);
        }
    }
    server_of_names.answers = max;
    for (size_t round = 0; round < max; round++) {
        struct world world;
        enum transfer_failure failure;

        world_of(&world, NULL);
        failure = get(&world, name, port);
        assert_string_equal(refuse ? "forbidden" : "connect", transfer_failure_name(failure));
        world_close(&world);
    }
    assert_int_equal(max, atomic_load(&server_of_names.asked));
    assert_int_equal(refuse ? 0 : 1, connect_count);
    assert_nothing_blocked_was_connected_to(name);
}

static void no_answer_of_the_collection_leads_to_a_blocked_address(void **state)
{
    struct bytes file = file_read(TEST_VECTORS "/url", "dns-answers.json");
    yyjson_doc *document = yyjson_read(file.data, file.count, 0);
    struct server *server = server_open(answer_ok, NULL);
    yyjson_val *entry;
    size_t index;
    size_t max;

    (void)state;
    assert_non_null(document);
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, max, entry)
    {
        try_name(entry, server->port);
    }
    assert_int_equal(4, max);
    assert_int_equal(0, atomic_load(&server->accepted));
    server_close(server);
    yyjson_doc_free(document);
    free((char *)(uintptr_t)file.data);
}

/* What was vetted is what is connected to: a second answer is not even asked for while the first is kept. */
static void a_name_that_changes_its_mind_is_not_followed(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;

    (void)state;
    forget();
    server_of_names.addresses[0][0] = "93.184.215.14";
    server_of_names.addresses[1][0] = "127.0.0.1";
    server_of_names.answers = 2;
    world_of(&world, NULL);
    assert_string_equal("connect", transfer_failure_name(get(&world, "rebind.upstream.test", server->port)));
    assert_string_equal("connect", transfer_failure_name(get(&world, "rebind.upstream.test", server->port)));
    world_close(&world);
    assert_int_equal(1, atomic_load(&server_of_names.asked));
    assert_int_equal(2, connect_count);
    assert_nothing_blocked_was_connected_to("rebind.upstream.test");
    world_of(&world, NULL); /* the second answer, to one that has not heard the first */
    assert_string_equal("forbidden", transfer_failure_name(get(&world, "rebind.upstream.test", server->port)));
    world_close(&world);
    assert_int_equal(2, connect_count);
    assert_int_equal(0, atomic_load(&server->accepted));
    server_close(server);
}

static void a_named_host_may_be_private_and_nothing_more(void **state)
{
    static const struct {
        const char *name;
        const char *address;
        const char *end;
    } cases[] = {{"llm", "127.0.0.1", "ok"},
                 {"other", "127.0.0.1", "forbidden"},
                 {"llm", "169.254.169.254", "forbidden"},
                 {"llm", "::ffff:169.254.169.254", "forbidden"},
                 {"llm.evil.test", "127.0.0.1", "forbidden"}};
    struct server *server = server_open(answer_ok, NULL);

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct world world;

        forget();
        server_of_names.addresses[0][0] = cases[index].address;
        server_of_names.answers = 1;
        world_of(&world, "llm");
        assert_string_equal(cases[index].end, transfer_failure_name(get(&world, cases[index].name, server->port)));
        world_close(&world);
        assert_int_equal(strcmp(cases[index].end, "ok") == 0 ? 1 : 0, connect_count);
    }
    assert_int_equal(1, atomic_load(&server->accepted));
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_of_the_collection_leads_to_a_blocked_address),
        cmocka_unit_test(a_name_that_changes_its_mind_is_not_followed),
        cmocka_unit_test(a_named_host_may_be_private_and_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
