/* account: a bounded sum in relaxed atomics, and buffers that are charged by their room. */
#include "proto/account.h"

#include <assert.h>

void account_open(struct account *account, const char *name, uint64_t limit_bytes, struct metrics *metrics)
{
    const struct metric_label label = {"account", name};

    *account = (struct account){
        .limit_bytes = limit_bytes,
        .gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_memory_account_bytes", "Memory held, by what holds it",
                                &label, 1),
        .high = metrics_series(metrics, METRIC_GAUGE, "prismguard_memory_account_high_bytes", "The most that was held",
                               &label, 1),
        .refused = metrics_series(metrics, METRIC_COUNTER, "prismguard_memory_account_refused_total",
                                  "Times that more was wanted than the limit leaves", &label, 1),
    };
    series_set(metrics_series(metrics, METRIC_GAUGE, "prismguard_memory_account_limit_bytes", "What may be held", &label, 1),
               (int64_t)limit_bytes);
}

void account_close(struct account *account)
{
#ifdef PRISMGUARD_DEBUG
    assert(account_bytes(account) == 0); /* a leak costs a user nothing at the end of a process: only tests may die of it */
#endif
    *account = (struct account){0};
}

/* Who is overtaken here by a higher mark leaves that one. */
static void mark_high(struct account *account, uint64_t bytes)
{
    uint64_t high = atomic_load_explicit(&account->high_bytes, memory_order_relaxed);

    while (bytes > high) {
        if (atomic_compare_exchange_weak_explicit(&account->high_bytes, &high, bytes, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            series_set(account->high, (int64_t)bytes);
            return;
        }
    }
}

enum status account_charge(struct account *account, uint64_t bytes)
{
    uint64_t before;

    if (bytes > account->limit_bytes) {
        series_add(account->refused, 1);
        return STATUS_FULL;
    }
    before = atomic_fetch_add_explicit(&account->bytes, bytes, memory_order_relaxed);
    if (before > account->limit_bytes - bytes) {
        atomic_fetch_sub_explicit(&account->bytes, bytes, memory_order_relaxed);
        series_add(account->refused, 1);
        return STATUS_FULL;
    }
    mark_high(account, before + bytes);
    series_add(account->gauge, (int64_t)bytes);
    return STATUS_OK;
}

void account_release(struct account *account, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&account->bytes, bytes, memory_order_relaxed);

    assert(before >= bytes);
    (void)before;
    if (bytes > 0) {
        series_add(account->gauge, -(int64_t)bytes);
    }
}

bool account_has_room(const struct account *account, uint64_t bytes)
{
    uint64_t taken = account_bytes(account);

    return taken <= account->limit_bytes && bytes <= account->limit_bytes - taken;
}

uint64_t account_bytes(const struct account *account)
{
    return atomic_load_explicit(&account->bytes, memory_order_relaxed);
}

uint64_t account_high_bytes(const struct account *account)
{
    return atomic_load_explicit(&account->high_bytes, memory_order_relaxed);
}

enum status account_reserve(struct account *account, struct buffer *buffer, size_t more)
{
    size_t before = buffer->room;
    size_t room;
    enum status status = buffer_room_for(buffer, more, &room);
    char *ignored;

    if (status != STATUS_OK || room == before) {
        return status;
    }
    status = account_charge(account, room - before);
    if (status != STATUS_OK) {
        return status;
    }
    status = buffer_reserve(buffer, more, &ignored);
    if (status != STATUS_OK) {
        account_release(account, room - before);
    }
    assert(status != STATUS_OK || buffer->room == room);
    return status;
}

void account_fit(struct account *account, struct buffer *buffer)
{
    size_t before = buffer->room;

    buffer_fit(buffer);
    account_release(account, before - buffer->room);
}

void account_free(struct account *account, struct buffer *buffer)
{
    if (buffer->room > 0) {
        account_release(account, buffer->room);
        buffer_free(buffer);
    }
}
