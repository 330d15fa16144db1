/* roster: lists by state, and the one door between them. */
#include "gateway/roster.h"

#include <assert.h>

void roster_init(struct roster *roster)
{
    for (unsigned state = 0; state < ROSTER_STATES_MAX; state++) {
        TAILQ_INIT(&roster->states[state]);
        roster->limit_ms[state] = 0;
    }
    TAILQ_INIT(&roster->turn);
    roster->count = 0;
}

void roster_join(struct roster *roster, struct roster_member *member, unsigned state, uint64_t now_ms)
{
    assert(state < ROSTER_STATES_MAX);
    member->state = state;
    member->since_ms = now_ms;
    member->wants_turn = false;
    TAILQ_INSERT_TAIL(&roster->states[state], member, in_state);
    roster->count++;
}

void roster_leave(struct roster *roster, struct roster_member *member)
{
    assert(roster->count > 0);
    TAILQ_REMOVE(&roster->states[member->state], member, in_state);
    if (member->wants_turn) {
        TAILQ_REMOVE(&roster->turn, member, in_turn);
        member->wants_turn = false;
    }
    roster->count--;
}

void roster_enter(struct roster *roster, struct roster_member *member, unsigned state, uint64_t now_ms)
{
    assert(state < ROSTER_STATES_MAX);
    TAILQ_REMOVE(&roster->states[member->state], member, in_state);
    member->state = state;
    member->since_ms = now_ms;
    TAILQ_INSERT_TAIL(&roster->states[state], member, in_state);
}

void roster_want_turn(struct roster *roster, struct roster_member *member)
{
    if (!member->wants_turn) {
        member->wants_turn = true;
        TAILQ_INSERT_TAIL(&roster->turn, member, in_turn);
    }
}

void roster_turn(struct roster *roster, void (*settle)(struct roster_member *member))
{
    struct roster_member *member;

    while ((member = TAILQ_FIRST(&roster->turn)) != NULL) {
        TAILQ_REMOVE(&roster->turn, member, in_turn);
        member->wants_turn = false;
        settle(member);
    }
}

void roster_tick(struct roster *roster, uint64_t now_ms, void (*expired)(struct roster_member *member))
{
    for (unsigned state = 0; state < ROSTER_STATES_MAX; state++) {
        struct roster_member *oldest = TAILQ_FIRST(&roster->states[state]);

        while (roster->limit_ms[state] > 0 && oldest != NULL && oldest->since_ms + roster->limit_ms[state] <= now_ms) {
            struct roster_member *next;

            expired(oldest);
            next = TAILQ_FIRST(&roster->states[state]);
            assert(next != oldest || next->since_ms >= now_ms); /* or this would never end; time has gone on since `now_ms` */
            oldest = next;
        }
    }
}

struct roster_member *roster_oldest(const struct roster *roster, unsigned state)
{
    assert(state < ROSTER_STATES_MAX);
    return TAILQ_FIRST(&roster->states[state]);
}
