/* test_history_lookup: earlier labels out of a real PostgreSQL, and nobody who waits when it is away or hangs. */
#include "support/database.h"
#include "support/samples.h"
#include "support/unit.h"

#include "moderator/history_lookup.h"
#include "proto/clock.h"

#include <poll.h>

enum { PATIENCE_MS = 20000 };

static const unsigned char key[SECRET_HASH_KEY_BYTES] = {7};

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct history_lookup *lookup;
    struct share share;
    struct db *db;
};

static void open_place(struct place *place, const char *database)
{
    *place = (struct place){.profiles = {{.name = "default"}, {.name = "other"}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->db = samples_create(&server, database, &place->settings.database);
    assert_status(STATUS_OK, db_run(place->db, "insert into profiles (name) values ('default')", NULL, 0, NULL));
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    share_open(&place->share, &place->settings);
    assert_status(STATUS_OK, history_lookup_open(&place->lookup, &place->settings, key, &place->share, NULL, place->metrics));
}

static void close_place(struct place *place)
{
    history_lookup_close(&place->lookup);
    history_lookup_close(&place->lookup);
    metrics_close(&place->metrics);
    db_close(&place->db);
}

static int64_t counted(struct place *place, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(
        metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_history_lookups_total", "", &label, 1));
}

static void label(struct place *place, const char *text, int64_t violation, const char *category)
{
    unsigned char hash[TEXT_HASH_BYTES];
    const struct db_value values[] = {
        {.type = DB_BYTEA, .bytes = {(const char *)hash, sizeof hash}},
        {.type = DB_BIGINT, .bigint = violation},
        {.type = category == NULL ? DB_NULL : DB_TEXT, .bytes = category == NULL ? BYTES("") : bytes_of(category)},
    };

    secret_text_hash(hash, key, bytes_of(text));
    assert_status(STATUS_OK, db_run(place->db, "insert into verdicts (profile_id, text_hash, label, source, drawn, category) "
                                               "select profile_id, $1, $2::smallint, 2, 0, $3 from profiles", values, 3, NULL));
}

static int64_t number(struct place *place, const char *sql)
{
    return samples_number(place->db, sql);
}

static struct history_question *make(struct place *place, size_t profile, const char *const *texts, size_t count)
{
    struct history_question *question = history_question_make(profile, count);

    assert_non_null(question);
    question->number = 5;
    question->turn = 77;
    for (size_t index = 0; index < count; index++) {
        history_lookup_name(place->lookup, question, index, bytes_of(texts[index]));
    }
    return question;
}

/* The answer, which the caller frees. Waits for the session first: until then nobody is asked. */
static struct history_question *ask(struct place *place, size_t profile, const char *const *texts, size_t count)
{
    struct history_question *question = make(place, profile, texts, count);
    uint64_t end_ms = clock_ms() + PATIENCE_MS;
    struct pollfd item = {.fd = history_lookup_fd(place->lookup), .events = POLLIN};
    struct history_question *answer;

    while (history_lookup_ask(place->lookup, question) != STATUS_OK) {
        assert_true(clock_ms() < end_ms);
        (void)poll(NULL, 0, 5);
    }
    assert_int_equal(1, poll(&item, 1, PATIENCE_MS));
    answer = history_lookup_next(place->lookup);
    assert_ptr_equal(question, answer);
    assert_int_equal(5, answer->number);
    assert_int_equal(77, answer->turn);
    assert_null(history_lookup_next(place->lookup));
    assert_int_equal(0, poll(&item, 1, 0)); /* nothing more is there to read */
    return answer;
}

/* As often as it takes: on a busy machine a look-up that is given up after HISTORY_LOOKUP_MS is no mistake. */
static struct history_question *ask_until_told(struct place *place, size_t profile, const char *const *texts, size_t count)
{
    uint64_t end_ms = clock_ms() + PATIENCE_MS;
    struct history_question *answer = ask(place, profile, texts, count);

    while (answer->status != STATUS_OK) {
        assert_true(clock_ms() < end_ms);
        free(answer);
        answer = ask(place, profile, texts, count);
    }
    return answer;
}

static void what_is_known_of_each_text_is_told(void **state)
{
    const char *const texts[] = {"unknown", "passed", "again unknown", "passed", "also passed"};
    struct history_question *answer;
    struct place place;

    (void)state;
    open_place(&place, "known");
    label(&place, "passed", 0, NULL);
    label(&place, "also passed", 0, NULL);
    label(&place, "bad", 1, "hate");
    answer = ask_until_told(&place, 0, texts, 5);
    assert_status(STATUS_OK, answer->status);
    assert_false(answer->violation);
    assert_int_equal(1 << 1 | 1 << 3 | 1 << 4, answer->passed[0]);
    free(answer);
    answer = ask_until_told(&place, 0, (const char *const[]){"passed", "bad"}, 2);
    assert_true(answer->violation);
    assert_string_equal("hate", answer->category);
    free(answer);
    answer = ask_until_told(&place, 0, (const char *const[]){"unknown"}, 1);
    assert_status(STATUS_OK, answer->status);
    assert_false(answer->violation);
    assert_int_equal(0, answer->passed[0]);
    free(answer);
    answer = ask_until_told(&place, 1, texts, 5); /* another profile's labels are not its own */
    assert_status(STATUS_OK, answer->status);
    assert_int_equal(0, answer->passed[0]);
    free(answer);
    assert_int_equal(2, counted(&place, "found"));
    assert_int_equal(2, counted(&place, "missed"));
    close_place(&place);
}

static void as_many_texts_as_a_task_can_have_are_looked_for(void **state)
{
    static const char *texts[SEGMENTS_MAX];
    struct history_question *answer;
    struct place place;

    (void)state;
    open_place(&place, "many");
    label(&place, "passed", 0, NULL);
    for (size_t index = 0; index < SEGMENTS_MAX; index++) {
        texts[index] = index % 2 == 0 ? "unknown" : "passed";
    }
    answer = ask_until_told(&place, 0, texts, SEGMENTS_MAX);
    assert_status(STATUS_OK, answer->status);
    for (size_t index = 0; index < UNSURE_BYTES_MAX; index++) {
        assert_int_equal(0xaa, answer->passed[index]);
    }
    free(answer);
    close_place(&place);
}

static void a_database_that_is_away_is_asked_nothing_until_it_is_back(void **state)
{
    const char *const texts[] = {"passed"};
    struct history_question *answer;
    struct history_question *question;
    struct place place;
    uint64_t started_ms;

    (void)state;
    open_place(&place, "away");
    label(&place, "passed", 0, NULL);
    free(ask(&place, 0, texts, 1));
    db_close(&place.db);
    postgres_kill(&server);
    answer = ask(&place, 0, texts, 1); /* which finds out */
    assert_true(answer->status != STATUS_OK);
    free(answer);
    question = make(&place, 0, texts, 1);
    started_ms = clock_ms();
    assert_status(STATUS_UNAVAILABLE, history_lookup_ask(place.lookup, question));
    assert_in_range(clock_ms() - started_ms, 0, HISTORY_LOOKUP_MS / 2); /* without a wait */
    free(question);
    assert_true(counted(&place, "skipped") >= 1);
    assert_int_equal(1, counted(&place, "failed"));
    postgres_run(&server);
    answer = ask_until_told(&place, 0, texts, 1);
    assert_int_equal(1, answer->passed[0]);
    free(answer);
    close_place(&place);
}

static void a_statement_that_hangs_ends_the_session_and_questions_are_bounded(void **state)
{
    const char *const texts[] = {"passed"};
    struct history_question *answer;
    uint64_t end_ms, begun_ms;
    size_t asked = 0;
    size_t answered = 0;
    struct place place;

    (void)state;
    open_place(&place, "hangs");
    label(&place, "passed", 0, NULL);
    free(ask(&place, 0, texts, 1));
    assert_status(STATUS_OK, db_run(place.db, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(place.db, "lock table verdicts in access exclusive mode", NULL, 0, NULL));
    begun_ms = clock_ms();
    for (enum status status = STATUS_OK; status == STATUS_OK;) {
        struct history_question *question = make(&place, 0, texts, 1);

        status = history_lookup_ask(place.lookup, question);
        if (status == STATUS_OK) {
            asked++;
        } else {
            assert_status(STATUS_FULL, status);
            free(question);
        }
    }
    assert_in_range(asked, HISTORY_QUESTIONS_MAX, HISTORY_QUESTIONS_MAX + 1); /* one may be in hand */
    for (end_ms = clock_ms() + PATIENCE_MS; answered < asked && clock_ms() < end_ms; (void)poll(NULL, 0, 5)) {
        while ((answer = history_lookup_next(place.lookup)) != NULL) {
            assert_true(answer->status != STATUS_OK);
            if (answered == 0) { /* by our time; the server's for a lock comes much later */
                assert_in_range(clock_ms() - begun_ms, HISTORY_LOOKUP_MS - 1, DB_LOCK_MS - 1000);
            }
            answered++;
            free(answer);
        }
    }
    assert_int_equal(asked, answered);
    assert_status(STATUS_OK, db_run(place.db, "rollback", NULL, 0, NULL));
    free(ask(&place, 0, texts, 1));
    close_place(&place);
}

static void it_can_be_closed_in_the_middle_of_anything(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "closing");
    free(ask(&place, 0, (const char *const[]){"a"}, 1));
    assert_status(STATUS_OK, db_run(place.db, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(place.db, "lock table verdicts in access exclusive mode", NULL, 0, NULL));
    for (int index = 0; index < 3; index++) {
        assert_status(STATUS_OK, history_lookup_ask(place.lookup, make(&place, 0, (const char *const[]){"a"}, 1)));
    }
    close_place(&place);
}

/* They are not asked about again: without a mark the drawn would be only those that nobody had been unsure of before. */
static void known_texts_that_are_drawn_are_marked(void **state)
{
    const char *const texts[] = {"unknown", "passed", "also passed"};
    struct place place;

    (void)state;
    open_place(&place, "marked");
    label(&place, "passed", 0, NULL);
    label(&place, "also passed", 0, NULL);
    label(&place, "not asked about", 0, NULL);
    free(ask_until_told(&place, 0, texts, 3));
    assert_int_equal(0, number(&place, "select count(*) from verdicts where drawn_at is not null")); /* a rate of 0 draws none */
    place.profiles[0].review.sample_rate = 1;
    free(ask_until_told(&place, 0, texts, 3));
    assert_int_equal(2, number(&place, "select count(*) from verdicts where drawn_share = 1 and drawn_at >= labelled_at"));
    assert_int_equal(3, number(&place, "select count(*) from verdicts"));
    assert_int_equal(2, series_value(metrics_series(place.metrics, METRIC_COUNTER, "prismguard_moderator_texts_marked_total", "",
                                                    NULL, 0)));
    close_place(&place);
}

/* Whoever waits for the answer must not wait for a stranger's lock. */
static void a_mark_that_somebody_is_in_the_way_of_is_let_go(void **state)
{
    const char *const texts[] = {"passed"};
    struct history_question *answer;
    struct place place;

    (void)state;
    open_place(&place, "locked");
    label(&place, "passed", 0, NULL);
    place.profiles[0].review.sample_rate = 1;
    assert_status(STATUS_OK, db_script(place.db, "begin; update verdicts set label = 0"));
    answer = ask_until_told(&place, 0, texts, 1);
    assert_int_equal(1, answer->passed[0]);
    free(answer);
    assert_status(STATUS_OK, db_script(place.db, "commit"));
    assert_int_equal(0, number(&place, "select count(*) from verdicts where drawn_at is not null"));
    free(ask(&place, 0, texts, 1)); /* the session lasts */
    assert_int_equal(1, number(&place, "select count(*) from verdicts where drawn_at is not null"));
    assert_int_equal(0, counted(&place, "failed"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_of_each_text_is_told),
        cmocka_unit_test(known_texts_that_are_drawn_are_marked),
        cmocka_unit_test(a_mark_that_somebody_is_in_the_way_of_is_let_go),
        cmocka_unit_test(as_many_texts_as_a_task_can_have_are_looked_for),
        cmocka_unit_test(a_database_that_is_away_is_asked_nothing_until_it_is_back),
        cmocka_unit_test(a_statement_that_hangs_ends_the_session_and_questions_are_bounded),
        cmocka_unit_test(it_can_be_closed_in_the_middle_of_anything),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
