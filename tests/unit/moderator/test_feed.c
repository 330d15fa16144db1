/* test_feed: announcements over a real XPUB and models out of a real table: what changes what is live, and what must not. */
#include "support/database.h"
#include "support/folder.h"
#include "support/model.h"
#include "support/models_table.h"
#include "support/samples.h"
#include "support/unit.h"

#include "moderator/feed.h"
#include "proto/clock.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <stdatomic.h>
#include <string.h>
#include <zmq.h>

/* Time stands still in these tests, so that a busy machine makes no silence; where time must pass, a test says so. */
enum { WAIT_MS = 30000, LOOK_MS = 5, FROZEN_MS = 1000000 };

static int start(void **state)
{
    assert_status(STATUS_OK, wire_start());
    return start_server(state);
}

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct lookup *trainers;
    struct live *live;
    struct wire *trainer;
    struct feed *feed;
    struct db *db;
    struct buffer model; /* a good file */
};

static void prepare_place(struct place *place, const char *database)
{
    clock_freeze(FROZEN_MS);
    *place = (struct place){.profiles = {{.name = "other", .model_kind = MODEL_KIND_HASHLINEAR},
                                         {.name = "default", .model_kind = MODEL_KIND_HASHLINEAR}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->db = samples_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, 2));
    assert_status(STATUS_OK, wire_open(&place->trainer, WIRE_ANNOUNCE, KIB));
    assert_status(STATUS_OK, wire_attach(place->trainer, "tcp://127.0.0.1:*"));
    place->settings.moderator.models.count = 1;
    (void)snprintf(place->settings.moderator.models.at[0], PATH_BYTES_MAX + 1, "%s", wire_endpoint(place->trainer));
    model_file_make(&place->model, 0, 0);
}

static struct feed_parts make_parts(struct place *place)
{
    const struct lookup_options options = {
        .endpoints = &place->settings.moderator.models, .what = "models", .metrics = place->metrics};

    assert_status(STATUS_OK, lookup_open(&place->trainers, &options));
    return (struct feed_parts){&place->settings, place->live, place->metrics, place->trainers, NULL};
}

/* The next thing that a subscriber says: 1 it has come, 0 it has gone. */
static int next_subscription(struct wire *trainer)
{
    zmq_pollitem_t item = {.socket = wire_handle(trainer), .events = ZMQ_POLLIN};
    struct bytes identity;
    struct bytes frame;

    assert_int_equal(1, zmq_poll(&item, 1, WAIT_MS));
    assert_status(STATUS_OK, wire_take(trainer, &identity, &frame));
    assert_int_equal(1, frame.count);
    return frame.data[0];
}

/* Until the subscription has come, so that no announcement is sent to nobody. */
static void open_feed(struct place *place)
{
    const struct feed_parts parts = make_parts(place);

    assert_status(STATUS_OK, feed_open(&place->feed, &parts));
    assert_int_equal(1, next_subscription(place->trainer));
}

static void close_place(struct place *place)
{
    clock_freeze(0);
    feed_close(&place->feed);
    feed_close(&place->feed);
    lookup_close(&place->trainers);
    live_close(&place->live);
    metrics_close(&place->metrics);
    wire_close(&place->trainer);
    db_close(&place->db);
    buffer_free(&place->model);
}

static int64_t put(struct place *place, int64_t version)
{
    const struct model_row row = {
        .profile = "default", .version = version, .status = "live", .bytes = buffer_view(&place->model)};

    return models_table_put(place->db, &row);
}

static void announce(struct place *place, uint64_t epoch, int64_t change)
{
    const struct message_model model = {.epoch = epoch, .change = (uint64_t)change};
    struct buffer out;

    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_model(&model, &out));
    assert_status(STATUS_OK, wire_send(place->trainer, buffer_view(&out)));
    buffer_free(&out);
}

static int64_t counted(struct place *place, enum metric_kind kind, const char *name, const char *profile)
{
    const struct metric_label label = {"profile", profile};

    return series_value(metrics_series(place->metrics, kind, name, "", &label, profile == NULL ? 0 : 1));
}

