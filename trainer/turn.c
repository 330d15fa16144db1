/* turn: the clock is looked at between any two steps, which costs a hundredth of one. */
#include "trainer/turn.h"

#include "proto/clock.h"
#include "proto/limits.h"

#include <sched.h>
#include <stddef.h>

static void end(struct turn *turn, uint64_t now_us)
{
    uint64_t back_us, away_us;

    (void)sched_yield(); /* on Linux it never fails */
    back_us = clock_us();
    away_us = back_us - now_us;
    turn->over_us = back_us + (away_us > TRAIN_AWAY_US ? away_us : TRAIN_TURN_US);
}

bool turn_goes_on(struct turn *turn)
{
    uint64_t now_us;

    if (turn == NULL) {
        return true;
    }
    if (turn->cancelled != NULL && atomic_load_explicit(turn->cancelled, memory_order_relaxed)) {
        return false;
    }
    now_us = clock_us();
    if (now_us >= turn->over_us) {
        end(turn, now_us);
    }
    return true;
}
