/* store_lead: whatever the order in which trainers win, lose, hang and write, only the newest epoch changes anything. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "trainer/store.h"

enum { SCHEDULES = 200, TRAINERS = 3, ROUNDS = 2, STEPS = 6 * TRAINERS * ROUNDS };

/* A trainer as PostgreSQL sees it: the session with the lock, that of a run, and what its process believes. */
struct trainer {
    struct store *lead;
    struct store *run;
    int64_t epoch; /* of its last lead; it goes on to write under it, as a process does that slept */
    bool locked;   /* what is true: its session holds the lock */
};

struct world {
    struct database_settings settings;
    struct db *db;
    int64_t profile_id;
    struct trainer trainers[TRAINERS];
    int64_t newest; /* epoch */
    int64_t profiles;
    int64_t versions;
    int64_t refused; /* writes and announcements under an epoch that was not the newest */
};

enum operation { ACQUIRE, LOSE, WRITE, PUBLISH, ANNOUNCE, HANG, OPERATIONS };

static struct store *open_store(const struct world *world)
{
    struct store *store = NULL;

    assert_status(STATUS_OK, store_open(&store, &world->settings, NULL));
    return store;
}

static bool is_anybody_locked(const struct world *world)
{
    bool locked = false;

    for (size_t index = 0; index < TRAINERS; index++) {
        locked = locked || world->trainers[index].locked;
    }
    return locked;
}

static void acquire(struct world *world, struct trainer *trainer)
{
    bool is_free = !is_anybody_locked(world);
    bool locked = false;

    if (trainer->locked) {
        return;
    }
    assert_status(STATUS_OK, store_try_lock(trainer->lead, &locked));
    assert_int_equal(is_free, locked);
    if (locked) {
        trainer->locked = true;
        assert_status(STATUS_OK, store_raise_epoch(trainer->lead, &trainer->epoch));
        assert_true(trainer->epoch > world->newest);
        world->newest = trainer->epoch;
    }
}

/* The server ends the session, which its trainer hears of only when it asks; it believes in its epoch until it wins again. */
static void lose(struct world *world, struct trainer *trainer)
{
    int64_t change = 0;

    if (!trainer->locked) {
        return;
    }
    assert_int_equal(1, samples_number(world->db, "select count(pg_terminate_backend(pid)) from pg_locks "
                                                  "where locktype = 'advisory' and granted"));
    while (samples_number(world->db, "select count(*) from pg_locks where locktype = 'advisory'") > 0) {
    }
    assert_status(STATUS_UNAVAILABLE, store_check_epoch(trainer->lead, trainer->epoch, &change));
    store_close(&trainer->lead);
    trainer->lead = open_store(world);
    trainer->locked = false;
}

static enum status expected(struct world *world, const struct trainer *trainer)
{
    world->refused += trainer->epoch != world->newest;
    return trainer->epoch == world->newest ? STATUS_OK : STATUS_STALE;
}

static void write_row(struct world *world, struct trainer *trainer)
{
    enum status status = expected(world, trainer);
    char text[32];
    struct bytes name;

    (void)snprintf(text, sizeof text, "written-%lld", (long long)world->profiles);
    name = bytes_of(text);
    assert_status(status, store_add_profiles(trainer->run, trainer->epoch, &name, 1));
    world->profiles += status == STATUS_OK;
}

static void publish(struct world *world, struct trainer *trainer)
{
    enum status status = expected(world, trainer);
    int64_t version = 0;
    enum store_end end = STORE_REFUSED;
    const struct store_model model = {
        .profile_id = world->profile_id,
        .epoch = trainer->epoch,
        .kind = "hashlinear",
        .feature_version = 1,
        .file = BYTES("weights"),
        .sha256 = BYTES("01234567890123456789012345678901"),
        .figures = BYTES("{}"),
        .passed = true,
        .reason = "",
        .beside = world->versions,
    };

    assert_status(status, store_publish(trainer->run, &model, &version, &end));
    world->versions += status == STATUS_OK;
    assert_int_equal(status == STATUS_OK ? world->versions : 0, version);
}

static void announce(struct world *world, struct trainer *trainer)
{
    enum status status = expected(world, trainer);
    int64_t change = -1;

    assert_status(status, store_check_epoch(trainer->lead, trainer->epoch, &change));
    if (status == STATUS_OK) {
        assert_int_equal(samples_number(world->db, "select coalesce(max(change), 0) from models"), change);
    }
}

/* It stops between two statements of a write, its row of the epoch locked, and its other session is ended. The next one must
 * neither wait for it nor let it end its write. */
