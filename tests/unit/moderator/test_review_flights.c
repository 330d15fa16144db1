/* test_review_flights: reviews against a real HTTP server: calls again, pauses, circuits, parts, sharing, earlier labels. */
#include "support/http_server.h"
#include "support/labels.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/history_lookup.h"
#include "moderator/review_call.h"
#include "moderator/review_flights.h"
#include "proto/clock.h"
#include "proto/log.h"

enum { ROOM = 4, PROFILES = 2, PATIENCE_MS = 20000, ITEMS_MAX = 64, TTL_MS = 600000 };

#define CONTENT(verdict) "{\"choices\":[{\"message\":{\"content\":\"" verdict "\"}}]}"
/* Their lengths are given, so that connections are used again. */
static const char PASS[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" CONTENT(
    "{\\\"violation\\\":false,\\\"category\\\":\\\"\\\",\\\"reason\\\":\\\"fine\\\"}");
static const char HATE[] = "HTTP/1.1 200 OK\r\nContent-Length: 103\r\n\r\n" CONTENT(
    "{\\\"violation\\\":true,\\\"category\\\":\\\"hate\\\",\\\"reason\\\":\\\"slurs\\\"}");
static const char PROSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n" CONTENT("no");
static const char BROKEN[] = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
static const char BAD_REQUEST[] = "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n";
static const char PAUSE[] = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

static int start(void **state)
{
    assert_status(STATUS_OK, review_call_start_library());
    return start_labels(state);
}

struct place {
    struct http_server llm;
    struct settings settings;
    struct profile_settings profiles[PROFILES];
    struct metrics *metrics;
    struct review_profile reviews[PROFILES]; /* the second one where a test opens it */
    struct history *history;
    struct rules *rules; /* this and what follows: NULL but where a test makes it */
    struct live *live;
    struct recent *recent;
    struct review_flights *flights;
    struct buffer packed[ROOM];
    struct message_task tasks[ROOM];
};

/* Models "m0", "m1"... */
static void prepare(struct place *place, size_t models, uint64_t retries)
{
    struct review_settings *review = &place->profiles[0].review;

    *place = (struct place){.profiles = {{.name = "default"}}};
    http_server_open(&place->llm);
    http_server_answer(&place->llm, PASS, HTTP_SERVER_ANSWER);
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 1;
    place->settings.gateway.allow_private_upstreams = (struct private_hosts){.count = 1, .at = {"true"}};
    http_server_url(&place->llm, "/v1/chat/completions", review->url);
    review->model_count = models;
    for (size_t index = 0; index < models; index++) {
        (void)snprintf(review->models[index], sizeof review->models[index], "m%zu", index);
    }
    review->retries = retries;
    review->timeout_ms = PATIENCE_MS;
    assert_status(STATUS_OK, metrics_open(&place->metrics));
}

static void open_flights(struct place *place)
{
    struct review_flights_parts parts = {&place->settings, place->reviews, place->history, place->recent, ROOM};

    assert_status(STATUS_OK, review_profile_open(&place->reviews[0], &place->profiles[0],
                                                 &place->settings.gateway.allow_private_upstreams, place->metrics, stderr));
    assert_status(STATUS_OK, review_flights_open(&place->flights, &parts));
}

static void open_place(struct place *place, size_t models, uint64_t retries)
{
    prepare(place, models, retries);
    open_flights(place);
}

static void close_place(struct place *place)
{
    review_flights_close(&place->flights);
    review_flights_close(&place->flights);
    review_profile_close(&place->reviews[0]);
    review_profile_close(&place->reviews[1]);
    history_close(&place->history);
    rules_release(&place->rules);
    recent_close(&place->recent);
    live_close(&place->live);
    metrics_close(&place->metrics);
    http_server_close(&place->llm);
    for (size_t at = 0; at < ROOM; at++) {
        buffer_free(&place->packed[at]);
    }
}

/* A task in the place `at`, joined for so long. */
static size_t join_texts(struct place *place, size_t at, const struct bytes *texts, size_t count, uint64_t time_ms)
{
    const struct message_task_head head = {.kind = SLOT_REVIEW, .remaining_ms = 1000};

    buffer_free(&place->packed[at]);
    place->tasks[at] = task_make(&place->packed[at], &head, "default", texts, count);
    return review_flights_join(place->flights, &place->reviews[0], &place->tasks[at], clock_ms() + time_ms);
}

