/* test_history: the queue of labels and its thread against a real PostgreSQL: nothing kept is lost, every bound is met. */
#include "support/labels.h"
#include "support/unit.h"

#include "moderator/history.h"
#include "proto/clock.h"
#include "proto/secret.h"

#include <pthread.h>

enum { WAIT_MS = 20000, FROZEN_MS = 1000000 };

struct place {
    struct settings settings;
    struct profile_settings profiles[3];
    struct metrics *metrics;
    struct history *history;
    struct db *db;
};

static void open_place(struct place *place, const char *database)
{
    *place = (struct place){.profiles = {{.name = "texts", .store = STORE_TEXT},
                                         {.name = "hashes", .store = STORE_HASH},
                                         {.name = "nothing", .store = STORE_OFF}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 3;
    place->db = labels_create(database, &place->settings.database);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, history_open(&place->history, &place->settings, NULL, place->metrics, NULL));
}

static void close_place(struct place *place)
{
    history_close(&place->history);
    history_close(&place->history);
    db_close(&place->db);
    metrics_close(&place->metrics);
}

static int64_t number(struct place *place, const char *sql)
{
    return samples_number(place->db, sql);
}

static int64_t counted(struct place *place, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_samples_total", "", &label, 1));
}

/* Waits until the thread has counted so many labels as written; the pause only keeps the looks apart. */
static void await_written(struct place *place, int64_t expected)
{
    for (int looks = 0; counted(place, "written") != expected && looks < WAIT_MS / 5; looks++) {
        (void)poll(NULL, 0, 5);
    }
    assert_int_equal(expected, counted(place, "written"));
}

static enum status keep(struct place *place, size_t profile, bool violation, struct bytes text)
{
    const struct history_label label = {
        .profile = profile,
        .violation = violation,
        .category = violation ? BYTES("hate") : (struct bytes){NULL, 0},
        .text = text,
    };

    return history_keep(place->history, &label);
}

static void a_label_is_written_by_itself(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "single");
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("one text")));
    await_written(&place, 1);
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 1 and text = 'one text'::bytea"));
    close_place(&place);
}

static void a_text_is_named_by_its_keyed_hash(void **state)
{
    unsigned char key[SECRET_HASH_KEY_BYTES];
    unsigned char hash[TEXT_HASH_BYTES];
    struct db_rows *rows = NULL;
    struct place place;

    (void)state;
    open_place(&place, "hashed");
    assert_status(STATUS_OK, keep(&place, 0, false, BYTES("one text")));
    await_written(&place, 1);
    secret_hash_key(key, BYTES("a key for hashes"));
    secret_text_hash(hash, key, BYTES("one text"));
    assert_status(STATUS_OK, db_run(place.db, "select text_hash from verdicts", NULL, 0, &rows));
    assert_int_equal(sizeof hash, db_bytes(rows, 0, 0).count);
    assert_memory_equal(hash, db_bytes(rows, 0, 0).data, sizeof hash);
    db_rows_close(&rows);
    close_place(&place);
}

static void a_text_can_be_deleted_by_the_key_that_sent_it(void **state)
{
    struct history_label label = {.violation = true, .category = BYTES("hate"), .text = BYTES("of a"), .caller = BYTES("team-a")};
    unsigned char key[SECRET_HASH_KEY_BYTES];
    unsigned char hash[TEXT_HASH_BYTES];
    struct db_value value = {.type = DB_BYTEA, .bytes = {(const char *)hash, sizeof hash}};
    struct db_rows *rows = NULL;
    struct place place;

    (void)state;
    open_place(&place, "keys");
    assert_status(STATUS_OK, history_keep(place.history, &label));
    label.caller = BYTES("team-b");
    label.text = BYTES("of b");
    assert_status(STATUS_OK, history_keep(place.history, &label));
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("of nobody")));
    await_written(&place, 3);
    secret_hash_key(key, BYTES("a key for hashes"));
    secret_text_hash(hash, key, BYTES("team-a"));
    assert_status(STATUS_OK, db_run(place.db, "select sample_delete_key($1)", &value, 1, &rows));
    assert_int_equal(1, db_bigint(rows, 0, 0));
    db_rows_close(&rows);
    assert_int_equal(0, number(&place, "select count(*) from samples where text = 'of a'::bytea"));
    assert_int_equal(2, number(&place, "select count(*) from samples"));
    close_place(&place);
}

