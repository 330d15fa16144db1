/* test_review_models: untried ones first, and a circuit that opens, is probed, and closes; each bound from both sides. */
#include "support/unit.h"

#include "moderator/review_models.h"
#include "proto/secret.h"

enum { NOW_MS = 1000000 };

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return 0;
}

static size_t pick(struct review_models *models, uint32_t tried, uint64_t random, uint64_t now_ms)
{
    size_t model = MODELS_MAX;
    uint64_t at_ms = 0;

    assert_status(STATUS_OK, review_models_pick(models, tried, random, now_ms, &model, &at_ms));
    return model;
}

static enum status try_pick(struct review_models *models, uint64_t now_ms, uint64_t *at_ms)
{
    size_t model;

    return review_models_pick(models, 0, 0, now_ms, &model, at_ms);
}

/* `count` failures, one each `step_ms`; the time of the last. */
static uint64_t fail_calls(struct review_models *models, size_t model, size_t count, uint64_t from_ms, uint64_t step_ms)
{
    for (size_t index = 0; index < count; index++) {
        (void)review_models_ended(models, model, CALL_FAILED, 0, from_ms + index * step_ms);
    }
    return from_ms + (count - 1) * step_ms;
}

static void untried_models_come_first_each_as_likely(void **state)
{
    unsigned counts[4] = {0};
    struct review_models models;

    (void)state;
    review_models_init(&models, 4);
    for (uint64_t random = 0; random < 12; random++) {
        counts[pick(&models, 0x5, random, NOW_MS)]++;
    }
    assert_int_equal(0, counts[0]);
    assert_int_equal(6, counts[1]);
    assert_int_equal(0, counts[2]);
    assert_int_equal(6, counts[3]);
    for (uint64_t random = 0; random < 12; random++) { /* all were tried: any */
        counts[pick(&models, 0xf, random, NOW_MS)]++;
    }
    assert_int_equal(3, counts[0]);
    assert_int_equal(9, counts[1]);
}

static void so_many_failures_in_a_row_open_a_circuit_and_one_less_does_not(void **state)
{
    uint64_t at_ms = 0;
    struct review_models models;

    (void)state;
    review_models_init(&models, 1);
    (void)fail_calls(&models, 0, REVIEW_CIRCUIT_FAILURES - 1, NOW_MS, 1);
    assert_int_equal(0, review_models_open_count(&models));
    (void)review_models_ended(&models, 0, CALL_ANSWERED, 0, NOW_MS); /* no row any more */
    (void)fail_calls(&models, 0, REVIEW_CIRCUIT_FAILURES - 1, NOW_MS, 1);
    assert_status(STATUS_OK, try_pick(&models, NOW_MS, &at_ms));
    assert_true(review_models_ended(&models, 0, CALL_FAILED, 0, NOW_MS + REVIEW_CIRCUIT_FAILURES));
    assert_int_equal(1, review_models_open_count(&models));
    assert_status(STATUS_UNAVAILABLE, try_pick(&models, NOW_MS + REVIEW_CIRCUIT_FAILURES, &at_ms));
}

static void failures_far_apart_open_nothing(void **state)
{
    enum { STEP_MS = REVIEW_CIRCUIT_MS / (REVIEW_CIRCUIT_FAILURES - 1) };
    struct review_models models;

    (void)state;
    review_models_init(&models, 2);
    (void)fail_calls(&models, 0, 20, NOW_MS, STEP_MS + 1);
    assert_int_equal(0, review_models_open_count(&models));
    (void)fail_calls(&models, 1, REVIEW_CIRCUIT_FAILURES, NOW_MS, STEP_MS);
    assert_int_equal(1, review_models_open_count(&models));
    assert_int_equal(0, pick(&models, 1, 7, NOW_MS + REVIEW_CIRCUIT_MS)); /* the other one, though it was tried */
}

/* The time at which an open circuit lets a call through. */
static uint64_t opened_for(struct review_models *models, uint64_t now_ms)
{
    uint64_t open_ms = 0;
    uint64_t at_ms;

    while (try_pick(models, now_ms + open_ms, &at_ms) == STATUS_UNAVAILABLE) {
        open_ms++;
    }
    return open_ms;
}

