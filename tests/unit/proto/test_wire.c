/* wire: real sockets on loopback: frames arrive, strangers' transports are refused, a lost peer is told at once. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <poll.h>
#include <zmq.h>

enum { WAIT_MS = 5000, FRAME_BYTES_MAX = 1000 };

static bool readable(const struct wire *wire, long timeout_ms)
{
    zmq_pollitem_t item = {wire_handle(wire), 0, ZMQ_POLLIN, 0};

    return zmq_poll(&item, 1, timeout_ms) == 1;
}

/* Waits for the next whole message. */
static enum status take(struct wire *wire, struct bytes *identity, struct bytes *frame)
{
    enum status status = STATUS_AGAIN;

    while (status == STATUS_AGAIN && readable(wire, WAIT_MS)) {
        status = wire_take(wire, identity, frame);
    }
    return status;
}

/* An unconnected socket says AGAIN until its connection is up. */
static enum status send_when_connected(struct wire *wire, struct bytes frame)
{
    uint64_t end_ms = clock_ms() + WAIT_MS;
    enum status status;

    do {
        zmq_pollitem_t item = {wire_handle(wire), 0, ZMQ_POLLOUT, 0};

        (void)zmq_poll(&item, 1, 100);
        status = wire_send(wire, frame);
    } while (status == STATUS_AGAIN && clock_ms() < end_ms);
    return status;
}

struct pair {
    struct wire *pool;
    struct wire *slot;
    char identity[256];
    size_t identity_bytes;
};

static struct bytes identity_of(const struct pair *pair)
{
    return (struct bytes){pair->identity, pair->identity_bytes};
}

/* A pool and a slot that has said "hello". */
static struct pair open_pair(void)
{
    struct pair pair = {0};
    struct bytes identity;
    struct bytes frame;

    assert_status(STATUS_OK, wire_open(&pair.pool, WIRE_POOL, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(pair.pool, "tcp://127.0.0.1:*"));
    assert_status(STATUS_OK, wire_open(&pair.slot, WIRE_SLOT, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(pair.slot, wire_endpoint(pair.pool)));
    assert_status(STATUS_OK, send_when_connected(pair.slot, BYTES("hello")));
    assert_status(STATUS_OK, take(pair.pool, &identity, &frame));
    assert_bytes("hello", frame);
    assert_true(identity.count > 0 && identity.count < sizeof pair.identity);
    memcpy(pair.identity, identity.data, identity.count);
    pair.identity_bytes = identity.count;
    return pair;
}

static void close_pair(struct pair *pair)
{
    wire_close(&pair->slot);
    wire_close(&pair->pool);
}

static void endpoints_beyond_loopback_are_denied(void **state)
{
    static const char *const denied[] = {
        "tcp://0.0.0.0:0",     "tcp://*:0",         "tcp://[::]:0",          "tcp://10.0.0.1:5555",
        "tcp://eth0:5555",     "tcp://gateway:1",   "tcp://128.0.0.1:1",     "tcp://[::ffff:10.0.0.1]:1",
        "tcp://127.0.0.1.:1",  "tcp://127.1:1",     "tcp://localhost.evil:1", "tcp://127.0.0.1:0;10.0.0.1:1",
        "tcp://lo:5555",
    };
    static const char *const malformed[] = {"",           "tcp://",          "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:5555",
                                            "udp://127.0.0.1:1", "127.0.0.1:1",     "tcp://127.0.0.1:x", "http://127.0.0.1:1"};
    struct wire *wire = NULL;

    (void)state;
    assert_status(STATUS_OK, wire_open(&wire, WIRE_POOL, FRAME_BYTES_MAX));
    for (size_t index = 0; index < sizeof denied / sizeof denied[0]; index++) {
        assert_status(STATUS_DENIED, wire_attach(wire, denied[index]));
    }
    for (size_t index = 0; index < sizeof malformed / sizeof malformed[0]; index++) {
        assert_status(STATUS_MALFORMED, wire_attach(wire, malformed[index]));
    }
    wire_close(&wire);
    assert_status(STATUS_OK, wire_open(&wire, WIRE_SLOT, FRAME_BYTES_MAX));
    assert_status(STATUS_DENIED, wire_attach(wire, "tcp://gateway:5555"));
    wire_close(&wire);
}

static void an_endpoint_has_a_bounded_length(void **state)
{
    char endpoint[PATH_BYTES_MAX + 2] = "tcp://127.0.0.1:";
    struct wire *wire = NULL;

    (void)state;
    memset(endpoint + strlen(endpoint), '0', sizeof endpoint - 1 - strlen(endpoint));
    assert_status(STATUS_OK, wire_open(&wire, WIRE_POOL, FRAME_BYTES_MAX));
    assert_status(STATUS_MALFORMED, wire_attach(wire, endpoint));
    wire_close(&wire);
}

static void loopback_ipc_and_inproc_are_accepted(void **state)
{
    char ipc[64];
    const char *accepted[] = {"tcp://127.0.0.1:0", "tcp://127.9.8.7:*", "tcp://[::ffff:127.0.0.1]:0", "inproc://name", ipc};

    (void)state;
    (void)snprintf(ipc, sizeof ipc, "ipc:///tmp/prismguard-test-wire-%d", (int)getpid());
    for (size_t index = 0; index < sizeof accepted / sizeof accepted[0]; index++) {
        struct wire *pool = NULL;
        struct wire *slot = NULL;
        struct bytes identity;
        struct bytes frame;

        assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, FRAME_BYTES_MAX));
        assert_status(STATUS_OK, wire_attach(pool, accepted[index]));
        assert_status(STATUS_OK, wire_open(&slot, WIRE_SLOT, FRAME_BYTES_MAX));
        assert_status(STATUS_OK, wire_attach(slot, wire_endpoint(pool)));
        assert_status(STATUS_OK, send_when_connected(slot, BYTES("hello")));
        assert_status(STATUS_OK, take(pool, &identity, &frame));
        assert_bytes("hello", frame);
        wire_close(&slot);
        wire_close(&pool);
    }
    (void)unlink(ipc + strlen("ipc://"));
}

