/* feed: listens to announcements, reads the table when it must, and swaps in what passes its checks. */
#include "moderator/feed.h"

#include "moderator/feed_shelf.h"
#include "moderator/feed_table.h"
#include "moderator/feed_trials.h"
#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/db.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

/* Why a model is refused: its size, what is written in it, a version or kind that we do not know, its digest or self-test. What
 * cannot be read from the disk counts as the last. */
static const enum status reasons[] = {STATUS_TOO_LARGE, STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT};
enum { REASONS = sizeof reasons / sizeof *reasons };

struct feed {
    struct feed_parts parts;
    struct wire *wire;
    struct lookup_watch *watch;
    struct addresses trainers; /* that are connected to */
    struct feed_table *table; /* the thread's alone, as all that follows */
    struct feed_shelf *shelf;
    struct feed_trials *trials;
    int stop;                 /* eventfd: readable from feed_close on */
    pthread_t thread;
    bool started;

    uint64_t epoch;          /* the greatest announced */
    uint64_t change_told;    /* the greatest announced in that epoch */
    uint64_t change_covered; /* what change_told was when the table was last read */
    uint64_t change_seen;    /* the greatest of the rows read */
    uint64_t silence_ms;     /* when the feed is stale, if it hears nothing before */
    uint64_t read_ms;        /* when the table is to be read; UINT64_MAX = when something is announced */
    unsigned failures;       /* in a row, of reading */

    struct series *stale;
    struct series *announcements_refused;
    size_t *numbers;          /* in `live`; one a profile, as the next */
    struct series **versions;
    struct series **refused;
    struct series *reasons[REASONS];
};

static size_t reason_of(enum status status)
{
    size_t reason = 0;

    while (reason + 1 < REASONS && reasons[reason] != status) {
        reason++;
    }
    return reason;
}

/* What waits for the database, or reads the shelf, is left when the feed is closed. */
static enum status look(void *context)
{
    const struct feed *feed = context;
    struct pollfd stop = {.fd = feed->stop, .events = POLLIN};

    return poll(&stop, 1, 0) > 0 ? STATUS_CLOSED : STATUS_OK;
}

enum seat { SEAT_NONE, SEAT_TAKE };

static size_t seat_of(const struct feed *feed, const struct feed_row *row)
{
    return row->is_trial ? feed_trials_seat(feed->trials, row->profile) : feed->numbers[row->profile];
}

/* Checks a model and, with SEAT_TAKE, makes it the one in use. STATUS_FULL: it is good, and has no place. A good one of the table
 * is kept, whatever it was read for: the disk may not have it, or have it damaged. */
static enum status use(struct feed *feed, const struct feed_row *row, enum seat seat)
{
    const char *name = feed->parts.settings->profiles[row->profile].name;
    struct model *model = NULL;
    enum status status = feed_row_model(row, &model);

    if (status == STATUS_OK) {
        status = seat == SEAT_NONE ? STATUS_FULL : live_put(feed->parts.live, seat_of(feed, row), model, row->version);
        if (status != STATUS_OK) {
            model_close(&model);
        }
    }
    if (status == STATUS_OK) {
        if (row->is_trial) {
            feed_trials_took(feed->trials, row->profile, row->version);
        } else {
            series_set(feed->versions[row->profile], (int64_t)row->version);
        }
        log_event(LOG_INFO, row->is_trial ? "model_on_trial" : "model_live", LOG_TEXT("profile", name),
                  LOG_NUMBER("version", row->version), LOG_NUMBER("bytes", row->bytes.count));
    } else if (status != STATUS_NO_MEMORY && status != STATUS_FULL) {
        series_add(feed->refused[row->profile], 1);
        series_add(feed->reasons[reason_of(status)], 1);
        log_event(LOG_ERROR, "model_refused", LOG_TEXT("profile", name), LOG_NUMBER("version", row->version),
                  LOG_TEXT("from", row->from_disk ? "disk" : "database"), LOG_STATUS("status", status));
    }
    if ((status == STATUS_OK || status == STATUS_FULL) && !row->is_trial && !row->from_disk) {
        feed_shelf_put(feed->shelf, row); /* of one without a place too: there it is when it is wanted */
    }
    return status;
}

