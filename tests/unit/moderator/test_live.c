/* test_live: which model a view has when, who frees it, and many readers beside a writer. */
#include "support/heap.h"
#include "support/model.h"
#include "support/unit.h"

#include "moderator/live.h"
#include "proto/limits.h"
#include "proto/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 3, VERSIONS = 60 };

static void put(struct live *live, size_t profile, uint64_t version)
{
    assert_status(STATUS_OK, live_put(live, profile, model_make(0, 0), version));
}

static uint64_t version_of(const struct live_view *view, size_t profile)
{
    uint64_t version = 99;
    const struct model *model = live_view_model(view, profile, &version);

    assert_int_equal(model != NULL, version != 0);
    return version;
}

static void at_first_there_is_no_model(void **state)
{
    struct live_view *view = NULL;
    struct live *live = NULL;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 2));
    assert_status(STATUS_OK, live_view_open(&view, live));
    live_view_refresh(view);
    assert_int_equal(0, version_of(view, 0));
    assert_int_equal(0, live_version(live, 1));
    live_view_close(&view);
    live_view_close(&view);
    live_close(&live);
    live_close(&live);
}

static void a_view_changes_at_its_refresh_and_not_before(void **state)
{
    struct live_view *view = NULL;
    struct live_view *later = NULL;
    struct live *live = NULL;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 2));
    assert_status(STATUS_OK, live_view_open(&view, live));
    put(live, 1, 7);
    assert_int_equal(7, live_version(live, 1));
    assert_int_equal(0, version_of(view, 1));
    live_view_refresh(view);
    assert_int_equal(7, version_of(view, 1));
    assert_int_equal(0, version_of(view, 0));
    put(live, 1, 3); /* a lower version is a roll-back, and counts */
    assert_int_equal(7, version_of(view, 1));
    assert_status(STATUS_OK, live_view_open(&later, live));
    assert_int_equal(3, version_of(later, 1));
    live_view_refresh(view);
    assert_int_equal(3, version_of(view, 1));
    live_view_close(&view);
    live_view_close(&later);
    live_close(&live);
}

static void a_model_lives_as_long_as_its_last_view(void **state)
{
    struct live_view *view = NULL;
    struct live *live = NULL;
    uint64_t version;
    const struct model *first;
    size_t before;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 1));
    put(live, 0, 1);
    assert_status(STATUS_OK, live_view_open(&view, live));
    first = live_view_model(view, 0, &version);
    put(live, 0, 2);
    assert_true(model_score(first, BYTES("still here")) > 0.49); /* under ASan: not freed */
    before = heap_live_bytes();
    live_view_refresh(view);
    assert_true(heap_live_bytes() < before); /* now it is */
    /* Replaced again and again, old models do not gather. */
    before = heap_live_bytes();
    for (uint64_t next = 3; next < 10; next++) {
        put(live, 0, next);
        live_view_refresh(view);
    }
    assert_in_range(heap_live_bytes(), 0, before + 64 * KIB);
    live_view_close(&view);
    live_close(&live);
}

struct reading {
    struct live *live;
    _Atomic bool *end;
    bool ordered;
};

static void *read_until_end(void *context)
{
    struct reading *reading = context;
    struct live_view *view = NULL;
    uint64_t last = 0;

    assert_status(STATUS_OK, live_view_open(&view, reading->live));
    while (!atomic_load(reading->end)) {
        uint64_t version;
        const struct model *model;

        live_view_refresh(view);
        model = live_view_model(view, 0, &version);
        reading->ordered = reading->ordered && version >= last && (model == NULL || model_score(model, BYTES("x")) > 0.49);
        last = version;
    }
    live_view_close(&view);
    return NULL;
}

static void readers_never_go_back_while_versions_rise(void **state)
{
    struct reading readings[READERS];
    pthread_t threads[READERS];
    struct live *live = NULL;
    _Atomic bool end = false;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 1));
    for (size_t index = 0; index < READERS; index++) {
        readings[index] = (struct reading){live, &end, true};
        assert_int_equal(0, pthread_create(&threads[index], NULL, read_until_end, &readings[index]));
    }
    for (uint64_t version = 1; version <= VERSIONS; version++) {
        put(live, 0, version);
    }
    atomic_store(&end, true);
    for (size_t index = 0; index < READERS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
        assert_true(readings[index].ordered);
    }
    assert_int_equal(VERSIONS, live_version(live, 0));
    live_close(&live);
}

static void a_name_keeps_its_number_and_the_numbers_are_bounded(void **state)
{
    struct live *live = NULL;
    size_t number = 99;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 2));
    assert_status(STATUS_OK, live_number(live, "one", &number));
    assert_int_equal(0, number);
    assert_status(STATUS_OK, live_number(live, "two", &number));
    assert_int_equal(1, number);
    assert_status(STATUS_FULL, live_number(live, "three", &number));
    assert_int_equal(1, number);
    assert_status(STATUS_OK, live_number(live, "one", &number));
    assert_int_equal(0, number);
    live_close(&live);
}

