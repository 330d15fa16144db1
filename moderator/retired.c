/* retired: a few places, a thread each. */
#include "moderator/retired.h"

#include <assert.h>
#include <stddef.h>

static void *run(void *context)
{
    struct retired_place *place = context;

    place->close(place->what);
    atomic_store(&place->state, RETIRED_CLOSED);
    return NULL;
}

static void join(struct retired_place *place)
{
    (void)pthread_join(place->thread, NULL);
    atomic_store(&place->state, RETIRED_FREE);
}

static struct retired_place *find_place(struct retired *retired)
{
    for (size_t index = 0; index < RETIRED_MAX; index++) {
        struct retired_place *place = &retired->places[index];

        if (atomic_load(&place->state) == RETIRED_CLOSED) {
            join(place); /* it has nothing left to do */
        }
        if (atomic_load(&place->state) == RETIRED_FREE) {
            return place;
        }
    }
    return NULL;
}

bool retired_has_room(struct retired *retired)
{
    return find_place(retired) != NULL;
}

void retired_take(struct retired *retired, void (*close)(void *what), void *what)
{
    struct retired_place *place = find_place(retired);

    assert(place != NULL && close != NULL);
    place->close = close;
    place->what = what;
    atomic_store(&place->state, RETIRED_CLOSING);
    if (pthread_create(&place->thread, NULL, run, place) != 0) {
        close(what);
        atomic_store(&place->state, RETIRED_FREE);
    }
}

void retired_join(struct retired *retired)
{
    for (size_t index = 0; index < RETIRED_MAX; index++) {
        if (atomic_load(&retired->places[index].state) != RETIRED_FREE) {
            join(&retired->places[index]);
        }
    }
}