static void a_port_that_is_taken_is_an_error(void **state)
{
    struct pair pair = open_pair();
    struct wire *second = NULL;

    (void)state;
    assert_status(STATUS_OK, wire_open(&second, WIRE_POOL, FRAME_BYTES_MAX));
    assert_status(STATUS_IN_USE, wire_attach(second, wire_endpoint(pair.pool)));
    assert_status(STATUS_IO, wire_attach(second, "ipc:///no/such/folder/socket"));
    wire_close(&second);
    close_pair(&pair);
}

static void a_slot_and_the_pool_take_turns(void **state)
{
    struct pair pair = open_pair();
    struct bytes none;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_CONFLICT, wire_send(pair.slot, BYTES("out of turn")));
    assert_status(STATUS_AGAIN, wire_take(pair.slot, &none, &frame));
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    assert_bytes("task", frame);
    assert_int_equal(0, none.count);
    assert_status(STATUS_CONFLICT, wire_take(pair.slot, &none, &frame));
    assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
    assert_status(STATUS_OK, take(pair.pool, &none, &frame));
    assert_bytes("verdict", frame);
    assert_true(bytes_equal(identity_of(&pair), none));
    assert_status(STATUS_AGAIN, wire_take(pair.pool, &none, &frame));
    close_pair(&pair);
}

static void a_frame_to_nobody_is_told(void **state)
{
    struct pair pair = open_pair();

    (void)state;
    assert_status(STATUS_CLOSED, wire_send_to(pair.pool, BYTES("stranger"), BYTES("task")));
    assert_status(STATUS_CLOSED, wire_probe(pair.pool, BYTES("stranger")));
    close_pair(&pair);
}

