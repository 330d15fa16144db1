/* share: a print of the text, mixed with what must change the draw. */
#include "moderator/share.h"

#include "proto/secret.h"

#include <string.h>

static const uint64_t hour_us = 3600ULL * 1000 * 1000;

/* The bytes of a key of the printing hash, out of a key for text hashes: hashes of a counter. */
static void expand(struct secret_print_key *out, const unsigned char key[SECRET_HASH_KEY_BYTES])
{
    unsigned char *bytes = (unsigned char *)out;
    unsigned char block[TEXT_HASH_BYTES];

    for (uint64_t at = 0; at < sizeof *out; at += sizeof block) {
        size_t count = sizeof *out - at < sizeof block ? (size_t)(sizeof *out - at) : sizeof block;

        secret_text_hash(block, key, (struct bytes){(const char *)&at, sizeof at});
        memcpy(bytes + at, block, count);
    }
    explicit_bzero(block, sizeof block);
}

void share_open(struct share *out, const struct settings *settings)
{
    unsigned char key[SECRET_HASH_KEY_BYTES];
    struct secret secret = {0};

    if (settings->database.hash_key_file[0] == '\0' || secret_read(&secret, settings->database.hash_key_file) != STATUS_OK) {
        secret_print_key_make(&out->key);
        return;
    }
    secret_hash_key(key, secret_view(&secret));
    secret_free(&secret);
    expand(&out->key, key);
    explicit_bzero(key, sizeof key);
}

void share_close(struct share *share)
{
    explicit_bzero(share, sizeof *share);
}

/* The end of splitmix64: every bit of the result depends on every bit of `number`. */
static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

uint64_t share_of(const struct share *share, uint64_t before, struct bytes text)
{
    unsigned char print[TABLE_HASH_BYTES];
    uint64_t number;

    secret_print(print, &share->key, text);
    memcpy(&number, print, sizeof number);
    return mix(before + 0x9e3779b97f4a7c15u) ^ number;
}

/* Uniform, 0 <= it < 1: the top 53 bits. */
static double part_of(uint64_t number, uint64_t salt)
{
    return (double)(mix(mix(salt + 0x9e3779b97f4a7c15u) ^ number) >> 11) * 0x1p-53;
}

bool share_draws(uint64_t of_text, uint64_t wall_us, double rate)
{
    return part_of(of_text, wall_us / hour_us) < rate;
}

bool share_tries(uint64_t of_decision, uint64_t version, double part)
{
    return part_of(of_decision, ~version) < part;
}