static size_t join(struct place *place, size_t at, const char *text)
{
    struct bytes one = bytes_of(text);

    return join_texts(place, at, &one, 1, PATIENCE_MS);
}

/* One turn as the owner makes it. */
static void turn(struct place *place)
{
    struct review_calls *calls = review_flights_calls(place->flights);
    zmq_pollitem_t items[ITEMS_MAX] = {{.fd = review_flights_lookup_fd(place->flights), .events = ZMQ_POLLIN}};
    size_t count = review_calls_poll(calls, items + 1);
    uint64_t due_ms = review_calls_due_ms(calls);
    uint64_t now_ms = clock_ms();
    uint64_t wait_ms;

    due_ms = review_flights_due_ms(place->flights) < due_ms ? review_flights_due_ms(place->flights) : due_ms;
    wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    (void)zmq_poll(items, (int)(1 + count), wait_ms < 50 ? (long)wait_ms : 50);
    review_calls_turn(calls, items + 1, count);
    review_flights_turn(place->flights);
}

/* The flight's verdict, once it has one. */
static struct review_verdict await(struct place *place, size_t flight)
{
    uint64_t end_ms = clock_ms() + 2 * PATIENCE_MS;
    struct review_verdict verdict;
    size_t number;

    while (!review_flights_next(place->flights, &number, &verdict)) {
        assert_true(clock_ms() < end_ms);
        turn(place);
    }
    assert_int_equal(flight, number);
    review_flights_end(place->flights, number);
    return verdict;
}

static struct review_verdict review(struct place *place, const char *text)
{
    return await(place, join(place, 0, text));
}

static void is_undecided(struct review_verdict verdict, enum review_result result)
{
    assert_false(verdict.decided);
    assert_int_equal(result, verdict.result);
}

static void is_decided(struct review_verdict verdict, bool violation, enum verdict_source source)
{
    assert_true(verdict.decided);
    assert_int_equal(violation, verdict.answer.violation);
    assert_int_equal(source, verdict.source);
}

static int64_t counted(struct place *place, const char *name, const char *result)
{
    const struct metric_label labels[] = {{"profile", "default"}, {"result", result}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, name, "", labels, result == NULL ? 1 : 2));
}

static void a_call_without_a_verdict_is_repeated_by_models_not_yet_asked(void **state)
{
    static const char *const answers[] = {BROKEN, PROSE, HATE};
    struct review_verdict verdict;
    struct place place;

    (void)state;
    open_place(&place, 3, 2);
    http_server_script(&place.llm, answers, 3);
    verdict = review(&place, "a text");
    is_decided(verdict, true, SOURCE_REVIEW);
    assert_string_equal("hate", verdict.answer.category);
    assert_int_equal(3, place.llm.request_count);
    assert_int_equal(1, http_server_count(&place.llm, "\"model\":\"m0\""));
    assert_int_equal(1, http_server_count(&place.llm, "\"model\":\"m1\""));
    assert_int_equal(1, http_server_count(&place.llm, "\"model\":\"m2\""));
    assert_int_equal(1, counted(&place, "prismguard_moderator_review_calls_total", "http_error"));
    assert_int_equal(1, counted(&place, "prismguard_moderator_review_calls_total", "no_verdict"));
    assert_int_equal(1, counted(&place, "prismguard_moderator_review_calls_total", "block"));
    close_place(&place);
}

static void there_are_as_many_calls_as_retries_allow(void **state)
{
    (void)state;
    for (uint64_t retries = 0; retries <= 2; retries++) {
        struct place place;

        open_place(&place, 1, retries);
        http_server_answer(&place.llm, PROSE, HTTP_SERVER_ANSWER);
        is_undecided(review(&place, "a text"), REVIEW_NO_VERDICT);
        assert_int_equal(retries + 1, place.llm.request_count);
        close_place(&place);
    }
}

