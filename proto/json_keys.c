/* json_keys: finds a key that an object holds twice, in time linear in the object. */
#include "proto/json_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    KEYS_FEW = 16,       /* up to so many without escapes, comparing each with each is faster than hashing */
    HASH_BLOCK_BYTES = 7 /* 56 bits: a block is always below the modulus */
};

/* A Mersenne prime: the remainder is a mask, a shift and an addition. */
static const uint64_t hash_modulus = (UINT64_C(1) << 61) - 1;

struct key {
    struct bytes name; /* decoded */
    const struct json_token *token;
    uint64_t hash;
    uint32_t chain; /* index of the next key in the same place of the table plus one, 0 = none */
};

static uint64_t multiply(uint64_t left, uint64_t right)
{
    __extension__ unsigned __int128 product = (unsigned __int128)left * right;
    uint64_t folded = ((uint64_t)product & hash_modulus) + (uint64_t)(product >> 61);

    return folded >= hash_modulus ? folded - hash_modulus : folded;
}

/* A polynomial over the blocks of the name at a random point, times a second random number that spreads it over the
 * table. Two names of n blocks meet with a chance of at most n in 2^61, whoever chose them. */
static uint64_t hash_name(const uint64_t random[2], struct bytes name)
{
    uint64_t hash = name.count + 1;

    for (size_t at = 0; at < name.count; at += HASH_BLOCK_BYTES) {
        size_t count = name.count - at < HASH_BLOCK_BYTES ? name.count - at : HASH_BLOCK_BYTES;
        uint64_t block = 0;

        memcpy(&block, name.data + at, count);
        hash = multiply(hash, random[0]) + block;
        hash = hash >= hash_modulus ? hash - hash_modulus : hash;
    }
    return multiply(hash, random[1]);
}

static enum status draw_random(uint64_t random[2])
{
    if (random[0] != 0) {
        return STATUS_OK;
    }
    if (getrandom(random, 2 * sizeof random[0], 0) != (ssize_t)(2 * sizeof random[0])) {
        return STATUS_UNAVAILABLE;
    }
    random[0] = random[0] % (hash_modulus - 1) + 1;
    random[1] = random[1] % (hash_modulus - 1) + 1;
    return STATUS_OK;
}

static enum status take_repeated(struct json *json, const struct key *earlier, const struct key *later,
                                 const struct json_token **repeated)
{
    if (repeated != NULL) {
        *repeated = later->token;
        return STATUS_DUPLICATE;
    }
    json->tokens[earlier->token - json->tokens].flags |= JSON_OVERRIDDEN;
    return STATUS_OK;
}

/* NULL for `repeated`: the earlier ones are marked instead. */
static enum status find_repeated(struct json *json, struct key *keys, size_t count, const struct json_token **repeated)
{
    enum status status = draw_random(json->random);
    size_t places = 1;
    uint32_t *table;

    if (status != STATUS_OK) {
        return status;
    }
    while (places < count) {
        places *= 2;
    }
    table = calloc(places, sizeof *table);
    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        struct key *key = &keys[index];
        uint32_t *place;

        key->hash = hash_name(json->random, key->name);
        place = &table[key->hash & (places - 1)];
        for (uint32_t at = *place; at != 0; at = keys[at - 1].chain) {
            if (keys[at - 1].hash == key->hash && bytes_equal(keys[at - 1].name, key->name)) {
                status = take_repeated(json, &keys[at - 1], key, repeated);
                break;
            }
        }
        key->chain = *place;
        *place = (uint32_t)index + 1;
    }
    free(table);
    return status;
}

/* Views of all names. Those with escapes go to `decoded`, which is reserved whole before and so never moves. */
static enum status collect(const struct json *json, const struct json_token *object, struct key *keys,
                           struct buffer *decoded)
{
    enum status status = STATUS_OK;
    size_t count = 0;
    char *reserved;

    for (const struct json_token *at = json_first(json, object); at != NULL; at = json_after(json, object, at)) {
        keys[count].token = at;
        keys[count].name = (struct bytes){json->source.data + at->start, at->end - at->start};
        decoded->max += (at->flags & JSON_ESCAPED) != 0 ? keys[count].name.count : 0;
        count++;
    }
    assert(count == object->count);
    if (decoded->max == 0) {
        return STATUS_OK;
    }
    status = buffer_reserve(decoded, decoded->max, &reserved);
    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        if ((keys[index].token->flags & JSON_ESCAPED) != 0) {
            status = json_string(json, keys[index].token, decoded, &keys[index].name);
        }
    }
    return status;
}

static enum status check_many(struct json *json, const struct json_token *object, const struct json_token **repeated)
{
    struct buffer decoded;
    struct key *keys = malloc(object->count * sizeof *keys);
    enum status status;

    if (keys == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&decoded, 0);
    status = collect(json, object, keys, &decoded);
    if (status == STATUS_OK) {
        status = find_repeated(json, keys, object->count, repeated);
    }
    buffer_free(&decoded);
    free(keys);
    return status;
}

enum status json_keys_check(struct json *json, const struct json_token *object, const struct json_token **repeated)
{
    const struct json_token *few[KEYS_FEW];
    size_t count = 0;

    assert(object->type == JSON_OBJECT);
    if (object->count > KEYS_FEW) {
        return check_many(json, object, repeated);
    }
    for (const struct json_token *key = json_first(json, object); key != NULL; key = json_after(json, object, key)) {
        uint32_t length = key->end - key->start;

        if ((key->flags & JSON_ESCAPED) != 0) {
            return check_many(json, object, repeated);
        }
        for (size_t earlier = 0; earlier < count; earlier++) {
            if (few[earlier]->end - few[earlier]->start == length &&
                memcmp(json->source.data + few[earlier]->start, json->source.data + key->start, length) == 0) {
                *repeated = key;
                return STATUS_DUPLICATE;
            }
        }
        few[count++] = key;
    }
    return STATUS_OK;
}

enum status json_keys_mark(struct json *json, const struct json_token *object)
{
    assert(object->type == JSON_OBJECT && object->count > 1);
    return check_many(json, object, NULL);
}
