/* test_history_away: a real PostgreSQL goes away, the history ends and begins again: every label lands, in order. */
#include "support/away.h"
#include "support/unit.h"

#include "proto/clock.h"

/* A small spool: a byte is missing for a fifth "text 0000" of the profile "one". */
enum { FIT = 4, RECORD_BYTES = 12 + 5 + TEXT_HASH_BYTES + 8 + TEXT_HASH_BYTES + 3 + 9, SMALL_SPOOL_BYTES = (FIT + 1) * RECORD_BYTES - 1 };

/* A batch has one time: of two batches the later has the later texts. */
static const char disorder[] = "select count(*) from samples a, samples b where a.text < b.text and a.created_at > b.created_at";

static void labels_land_in_order_when_the_database_comes_back(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "away");
    begin(&place);
    keep_numbers(&place, 0, MANY / 2);
    await_counted(&place, "spooled", MANY / 2);
    keep_numbers(&place, MANY / 2, MANY);
    await_counted(&place, "spooled", MANY);
    postgres_run(&server);
    await_counted(&place, "written", MANY);
    assert_int_equal(0, series_value(metrics_series(place.metrics, METRIC_GAUGE, "prismguard_moderator_samples_queued", "",
                                                    NULL, 0)));
    assert_int_equal(MANY, number(&place, "select count(*) from samples"));
    assert_int_equal(0, number(&place, disorder));
    assert_int_equal(3, number(&place, "select count(distinct created_at) from samples"));
    assert_int_equal(0, counted(&place, "dropped"));
    end(&place);
    close_place(&place);
}

static void labels_of_a_process_that_ended_land_in_order_with_the_next(void **state)
{
    struct place place;
    uint64_t started_ms;

    (void)state;
    open_place(&place, "ended");
    begin(&place);
    keep_numbers(&place, 0, MANY);
    started_ms = clock_ms();
    history_close(&place.history); /* at once: some are spooled already, and some are queued */
    assert_in_range(clock_ms() - started_ms, 0, HISTORY_DRAIN_MS);
    assert_int_equal(MANY, counted(&place, "spooled"));
    assert_int_equal(0, counted(&place, "dropped"));
    metrics_close(&place.metrics);

    begin(&place); /* and another one that has no more luck */
    keep_numbers(&place, MANY, MANY + 1);
    end(&place);

    postgres_run(&server);
    begin(&place);
    await_counted(&place, "written", MANY + 1);
    assert_int_equal(MANY + 1, number(&place, "select count(*) from samples"));
    assert_int_equal(0, number(&place, disorder));
    end(&place);
    close_place(&place);
}

/* The newest label of a text wins: written before the spool it would lose. */
static void new_labels_go_behind_the_spool(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "behind");
    begin(&place);
    keep_numbers(&place, 0, MANY);
    keep(&place, 1, true, "said twice");
    end(&place);
    begin(&place);
    keep(&place, 1, false, "said twice");
    await_counted(&place, "spooled", 1);
    postgres_run(&server);
    await_counted(&place, "written", MANY + 2);
    assert_int_equal(MANY + 1, number(&place, "select count(*) from verdicts"));
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 0 and text = 'said twice'::bytea"));
    assert_int_equal(0, number(&place, "select count(*) from samples where label = 1 and text = 'said twice'::bytea"));
    end(&place);
    close_place(&place);
}

static void a_full_spool_keeps_the_oldest_and_the_rest_is_counted(void **state)
{
    enum { KEPT = 10 };
    struct place place;

    (void)state;
    open_place(&place, "bounded");
    place.settings.moderator.spool_bytes = SMALL_SPOOL_BYTES;
    begin(&place);
    keep_numbers(&place, 0, KEPT);
    history_close(&place.history);
    assert_int_equal(FIT, counted(&place, "spooled"));
    assert_int_equal(KEPT - FIT, counted(&place, "dropped"));
    metrics_close(&place.metrics);
    begin(&place); /* full from the beginning */
    keep_numbers(&place, KEPT, KEPT + 1);
    history_close(&place.history);
    assert_int_equal(0, counted(&place, "spooled"));
    assert_int_equal(1, counted(&place, "dropped"));
    metrics_close(&place.metrics);
    postgres_run(&server);
    begin(&place);
    await_counted(&place, "written", FIT);
    assert_int_equal(FIT, number(&place, "select count(*) from samples"));
    assert_int_equal(FIT, number(&place, "select count(*) from samples where text < 'text 0004'::bytea"));
    end(&place);
    close_place(&place);
}

