/* live: counted models behind one mutex, which only changes ever take. */
#include "moderator/live.h"

#include "proto/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live_model {
    struct model *model;
    uint64_t version;
    size_t references; /* under the mutex of `live` */
};

struct live {
    pthread_mutex_t mutex;
    _Atomic uint64_t changes; /* grows with every put; views compare it with what they saw */
    size_t profile_count;
    size_t name_count; /* numbers that were given */
    char (*names)[PROFILE_NAME_BYTES_MAX + 1];
    struct live_model *current[]; /* one reference each; NULL = none yet */
};

struct live_view {
    struct live *live;
    uint64_t changes_seen;
    struct live_model *taken[]; /* one reference each */
};

enum status live_open(struct live **out, size_t profile_count)
{
    struct live *live = calloc(1, sizeof *live + profile_count * sizeof *live->current);

    assert(out != NULL);
    if (live == NULL) {
        return STATUS_NO_MEMORY;
    }
    live->names = calloc(profile_count + 1, sizeof *live->names);
    if (live->names == NULL) {
        free(live);
        return STATUS_NO_MEMORY;
    }
    (void)pthread_mutex_init(&live->mutex, NULL); /* on Linux it cannot fail without attributes */
    live->profile_count = profile_count;
    *out = live;
    return STATUS_OK;
}

/* Under the mutex. */
static struct live_model *take(struct live_model *held)
{
    if (held != NULL) {
        held->references++;
    }
    return held;
}

/* Under the mutex. */
static void let_go(struct live_model *held)
{
    if (held == NULL) {
        return;
    }
    assert(held->references > 0);
    held->references--;
    if (held->references == 0) {
        model_close(&held->model);
        free(held);
    }
}

void live_close(struct live **live)
{
    assert(live != NULL);
    if (*live == NULL) {
        return;
    }
    for (size_t profile = 0; profile < (*live)->profile_count; profile++) {
        assert((*live)->current[profile] == NULL || (*live)->current[profile]->references == 1);
        let_go((*live)->current[profile]);
    }
    (void)pthread_mutex_destroy(&(*live)->mutex);
    free((*live)->names);
    free(*live);
    *live = NULL;
}

enum status live_number(struct live *live, const char *name, size_t *out)
{
    enum status status = STATUS_OK;
    size_t number = 0;

    (void)pthread_mutex_lock(&live->mutex);
    while (number < live->name_count && strcmp(live->names[number], name) != 0) {
        number++;
    }
    if (number == live->profile_count) {
        status = STATUS_FULL;
    } else {
        if (number == live->name_count) {
            (void)snprintf(live->names[number], sizeof live->names[number], "%s", name);
            live->name_count++;
        }
        *out = number;
    }
    (void)pthread_mutex_unlock(&live->mutex);
    return status;
}

enum status live_put(struct live *live, size_t profile, struct model *model, uint64_t version)
{
    struct live_model *held = malloc(sizeof *held);

    assert(profile < live->profile_count && model != NULL && version > 0);
    if (held == NULL) {
        return STATUS_NO_MEMORY;
    }
    *held = (struct live_model){.model = model, .version = version, .references = 1};
    (void)pthread_mutex_lock(&live->mutex);
    let_go(live->current[profile]);
    live->current[profile] = held;
    (void)pthread_mutex_unlock(&live->mutex);
    atomic_fetch_add_explicit(&live->changes, 1, memory_order_release);
    return STATUS_OK;
}

uint64_t live_version(struct live *live, size_t profile)
{
    uint64_t version;

    assert(profile < live->profile_count);
    (void)pthread_mutex_lock(&live->mutex);
    version = live->current[profile] == NULL ? 0 : live->current[profile]->version;
    (void)pthread_mutex_unlock(&live->mutex);
    return version;
}

enum status live_view_open(struct live_view **out, struct live *live)
{
    struct live_view *view = calloc(1, sizeof *view + live->profile_count * sizeof *view->taken);

    assert(out != NULL);
    if (view == NULL) {
        return STATUS_NO_MEMORY;
    }
    view->live = live;
    live_view_refresh(view);
    *out = view;
    return STATUS_OK;
}

void live_view_close(struct live_view **view)
{
    assert(view != NULL);
    if (*view == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&(*view)->live->mutex);
    for (size_t profile = 0; profile < (*view)->live->profile_count; profile++) {
        let_go((*view)->taken[profile]);
    }
    (void)pthread_mutex_unlock(&(*view)->live->mutex);
    free(*view);
    *view = NULL;
}

void live_view_refresh(struct live_view *view)
{
    struct live *live = view->live;
    /* Read before the models: a put in between makes the next refresh look again, never miss. */
    uint64_t changes = atomic_load_explicit(&live->changes, memory_order_acquire);

    if (changes == view->changes_seen) {
        return;
    }
    (void)pthread_mutex_lock(&live->mutex);
    for (size_t profile = 0; profile < live->profile_count; profile++) {
        if (view->taken[profile] != live->current[profile]) {
            let_go(view->taken[profile]);
            view->taken[profile] = take(live->current[profile]);
        }
    }
    (void)pthread_mutex_unlock(&live->mutex);
    view->changes_seen = changes;
}

const struct model *live_view_model(const struct live_view *view, size_t profile, uint64_t *out_version)
{
    const struct live_model *held;

    assert(profile < view->live->profile_count);
    held = view->taken[profile];
    *out_version = held == NULL ? 0 : held->version;
    return held == NULL ? NULL : held->model;
}
