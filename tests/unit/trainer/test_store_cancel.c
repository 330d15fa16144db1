/* store_cancel: what is asked arrives once, at who listens, and is confirmed to who asked for that profile. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "trainer/store_cancel.h"

#include <poll.h>

enum { PROFILE = 7, OTHER = 8, PATIENCE_MS = 10000 };

static bool comes(bool (*take)(struct store *store, int64_t *profile_id), struct store *store, int64_t *profile_id)
{
    for (int left_ms = PATIENCE_MS; left_ms > 0; left_ms--) {
        if (take(store, profile_id)) {
            return true;
        }
        (void)poll(NULL, 0, 1);
    }
    return false;
}

static bool take_confirmed(struct store *store, int64_t *profile_id)
{
    return store_is_cancelled(store, *profile_id);
}

static void what_is_asked_is_heard_once_and_confirmed(void **state)
{
    struct database_settings settings;
    struct db *db = samples_create(&server, "cancel", &settings);
    struct store *leader = NULL;
    struct store *person = NULL;
    int64_t profile_id = 0;

    (void)state;
    assert_status(STATUS_OK, store_open(&leader, &settings, NULL));
    assert_status(STATUS_OK, store_open(&person, &settings, NULL));
    assert_status(STATUS_OK, store_ask_cancel(person, PROFILE)); /* nobody listens */
    assert_status(STATUS_OK, store_hear_cancels(leader));
    assert_false(store_take_cancel(leader, &profile_id));
    assert_status(STATUS_OK, store_ask_cancel(person, OTHER));
    assert_status(STATUS_OK, store_ask_cancel(person, PROFILE));
    assert_true(comes(store_take_cancel, leader, &profile_id));
    assert_int_equal(OTHER, profile_id);
    assert_true(comes(store_take_cancel, leader, &profile_id));
    assert_int_equal(PROFILE, profile_id);
    assert_false(store_take_cancel(leader, &profile_id));
    assert_false(store_is_cancelled(person, PROFILE));
    assert_status(STATUS_OK, store_confirm_cancel(leader, OTHER));
    assert_status(STATUS_OK, store_confirm_cancel(leader, PROFILE));
    profile_id = PROFILE;
    assert_true(comes(take_confirmed, person, &profile_id));
    assert_false(store_is_cancelled(person, OTHER)); /* passed over */
    assert_status(STATUS_OK, db_script(db, "notify training_cancel, 'no number'"));
    assert_true(comes(store_take_cancel, leader, &profile_id));
    assert_int_equal(0, profile_id);
    store_close(&leader);
    store_close(&person);
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_heard_once_and_confirmed),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