/* What does not fit the spool waits in the queue, and lands behind it. */
static void a_full_spool_leaves_the_newest_queued(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "queued");
    place.settings.moderator.spool_bytes = SMALL_SPOOL_BYTES;
    begin(&place);
    keep_numbers(&place, 0, MANY);
    await_counted(&place, "spooled", FIT);
    postgres_run(&server);
    await_counted(&place, "written", MANY);
    assert_int_equal(MANY, number(&place, "select count(*) from samples"));
    assert_int_equal(0, number(&place, disorder));
    assert_int_equal(0, counted(&place, "dropped"));
    end(&place);
    close_place(&place);
}

static void without_a_usable_state_dir_labels_wait_in_memory(void **state)
{
    static const char *const dirs[] = {"", "/proc/no/such/folder"};

    (void)state;
    for (size_t index = 0; index < sizeof dirs / sizeof *dirs; index++) {
        char kept[PATH_BYTES_MAX + 1];
        struct place place;

        open_place(&place, index == 0 ? "memory" : "nowhere");
        memcpy(kept, place.settings.moderator.state_dir, sizeof kept);
        (void)snprintf(place.settings.moderator.state_dir, sizeof kept, "%s", dirs[index]);
        begin(&place);
        keep(&place, 0, true, "waits");
        postgres_run(&server);
        await_counted(&place, "written", 1);
        assert_int_equal(0, counted(&place, "spooled"));
        end(&place);
        memcpy(place.settings.moderator.state_dir, kept, sizeof kept);
        close_place(&place);
    }
}

static void a_spooled_label_whose_profile_is_gone_is_dropped_and_counted(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "renamed");
    begin(&place);
    keep(&place, 1, true, "of a profile that goes");
    keep(&place, 0, true, "of one that stays");
    end(&place);
    place.settings.profile_count = 1;
    postgres_run(&server);
    begin(&place);
    await_counted(&place, "written", 1);
    assert_int_equal(1, counted(&place, "dropped"));
    assert_int_equal(1, number(&place, "select count(*) from samples"));
    end(&place);
    close_place(&place);
}

static void a_spooled_row_that_is_refused_for_ever_is_dropped_alone(void **state)
{
    struct place place;
    struct db *db = NULL;

    (void)state;
    open_place(&place, "refused");
    begin(&place);
    keep_numbers(&place, 0, 10);
    end(&place);
    postgres_run(&server);
    assert_status(STATUS_OK, db_open(&db, &place.settings.database, "test"));
    assert_status(STATUS_OK, db_run(db, "alter table samples add check (text <> 'text 0005'::bytea)", NULL, 0, NULL));
    db_close(&db);
    begin(&place);
    await_counted(&place, "written", 9);
    assert_int_equal(1, counted(&place, "dropped"));
    assert_int_equal(9, number(&place, "select count(*) from samples"));
    end(&place);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_land_in_order_when_the_database_comes_back),
        cmocka_unit_test(labels_of_a_process_that_ended_land_in_order_with_the_next),
        cmocka_unit_test(new_labels_go_behind_the_spool),
        cmocka_unit_test(a_full_spool_keeps_the_oldest_and_the_rest_is_counted),
        cmocka_unit_test(a_full_spool_leaves_the_newest_queued),
        cmocka_unit_test(without_a_usable_state_dir_labels_wait_in_memory),
        cmocka_unit_test(a_spooled_label_whose_profile_is_gone_is_dropped_and_counted),
        cmocka_unit_test(a_spooled_row_that_is_refused_for_ever_is_dropped_alone),
    };

    return cmocka_run_group_tests(tests, start_labels, stop_labels);
}
