/* backoff: doubling with jitter. */
#include "proto/backoff.h"

#include "proto/secret.h"

uint64_t backoff_ms(unsigned failures, uint64_t first_ms, uint64_t max_ms)
{
    uint64_t whole_ms = first_ms;

    for (unsigned step = 0; step < failures && whole_ms < max_ms; step++) {
        whole_ms *= 2;
    }
    whole_ms = whole_ms < max_ms ? whole_ms : max_ms;
    return whole_ms / 2 + secret_random_u64() % (whole_ms / 2 + 1);
}