static void hang(struct world *world, struct trainer *trainer)
{
    struct trainer *next = trainer == world->trainers ? trainer + 1 : world->trainers;
    struct db *hanging = NULL;
    const struct db_value epoch = {.type = DB_BIGINT, .bigint = trainer->epoch};
    uint64_t before_ms = clock_ms();

    if (!trainer->locked) {
        return;
    }
    assert_status(STATUS_OK, db_open(&hanging, &world->settings, "test"));
    assert_status(STATUS_OK, db_script(hanging, "begin"));
    assert_status(STATUS_OK, db_run(hanging, "select 1 from leader where epoch = $1 for update", &epoch, 1, NULL));
    assert_status(STATUS_OK, db_script(hanging, "update models set status = 'retired'"));
    lose(world, trainer);
    acquire(world, next);
    assert_true(next->locked);
    assert_in_range(clock_ms() - before_ms, 0, DB_LOCK_MS - 1);
    assert_status(STATUS_UNAVAILABLE, db_script(hanging, "commit"));
    db_close(&hanging);
}

static void (*const operations[OPERATIONS])(struct world *world, struct trainer *trainer) = {
    [ACQUIRE] = acquire, [LOSE] = lose, [WRITE] = write_row, [PUBLISH] = publish, [ANNOUNCE] = announce, [HANG] = hang};

static uint64_t roll(uint64_t *dice)
{
    *dice = *dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *dice >> 33;
}

/* Every trainer does everything, ROUNDS times, in an order that the seed chooses. */
static void run_schedule(struct world *world, uint64_t seed)
{
    int steps[STEPS];

    for (int step = 0; step < STEPS; step++) {
        int other = (int)(roll(&seed) % (uint64_t)(step + 1));

        steps[step] = steps[other];
        steps[other] = step;
    }
    for (int step = 0; step < STEPS; step++) {
        operations[steps[step] % OPERATIONS](world, &world->trainers[steps[step] / OPERATIONS % TRAINERS]);
    }
}

static void an_old_leader_that_wakes_can_write_nothing(void **state)
{
    struct world world = {0};

    (void)state;
    world.db = samples_create(&server, "schedules", &world.settings);
    world.profile_id = samples_add_profile(world.db, "default");
    for (size_t index = 0; index < TRAINERS; index++) {
        world.trainers[index] = (struct trainer){.lead = open_store(&world), .run = open_store(&world), .epoch = -1};
    }
    for (uint64_t seed = 0; seed < SCHEDULES; seed++) {
        run_schedule(&world, seed);
        assert_int_equal(world.newest, samples_number(world.db, "select epoch from leader"));
    }
    assert_int_equal(world.profiles, samples_number(world.db, "select count(*) from profiles where name <> 'default'"));
    assert_int_equal(world.versions, samples_number(world.db, "select max(version) from models"));
    assert_int_equal(1, samples_number(world.db, "select count(*) from models where status = 'live'"));
    assert_int_equal(0, samples_number(world.db, "select count(*) from models m, models o "
                                                 "where o.version < m.version and o.epoch > m.epoch"));
    assert_true(world.newest > SCHEDULES);
    assert_true(world.profiles > SCHEDULES && world.versions > SCHEDULES && world.refused > SCHEDULES);
    for (size_t index = 0; index < TRAINERS; index++) {
        store_close(&world.trainers[index].lead);
        store_close(&world.trainers[index].run);
    }
    db_close(&world.db);
}

static void a_session_that_waits_too_long_is_given_up(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "waits", &settings);
    struct store *store = NULL;
    int64_t epoch = 0;
    uint64_t before_ms;

    (void)state;
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    store_answer_within(store, DB_LOCK_MS / 5);
    assert_status(STATUS_OK, store_raise_epoch(store, &epoch)); /* in time */
    assert_status(STATUS_OK, db_script(db, "begin"));
    assert_status(STATUS_OK, db_script(db, "lock table leader"));
    store_answer_within(store, DB_LOCK_MS / 5);
    before_ms = clock_ms();
    assert_status(STATUS_TIMEOUT, store_raise_epoch(store, &epoch));
    assert_in_range(clock_ms() - before_ms, 0, DB_LOCK_MS / 5 * 4);
    assert_false(store_alive(store));
    store_close(&store);
    /* Without that it is the server's own timer, and the session goes on. */
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    store_answer_within(store, DB_LOCK_MS / 5);
    store_answer_within(store, 0);
    assert_status(STATUS_TIMEOUT, store_raise_epoch(store, &epoch));
    assert_string_equal("55P03", store_sqlstate(store)); /* lock_not_available */
    assert_true(store_alive(store));
    store_close(&store);
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_leader_that_wakes_can_write_nothing),
        cmocka_unit_test(a_session_that_waits_too_long_is_given_up),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
