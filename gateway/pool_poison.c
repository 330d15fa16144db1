/* pool_poison: a ring of hashes. */
#include "gateway/pool_poison.h"

#include <string.h>

void pool_poison_init(struct pool_poison *poison)
{
    *poison = (struct pool_poison){0};
    secret_random(poison->key, sizeof poison->key);
}

void pool_poison_add(struct pool_poison *poison, struct bytes text, uint64_t now_ms)
{
    struct poison *place = &poison->poisons[poison->next];

    secret_table_hash(place->hash, poison->key, text);
    place->until_ms = poison->until_ms = now_ms + POISON_MS;
    poison->next = (poison->next + 1) % POISONS_MAX;
}

bool pool_poison_has(const struct pool_poison *poison, struct bytes text, uint64_t now_ms)
{
    unsigned char hash[TABLE_HASH_BYTES];

    if (now_ms >= poison->until_ms) {
        return false;
    }
    secret_table_hash(hash, poison->key, text);
    for (size_t index = 0; index < POISONS_MAX; index++) {
        if (now_ms < poison->poisons[index].until_ms && memcmp(hash, poison->poisons[index].hash, sizeof hash) == 0) {
            return true;
        }
    }
    return false;
}