static void a_slot_without_a_pool_cannot_send(void **state)
{
    struct wire *slot = NULL;

    (void)state;
    assert_status(STATUS_OK, wire_open(&slot, WIRE_SLOT, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(slot, "tcp://127.0.0.1:1")); /* nobody listens there */
    assert_status(STATUS_AGAIN, wire_send(slot, BYTES("hello")));
    wire_close(&slot);
}

/* More probes than the pipe of an ordinary REQ holds, to a slot that is busy and then to one that is idle. */
static void probes_are_never_seen_and_take_no_turn(void **state)
{
    struct pair pair = open_pair();
    struct bytes none;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    for (int index = 0; index < 100; index++) {
        enum status status = wire_probe(pair.pool, identity_of(&pair));

        assert_true(status == STATUS_OK || status == STATUS_AGAIN);
    }
    assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
    assert_status(STATUS_OK, take(pair.pool, &none, &frame));
    assert_bytes("verdict", frame);
    while (wire_probe(pair.pool, identity_of(&pair)) != STATUS_OK) {
        (void)readable(pair.slot, 1);
    }
    /* The probe stands before the task in the pipe, and before it may stand more; the slot sees the task alone. */
    while (wire_send_to(pair.pool, identity_of(&pair), BYTES("second")) == STATUS_AGAIN) {
        (void)readable(pair.slot, 1);
    }
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    assert_bytes("second", frame);
    close_pair(&pair);
}

static void a_slot_that_went_away_is_found_by_a_probe(void **state)
{
    struct pair pair = open_pair();
    uint64_t end_ms = clock_ms() + WAIT_MS;
    enum status status;

    (void)state;
    wire_close(&pair.slot);
    do {
        (void)readable(pair.pool, 1);
        status = wire_probe(pair.pool, identity_of(&pair));
    } while (status != STATUS_CLOSED && clock_ms() < end_ms);
    assert_status(STATUS_CLOSED, status);
    assert_status(STATUS_CLOSED, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    close_pair(&pair);
}

static void frames_are_bounded_exactly(void **state)
{
    char content[FRAME_BYTES_MAX + 1];
    struct pair pair = open_pair();
    struct bytes none;
    struct bytes frame;
    uint64_t end_ms = clock_ms() + WAIT_MS;
    enum status status;

    (void)state;
    memset(content, 'x', sizeof content);
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), (struct bytes){content, FRAME_BYTES_MAX}));
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    assert_int_equal(FRAME_BYTES_MAX, frame.count);
    assert_status(STATUS_OK, wire_send(pair.slot, (struct bytes){content, FRAME_BYTES_MAX}));
    assert_status(STATUS_OK, take(pair.pool, &none, &frame));
    assert_int_equal(FRAME_BYTES_MAX, frame.count);

    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    assert_status(STATUS_OK, wire_send(pair.slot, (struct bytes){content, FRAME_BYTES_MAX + 1}));
    do {
        (void)readable(pair.pool, 1);
        status = wire_probe(pair.pool, identity_of(&pair));
    } while (status != STATUS_CLOSED && clock_ms() < end_ms);
    assert_status(STATUS_CLOSED, status); /* cut off, and nothing of it arrived */
    assert_status(STATUS_AGAIN, wire_take(pair.pool, &none, &frame));
    close_pair(&pair);
}

/* Parts as a stranger with a DEALER sends them. */
static void send_raw(void *dealer, const char *const *parts, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        assert_int_equal(strlen(parts[index]),
                         zmq_send(dealer, parts[index], strlen(parts[index]), index + 1 < count ? ZMQ_SNDMORE : 0));
    }
}

static void other_parts_than_ours_are_dropped_whole(void **state)
{
    struct pair pair = open_pair();
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger_ms = 0;
    struct bytes identity;
    struct bytes frame = BYTES("untouched");

    (void)state;
    assert_int_equal(0, zmq_setsockopt(dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms));
    assert_int_equal(0, zmq_setsockopt(dealer, ZMQ_ROUTING_ID, "raw", 3));
    assert_int_equal(0, zmq_connect(dealer, wire_endpoint(pair.pool)));
    send_raw(dealer, (const char *[]){"alone"}, 1);
    send_raw(dealer, (const char *[]){""}, 1);
    send_raw(dealer, (const char *[]){"no", "delimiter"}, 2);
    send_raw(dealer, (const char *[]){"", "one", "two", "three"}, 4);
    send_raw(dealer, (const char *[]){"", "good"}, 2);
    for (int index = 0; index < 4; index++) {
        assert_status(STATUS_MALFORMED, take(pair.pool, &identity, &frame));
        assert_bytes("raw", identity);
        assert_bytes("untouched", frame);
    }
    assert_status(STATUS_OK, take(pair.pool, &identity, &frame));
    assert_bytes("good", frame);
    assert_int_equal(0, zmq_close(dealer));
    assert_int_equal(0, zmq_ctx_term(context));
    close_pair(&pair);
}

