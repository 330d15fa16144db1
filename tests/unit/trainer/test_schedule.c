/* schedule: one run at a time, only when due, reported once; a profile whose model was refused rests. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "trainer/schedule.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ROWS = 200, TEXT_BYTES = 40, PATIENCE_MS = 60000, EVERY_MS = 3600 * 1000 };

struct scene {
    struct settings settings;
    struct profile_settings profiles[3];
    struct metrics *metrics;
    struct schedule *schedule;
    struct store *store;
    struct db *db;
    int64_t epoch;
    int done_fd;
    int policy; /* of the last training's thread; read behind done_fd */
};

/* On the thread that trained. */
static void tell(void *context)
{
    struct scene *scene = context;

    scene->policy = sched_getscheduler(0);
    (void)eventfd_write(scene->done_fd, 1);
}

static void set_scene(struct scene *scene, const char *database)
{
    static const char *const names[] = {"first", "second", "untrained"};

    *scene = (struct scene){.done_fd = eventfd(0, EFD_CLOEXEC)};
    scene->db = samples_create(&server, database, &scene->settings.database);
    scene->settings.profiles = scene->profiles;
    scene->settings.profile_count = 3;
    scene->settings.trainer.check_every_ms = 1;
    for (size_t index = 0; index < 3; index++) {
        struct profile_settings *profile = &scene->profiles[index];
        int64_t profile_id = samples_add_profile(scene->db, names[index]);

        (void)snprintf(profile->name, sizeof profile->name, "%s", names[index]);
        profile->model_kind = index < 2 ? MODEL_KIND_HASHLINEAR : MODEL_KIND_NONE;
        profile->training = (struct training_settings){
            .min_samples = ROWS, .every_ms = EVERY_MS, .max_samples = 1000, .min_auc = 0.8, .max_regression = 0.005};
        samples_fill(scene->db, profile_id, 0, ROWS, TEXT_BYTES, 0);
        samples_fill(scene->db, profile_id, 1, ROWS, TEXT_BYTES, 0);
    }
    assert_status(STATUS_OK, metrics_open(&scene->metrics));
    assert_status(STATUS_OK, schedule_open(&scene->schedule, &scene->settings, scene->metrics, tell, scene));
    assert_status(STATUS_OK, store_open(&scene->store, &scene->settings.database, NULL));
    assert_status(STATUS_OK, store_raise_epoch(scene->store, &scene->epoch));
}

static void clear_scene(struct scene *scene)
{
    assert_status(STATUS_OK, schedule_close(&scene->schedule, PATIENCE_MS));
    assert_status(STATUS_OK, schedule_close(&scene->schedule, PATIENCE_MS));
    metrics_close(&scene->metrics);
    store_close(&scene->store);
    db_close(&scene->db);
    assert_int_equal(0, close(scene->done_fd));
}

static void turn(struct scene *scene)
{
    assert_status(STATUS_OK, schedule_turn(scene->schedule, scene->store, scene->epoch));
}

static void wait_for_run(struct scene *scene)
{
    struct pollfd done = {.fd = scene->done_fd, .events = POLLIN};
    eventfd_t count;

    assert_int_equal(1, poll(&done, 1, PATIENCE_MS));
    assert_int_equal(0, eventfd_read(scene->done_fd, &count));
    assert_int_equal(1, count);
}

static bool is_running(struct scene *scene)
{
    struct pollfd done = {.fd = scene->done_fd, .events = POLLIN};

    return poll(&done, 1, 500) == 1;
}

static int64_t runs(struct scene *scene, const char *profile, const char *status)
{
    const struct metric_label labels[] = {{"profile", profile}, {"status", status}};

    return series_value(metrics_series(scene->metrics, METRIC_COUNTER, "prismguard_trainer_runs_total", "", labels, 2));
}

static int64_t gauge(struct scene *scene, const char *name, const char *profile)
{
    const struct metric_label label = {"profile", profile};

    return series_value(metrics_series(scene->metrics, METRIC_GAUGE, name, "", &label, 1));
}

