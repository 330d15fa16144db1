/* test_review_recent: a strict answer is known again for its texts, and nothing that is ambiguous or undecided. */
#include "support/http_server.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/review_flights.h"
#include "moderator/review_recent.h"
#include "proto/clock.h"

#include <math.h>

enum { TTL_MS = 60000, PATIENCE_MS = 20000, ITEMS_MAX = 64 };

#define CONTENT(verdict) "{\"choices\":[{\"message\":{\"content\":\"" verdict "\"}}]}"
static const char PASS[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" CONTENT(
    "{\\\"violation\\\":false,\\\"category\\\":\\\"\\\",\\\"reason\\\":\\\"fine\\\"}");
static const char HATE[] = "HTTP/1.1 200 OK\r\nContent-Length: 103\r\n\r\n" CONTENT(
    "{\\\"violation\\\":true,\\\"category\\\":\\\"hate\\\",\\\"reason\\\":\\\"slurs\\\"}");
static const char PROSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n" CONTENT("no");

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return review_call_start_library() == STATUS_OK ? 0 : -1;
}

struct place {
    struct http_server llm;
    struct settings settings;
    struct profile_settings profile;
    struct metrics *metrics;
    struct rules *rules;
    struct live *live;
    struct recent *recent;
    struct review_profile review;
    struct review_flights *flights;
    struct buffer packed;
    struct message_task task;
};

static void open_place(struct place *place, uint64_t entries)
{
    struct review_settings *review = &place->profile.review;

    *place = (struct place){.profile = {.name = "default", .cache = {.entries = entries, .ttl_ms = TTL_MS}}};
    place->settings.profiles = &place->profile;
    place->settings.profile_count = 1;
    place->settings.gateway.allow_private_upstreams = (struct private_hosts){.count = 1, .at = {"true"}};
    http_server_open(&place->llm);
    http_server_url(&place->llm, "/v1/chat/completions", review->url);
    review->model_count = 1;
    (void)snprintf(review->models[0], sizeof review->models[0], "m");
    review->timeout_ms = PATIENCE_MS;
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, 1));
    assert_status(STATUS_OK, recent_open(&place->recent, place->live, place->metrics));
    assert_status(STATUS_OK, recent_fit(place->recent, &place->settings));
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    const struct review_flights_parts parts = {&place->settings, &place->review, NULL, place->recent, 1};
    assert_status(STATUS_OK, review_profile_open(&place->review, &place->profile,
                                                 &place->settings.gateway.allow_private_upstreams, place->metrics, stderr));
    assert_status(STATUS_OK, recent_basis_of(place->recent, place->rules, 0, RECENT_REVIEWED, &place->review.basis));
    assert_status(STATUS_OK, review_flights_open(&place->flights, &parts));
}

static void close_place(struct place *place)
{
    review_flights_close(&place->flights);
    review_profile_close(&place->review);
    rules_release(&place->rules);
    recent_close(&place->recent);
    live_close(&place->live);
    metrics_close(&place->metrics);
    http_server_close(&place->llm);
    buffer_free(&place->packed);
}

static const struct message_task *task_of(struct place *place, const struct bytes *texts, size_t count, uint64_t model_version)
{
    const struct message_task_head head = {.kind = SLOT_REVIEW, .remaining_ms = 1000, .model_version = model_version};

    buffer_free(&place->packed);
    place->task = task_make(&place->packed, &head, "default", texts, count);
    return &place->task;
}

static struct review_verdict review_texts(struct place *place, const struct bytes *texts, size_t count)
{
    size_t flight = review_flights_join(place->flights, &place->review, task_of(place, texts, count, 7), clock_ms() + PATIENCE_MS);
    struct review_verdict verdict;
    size_t number;

    while (!review_flights_next(place->flights, &number, &verdict)) {
        struct review_calls *calls = review_flights_calls(place->flights);
        zmq_pollitem_t items[ITEMS_MAX];
        size_t item_count = review_calls_poll(calls, items);

        (void)zmq_poll(items, (int)item_count, 10);
        review_calls_turn(calls, items, item_count);
        review_flights_turn(place->flights);
    }
    assert_int_equal(flight, number);
    review_flights_end(place->flights, number);
    return verdict;
}

static struct review_verdict review_one(struct place *place, const char *text)
{
    struct bytes one = bytes_of(text);

    return review_texts(place, &one, 1);
}

#define assert_verdict(expected_decided, expected_violation, expected_source, found)                                    \
    do {                                                                                                               \
        struct review_verdict assert_found = (found);                                                                   \
        assert_int_equal(expected_decided, assert_found.decided);                                                       \
        assert_int_equal(expected_violation, assert_found.answer.violation);                                            \
        assert_string_equal(verdict_source_name(expected_source), verdict_source_name(assert_found.source));            \
    } while (0)