enum { FROZEN_MS = 1000000 };

static enum status try_put(struct live *live, size_t profile, uint64_t version)
{
    struct model *model = model_make(0, 0);
    enum status status = live_put(live, profile, model, version);

    if (status != STATUS_OK) {
        model_close(&model);
    }
    return status;
}

static int64_t counted(struct metrics *metrics, const char *name)
{
    return series_value(metrics_series(metrics, METRIC_COUNTER, name, "", NULL, 0));
}

static void the_least_recently_used_model_goes_but_none_that_was_used_of_late(void **state)
{
    struct metrics *metrics = NULL;
    struct live_view *view = NULL;
    struct live *live = NULL;

    (void)state;
    clock_freeze(FROZEN_MS);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, live_open(&live, 4));
    live_limit(live, 2, metrics);
    assert_status(STATUS_OK, live_view_open(&view, live));
    assert_status(STATUS_OK, try_put(live, 0, 1));
    assert_status(STATUS_OK, try_put(live, 1, 1)); /* as many as there may be */
    assert_status(STATUS_OK, try_put(live, 1, 2)); /* in its own place */
    assert_status(STATUS_FULL, try_put(live, 2, 1));
    assert_true(live_is_away(live, 2));
    assert_false(live_is_away(live, 0));
    assert_int_equal(1, counted(metrics, "prismguard_moderator_live_models_full_total"));
    clock_freeze(FROZEN_MS + LIVE_FLOOR_MS - 1);
    assert_status(STATUS_FULL, try_put(live, 2, 1));
    live_view_use(view, 0);
    clock_freeze(FROZEN_MS + LIVE_FLOOR_MS);
    assert_status(STATUS_OK, try_put(live, 2, 1)); /* in the place of the one that nobody used */
    assert_true(live_is_away(live, 1) && !live_is_away(live, 2) && !live_is_away(live, 0));
    assert_int_equal(0, live_version(live, 1));
    assert_int_equal(1, live_version(live, 0));
    assert_int_equal(1, counted(metrics, "prismguard_moderator_live_models_evicted_total"));
    live_view_close(&view);
    live_close(&live);
    metrics_close(&metrics);
    clock_freeze(0);
}

static void a_lower_limit_lets_go_with_the_next_model(void **state)
{
    struct metrics *metrics = NULL;
    struct live *live = NULL;

    (void)state;
    clock_freeze(FROZEN_MS);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, live_open(&live, 4));
    for (size_t profile = 0; profile < 4; profile++) {
        assert_status(STATUS_OK, try_put(live, profile, 1));
    }
    live_limit(live, 1, metrics);
    assert_status(STATUS_OK, try_put(live, 3, 2)); /* the others were used of late; it had a place before */
    clock_freeze(FROZEN_MS + LIVE_FLOOR_MS);
    assert_status(STATUS_OK, try_put(live, 3, 3));
    assert_int_equal(3, counted(metrics, "prismguard_moderator_live_models_evicted_total"));
    assert_true(live_is_away(live, 0) && live_is_away(live, 1) && live_is_away(live, 2));
    live_close(&live);
    metrics_close(&metrics);
    clock_freeze(0);
}

/* Answers what is wanted, as a feed does, until it has answered `answers` times. */
struct bringing {
    struct live *live;
    bool gives_up;
    int answers;
};

static void *bring(void *context)
{
    struct bringing *bringing = context;

    for (int answer = 0; answer < bringing->answers; answer++) {
        struct pollfd wanted = {.fd = live_wanted_fd(bringing->live), .events = POLLIN};
        size_t profile = 99;

        assert_int_equal(1, poll(&wanted, 1, -1));
        assert_true(live_take_wanted(bringing->live, &profile));
        assert_int_equal(0, profile);
        if (bringing->gives_up) {
            live_give_up(bringing->live, profile);
        } else {
            assert_status(STATUS_OK, try_put(bringing->live, profile, 5));
        }
    }
    return NULL;
}

