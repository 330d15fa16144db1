/* pool_recall: which texts a moderator was sent of late, so that the next turn of a conversation only names them (RECALL in
 * PROTOCOL.md).
 *
 *   loop: pool_recall_name ──> the job's names: keyed hashes of its longer texts
 *   pool: pool_recall_body ──> name and text, or the name alone where (name, moderator process) is known
 *         VERDICT allow: pool_recall_learn          BUSY unknown_text: pool_recall_forget, and the task is sent whole
 *
 * Nothing is decided here: whoever is sent a name alone looks for what it found out itself about that text, by its own rules and
 * models of that moment, and asks for the text where that is nothing. What stands here may be wrong or old and costs a hop then.
 *
 * RECALL_TEXTS_MAX pairs; the least recently used one of a set gives way. Names have 128 bits by a random key of this process.
 * Thread: the pool's, but for pool_recall_name.
 */
#ifndef GATEWAY_POOL_RECALL_H
#define GATEWAY_POOL_RECALL_H

#include "gateway/job.h"
#include "proto/metrics.h"

struct pool_recall;

/* Lends `metrics` until pool_recall_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status pool_recall_open(struct pool_recall **out, struct metrics *metrics);
void pool_recall_close(struct pool_recall **recall);

/* Gives the job's texts of RECALL_TEXT_BYTES_MIN and more their names, RECALL_NAMES_MAX at most; none where its profile has no
 * cache or memory is short. They are charged with the job. Thread: the job's loop, before the pool has it. */
void pool_recall_name(const struct pool_recall *recall, struct job *job);

/* Appends the body of a RECALL to `out`, for a job that has names. STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_CHECK enum status pool_recall_body(struct pool_recall *recall, const struct job *job,
                                        const unsigned char worker[WORKER_ID_BYTES], struct buffer *out);

/* This process has allowed the job, so that it has looked at all its texts; takes their names. */
void pool_recall_learn(struct pool_recall *recall, const struct job *job, const unsigned char worker[WORKER_ID_BYTES]);

/* It does not know all that was left out: what it is taken to know is forgotten, and the job has no names any more. */
void pool_recall_forget(struct pool_recall *recall, struct job *job, const unsigned char worker[WORKER_ID_BYTES]);

#endif
