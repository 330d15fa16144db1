/* job: the buffer a request's text is packed into, once. */
#include "gateway/job.h"

#include "proto/secret.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status job_open(struct job **out, size_t loop_index, void *owner, const struct profile_settings *profile,
                     struct bytes key, size_t text_bytes_max)
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
    buffer_init(&job->names, RECALL_NAMES_MAX * TABLE_HASH_BYTES);
    buffer_init(&job->unsure, UNSURE_BYTES_MAX);
    status = message_body_open(&job->packing, &job->body, key, bytes_of(profile->name));
    if (status != STATUS_OK) {
        assert(status == STATUS_NO_MEMORY); /* the settings checked both names */
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
    if ((*job)->account != NULL) {
        account_release((*job)->account, (*job)->charged_bytes);
    }
    buffer_free(&(*job)->body);
    buffer_free(&(*job)->names);
    buffer_free(&(*job)->unsure);
    snapshot_release(&(*job)->snapshot);
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

enum status job_charge(struct job *job, struct account *account)
{
    enum status status = account_charge(account, job->body.room);

    assert(job->account == NULL);
    if (status == STATUS_OK) {
        job->account = account;
        job->charged_bytes = job->body.room;
    }
    return status;
}

enum status job_charge_more(struct job *job, size_t bytes)
{
    enum status status;

    if (job->account == NULL) {
        return STATUS_OK;
    }
    if (!account_has_room(job->account, bytes)) {
        return STATUS_FULL; /* nobody is refused anything: it is not counted */
    }
    status = account_charge(job->account, bytes);
    job->charged_bytes += status == STATUS_OK ? bytes : 0;
    return status;
}

/* FNV-1a: who meets another's number by chance shares a turn with it, no more. */
void job_set_caller(struct job *job, struct bytes name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t index = 0; index < name.count; index++) {
        hash = (hash ^ (unsigned char)name.data[index]) * 0x100000001b3u;
    }
    job->caller = hash;
}

static void set_decision(struct job_result *result, enum outcome outcome, enum verdict_source source,
                         struct bytes category)
{
    struct bytes kept = outcome == OUTCOME_ALLOW ? (struct bytes){NULL, 0} : category;
    enum status status = bytes_copy(kept, result->category, sizeof result->category);

    assert(status == STATUS_OK); /* message_read_verdict bounds it */
    result->category_bytes = kept.count;
    result->outcome = outcome;
    result->source = source;
}

void job_take_verdict(struct job *job, enum slot_kind kind, const struct message_verdict *verdict,
                      const unsigned char worker[WORKER_ID_BYTES])
{
    struct job_result *result = &job->result;
    bool unsure = verdict->outcome == OUTCOME_UNSURE;

    if (kind == SLOT_REVIEW && unsure) {
        return; /* the review did not know better */
    }
    if (kind == SLOT_LOCAL) {
        result->score = verdict->score;
        result->model_version = verdict->model_version;
    }
    set_decision(result, unsure ? verdict->fallback : verdict->outcome, verdict->source, verdict->category);
    memcpy(result->worker, worker, WORKER_ID_BYTES);
}

void job_block_undecided(struct job *job)
{
    set_decision(&job->result, OUTCOME_BLOCK, SOURCE_UNDECIDED, BYTES(CATEGORY_UNDECIDED));
}

struct bytes job_category(const struct job *job)
{
    return (struct bytes){job->result.category, job->result.category_bytes};
}
