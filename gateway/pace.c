/* pace: down by a part, up by a part. */
#include "gateway/pace.h"

#include "proto/limits.h"

static void set(struct pace *pace, uint64_t limit)
{
    atomic_store_explicit(&pace->limit, limit, memory_order_relaxed);
    series_set(pace->gauge, (int64_t)limit);
}

void pace_init(struct pace *pace, uint64_t max, struct metrics *metrics)
{
    pace->max = max;
    pace->gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_in_flight_limit",
                                 "How many requests may be in flight now: fewer while the processor is full", NULL, 0);
    set(pace, max);
}

void pace_sample(struct pace *pace, uint64_t turn_us, uint64_t in_flight)
{
    uint64_t limit = pace_limit(pace);
    bool is_full = turn_us >= PACE_TURN_US;

    atomic_store_explicit(&pace->is_full, is_full, memory_order_relaxed);
    if (is_full) {
        uint64_t lower = (in_flight < limit ? in_flight : limit) / 2;

        limit = lower > PACE_REQUESTS_MIN ? lower : limit < PACE_REQUESTS_MIN ? limit : PACE_REQUESTS_MIN;
    } else {
        limit += limit / 8 + 1;
        limit = limit < pace->max ? limit : pace->max;
    }
    set(pace, limit);
}

uint64_t pace_limit(const struct pace *pace)
{
    return atomic_load_explicit(&pace->limit, memory_order_relaxed);
}

bool pace_is_full(const struct pace *pace)
{
    return atomic_load_explicit(&pace->is_full, memory_order_relaxed);
}

bool pace_is_held(const struct pace *pace)
{
    return pace_limit(pace) < pace->max;
}