static void announcements_reach_who_listens_and_listeners_are_seen(void **state)
{
    struct wire *announce = NULL;
    struct wire *listen = NULL;
    struct bytes none;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_OK, wire_open(&announce, WIRE_ANNOUNCE, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(announce, "tcp://127.0.0.1:*"));
    assert_status(STATUS_OK, wire_open(&listen, WIRE_LISTEN, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(listen, wire_endpoint(announce)));
    assert_status(STATUS_OK, take(announce, &none, &frame));
    assert_bytes("\x01", frame); /* subscribed to everything */
    assert_status(STATUS_OK, wire_send(announce, BYTES("model")));
    assert_status(STATUS_OK, take(listen, &none, &frame));
    assert_bytes("model", frame);
    wire_close(&listen);
    wire_close(&announce);
}

static void the_processs_signals_stay_its_own(void **state)
{
    struct sigaction interrupt;
    struct sigaction terminate;
    struct pair pair = open_pair();

    (void)state;
    assert_int_equal(0, sigaction(SIGINT, NULL, &interrupt));
    assert_int_equal(0, sigaction(SIGTERM, NULL, &terminate));
    assert_true(interrupt.sa_handler == SIG_DFL && terminate.sa_handler == SIG_DFL);
    close_pair(&pair);
}

static int option_of(const struct wire *wire, int name)
{
    int value = -2;
    size_t room = sizeof value;

    assert_int_equal(0, zmq_getsockopt(wire_handle(wire), name, &value, &room));
    return value;
}

/* ROUTER_MANDATORY, ROUTER_HANDOVER, XPUB_VERBOSE and REQ_RELAXED cannot be read: tests of what they do stand beside. */
static void every_option_is_what_the_rules_say(void **state)
{
    static const struct {
        enum wire_role role;
        int type;
        int send_messages;
        int receive_messages;
        int immediate;
    } expected[] = {
        {WIRE_POOL, ZMQ_ROUTER, 64, 64, 0},
        {WIRE_SLOT, ZMQ_REQ, 1024, 1024, 1},
        {WIRE_ANNOUNCE, ZMQ_XPUB, 16, 16, 0},
        {WIRE_LISTEN, ZMQ_SUB, 16, 16, 0},
    };

    (void)state;
    for (size_t index = 0; index < sizeof expected / sizeof expected[0]; index++) {
        struct wire *wire = NULL;
        int64_t bytes_max = 0;
        size_t room = sizeof bytes_max;

        assert_status(STATUS_OK, wire_open(&wire, expected[index].role, 64 * KIB));
        assert_int_equal(expected[index].type, option_of(wire, ZMQ_TYPE));
        assert_int_equal(expected[index].send_messages, option_of(wire, ZMQ_SNDHWM));
        assert_int_equal(expected[index].receive_messages, option_of(wire, ZMQ_RCVHWM));
        assert_int_equal(expected[index].immediate, option_of(wire, ZMQ_IMMEDIATE));
        assert_int_equal(0, option_of(wire, ZMQ_LINGER));
        assert_int_equal(1000, option_of(wire, ZMQ_HEARTBEAT_IVL));
        assert_int_equal(3000, option_of(wire, ZMQ_HEARTBEAT_TIMEOUT));
        assert_int_equal(5000, option_of(wire, ZMQ_HEARTBEAT_TTL));
        assert_int_equal(3000, option_of(wire, ZMQ_HANDSHAKE_IVL));
        assert_int_equal(100, option_of(wire, ZMQ_RECONNECT_IVL));
        assert_int_equal(5000, option_of(wire, ZMQ_RECONNECT_IVL_MAX));
        assert_int_equal(1, option_of(wire, ZMQ_TCP_KEEPALIVE));
        assert_int_equal(0, zmq_getsockopt(wire_handle(wire), ZMQ_MAXMSGSIZE, &bytes_max, &room));
        assert_int_equal(64 * KIB, bytes_max);
        wire_close(&wire);
    }
}

/* A stranger that calls itself as a slot does must not take its place. */
static void an_identity_that_is_taken_stays_with_who_has_it(void **state)
{
    struct wire *pool = NULL;
    void *context = zmq_ctx_new();
    void *dealers[2];
    int linger_ms = 0;
    char answer[8] = "";
    struct bytes identity;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, FRAME_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(pool, "tcp://127.0.0.1:*"));
    for (int index = 0; index < 2; index++) {
        dealers[index] = zmq_socket(context, ZMQ_DEALER);
        assert_int_equal(0, zmq_setsockopt(dealers[index], ZMQ_LINGER, &linger_ms, sizeof linger_ms));
        assert_int_equal(0, zmq_setsockopt(dealers[index], ZMQ_ROUTING_ID, "same", 4));
        assert_int_equal(0, zmq_connect(dealers[index], wire_endpoint(pool)));
        send_raw(dealers[index], (const char *[]){"", index == 0 ? "first" : "second"}, 2);
        if (index == 0) {
            assert_status(STATUS_OK, take(pool, &identity, &frame));
            assert_bytes("first", frame);
        }
    }
    assert_false(readable(pool, 300)); /* nothing of the second is heard */
    assert_status(STATUS_OK, wire_send_to(pool, BYTES("same"), BYTES("task")));
    assert_int_equal(0, zmq_recv(dealers[0], answer, sizeof answer, 0));
    assert_int_equal(4, zmq_recv(dealers[0], answer, sizeof answer, 0));
    assert_memory_equal("task", answer, 4);
    assert_int_equal(0, zmq_close(dealers[0]));
    assert_int_equal(0, zmq_close(dealers[1]));
    assert_int_equal(0, zmq_ctx_term(context));
    wire_close(&pool);
}

