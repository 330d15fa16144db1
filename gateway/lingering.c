/* lingering: a short list of sockets that are read for nothing. */
#include "gateway/lingering.h"

#include "proto/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void lingering_open(struct lingering *lingering, struct metrics *metrics)
{
    static const char *const ends[] = {"client", "time", "room"};

    lingering->count = 0;
    for (enum lingering_end end = 0; end < LINGERING_ENDS; end++) {
        lingering->ended[end] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_lingering_ended_total",
                                               "Clients of too many that were answered, by what ended the wait for their own end",
                                               &(struct metric_label){"by", ends[end]}, 1);
    }
}

/* Throws away what has come. False when nothing more will. */
static bool drop(int socket)
{
    char nowhere[READ_BUFFER_BYTES];
    ssize_t count = recv(socket, nowhere, sizeof nowhere, MSG_DONTWAIT);

    return count > 0 || (count < 0 && errno == EAGAIN);
}

/* A close over bytes that nobody has read would be a reset. */
static void end_at(struct lingering *lingering, size_t index, enum lingering_end end)
{
    (void)drop(lingering->list[index].socket);
    (void)close(lingering->list[index].socket);
    series_add(lingering->ended[end], 1);
    lingering->count--;
    memmove(&lingering->list[index], &lingering->list[index + 1], (lingering->count - index) * sizeof lingering->list[0]);
}

void lingering_take(struct lingering *lingering, int socket)
{
    if (lingering->count == LINGERING_MAX) {
        end_at(lingering, 0, LINGERED_ROOM);
    }
    (void)shutdown(socket, SHUT_WR);
    lingering->list[lingering->count++] = (struct lingerer){socket, clock_ms()};
}

void lingering_tick(struct lingering *lingering)
{
    uint64_t now_ms = clock_ms();
    size_t index = 0;

    while (index < lingering->count) {
        if (!drop(lingering->list[index].socket)) {
            end_at(lingering, index, LINGERED_CLIENT);
        } else if (now_ms - lingering->list[index].since_ms >= LINGER_MS) {
            end_at(lingering, index, LINGERED_TIME);
        } else {
            index++;
        }
    }
}

void lingering_close(struct lingering *lingering)
{
    while (lingering->count > 0) {
        end_at(lingering, lingering->count - 1, LINGERED_TIME);
    }
}
