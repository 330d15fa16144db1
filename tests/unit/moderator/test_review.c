/* test_review: a real gateway socket on one side and a real HTTP server on the other: verdicts, failures, labels, leaving. */
#include "support/gateway.h"
#include "support/http_server.h"
#include "support/labels.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/review.h"
#include "moderator/review_call.h"
#include "proto/json.h"
#include "proto/secret.h"

#include <math.h>

#define PASS "{\"violation\":false,\"category\":\"\",\"reason\":\"\"}"
#define HATE "{\"violation\":true,\"category\":\"hate\",\"reason\":\"\"}"

enum { ANSWERS = 8 };

static int start(void **state)
{
    assert_status(STATUS_OK, wire_start());
    assert_status(STATUS_OK, review_call_start_library());
    return start_labels(state);
}

struct place {
    struct http_server llm;
    struct gateway gateway;
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct lookup *gateways;
    struct history *history;
    struct rules *rules;
    struct review *review;
    uint64_t sequence;
    struct buffer answers[ANSWERS]; /* what the LLM was told to say, kept until the end */
    size_t answer_count;
};

/* From now on the LLM answers with this status line and a completion of this content. */
static void llm_says(struct place *place, const char *status_line, const char *content)
{
    struct buffer *answer = &place->answers[place->answer_count++];
    struct json_writer writer;
    struct buffer body;

    assert_true(place->answer_count <= ANSWERS);
    buffer_init(&body, 4 * KIB);
    json_writer_init(&writer, &body);
    json_write_object_begin(&writer);
    json_write_key(&writer, "choices");
    json_write_array_begin(&writer);
    json_write_object_begin(&writer);
    json_write_key(&writer, "message");
    json_write_object_begin(&writer);
    json_write_key(&writer, "content");
    json_write_text(&writer, content);
    json_write_object_end(&writer);
    json_write_object_end(&writer);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    assert_status(STATUS_OK, writer.status);
    buffer_init(answer, 8 * KIB);
    assert_status(STATUS_OK, buffer_append_format(answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status_line, body.count));
    assert_status(STATUS_OK, buffer_append(answer, buffer_view(&body)));
    assert_status(STATUS_OK, buffer_append(answer, (struct bytes){"", 1}));
    buffer_free(&body);
    http_server_answer(&place->llm, answer->data, HTTP_SERVER_ANSWER);
}

/* `concurrency` review slots of the profile "default"; the other profile has no review. */
static void prepare_place(struct place *place, uint64_t concurrency)
{
    *place = (struct place){.profiles = {{.name = "plain"}, {.name = "default"}}};
    http_server_open(&place->llm);
    gateway_open(&place->gateway, "tcp://127.0.0.1:*");
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->settings.gateway.limits.moderated_text_bytes = 4 * MIB;
    place->settings.moderator.gateways.count = 1;
    assert_status(STATUS_OK, bytes_copy(bytes_of(wire_endpoint(place->gateway.wire)), place->settings.moderator.gateways.at[0],
                                        sizeof place->settings.moderator.gateways.at[0]));
    http_server_url(&place->llm, "/v1/chat/completions", place->profiles[1].review.url);
    place->settings.gateway.allow_private_upstreams = (struct private_hosts){.count = 1, .at = {"127.0.0.1"}};
    place->profiles[1].review.model_count = 1;
    assert_status(STATUS_OK, bytes_copy(BYTES("reviewer"), place->profiles[1].review.models[0], PROFILE_NAME_BYTES_MAX + 1));
    place->profiles[1].review.timeout_ms = GATEWAY_WAIT_MS;
    place->profiles[1].review.concurrency = concurrency;
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    const struct lookup_options options = {
        .endpoints = &place->settings.moderator.gateways, .what = "gateways", .metrics = place->metrics};
    assert_status(STATUS_OK, lookup_open(&place->gateways, &options));
}

static void open_review(struct place *place)
{
    struct review_parts parts = {
        .metrics = place->metrics,
        .gateways = place->gateways,
        .history = place->history,
        .identity = BYTES("0123456789abcdef"),
    };

    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    parts.rules = place->rules;
    assert_status(STATUS_OK, review_open(&place->review, &parts, stderr));
}

static void open_place(struct place *place, uint64_t concurrency)
{
    prepare_place(place, concurrency);
    open_review(place);
}