static void a_pause_that_is_asked_for_is_kept_if_the_deadline_allows(void **state)
{
    static const char *const answers[] = {PAUSE, PASS};
    struct bytes text = BYTES("a text");
    struct place place;
    uint64_t started_ms = clock_ms();

    (void)state;
    open_place(&place, 1, 1);
    http_server_script(&place.llm, answers, 2);
    is_decided(review(&place, "a text"), false, SOURCE_REVIEW);
    assert_true(clock_ms() - started_ms >= 1000);
    http_server_answer(&place.llm, PAUSE, HTTP_SERVER_ANSWER);
    is_undecided(await(&place, join_texts(&place, 0, &text, 1, 900)), REVIEW_HTTP_ERROR);
    is_undecided(await(&place, join_texts(&place, 0, &text, 1, 500)), REVIEW_UNREACHABLE); /* it still rests: not asked at all */
    assert_int_equal(3, place.llm.request_count);
    close_place(&place);
}

static void another_model_is_asked_while_one_rests(void **state)
{
    static const char *const answers[] = {PAUSE, PASS};
    struct place place;

    (void)state;
    open_place(&place, 2, 1);
    http_server_script(&place.llm, answers, 2);
    is_decided(review(&place, "a text"), false, SOURCE_REVIEW);
    for (int round = 0; round < 4; round++) {
        is_decided(review(&place, "a text"), false, SOURCE_REVIEW);
    }
    assert_int_equal(6, place.llm.request_count);
    assert_true(http_server_count(&place.llm, "\"model\":\"m0\"") == 1 || http_server_count(&place.llm, "\"model\":\"m1\"") == 1);
    close_place(&place);
}

static void after_failures_in_a_row_nobody_is_asked_until_a_probe(void **state)
{
    struct place place;
    unsigned asked;

    (void)state;
    open_place(&place, 1, 0);
    http_server_answer(&place.llm, BROKEN, HTTP_SERVER_ANSWER);
    for (int round = 0; round < REVIEW_CIRCUIT_FAILURES; round++) {
        is_undecided(review(&place, "a text"), REVIEW_HTTP_ERROR);
    }
    is_undecided(review(&place, "a text"), REVIEW_UNREACHABLE);
    assert_int_equal(REVIEW_CIRCUIT_FAILURES, place.llm.request_count);
    assert_int_equal(1, series_value(place.reviews[0].circuits_open));
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    place.reviews[0].models.at[0].due_ms = clock_ms(); /* its time has passed */
    is_decided(review(&place, "a text"), false, SOURCE_REVIEW);
    assert_int_equal(0, series_value(place.reviews[0].circuits_open));
    asked = place.llm.request_count;
    /* What a text can bring about shuts nobody off. */
    for (int round = 0; round < 2 * REVIEW_CIRCUIT_FAILURES; round++) {
        http_server_answer(&place.llm, round % 2 == 0 ? PROSE : BAD_REQUEST, HTTP_SERVER_ANSWER);
        is_undecided(review(&place, "a text"), round % 2 == 0 ? REVIEW_NO_VERDICT : REVIEW_HTTP_ERROR);
    }
    assert_int_equal(asked + 2 * REVIEW_CIRCUIT_FAILURES, place.llm.request_count);
    close_place(&place);
}

/* A call that does not end by its deadline, so far from now by a clock that stands still: however long it really takes. */
static void fail_late(struct place *place, size_t profile, uint64_t time_ms)
{
    const struct message_task_head head = {.kind = SLOT_REVIEW, .remaining_ms = 1};
    struct bytes text = BYTES("a text");
    size_t flight;

    buffer_free(&place->packed[0]);
    place->tasks[0] = task_make(&place->packed[0], &head, "default", &text, 1);
    flight = review_flights_join(place->flights, &place->reviews[profile], &place->tasks[0], clock_ms() + time_ms);
    clock_freeze(clock_ms() + time_ms);
    is_undecided(await(place, flight), REVIEW_TIMEOUT);
}

static void a_timeout_opens_the_circuit_only_if_there_was_time(void **state)
{
    struct bytes text = BYTES("a text");
    struct place place;

    (void)state;
    prepare(&place, 1, 0);
    place.profiles[0].review.timeout_ms = 200;
    place.settings.moderation.deadline_review_ms = 10000;
    open_flights(&place);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    clock_freeze(clock_ms());
    for (int round = 0; round < 2 * REVIEW_CIRCUIT_FAILURES; round++) {
        fail_late(&place, 0, 50);
    }
    clock_freeze(0);
    assert_int_equal(0, series_value(place.reviews[0].circuits_open));
    for (int round = 0; round < REVIEW_CIRCUIT_FAILURES; round++) {
        is_undecided(await(&place, join_texts(&place, 0, &text, 1, PATIENCE_MS)), REVIEW_TIMEOUT);
    }
    assert_int_equal(1, series_value(place.reviews[0].circuits_open));
    close_place(&place);
}