static void due_profiles_are_trained_one_after_the_other(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "one_by_one");
    turn(&scene);
    turn(&scene); /* the second profile is due, but one at a time */
    assert_int_equal(1, gauge(&scene, "prismguard_trainer_running", "first"));
    assert_int_equal(0, gauge(&scene, "prismguard_trainer_running", "second"));
    assert_int_equal(ROWS, gauge(&scene, "prismguard_trainer_min_samples", "second"));
    assert_int_equal(2 * ROWS, gauge(&scene, "prismguard_trainer_new_samples", "second"));
    wait_for_run(&scene);
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models"));
    assert_int_equal(0, runs(&scene, "first", "live"));
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    assert_int_equal(0, gauge(&scene, "prismguard_trainer_running", "first"));
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "second", "live"));
    assert_int_equal(2, samples_number(scene.db, "select count(*) from models where status = 'live'"));
    turn(&scene);
    assert_false(is_running(&scene)); /* nobody is due, and the third has no model by its settings */
    clear_scene(&scene);
}

static void a_training_gives_way_to_all_others(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "gives_way");
    scene.profiles[1].training.min_samples = 100 * ROWS;
    turn(&scene);
    wait_for_run(&scene);
    assert_int_equal(SCHED_IDLE, scene.policy);
    assert_int_equal(SCHED_OTHER, sched_getscheduler(0)); /* the leader's thread does not give way */
    turn(&scene);
    clear_scene(&scene);
}

static void a_refused_model_lets_its_profile_rest(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "rests");
    scene.profiles[0].training.min_auc = 2; /* nothing is as good */
    scene.profiles[1].training.min_samples = 100 * ROWS;
    turn(&scene);
    wait_for_run(&scene);
    /* As far as the database goes, it is due again. */
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "refused"));
    assert_false(is_running(&scene));
    turn(&scene);
    assert_false(is_running(&scene));
    assert_int_equal(1, samples_number(scene.db, "select count(*) from models where status = 'refused'"));
    clear_scene(&scene);
}

/* The second one is tried out beside the first, and meanwhile nothing newer takes its place. */
static void while_a_version_is_on_trial_its_profile_is_not_trained(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "on_trial");
    scene.profiles[0].training.canary = 0.1;
    scene.profiles[0].training.every_ms = 0;
    scene.profiles[1].training.min_samples = 100 * ROWS;
    for (int version = 1; version <= 2; version++) {
        turn(&scene);
        wait_for_run(&scene);
        assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    }
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    assert_int_equal(1, runs(&scene, "first", "trial"));
    assert_int_equal(1, samples_number(scene.db, "select version from models where status = 'live'"));
    assert_int_equal(2, samples_number(scene.db, "select version from models where status = 'canary'"));
    assert_false(is_running(&scene));
    assert_status(STATUS_OK, db_run(scene.db, "update models set status = 'refused' where version = 2", NULL, 0, NULL));
    turn(&scene);
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(2, runs(&scene, "first", "trial"));
    clear_scene(&scene);
}

static void a_failed_run_lets_its_profile_rest_too(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "fails");
    scene.profiles[1].training.min_samples = 100 * ROWS;
    scene.epoch--; /* another leads: the run cannot store what it made */
    turn(&scene);
    wait_for_run(&scene);
    scene.epoch++;
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "failed"));
    assert_false(is_running(&scene));
    clear_scene(&scene);
}

/* Another leads, so that the run cannot store what it made. */
static void fail_a_run(struct scene *scene)
{
    scene->epoch--;
    turn(scene);
    wait_for_run(scene);
    scene->epoch++;
    schedule_settle(scene->schedule);
}