static void a_slot_knows_whether_it_is_connected_and_a_detached_one_is_not(void **state)
{
    struct pair pair = open_pair();
    uint64_t end_ms = clock_ms() + WAIT_MS;
    struct bytes none;
    struct bytes frame;

    (void)state;
    assert_true(wire_connected(pair.slot)); /* and it is not its turn to send */
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &none, &frame));
    assert_true(wire_connected(pair.slot));
    assert_status(STATUS_NOT_FOUND, wire_detach(pair.slot, "tcp://127.0.0.1:1"));
    assert_status(STATUS_OK, wire_detach(pair.slot, wire_endpoint(pair.pool)));
    while (wire_connected(pair.slot)) {
        assert_true(clock_ms() < end_ms);
        (void)zmq_poll(NULL, 0, 1);
    }
    close_pair(&pair);
}

static bool is_told_by_the_descriptor(const struct wire *wire, int wait_ms)
{
    struct pollfd item = {wire_descriptor(wire), POLLIN, 0};

    return poll(&item, 1, wait_ms) == 1;
}

static void what_another_call_has_seen_only_the_socket_tells(void **state)
{
    struct pair pair = open_pair();
    struct bytes none;
    struct bytes frame;

    (void)state;
    assert_true(wire_connected(pair.slot));
    assert_false(wire_untold(pair.slot));
    assert_false(is_told_by_the_descriptor(pair.slot, 0));
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_true(is_told_by_the_descriptor(pair.slot, WAIT_MS));
    assert_true(wire_connected(pair.slot));
    assert_false(is_told_by_the_descriptor(pair.slot, 0));
    assert_true(wire_untold(pair.slot));
    assert_status(STATUS_OK, wire_take(pair.slot, &none, &frame));
    assert_bytes("task", frame);
    assert_false(wire_untold(pair.slot));
    close_pair(&pair);
}

static void after_a_take_that_found_nothing_the_descriptor_tells_what_comes(void **state)
{
    struct pair pair = open_pair();
    struct bytes identity;
    struct bytes frame;

    (void)state;
    for (int round = 0; round < 3; round++) {
        assert_status(STATUS_AGAIN, wire_take(pair.slot, &identity, &frame));
        assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
        assert_false(wire_untold(pair.slot)); /* it asks no more */
        assert_true(is_told_by_the_descriptor(pair.slot, WAIT_MS));
        assert_status(STATUS_OK, wire_take(pair.slot, &identity, &frame));
        assert_bytes("task", frame);
        assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
        assert_status(STATUS_OK, take(pair.pool, &identity, &frame));
        assert_bytes("verdict", frame);
    }
    close_pair(&pair);
}

