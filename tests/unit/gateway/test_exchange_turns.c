/* exchange_wait: how much of all bodies a loop decodes in one turn. A turn begins where libuv waits for sockets: this program's
 * epoll_wait stands before the C library's, and so does its clock, which can be made to run while the loop works. */
#include "gateway/exchange.h"

#include "support/town.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <zlib.h>

#define HEAD "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Type: application/json\r\n" \
             "Content-Encoding: deflate\r\nContent-Length: %zu\r\n\r\n"

enum { CLIENTS = 8, SLICES = 32, BODY_BYTES = SLICES * DECODE_SLICE_BYTES, NS_PER_S = 1000000000 };

static _Atomic(struct series *) counted;
static _Atomic int64_t most;   /* slices of one turn, the last of each body aside */
static _Atomic long step_us;   /* by which the loop's clock runs with each look at it */
static _Thread_local int64_t seen;
static _Thread_local long ahead_us;

static bool is_loop(void)
{
    char name[16] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, "loop") == 0;
}

static void end_turn(void)
{
    struct series *series = atomic_load(&counted);

    if (series != NULL && is_loop()) {
        int64_t now = series_value(series);

        if (now - seen > atomic_load(&most)) {
            atomic_store(&most, now - seen);
        }
        seen = now;
    }
}

int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask)
{
    end_turn();
    return (int)syscall(SYS_epoll_pwait, epoll, events, room, timeout_ms, mask, (size_t)_NSIG / 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout_ms)
{
    return epoll_pwait(epoll, events, room, timeout_ms, NULL);
}

int clock_gettime(clockid_t which, struct timespec *out)
{
    long failed = syscall(SYS_clock_gettime, which, out);

    if (failed == 0 && which != CLOCK_REALTIME && atomic_load(&step_us) > 0 && is_loop()) {
        ahead_us += atomic_load(&step_us);
    }
    if (failed == 0 && which != CLOCK_REALTIME && ahead_us > 0) {
        out->tv_sec += (out->tv_nsec + ahead_us % 1000000 * 1000) / NS_PER_S + ahead_us / 1000000;
        out->tv_nsec = (out->tv_nsec + ahead_us % 1000000 * 1000) % NS_PER_S;
    }
    return (int)failed;
}

static struct bytes spaces(void)
{
    uLongf count = compressBound(BODY_BYTES);
    Bytef *coded = malloc(count);
    Bytef *plain = malloc(BODY_BYTES);

    assert_true(coded != NULL && plain != NULL);
    memset(plain, ' ', BODY_BYTES);
    assert_int_equal(Z_OK, compress(coded, &count, plain, BODY_BYTES));
    free(plain);
    return (struct bytes){(char *)coded, count};
}

/* As many bodies as are sent at once, each of many slices; returns how many slices the fullest turn had. */
static int64_t fullest_turn(void)
{
    struct bytes body = spaces();
    int clients[CLIENTS];
    struct town town;
    char head[512], *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    struct limit_settings *limits = &town.settings.gateway.limits;

    town_init(&town);
    limits->request_bytes = BODY_BYTES;
    limits->body_budget_bytes = 2ULL * CLIENTS * BODY_BYTES;
    limits->decoders = CLIENTS;
    limits->header_time_ms = limits->body_time_ms = limits->keep_alive_ms = limits->write_stall_ms = limits->drain_ms = UINT32_MAX;
    town_start(&town);
    atomic_store(&most, 0);
    atomic_store(&counted, metrics_series(town.metrics, METRIC_COUNTER, "prismguard_gateway_decode_turns_total", "", NULL, 0));
    (void)snprintf(head, sizeof head, HEAD, body.count);
    for (int index = 0; index < CLIENTS; index++) {
        clients[index] = town_client(&town);
        town_say(clients[index], head);
    }
    for (int index = 0; index < CLIENTS; index++) {
        assert_int_equal(body.count, send(clients[index], body.data, body.count, MSG_NOSIGNAL));
    }
    for (int index = 0; index < CLIENTS; index++) {
        room[0] = '\0';
        assert_true(town_hear_all(clients[index], room));
        assert_memory_equal("HTTP/1.1 400 ", room, 13); /* decoded, read, and no request */
        (void)close(clients[index]);
    }
    atomic_store(&counted, NULL);
    town_close(&town);
    free(room);
    free((char *)body.data);
    return atomic_load(&most);
}

static void a_turn_decodes_so_many_bytes_of_all_bodies_together(void **state)
{
    (void)state;
    clock_freeze(clock_ms()); /* time is no bound then */
    assert_int_equal(TURN_BYTES / DECODE_SLICE_BYTES, fullest_turn());
    clock_freeze(0);
}

static void a_turn_decodes_for_so_long_and_the_slice_at_hand(void **state)
{
    (void)state;
    atomic_store(&step_us, TURN_US / 2 + 1); /* not over at the first look after its begin, and over at the second */
    assert_int_equal(1, fullest_turn());
    atomic_store(&step_us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_decodes_so_many_bytes_of_all_bodies_together),
        cmocka_unit_test(a_turn_decodes_for_so_long_and_the_slice_at_hand),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}
