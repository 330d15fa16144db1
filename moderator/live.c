/* live: counted models behind one mutex, which only changes ever take. */
#include "moderator/live.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/wait.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { USES_TOLD = 10 }; /* a use is noted so often within the floor of time */

struct live_model {
    struct model *model;
    uint64_t version;
    size_t references; /* under the mutex of `live` */
};

/* A profile's. */
struct seat {
    struct live_model *model; /* one reference; NULL = none; under the mutex, as all but the atomics */
    _Atomic uint64_t used_ms; /* clock_ms() of the last task, or of the put */
    atomic_bool away;
    bool wanted;
    uint64_t retry_ms; /* not asked for before */
};

struct live {
    pthread_mutex_t mutex;
    pthread_cond_t came;      /* a model that was away, or the word that it does not come */
    _Atomic uint64_t changes; /* grows with every put; views compare it with what they saw */
    int wanted_fd;            /* eventfd */
    size_t models_max;
    size_t model_count;
    struct series *held; /* NULL = nobody counts, as the next three */
    struct series *evicted;
    struct series *full;
    struct series *waits[2]; /* in vain, and not */
    size_t profile_count;
    size_t name_count; /* numbers that were given */
    char (*names)[PROFILE_NAME_BYTES_MAX + 1];
    struct seat seats[]; /* of each profile the live version's, and behind them all those of versions on trial */
};

struct live_view {
    struct live *live;
    uint64_t changes_seen;
    struct live_model *taken[]; /* one reference each */
};

static size_t seat_count(const struct live *live)
{
    return 2 * live->profile_count;
}

size_t live_trial_of(const struct live *live, size_t profile)
{
    assert(profile < live->profile_count);
    return live->profile_count + profile;
}

enum status live_open(struct live **out, size_t profile_count)
{
    struct live *live = calloc(1, sizeof *live + 2 * profile_count * sizeof *live->seats);

    assert(out != NULL);
    if (live == NULL) {
        return STATUS_NO_MEMORY;
    }
    live->names = calloc(profile_count + 1, sizeof *live->names);
    live->wanted_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (live->names == NULL || live->wanted_fd < 0) {
        enum status status = live->names == NULL ? STATUS_NO_MEMORY : STATUS_UNAVAILABLE;

        if (live->wanted_fd >= 0) {
            (void)close(live->wanted_fd);
        }
        free(live->names);
        free(live);
        return status;
    }
    (void)pthread_mutex_init(&live->mutex, NULL); /* on Linux it cannot fail without attributes */
    wait_init(&live->came);
    live->profile_count = profile_count;
    live->models_max = seat_count(live);
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
    for (size_t profile = 0; profile < seat_count(*live); profile++) {
        assert((*live)->seats[profile].model == NULL || (*live)->seats[profile].model->references == 1);
        let_go((*live)->seats[profile].model);
    }
    (void)close((*live)->wanted_fd);
    (void)pthread_cond_destroy(&(*live)->came);
    (void)pthread_mutex_destroy(&(*live)->mutex);
    free((*live)->names);
    free(*live);
    *live = NULL;
}

void live_limit(struct live *live, size_t models_max, struct metrics *metrics)
{
    static const char *const results[] = {"missed", "came"};

    assert(models_max > 0);
    (void)pthread_mutex_lock(&live->mutex);
    live->models_max = models_max < seat_count(live) ? models_max : seat_count(live);
    live->held = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_live_models", "Models in memory", NULL, 0);
    live->evicted = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_live_models_evicted_total",
                                   "Models that went to make room for others", NULL, 0);
    live->full = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_live_models_full_total",
                                "Models that found no room because all others were used of late", NULL, 0);
    for (int result = 0; result < 2; result++) {
        const struct metric_label label = {"result", results[result]};

        live->waits[result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_model_waits_total",
                                             "Tasks that waited for a model that was away", &label, 1);
    }
    (void)pthread_mutex_unlock(&live->mutex);
}

