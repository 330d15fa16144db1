/* addresses: a chained hash table over places that were made at the start. */
#include "gateway/addresses.h"

#include "proto/limits.h"
#include "proto/secret.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 16, NETWORK_BYTES = 8 };

struct place {
    uint8_t key[KEY_BYTES];
    uint64_t connections;
    uint32_t next; /* index + 1: in its bucket, or among the free ones */
};

struct addresses {
    pthread_mutex_t lock;
    uint64_t limit;
    uint64_t seed; /* clients choose their addresses, but not which of them meet */
    size_t mask;
    uint32_t *buckets; /* index + 1 */
    struct place *places;
    size_t places_max;
    size_t places_touched; /* those behind were never used */
    uint32_t free;
    size_t count;
};

enum status addresses_open(struct addresses **out, size_t connections_max, uint64_t limit)
{
    struct addresses *addresses = calloc(1, sizeof *addresses);
    size_t buckets = 1;

    if (addresses == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (pthread_mutex_init(&addresses->lock, NULL) != 0) {
        free(addresses);
        return STATUS_NO_MEMORY;
    }
    assert(connections_max < UINT32_MAX);
    while (buckets < connections_max) {
        buckets *= 2;
    }
    secret_random((char *)&addresses->seed, sizeof addresses->seed);
    addresses->limit = limit;
    addresses->mask = buckets - 1;
    addresses->places_max = connections_max;
    addresses->buckets = calloc(buckets, sizeof *addresses->buckets);
    addresses->places = calloc(connections_max, sizeof *addresses->places);
    if (addresses->buckets == NULL || addresses->places == NULL) {
        addresses_close(&addresses);
        return STATUS_NO_MEMORY;
    }
    *out = addresses;
    return STATUS_OK;
}

void addresses_close(struct addresses **addresses)
{
    if (*addresses != NULL) {
        assert((*addresses)->count == 0);
        (void)pthread_mutex_destroy(&(*addresses)->lock);
        free((*addresses)->buckets);
        free((*addresses)->places);
        free(*addresses);
        *addresses = NULL;
    }
}

static void make_key(const struct sockaddr *address, uint8_t key[KEY_BYTES])
{
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memset(key, 0, KEY_BYTES);
    if (address->sa_family == AF_INET6) {
        memcpy(key, &((const struct sockaddr_in6 *)address)->sin6_addr, KEY_BYTES);
        if (memcmp(key, mapped, sizeof mapped) != 0) {
            memset(key + NETWORK_BYTES, 0, KEY_BYTES - NETWORK_BYTES);
        }
    } else {
        memcpy(key, mapped, sizeof mapped);
        memcpy(key + sizeof mapped, &((const struct sockaddr_in *)address)->sin_addr, KEY_BYTES - sizeof mapped);
    }
}

static uint32_t *bucket_of(const struct addresses *addresses, const uint8_t key[KEY_BYTES])
{
    uint64_t hash = addresses->seed;

    for (size_t index = 0; index < KEY_BYTES; index++) {
        hash = (hash ^ key[index]) * 0x100000001b3u;
    }
    return &addresses->buckets[(hash ^ hash >> 32) & addresses->mask];
}

/* The place of a key, made when there is none. */
static uint32_t find(struct addresses *addresses, const uint8_t key[KEY_BYTES])
{
    uint32_t *bucket = bucket_of(addresses, key);
    uint32_t at = *bucket;

    while (at != 0 && memcmp(addresses->places[at - 1].key, key, KEY_BYTES) != 0) {
        at = addresses->places[at - 1].next;
    }
    if (at != 0) {
        return at - 1;
    }
    if (addresses->free != 0) {
        at = addresses->free;
        addresses->free = addresses->places[at - 1].next;
    } else {
        assert(addresses->places_touched < addresses->places_max); /* one for each connection */
        at = (uint32_t)++addresses->places_touched;
    }
    addresses->places[at - 1] = (struct place){.next = *bucket};
    memcpy(addresses->places[at - 1].key, key, KEY_BYTES);
    *bucket = at;
    addresses->count++;
    return at - 1;
}

static void forget(struct addresses *addresses, uint32_t place)
{
    uint32_t *link = bucket_of(addresses, addresses->places[place].key);

    while (*link != place + 1) {
        assert(*link != 0);
        link = &addresses->places[*link - 1].next;
    }
    *link = addresses->places[place].next;
    addresses->places[place].next = addresses->free;
    addresses->free = place + 1;
    addresses->count--;
}

enum status addresses_enter(struct addresses *addresses, const struct sockaddr *address, uint32_t *place)
{
    enum status status = STATUS_OK;
    uint8_t key[KEY_BYTES];
    uint64_t connections;
    uint32_t found;

    make_key(address, key);
    (void)pthread_mutex_lock(&addresses->lock);
    found = find(addresses, key);
    connections = ++addresses->places[found].connections;
    if (connections > addresses->limit + ADDRESS_SPARE_CONNECTIONS) {
        addresses->places[found].connections--;
        status = STATUS_AGAIN;
    } else {
        status = connections > addresses->limit ? STATUS_FULL : STATUS_OK;
        *place = found;
    }
    (void)pthread_mutex_unlock(&addresses->lock);
    return status;
}

void addresses_leave(struct addresses *addresses, uint32_t place)
{
    (void)pthread_mutex_lock(&addresses->lock);
    assert(place < addresses->places_touched && addresses->places[place].connections > 0);
    addresses->places[place].connections--;
    if (addresses->places[place].connections == 0) {
        forget(addresses, place);
    }
    (void)pthread_mutex_unlock(&addresses->lock);
}

enum status addresses_enter_text(struct addresses *addresses, const char *address, uint32_t *place)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &four.sin_addr) == 1) {
        return addresses_enter(addresses, (const struct sockaddr *)&four, place);
    }
    if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1) {
        return addresses_enter(addresses, (const struct sockaddr *)&six, place);
    }
    return STATUS_MALFORMED;
}

uint64_t addresses_held(struct addresses *addresses, uint32_t place)
{
    uint64_t held;

    (void)pthread_mutex_lock(&addresses->lock);
    held = addresses->places[place].connections;
    (void)pthread_mutex_unlock(&addresses->lock);
    return held;
}

size_t addresses_count(struct addresses *addresses)
{
    size_t count;

    (void)pthread_mutex_lock(&addresses->lock);
    count = addresses->count;
    (void)pthread_mutex_unlock(&addresses->lock);
    return count;
}
