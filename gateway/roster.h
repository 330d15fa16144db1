/* roster: the members of one loop, in one list a state; the oldest of a state comes first, so that time is cheap to watch.
 *
 *   state 0 (10 s)   oldest -> ... -> youngest      roster_tick looks at the oldest of each list only
 *   state 1 (30 s)   oldest -> ...
 *   turn             members that want to be looked at before the loop sleeps
 *
 * A member is in exactly one state's list from roster_join to roster_leave; roster_enter is the only door between lists.
 * The members belong to whoever joined them. Thread: the loop's.
 */
#ifndef GATEWAY_ROSTER_H
#define GATEWAY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { ROSTER_STATES_MAX = 12 };

/* Embedded in what is listed. */
struct roster_member {
    TAILQ_ENTRY(roster_member) in_state;
    TAILQ_ENTRY(roster_member) in_turn;
    unsigned state;
    bool wants_turn;
    uint64_t since_ms; /* when it entered its state */
};

TAILQ_HEAD(roster_list, roster_member);

struct roster {
    struct roster_list states[ROSTER_STATES_MAX];
    uint64_t limit_ms[ROSTER_STATES_MAX]; /* 0 = none: set by the owner after roster_init */
    struct roster_list turn;
    size_t count;
};

void roster_init(struct roster *roster);

void roster_join(struct roster *roster, struct roster_member *member, unsigned state, uint64_t now_ms);
void roster_leave(struct roster *roster, struct roster_member *member);

/* To the young end of that state's list, also when it is there already. */
void roster_enter(struct roster *roster, struct roster_member *member, unsigned state, uint64_t now_ms);

/* Asks for roster_turn's attention; asking twice is asking once. */
void roster_want_turn(struct roster *roster, struct roster_member *member);

/* Calls `settle` for each member that asked, also for those that ask meanwhile. A member may leave during its call. */
void roster_turn(struct roster *roster, void (*settle)(struct roster_member *member));

/* Calls `expired` for each member that is in its state for as long as the state's limit; it must leave or enter a state. */
void roster_tick(struct roster *roster, uint64_t now_ms, void (*expired)(struct roster_member *member));

/* The oldest of a state, or NULL. */
struct roster_member *roster_oldest(const struct roster *roster, unsigned state);

#endif
