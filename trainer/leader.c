/* leader: one session with PostgreSQL and a table of steps around it. */
#include "trainer/leader.h"

#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/join.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "trainer/schedule.h"
#include "trainer/store_cancel.h"
#include "trainer/store.h"
#include "trainer/trials.h"
#include "trainer/upkeep.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum step { STEP_CONNECT, STEP_STAND_BY, STEP_TAKE_OVER, STEP_LEAD, STEP_REST, STEP_END };

static const char no_connection[] = "not connected to the database";
static const char no_schema[] = "the database has no schema yet";

struct leader {
    const struct settings *settings;
    struct publish *publish;
    struct schedule *schedule;
    struct upkeep *upkeep;
    struct trials *trials;
    struct series *leading;
    struct series *epoch_series;
    struct series *losses;

    pthread_t thread;
    int wake_fd; /* readable: a run has ended, there are new settings, or it is time to end */
    _Atomic(struct settings *) next; /* to be used; NULL = none */
    atomic_bool ending;

    /* The thread's own. */
    struct settings *waiting; /* settings to be used when the run that is going has ended; NULL = none */
    struct settings *owned; /* the settings in use, or NULL: they are the program's */
    bool profiles_added;    /* to the database, in this lead */
    struct store *store;
    int64_t epoch;
    int64_t change; /* of `models`, when we last asked whether we lead */
    unsigned failures; /* in a row */
    const char *failed_at;
    enum status failure;

    _Atomic(const char *) unready; /* why; NULL = ready */
    atomic_bool failed;
};

/* Any thread. */
static void wake(void *context)
{
    struct leader *leader = context;

    (void)eventfd_write(leader->wake_fd, 1); /* it fails only when the counter is full, and then the thread is awake */
}

/* Waits up to `wait_ms`, or until something has happened. `next`, or STEP_END when it is time to end. */
static enum step wait_for(struct leader *leader, uint64_t wait_ms, enum step next)
{
    struct pollfd waking = {.fd = leader->wake_fd, .events = POLLIN};
    eventfd_t count;

    if (poll(&waking, 1, (int)wait_ms) > 0) {
        (void)eventfd_read(leader->wake_fd, &count);
    }
    return atomic_load(&leader->ending) ? STEP_END : next;
}

static enum step fail(struct leader *leader, const char *where, enum status status)
{
    if (atomic_load(&leader->ending)) {
        return STEP_END; /* that is why */
    }
    leader->failed_at = where;
    leader->failure = status;
    return STEP_REST;
}

/* A newer schema is not for us to touch: nothing will change until a person does. */
static enum step refuse_schema(struct leader *leader, int64_t version)
{
    log_event(LOG_ERROR, "schema_newer", LOG_NUMBER("found", version), LOG_NUMBER("known", SCHEMA_VERSION));
    atomic_store(&leader->failed, true);
    return STEP_END;
}

/* The schema's version; and, as the moderators wait for the tables, whether we are ready. */
static enum status look_at_schema(struct leader *leader, int64_t *out_version)
{
    enum status status = store_schema_version(leader->store, out_version);

    if (status == STATUS_OK) {
        atomic_store(&leader->unready, *out_version == 0 ? no_schema : NULL);
    }
    return status;
}

static enum step connect_store(struct leader *leader)
{
    int64_t version = 0;
    enum status status = store_open(&leader->store, &leader->settings->database, &leader->ending);

    if (status == STATUS_OK) {
        status = look_at_schema(leader, &version);
    }
    if (status != STATUS_OK) {
        return fail(leader, "connect", status);
    }
    if (version > SCHEMA_VERSION) {
        return refuse_schema(leader, version);
    }
    log_event(LOG_INFO, "database_connected", LOG_NUMBER("schema", version));
    return STEP_STAND_BY;
}

static enum step stand_by(struct leader *leader)
{
    uint64_t wait_ms = leader->settings->trainer.check_every_ms;
    int64_t version = 0;
    bool locked = false;
    enum status status;

