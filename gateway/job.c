/* job: the buffer a request's text is packed into, once. */
#include "gateway/job.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum status job_open(struct job **out, size_t loop_index, void *owner, const struct profile_settings *profile,
                     size_t text_bytes_max)
{
    struct job *job = calloc(1, sizeof *job);
    enum status status;

    assert(profile != NULL);
    if (job == NULL) {
        return STATUS_NO_MEMORY;
    }
    job->owner = owner;
    job->loop_index = loop_index;
    job->profile = profile;
    job->text_bytes_max = text_bytes_max;
    job->result.status = STATUS_UNAVAILABLE; /* until somebody has said otherwise */
    job->result.score = NAN;
    atomic_init(&job->abandoned, false);
    buffer_init(&job->body, text_bytes_max + TASK_OVERHEAD_BYTES_MAX);
    status = message_body_open(&job->packing, &job->body, bytes_of(profile->name));
    if (status != STATUS_OK) {
        assert(status == STATUS_NO_MEMORY); /* the settings checked the name */
        job_close(&job);
        return status;
    }
    *out = job;
    return STATUS_OK;
}

void job_close(struct job **job)
{
    assert(job != NULL);
    if (*job == NULL) {
        return;
    }
    buffer_free(&(*job)->body);
    free(*job);
    *job = NULL;
}

enum status job_add(struct job *job, const struct segment *segment)
{
    enum status status;

    if (segment->text.count > job->text_bytes_max - job->text_bytes) {
        return STATUS_TOO_LARGE;
    }
    status = message_body_add(&job->packing, segment);
    if (status == STATUS_OK) {
        job->text_bytes += segment->text.count;
    }
    return status;
}

struct bytes job_category(const struct job *job)
{
    return (struct bytes){job->result.category, job->result.category_bytes};
}