static void no_profile_whose_reviews_are_late_hides_another(void **state)
{
    uint64_t suppressed;
    struct place place;

    (void)state;
    open_place(&place, 1, 0);
    place.profiles[1] = place.profiles[0];
    assert_status(STATUS_OK, review_profile_open(&place.reviews[1], &place.profiles[1],
                                                 &place.settings.gateway.allow_private_upstreams, place.metrics, stderr));
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    clock_freeze(clock_ms());
    suppressed = log_suppressed();
    fail_late(&place, 0, 1);
    fail_late(&place, 1, 1);
    assert_int_equal(suppressed, log_suppressed()); /* both are told of, though they fail within a second */
    fail_late(&place, 1, 1);
    assert_int_equal(suppressed + 1, log_suppressed());
    clock_freeze(0);
    close_place(&place);
}

static void the_same_texts_share_a_flight_and_the_last_to_leave_ends_it(void **state)
{
    struct place place;
    size_t flight;

    (void)state;
    open_place(&place, 1, 0);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    flight = join(&place, 0, "a text");
    assert_int_equal(flight, join(&place, 1, "a text"));
    assert_int_not_equal(flight, join(&place, 2, "another text"));
    while (place.llm.request_count < 2) {
        turn(&place);
    }
    assert_int_equal(1, counted(&place, "prismguard_moderator_reviews_shared_total", NULL));
    review_flights_leave(place.flights, flight, &place.tasks[1]);
    buffer_free(&place.packed[0]); /* its text is needed no more */
    turn(&place);
    assert_int_equal(0, place.llm.closed_count);
    review_flights_leave(place.flights, flight, NULL);
    http_server_await(&place.llm, 2, 1);
    assert_int_equal(flight, join(&place, 0, "a text")); /* a new one, in its place */
    while (place.llm.request_count < 3) {
        turn(&place);
    }
    close_place(&place);
}

static void the_latest_deadline_of_those_who_joined_counts(void **state)
{
    struct bytes text = BYTES("a text");
    struct place place;
    size_t flight;

    (void)state;
    open_place(&place, 1, 1);
    http_server_answer(&place.llm, PAUSE, HTTP_SERVER_ANSWER);
    flight = join_texts(&place, 0, &text, 1, 500); /* too short for the pause */
    assert_int_equal(flight, join_texts(&place, 1, &text, 1, PATIENCE_MS));
    while (place.llm.request_count < 1) {
        turn(&place);
    }
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    is_decided(await(&place, flight), false, SOURCE_REVIEW);
    close_place(&place);
}

static void every_text_is_reviewed_in_as_many_requests_as_it_takes(void **state)
{
    static const char *const late[] = {PASS, HATE};
    static const char *const cut[] = {PASS, PROSE};
    static struct bytes texts[REVIEW_PART_TEXTS_MAX + 1];
    struct place place;

    (void)state;
    for (size_t index = 0; index <= REVIEW_PART_TEXTS_MAX; index++) {
        texts[index] = BYTES("TEXT");
    }
    open_place(&place, 1, 0);
    is_decided(await(&place, join_texts(&place, 0, texts, REVIEW_PART_TEXTS_MAX, PATIENCE_MS)), false, SOURCE_REVIEW);
    assert_int_equal(1, place.llm.request_count);
    assert_int_equal(REVIEW_PART_TEXTS_MAX, http_server_count(&place.llm, "\\\"TEXT\\\""));
    is_decided(await(&place, join_texts(&place, 0, texts, REVIEW_PART_TEXTS_MAX + 1, PATIENCE_MS)), false, SOURCE_REVIEW);
    assert_int_equal(3, place.llm.request_count);
    assert_int_equal(2 * REVIEW_PART_TEXTS_MAX + 1, http_server_count(&place.llm, "\\\"TEXT\\\""));
    http_server_script(&place.llm, late, 2);
    is_decided(await(&place, join_texts(&place, 0, texts, REVIEW_PART_TEXTS_MAX + 1, PATIENCE_MS)), true, SOURCE_REVIEW);
    http_server_script(&place.llm, cut, 2); /* what passed says nothing of the rest */
    is_undecided(await(&place, join_texts(&place, 0, texts, REVIEW_PART_TEXTS_MAX + 1, PATIENCE_MS)), REVIEW_NO_VERDICT);
    close_place(&place);
}

