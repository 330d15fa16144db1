/* prints: a table of sets, in each of which the most recently used entry is the first. */
#include "proto/prints.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE_BYTES = 64 };

/* The first two of a set stand in one cache line: mostly that is all that a look touches. An empty one is all zeros, which is no
 * print but by the rarest chance. */
struct pair {
    struct print print;
    struct print other;
};

struct set {
    alignas(CACHE_LINE_BYTES) struct pair pairs[PRINTS_WAYS];
};

struct prints {
    size_t set_count;
    struct set sets[];
};

size_t prints_bytes(size_t count)
{
    return sizeof(struct prints) + count / PRINTS_WAYS * sizeof(struct set);
}

enum status prints_open(struct prints **out, size_t count)
{
    struct prints *prints;

    assert(count >= PRINTS_WAYS && (count & (count - 1)) == 0);
    prints = aligned_alloc(CACHE_LINE_BYTES, prints_bytes(count));
    if (prints == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(prints, 0, prints_bytes(count));
    prints->set_count = count / PRINTS_WAYS;
    *out = prints;
    return STATUS_OK;
}

void prints_close(struct prints **prints)
{
    assert(prints != NULL);
    free(*prints);
    *prints = NULL;
}

static size_t set_number(const struct prints *prints, const struct print *print)
{
    uint64_t number;

    memcpy(&number, print->bytes, sizeof number);
    return number & (prints->set_count - 1);
}

static struct set *set_of(struct prints *prints, const struct print *print)
{
    return &prints->sets[set_number(prints, print)];
}

void prints_expect(const struct prints *prints, const struct print *print)
{
    __builtin_prefetch(&prints->sets[set_number(prints, print)]);
}

/* PRINTS_WAYS when it is not there. */
static size_t place_of(const struct set *set, const struct print *print)
{
    size_t place = 0;

    while (place < PRINTS_WAYS && memcmp(&set->pairs[place].print, print, sizeof *print) != 0) {
        place++;
    }
    return place;
}

/* Those before its place move one on. */
static void put_first(struct set *set, size_t place, struct pair pair)
{
    if (place > 0) {
        memmove(&set->pairs[1], &set->pairs[0], place * sizeof pair);
    }
    set->pairs[0] = pair;
}

bool prints_find(struct prints *prints, const struct print *print, struct print *out)
{
    struct set *set = set_of(prints, print);
    size_t place = place_of(set, print);

    if (place == PRINTS_WAYS) {
        return false;
    }
    *out = set->pairs[place].other;
    put_first(set, place, set->pairs[place]);
    return true;
}

void prints_keep(struct prints *prints, const struct print *print, const struct print *other)
{
    struct set *set = set_of(prints, print);
    size_t place = place_of(set, print);

    put_first(set, place < PRINTS_WAYS ? place : PRINTS_WAYS - 1, (struct pair){*print, *other});
}

void prints_drop(struct prints *prints, const struct print *print)
{
    struct set *set = set_of(prints, print);
    size_t place = place_of(set, print);

    if (place == PRINTS_WAYS) {
        return;
    }
    memmove(&set->pairs[place], &set->pairs[place + 1], (PRINTS_WAYS - 1 - place) * sizeof set->pairs[0]);
    memset(&set->pairs[PRINTS_WAYS - 1], 0, sizeof set->pairs[0]);
}
