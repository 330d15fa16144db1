/* Tests of exchange_debug: what an answer tells when it is asked to, under which names, and that it tells nothing otherwise. */
#include "gateway/exchange.h"

#include "support/judged.h"

#include <math.h>

/* A town whose profile has a model, with a moderator. */
static void open_town(struct town *town, struct scripted *slot, bool debug_headers)
{
    town_init(town);
    town->settings.gateway.debug_headers = debug_headers;
    town->profile.model_kind = MODEL_KIND_HASHLINEAR;
    town->profile.low = 0.2;
    town->profile.high = 0.8;
    town_start(town);
    town_moderator(town, slot);
}

static void close_town(struct town *town, struct scripted *slot)
{
    scripted_close(slot);
    town_close(town);
}

/* The answer to a request with this verdict; the caller frees it. */
static char *answer_of(struct town *town, struct scripted *slot, const struct message_verdict *like)
{
    struct message_verdict verdict = *like;
    int client = judged_ask(town);

    scripted_task(slot);
    verdict.nonce = slot->task.head.nonce;
    verdict.sequence = slot->task.head.sequence;
    scripted_send_verdict(slot, &verdict);
    if (verdict.outcome == OUTCOME_ALLOW) {
        judged_serve(town, "{}");
    }
    return judged_hear(client);
}

static void assert_has(const char *answer, const char *line)
{
    if (strstr(answer, line) == NULL) {
        fail_msg("'%s' is not in:\n%s", line, answer);
    }
}

static const struct message_verdict by_model = {.outcome = OUTCOME_BLOCK,
                                                .source = SOURCE_MODEL,
                                                .category = {"violence", 8},
                                                .score = 0.875f,
                                                .model_version = 12,
                                                .worker_us = 7};

static void a_refusal_tells_how_it_came_about(void **state)
{
    struct town town;
    struct scripted slot;
    char *answer;

    (void)state;
    open_town(&town, &slot, true);
    answer = answer_of(&town, &slot, &by_model);
    assert_memory_equal("HTTP/1.1 400 ", answer, 13);
    assert_has(answer, "\r\nx-prismguard-source: model\r\n");
    assert_has(answer, "\r\nx-prismguard-outcome: block\r\n");
    assert_has(answer, "\r\nx-prismguard-category: violence\r\n");
    assert_has(answer, "\r\nx-prismguard-score: 0.8750\r\n");
    assert_has(answer, "\r\nx-prismguard-model-version: 12\r\n");
    assert_has(answer, "\r\nx-prismguard-timings: read;dur=");
    assert_has(answer, ", queue;dur=");
    assert_has(answer, ", judge;dur=");
    assert_has(answer, ", review;dur=0.000\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-source: hashlinear_model\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-decision: block\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-confidence: 0.875\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-latency-ms: ");
    assert_has(answer, "\r\nx-prismguard-llm-reviewed: false\r\n");
    assert_null(strstr(answer, "x-prismguard-llm-result"));
    assert_null(strstr(answer, "hello"));
    free(answer);
    close_town(&town, &slot);
}

static void a_relayed_answer_tells_it_too(void **state)
{
    struct message_verdict verdict = {.outcome = OUTCOME_ALLOW, .source = SOURCE_MODEL, .score = 0.5f, .model_version = 3};
    struct town town;
    struct scripted slot;
    char *answer;

    (void)state;
    open_town(&town, &slot, true);
    answer = answer_of(&town, &slot, &verdict);
    assert_memory_equal("HTTP/1.1 200 ", answer, 13);
    assert_has(answer, "\r\nx-prismguard-outcome: allow\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-decision: uncertain\r\n");
    assert_null(strstr(answer, "x-prismguard-category"));
    free(answer);
    verdict.score = 0.125f;
    answer = answer_of(&town, &slot, &verdict);
    assert_has(answer, "\r\nx-prismguard-local-model-decision: allow\r\n");
    free(answer);
    close_town(&town, &slot);
}

static void a_keyword_has_no_score_and_is_not_told(void **state)
{
    const struct message_verdict verdict = {
        .outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD, .category = BYTES("keyword"), .score = NAN};
    struct town town;
    struct scripted slot;
    char *answer;

    (void)state;
    open_town(&town, &slot, true);
    answer = answer_of(&town, &slot, &verdict);
    assert_has(answer, "\r\nx-prismguard-source: keyword\r\n");
    assert_has(answer, "\r\nx-prismguard-local-model-decision: skipped\r\n");
    assert_null(strstr(answer, "x-prismguard-score"));
    assert_null(strstr(answer, "x-prismguard-local-model-source"));
    assert_null(strstr(answer, "hello"));
    free(answer);
    close_town(&town, &slot);
}