/* Waits for a condition that the feed's thread brings about; the pause only keeps the looks apart. */
#define await(condition)                                                                                               \
    do {                                                                                                               \
        for (int await_looks = 0; !(condition) && await_looks < WAIT_MS / LOOK_MS; await_looks++) {                    \
            (void)poll(NULL, 0, LOOK_MS);                                                                              \
        }                                                                                                              \
        assert_true(condition);                                                                                        \
    } while (0)

/* A feed that has read the table at its start (version 1), heard epoch 5 and read again for it (version 2): until both are done, a
 * row that a test puts could be found by either of them. */
static void open_settled_feed(struct place *place)
{
    (void)put(place, 1);
    open_feed(place);
    await(live_version(place->live, 1) == 1);
    announce(place, 5, put(place, 2));
    await(live_version(place->live, 1) == 2);
}

static int64_t refused_models(struct place *place)
{
    return counted(place, METRIC_COUNTER, "prismguard_moderator_models_refused_total", "default");
}

static int64_t refusals(struct place *place, const char *reason)
{
    const struct metric_label label = {"reason", reason};

    return series_value(
        metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_model_refusals_total", "", &label, 1));
}

static int64_t refused_announcements(struct place *place)
{
    return counted(place, METRIC_COUNTER, "prismguard_moderator_announcements_refused_total", NULL);
}

static void at_start_the_live_model_is_loaded(void **state)
{
    struct place place;

    (void)state;
    prepare_place(&place, "start_up");
    (void)put(&place, 4);
    open_feed(&place);
    await(live_version(place.live, 1) == 4);
    assert_int_equal(0, live_version(place.live, 0));
    await(counted(&place, METRIC_GAUGE, "prismguard_moderator_model_version", "default") == 4); /* set behind it */
    assert_int_equal(0, counted(&place, METRIC_GAUGE, "prismguard_moderator_model_version", "other"));
    close_place(&place);
}

static void an_announced_change_is_fetched(void **state)
{
    struct place place;

    (void)state;
    prepare_place(&place, "announced");
    open_feed(&place);
    for (int64_t version = 1; version <= 3; version++) {
        announce(&place, 1, put(&place, version));
        await(live_version(place.live, 1) == (uint64_t)version);
    }
    assert_int_equal(0, refused_announcements(&place));
    close_place(&place);
}

static void a_lower_epoch_is_ignored_and_a_higher_one_is_heard(void **state)
{
    struct place place;
    int64_t change;

    (void)state;
    prepare_place(&place, "epochs");
    open_settled_feed(&place);
    change = put(&place, 3);
    announce(&place, 4, change + 100);
    await(refused_announcements(&place) == 1);
    assert_int_equal(2, live_version(place.live, 1));
    announce(&place, 6, 1); /* a new leader that counts from below */
    await(live_version(place.live, 1) == 3);
    assert_int_equal(1, refused_announcements(&place));
    close_place(&place);
}

static void a_model_that_fails_its_checks_is_refused_and_the_last_good_one_serves(void **state)
{
    struct model_row row = {.profile = "default", .status = "live"};
    struct place place;

    (void)state;
    prepare_place(&place, "refused");
    (void)put(&place, 1);
    open_feed(&place);
    await(live_version(place.live, 1) == 1);

    row.version = 2; /* not the bytes that were stored */
    row.bytes = buffer_view(&place.model);
    row.sha256 = BYTES("0123456789abcdef0123456789abcdef");
    announce(&place, 1, models_table_put(place.db, &row));
    await(refused_models(&place) == 1);

    row.version = 3; /* no model at all */
    row.bytes = BYTES("not a model");
    row.sha256 = (struct bytes){NULL, 0};
    announce(&place, 1, models_table_put(place.db, &row));
    await(refused_models(&place) == 2);

    row.version = 4; /* one bit of the weights, with a checksum around it that fits */
    place.model.data[place.model.count / 2] ^= 1;
    row.bytes = buffer_view(&place.model);
    announce(&place, 1, models_table_put(place.db, &row));
    await(refused_models(&place) == 3);
    place.model.data[place.model.count / 2] ^= 1;

    row.version = 5; /* cut short */
    row.bytes = bytes_first(buffer_view(&place.model), place.model.count - 1);
    announce(&place, 1, models_table_put(place.db, &row));
    await(refused_models(&place) == 4);
    assert_int_equal(4, refusals(&place, "corrupt") + refusals(&place, "malformed"));
    assert_int_equal(0, refusals(&place, "unsupported") + refusals(&place, "too_large"));

    assert_int_equal(1, live_version(place.live, 1));
    announce(&place, 1, put(&place, 6));
    await(live_version(place.live, 1) == 6);
    close_place(&place);
}

/* Settings that name another kind take nothing away: the trainer has to make one first. */
static void a_model_of_another_kind_than_the_profile_wants_decides_until_there_is_one(void **state)
{
    struct place place;

    (void)state;
    prepare_place(&place, "kinds");
    place.profiles[1].model_kind = MODEL_KIND_BOW;
    (void)put(&place, 1);
    open_feed(&place);
    await(live_version(place.live, 1) == 1);
    announce(&place, 1, put(&place, 2)); /* as after a rollback */
    await(live_version(place.live, 1) == 2);
    assert_int_equal(0, refused_models(&place));
    close_place(&place);
}

static void what_is_no_announcement_is_counted(void **state)
{
    struct place place;

    (void)state;
    prepare_place(&place, "garbage");
    open_feed(&place);
    assert_status(STATUS_OK, wire_send(place.trainer, BYTES("\xc1garbage")));
    assert_status(STATUS_OK, wire_send(place.trainer, BYTES("\x92\x01\x04"))); /* PING */
    await(refused_announcements(&place) == 2);
    announce(&place, 1, put(&place, 1));
    await(live_version(place.live, 1) == 1);
    close_place(&place);
}

static void after_a_silence_the_table_is_read_all_the_same(void **state)
{
    struct place place;

    (void)state;
    prepare_place(&place, "silence");
    open_settled_feed(&place);
    assert_int_equal(0, counted(&place, METRIC_GAUGE, "prismguard_moderator_model_feed_stale", NULL));
    (void)put(&place, 3); /* and the announcement is lost */
    clock_freeze(FROZEN_MS + FEED_SILENCE_MS);
    await(live_version(place.live, 1) == 3);
    assert_int_equal(1, counted(&place, METRIC_GAUGE, "prismguard_moderator_model_feed_stale", NULL));
    while (next_subscription(place.trainer) != 1) { /* it has gone and come again, in whichever order that is told */
    }
    announce(&place, 5, 0);
    await(counted(&place, METRIC_GAUGE, "prismguard_moderator_model_feed_stale", NULL) == 0);
    close_place(&place);
}

static void a_database_that_is_away_is_asked_again_and_the_model_serves_on(void **state)
{
    struct place place;
    int64_t change;

    (void)state;
    prepare_place(&place, "away");
    open_settled_feed(&place);
    change = put(&place, 3);
    clock_freeze(0); /* the back-off needs time */
    postgres_kill(&server);
    announce(&place, 5, change);
    postgres_run(&server);
    await(live_version(place.live, 1) == 3);
    close_place(&place);
}

static enum status find_trainers(void *context, const char *host, void (*add)(void *adding, const char *numeric), void *adding)
{
    (void)host;
    add(adding, atomic_load((atomic_int *)context) == 0 ? "127.0.0.1" : "127.0.0.2");
    return STATUS_OK;
}

static void a_trainer_that_moves_is_followed(void **state)
{
    struct endpoints names = {.count = 1};
    atomic_int moved = 0;
    struct lookup_options options = {.endpoints = &names, .what = "models", .find = find_trainers, .context = &moved, .every_ms = 1};
    struct wire *other = NULL;
    struct place place;
    const char *port;

    (void)state;
    prepare_place(&place, "moves");
    port = strrchr(wire_endpoint(place.trainer), ':');
    (void)snprintf(names.at[0], sizeof names.at[0], "tcp://trainer%s", port);
    options.metrics = place.metrics;
    assert_status(STATUS_OK, wire_open(&other, WIRE_ANNOUNCE, KIB));
    (void)snprintf(place.settings.moderator.models.at[0], PATH_BYTES_MAX + 1, "tcp://127.0.0.2%s", port);
    assert_status(STATUS_OK, wire_attach(other, place.settings.moderator.models.at[0]));
    assert_status(STATUS_OK, lookup_open(&place.trainers, &options));
    const struct feed_parts parts = {&place.settings, place.live, place.metrics, place.trainers, NULL};
    assert_status(STATUS_OK, feed_open(&place.feed, &parts));
    assert_int_equal(1, next_subscription(place.trainer));
    atomic_store(&moved, 1);
    assert_int_equal(1, next_subscription(other));
    assert_int_equal(0, next_subscription(place.trainer)); /* it has left the first */
    wire_close(&other);
    close_place(&place);
}

static int64_t on_disk(struct place *place, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(
        metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_models_on_disk_total", "", &label, 1));
}

/* Everything anew but the folder, as after a restart of the process. */
static void restart(struct place *place)
{
    feed_close(&place->feed);
    lookup_close(&place->trainers);
    live_close(&place->live);
    metrics_close(&place->metrics);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, 2));
}

