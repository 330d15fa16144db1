/* test_history_writer: a statement that hangs keeps no label from the disk, nor the process from its end; leftovers are adopted. */
#include "support/away.h"
#include "support/unit.h"

#include "proto/clock.h"

/* Three processes end, one begins. */
static void labels_of_processes_that_are_no_more_land_with_the_one_that_is(void **state)
{
    enum { ENDED = 3 };
    struct history *histories[ENDED];
    struct place place;

    (void)state;
    open_place(&place, "adopted");
    assert_status(STATUS_OK, metrics_open(&place.metrics));
    for (int index = 0; index < ENDED; index++) {
        assert_status(STATUS_OK, history_open(&histories[index], &place.settings, NULL, place.metrics, NULL));
    }
    for (int index = 0; index < ENDED; index++) {
        place.history = histories[index];
        keep_numbers(&place, 10 * index, 10 * (index + 1));
    }
    for (int index = 0; index < ENDED; index++) {
        history_close(&histories[index]);
    }
    assert_int_equal(10 * ENDED, counted(&place, "spooled"));
    metrics_close(&place.metrics);
    postgres_run(&server);
    begin(&place);
    await_counted(&place, "written", 10 * ENDED);
    assert_int_equal(10 * ENDED, number(&place, "select count(*) from samples"));
    end(&place);
    close_place(&place);
}

/* Every label makes its statement sleep until somebody wakes it. */
static void make_statements_hang(struct place *place)
{
    struct db *db = NULL;

    assert_status(STATUS_OK, db_open(&db, &place->settings.database, "test"));
    assert_status(STATUS_OK, db_script(db, "create table asleep (); create function sleep_in() returns trigger language plpgsql "
                                           "as $$ begin if to_regclass('asleep') is not null then perform pg_sleep(50); "
                                           "end if; return new; end $$; create trigger sleeps before insert on verdicts "
                                           "for each row execute function sleep_in()"));
    db_close(&db);
}

static void wake_statements(const struct place *place)
{
    struct db *db = NULL;

    assert_status(STATUS_OK, db_open(&db, &place->settings.database, "test"));
    assert_status(STATUS_OK, db_script(db, "drop table asleep"));
    assert_status(STATUS_OK, db_script(db, "select pg_cancel_backend(pid) from pg_stat_activity "
                                           "where application_name = 'prismguard-moderator-history'"));
    db_close(&db);
}

static const char hanging[] = "select count(*) from pg_stat_activity where application_name = 'prismguard-moderator-history' "
                              "and state = 'active'";

static void labels_reach_the_disk_while_a_statement_hangs(void **state)
{
    _Atomic(const char *) note = NULL;
    struct place place;

    (void)state;
    open_place(&place, "hangs");
    postgres_run(&server);
    make_statements_hang(&place);
    assert_status(STATUS_OK, metrics_open(&place.metrics));
    assert_status(STATUS_OK, history_open(&place.history, &place.settings, NULL, place.metrics, &note));
    keep_numbers(&place, 0, MANY); /* more than a batch, and the batch too */
    await_counted(&place, "spooled", MANY);
    keep_numbers(&place, MANY, MANY + 1);
    await_counted(&place, "spooled", MANY + 1);
    assert_int_equal(1, number(&place, hanging));
    assert_int_equal(0, counted(&place, "written"));
    assert_string_equal("the database does not answer in time", atomic_load(&note));
    wake_statements(&place);
    await_counted(&place, "written", MANY + 1);
    assert_int_equal(MANY + 1, number(&place, "select count(*) from samples"));
    assert_int_equal(0, counted(&place, "dropped"));
    assert_null(atomic_load(&note));
    end(&place);
    close_place(&place);
}

static void closing_cancels_a_statement_that_hangs(void **state)
{
    struct place place;
    uint64_t started_ms;

    (void)state;
    open_place(&place, "cancelled");
    postgres_run(&server);
    make_statements_hang(&place);
    begin(&place);
    keep_numbers(&place, 0, 3);
    while (number(&place, hanging) == 0) {
        (void)poll(NULL, 0, 5);
    }
    started_ms = clock_ms();
    history_close(&place.history);
    assert_in_range(clock_ms() - started_ms, 0, HISTORY_DRAIN_MS);
    assert_int_equal(3, counted(&place, "spooled"));
    assert_int_equal(0, counted(&place, "dropped"));
    for (int looks = 0; number(&place, hanging) > 0 && looks < WAIT_MS / 5; looks++) {
        (void)poll(NULL, 0, 5);
    }
    assert_int_equal(0, number(&place, hanging)); /* it would have slept on for longer */
    metrics_close(&place.metrics);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_of_processes_that_are_no_more_land_with_the_one_that_is),
        cmocka_unit_test(labels_reach_the_disk_while_a_statement_hangs),
        cmocka_unit_test(closing_cancels_a_statement_that_hangs),
    };

    return cmocka_run_group_tests(tests, start_labels, stop_labels);
}