static void close_place(struct place *place)
{
    review_close(&place->review);
    review_close(&place->review);
    rules_release(&place->rules);
    lookup_close(&place->gateways);
    history_close(&place->history);
    metrics_close(&place->metrics);
    gateway_close(&place->gateway);
    http_server_close(&place->llm);
    for (size_t index = 0; index < place->answer_count; index++) {
        buffer_free(&place->answers[index]);
    }
}

static void expect_ready(struct place *place)
{
    struct message_ready ready;

    assert_status(STATUS_OK, message_read_ready(gateway_expect(&place->gateway, MESSAGE_READY), &ready));
    assert_int_equal(SLOT_REVIEW, ready.kind);
    assert_bytes("default", ready.profile);
    assert_bytes("0123456789abcdef", ready.worker);
    assert_int_equal(4 * MIB, ready.text_bytes_max);
}

static void send_task_to(struct place *place, const char *profile, const struct bytes *texts, size_t count, uint32_t remaining_ms)
{
    const struct message_task_head head = {.nonce = 7,
                                           .sequence = ++place->sequence,
                                           .kind = SLOT_REVIEW,
                                           .remaining_ms = remaining_ms,
                                           .drawn = DRAWN_RANDOM,
                                           .score = 0.5f,
                                           .model_version = 3};
    struct buffer packed;

    task_pack(&packed, &head, profile, texts, count);
    gateway_send(&place->gateway, buffer_view(&packed));
    buffer_free(&packed);
}

static void send_text(struct place *place, const char *text)
{
    struct bytes texts[] = {bytes_of(text)};

    send_task_to(place, "default", texts, 1, GATEWAY_WAIT_MS);
}

static struct message_verdict expect_verdict(struct place *place)
{
    struct message_verdict verdict = gateway_verdict(&place->gateway);

    assert_int_equal(7, verdict.nonce);
    assert_int_equal(place->sequence, verdict.sequence);
    assert_int_equal(3, verdict.model_version);
    assert_true(verdict.score > 0.49f && verdict.score < 0.51f);
    return verdict;
}

static int64_t counted(struct place *place, const char *result)
{
    const struct metric_label labels[] = {{"profile", "default"}, {"result", result}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_reviews_total", "", labels, 2));
}

static void expect_no_verdict(struct place *place, const char *result, int64_t count)
{
    struct message_verdict verdict = expect_verdict(place);

    assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
    assert_int_equal(0, verdict.category.count);
    assert_int_equal(count, counted(place, result));
}

static void an_answer_becomes_a_verdict(void **state)
{
    struct message_verdict verdict;
    struct place place;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    llm_says(&place, "200 OK", HATE);
    send_text(&place, "a bad text");
    verdict = expect_verdict(&place);
    assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
    assert_int_equal(SOURCE_REVIEW, verdict.source);
    assert_bytes("hate", verdict.category);
    llm_says(&place, "200 OK", PASS);
    send_text(&place, "a good text");
    verdict = expect_verdict(&place);
    assert_int_equal(OUTCOME_ALLOW, verdict.outcome);
    assert_int_equal(SOURCE_REVIEW, verdict.source);
    assert_int_equal(0, verdict.category.count);
    assert_int_equal(1, counted(&place, "block"));
    assert_int_equal(1, counted(&place, "allow"));
    close_place(&place);
}

static void every_failure_is_no_verdict_and_the_slot_goes_on(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    llm_says(&place, "200 OK", "I will not judge that.");
    send_text(&place, "a text");
    expect_no_verdict(&place, "no_verdict", 1);
    llm_says(&place, "500 Oops", "");
    send_text(&place, "a text");
    expect_no_verdict(&place, "http_error", 1);
    /* A verdict under another status is none. */
    llm_says(&place, "201 Created", PASS);
    send_text(&place, "a text");
    expect_no_verdict(&place, "http_error", 2);
    http_server_answer(&place.llm, "", HTTP_SERVER_CUT);
    send_text(&place, "a text");
    expect_no_verdict(&place, "failed", 1);
    llm_says(&place, "200 OK", PASS);
    send_text(&place, "a text");
    assert_int_equal(OUTCOME_ALLOW, expect_verdict(&place).outcome);
    close_place(&place);
}

static void the_shorter_of_both_times_ends_a_review(void **state)
{
    struct bytes text = BYTES("a text");
    struct place place;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    send_task_to(&place, "default", &text, 1, 100); /* far below review.timeout */
    expect_no_verdict(&place, "timeout", 1);
    send_task_to(&place, "default", &text, 1, 0);
    assert_int_equal(BUSY_EXPIRED, gateway_busy(&place.gateway).reason);
    close_place(&place);
}

static void the_settings_time_ends_a_review_too(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 1);
    place.profiles[1].review.timeout_ms = 100; /* before the first task is sent */
    expect_ready(&place);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    send_text(&place, "a text");
    expect_no_verdict(&place, "timeout", 1);
    close_place(&place);
}