/* Time stands still but for these steps: what a failed run took does not count. */
static void each_failure_in_a_row_makes_the_rest_longer(void **state)
{
    uint64_t rest_ms = TRAIN_REST_MS;
    uint64_t now_ms = clock_ms();
    struct scene scene;

    (void)state;
    set_scene(&scene, "longer");
    scene.profiles[0].training.every_ms = 0;
    scene.profiles[1].training.min_samples = 100 * ROWS;
    clock_freeze(now_ms);
    for (int failures = 1; failures <= TRAIN_REST_DOUBLINGS + 3; failures++) {
        fail_a_run(&scene);
        assert_int_equal(failures, runs(&scene, "first", "failed"));
        clock_freeze(now_ms += rest_ms - 1);
        turn(&scene);
        assert_true(schedule_is_idle(scene.schedule));
        clock_freeze(now_ms += 1);
        rest_ms = 2 * rest_ms < TRAIN_REST_MAX_MS ? 2 * rest_ms : TRAIN_REST_MAX_MS;
    }
    turn(&scene); /* a good run ends the row */
    wait_for_run(&scene);
    schedule_settle(scene.schedule);
    assert_int_equal(1, runs(&scene, "first", "live"));
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    clock_freeze(now_ms += 2);
    fail_a_run(&scene);
    clock_freeze(now_ms += TRAIN_REST_MS);
    turn(&scene);
    assert_false(schedule_is_idle(scene.schedule));
    clock_freeze(0);
    clear_scene(&scene);
}

static double progress(struct scene *scene)
{
    static const char series[] = "prismguard_trainer_progress{profile=\"first\"} ";
    struct buffer text;
    const char *at;
    double share;

    buffer_init(&text, MIB);
    assert_status(STATUS_OK, metrics_print(scene->metrics, &text));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    at = strstr(text.data, series);
    assert_non_null(at);
    share = strtod(at + sizeof series - 1, NULL);
    buffer_free(&text);
    return share;
}

/* With so many samples that the first profile's run computes for a while. */
static void set_long_scene(struct scene *scene, const char *database)
{
    set_scene(scene, database);
    scene->profiles[0].training.max_samples = 100 * ROWS;
    scene->profiles[1].training.min_samples = 1000 * ROWS;
    samples_fill(scene->db, 1, 0, 20 * ROWS, 10 * TEXT_BYTES, 1);
    samples_fill(scene->db, 1, 1, 20 * ROWS, 10 * TEXT_BYTES, 1);
}

/* Until it computes. */
static void start_long_run(struct scene *scene)
{
    while (progress(scene) < 0.3) {
        turn(scene);
        (void)poll(NULL, 0, 1); /* only keeps the looks apart */
    }
}

static void a_run_that_takes_too_long_is_ended_whatever_it_is_at(void **state)
{
    struct scene scene;
    uint64_t now_ms;

    (void)state;
    set_long_scene(&scene, "overdue");
    start_long_run(&scene);
    now_ms = clock_ms();
    clock_freeze(now_ms + TRAIN_RUN_MS / 2);
    turn(&scene);
    clock_freeze(0);
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    assert_true(progress(&scene) <= 0);
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    start_long_run(&scene);
    now_ms = clock_ms();
    clock_freeze(now_ms + TRAIN_RUN_MS);
    turn(&scene);
    clock_freeze(0);
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    assert_int_equal(1, runs(&scene, "first", "failed"));
    assert_int_equal(0, runs(&scene, "first", "cancelled"));
    clear_scene(&scene);
}

static void a_person_stops_the_run_of_a_profile_which_rests_then(void **state)
{
    struct scene scene;
    int64_t profile_id;

    (void)state;
    set_long_scene(&scene, "stopped");
    profile_id = samples_number(scene.db, "select profile_id from profiles where name = 'first'");
    assert_false(schedule_stop(scene.schedule, profile_id)); /* none is going */
    start_long_run(&scene);
    assert_false(schedule_stop(scene.schedule, profile_id + 1));
    assert_false(schedule_stop(scene.schedule, 0));
    assert_true(schedule_stop(scene.schedule, profile_id));
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "cancelled"));
    assert_int_equal(0, runs(&scene, "first", "live"));
    scene.profiles[1].training.min_samples = ROWS;
    schedule_use(scene.schedule, &scene.settings);
    turn(&scene);
    assert_int_equal(1, gauge(&scene, "prismguard_trainer_running", "second"));
    assert_true(schedule_stop(scene.schedule, samples_number(scene.db, "select profile_id from profiles where name = 'second'")));
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "second", "cancelled"));
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    for (int look = 0; look < 3; look++) {
        schedule_use(scene.schedule, &scene.settings); /* a reload is no reason to begin again */
        turn(&scene);
        assert_int_equal(0, gauge(&scene, "prismguard_trainer_running", "first"));
        assert_int_equal(0, gauge(&scene, "prismguard_trainer_running", "second"));
    }
    clear_scene(&scene);
}