/* A frame that a slot has not taken when it answers must not keep the descriptor from telling of the next one. */
static void after_an_answer_the_descriptor_tells_what_comes(void **state)
{
    struct pair pair = open_pair();
    struct bytes identity;
    struct bytes frame;

    (void)state;
    for (int round = 0; round < 20; round++) {
        enum status status;

        assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
        assert_status(STATUS_OK, wire_probe(pair.pool, identity_of(&pair)));
        do {
            assert_true(is_told_by_the_descriptor(pair.slot, WAIT_MS));
            status = wire_take(pair.slot, &identity, &frame);
        } while (status == STATUS_AGAIN);
        assert_status(STATUS_OK, status);
        assert_bytes("task", frame);
        assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
        assert_false(wire_may_have_changed(pair.slot));
        assert_status(STATUS_OK, take(pair.pool, &identity, &frame));
    }
    close_pair(&pair);
}

static void what_rang_before_an_answer_is_asked_for_after_it(void **state)
{
    struct pair pair = open_pair();
    struct bytes identity;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &identity, &frame));
    wire_rang(pair.slot);
    assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
    assert_true(wire_may_have_changed(pair.slot));
    assert_false(wire_untold(pair.slot));
    assert_false(wire_may_have_changed(pair.slot));
    close_pair(&pair);
}

static void what_a_send_has_seen_only_the_socket_tells(void **state)
{
    struct pair pair = open_pair();
    uint64_t end_ms = clock_ms() + WAIT_MS;
    struct bytes identity;
    struct bytes frame;

    (void)state;
    assert_status(STATUS_OK, wire_send_to(pair.pool, identity_of(&pair), BYTES("task")));
    assert_status(STATUS_OK, take(pair.slot, &identity, &frame));
    assert_status(STATUS_AGAIN, wire_take(pair.pool, &identity, &frame));
    assert_status(STATUS_OK, wire_send(pair.slot, BYTES("verdict")));
    assert_true(is_told_by_the_descriptor(pair.pool, WAIT_MS));
    while (is_told_by_the_descriptor(pair.pool, 0)) { /* libzmq looks aside now and then */
        enum status status = wire_probe(pair.pool, identity_of(&pair));

        assert_true(status == STATUS_OK || status == STATUS_AGAIN);
        assert_true(clock_ms() < end_ms);
    }
    assert_true(wire_untold(pair.pool));
    assert_status(STATUS_OK, wire_take(pair.pool, &identity, &frame));
    assert_bytes("verdict", frame);
    close_pair(&pair);
}

static void closing_takes_nothing(void **state)
{
    struct wire *none = NULL;

    (void)state;
    wire_close(&none);
    assert_null(none);
}

static int start(void **state)
{
    (void)state;
    return wire_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_beyond_loopback_are_denied),
        cmocka_unit_test(an_endpoint_has_a_bounded_length),
        cmocka_unit_test(loopback_ipc_and_inproc_are_accepted),
        cmocka_unit_test(a_port_that_is_taken_is_an_error),
        cmocka_unit_test(a_slot_and_the_pool_take_turns),
        cmocka_unit_test(a_frame_to_nobody_is_told),
        cmocka_unit_test(a_slot_without_a_pool_cannot_send),
        cmocka_unit_test(probes_are_never_seen_and_take_no_turn),
        cmocka_unit_test(a_slot_that_went_away_is_found_by_a_probe),
        cmocka_unit_test(frames_are_bounded_exactly),
        cmocka_unit_test(other_parts_than_ours_are_dropped_whole),
        cmocka_unit_test(announcements_reach_who_listens_and_listeners_are_seen),
        cmocka_unit_test(the_processs_signals_stay_its_own),
        cmocka_unit_test(every_option_is_what_the_rules_say),
        cmocka_unit_test(an_identity_that_is_taken_stays_with_who_has_it),
        cmocka_unit_test(a_slot_knows_whether_it_is_connected_and_a_detached_one_is_not),
        cmocka_unit_test(what_another_call_has_seen_only_the_socket_tells),
        cmocka_unit_test(after_an_answer_the_descriptor_tells_what_comes),
        cmocka_unit_test(what_rang_before_an_answer_is_asked_for_after_it),
        cmocka_unit_test(what_a_send_has_seen_only_the_socket_tells),
        cmocka_unit_test(after_a_take_that_found_nothing_the_descriptor_tells_what_comes),
        cmocka_unit_test(closing_takes_nothing),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