static void count(struct series *series)
{
    if (series != NULL) {
        series_add(series, 1);
    }
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

/* Under the mutex: the model that was not used for longest goes. False when that one was used of late. */
static bool evict(struct live *live, size_t but, uint64_t now_ms)
{
    struct seat *oldest = NULL;

    for (size_t profile = 0; profile < seat_count(live); profile++) {
        struct seat *seat = &live->seats[profile];

        if (profile != but && seat->model != NULL &&
            (oldest == NULL || atomic_load(&seat->used_ms) < atomic_load(&oldest->used_ms))) {
            oldest = seat;
        }
    }
    if (oldest == NULL || atomic_load(&oldest->used_ms) + LIVE_FLOOR_MS > now_ms) {
        return false;
    }
    let_go(oldest->model);
    oldest->model = NULL;
    atomic_store(&oldest->away, true);
    live->model_count--;
    count(live->evicted);
    return true;
}

/* Under the mutex: whether the profile may have a model. */
static bool make_room(struct live *live, size_t profile, uint64_t now_ms)
{
    size_t others = live->model_count - (live->seats[profile].model != NULL);

    while (others >= live->models_max && evict(live, profile, now_ms)) {
        others--;
    }
    return others < live->models_max || live->seats[profile].model != NULL; /* a newer one takes the older one's place */
}

/* Under the mutex. */
static void seat_model(struct live *live, size_t profile, struct live_model *held, uint64_t now_ms)
{
    struct seat *seat = &live->seats[profile];

    live->model_count += seat->model == NULL;
    let_go(seat->model);
    seat->model = held;
    atomic_store(&seat->used_ms, now_ms);
    atomic_store(&seat->away, false);
    if (live->held != NULL) {
        series_set(live->held, (int64_t)live->model_count);
    }
}

enum status live_put(struct live *live, size_t profile, struct model *model, uint64_t version)
{
    struct live_model *held = malloc(sizeof *held);
    uint64_t now_ms = clock_ms();
    bool has_room;

    assert(profile < seat_count(live) && model != NULL && version > 0);
    if (held == NULL) {
        return STATUS_NO_MEMORY;
    }
    *held = (struct live_model){.model = model, .version = version, .references = 1};
    (void)pthread_mutex_lock(&live->mutex);
    has_room = make_room(live, profile, now_ms);
    if (has_room) {
        seat_model(live, profile, held, now_ms);
    } else {
        atomic_store(&live->seats[profile].away, profile < live->profile_count);
        count(live->full);
        free(held);
    }
    atomic_fetch_add_explicit(&live->changes, 1, memory_order_release); /* before who waits for the model looks */
    (void)pthread_cond_broadcast(&live->came);
    (void)pthread_mutex_unlock(&live->mutex);
    return has_room ? STATUS_OK : STATUS_FULL;
}

void live_drop(struct live *live, size_t profile)
{
    struct seat *seat = &live->seats[profile];

    assert(profile < seat_count(live));
    (void)pthread_mutex_lock(&live->mutex);
    if (seat->model != NULL) {
        let_go(seat->model);
        seat->model = NULL;
        live->model_count--;
        if (live->held != NULL) {
            series_set(live->held, (int64_t)live->model_count);
        }
    }
    atomic_store(&seat->away, false);
    seat->wanted = false;
    atomic_fetch_add_explicit(&live->changes, 1, memory_order_release);
    (void)pthread_cond_broadcast(&live->came);
    (void)pthread_mutex_unlock(&live->mutex);
}

uint64_t live_version(struct live *live, size_t profile)
{
    uint64_t version;

    assert(profile < seat_count(live));
    (void)pthread_mutex_lock(&live->mutex);
    version = live->seats[profile].model == NULL ? 0 : live->seats[profile].model->version;
    (void)pthread_mutex_unlock(&live->mutex);
    return version;
}

bool live_is_away(struct live *live, size_t profile)
{
    assert(profile < seat_count(live));
    return atomic_load(&live->seats[profile].away);
}

int live_wanted_fd(const struct live *live)
{
    return live->wanted_fd;
}

bool live_take_wanted(struct live *live, size_t *out_profile)
{
    bool found = false;
    eventfd_t times;

    (void)eventfd_read(live->wanted_fd, &times); /* before the look: what is wanted afterwards makes it readable anew */
    (void)pthread_mutex_lock(&live->mutex);
    for (size_t profile = 0; profile < seat_count(live) && !found; profile++) {
        struct seat *seat = &live->seats[profile];

        if (seat->wanted) {
            seat->wanted = false;
            *out_profile = profile;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&live->mutex);
    return found;
}

void live_give_up(struct live *live, size_t profile)
{
    assert(profile < seat_count(live));
    (void)pthread_mutex_lock(&live->mutex);
    live->seats[profile].retry_ms = clock_ms() + LIVE_RETRY_MS;
    (void)pthread_cond_broadcast(&live->came);
    (void)pthread_mutex_unlock(&live->mutex);
}

enum status live_view_open(struct live_view **out, struct live *live)
{
    struct live_view *view = calloc(1, sizeof *view + seat_count(live) * sizeof *view->taken);

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
    for (size_t profile = 0; profile < seat_count((*view)->live); profile++) {
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
    for (size_t profile = 0; profile < seat_count(live); profile++) {
        if (view->taken[profile] != live->seats[profile].model) {
            let_go(view->taken[profile]);
            view->taken[profile] = take(live->seats[profile].model);
        }
    }
    (void)pthread_mutex_unlock(&live->mutex);
    view->changes_seen = changes;
}

/* Asks for a model that is away and waits until it comes, or somebody says that it does not. */
static void await_model(struct live *live, struct seat *seat)
{
    uint64_t until_ms = clock_ms() + LIVE_WAIT_MS;

    (void)pthread_mutex_lock(&live->mutex);
    if (atomic_load(&seat->away) && seat->retry_ms <= clock_ms()) {
        seat->wanted = true;
        (void)eventfd_write(live->wanted_fd, 1);
        while (atomic_load(&seat->away) && seat->retry_ms <= clock_ms() && clock_ms() < until_ms) {
            wait_until(&live->came, &live->mutex, until_ms);
        }
        count(live->waits[seat->model != NULL]);
    }
    (void)pthread_mutex_unlock(&live->mutex);
}

void live_view_await(struct live_view *view, size_t profile)
{
    struct seat *seat = &view->live->seats[profile];

    assert(profile < seat_count(view->live));
    live_view_refresh(view);
    if (view->taken[profile] == NULL && atomic_load(&seat->away)) {
        await_model(view->live, seat);
        live_view_refresh(view);
    }
}

void live_view_use(struct live_view *view, size_t profile)
{
    struct seat *seat;
    uint64_t now_ms = clock_ms();

    assert(profile < seat_count(view->live));
    seat = &view->live->seats[profile];
    /* Not for each task: all threads write there. */
    if (now_ms - atomic_load_explicit(&seat->used_ms, memory_order_relaxed) >= LIVE_FLOOR_MS / USES_TOLD) {
        atomic_store_explicit(&seat->used_ms, now_ms, memory_order_relaxed);
    }
    live_view_await(view, profile);
}

const struct model *live_view_model(const struct live_view *view, size_t profile, uint64_t *out_version)
{
    const struct live_model *held;

    assert(profile < seat_count(view->live));
    held = view->taken[profile];
    *out_version = held == NULL ? 0 : held->version;
    return held == NULL ? NULL : held->model;
}