static void open_feed_anew(struct place *place)
{
    const struct feed_parts parts = make_parts(place);

    assert_status(STATUS_OK, feed_open(&place->feed, &parts));
}

static void a_start_without_a_database_serves_the_last_good_model(void **state)
{
    struct folder folder;
    struct folder models = {0};
    struct place place;

    (void)state;
    folder_open(&folder);
    prepare_place(&place, "from_disk");
    (void)snprintf(place.settings.moderator.state_dir, sizeof place.settings.moderator.state_dir, "%s", folder.path);
    open_settled_feed(&place);
    await(on_disk(&place, "kept") == 2);

    restart(&place); /* the table says the same: nothing is written again */
    open_feed_anew(&place);
    await(live_version(place.live, 1) == 2);
    assert_int_equal(1, on_disk(&place, "used"));
    clock_freeze(0); /* the back-off needs time */
    postgres_kill(&server);
    restart(&place);
    open_feed_anew(&place);
    await(live_version(place.live, 1) == 2);
    assert_int_equal(0, live_version(place.live, 0));
    assert_int_equal(0, on_disk(&place, "kept"));
    await(counted(&place, METRIC_GAUGE, "prismguard_moderator_model_version", "default") == 2);
    postgres_run(&server);
    db_close(&place.db);
    assert_status(STATUS_OK, db_open(&place.db, &place.settings.database, "test"));
    (void)put(&place, 3);
    announce(&place, 6, 1);
    await(live_version(place.live, 1) == 3); /* and what is new is fetched */
    feed_close(&place.feed);
    close_place(&place);
    (void)snprintf(models.path, sizeof models.path, "%.200s/models", folder.path);
    folder_close(&models);
    folder_close(&folder);
}