    store_answer_within(leader->store, LEADER_SESSION_MS);
    status = store_try_lock(leader->store, &locked);
    if (status == STATUS_OK && locked) {
        return STEP_TAKE_OVER;
    }
    if (status == STATUS_OK && atomic_load(&leader->unready) != NULL) {
        status = look_at_schema(leader, &version); /* the leader may be making it */
    }
    if (status != STATUS_OK) {
        return fail(leader, "stand by", status);
    }
    leader->failures = 0;
    return wait_for(leader, wait_ms < LEADER_STANDBY_MS ? wait_ms : LEADER_STANDBY_MS, STEP_STAND_BY);
}

static enum status add_profiles(struct leader *leader)
{
    const struct settings *settings = leader->settings;
    struct bytes *names = calloc(settings->profile_count + 1, sizeof *names);
    enum status status;

    if (names == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        names[index] = bytes_of(settings->profiles[index].name);
    }
    status = store_add_profiles(leader->store, leader->epoch, names, settings->profile_count);
    leader->profiles_added = status == STATUS_OK;
    free(names);
    return status;
}

/* From the version that was found to ours, step by step; what a failure leaves is the last whole step. */
static enum status raise_schema(struct leader *leader, int64_t version)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && version < SCHEMA_VERSION) {
        status = store_raise_schema(leader->store, ++version);
        if (status == STATUS_OK) {
            log_event(LOG_INFO, "schema_raised", LOG_NUMBER("version", version));
        }
    }
    return status;
}

/* All of it under the lock, so that no two raise the schema at once. */
static enum step take_over(struct leader *leader)
{
    int64_t version = 0;
    enum status status;

    store_answer_within(leader->store, 0); /* a step of the schema may take its time */
    status = store_schema_version(leader->store, &version);
    if (status == STATUS_OK && version > SCHEMA_VERSION) {
        return refuse_schema(leader, version);
    }
    if (status == STATUS_OK) {
        status = raise_schema(leader, version);
    }
    if (status == STATUS_OK) {
        status = store_raise_epoch(leader->store, &leader->epoch);
    }
    if (status == STATUS_OK) {
        status = store_hear_cancels(leader->store);
    }
    if (status == STATUS_OK) {
        status = add_profiles(leader);
    }
    if (status != STATUS_OK) {
        return fail(leader, "take over", status);
    }
    atomic_store(&leader->unready, NULL);
    series_set(leader->leading, 1);
    series_set(leader->epoch_series, leader->epoch);
    log_event(LOG_INFO, "leader_elected", LOG_NUMBER("epoch", leader->epoch));
    return STEP_LEAD;
}

static enum status take_schedule_turn(struct leader *leader)
{
    return schedule_turn(leader->schedule, leader->store, leader->epoch);
}

static enum status take_upkeep_turn(struct leader *leader)
{
    return upkeep_turn(leader->upkeep, leader->store, leader->epoch);
}

static enum status take_trials_turn(struct leader *leader)
{
    return trials_turn(leader->trials, leader->store, leader->epoch, leader->change);
}

/* All that were asked for, or LEADER_CANCELS_MAX of them: of those that are meant no two have different profiles, as one run is
 * going. */
static enum status take_cancels(struct leader *leader)
{
    int64_t stopped_id = 0;
    int64_t profile_id;

    for (int taken = 0; taken < LEADER_CANCELS_MAX && store_take_cancel(leader->store, &profile_id); taken++) {
        if (schedule_stop(leader->schedule, profile_id)) {
            stopped_id = profile_id;
        }
    }
    return stopped_id == 0 ? STATUS_OK : store_confirm_cancel(leader->store, stopped_id);
}

/* What a leader does beside leading. */
static const struct {
    const char *name;
    enum status (*take)(struct leader *leader);
} duties[] = {
    {"cancel", take_cancels},
    {"schedule", take_schedule_turn},
    {"upkeep", take_upkeep_turn},
    {"trials", take_trials_turn},
};