static void a_task_of_another_profile_is_refused(void **state)
{
    struct bytes text = BYTES("a text");
    struct place place;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    send_task_to(&place, "plain", &text, 1, GATEWAY_WAIT_MS);
    assert_int_equal(BUSY_UNKNOWN_PROFILE, gateway_busy(&place.gateway).reason);
    close_place(&place);
}

static void a_text_that_no_request_holds_is_no_verdict(void **state)
{
    char *text = malloc(REVIEW_REQUEST_BYTES_MAX);
    struct bytes texts[1];
    struct place place;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', REVIEW_REQUEST_BYTES_MAX);
    texts[0] = (struct bytes){text, REVIEW_REQUEST_BYTES_MAX};
    open_place(&place, 1);
    expect_ready(&place);
    send_task_to(&place, "default", texts, 1, GATEWAY_WAIT_MS);
    expect_no_verdict(&place, "too_large", 1);
    assert_int_equal(0, place.llm.request_count);
    close_place(&place);
    free(text);
}

static void a_ping_is_answered_between_reviews(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    gateway_ping(&place.gateway);
    (void)gateway_expect(&place.gateway, MESSAGE_PONG);
    close_place(&place);
}

static void several_reviews_run_at_once(void **state)
{
    char identities[3][GATEWAY_IDENTITY_BYTES];
    size_t identity_bytes[3];
    struct place place;

    (void)state;
    open_place(&place, 3);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    for (size_t index = 0; index < 3; index++) {
        expect_ready(&place);
        identity_bytes[index] = place.gateway.identity_bytes;
        memcpy(identities[index], place.gateway.identity, identity_bytes[index]);
        send_text(&place, (const char *[]){"one", "two", "three"}[index]);
    }
    http_server_await(&place.llm, 3, 0); /* all three are under way, and none is answered */
    close_place(&place);
    assert_false(bytes_equal((struct bytes){identities[0], identity_bytes[0]}, (struct bytes){identities[1], identity_bytes[1]}));
}