static void a_strict_answer_is_known_again_without_a_call(void **state)
{
    struct review_verdict verdict;
    struct place place;

    (void)state;
    open_place(&place, 100);
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    assert_verdict(true, false, SOURCE_REVIEW, review_one(&place, "a text"));
    assert_verdict(true, false, SOURCE_CACHE, review_one(&place, "a text"));
    http_server_answer(&place.llm, HATE, HTTP_SERVER_ANSWER);
    assert_verdict(true, true, SOURCE_REVIEW, review_one(&place, "a bad text"));
    verdict = review_one(&place, "a bad text");
    assert_verdict(true, true, SOURCE_CACHE, verdict);
    assert_string_equal("hate", verdict.answer.category);
    assert_int_equal(REVIEW_CACHE, verdict.result);
    assert_int_equal(2, place.llm.request_count);
    close_place(&place);
}

static void of_many_texts_only_those_that_are_not_known_are_asked_about(void **state)
{
    struct bytes texts[] = {BYTES("one"), BYTES("two"), BYTES("three")};
    struct place place;

    (void)state;
    open_place(&place, 100);
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    assert_verdict(true, false, SOURCE_REVIEW, review_texts(&place, texts, 2));
    assert_verdict(true, false, SOURCE_REVIEW, review_texts(&place, texts, 3));
    assert_int_equal(1, http_server_count(&place.llm, "{\\\"texts\\\":[\\\"three\\\"]}"));
    assert_verdict(true, false, SOURCE_CACHE, review_texts(&place, texts, 3));
    assert_int_equal(2, place.llm.request_count);
    close_place(&place);
}

static void a_violation_among_many_and_no_verdict_are_not_kept(void **state)
{
    struct bytes texts[] = {BYTES("one"), BYTES("two")};
    struct place place;

    (void)state;
    open_place(&place, 100);
    http_server_answer(&place.llm, HATE, HTTP_SERVER_ANSWER);
    assert_verdict(true, true, SOURCE_REVIEW, review_texts(&place, texts, 2));
    http_server_answer(&place.llm, PROSE, HTTP_SERVER_ANSWER);
    assert_verdict(false, false, SOURCE_REVIEW, review_one(&place, "one"));
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    assert_verdict(true, false, SOURCE_REVIEW, review_one(&place, "one"));
    assert_int_equal(3, place.llm.request_count);
    close_place(&place);
}

static void without_entries_every_review_is_a_call(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 0);
    http_server_answer(&place.llm, PASS, HTTP_SERVER_ANSWER);
    assert_verdict(true, false, SOURCE_REVIEW, review_one(&place, "a text"));
    assert_verdict(true, false, SOURCE_REVIEW, review_one(&place, "a text"));
    assert_int_equal(2, place.llm.request_count);
    close_place(&place);
}

static void earlier_labels_are_kept_for_the_texts_that_passed(void **state)
{
    struct bytes texts[] = {BYTES("one"), BYTES("two"), BYTES("three")};
    const unsigned char labelled[UNSURE_BYTES_MAX] = {0x5};
    unsigned char passed[UNSURE_BYTES_MAX] = {0};
    struct review_answer answer = {0};
    struct review_recent review;
    struct place place;

    (void)state;
    open_place(&place, 100);
    review = (struct review_recent){place.recent, &place.review, task_of(&place, texts, 3, 7), 4};
    review_recent_keep_passed(&review, labelled);
    assert_int_equal(1, review_recent_ask(&review, passed, &answer));
    assert_int_equal(0x5, passed[0]);
    assert_false(answer.violation);
    review.labels_version = 5; /* a person may have said otherwise since */
    assert_int_equal(3, review_recent_ask(&review, passed, &answer));
    review.labels_version = 4;
    review.task = task_of(&place, texts, 3, 8);
    assert_int_equal(3, review_recent_ask(&review, passed, &answer));
    review.task = task_of(&place, texts, 3, 7);
    assert_int_equal(1, review_recent_ask(&review, passed, &answer));
    review.recent = NULL;
    assert_int_equal(3, review_recent_ask(&review, passed, &answer));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strict_answer_is_known_again_without_a_call),
        cmocka_unit_test(of_many_texts_only_those_that_are_not_known_are_asked_about),
        cmocka_unit_test(a_violation_among_many_and_no_verdict_are_not_kept),
        cmocka_unit_test(without_entries_every_review_is_a_call),
        cmocka_unit_test(earlier_labels_are_kept_for_the_texts_that_passed),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