static void settings_that_ask_for_another_run_end_this_one(void **state)
{
    struct profile_settings profiles[3];
    struct settings other;
    struct scene scene;

    (void)state;
    set_long_scene(&scene, "outdated");
    start_long_run(&scene);
    memcpy(profiles, scene.profiles, sizeof profiles);
    other = scene.settings;
    other.profiles = profiles;
    profiles[0].training.every_ms++;
    profiles[1].training.max_samples++;
    schedule_outdate(scene.schedule, &other);
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    for (int round = 0; round < 3; round++) {
        assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
        start_long_run(&scene);
        profiles[0].training.max_samples = scene.profiles[0].training.max_samples + (round == 0 ? 1 : 0);
        profiles[0].training.storage = round == 1 ? MODEL_INT8 : MODEL_FLOAT32;
        (void)snprintf(profiles[0].name, sizeof profiles[0].name, "%s", round < 2 ? "first" : "renamed");
        schedule_outdate(scene.schedule, &other);
        wait_for_run(&scene);
        turn(&scene);
        assert_int_equal(round + 1, runs(&scene, "first", "cancelled"));
    }
    assert_int_equal(1, runs(&scene, "first", "live"));
    clear_scene(&scene);
}

static void it_looks_only_once_in_check_every(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "seldom");
    scene.settings.trainer.check_every_ms = EVERY_MS;
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = now()", NULL, 0, NULL));
    turn(&scene);
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    turn(&scene);
    assert_false(is_running(&scene));
    clear_scene(&scene);
}

static void other_settings_have_other_profiles_and_end_every_rest(void **state)
{
    struct settings other;
    struct scene scene;

    (void)state;
    set_scene(&scene, "others");
    scene.profiles[0].training.min_auc = 2; /* nothing is as good */
    other = scene.settings;
    scene.settings.profile_count = 1;
    schedule_use(scene.schedule, &scene.settings);
    turn(&scene);
    assert_false(schedule_is_idle(scene.schedule));
    wait_for_run(&scene);
    assert_false(schedule_is_idle(scene.schedule)); /* not yet reported */
    turn(&scene);
    assert_true(schedule_is_idle(scene.schedule));
    assert_int_equal(1, runs(&scene, "first", "refused"));
    /* As far as the database goes, it is due again; but it rests, and the second is not known. */
    assert_status(STATUS_OK, db_run(scene.db, "update profiles set trained_at = '-infinity'", NULL, 0, NULL));
    turn(&scene);
    assert_false(is_running(&scene));
    scene.profiles[0].training.min_auc = 0.8;
    schedule_use(scene.schedule, &other);
    turn(&scene);
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "first", "live"));
    wait_for_run(&scene);
    turn(&scene);
    assert_int_equal(1, runs(&scene, "second", "live"));
    clear_scene(&scene);
}

static void closing_ends_a_run(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene, "closes");
    turn(&scene);
    clear_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_profiles_are_trained_one_after_the_other),
        cmocka_unit_test(a_refused_model_lets_its_profile_rest),
        cmocka_unit_test(a_training_gives_way_to_all_others),
        cmocka_unit_test(while_a_version_is_on_trial_its_profile_is_not_trained),
        cmocka_unit_test(a_failed_run_lets_its_profile_rest_too),
        cmocka_unit_test(each_failure_in_a_row_makes_the_rest_longer),
        cmocka_unit_test(a_run_that_takes_too_long_is_ended_whatever_it_is_at),
        cmocka_unit_test(a_person_stops_the_run_of_a_profile_which_rests_then),
        cmocka_unit_test(settings_that_ask_for_another_run_end_this_one),
        cmocka_unit_test(it_looks_only_once_in_check_every),
        cmocka_unit_test(other_settings_have_other_profiles_and_end_every_rest),
        cmocka_unit_test(closing_ends_a_run),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