/* Want of memory ends the reading, to be tried again; whatever else is wrong with a model will still be wrong then. */
static enum status on_row(void *context, const struct feed_row *row)
{
    struct feed *feed = context;
    bool away = live_is_away(feed->parts.live, seat_of(feed, row));
    bool unused = row->is_trial && !feed_trials_wanted(feed->trials, row->profile);
    enum status status = unused ? STATUS_CLOSED : use(feed, row, away ? SEAT_NONE : SEAT_TAKE);

    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    feed->change_seen = row->change;
    return STATUS_OK;
}

static enum status on_wanted(void *context, const struct feed_row *row)
{
    return use(context, row, SEAT_TAKE);
}

/* A profile of the settings by the number of one of its seats; profile_count when it is none of them, as after a reload. */
static size_t find_profile(const struct feed *feed, size_t number, bool *out_is_trial)
{
    size_t profile = 0;

    while (profile < feed->parts.settings->profile_count && feed->numbers[profile] != number &&
           feed_trials_seat(feed->trials, profile) != number) {
        profile++;
    }
    *out_is_trial = profile < feed->parts.settings->profile_count && feed->numbers[profile] != number;
    return profile;
}

/* Models that were away and are asked for: from the disk, where what is newest lies too, else from the table. */
static void bring_wanted(struct feed *feed)
{
    struct live *live = feed->parts.live;
    size_t number;

    while (look(feed) == STATUS_OK && live_take_wanted(live, &number)) {
        bool is_trial;
        size_t profile = find_profile(feed, number, &is_trial);
        enum status status = STATUS_NOT_FOUND;

        if (profile < feed->parts.settings->profile_count) {
            status = is_trial ? STATUS_NOT_FOUND : feed_shelf_read(feed->shelf, profile, on_wanted, feed);
            if (status != STATUS_OK && status != STATUS_FULL) {
                status = feed_table_read_one(feed->table, profile, is_trial, on_wanted, feed);
            }
        }
        if (live_is_away(live, number)) {
            live_give_up(live, number);
            log_event_limited_status(status, LOG_WARN, "model_away", LOG_NUMBER("number", number));
        }
    }
}

/* What served last time, until the database answers: nobody waits for that. */
static void read_shelf(struct feed *feed)
{
    const struct settings *settings = feed->parts.settings;

    for (size_t index = 0; index < settings->profile_count && look(feed) == STATUS_OK; index++) {
        bool wants = settings->profiles[index].model_kind != MODEL_KIND_NONE;

        if (wants && live_version(feed->parts.live, feed->numbers[index]) == 0) {
            enum status status = feed_shelf_read(feed->shelf, index, on_wanted, feed);

            (void)status; /* counted and told by use(); the table has it too */
        }
    }
}

static void read_table(struct feed *feed)
{
    uint64_t told = feed->change_told;
    enum status status = feed_table_read(feed->table, feed->change_seen, on_row, feed);

    if (status == STATUS_OK) {
        status = feed_trials_end(feed->trials, feed->table);
    }
    if (status == STATUS_OK) {
        if (feed->failures > 0) {
            log_event(LOG_INFO, "models_readable", LOG_NUMBER("failures", feed->failures));
        }
        feed->failures = 0;
        feed->change_covered = told;
        feed->read_ms = UINT64_MAX;
        return;
    }
    log_event_limited_status(status, LOG_WARN, "models_unreadable", LOG_TEXT("sqlstate", feed_table_sqlstate(feed->table)),
                             LOG_NUMBER("failures", feed->failures + 1));
    feed->read_ms = clock_ms() + backoff_ms(feed->failures, DB_BACKOFF_MS, DB_BACKOFF_MAX_MS);
    feed->failures++;
}

/* Unless a failure has set a later time already. */
static void want_reading(struct feed *feed, uint64_t now_ms)
{
    if (feed->failures == 0) {
        feed->read_ms = now_ms;
    }
}

static void hear(struct feed *feed, uint64_t now_ms, struct bytes frame)
{
    struct message_model model;

    if (message_read_model(frame, &model) != STATUS_OK || model.epoch < feed->epoch) {
        series_add(feed->announcements_refused, 1);
        log_event_limited(LOG_WARN, "announcement_refused", LOG_NUMBER("bytes", frame.count));
        return;
    }
    feed->silence_ms = now_ms + FEED_SILENCE_MS;
    series_set(feed->stale, 0);
    if (model.epoch > feed->epoch) {
        feed->epoch = model.epoch;
        feed->change_covered = 0; /* a new leader may have begun anew: what it tells counts from here */
        feed->change_told = model.change;
        want_reading(feed, now_ms);
    } else if (model.change > feed->change_told) {
        feed->change_told = model.change;
    }
    if (feed->change_told > feed->change_covered) {
        want_reading(feed, now_ms);
    }
}