static void texts_that_grow_by_their_escapes_go_into_more_requests(void **state)
{
    char *data = malloc(REVIEW_PART_BYTES / 2);
    struct bytes texts[2] = {{data, REVIEW_PART_BYTES / 2}, {data, REVIEW_PART_BYTES / 2}};
    struct place place;

    (void)state;
    assert_non_null(data);
    memset(data, 1, REVIEW_PART_BYTES / 2); /* seven bytes each in JSON in JSON */
    open_place(&place, 1, 0);
    is_decided(await(&place, join_texts(&place, 0, texts, 2, PATIENCE_MS)), false, SOURCE_REVIEW);
    assert_int_equal(2, place.llm.request_count);
    texts[0].count = REVIEW_PART_BYTES / 4;
    texts[1].count = REVIEW_PART_BYTES / 4;
    is_decided(await(&place, join_texts(&place, 0, texts, 2, PATIENCE_MS)), false, SOURCE_REVIEW);
    assert_int_equal(3, place.llm.request_count);
    close_place(&place);
    free(data);
}

static void open_with_history(struct place *place, const char *database)
{
    struct db *db = NULL;

    prepare(place, 1, 0);
    db = labels_create(database, &place->settings.database);
    db_close(&db);
    assert_status(STATUS_OK, history_open(&place->history, &place->settings, place->recent, place->metrics, NULL));
    open_flights(place);
}

static int64_t number(const struct place *place, const char *sql)
{
    return samples_ask(&place->settings.database, sql);
}

static void await_labels(const struct place *place, int64_t count)
{
    uint64_t end_ms = clock_ms() + PATIENCE_MS;

    while (number(place, "select count(*) from verdicts") < count) {
        assert_true(clock_ms() < end_ms);
        (void)poll(NULL, 0, 20);
    }
}

/* The same text until its label is found: at first there may be no session. */
static struct review_verdict review_known(struct place *place, const char *text)
{
    uint64_t end_ms = clock_ms() + PATIENCE_MS;
    struct review_verdict verdict = review(place, text);

    while (verdict.source != SOURCE_HISTORY) {
        assert_true(clock_ms() < end_ms);
        verdict = review(place, text);
    }
    return verdict;
}

static void earlier_labels_are_used_before_the_llm_is_asked(void **state)
{
    const struct bytes mixed[] = {BYTES("a good text"), BYTES("a new text"), BYTES("a good text")};
    const struct bytes bad[] = {BYTES("a new text too"), BYTES("a bad text")};
    struct review_verdict verdict;
    struct place place;
    unsigned asked;

    (void)state;
    open_with_history(&place, "earlier");
    is_decided(review(&place, "a good text"), false, SOURCE_REVIEW);
    http_server_answer(&place.llm, HATE, HTTP_SERVER_ANSWER);
    is_decided(review(&place, "a bad text"), true, SOURCE_REVIEW);
    await_labels(&place, 2);
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    is_decided(review_known(&place, "a good text"), false, SOURCE_HISTORY);
    verdict = review_known(&place, "a bad text");
    is_decided(verdict, true, SOURCE_HISTORY);
    assert_string_equal("hate", verdict.answer.category);
    asked = place.llm.request_count;
    is_decided(await(&place, join_texts(&place, 0, mixed, 3, PATIENCE_MS)), false, SOURCE_REVIEW);
    assert_int_equal(asked + 1, place.llm.request_count);
    assert_int_equal(1, http_server_count(&place.llm, "{\\\"texts\\\":[\\\"a new text\\\"]}")); /* and nothing else */
    is_decided(await(&place, join_texts(&place, 0, bad, 2, PATIENCE_MS)), true, SOURCE_HISTORY);
    assert_int_equal(asked + 1, place.llm.request_count);
    /* A category of the database is shown as carefully as one of an answer. */
    assert_int_equal(1, number(&place, "with changed as (update verdicts set category = 'Words of the Text' where label = 1 "
                                       "returning 1) select count(*) from changed"));
    assert_string_equal("violation", review_known(&place, "a bad text").answer.category);
    place.profiles[0].store = STORE_OFF;
    is_decided(review(&place, "a bad text"), false, SOURCE_REVIEW);
    close_place(&place);
}