/* Cut short, also within its head, and with one byte that is another: each is refused and counted once, and replaced. */
static void a_damaged_model_on_disk_is_refused_as_any_other(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct folder folder;
    struct folder models = {0};
    struct place place;

    (void)state;
    folder_open(&folder);
    (void)snprintf(models.path, sizeof models.path, "%.200s/models", folder.path);
    prepare_place(&place, "damaged");
    (void)snprintf(place.settings.moderator.state_dir, sizeof place.settings.moderator.state_dir, "%s", folder.path);
    open_settled_feed(&place);
    await(on_disk(&place, "kept") == 2);
    folder_find(&models, ".model", path);
    for (int damage = 0; damage < 3; damage++) {
        restart(&place);
        if (damage < 2) {
            assert_int_equal(0, truncate(path, damage == 0 ? 200 : 20));
        } else {
            FILE *file = fopen(path, "r+b");

            assert_non_null(file);
            assert_int_equal(0, fseek(file, -1, SEEK_END));
            assert_int_not_equal(EOF, fputc('?', file));
            assert_int_equal(0, fclose(file));
        }
        open_feed_anew(&place);
        await(live_version(place.live, 1) == 2 && on_disk(&place, "kept") == 1);
        assert_int_equal(1, on_disk(&place, "damaged"));
        assert_int_equal(0, on_disk(&place, "used"));
        assert_int_equal(1, refused_models(&place));
        assert_int_equal(1, refusals(&place, "corrupt"));
    }
    restart(&place);
    open_feed_anew(&place);
    await(live_version(place.live, 1) == 2);
    assert_int_equal(1, on_disk(&place, "used"));
    assert_int_equal(0, refused_models(&place));
    close_place(&place);
    folder_close(&models);
    folder_close(&folder);
}

