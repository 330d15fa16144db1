/* history_queue: a list with a mark or two on each entry. */
#include "moderator/history_queue.h"

#include <stdlib.h>

static size_t entry_bytes(const struct history_entry *entry)
{
    return sizeof *entry + entry->text_count;
}

void history_queue_init(struct history_queue *queue)
{
    *queue = (struct history_queue){0};
    queue->last = &queue->first;
}

enum status history_queue_add(struct history_queue *queue, struct history_entry *entry)
{
    if (entry_bytes(entry) > HISTORY_QUEUE_BYTES_MAX - queue->bytes) {
        return STATUS_FULL;
    }
    *queue->last = entry;
    queue->last = &entry->next;
    queue->bytes += entry_bytes(entry);
    queue->count++;
    return STATUS_OK;
}

size_t history_queue_take(struct history_queue *queue, size_t batch_max, struct history_entry **batch)
{
    size_t count = 0;

    for (struct history_entry *entry = queue->first; entry != NULL && count < batch_max; entry = entry->next) {
        if (entry->profile == queue->first->profile) {
            entry->taken = true;
            batch[count++] = entry;
        }
    }
    return count;
}

/* Frees the entries that are to go, and counts anew what stays. */
static void sweep(struct history_queue *queue, bool (*goes)(const struct history_entry *entry))
{
    struct history_entry **at = &queue->first;

    queue->count = queue->spooled = queue->bytes = 0;
    while (*at != NULL) {
        struct history_entry *entry = *at;

        if (goes(entry)) {
            *at = entry->next;
            free(entry);
            continue;
        }
        queue->count++;
        queue->spooled += entry->spooled;
        queue->bytes += entry_bytes(entry);
        at = &entry->next;
    }
    queue->last = at;
}

static bool is_taken_or_spooled(const struct history_entry *entry)
{
    return entry->taken || entry->spooled;
}

static bool is_spooled_and_free(const struct history_entry *entry)
{
    return entry->spooled && !entry->taken;
}

static bool is_any(const struct history_entry *entry)
{
    (void)entry;
    return true;
}

size_t history_queue_end(struct history_queue *queue, bool written)
{
    size_t count = 0;

    for (struct history_entry *entry = queue->first; entry != NULL; entry = entry->next) {
        count += written && entry->taken && !entry->spooled;
        entry->taken = entry->taken && written;
    }
    sweep(queue, is_taken_or_spooled);
    return count;
}

void history_queue_drop_spooled(struct history_queue *queue)
{
    sweep(queue, is_spooled_and_free);
}

void history_queue_free(struct history_queue *queue)
{
    sweep(queue, is_any);
}