static void an_open_circuit_lets_one_probe_through_that_closes_or_opens_it(void **state)
{
    uint64_t at_ms = 0;
    uint64_t now_ms;
    uint64_t open_ms;
    struct review_models models;

    (void)state;
    review_models_init(&models, 1);
    now_ms = fail_calls(&models, 0, REVIEW_CIRCUIT_FAILURES, NOW_MS, 1);
    open_ms = opened_for(&models, now_ms);
    assert_in_range(open_ms, REVIEW_OPEN_MS / 2, REVIEW_OPEN_MS);
    now_ms += open_ms;
    assert_status(STATUS_UNAVAILABLE, try_pick(&models, now_ms, &at_ms)); /* it is being probed */
    assert_false(review_models_ended(&models, 0, CALL_FAILED, 0, now_ms));
    open_ms = opened_for(&models, now_ms);
    assert_in_range(open_ms, REVIEW_OPEN_MS, 2 * REVIEW_OPEN_MS);
    now_ms += open_ms;
    assert_false(review_models_ended(&models, 0, CALL_ABANDONED, 0, now_ms)); /* it said nothing: the next one probes */
    assert_status(STATUS_OK, try_pick(&models, now_ms, &at_ms));
    assert_true(review_models_ended(&models, 0, CALL_ANSWERED, 0, now_ms));
    assert_int_equal(0, review_models_open_count(&models));
    assert_status(STATUS_OK, try_pick(&models, now_ms, &at_ms));
    assert_status(STATUS_OK, try_pick(&models, now_ms, &at_ms));
}

static void a_circuit_is_never_open_longer_than_its_bound(void **state)
{
    uint64_t now_ms;
    struct review_models models;

    (void)state;
    review_models_init(&models, 1);
    now_ms = fail_calls(&models, 0, REVIEW_CIRCUIT_FAILURES, NOW_MS, 1);
    for (int probe = 0; probe < 8; probe++) {
        now_ms += opened_for(&models, now_ms);
        (void)review_models_ended(&models, 0, CALL_FAILED, 0, now_ms);
    }
    assert_in_range(opened_for(&models, now_ms), REVIEW_OPEN_MAX_MS / 2, REVIEW_OPEN_MAX_MS);
}

static void a_model_that_asked_for_a_pause_rests_as_long_and_no_longer_than_the_bound(void **state)
{
    uint64_t at_ms = 0;
    struct review_models models;

    (void)state;
    review_models_init(&models, 2);
    assert_false(review_models_ended(&models, 0, CALL_ANSWERED, 5000, NOW_MS));
    assert_int_equal(1, pick(&models, 0, 0, NOW_MS + 4999));
    (void)review_models_ended(&models, 1, CALL_ANSWERED, REVIEW_REST_MAX_MS + 1, NOW_MS);
    assert_status(STATUS_AGAIN, try_pick(&models, NOW_MS + 4999, &at_ms));
    assert_int_equal(NOW_MS + 5000, at_ms);
    assert_int_equal(0, pick(&models, 0, 0, NOW_MS + 5000));
    (void)review_models_ended(&models, 0, CALL_FAILED, REVIEW_REST_MAX_MS, NOW_MS + 5000);
    assert_status(STATUS_AGAIN, try_pick(&models, NOW_MS + REVIEW_REST_MAX_MS - 1, &at_ms));
    assert_int_equal(NOW_MS + REVIEW_REST_MAX_MS, at_ms);
    assert_int_equal(1, pick(&models, 0, 0, at_ms));
}

static void an_answer_blames_the_model_only_where_it_is_the_models(void **state)
{
    static const unsigned blamed[] = {401, 408, 429, 500, 503, 599};
    static const unsigned not_blamed[] = {201, 301, 400, 403, 404, 409, 413, 422, 428, 430, 499};

    (void)state;
    for (size_t index = 0; index < sizeof blamed / sizeof *blamed; index++) {
        assert_true(review_models_blames(blamed[index]));
    }
    for (size_t index = 0; index < sizeof not_blamed / sizeof *not_blamed; index++) {
        assert_false(review_models_blames(not_blamed[index]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(untried_models_come_first_each_as_likely),
        cmocka_unit_test(so_many_failures_in_a_row_open_a_circuit_and_one_less_does_not),
        cmocka_unit_test(failures_far_apart_open_nothing),
        cmocka_unit_test(an_open_circuit_lets_one_probe_through_that_closes_or_opens_it),
        cmocka_unit_test(a_circuit_is_never_open_longer_than_its_bound),
        cmocka_unit_test(an_answer_blames_the_model_only_where_it_is_the_models),
        cmocka_unit_test(a_model_that_asked_for_a_pause_rests_as_long_and_no_longer_than_the_bound),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
