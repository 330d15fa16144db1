/* connection_hunger: the list of bodies that wait for the budget. */
#include "gateway/connection_hunger.h"

#include "gateway/connection.h"
#include "gateway/connection_inside.h"
#include "proto/clock.h"

static struct connection *hungry_of(struct roster_member *member)
{
    return (struct connection *)((char *)member - offsetof(struct connection, hunger));
}

bool hunger_feeds(const struct connection *connection, size_t bytes)
{
    return bytes == 0 || connection->home->events->room(connection->exchange, bytes) == STATUS_OK;
}

/* Never more than could be kept ahead, but for a body's own bytes that have their room, and what is thrown away. */
size_t hunger_read_room(const struct connection *connection)
{
    uint64_t left;

    switch ((enum connection_state)connection->member.state) {
    case BODY:
        if (connection->held) {
            return READ_AHEAD_BYTES_MAX - connection->ahead.count; /* not 0: reading stops before */
        }
        left = request_body_left(connection->request);
        left = left < READ_BUFFER_BYTES ? left : READ_BUFFER_BYTES;
        return left > READ_AHEAD_BYTES_MAX && hunger_feeds(connection, (size_t)left) ? (size_t)left : READ_AHEAD_BYTES_MAX;
    case LINGER:
        return READ_BUFFER_BYTES;
    case BUSY:
    case SENDING:
        return READ_AHEAD_BYTES_MAX - connection->ahead.count;
    default:
        return READ_AHEAD_BYTES_MAX;
    }
}

void hunger_begin(struct connection *connection)
{
    connection->is_hungry = true;
    roster_join(&connection->home->hungry, &connection->hunger, WAIT_FOR_BUDGET, clock_ms());
}

void hunger_end(struct connection *connection)
{
    if (connection->is_hungry) {
        roster_leave(&connection->home->hungry, &connection->hunger);
        connection->is_hungry = false;
    }
}

void hunger_tick(struct connection_set *set)
{
    uint64_t now_ms = clock_ms();
    struct roster_member *member;

    /* Who waits longest has the room first; a smaller one behind it does not overtake. */
    while ((member = roster_oldest(&set->hungry, WAIT_FOR_BUDGET)) != NULL) {
        struct connection *connection = hungry_of(member);

        if (hunger_feeds(connection, connection->ahead.count)) {
            hunger_end(connection);
            connection_feed(connection);
        } else if (now_ms - member->since_ms >= BODY_BUDGET_WAIT_MS) {
            connection_refuse(connection, REFUSAL_BODY_BUDGET); /* ends its waiting */
        } else {
            return;
        }
    }
}
