/* publish: the last value reaches a late subscriber, news at once, nothing after the lease. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "trainer/publish.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { PATIENCE_MS = 10000, LONG_MS = 3600 * 1000 };

struct stage {
    struct metrics *metrics;
    struct publish *publish;
    pthread_t thread;
    int end_fd;
};

static void *run(void *context)
{
    struct stage *stage = context;

    publish_run(stage->publish, stage->end_fd);
    return NULL;
}

static void raise_stage(struct stage *stage)
{
    stage->end_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(stage->end_fd >= 0);
    assert_status(STATUS_OK, metrics_open(&stage->metrics));
    assert_status(STATUS_OK, publish_open(&stage->publish, "tcp://127.0.0.1:*", NULL, stage->metrics));
    assert_int_equal(0, pthread_create(&stage->thread, NULL, run, stage));
}

static void lower_stage(struct stage *stage)
{
    assert_int_equal(0, pthread_join(stage->thread, NULL));
    publish_close(&stage->publish);
    publish_close(&stage->publish);
    metrics_close(&stage->metrics);
    assert_int_equal(0, close(stage->end_fd));
}

static struct wire *subscribe(const struct stage *stage)
{
    struct wire *wire = NULL;

    assert_status(STATUS_OK, wire_open(&wire, WIRE_LISTEN, ROUTER_MESSAGE_BYTES_MAX));
    assert_status(STATUS_OK, wire_attach(wire, publish_endpoint(stage->publish)));
    return wire;
}

/* The next announcement; false when none comes within `wait_ms`. */
static bool hear(struct wire *wire, uint64_t wait_ms, struct message_model *out)
{
    uint64_t until_ms = clock_ms() + wait_ms;
    struct bytes identity;
    struct bytes frame;

    for (uint64_t now_ms = clock_ms(); now_ms < until_ms; now_ms = clock_ms()) {
        zmq_pollitem_t item = {.socket = wire_handle(wire), .events = ZMQ_POLLIN};
        enum message_type type;

        (void)zmq_poll(&item, 1, (long)(until_ms - now_ms));
        if (wire_take(wire, &identity, &frame) == STATUS_OK) {
            assert_status(STATUS_OK, message_read_type(frame, &type));
            assert_int_equal(MESSAGE_MODEL, type);
            assert_status(STATUS_OK, message_read_model(frame, out));
            return true;
        }
    }
    return false;
}

static void a_late_subscriber_hears_the_last_value_before_the_next_second(void **state)
{
    struct stage stage;
    struct message_model model = {0};

    (void)state;
    raise_stage(&stage);
    publish_set(stage.publish, 3, 41, clock_ms() + LONG_MS);
    for (int turn = 0; turn < 3; turn++) {
        struct wire *wire = subscribe(&stage);

        assert_true(hear(wire, PATIENCE_MS, &model));
        assert_int_equal(3, model.epoch);
        assert_int_equal(41, model.change);
        wire_close(&wire);
    }
    publish_end(stage.publish);
    lower_stage(&stage);
}

static void it_repeats_each_second_and_tells_news_at_once(void **state)
{
    struct stage stage;
    struct message_model model = {0};
    struct wire *wire;
    uint64_t before_ms;

    (void)state;
    raise_stage(&stage);
    publish_set(stage.publish, 1, 0, clock_ms() + LONG_MS);
    wire = subscribe(&stage);
    for (int said = 0; said < ANNOUNCE_NEWS_COUNT + 2; said++) { /* as news, and to a newcomer */
        assert_true(hear(wire, PATIENCE_MS, &model));
    }
    before_ms = clock_ms();
    assert_true(hear(wire, PATIENCE_MS, &model)); /* its turn: the second begins here */
    assert_true(clock_ms() - before_ms >= ANNOUNCE_EVERY_MS / 2);
    before_ms = clock_ms();
    publish_set(stage.publish, 1, 7, clock_ms() + LONG_MS);
    assert_true(hear(wire, PATIENCE_MS, &model));
    assert_int_equal(7, model.change);
    assert_true(clock_ms() - before_ms < ANNOUNCE_EVERY_MS);
    for (int said = 1; said < ANNOUNCE_NEWS_COUNT; said++) { /* and soon again, so that some may be lost */
        assert_true(hear(wire, PATIENCE_MS, &model));
        assert_int_equal(7, model.change);
    }
    assert_true(clock_ms() - before_ms < (uint64_t)ANNOUNCE_NEWS_COUNT * ANNOUNCE_EVERY_MS / 2);
    assert_true(publish_alive(stage.publish));
    wire_close(&wire);
    assert_int_equal(0, eventfd_write(stage.end_fd, 1));
    lower_stage(&stage);
}

static void nothing_is_said_without_a_lease(void **state)
{
    struct stage stage;
    struct message_model model = {0};
    struct wire *wire;
    uint64_t until_ms;

    (void)state;
    raise_stage(&stage);
    wire = subscribe(&stage);
    assert_false(hear(wire, 2 * ANNOUNCE_EVERY_MS, &model));
    until_ms = clock_ms() + 2 * ANNOUNCE_EVERY_MS;
    publish_set(stage.publish, 2, 5, until_ms);
    while (hear(wire, 2 * ANNOUNCE_EVERY_MS, &model)) {
        assert_true(clock_ms() < until_ms + ANNOUNCE_EVERY_MS / 2);
    }
    assert_int_equal(2, model.epoch);
    publish_set(stage.publish, 2, 5, clock_ms() + LONG_MS);
    assert_true(hear(wire, PATIENCE_MS, &model));
    publish_clear(stage.publish);
    while (hear(wire, ANNOUNCE_EVERY_MS / 10, &model)) {
        /* one that was on its way */
    }
    assert_false(hear(wire, 2 * ANNOUNCE_EVERY_MS, &model));
    wire_close(&wire);
    publish_end(stage.publish);
    lower_stage(&stage);
}

static void a_public_address_is_refused_until_there_is_curve(void **state)
{
    struct metrics *metrics = NULL;
    struct publish *publish = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_DENIED, publish_open(&publish, "tcp://0.0.0.0:0", NULL, metrics));
    assert_null(publish);
    metrics_close(&metrics);
}

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, wire_start());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_subscriber_hears_the_last_value_before_the_next_second),
        cmocka_unit_test(it_repeats_each_second_and_tells_news_at_once),
        cmocka_unit_test(nothing_is_said_without_a_lease),
        cmocka_unit_test(a_public_address_is_refused_until_there_is_curve),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
