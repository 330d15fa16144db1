/* upstream_spare: transfers that have ended, with their handles of libcurl, which wait for the next request or go. */
#include "gateway/upstream_inside.h"

#include <assert.h>

static struct transfer *take(struct upstream *upstream, struct transfer *transfer)
{
    TAILQ_REMOVE(&upstream->spares, transfer, place);
    spare_taken(&upstream->spare);
    return transfer;
}

struct transfer *upstream_spare_take(struct upstream *upstream)
{
    struct transfer *transfer = TAILQ_FIRST(&upstream->spares);

    return transfer == NULL ? NULL : take(upstream, transfer);
}

void upstream_spare_keep(struct transfer *transfer)
{
    struct upstream *upstream = transfer->upstream;

    if (upstream->spare.count == UPSTREAM_HANDLES_IDLE_MAX) {
        transfer_free(transfer);
        return;
    }
    buffer_shed(&transfer->text, UPSTREAM_SPARE_BYTES);
    transfer_enter(transfer, PHASE_SPARE);
    TAILQ_INSERT_HEAD(&upstream->spares, transfer, place);
    spare_kept(&upstream->spare);
}

/* The last one used is taken first: those at the end have waited longest. */
static void free_oldest(struct upstream *upstream, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        transfer_free(take(upstream, TAILQ_LAST(&upstream->spares, transfer_list)));
    }
    spare_tell(&upstream->spare);
}

void upstream_tick(struct upstream *upstream)
{
    free_oldest(upstream, spare_unneeded(&upstream->spare, clock_ms()));
}

void upstream_spare_free(struct upstream *upstream)
{
    free_oldest(upstream, upstream->spare.count);
    assert(TAILQ_EMPTY(&upstream->spares));
}
