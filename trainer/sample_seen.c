/* sample_seen: a set of hashes in one array that is at most half full. */
#include "trainer/sample_seen.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sample_seen {
    unsigned char (*slots)[TEXT_HASH_BYTES]; /* all zero = free */
    size_t mask;                             /* number of slots - 1; a power of two */
    size_t count;
    size_t room;
    bool has_zero; /* the one hash that looks like a free slot */
};

static const unsigned char zero[TEXT_HASH_BYTES];

enum status sample_seen_open(struct sample_seen **out, size_t room)
{
    struct sample_seen *seen = calloc(1, sizeof *seen);
    size_t slots = 2;

    if (seen == NULL) {
        return STATUS_NO_MEMORY;
    }
    assert(room <= SIZE_MAX / 8 / TEXT_HASH_BYTES);
    while (slots < 2 * room) {
        slots *= 2;
    }
    seen->room = room;
    seen->mask = slots - 1;
    seen->slots = calloc(slots, sizeof *seen->slots);
    if (seen->slots == NULL) {
        sample_seen_close(&seen);
        return STATUS_NO_MEMORY;
    }
    *out = seen;
    return STATUS_OK;
}

void sample_seen_close(struct sample_seen **seen)
{
    if (*seen != NULL) {
        free((*seen)->slots);
        free(*seen);
        *seen = NULL;
    }
}

/* The slot that holds `hash`, or the free one where it belongs. At most half of the slots are taken, so the walk ends.
 */
static unsigned char *find(const struct sample_seen *seen, struct bytes hash)
{
    size_t at;

    memcpy(&at, hash.data, sizeof at);
    at &= seen->mask;
    while (memcmp(seen->slots[at], zero, TEXT_HASH_BYTES) != 0 &&
           memcmp(seen->slots[at], hash.data, TEXT_HASH_BYTES) != 0) {
        at = (at + 1) & seen->mask;
    }
    return seen->slots[at];
}

bool sample_seen_has(const struct sample_seen *seen, struct bytes hash)
{
    assert(hash.count == TEXT_HASH_BYTES);
    if (memcmp(hash.data, zero, TEXT_HASH_BYTES) == 0) {
        return seen->has_zero;
    }
    return memcmp(find(seen, hash), hash.data, TEXT_HASH_BYTES) == 0;
}

enum status sample_seen_add(struct sample_seen *seen, struct bytes hash)
{
    if (sample_seen_has(seen, hash)) {
        return STATUS_OK;
    }
    if (seen->count == seen->room) {
        return STATUS_FULL;
    }
    seen->count++;
    if (memcmp(hash.data, zero, TEXT_HASH_BYTES) == 0) {
        seen->has_zero = true;
    } else {
        memcpy(find(seen, hash), hash.data, TEXT_HASH_BYTES);
    }
    return STATUS_OK;
}
