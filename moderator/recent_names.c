/* recent_names: prints under locks, by a byte of the name that does not choose its set. */
#include "moderator/recent_names.h"

#include "proto/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE_BYTES = 64 };

struct part {
    alignas(CACHE_LINE_BYTES) pthread_mutex_t mutex;
    struct prints *prints;
};

struct recent_names {
    struct part parts[RECALL_LOCKS];
};

enum status recent_names_open(struct recent_names **out)
{
    struct recent_names *names = aligned_alloc(CACHE_LINE_BYTES, sizeof *names);
    enum status status = STATUS_OK;

    if (names == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(names, 0, sizeof *names);
    for (size_t index = 0; index < RECALL_LOCKS; index++) {
        (void)pthread_mutex_init(&names->parts[index].mutex, NULL); /* on Linux it cannot fail without attributes */
    }
    for (size_t index = 0; index < RECALL_LOCKS && status == STATUS_OK; index++) {
        status = prints_open(&names->parts[index].prints, RECALL_TEXTS_MAX / RECALL_LOCKS);
    }
    if (status != STATUS_OK) {
        recent_names_close(&names);
        return status;
    }
    *out = names;
    return STATUS_OK;
}

void recent_names_close(struct recent_names **names)
{
    assert(names != NULL);
    for (size_t index = 0; *names != NULL && index < RECALL_LOCKS; index++) {
        prints_close(&(*names)->parts[index].prints);
        (void)pthread_mutex_destroy(&(*names)->parts[index].mutex);
    }
    free(*names);
    *names = NULL;
}

static struct part *part_of(struct recent_names *names, const struct print *name)
{
    return &names->parts[name->bytes[sizeof name->bytes - 1] % RECALL_LOCKS];
}

void recent_names_expect(struct recent_names *names, const struct print *name)
{
    prints_expect(part_of(names, name)->prints, name);
}

void recent_names_keep(struct recent_names *names, const struct print *name, const struct print *print)
{
    struct part *part = part_of(names, name);

    (void)pthread_mutex_lock(&part->mutex);
    prints_keep(part->prints, name, print);
    (void)pthread_mutex_unlock(&part->mutex);
}

bool recent_names_find(struct recent_names *names, const struct print *name, struct print *out)
{
    struct part *part = part_of(names, name);
    bool found;

    (void)pthread_mutex_lock(&part->mutex);
    found = prints_find(part->prints, name, out);
    (void)pthread_mutex_unlock(&part->mutex);
    return found;
}