/* Of every model in the folder; how many there were. */
static size_t cut_short(const struct folder *models)
{
    DIR *entries = opendir(models->path);
    size_t found = 0;

    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[PATH_BYTES_MAX + 1];

        if (bytes_ends_with(bytes_of(entry->d_name), bytes_of(".model"))) {
            folder_path(models, entry->d_name, path);
            assert_int_equal(0, truncate(path, 200));
            found++;
        }
    }
    (void)closedir(entries);
    return found;
}

/* Room for one model, a folder for those that are kept, and a clock that stands before the feed is stale; the floor holds still. */
static void open_narrow_place(struct place *place, const struct folder *folder, const char *database)
{
    prepare_place(place, database);
    (void)snprintf(place->settings.moderator.state_dir, sizeof place->settings.moderator.state_dir, "%s", folder->path);
    live_limit(place->live, 1, place->metrics);
    open_settled_feed(place);
    clock_freeze(FROZEN_MS + LIVE_FLOOR_MS / 2);
}

/* Room for one model, and two that are asked for in turn while both files are damaged: each is refused once, comes from the table
 * and is written anew, so that it comes from the disk the next time, and at a start without a database. */
static void a_damaged_model_on_disk_is_mended_when_it_is_wanted(void **state)
{
    enum { BRINGS = 6 };
    static const uint64_t versions[] = {7, 2};
    struct model_row row = {.profile = "other", .version = 7, .status = "live"};
    struct folder folder;
    struct folder models = {0};
    struct live_view *view = NULL;
    struct place place;
    uint64_t version = 0;
    int64_t change;

    (void)state;
    folder_open(&folder);
    (void)snprintf(models.path, sizeof models.path, "%.200s/models", folder.path);
    open_narrow_place(&place, &folder, "mended");
    row.bytes = buffer_view(&place.model);
    change = models_table_put(place.db, &row);
    await((announce(&place, 5, change), on_disk(&place, "kept") == 3)); /* it may be connecting anew all the same */
    assert_int_equal(2, cut_short(&models));
    assert_status(STATUS_OK, live_view_open(&view, place.live));
    for (int bring = 0; bring < BRINGS; bring++) {
        size_t profile = (size_t)bring % 2;
        int damaged = bring < 2 ? bring + 1 : 2;

        clock_freeze(FROZEN_MS + 2 * (uint64_t)(bring + 1) * LIVE_FLOOR_MS);
        live_view_use(view, profile);
        assert_non_null(live_view_model(view, profile, &version));
        assert_int_equal(versions[profile], version);
        /* Who waits is woken before the feed counts. */
        await(on_disk(&place, "kept") + on_disk(&place, "used") == 3 + bring + 1);
        assert_int_equal(damaged, on_disk(&place, "damaged"));
        assert_int_equal(3 + damaged, on_disk(&place, "kept"));
        assert_int_equal(damaged, refusals(&place, "corrupt"));
    }
    assert_int_equal(1, refused_models(&place));
    live_view_close(&view);
    restart(&place);
    (void)snprintf(place.settings.database.url, sizeof place.settings.database.url, "host=/nonexistent");
    open_feed_anew(&place);
    await(live_version(place.live, 0) == 7 && live_version(place.live, 1) == 2);
    assert_int_equal(0, on_disk(&place, "damaged"));
    close_place(&place);
    folder_close(&models);
    folder_close(&folder);
}