static void a_profile_keeps_texts_hashes_or_nothing(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "choices");
    assert_status(STATUS_OK, keep(&place, 2, true, BYTES("unkept")));
    assert_status(STATUS_OK, keep(&place, 1, true, BYTES("hashed")));
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("kept")));
    await_written(&place, 2);
    assert_int_equal(2, number(&place, "select count(*) from verdicts"));
    assert_int_equal(1, number(&place, "select count(*) from samples"));
    assert_int_equal(1, number(&place, "select count(*) from samples where text = 'kept'::bytea"));
    close_place(&place);
}

static void a_text_of_the_bound_is_kept_and_a_longer_one_by_its_hash_alone(void **state)
{
    char *text = malloc(SAMPLE_TEXT_BYTES_MAX + 1);
    struct place place;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', SAMPLE_TEXT_BYTES_MAX + 1);
    open_place(&place, "long");
    assert_status(STATUS_OK, keep(&place, 0, true, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX}));
    assert_status(STATUS_OK, keep(&place, 0, true, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX + 1}));
    await_written(&place, 2);
    assert_int_equal(2, number(&place, "select count(*) from verdicts"));
    assert_int_equal(1, number(&place, "select count(*) from samples"));
    assert_int_equal(SAMPLE_TEXT_BYTES_MAX, number(&place, "select octet_length(text) from samples"));
    close_place(&place);
    free(text);
}

/* With the clock stopped only a full batch can go; with the clock one flush time later a single label can too. */
static void a_full_batch_goes_at_once_and_a_small_one_after_its_time(void **state)
{
    struct place place;
    char text[16];

    (void)state;
    open_place(&place, "flush");
    clock_freeze(FROZEN_MS);
    for (size_t index = 0; index < SAMPLE_BATCH_MAX; index++) {
        (void)snprintf(text, sizeof text, "text %zu", index);
        assert_status(STATUS_OK, keep(&place, 0, true, bytes_of(text)));
    }
    await_written(&place, SAMPLE_BATCH_MAX);
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("one more")));
    clock_freeze(FROZEN_MS + HISTORY_FLUSH_MS);
    await_written(&place, SAMPLE_BATCH_MAX + 1);
    clock_freeze(0);
    close_place(&place);
}

static void closing_writes_what_is_queued(void **state)
{
    struct place place;
    char text[16];

    (void)state;
    open_place(&place, "closing");
    for (size_t index = 0; index < 3 * SAMPLE_BATCH_MAX + 1; index++) {
        (void)snprintf(text, sizeof text, "text %zu", index);
        assert_status(STATUS_OK, keep(&place, index % 2, true, bytes_of(text)));
    }
    history_close(&place.history);
    assert_int_equal(3 * SAMPLE_BATCH_MAX + 1, number(&place, "select count(*) from verdicts"));
    assert_int_equal(3 * SAMPLE_BATCH_MAX + 1, counted(&place, "written"));
    assert_int_equal(0, counted(&place, "dropped"));
    close_place(&place);
}

static void labels_wait_for_a_database_that_is_away_up_to_the_bound(void **state)
{
    char *text = malloc(SAMPLE_TEXT_BYTES_MAX);
    size_t kept_count = 0;
    struct place place;
    enum status status;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', SAMPLE_TEXT_BYTES_MAX);
    open_place(&place, "absent");
    postgres_kill(&server);
    db_close(&place.db);
    do {
        text[0] = (char)('a' + kept_count);
        status = keep(&place, 0, true, (struct bytes){text, SAMPLE_TEXT_BYTES_MAX});
        kept_count += status == STATUS_OK;
    } while (status == STATUS_OK && kept_count <= HISTORY_QUEUE_BYTES_MAX / SAMPLE_TEXT_BYTES_MAX);
    assert_status(STATUS_FULL, status);
    /* An entry is a little more than its text. */
    assert_int_equal(HISTORY_QUEUE_BYTES_MAX / SAMPLE_TEXT_BYTES_MAX - 1, kept_count);
    assert_int_equal(1, counted(&place, "dropped"));
    /* A small one still fits. */
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("small")));
    postgres_run(&server);
    await_written(&place, (int64_t)kept_count + 1);
    assert_status(STATUS_OK, db_open(&place.db, &place.settings.database, "test"));
    assert_int_equal(kept_count + 1, number(&place, "select count(*) from samples"));
    assert_int_equal(1, counted(&place, "dropped"));
    close_place(&place);
    free(text);
}