static void hear_all(struct feed *feed)
{
    struct bytes identity;
    struct bytes frame;
    enum status status;

    do {
        status = wire_take(feed->wire, &identity, &frame);
        if (status == STATUS_OK) {
            hear(feed, clock_ms(), frame);
        } else if (status == STATUS_MALFORMED) {
            series_add(feed->announcements_refused, 1);
        }
    } while (status == STATUS_OK || status == STATUS_MALFORMED);
}

/* libzmq never comes back by itself to one that broke its protocol, as by a message that is too long. */
static void attach_anew(struct feed *feed)
{
    for (size_t index = 0; index < feed->trainers.count; index++) {
        enum status status = wire_detach(feed->wire, feed->trainers.at[index]);

        if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
            status = wire_attach(feed->wire, feed->trainers.at[index]);
        }
        if (status != STATUS_OK) {
            log_event_limited_each(index, ADDRESSES_MAX, LOG_WARN, "trainer_unusable", LOG_STATUS("status", status),
                                   LOG_TEXT("trainer", feed->trainers.at[index]));
        }
    }
}

/* A lost announcement, a lost trainer: the table tells what we missed. */
static void note_silence(struct feed *feed, uint64_t now_ms)
{
    attach_anew(feed);
    series_set(feed->stale, 1);
    log_event_limited(LOG_WARN, "model_feed_stale", LOG_NUMBER("epoch", feed->epoch));
    feed->silence_ms = now_ms + FEED_SILENCE_MS;
    want_reading(feed, now_ms);
}

/* Lets go of trainers that are gone and connects to new ones; tells the first that could not be used. */
static enum status follow(struct feed *feed)
{
    struct addresses wanted;
    struct addresses connected = {0};
    enum status first = STATUS_OK;

    if (!lookup_watch_read(feed->watch, &wanted)) {
        return STATUS_OK;
    }
    for (size_t index = 0; index < feed->trainers.count; index++) {
        const char *endpoint = feed->trainers.at[index];

        if (addresses_have(&wanted, endpoint)) {
            (void)addresses_add(&connected, endpoint);
        } else {
            enum status status = wire_detach(feed->wire, endpoint);

            first = first == STATUS_OK ? status : first;
        }
    }
    for (size_t index = 0; index < wanted.count; index++) {
        if (!addresses_have(&connected, wanted.at[index])) {
            enum status status = wire_attach(feed->wire, wanted.at[index]);

            first = first == STATUS_OK ? status : first;
            if (status == STATUS_OK) {
                (void)addresses_add(&connected, wanted.at[index]);
            }
        }
    }
    feed->trainers = connected;
    return first;
}

static void follow_and_tell(struct feed *feed)
{
    enum status status = follow(feed);

    if (status != STATUS_OK) {
        log_event_limited(LOG_WARN, "trainer_unusable", LOG_STATUS("status", status));
    }
}

static void *run(void *context)
{
    struct feed *feed = context;
    zmq_pollitem_t items[] = {
        {.fd = feed->stop, .events = ZMQ_POLLIN},
        {.socket = wire_handle(feed->wire), .events = ZMQ_POLLIN},
        {.fd = lookup_watch_fd(feed->watch), .events = ZMQ_POLLIN},
        {.fd = live_wanted_fd(feed->parts.live), .events = ZMQ_POLLIN},
    };

    read_shelf(feed);
    while ((items[0].revents & ZMQ_POLLIN) == 0) {
        uint64_t now_ms = clock_ms();
        uint64_t due_ms;

        follow_and_tell(feed);
        bring_wanted(feed);
        if (now_ms >= feed->silence_ms) {
            note_silence(feed, now_ms);
        }
        if (now_ms >= feed->read_ms) {
            read_table(feed);
        }
        due_ms = feed->read_ms < feed->silence_ms ? feed->read_ms : feed->silence_ms;
        now_ms = clock_ms();
        if (zmq_poll(items, 4, due_ms > now_ms ? (long)(due_ms - now_ms) : 0) > 0 && (items[1].revents & ZMQ_POLLIN) != 0) {
            hear_all(feed);
        }
    }
    wire_close(&feed->wire); /* by the thread that used it */
    return NULL;
}