static void a_database_that_hangs_or_is_away_delays_no_review_for_long(void **state)
{
    struct place place;
    struct db *db = NULL;
    uint64_t started_ms;

    (void)state;
    open_with_history(&place, "slow");
    is_decided(review(&place, "a good text"), false, SOURCE_REVIEW);
    await_labels(&place, 1);
    (void)review_known(&place, "a good text");
    assert_status(STATUS_OK, db_open(&db, &place.settings.database, "test"));
    assert_status(STATUS_OK, db_run(db, "begin", NULL, 0, NULL));
    assert_status(STATUS_OK, db_run(db, "lock table verdicts in access exclusive mode", NULL, 0, NULL));
    started_ms = clock_ms();
    is_decided(review(&place, "a good text"), false, SOURCE_REVIEW);
    assert_true(clock_ms() - started_ms >= HISTORY_LOOKUP_MS / 2); /* it was asked, and waited for */
    db_close(&db);
    (void)review_known(&place, "a good text");
    postgres_kill(&server);
    is_decided(review(&place, "a good text"), false, SOURCE_REVIEW);
    started_ms = clock_ms();
    is_decided(review(&place, "a good text"), false, SOURCE_REVIEW);
    assert_true(counted(&place, "prismguard_moderator_reviews_total", "allow") == 0); /* counted by its owner */
    postgres_run(&server);
    (void)review_known(&place, "a good text");
    close_place(&place);
}

/* And with a memory of what was found. */
static void open_with_recent(struct place *place, const char *database)
{
    struct db *db = NULL;

    prepare(place, 1, 0);
    db = labels_create(database, &place->settings.database);
    db_close(&db);
    place->profiles[0].cache = (struct cache_settings){.entries = 100, .ttl_ms = TTL_MS};
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    assert_status(STATUS_OK, live_open(&place->live, 1));
    assert_status(STATUS_OK, recent_open(&place->recent, place->live, place->metrics));
    assert_status(STATUS_OK, recent_fit(place->recent, &place->settings));
    assert_status(STATUS_OK, history_open(&place->history, &place->settings, place->recent, place->metrics, NULL));
    open_flights(place);
    assert_status(STATUS_OK, recent_basis_of(place->recent, place->rules, 0, RECENT_REVIEWED, &place->reviews[0].basis));
}

/* A text that passed, as its stored label says, so that what was found is known again. */
static void make_known(struct place *place, const char *text)
{
    uint64_t end_ms = clock_ms() + PATIENCE_MS;

    is_decided(review(place, text), false, SOURCE_REVIEW);
    await_labels(place, 1);
    assert_int_equal(1, number(place, "with touched as (update profiles set trained_at = trained_at returning 1) "
                                      "select count(*) from touched"));
    (void)review_known(place, text);
    while (review(place, text).source != SOURCE_CACHE) {
        assert_true(clock_ms() < end_ms);
    }
}

static void a_persons_label_is_served_soon_whatever_is_known_of_the_text(void **state)
{
    uint64_t said_ms;
    struct place place;

    (void)state;
    open_with_recent(&place, "person");
    make_known(&place, "a text");
    said_ms = clock_ms();
    assert_int_equal(1, number(&place, "with touched as (update profiles set trained_at = trained_at), said as (update verdicts "
                                       "set label = 1, source = 3 returning 1) select count(*) from said"));
    is_decided(review_known(&place, "a text"), true, SOURCE_HISTORY);
    assert_true(clock_ms() - said_ms < PATIENCE_MS / 2); /* HISTORY_MARKS_MS, but for a busy machine; TTL_MS without */
    is_decided(review(&place, "a text"), true, SOURCE_HISTORY);
    close_place(&place);
}