static enum step lead_on(struct leader *leader)
{
    for (size_t index = 0; index < sizeof duties / sizeof duties[0]; index++) {
        enum status status = duties[index].take(leader);

        if (status != STATUS_OK && !store_alive(leader->store)) {
            return fail(leader, duties[index].name, status);
        }
        if (status != STATUS_OK) {
            /* Leading goes on: what is live can be announced without it. */
            log_event_limited_each(index, sizeof duties / sizeof duties[0], LOG_ERROR, "leader_duty_failed",
                                   LOG_TEXT("duty", duties[index].name), LOG_STATUS("status", status),
                                   LOG_TEXT("sqlstate", store_sqlstate(leader->store)));
        }
    }
    return wait_for(leader, LEADER_CHECK_MS, STEP_LEAD);
}

static enum step lead(struct leader *leader)
{
    /* The lease runs from before the question: that is when the answer was certainly still true. */
    uint64_t until_ms = clock_ms() + LEADER_LEASE_MS;
    enum status status;

    /* Without an answer the lease ends, and with it the lead: a run must not go on for a database that is gone. */
    store_answer_within(leader->store, LEADER_LEASE_MS);
    status = store_check_epoch(leader->store, leader->epoch, &leader->change);
    if (status != STATUS_OK) {
        return fail(leader, "lead", status);
    }
    publish_set(leader->publish, leader->epoch, leader->change, until_ms);
    store_answer_within(leader->store, LEADER_SESSION_MS);
    if (!leader->profiles_added) {
        status = add_profiles(leader);
    }
    if (status != STATUS_OK) {
        return fail(leader, "add profiles", status);
    }
    leader->failures = 0;
    return lead_on(leader);
}

/* Leaves the lead, if it was ours, and the session with its lock. */
static void let_go(struct leader *leader, const char *why)
{
    publish_clear(leader->publish);
    schedule_cancel(leader->schedule);
    trials_leave(leader->trials);
    store_close(&leader->store);
    atomic_store(&leader->unready, why);
    if (leader->epoch != 0) {
        log_event(LOG_INFO, "leader_left", LOG_NUMBER("epoch", leader->epoch));
        series_set(leader->leading, 0);
    }
    leader->epoch = 0;
}

static enum step rest(struct leader *leader)
{
    log_event_limited(LOG_WARN, "leader_interrupted", LOG_TEXT("step", leader->failed_at),
                      LOG_STATUS("status", leader->failure), LOG_TEXT("reason", db_failure(leader->failure)),
                      LOG_TEXT("sqlstate", leader->store == NULL ? "" : store_sqlstate(leader->store)));
    series_add(leader->losses, 1);
    let_go(leader, db_failure(leader->failure));
    return wait_for(leader, backoff_ms(leader->failures++, DB_BACKOFF_MS, DB_BACKOFF_MAX_MS), STEP_CONNECT);
}

static const struct {
    const char *name;
    enum step (*take)(struct leader *leader);
} steps[] = {
    [STEP_CONNECT] = {"connect", connect_store},
    [STEP_STAND_BY] = {"stand by", stand_by},
    [STEP_TAKE_OVER] = {"take over", take_over},
    [STEP_LEAD] = {"lead", lead},
    [STEP_REST] = {"rest", rest},
};

/* Between two steps. A run holds on to the settings it began with, and ends early when the new ones ask for another. */
static void change_settings(struct leader *leader)
{
    struct settings *next = atomic_exchange(&leader->next, NULL);

    if (next != NULL) {
        settings_close(&leader->waiting);
        leader->waiting = next;
        schedule_outdate(leader->schedule, next);
    }
    if (leader->waiting == NULL || !schedule_is_idle(leader->schedule)) {
        return;
    }
    next = leader->waiting;
    leader->waiting = NULL;
    schedule_use(leader->schedule, next);
    upkeep_use(leader->upkeep, next);
    trials_use(leader->trials, next);
    leader->settings = next;
    leader->profiles_added = false;
    settings_close(&leader->owned);
    leader->owned = next;
    log_event(LOG_INFO, "settings_in_use", LOG_TEXT("digest", next->digest), LOG_NUMBER("profiles", next->profile_count));
}

