/* secret_print: NH of blocks, chained by SipHash. */
#include "proto/secret_print.h"

#include <assert.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* What SipHash reads for each block. */
struct link {
    unsigned char before[TABLE_HASH_BYTES];
    uint128 hashes[2];
    uint64_t bytes; /* of the block: zeros at its end are not those that fill it up */
    uint64_t zero;
};

_Static_assert(sizeof(struct link) == TABLE_HASH_BYTES + 2 * sizeof(uint128) + 2 * sizeof(uint64_t), "no byte is padding");

void secret_print_key_make(struct secret_print_key *out)
{
    secret_random(out, sizeof *out);
}

static void add_pair(uint128 hashes[2], const uint64_t words[2], const uint64_t key[2 + SECRET_PRINT_SHIFT_WORDS])
{
    hashes[0] += (uint128)(words[0] + key[0]) * (words[1] + key[1]);
    hashes[1] += (uint128)(words[0] + key[SECRET_PRINT_SHIFT_WORDS]) * (words[1] + key[SECRET_PRINT_SHIFT_WORDS + 1]);
}

static void hash_block(uint128 out[2], const struct secret_print_key *key, struct bytes block)
{
    uint128 hashes[2] = {0, 0};
    uint64_t pair[2];
    size_t at = 0;

    for (; block.count - at >= sizeof pair; at += sizeof pair) {
        memcpy(pair, block.data + at, sizeof pair);
        add_pair(hashes, pair, key->words + at / sizeof(uint64_t));
    }
    if (at < block.count) {
        memset(pair, 0, sizeof pair);
        memcpy(pair, block.data + at, block.count - at);
        add_pair(hashes, pair, key->words + at / sizeof(uint64_t));
    }
    memcpy(out, hashes, sizeof hashes);
}

void secret_print(unsigned char out[TABLE_HASH_BYTES], const struct secret_print_key *key, struct bytes text)
{
    struct link link = {.zero = 0};

    do {
        struct bytes block = bytes_first(text, SECRET_PRINT_BLOCK_BYTES);

        hash_block(link.hashes, key, block);
        link.bytes = block.count;
        secret_table_hash(link.before, key->chain, (struct bytes){(const char *)&link, sizeof link});
        text = bytes_from(text, block.count);
    } while (text.count > 0);
    memcpy(out, link.before, sizeof link.before);
}