/* What people said meanwhile, or long before, could not be asked for. */
static void what_was_found_while_the_database_was_away_is_forgotten_when_it_is_back(void **state)
{
    uint64_t end_ms = clock_ms() + 3 * PATIENCE_MS;
    struct place place;

    (void)state;
    open_with_recent(&place, "outage");
    make_known(&place, "a text");
    assert_int_equal(1, number(&place, "with said as (update verdicts set label = 1, source = 3 returning 1) "
                                       "select count(*) from said")); /* nothing tells of it */
    postgres_kill(&server);
    is_decided(review(&place, "a text"), false, SOURCE_CACHE); /* it is all that is known */
    is_decided(review(&place, "another text"), false, SOURCE_REVIEW);
    while (review(&place, "another text").source != SOURCE_CACHE) { /* at first it was asked, and did not answer */
        assert_true(clock_ms() < end_ms);
    }
    postgres_run(&server);
    is_decided(review_known(&place, "a text"), true, SOURCE_HISTORY);
    assert_true(review(&place, "another text").source != SOURCE_CACHE);
    close_place(&place);
}

/* Asks as often as it may, of a session that hangs. When the first question was asked. */
static uint64_t fill_lookup(struct history_lookup *lookup)
{
    uint64_t begun_ms = 0;
    enum status status = STATUS_UNAVAILABLE; /* until there is a session again */

    while (status != STATUS_FULL) {
        struct history_question *question = history_question_make(0, 1);

        assert_non_null(question);
        history_lookup_name(lookup, question, 0, BYTES("a text"));
        begun_ms = status == STATUS_OK ? begun_ms : clock_ms();
        status = history_lookup_ask(lookup, question);
        if (status != STATUS_OK) {
            free(question);
            (void)poll(NULL, 0, status == STATUS_UNAVAILABLE ? 5 : 0);
        }
    }
    return begun_ms;
}

/* A person may have said something of it: the next one who sends the text asks again. */
static void what_was_found_by_a_busy_session_is_not_kept(void **state)
{
    const char *const texts[] = {"one text", "another text", "a third text", "a fourth text"};
    struct review_verdict first, second;
    struct db *db = NULL;
    struct place place;
    size_t tries = 0;
    uint64_t begun_ms;

    (void)state;
    open_with_recent(&place, "busy");
    make_known(&place, "a text");
    assert_status(STATUS_OK, db_open(&db, &place.settings.database, "test"));
    assert_status(STATUS_OK, db_script(db, "begin; lock table verdicts in access exclusive mode"));
    do { /* later than that the session is gone, and what is found is kept until there is another */
        assert_true(tries < sizeof texts / sizeof *texts);
        begun_ms = fill_lookup(history_lookup(place.history));
        first = review(&place, texts[tries]);
        second = review(&place, texts[tries++]);
    } while (clock_ms() - begun_ms >= HISTORY_LOOKUP_MS);
    is_decided(first, false, SOURCE_REVIEW);
    is_decided(second, false, SOURCE_REVIEW);
    db_close(&db);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_without_a_verdict_is_repeated_by_models_not_yet_asked),
        cmocka_unit_test(there_are_as_many_calls_as_retries_allow),
        cmocka_unit_test(a_pause_that_is_asked_for_is_kept_if_the_deadline_allows),
        cmocka_unit_test(another_model_is_asked_while_one_rests),
        cmocka_unit_test(after_failures_in_a_row_nobody_is_asked_until_a_probe),
        cmocka_unit_test(a_timeout_opens_the_circuit_only_if_there_was_time),
        cmocka_unit_test(no_profile_whose_reviews_are_late_hides_another),
        cmocka_unit_test(the_same_texts_share_a_flight_and_the_last_to_leave_ends_it),
        cmocka_unit_test(the_latest_deadline_of_those_who_joined_counts),
        cmocka_unit_test(every_text_is_reviewed_in_as_many_requests_as_it_takes),
        cmocka_unit_test(texts_that_grow_by_their_escapes_go_into_more_requests),
        cmocka_unit_test(earlier_labels_are_used_before_the_llm_is_asked),
        cmocka_unit_test(a_database_that_hangs_or_is_away_delays_no_review_for_long),
        cmocka_unit_test(a_persons_label_is_served_soon_whatever_is_known_of_the_text),
        cmocka_unit_test(what_was_found_while_the_database_was_away_is_forgotten_when_it_is_back),
        cmocka_unit_test(what_was_found_by_a_busy_session_is_not_kept),
    };

    return cmocka_run_group_tests(tests, start, stop_labels);
}