static void what_an_observing_profile_would_do_is_told(void **state)
{
    struct town town;
    struct scripted slot;
    int client;
    char *answer;

    (void)state;
    town_init(&town);
    town.settings.gateway.debug_headers = true;
    town.profile.observe = true;
    town_start(&town);
    town_moderator(&town, &slot);
    client = judged_ask(&town);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    judged_serve(&town, "{}");
    answer = judged_hear(client);
    assert_has(answer, "\r\nx-prismguard-would: block\r\n");
    assert_has(answer, "\r\nx-prismguard-outcome: block\r\n");
    free(answer);
    close_town(&town, &slot);
}

static void wait_for_reviewer(struct town *town)
{
    const struct metric_label labels[] = {{"kind", "review"}, {"state", "idle"}};
    const struct series *idle = metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_pool_slots", "", labels, 2);
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (series_value(idle) == 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(1, series_value(idle));
}

/* The answer to a request that is reviewed, with this verdict of the reviewer; the caller frees it. */
static char *reviewed_answer_of(struct town *town, struct scripted *local, struct scripted *reviewer, enum verdict_source source)
{
    int client = judged_ask(town);
    struct message_verdict verdict;

    scripted_task(local);
    scripted_unsure(local, OUTCOME_ALLOW, DRAWN_UNSURE, 0);
    scripted_task(reviewer);
    verdict = scripted_verdict(reviewer, OUTCOME_BLOCK);
    verdict.source = source;
    verdict.category = BYTES("violence");
    scripted_send_verdict(reviewer, &verdict);
    return judged_hear(client);
}

static void whoever_answers_a_review_its_verdict_is_told(void **state)
{
    static const enum verdict_source sources[] = {SOURCE_REVIEW, SOURCE_HISTORY, SOURCE_CACHE};
    struct town town;
    struct scripted local, reviewer;

    (void)state;
    town_init(&town);
    town.settings.gateway.debug_headers = true;
    (void)snprintf(town.profile.review.url, sizeof town.profile.review.url, "http://127.0.0.1:1/");
    town_start(&town);
    scripted_open(&reviewer, pool_endpoint(town.pool), SLOT_REVIEW, "default");
    wait_for_reviewer(&town);
    town_moderator(&town, &local);
    for (size_t index = 0; index < sizeof sources / sizeof sources[0]; index++) {
        char source[64];
        char *answer = reviewed_answer_of(&town, &local, &reviewer, sources[index]);

        (void)snprintf(source, sizeof source, "\r\nx-prismguard-source: %s\r\n", verdict_source_name(sources[index]));
        assert_has(answer, source);
        assert_has(answer, "\r\nx-prismguard-category: violence\r\n");
        assert_has(answer, "\r\nx-prismguard-llm-reviewed: true\r\n");
        assert_has(answer, "\r\nx-prismguard-llm-result: block\r\n");
        assert_null(strstr(answer, "x-prismguard-llm-error"));
        free(answer);
    }
    scripted_close(&reviewer);
    close_town(&town, &local);
}

/* What differs from answer to answer anyhow, made the same. */
static void blank_decision(char *answer)
{
    char decision[DECISION_ID_BYTES + 1];
    char *at = strstr(answer, "x-prismguard-decision: ");

    assert_non_null(at);
    memcpy(decision, at + strlen("x-prismguard-decision: "), DECISION_ID_BYTES);
    decision[DECISION_ID_BYTES] = '\0';
    while ((at = strstr(answer, decision)) != NULL) {
        memset(at, '0', DECISION_ID_BYTES);
    }
}

static void without_it_reasons_cannot_be_told_apart(void **state)
{
    struct message_verdict verdict = by_model;
    struct town town;
    struct scripted slot;
    char *first, *second;

    (void)state;
    open_town(&town, &slot, false);
    first = answer_of(&town, &slot, &verdict);
    verdict.source = SOURCE_REVIEW;
    verdict.score = NAN;
    verdict.model_version = 0;
    second = answer_of(&town, &slot, &verdict);
    blank_decision(first);
    blank_decision(second);
    assert_string_equal(first, second);
    assert_null(strstr(strstr(first, "x-prismguard-decision") + 1, "x-prismguard-"));
    free(first);
    free(second);
    close_town(&town, &slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_tells_how_it_came_about),
        cmocka_unit_test(a_relayed_answer_tells_it_too),
        cmocka_unit_test(a_keyword_has_no_score_and_is_not_told),
        cmocka_unit_test(what_an_observing_profile_would_do_is_told),
        cmocka_unit_test(whoever_answers_a_review_its_verdict_is_told),
        cmocka_unit_test(without_it_reasons_cannot_be_told_apart),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
