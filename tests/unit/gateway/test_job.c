/* job: text is packed once and counted; both bounds are exact. */
#include "support/unit.h"

#include "gateway/job.h"
#include "proto/limits.h"

#include <math.h>
#include <stdlib.h>

static const struct profile_settings profile = {.name = "default"};

static void the_text_of_all_segments_is_bounded_exactly(void **state)
{
    struct job *job = NULL;

    (void)state;
    assert_status(STATUS_OK, job_open(&job, 1, NULL, &profile, BYTES(""), 5));
    assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, BYTES("abc")}));
    assert_status(STATUS_TOO_LARGE, job_add(job, &(struct segment){SCOPE_USER, BYTES("def")}));
    assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, BYTES("de")}));
    assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, BYTES("")}));
    assert_status(STATUS_TOO_LARGE, job_add(job, &(struct segment){SCOPE_USER, BYTES("f")}));
    assert_int_equal(5, job->text_bytes);
    job_close(&job);
    assert_null(job);
}

static void the_largest_job_fits_its_buffer(void **state)
{
    enum { TEXT_BYTES_MAX = SEGMENTS_MAX * 300 };
    char *text = malloc(300);
    struct job *job = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 300);
    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, BYTES(""), TEXT_BYTES_MAX));
    for (size_t index = 0; index < SEGMENTS_MAX; index++) {
        assert_status(STATUS_OK, job_add(job, &(struct segment){SCOPE_USER, {text, 300}}));
    }
    assert_status(STATUS_FULL, job_add(job, &(struct segment){SCOPE_USER, BYTES("")}));
    job_close(&job);
    free(text);
}

static void a_new_job_has_no_verdict(void **state)
{
    struct job *job = NULL;
    int owner;

    (void)state;
    assert_status(STATUS_OK, job_open(&job, 3, &owner, &profile, BYTES(""), 1));
    assert_ptr_equal(&owner, job->owner);
    assert_int_equal(3, job->loop_index);
    assert_status(STATUS_UNAVAILABLE, job->result.status);
    assert_true(isnan(job->result.score));
    assert_bytes("", job_category(job));
    job_close(&job);
    job_close(&job); /* nothing left to close */
}

static const unsigned char worker[WORKER_ID_BYTES] = "0123456789abcde";

static struct message_verdict verdict_of(enum outcome outcome, enum verdict_source source, const char *category)
{
    return (struct message_verdict){
        .outcome = outcome, .source = source, .category = bytes_of(category), .score = 0.5f, .model_version = 7};
}

static void a_review_decides_over_the_model_and_keeps_its_score(void **state)
{
    struct message_verdict first = verdict_of(OUTCOME_UNSURE, SOURCE_MODEL, "nearer");
    struct message_verdict second = verdict_of(OUTCOME_ALLOW, SOURCE_REVIEW, "not shown");
    struct job *job = NULL;

    (void)state;
    first.fallback = OUTCOME_BLOCK;
    second.score = NAN;
    second.model_version = 0;
    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, BYTES(""), 1));
    job_take_verdict(job, SLOT_LOCAL, &first, worker);
    assert_int_equal(OUTCOME_BLOCK, job->result.outcome);
    assert_int_equal(SOURCE_MODEL, job->result.source);
    assert_bytes("nearer", job_category(job));
    job_take_verdict(job, SLOT_REVIEW, &second, worker);
    assert_int_equal(OUTCOME_ALLOW, job->result.outcome);
    assert_int_equal(SOURCE_REVIEW, job->result.source);
    assert_bytes("", job_category(job)); /* what is allowed has none */
    assert_string_equal("", job->result.category);
    assert_true(job->result.score == 0.5f);
    assert_int_equal(7, job->result.model_version);
    assert_memory_equal(worker, job->result.worker, WORKER_ID_BYTES);
    job_close(&job);
}

static void a_review_that_is_unsure_changes_nothing(void **state)
{
    struct message_verdict first = verdict_of(OUTCOME_UNSURE, SOURCE_UNDECIDED, "nearer");
    struct message_verdict second = verdict_of(OUTCOME_UNSURE, SOURCE_MODEL, "other");
    struct job *job = NULL;

    (void)state;
    first.fallback = OUTCOME_BLOCK;
    second.fallback = OUTCOME_ALLOW;
    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, BYTES(""), 1));
    job_take_verdict(job, SLOT_LOCAL, &first, worker);
    job_take_verdict(job, SLOT_REVIEW, &second, worker);
    assert_int_equal(OUTCOME_BLOCK, job->result.outcome);
    assert_int_equal(SOURCE_UNDECIDED, job->result.source);
    assert_bytes("nearer", job_category(job));
    job_close(&job);
}

static void the_longest_category_fits(void **state)
{
    char category[CATEGORY_BYTES_MAX + 1] = "";
    struct message_verdict verdict;
    struct job *job = NULL;

    (void)state;
    memset(category, 'c', CATEGORY_BYTES_MAX);
    verdict = verdict_of(OUTCOME_BLOCK, SOURCE_KEYWORD, category);
    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, BYTES(""), 1));
    job_take_verdict(job, SLOT_LOCAL, &verdict, worker);
    assert_string_equal(category, job->result.category);
    job_block_undecided(job);
    assert_string_equal(CATEGORY_UNDECIDED, job->result.category);
    assert_int_equal(strlen(CATEGORY_UNDECIDED), job->result.category_bytes);
    job_close(&job);
}

static void its_text_is_charged_until_it_is_closed(void **state)
{
    struct metrics *metrics = NULL;
    struct account account;
    struct job *jobs[2] = {NULL, NULL};

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    for (size_t index = 0; index < 2; index++) {
        assert_status(STATUS_OK, job_open(&jobs[index], 0, NULL, &profile, BYTES(""), KIB));
        assert_status(STATUS_OK, job_add(jobs[index], &(struct segment){SCOPE_USER, BYTES("text")}));
    }
    account_open(&account, "jobs", jobs[0]->body.room, metrics);
    assert_status(STATUS_OK, job_charge(jobs[0], &account));
    assert_status(STATUS_FULL, job_charge(jobs[1], &account));
    job_close(&jobs[1]);
    assert_int_equal(jobs[0]->body.room, account_bytes(&account));
    job_close(&jobs[0]);
    account_close(&account);
    metrics_close(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_all_segments_is_bounded_exactly),
        cmocka_unit_test(the_largest_job_fits_its_buffer),
        cmocka_unit_test(a_new_job_has_no_verdict),
        cmocka_unit_test(a_review_decides_over_the_model_and_keeps_its_score),
        cmocka_unit_test(a_review_that_is_unsure_changes_nothing),
        cmocka_unit_test(the_longest_category_fits),
        cmocka_unit_test(its_text_is_charged_until_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