/* Room for one model, and two that are asked for in turn: each comes from the disk, and the newest one at that. */
static void a_model_that_was_pushed_out_comes_again_when_it_is_wanted(void **state)
{
    const struct model_row other = {.profile = "other", .version = 7, .status = "live"};
    struct model_row row = other;
    struct folder folder;
    struct folder models = {0};
    struct live_view *view = NULL;
    struct place place;
    uint64_t version = 0;
    int64_t change;

    (void)state;
    folder_open(&folder);
    open_narrow_place(&place, &folder, "pushed_out");
    row.bytes = buffer_view(&place.model);
    change = models_table_put(place.db, &row);
    await((announce(&place, 5, change), live_is_away(place.live, 0))); /* it may be connecting anew all the same */
    assert_int_equal(2, live_version(place.live, 1));
    clock_freeze(FROZEN_MS + 2 * LIVE_FLOOR_MS);
    assert_status(STATUS_OK, live_view_open(&view, place.live));
    live_view_use(view, 0);
    assert_non_null(live_view_model(view, 0, &version));
    assert_int_equal(7, version);
    assert_true(live_is_away(place.live, 1));
    change = put(&place, 3); /* of the one that is away now */
    /* Again and again, as a trainer does: by this clock the feed was silent for long, and may be connecting anew. */
    await((announce(&place, 5, change), on_disk(&place, "kept") == 4));
    assert_int_equal(0, live_version(place.live, 1));
    clock_freeze(FROZEN_MS + 4 * LIVE_FLOOR_MS);
    live_view_use(view, 1);
    assert_non_null(live_view_model(view, 1, &version));
    assert_int_equal(3, version);
    live_view_close(&view);
    close_place(&place);
    (void)snprintf(models.path, sizeof models.path, "%.200s/models", folder.path);
    folder_close(&models);
    folder_close(&folder);
}

/* The same without a disk: from the table. */
static void without_a_disk_it_comes_from_the_table(void **state)
{
    struct model_row row = {.profile = "other", .version = 7, .status = "live"};
    struct live_view *view = NULL;
    struct place place;
    uint64_t version = 0;

    (void)state;
    prepare_place(&place, "no_disk");
    live_limit(place.live, 1, place.metrics);
    open_settled_feed(&place);
    row.bytes = buffer_view(&place.model);
    announce(&place, 5, models_table_put(place.db, &row));
    await(live_is_away(place.live, 0));
    clock_freeze(FROZEN_MS + 2 * LIVE_FLOOR_MS);
    assert_status(STATUS_OK, live_view_open(&view, place.live));
    live_view_use(view, 0);
    assert_non_null(live_view_model(view, 0, &version));
    assert_int_equal(7, version);
    live_view_close(&view);
    close_place(&place);
}

/* Half of all announcements never arrive; each that does tells all. The table is read at once, not after a silence: time stands
 * still here. */
static void half_of_the_announcements_are_enough(void **state)
{
    enum { ROUNDS = 20 };
    struct place place;

    (void)state;
    prepare_place(&place, "lossy");
    open_settled_feed(&place);
    for (int64_t version = 3; version < 3 + ROUNDS; version++) {
        int64_t change = put(&place, version);

        if (version % 2 == 0) {
            announce(&place, 5, change);
            await(live_version(place.live, 1) == (uint64_t)version);
        }
    }
    close_place(&place);
}

