/* history_queue: the labels that wait in memory, in the order in which they came, bounded by bytes. Internal to history.
 *
 *   first ── entry ── entry (taken) ── entry ── entry (taken, spooled) ── ...
 *
 * A batch is taken while its entries stay linked, so that nothing is lost when it fails. An entry that is on disk too is marked
 * as spooled and leaves as soon as no batch holds it. Thread: any, under history's mutex.
 */
#ifndef MODERATOR_HISTORY_QUEUE_H
#define MODERATOR_HISTORY_QUEUE_H

#include "moderator/history_store.h"

struct history_queue {
    struct history_entry *first; /* oldest; entries are added behind and removed anywhere */
    struct history_entry **last; /* where the next one is linked */
    size_t count;
    size_t spooled; /* of these: on disk already, and in a batch */
    size_t bytes;   /* of all entries, at most HISTORY_QUEUE_BYTES_MAX */
};

void history_queue_init(struct history_queue *queue);

/* Takes the entry over. STATUS_FULL past the bound: the entry stays the caller's. */
MUST_CHECK enum status history_queue_add(struct history_queue *queue, struct history_entry *entry);

/* The oldest label's profile fills the batch, in the order in which its labels came. Lent until history_queue_end. */
size_t history_queue_take(struct history_queue *queue, size_t batch_max, struct history_entry **batch);

/* Ends the batch, written or not: what was written is freed, what was not waits for another try. Returns how many of those
 * written were not spooled meanwhile. */
size_t history_queue_end(struct history_queue *queue, bool written);

/* Frees what is on disk and in no batch. */
void history_queue_drop_spooled(struct history_queue *queue);

/* Frees all. */
void history_queue_free(struct history_queue *queue);

#endif
