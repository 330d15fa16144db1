/* store_draws: between two slices of a draw nobody works. What is drawn, and how much at a time, is test_sample's. */
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store.h"

#include <time.h>

enum { TEXT_BYTES = 60 };

static struct postgres server;
static int rests;

/* Instead of the C library's, for all of this program. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    rests += wanted->tv_sec == 0 && wanted->tv_nsec == 1000L * SAMPLE_REST_US;
    return clock_nanosleep(CLOCK_REALTIME, 0, wanted, left);
}

static enum status count_row(void *context, const struct store_sample *sample)
{
    (void)sample;
    ++*(int *)context;
    return STATUS_OK;
}

/* Returns how often it rested. */
static int draw(struct store *store, int64_t profile_id, int rows)
{
    const struct store_place place = {.profile_id = profile_id, .label = 0};
    int found = 0;
    const struct store_reader reader = {count_row, &found};

    rests = 0;
    assert_status(STATUS_OK, store_read_hashes(store, place, BYTES(""), rows, &reader));
    assert_int_equal(rows, found);
    return rests;
}

static void it_rests_between_two_slices(void **state)
{
    enum { GROWING = 2 + 4 + 8, SLICES = 5 };
    struct database_settings settings;
    struct store *store = NULL;
    int64_t profile_id;
    struct db *db;

    (void)state;
    db = samples_create(&server, "draws", &settings);
    profile_id = samples_add_profile(db, "default");
    samples_fill(db, profile_id, 0, GROWING + SLICES * SAMPLE_SLICE_ROWS, TEXT_BYTES, 0);
    assert_status(STATUS_OK, store_open(&store, &settings, NULL));
    assert_int_equal(0, draw(store, profile_id, 1));
    assert_int_equal(2, draw(store, profile_id, GROWING - 1)); /* the last slice has less than was asked for */
    assert_int_equal(2 + SLICES, draw(store, profile_id, GROWING + SLICES * SAMPLE_SLICE_ROWS - 1));
    store_close(&store);
    db_close(&db);
}

static int start(void **state)
{
    (void)state;
    postgres_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_rests_between_two_slices)};

    return cmocka_run_group_tests(tests, start, stop);
}
