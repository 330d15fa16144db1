/* gateway: the ROUTER side of a slot for tests, on a real socket: takes what slots send, answers the one it heard last. */
#ifndef TESTS_SUPPORT_GATEWAY_H
#define TESTS_SUPPORT_GATEWAY_H

#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <zmq.h>

enum { GATEWAY_WAIT_MS = 20000, GATEWAY_IDENTITY_BYTES = 256 };

struct gateway {
    struct wire *wire;
    char identity[GATEWAY_IDENTITY_BYTES]; /* of the slot heard last */
    size_t identity_bytes;
};

/* Also on a port that was just closed: libzmq gives it back a moment later, and the bind that succeeds is the event. */
static inline void gateway_open(struct gateway *gateway, const char *endpoint)
{
    uint64_t end_ms = clock_ms() + GATEWAY_WAIT_MS;
    enum status status;

    *gateway = (struct gateway){0};
    assert_status(STATUS_OK, wire_open(&gateway->wire, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    do {
        status = wire_attach(gateway->wire, endpoint);
    } while (status == STATUS_IN_USE && clock_ms() < end_ms && zmq_poll(NULL, 0, 10) == 0);
    assert_status(STATUS_OK, status);
}

static inline void gateway_close(struct gateway *gateway)
{
    wire_close(&gateway->wire);
}

static inline struct bytes gateway_peer(const struct gateway *gateway)
{
    return (struct bytes){gateway->identity, gateway->identity_bytes};
}

/* The next frame of any slot; false after `wait_ms` without one. */
static inline bool gateway_hear(struct gateway *gateway, long wait_ms, struct bytes *frame)
{
    zmq_pollitem_t item = {.socket = wire_handle(gateway->wire), .events = ZMQ_POLLIN};
    struct bytes identity;

    while (zmq_poll(&item, 1, wait_ms) == 1) {
        if (wire_take(gateway->wire, &identity, frame) == STATUS_OK) {
            assert_in_range(identity.count, 1, sizeof gateway->identity);
            memcpy(gateway->identity, identity.data, identity.count);
            gateway->identity_bytes = identity.count;
            return true;
        }
    }
    return false;
}

/* The next frame, which must be of this type. */
static inline struct bytes gateway_expect(struct gateway *gateway, enum message_type expected)
{
    struct bytes frame;
    enum message_type type;

    assert_true(gateway_hear(gateway, GATEWAY_WAIT_MS, &frame));
    assert_status(STATUS_OK, message_read_type(frame, &type));
    assert_int_equal(expected, type);
    return frame;
}

static inline void gateway_send(struct gateway *gateway, struct bytes frame)
{
    assert_status(STATUS_OK, wire_send_to(gateway->wire, gateway_peer(gateway), frame));
}

static inline void gateway_ping(struct gateway *gateway)
{
    struct buffer out;

    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_plain(MESSAGE_PING, &out));
    gateway_send(gateway, buffer_view(&out));
    buffer_free(&out);
}

static inline struct message_verdict gateway_verdict(struct gateway *gateway)
{
    struct message_verdict verdict;

    assert_status(STATUS_OK, message_read_verdict(gateway_expect(gateway, MESSAGE_VERDICT), &verdict));
    return verdict;
}

static inline struct message_verdicts gateway_verdicts(struct gateway *gateway)
{
    struct message_verdicts verdicts;

    assert_status(STATUS_OK, message_read_verdicts(gateway_expect(gateway, MESSAGE_VERDICTS), &verdicts));
    return verdicts;
}

static inline struct message_busy gateway_busy(struct gateway *gateway)
{
    struct message_busy busy;

    assert_status(STATUS_OK, message_read_busy(gateway_expect(gateway, MESSAGE_BUSY), &busy));
    return busy;
}

#endif
