/* pool_recall: a table of (name, moderator process), and the bodies that leave out what is in it. */
#include "gateway/pool_recall.h"

#include "proto/prints.h"
#include "proto/secret_print.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)WORKER_ID_BYTES == (int)TABLE_HASH_BYTES, "a name and a process are one print");

struct pool_recall {
    struct secret_print_key key;
    struct prints *known;
    struct series *left_out;
    struct series *missed;
};

enum status pool_recall_open(struct pool_recall **out, struct metrics *metrics)
{
    struct pool_recall *recall = calloc(1, sizeof *recall);
    enum status status;

    if (recall == NULL) {
        return STATUS_NO_MEMORY;
    }
    secret_print_key_make(&recall->key);
    recall->left_out = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_texts_recalled_total",
                                      "Texts named to a moderator that had been sent them before.", NULL, 0);
    recall->missed = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_recalls_missed_total",
                                    "Tasks sent again whole, because the moderator did not know a text that was named.", NULL, 0);
    status = prints_open(&recall->known, RECALL_TEXTS_MAX);
    if (status != STATUS_OK) {
        pool_recall_close(&recall);
        return status;
    }
    *out = recall;
    return STATUS_OK;
}

void pool_recall_close(struct pool_recall **recall)
{
    assert(recall != NULL);
    if (*recall != NULL) {
        prints_close(&(*recall)->known);
    }
    free(*recall);
    *recall = NULL;
}

static bool has_name(const struct segment *segment)
{
    return segment->text.count >= RECALL_TEXT_BYTES_MIN;
}

void pool_recall_name(const struct pool_recall *recall, struct job *job)
{
    struct bytes rest = message_body_segments(&job->packing);
    enum status status = STATUS_OK;
    struct segment segment;

    if (job->profile->cache.entries == 0) {
        return;
    }
    while (status == STATUS_OK && message_next_segment(&rest, &segment) == STATUS_OK) {
        unsigned char name[TABLE_HASH_BYTES];

        if (has_name(&segment)) {
            secret_print(name, &recall->key, segment.text);
            status = buffer_append(&job->names, (struct bytes){(const char *)name, sizeof name});
        }
    }
    if (status == STATUS_NO_MEMORY || job_charge_more(job, job->names.room) != STATUS_OK) {
        buffer_free(&job->names); /* it is sent whole */
    }
}

/* A name and a process as one: either is random to all others. */
static struct print pair_of(struct bytes name, const unsigned char worker[WORKER_ID_BYTES])
{
    struct print print;

    for (size_t index = 0; index < sizeof print.bytes; index++) {
        print.bytes[index] = (unsigned char)name.data[index] ^ worker[index];
    }
    return print;
}

/* The next of a job's names; empty behind the last. */
static struct bytes take_name(struct bytes *names)
{
    struct bytes name = bytes_first(*names, TABLE_HASH_BYTES);

    *names = bytes_from(*names, name.count);
    return name;
}

/* They lie anywhere in memory: while one is waited for the others are fetched. */
static void expect(const struct pool_recall *recall, struct bytes names, const unsigned char worker[WORKER_ID_BYTES])
{
    while (names.count > 0) {
        const struct print pair = pair_of(take_name(&names), worker);

        prints_expect(recall->known, &pair);
    }
}

static enum status add(struct pool_recall *recall, struct message_body *body, struct segment segment, struct bytes name,
                       const unsigned char worker[WORKER_ID_BYTES])
{
    struct print pair = pair_of(name, worker);

    if (prints_find(recall->known, &pair, &pair)) {
        segment.text = (struct bytes){NULL, 0};
        series_add(recall->left_out, 1);
    }
    return message_body_add_named(body, &segment, name);
}

enum status pool_recall_body(struct pool_recall *recall, const struct job *job, const unsigned char worker[WORKER_ID_BYTES],
                             struct buffer *out)
{
    struct bytes names = buffer_view(&job->names);
    struct bytes rest = message_body_segments(&job->packing);
    struct message_body body;
    struct segment segment;
    enum status status = message_body_open_like(&body, out, &job->packing);

    expect(recall, names, worker);
    while (status == STATUS_OK && message_next_segment(&rest, &segment) == STATUS_OK) {
        struct bytes name = has_name(&segment) ? take_name(&names) : (struct bytes){NULL, 0};

        status = name.count > 0 ? add(recall, &body, segment, name, worker) : message_body_add(&body, &segment);
    }
    if (status == STATUS_OK) {
        message_body_end(&body);
    }
    return status;
}

void pool_recall_learn(struct pool_recall *recall, const struct job *job, const unsigned char worker[WORKER_ID_BYTES])
{
    struct bytes names = buffer_view(&job->names);

    while (names.count > 0) {
        struct print pair = pair_of(take_name(&names), worker);

        prints_keep(recall->known, &pair, &pair);
    }
}

void pool_recall_forget(struct pool_recall *recall, struct job *job, const unsigned char worker[WORKER_ID_BYTES])
{
    struct bytes names = buffer_view(&job->names);

    series_add(recall->missed, 1);
    while (names.count > 0) {
        struct print pair = pair_of(take_name(&names), worker);

        prints_drop(recall->known, &pair);
    }
    buffer_free(&job->names);
}