/* It is used beside the live one, is over when it is promoted, or ended otherwise, and comes to a moderator that starts meanwhile. */
static void a_version_on_trial_comes_and_goes(void **state)
{
    struct model_row row = {.profile = "default", .version = 3, .status = "canary"};
    struct place place;
    size_t trial;

    (void)state;
    prepare_place(&place, "on_trial");
    place.profiles[1].training.canary = 0.1;
    open_settled_feed(&place);
    trial = live_trial_of(place.live, 1);
    row.bytes = buffer_view(&place.model);
    announce(&place, 5, models_table_put(place.db, &row));
    await(live_version(place.live, trial) == 3);
    assert_int_equal(2, live_version(place.live, 1));
    await(counted(&place, METRIC_GAUGE, "prismguard_moderator_trial_version", "default") == 3);
    feed_close(&place.feed); /* a moderator that starts in the middle of it */
    lookup_close(&place.trainers);
    live_close(&place.live);
    assert_status(STATUS_OK, live_open(&place.live, 2));
    while (next_subscription(place.trainer) != 0) {
    }
    open_feed(&place);
    await(live_version(place.live, trial) == 3);
    assert_int_equal(2, live_version(place.live, 1));
    assert_status(STATUS_OK, db_script(place.db, "select model_make_live(profile_id, 3) from profiles where name = 'default'"));
    announce(&place, 5, 1000);
    await(live_version(place.live, 1) == 3);
    await(live_version(place.live, trial) == 0);
    row.version = 4;
    announce(&place, 6, models_table_put(place.db, &row));
    await(live_version(place.live, trial) == 4);
    assert_status(STATUS_OK, db_script(place.db, "update models set status = 'refused', change = nextval('model_change') "
                                                 "where version = 4"));
    announce(&place, 7, 1);
    await(live_version(place.live, trial) == 0);
    assert_int_equal(3, live_version(place.live, 1));
    assert_int_equal(0, refused_models(&place));
    close_place(&place);
}

static void an_address_that_may_not_be_used_refuses_to_open(void **state)
{
    struct feed_parts parts;
    struct feed *feed = NULL;
    struct place place;

    (void)state;
    prepare_place(&place, "address");
    (void)snprintf(place.settings.moderator.models.at[0], PATH_BYTES_MAX + 1, "tcp://192.0.2.1:5556");
    parts = make_parts(&place);
    assert_status(STATUS_DENIED, feed_open(&feed, &parts));
    assert_null(feed);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_start_the_live_model_is_loaded),
        cmocka_unit_test(an_announced_change_is_fetched),
        cmocka_unit_test(a_lower_epoch_is_ignored_and_a_higher_one_is_heard),
        cmocka_unit_test(a_model_that_fails_its_checks_is_refused_and_the_last_good_one_serves),
        cmocka_unit_test(a_model_of_another_kind_than_the_profile_wants_decides_until_there_is_one),
        cmocka_unit_test(what_is_no_announcement_is_counted),
        cmocka_unit_test(after_a_silence_the_table_is_read_all_the_same),
        cmocka_unit_test(a_database_that_is_away_is_asked_again_and_the_model_serves_on),
        cmocka_unit_test(a_start_without_a_database_serves_the_last_good_model),
        cmocka_unit_test(a_damaged_model_on_disk_is_refused_as_any_other),
        cmocka_unit_test(a_damaged_model_on_disk_is_mended_when_it_is_wanted),
        cmocka_unit_test(a_model_that_was_pushed_out_comes_again_when_it_is_wanted),
        cmocka_unit_test(without_a_disk_it_comes_from_the_table),
        cmocka_unit_test(half_of_the_announcements_are_enough),
        cmocka_unit_test(a_version_on_trial_comes_and_goes),
        cmocka_unit_test(an_address_that_may_not_be_used_refuses_to_open),
        cmocka_unit_test(a_trainer_that_moves_is_followed),
    };

    return cmocka_run_group_tests(tests, start, stop_server);
}
