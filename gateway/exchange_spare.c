/* exchange_spare: exchanges that have ended, whose lists of fields and texts of URLs the next ones use. */
#include "gateway/exchange_inside.h"

#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>

static void free_exchange(struct exchange *exchange)
{
    buffer_free(&exchange->url);
    fields_close(&exchange->forwarded);
    fields_close(&exchange->added);
    free(exchange);
}

static struct exchange *take(struct exchanges *home, struct exchange *exchange)
{
    TAILQ_REMOVE(&home->spares, exchange, in_spare);
    spare_taken(&home->spare);
    return exchange;
}

struct exchange *exchange_spare_take(struct exchanges *home)
{
    const struct limit_settings *limits = home->limits;
    struct exchange *exchange = TAILQ_FIRST(&home->spares);

    if (exchange != NULL) {
        *take(home, exchange) = (struct exchange){
            .url = exchange->url, .forwarded = exchange->forwarded, .added = exchange->added};
    } else {
        exchange = calloc(1, sizeof *exchange);
        if (exchange == NULL) {
            return NULL;
        }
        buffer_init(&exchange->url, PATH_BYTES_MAX + limits->header_line_bytes);
    }
    if (fields_renew(&exchange->forwarded, limits->header_fields + FORWARDED_FIELDS_OWN,
                     limits->header_bytes + FORWARDED_BYTES_OWN) != STATUS_OK ||
        fields_renew(&exchange->added, ADDED_FIELDS_MAX, ADDED_BYTES_MAX + 2 * limits->header_line_bytes) != STATUS_OK) {
        free_exchange(exchange);
        return NULL;
    }
    exchange->home = home;
    return exchange;
}

void exchange_spare_keep(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;

    if (home->spare.count == SPARE_EXCHANGES_MAX) {
        free_exchange(exchange);
        return;
    }
    TAILQ_INSERT_HEAD(&home->spares, exchange, in_spare);
    spare_kept(&home->spare);
}

/* The last one that ended is taken first: those at the end have waited longest. */
static void free_oldest(struct exchanges *home, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        free_exchange(take(home, TAILQ_LAST(&home->spares, exchange_list)));
    }
    spare_tell(&home->spare);
}

void exchange_spare_tick(struct exchanges *home)
{
    free_oldest(home, spare_unneeded(&home->spare, clock_ms()));
}

void exchange_spare_free(struct exchanges *home)
{
    free_oldest(home, home->spare.count);
    assert(TAILQ_EMPTY(&home->spares));
}