static void closing_gives_up_a_database_that_stays_away(void **state)
{
    struct place place;
    uint64_t started_ms;

    (void)state;
    open_place(&place, "gone");
    history_close(&place.history); /* which reads the settings on threads of its own */
    (void)snprintf(place.settings.database.url, sizeof place.settings.database.url, "host=%s/nowhere", server.folder);
    assert_status(STATUS_OK, history_open(&place.history, &place.settings, NULL, place.metrics, NULL));
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("lost")));
    assert_status(STATUS_OK, keep(&place, 0, true, BYTES("lost too")));
    started_ms = clock_ms();
    history_close(&place.history);
    assert_in_range(clock_ms() - started_ms, HISTORY_DRAIN_MS - 1000, HISTORY_DRAIN_MS + 10000);
    assert_int_equal(2, counted(&place, "dropped"));
    close_place(&place);
}

static void a_row_that_is_refused_for_ever_is_dropped_alone(void **state)
{
    struct history_label bad = {.profile = 0, .violation = true, .category = BYTES("never"), .text = BYTES("bad")};
    struct place place;
    char text[16];

    (void)state;
    open_place(&place, "refused");
    assert_status(STATUS_OK, db_run(place.db, "alter table verdicts add check (category <> 'never')", NULL, 0, NULL));
    clock_freeze(clock_ms()); /* so that all of them are one batch */
    for (size_t index = 0; index < 10; index++) {
        (void)snprintf(text, sizeof text, "text %zu", index);
        assert_status(STATUS_OK, index == 5 ? history_keep(place.history, &bad) : keep(&place, 0, true, bytes_of(text)));
    }
    clock_freeze(0);
    await_written(&place, 9);
    history_close(&place.history);
    assert_int_equal(1, counted(&place, "dropped"));
    assert_int_equal(9, number(&place, "select count(*) from verdicts"));
    close_place(&place);
}

enum { KEEPERS = 4, KEPT_EACH = 200 };

static void *keep_many(void *context)
{
    struct place *place = context;
    char text[48];

    for (size_t index = 0; index < KEPT_EACH; index++) {
        (void)snprintf(text, sizeof text, "thread %lx text %zu", (unsigned long)pthread_self(), index);
        assert_status(STATUS_OK, keep(place, index % 2, false, bytes_of(text)));
    }
    return NULL;
}

static void many_threads_keep_labels_at_once(void **state)
{
    pthread_t threads[KEEPERS];
    struct place place;

    (void)state;
    open_place(&place, "threads");
    for (size_t index = 0; index < KEEPERS; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, keep_many, &place));
    }
    for (size_t index = 0; index < KEEPERS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    history_close(&place.history);
    assert_int_equal(KEEPERS * KEPT_EACH, number(&place, "select count(*) from verdicts"));
    assert_int_equal(KEEPERS * KEPT_EACH / 2, number(&place, "select count(*) from samples"));
    close_place(&place);
}

static void without_its_hash_key_it_does_not_open(void **state)
{
    struct settings settings = {0};
    struct metrics *metrics = NULL;
    struct history *history = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    folder_path(&folder, "missing", settings.database.hash_key_file);
    assert_status(STATUS_IO, history_open(&history, &settings, NULL, metrics, NULL));
    assert_null(history);
    metrics_close(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_is_written_by_itself),
        cmocka_unit_test(a_text_is_named_by_its_keyed_hash),
        cmocka_unit_test(a_text_can_be_deleted_by_the_key_that_sent_it),
        cmocka_unit_test(a_profile_keeps_texts_hashes_or_nothing),
        cmocka_unit_test(a_text_of_the_bound_is_kept_and_a_longer_one_by_its_hash_alone),
        cmocka_unit_test(a_full_batch_goes_at_once_and_a_small_one_after_its_time),
        cmocka_unit_test(closing_writes_what_is_queued),
        cmocka_unit_test(labels_wait_for_a_database_that_is_away_up_to_the_bound),
        cmocka_unit_test(closing_gives_up_a_database_that_stays_away),
        cmocka_unit_test(a_row_that_is_refused_for_ever_is_dropped_alone),
        cmocka_unit_test(many_threads_keep_labels_at_once),
        cmocka_unit_test(without_its_hash_key_it_does_not_open),
    };

    return cmocka_run_group_tests(tests, start_labels, stop_labels);
}
