/* connection_pressure: who goes first. */
#include "gateway/connection_pressure.h"

#include "gateway/connection_inside.h"
#include "gateway/connection_set.h"
#include "proto/clock.h"

static struct connection *watched_of(struct roster_member *member)
{
    return (struct connection *)((char *)member - offsetof(struct connection, watch));
}

static bool stands(struct connection *connection, uint64_t now_ms)
{
    if (out_moved(&connection->out)) {
        connection->moved_ms = now_ms;
    }
    return now_ms - connection->moved_ms >= STANDING_MS;
}

/* The one that holds most, of those that stand still when there are any. */
static struct connection *choose(const struct connection_set *set, uint64_t now_ms)
{
    struct connection *chosen = NULL;
    bool chosen_stands = false;

    for (struct roster_member *member = roster_oldest(&set->stalls, WATCH_STALL); member != NULL;
         member = TAILQ_NEXT(member, in_state)) {
        struct connection *connection = watched_of(member);
        bool standing = stands(connection, now_ms);

        if (out_unsent(&connection->out) == 0) {
            continue;
        }
        if (chosen == NULL || (standing && !chosen_stands) ||
            (standing == chosen_stands && out_held(&connection->out) > out_held(&chosen->out))) {
            chosen = connection;
            chosen_stands = standing;
        }
    }
    return chosen;
}

void pressure_relieve(struct connection_set *set)
{
    const struct account *unsent = admit_unsent(set->admit);
    uint64_t high = unsent->limit_bytes - unsent->limit_bytes / UNSENT_SPARED_PART;
    uint64_t held = account_bytes(unsent);

    /* What is closing is given back in the loop's next turn. */
    while (held > high && held - high > set->leaving_bytes) {
        struct connection *connection = choose(set, clock_ms());

        held = account_bytes(unsent);
        if (connection == NULL) {
            return;
        }
        if (held > high && held - high > set->leaving_bytes) {
            connection_lose(connection, BY_STREAM_BUDGET);
        }
    }
}

/* Each loop cuts one in each sample as long as the stage lasts: what that gives back is seen in the next. */
static void cut_stalled(struct connection_set *set)
{
    struct overload *overload = admit_overload(set->admit);
    uint64_t sample = overload_samples(overload);
    uint64_t now_ms = clock_ms();
    struct connection *connection;

    if (overload_stage(overload) < OVERLOAD_STALLED || sample == set->cut_sample) {
        return;
    }
    set->cut_sample = sample;
    connection = choose(set, now_ms);
    if (connection != NULL && now_ms - connection->moved_ms >= STANDING_MS) {
        overload_count(overload, OVERLOAD_STALLED);
        connection_lose(connection, BY_OVERLOAD);
    }
}

void pressure_tick(struct connection_set *set)
{
    uint64_t keep_alive_ms = set->limits->keep_alive_ms;

    if (overload_stage(admit_overload(set->admit)) >= OVERLOAD_KEEP_ALIVE && keep_alive_ms > OVERLOAD_KEEP_ALIVE_MS) {
        keep_alive_ms = OVERLOAD_KEEP_ALIVE_MS;
    }
    set->roster.limit_ms[IDLE] = keep_alive_ms;
    cut_stalled(set);
}

static bool give_way(struct connection *connection)
{
    connection_close(connection, BY_PRESSURE, false);
    return true;
}

/* Before its first request; one that came since the loop last looked at its sockets is one. */
static bool close_silent(struct connection_set *set)
{
    struct roster_member *member = roster_oldest(&set->roster, HEAD);

    return member != NULL && clock_ms() - member->since_ms >= SILENT_MS && !request_begun(connection_of(member)->request) &&
           !connection_has_unread(connection_of(member)) && give_way(connection_of(member));
}

bool connection_set_close_idle(struct connection_set *set)
{
    struct roster_member *member;

    for (int looks = 0; looks < CLOSE_IDLE_LOOKS && (member = roster_oldest(&set->roster, IDLE)) != NULL; looks++) {
        struct connection *connection = connection_of(member);

        if (!request_begun(connection->request) && !connection_has_unread(connection)) {
            return give_way(connection);
        }
        roster_enter(&set->roster, member, IDLE, clock_ms()); /* its client has asked already */
    }
    return roster_oldest(&set->roster, IDLE) == NULL && close_silent(set);
}
