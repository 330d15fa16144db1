/* spare: periods, and the gauge. */
#include "gateway/spare.h"

#include "proto/limits.h"

void spare_init(struct spare *spare, const char *what, struct metrics *metrics)
{
    const struct metric_label label = {"what", what};

    *spare = (struct spare){.gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_spare",
                                                    "Parts of requests that have ended, kept for the next ones", &label, 1)};
}

size_t spare_unneeded(struct spare *spare, uint64_t now_ms)
{
    size_t unneeded = 0;

    if (now_ms - spare->since_ms >= SPARE_LOOK_MS) {
        unneeded = spare->fewest;
        spare->fewest = spare->count - unneeded;
        spare->since_ms = now_ms;
    }
    return unneeded;
}

void spare_tell(struct spare *spare)
{
    series_add(spare->gauge, (int64_t)spare->count - (int64_t)spare->told);
    spare->told = spare->count;
}
