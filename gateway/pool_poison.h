/* pool_poison: the texts that moderators died of, by keyed hash, so that the same one sent again takes no more of them with it.
 *
 * The last POISONS_MAX, each for POISON_MS: a text that was only in hand while machines failed is judged again after that.
 * Thread: the pool's.
 */
#ifndef GATEWAY_POOL_POISON_H
#define GATEWAY_POOL_POISON_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poison {
    uint64_t until_ms; /* 0: none */
    unsigned char hash[TABLE_HASH_BYTES];
};

struct pool_poison {
    unsigned char key[SECRET_TABLE_KEY_BYTES];
    struct poison poisons[POISONS_MAX];
    size_t next;       /* the place of the next one: that of the oldest when all are taken */
    uint64_t until_ms; /* of the newest; until then a text is looked for */
};

/* Empty, with a key of its own. After secret_start(). */
void pool_poison_init(struct pool_poison *poison);

void pool_poison_add(struct pool_poison *poison, struct bytes text, uint64_t now_ms);

/* Costs nothing while no text is known. */
bool pool_poison_has(const struct pool_poison *poison, struct bytes text, uint64_t now_ms);

#endif
