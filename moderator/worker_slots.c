/* worker_slots: follows the gateways' addresses; turns, polls and dismisses a set of slots. */
#include "moderator/worker_slots.h"

#include "proto/log.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 }; /* more are told by the next wait */

static size_t slots_per_home(const struct slot_want *wants, size_t want_count)
{
    size_t count = 0;

    for (size_t index = 0; index < want_count; index++) {
        count += wants[index].count;
    }
    return count;
}

size_t worker_slots_room(const struct slot_want *wants, size_t want_count)
{
    return ADDRESSES_MAX * slots_per_home(wants, want_count);
}

enum status worker_slots_open(struct worker_slots *set, const struct slot_want *wants, size_t want_count,
                              enum slot_kind kind, const struct wire_security *security, struct metrics *metrics)
{
    const struct metric_label label = {"kind", kind == SLOT_LOCAL ? "local" : "review"};
    size_t room = worker_slots_room(wants, want_count);
    struct slot *slots = calloc(room, sizeof *slots);
    struct slot_place *places = calloc(room, sizeof *places);
    int bell = slots == NULL || places == NULL ? -1 : epoll_create1(EPOLL_CLOEXEC);

    assert(room > 0);
    if (bell < 0) {
        enum status status = slots == NULL || places == NULL ? STATUS_NO_MEMORY : STATUS_UNAVAILABLE;

        free(slots);
        free(places);
        return status;
    }
    *set = (struct worker_slots){.slots = slots, .places = places, .room = room, .bell = bell, .wants = wants,
                                 .want_count = want_count, .security = security};
    set->gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_slots", "Slots that hear their gateway", &label, 1);
    return STATUS_OK;
}

static void count_joined(struct worker_slots *set)
{
    int64_t joined_count = 0;

    for (size_t index = 0; index < set->count; index++) {
        joined_count += set->slots[index].heard_ms != 0 && set->slots[index].state != SLOT_GONE;
    }
    series_add(set->gauge, joined_count - set->joined_count);
    set->joined_count = joined_count;
}

void worker_slots_close(struct worker_slots *set)
{
    if (set->slots == NULL) {
        return;
    }
    for (size_t index = 0; index < set->count; index++) {
        slot_close(&set->slots[index]);
    }
    count_joined(set);
    (void)close(set->bell);
    free(set->slots);
    free(set->places);
    *set = (struct worker_slots){0};
}

/* The slots of one want; the caller has seen that there is room. */
static void add_slots(struct worker_slots *set, struct slot_home *home, size_t want, uint64_t now_ms)
{
    size_t wanted = set->wants[want].count;

    for (size_t index = 0; wanted > 0; index++) {
        assert(index < set->room);
        if (set->places[index].home != NULL) {
            continue;
        }
        set->places[index] = (struct slot_place){want, home};
        slot_init(&set->slots[index], home->endpoint, set->security, &set->wants[want].ready, now_ms);
        set->slots[index].bell = set->bell;
        set->slots[index].number = (uint32_t)index;
        set->count = index < set->count ? set->count : index + 1;
        home->slot_count++;
        wanted--;
    }
}

static bool is_known(const struct worker_slots *set, const char *endpoint)
{
    for (size_t index = 0; index < ADDRESSES_MAX; index++) {
        const struct slot_home *home = &set->homes[index];

        if (home->slot_count > 0 && !home->leaving && strcmp(home->endpoint, endpoint) == 0) {
            return true;
        }
    }
    return false;
}

/* False: every home is taken. A free home has the places of its slots: there are as many as all homes have. */
static bool move_in(struct worker_slots *set, const char *endpoint, uint64_t now_ms)
{
    for (size_t index = 0; index < ADDRESSES_MAX; index++) {
        struct slot_home *home = &set->homes[index];

        if (home->slot_count == 0) {
            home->leaving = false;
            home->refused = (struct log_limiter){0};
            memcpy(home->endpoint, endpoint, strlen(endpoint) + 1);
            for (size_t want = 0; want < set->want_count; want++) {
                add_slots(set, home, want, now_ms);
            }
            return true;
        }
    }
    return false;
}

void worker_slots_follow(struct worker_slots *set, const struct addresses *addresses, uint64_t now_ms)
{
    for (size_t index = 0; index < ADDRESSES_MAX; index++) {
        struct slot_home *home = &set->homes[index];

        home->leaving = home->leaving || (home->slot_count > 0 && !addresses_have(addresses, home->endpoint));
    }
    for (size_t index = 0; index < set->count; index++) {
        if (set->places[index].home != NULL && set->places[index].home->leaving) {
            slot_leave(&set->slots[index]);
        }
    }
    set->wanting = false;
    for (size_t index = 0; index < addresses->count; index++) {
        if (!is_known(set, addresses->at[index]) && !move_in(set, addresses->at[index], now_ms)) {
            set->wanting = true;
        }
    }
}

/* Gives back the place of a slot that has said its BYE. */
static void move_out(struct worker_slots *set, size_t index)
{
    struct slot_place *place = &set->places[index];

    if (place->home != NULL && set->slots[index].state == SLOT_GONE && slot_socket(&set->slots[index]) == NULL) {
        place->home->slot_count--;
        place->home = NULL;
    }
}

uint64_t worker_slots_turn(struct worker_slots *set, uint64_t now_ms)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t index = 0; index < set->count; index++) {
        struct slot *slot = &set->slots[index];
        enum status status = slot_turn(slot, now_ms);

        if (status != STATUS_OK) {
            log_event_limited_status(status, LOG_WARN, "slot_failed", LOG_TEXT("gateway", slot->endpoint));
        }
        due_ms = slot->due_ms < due_ms ? slot->due_ms : due_ms;
        move_out(set, index);
    }
    while (set->count > 0 && set->places[set->count - 1].home == NULL) {
        set->count--;
    }
    count_joined(set);
    return due_ms;
}

long worker_slots_wait_ms(uint64_t now_ms, uint64_t due_ms)
{
    if (due_ms == UINT64_MAX) {
        return -1;
    }
    return due_ms > now_ms ? (long)(due_ms - now_ms) : 0;
}

enum status worker_slots_other(struct worker_slots *set, unsigned number, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)set->room + number};

    assert(number < WORKER_SLOTS_OTHERS);
    return epoll_ctl(set->bell, EPOLL_CTL_ADD, descriptor, &event) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

bool worker_slots_ready(const struct worker_slots *set)
{
    size_t index = 0;

    while (index < set->count && !slot_may_have_changed(&set->slots[index])) {
        index++;
    }
    return index < set->count;
}

/* Of the many slots of a thread few have something: epoll tells which, where poll would look at each and hang on each. */
bool worker_slots_wait(struct worker_slots *set, long wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    bool ready = worker_slots_ready(set);
    int count = epoll_wait(set->bell, events, EVENTS_MAX, ready ? 0 : wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);

    for (int index = 0; index < count; index++) {
        size_t number = events[index].data.u32;

        if (number < set->room) {
            slot_rang(&set->slots[number]);
        } else {
            set->rang[number - set->room] = true;
        }
    }
    return ready || count > 0;
}

void worker_slots_leave(struct worker_slots *set)
{
    for (size_t index = 0; index < set->count; index++) {
        slot_leave(&set->slots[index]);
    }
}

bool worker_slots_gone(const struct worker_slots *set)
{
    for (size_t index = 0; index < set->count; index++) {
        if (set->slots[index].state != SLOT_GONE) {
            return false;
        }
    }
    return true;
}