void leader_use_settings(struct leader *leader, struct settings **fresh)
{
    struct settings *unused = atomic_exchange(&leader->next, *fresh);

    *fresh = NULL;
    settings_close(&unused);
    wake(leader);
}

static void *run(void *context)
{
    struct leader *leader = context;
    enum step step = STEP_CONNECT;

    while (step != STEP_END) {
        enum step next;

        schedule_settle(leader->schedule); /* a run that was cancelled because the lead was lost, too */
        change_settings(leader);
        next = steps[step].take(leader);

        if (next != step) {
            log_event(LOG_DEBUG, "leader_step", LOG_TEXT("from", steps[step].name),
                      LOG_TEXT("to", next == STEP_END ? "end" : steps[next].name));
        }
        step = next;
    }
    let_go(leader, no_connection);
    if (atomic_load(&leader->failed)) {
        publish_end(leader->publish);
    }
    return NULL;
}

static void free_leader(struct leader **leader)
{
    struct settings *unused = atomic_load(&(*leader)->next);

    settings_close(&unused);
    settings_close(&(*leader)->waiting);
    settings_close(&(*leader)->owned);
    upkeep_close(&(*leader)->upkeep);
    trials_close(&(*leader)->trials);
    if ((*leader)->wake_fd >= 0) {
        (void)close((*leader)->wake_fd);
    }
    free(*leader);
    *leader = NULL;
}

enum status leader_open(struct leader **out, const struct settings *settings, struct metrics *metrics,
                        struct publish *publish)
{
    struct leader *leader = calloc(1, sizeof *leader);
    enum status status = STATUS_OK;

    if (leader == NULL) {
        return STATUS_NO_MEMORY;
    }
    leader->settings = settings;
    leader->publish = publish;
    atomic_init(&leader->unready, no_connection);
    leader->leading =
        metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_leader", "1 while this trainer leads.", NULL, 0);
    leader->epoch_series =
        metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_epoch", "Epoch of its last lead.", NULL, 0);
    leader->losses = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_interruptions_total",
                                    "Sessions with PostgreSQL that failed.", NULL, 0);
    leader->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (leader->wake_fd < 0) {
        status = STATUS_IO;
    }
    if (status == STATUS_OK) {
        status = upkeep_open(&leader->upkeep, settings, metrics);
    }
    if (status == STATUS_OK) {
        status = trials_open(&leader->trials, settings, metrics);
    }
    if (status == STATUS_OK) {
        status = schedule_open(&leader->schedule, settings, metrics, wake, leader);
    }
    if (status == STATUS_OK && pthread_create(&leader->thread, NULL, run, leader) != 0) {
        status = schedule_close(&leader->schedule, 0);
        status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    *out = leader;
    return STATUS_OK;
fail:
    free_leader(&leader);
    return status;
}

enum status leader_close(struct leader **leader, uint64_t wait_ms)
{
    uint64_t until_ms = clock_ms() + wait_ms;
    uint64_t now_ms;
    enum status status;

    if (*leader == NULL) {
        return STATUS_OK;
    }
    atomic_store(&(*leader)->ending, true);
    schedule_cancel((*leader)->schedule);
    wake(*leader);
    status = join_within((*leader)->thread, wait_ms);
    now_ms = clock_ms();
    if (status == STATUS_OK) {
        status = schedule_close(&(*leader)->schedule, now_ms < until_ms ? until_ms - now_ms : 0);
    }
    if (status == STATUS_OK) {
        free_leader(leader);
    }
    return status;
}

bool leader_ready(const struct leader *leader, const char **why)
{
    *why = atomic_load(&leader->unready);
    return *why == NULL;
}

bool leader_failed(const struct leader *leader)
{
    return atomic_load(&leader->failed);
}
