/* connection_rest: the list of those that rest. */
#include "gateway/connection_rest.h"

#include "gateway/connection.h"
#include "gateway/connection_inside.h"
#include "proto/clock.h"

#include <assert.h>

void connection_rest(struct connection *connection, unsigned seconds)
{
    assert(seconds > 0 && seconds <= REST_S_MAX);
    if (!connection->rests) {
        connection->rests = true;
        roster_join(&connection->home->resting, &connection->rest, RESTS + seconds - 1, clock_ms());
    }
}

void rest_end(struct connection *connection)
{
    if (connection->rests) {
        roster_leave(&connection->home->resting, &connection->rest);
        connection->rests = false;
    }
}

static void rested(struct roster_member *member)
{
    struct connection *connection = (struct connection *)((char *)member - offsetof(struct connection, rest));

    rest_end(connection);
    if (connection->member.state == IDLE) {
        roster_enter(&connection->home->roster, &connection->member, IDLE, clock_ms()); /* its client comes when it was told to */
    }
    connection_feed(connection);
}

void rest_tick(struct connection_set *set)
{
    roster_tick(&set->resting, clock_ms(), rested);
}
