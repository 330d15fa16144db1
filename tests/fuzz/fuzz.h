/* fuzz: what every target shares: its entry, a check that stays on, and reads of a size that the input itself decides. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A target is one function of this name; it aborts when a promise is broken. libFuzzer calls it, and tests/fuzz/replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_hold(promise)                                                                                             \
    do {                                                                                                               \
        if (!(promise)) {                                                                                              \
            (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);                                \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline struct bytes fuzz_bytes(const uint8_t *data, size_t size)
{
    return (struct bytes){(const char *)data, size};
}

/* FNV-1a: the choices of a run follow from its input, so that a crash is the same again. */
static inline uint64_t fuzz_seed(struct bytes input)
{
    uint64_t seed = 0xCBF29CE484222325U;

    for (size_t at = 0; at < input.count; at++) {
        seed = (seed ^ (unsigned char)input.data[at]) * 0x100000001B3U;
    }
    return seed;
}

/* How inputs are cut: all at once, byte by byte, or into pieces of 1 to 32 bytes. */
enum fuzz_cut { FUZZ_WHOLE, FUZZ_BYTES, FUZZ_PIECES, FUZZ_CUTS };

/* Takes the next piece off `*rest`; it is a copy of its own size, which the caller frees, so that a read beyond it is seen. */
static inline struct bytes fuzz_piece(struct bytes *rest, enum fuzz_cut cut, uint64_t *seed)
{
    size_t count = rest->count;
    char *copy;

    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    if (cut == FUZZ_BYTES) {
        count = 1;
    } else if (cut == FUZZ_PIECES) {
        count = 1 + (size_t)(*seed >> 59);
    }
    if (count > rest->count) {
        count = rest->count;
    }
    copy = malloc(count + (count == 0));
    fuzz_hold(copy != NULL);
    if (count != 0) {
        memcpy(copy, rest->data, count);
    }
    *rest = bytes_from(*rest, count);
    return (struct bytes){copy, count};
}

#endif
