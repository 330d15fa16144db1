/* publish: one XPUB socket, one value, and a loop that nothing but its own poll can hold up. */
#include "trainer/publish.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

/* The frame by which an XPUB tells of a new subscription begins with this byte; 0 tells of one that ended. */
enum { SUBSCRIBED = 1, SUBSCRIPTIONS_PER_TURN = 64 };

struct publish {
    struct wire *wire;
    int wake_fd;          /* readable: the value below has changed, or the end has come */
    pthread_mutex_t lock; /* guards the four below */
    struct message_model model;
    uint64_t until_ms; /* of clock_ms(); 0 = nothing to announce */
    bool ended;
    _Atomic uint64_t turned_ms;
    struct series *announcements;
};

enum status publish_open(struct publish **out, const char *endpoint, const struct wire_security *security,
                         struct metrics *metrics)
{
    struct publish *publish = calloc(1, sizeof *publish);
    enum status status = STATUS_OK;

    if (publish == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)pthread_mutex_init(&publish->lock, NULL);
    publish->announcements = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_announcements_total",
                                            "Announcements of the newest model version.", NULL, 0);
    atomic_init(&publish->turned_ms, clock_ms());
    publish->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (publish->wake_fd < 0) {
        status = STATUS_IO;
        goto fail;
    }
    /* Subscriptions are a byte and a topic. */
    status = wire_open(&publish->wire, WIRE_ANNOUNCE, SUBSCRIPTION_BYTES_MAX);
    if (status == STATUS_OK) {
        wire_secure(publish->wire, security);
        status = wire_attach(publish->wire, endpoint);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = publish;
    return STATUS_OK;
fail:
    publish_close(&publish);
    return status;
}

void publish_close(struct publish **publish)
{
    if (*publish == NULL) {
        return;
    }
    wire_close(&(*publish)->wire);
    if ((*publish)->wake_fd >= 0) {
        (void)close((*publish)->wake_fd);
    }
    (void)pthread_mutex_destroy(&(*publish)->lock);
    free(*publish);
    *publish = NULL;
}

const char *publish_endpoint(const struct publish *publish)
{
    return wire_endpoint(publish->wire);
}

static void wake(struct publish *publish)
{
    uint64_t one = 1;

    /* It fails only when the counter is full, and then the loop is awake anyway. */
    if (write(publish->wake_fd, &one, sizeof one) < 0) {
        return;
    }
}

void publish_set(struct publish *publish, int64_t epoch, int64_t change, uint64_t until_ms)
{
    const struct message_model model = {.epoch = (uint64_t)epoch, .change = (uint64_t)change};
    bool is_news;

    assert(epoch >= 0 && change >= 0);
    (void)pthread_mutex_lock(&publish->lock);
    is_news = publish->until_ms == 0 || publish->model.epoch != model.epoch || publish->model.change != model.change;
    publish->model = model;
    publish->until_ms = until_ms;
    (void)pthread_mutex_unlock(&publish->lock);
    if (is_news) {
        wake(publish);
    }
}

void publish_clear(struct publish *publish)
{
    (void)pthread_mutex_lock(&publish->lock);
    publish->until_ms = 0;
    (void)pthread_mutex_unlock(&publish->lock);
}

void publish_end(struct publish *publish)
{
    (void)pthread_mutex_lock(&publish->lock);
    publish->ended = true;
    (void)pthread_mutex_unlock(&publish->lock);
    wake(publish);
}

bool publish_alive(const struct publish *publish)
{
    return clock_ms() - atomic_load(&publish->turned_ms) < PUBLISH_TURN_MS;
}

static bool has_ended(struct publish *publish)
{
    bool ended;

    (void)pthread_mutex_lock(&publish->lock);
    ended = publish->ended;
    (void)pthread_mutex_unlock(&publish->lock);
    return ended;
}

static void announce(struct publish *publish)
{
    struct message_model model;
    struct buffer frame;
    uint64_t until_ms;
    enum status status;

    (void)pthread_mutex_lock(&publish->lock);
    model = publish->model;
    until_ms = publish->until_ms;
    (void)pthread_mutex_unlock(&publish->lock);
    if (clock_ms() >= until_ms) {
        return;
    }
    buffer_init(&frame, ROUTER_MESSAGE_BYTES_MAX);
    status = message_write_model(&model, &frame);
    if (status == STATUS_OK) {
        status = wire_send(publish->wire, buffer_view(&frame));
    }
    buffer_free(&frame);
    if (status == STATUS_OK) {
        series_add(publish->announcements, 1);
    } else {
        log_event_limited(LOG_WARN, "announcement_failed", LOG_STATUS("status", status));
    }
}

/* Reads what subscribers sent, some at a time so that a flood of them does not hold up the second. */
static bool take_subscriptions(struct publish *publish)
{
    bool newcomer = false;

    for (int turn = 0; turn < SUBSCRIPTIONS_PER_TURN; turn++) {
        struct bytes identity;
        struct bytes frame;
        enum status status = wire_take(publish->wire, &identity, &frame);

        if (status == STATUS_MALFORMED) {
            continue;
        }
        if (status != STATUS_OK) {
            break;
        }
        newcomer = newcomer || (frame.count > 0 && frame.data[0] == SUBSCRIBED);
    }
    return newcomer;
}

void publish_run(struct publish *publish, int end_fd)
{
    uint64_t next_ms = clock_ms();
    int news = 0; /* how often they are still to be said soon */

    for (;;) {
        zmq_pollitem_t items[] = {
            {.socket = wire_handle(publish->wire), .events = ZMQ_POLLIN},
            {.fd = publish->wake_fd, .events = ZMQ_POLLIN},
            {.fd = end_fd, .events = ZMQ_POLLIN},
        };
        int item_count = end_fd < 0 ? 2 : 3;
        uint64_t now_ms = clock_ms();
        uint64_t waking;

        atomic_store(&publish->turned_ms, now_ms);
        if (now_ms >= next_ms) {
            announce(publish);
            news -= news > 0;
            next_ms = now_ms + (news > 0 ? ANNOUNCE_NEWS_MS : ANNOUNCE_EVERY_MS);
        }
        (void)zmq_poll(items, item_count, (long)(next_ms - now_ms));
        if (items[2].revents != 0 || has_ended(publish)) {
            return;
        }
        if (items[1].revents != 0 && read(publish->wake_fd, &waking, sizeof waking) == (ssize_t)sizeof waking) {
            next_ms = 0; /* the next turn announces it at once */
            news = ANNOUNCE_NEWS_COUNT;
        }
        if (items[0].revents != 0 && take_subscriptions(publish)) {
            next_ms = 0;
        }
    }
}