static enum status find_numbers(struct feed *feed)
{
    const struct settings *settings = feed->parts.settings;
    enum status status = STATUS_OK;

    feed->numbers = calloc(settings->profile_count + 1, sizeof *feed->numbers);
    if (feed->numbers == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; status == STATUS_OK && index < settings->profile_count; index++) {
        status = live_number(feed->parts.live, settings->profiles[index].name, &feed->numbers[index]);
    }
    return status;
}

static enum status find_series(struct feed *feed)
{
    const struct settings *settings = feed->parts.settings;
    struct metrics *metrics = feed->parts.metrics;

    feed->versions = calloc(settings->profile_count + 1, sizeof *feed->versions);
    feed->refused = calloc(settings->profile_count + 1, sizeof *feed->refused);
    if (feed->versions == NULL || feed->refused == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct metric_label label = {"profile", settings->profiles[index].name};

        feed->versions[index] = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_model_version",
                                               "Version of the model in use; 0 for none yet", &label, 1);
        feed->refused[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_models_refused_total",
                                              "Models that failed their checks", &label, 1);
    }
    for (size_t reason = 0; reason < REASONS; reason++) {
        const struct metric_label label = {"reason", status_name(reasons[reason])};

        feed->reasons[reason] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_model_refusals_total",
                                               "Models that failed their checks, by why", &label, 1);
    }
    feed->stale = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_model_feed_stale",
                                 "1 when no announcement of models came for 5 s", NULL, 0);
    feed->announcements_refused = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_announcements_refused_total",
                                                 "Announcements that were malformed or of a lower epoch", NULL, 0);
    return STATUS_OK;
}

static enum status connect_all(struct feed *feed)
{
    enum status status = wire_open(&feed->wire, WIRE_LISTEN, ANNOUNCEMENT_BYTES_MAX);

    if (status == STATUS_OK) {
        wire_secure(feed->wire, feed->parts.security);
        status = lookup_watch_open(&feed->watch, feed->parts.trainers);
    }
    return status == STATUS_OK ? follow(feed) : status;
}

static enum status prepare(struct feed *feed)
{
    const struct db_watch watch = {look, feed};
    enum status status = find_numbers(feed);

    if (status == STATUS_OK) {
        status = find_series(feed);
    }
    if (status == STATUS_OK) {
        status = connect_all(feed);
    }
    if (status == STATUS_OK) {
        status = feed_table_open(&feed->table, feed->parts.settings, MODEL_FILE_BYTES_MAX, &watch);
    }
    if (status == STATUS_OK) {
        status = feed_shelf_open(&feed->shelf, feed->parts.settings, feed->parts.metrics);
    }
    if (status == STATUS_OK) {
        status = feed_trials_open(&feed->trials, feed->parts.settings, feed->parts.live, feed->numbers, feed->parts.metrics);
    }
    if (status != STATUS_OK) {
        return status;
    }
    feed->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return feed->stop >= 0 ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status feed_open(struct feed **out, const struct feed_parts *parts)
{
    struct feed *feed = calloc(1, sizeof *feed);
    enum status status;

    assert(out != NULL);
    if (feed == NULL) {
        return STATUS_NO_MEMORY;
    }
    feed->parts = *parts;
    feed->stop = -1;
    feed->silence_ms = clock_ms() + FEED_SILENCE_MS; /* and read_ms is 0: the table is read at once */
    status = prepare(feed);
    if (status == STATUS_OK) {
        feed->started = pthread_create(&feed->thread, NULL, run, feed) == 0;
        status = feed->started ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        feed_close(&feed);
        return status;
    }
    *out = feed;
    return STATUS_OK;
}

void feed_close(struct feed **feed)
{
    assert(feed != NULL);
    if (*feed == NULL) {
        return;
    }
    if ((*feed)->started) {
        (void)eventfd_write((*feed)->stop, 1);
        (void)pthread_join((*feed)->thread, NULL);
    }
    wire_close(&(*feed)->wire);
    lookup_watch_close(&(*feed)->watch);
    feed_table_close(&(*feed)->table);
    feed_shelf_close(&(*feed)->shelf);
    feed_trials_close(&(*feed)->trials);
    if ((*feed)->stop >= 0) {
        (void)close((*feed)->stop);
    }
    free((*feed)->numbers);
    free((*feed)->versions);
    free((*feed)->refused);
    free(*feed);
    *feed = NULL;
}
