/* job: text is packed once and counted; both bounds are exact. */
#include "support/unit.h"

#include "gateway/job.h"

#include <math.h>
#include <stdlib.h>

static const struct profile_settings profile = {.name = "default"};

static void the_text_of_all_segments_is_bounded_exactly(void **state)
{
    struct job *job = NULL;

    (void)state;
    assert_status(STATUS_OK, job_open(&job, 1, NULL, &profile, 5));
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
    assert_status(STATUS_OK, job_open(&job, 0, NULL, &profile, TEXT_BYTES_MAX));
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
    assert_status(STATUS_OK, job_open(&job, 3, &owner, &profile, 1));
    assert_ptr_equal(&owner, job->owner);
    assert_int_equal(3, job->loop_index);
    assert_status(STATUS_UNAVAILABLE, job->result.status);
    assert_true(isnan(job->result.score));
    assert_bytes("", job_category(job));
    job_close(&job);
    job_close(&job); /* nothing left to close */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_all_segments_is_bounded_exactly),
        cmocka_unit_test(the_largest_job_fits_its_buffer),
        cmocka_unit_test(a_new_job_has_no_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
