/* store_cancel: two channels, of which the leader listens to one and whoever asks to the other; what is asked needs no row. */
#include "trainer/store_cancel.h"

#include "trainer/store_session.h"

#define ASKED "training_cancel"
#define DONE "training_cancelled"

static enum status notify(struct store *store, const char *channel, int64_t profile_id)
{
    const struct db_value values[] = {{.type = DB_TEXT, .bytes = bytes_of(channel)}, {.type = DB_BIGINT, .bigint = profile_id}};

    return db_run(store->db, "select pg_notify($1, $2::bigint::text)", values, 2, NULL);
}

enum status store_hear_cancels(struct store *store)
{
    return db_script(store->db, "listen " ASKED);
}

bool store_take_cancel(struct store *store, int64_t *out_profile_id)
{
    return db_take_notice(store->db, ASKED, out_profile_id);
}

enum status store_confirm_cancel(struct store *store, int64_t profile_id)
{
    return notify(store, DONE, profile_id);
}

enum status store_ask_cancel(struct store *store, int64_t profile_id)
{
    enum status status = db_script(store->db, "listen " DONE);

    return status == STATUS_OK ? notify(store, ASKED, profile_id) : status;
}

bool store_is_cancelled(struct store *store, int64_t profile_id)
{
    int64_t found;

    while (db_take_notice(store->db, DONE, &found)) {
        if (found == profile_id) {
            return true;
        }
    }
    return false;
}