static int64_t shared(struct place *place)
{
    const struct metric_label label = {"profile", "default"};

    return series_value(
        metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_reviews_shared_total", "", &label, 1));
}

/* Each of both has its own time: the first gives up, and the call goes on for the second. */
static void the_same_text_at_once_is_asked_once_and_every_slot_answers(void **state)
{
    struct bytes text = BYTES("a text");
    struct place place;

    (void)state;
    open_place(&place, 3);
    llm_says(&place, "200 OK", HATE);
    http_server_hold(&place.llm, true);
    for (int slot = 0; slot < 3; slot++) {
        expect_ready(&place);
        send_task_to(&place, "default", &text, 1, slot == 0 ? 100 : GATEWAY_WAIT_MS);
        http_server_await(&place.llm, 1, 0);
    }
    place.sequence = 1;
    expect_no_verdict(&place, "timeout", 1);
    while (shared(&place) != 2) {
        (void)poll(NULL, 0, 5);
    }
    http_server_hold(&place.llm, false);
    for (place.sequence = 2; place.sequence <= 3; place.sequence++) {
        struct message_verdict verdict = gateway_verdict(&place.gateway);

        assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
        assert_bytes("hate", verdict.category);
    }
    assert_int_equal(1, place.llm.request_count);
    close_place(&place);
}

static void leaving_waits_for_the_answer_and_says_bye(void **state)
{
    struct place place;
    pthread_t closer;
    struct bytes frame;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    place.profiles[1].review.timeout_ms = 500;
    send_text(&place, "a text");
    http_server_await(&place.llm, 1, 0);
    assert_int_equal(0, pthread_create(&closer, NULL, (void *(*)(void *))(void (*)(void))review_close, &place.review));
    expect_no_verdict(&place, "timeout", 1);
    gateway_ping(&place.gateway);
    (void)gateway_expect(&place.gateway, MESSAGE_BYE);
    assert_int_equal(0, pthread_join(closer, NULL));
    assert_null(place.review);
    assert_false(gateway_hear(&place.gateway, 0, &frame));
    close_place(&place);
}

/* What takes longer than the drain is another moderator's. */
static void leaving_does_not_wait_for_ever_and_passes_the_review_on(void **state)
{
    struct bytes texts[] = {BYTES("a text")};
    struct place place;
    pthread_t closer;

    (void)state;
    open_place(&place, 1);
    expect_ready(&place);
    http_server_answer(&place.llm, "", HTTP_SERVER_HANG);
    place.profiles[1].review.timeout_ms = 60000;
    send_task_to(&place, "default", texts, 1, 60000);
    http_server_await(&place.llm, 1, 0);
    clock_freeze(clock_ms());
    assert_int_equal(0, pthread_create(&closer, NULL, (void *(*)(void *))(void (*)(void))review_close, &place.review));
    (void)poll(NULL, 0, 200); /* it has begun to leave */
    clock_freeze(clock_ms() + REVIEW_DRAIN_MS);
    (void)gateway_expect(&place.gateway, MESSAGE_BYE);
    assert_int_equal(0, pthread_join(closer, NULL));
    clock_freeze(0);
    close_place(&place);
}

static int64_t number(const struct place *place, const char *sql)
{
    return samples_ask(&place->settings.database, sql);
}

static void only_certain_labels_are_kept(void **state)
{
    struct bytes two[] = {BYTES("first of two"), BYTES("second of two")};
    struct place place;
    struct db *db = NULL;

    (void)state;
    prepare_place(&place, 1);
    db = labels_create("labels", &place.settings.database);
    db_close(&db);
    assert_status(STATUS_OK, history_open(&place.history, &place.settings, NULL, place.metrics, NULL));
    open_review(&place);
    expect_ready(&place);

    llm_says(&place, "200 OK", HATE);
    send_text(&place, "one bad text");
    assert_int_equal(OUTCOME_BLOCK, expect_verdict(&place).outcome);
    send_task_to(&place, "default", two, 2, GATEWAY_WAIT_MS); /* which of them is bad, nobody knows */
    assert_int_equal(OUTCOME_BLOCK, expect_verdict(&place).outcome);
    llm_says(&place, "200 OK", "no");
    send_text(&place, "never judged");
    assert_int_equal(OUTCOME_UNSURE, expect_verdict(&place).outcome);
    llm_says(&place, "200 OK", PASS);
    two[0] = BYTES("first good text");
    two[1] = BYTES("second good text");
    send_task_to(&place, "default", two, 2, GATEWAY_WAIT_MS);
    assert_int_equal(OUTCOME_ALLOW, expect_verdict(&place).outcome);

    review_close(&place.review);
    history_close(&place.history); /* writes all */
    assert_int_equal(3, number(&place, "select count(*) from verdicts where drawn = 1"));
    assert_int_equal(1, number(&place, "select count(*) from samples where label = 1"));
    assert_int_equal(1, number(&place, "select count(*) from verdicts where category = 'hate'"));
    assert_int_equal(2, number(&place, "select count(*) from samples where label = 0 and text like '%good text'::bytea"));
    close_place(&place);
}

static void a_review_is_wanted_when_any_profile_has_one(void **state)
{
    struct profile_settings profiles[2] = {{.name = "a"}, {.name = "b"}};
    struct settings settings = {.profiles = profiles, .profile_count = 2};

    (void)state;
    assert_false(review_wanted(&settings));
    profiles[1].review.url[0] = 'h';
    assert_true(review_wanted(&settings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_becomes_a_verdict),
        cmocka_unit_test(every_failure_is_no_verdict_and_the_slot_goes_on),
        cmocka_unit_test(the_shorter_of_both_times_ends_a_review),
        cmocka_unit_test(the_settings_time_ends_a_review_too),
        cmocka_unit_test(a_task_of_another_profile_is_refused),
        cmocka_unit_test(a_text_that_no_request_holds_is_no_verdict),
        cmocka_unit_test(a_ping_is_answered_between_reviews),
        cmocka_unit_test(several_reviews_run_at_once),
        cmocka_unit_test(the_same_text_at_once_is_asked_once_and_every_slot_answers),
        cmocka_unit_test(leaving_waits_for_the_answer_and_says_bye),
        cmocka_unit_test(leaving_does_not_wait_for_ever_and_passes_the_review_on),
        cmocka_unit_test(only_certain_labels_are_kept),
        cmocka_unit_test(a_review_is_wanted_when_any_profile_has_one),
    };

    return cmocka_run_group_tests(tests, start, stop_labels);
}
