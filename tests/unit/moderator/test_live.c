/* test_live: which model a view has when, who frees it, and many readers beside a writer. */
#include "support/heap.h"
#include "support/model.h"
#include "support/unit.h"

#include "moderator/live.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_there_is_no_model),
        cmocka_unit_test(a_name_keeps_its_number_and_the_numbers_are_bounded),
        cmocka_unit_test(a_view_changes_at_its_refresh_and_not_before),
        cmocka_unit_test(a_model_lives_as_long_as_its_last_view),
        cmocka_unit_test(readers_never_go_back_while_versions_rise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