/* Time stands still: whoever waits goes on because of what is said, and never because of the time. */
static void who_judges_waits_for_a_model_that_is_away(void **state)
{
    struct metrics *metrics = NULL;
    struct live_view *view = NULL;
    struct live *live = NULL;
    struct bringing bringing = {.gives_up = true, .answers = 1};
    pthread_t thread;
    size_t profile;

    (void)state;
    clock_freeze(FROZEN_MS);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, live_open(&live, 2));
    live_limit(live, 1, metrics);
    bringing.live = live;
    assert_status(STATUS_OK, live_view_open(&view, live));
    live_view_use(view, 0); /* none that is away: nobody is asked */
    assert_false(live_take_wanted(live, &profile));
    assert_status(STATUS_OK, try_put(live, 0, 4));
    clock_freeze(FROZEN_MS + LIVE_FLOOR_MS);
    assert_status(STATUS_OK, try_put(live, 1, 1));
    assert_true(live_is_away(live, 0));

    assert_int_equal(0, pthread_create(&thread, NULL, bring, &bringing));
    live_view_use(view, 0);
    assert_int_equal(0, version_of(view, 0));
    assert_int_equal(0, pthread_join(thread, NULL));
    live_view_use(view, 0); /* not asked for again so soon, and not waited for */
    assert_false(live_take_wanted(live, &profile));

    clock_freeze(FROZEN_MS + 2 * LIVE_FLOOR_MS);
    bringing.gives_up = false;
    assert_int_equal(0, pthread_create(&thread, NULL, bring, &bringing));
    live_view_use(view, 0);
    assert_int_equal(5, version_of(view, 0));
    assert_int_equal(0, pthread_join(thread, NULL));
    live_view_close(&view);
    live_close(&live);
    metrics_close(&metrics);
    clock_freeze(0);
}

/* Nobody answers: it is judged without the model, after so long. */
static void the_wait_is_bounded(void **state)
{
    struct metrics *metrics = NULL;
    struct live_view *view = NULL;
    struct live *live = NULL;
    uint64_t before_ms;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, live_open(&live, 2));
    live_limit(live, 1, metrics);
    assert_status(STATUS_OK, live_view_open(&view, live));
    assert_status(STATUS_OK, try_put(live, 1, 1));
    assert_status(STATUS_FULL, try_put(live, 0, 1));
    before_ms = clock_ms();
    live_view_use(view, 0);
    assert_true(clock_ms() - before_ms >= LIVE_WAIT_MS);
    assert_int_equal(0, version_of(view, 0));
    live_view_close(&view);
    live_close(&live);
    metrics_close(&metrics);
}

static void a_version_on_trial_sits_beside_the_live_one_until_it_is_dropped(void **state)
{
    struct live_view *view = NULL;
    struct live *live = NULL;
    size_t trial;

    (void)state;
    assert_status(STATUS_OK, live_open(&live, 2));
    assert_status(STATUS_OK, live_view_open(&view, live));
    trial = live_trial_of(live, 1);
    put(live, 1, 7);
    put(live, trial, 8);
    live_view_use(view, trial);
    assert_int_equal(7, version_of(view, 1));
    assert_int_equal(8, version_of(view, trial));
    assert_int_equal(0, version_of(view, live_trial_of(live, 0)));
    live_drop(live, trial);
    assert_int_equal(8, version_of(view, trial)); /* a task in flight keeps it */
    live_view_use(view, trial);
    assert_int_equal(0, version_of(view, trial));
    assert_int_equal(7, version_of(view, 1));
    assert_false(live_is_away(live, trial));
    live_drop(live, trial);
    live_view_close(&view);
    live_close(&live);
}

/* With room for two: it pushes out what was not used of late, and finds no room beside what was. */
static void a_version_on_trial_counts_among_the_models(void **state)
{
    struct metrics *metrics = NULL;
    struct live *live = NULL;
    size_t trial;

    (void)state;
    clock_freeze(1000000);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, live_open(&live, 4));
    live_limit(live, 2, metrics);
    trial = live_trial_of(live, 0);
    put(live, 0, 1);
    put(live, 1, 2);
    {
        struct model *model = model_make(0, 0);

        assert_status(STATUS_FULL, live_put(live, trial, model, 3));
        model_close(&model);
    }
    assert_false(live_is_away(live, trial)); /* nobody waits for it */
    clock_freeze(1000000 + LIVE_FLOOR_MS);
    put(live, 0, 4);
    put(live, trial, 5);
    assert_true(live_is_away(live, 1));
    assert_int_equal(5, live_version(live, trial));
    assert_int_equal(2, series_value(metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_live_models", "", NULL, 0)));
    live_drop(live, trial);
    assert_int_equal(1, series_value(metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_live_models", "", NULL, 0)));
    live_close(&live);
    metrics_close(&metrics);
    clock_freeze(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_there_is_no_model),
        cmocka_unit_test(a_name_keeps_its_number_and_the_numbers_are_bounded),
        cmocka_unit_test(a_view_changes_at_its_refresh_and_not_before),
        cmocka_unit_test(a_model_lives_as_long_as_its_last_view),
        cmocka_unit_test(readers_never_go_back_while_versions_rise),
        cmocka_unit_test(the_least_recently_used_model_goes_but_none_that_was_used_of_late),
        cmocka_unit_test(a_lower_limit_lets_go_with_the_next_model),
        cmocka_unit_test(who_judges_waits_for_a_model_that_is_away),
        cmocka_unit_test(the_wait_is_bounded),
        cmocka_unit_test(a_version_on_trial_sits_beside_the_live_one_until_it_is_dropped),
        cmocka_unit_test(a_version_on_trial_counts_among_the_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
