/* resolve: one look-up a name, its answer vetted and kept for a while in a table that never grows past its bound. */
#include "gateway/resolve.h"

#include "proto/address_guard.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum entry_state {
    ENTRY_LOOKING, /* the look-up runs: the entry may not be freed */
    ENTRY_FOUND,
    ENTRY_MISSING,
    ENTRY_DENIED,
};

struct resolve_entry {
    struct resolver *resolver; /* NULL: the resolver is gone, the end of the look-up frees the entry */
    enum entry_state state;
    uint64_t until_ms; /* not LOOKING: when the answer is too old */
    uint64_t used_ms;
    struct resolve_wait *waits; /* LOOKING */
    size_t wait_count;
    uv_getaddrinfo_t lookup;
    char name[HOST_NAME_BYTES_MAX + 1];
    char addresses[RESOLVE_TEXT_BYTES_MAX];
    size_t addresses_bytes;
    bool allow_private;
};

enum resolve_result { RESULT_CACHED, RESULT_LOOKUP, RESULT_MISSING, RESULT_DENIED, RESULT_FULL, RESULT_COUNT };

struct resolver {
    uv_loop_t *loop;
    struct series *results[RESULT_COUNT];
    size_t count;
    struct resolve_entry *entries[RESOLVE_NAMES_MAX];
};

enum status resolver_open(struct resolver **out, uv_loop_t *loop, struct metrics *metrics)
{
    static const char *const names[RESULT_COUNT] = {"cached", "lookup", "missing", "denied", "full"};
    struct resolver *resolver = calloc(1, sizeof *resolver);

    if (resolver == NULL) {
        return STATUS_NO_MEMORY;
    }
    resolver->loop = loop;
    for (size_t index = 0; index < RESULT_COUNT; index++) {
        const struct metric_label label = {"result", names[index]};

        resolver->results[index] =
            metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_resolve_total",
                           "Names asked for, and how the cache and the look-ups answered", &label, 1);
    }
    *out = resolver;
    return STATUS_OK;
}

void resolver_close(struct resolver **resolver)
{
    if (*resolver == NULL) {
        return;
    }
    for (size_t index = 0; index < (*resolver)->count; index++) {
        struct resolve_entry *entry = (*resolver)->entries[index];

        assert(entry->waits == NULL);
        if (entry->state == ENTRY_LOOKING) {
            entry->resolver = NULL;
            (void)uv_cancel((uv_req_t *)&entry->lookup); /* a look-up that a thread has begun cannot be stopped */
        } else {
            free(entry);
        }
    }
    free(*resolver);
    *resolver = NULL;
}

/* Appends one address; its form is what CURLOPT_RESOLVE takes. */
static void entry_append(struct resolve_entry *entry, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN + 3] = "";
    size_t count = 0;
    const void *binary = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    bool wide = address->sa_family == AF_INET6;

    if (entry->addresses_bytes > 0) {
        text[count++] = ',';
    }
    if (wide) {
        binary = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        text[count++] = '[';
    }
    if (inet_ntop(address->sa_family, binary, text + count, (socklen_t)(sizeof text - count)) == NULL) {
        return;
    }
    count = strlen(text);
    if (wide) {
        text[count++] = ']';
    }
    assert(count <= sizeof entry->addresses - entry->addresses_bytes);
    memcpy(entry->addresses + entry->addresses_bytes, text, count);
    entry->addresses_bytes += count;
}

/* Keeps the addresses that pass the guard; says what the name is now. */
static enum entry_state entry_fill(struct resolve_entry *entry, const struct addrinfo *found)
{
    size_t kept = 0;
    bool refused = false;

    for (; found != NULL && kept < RESOLVE_ADDRESSES_MAX; found = found->ai_next) {
        if (address_guard_allows(found->ai_addr, entry->allow_private)) {
            entry_append(entry, found->ai_addr);
            kept++;
        } else {
            refused = true;
        }
    }
    return kept > 0 ? ENTRY_FOUND : refused ? ENTRY_DENIED : ENTRY_MISSING;
}

static enum status entry_status(const struct resolve_entry *entry)
{
    return entry->state == ENTRY_FOUND ? STATUS_OK : entry->state == ENTRY_DENIED ? STATUS_DENIED : STATUS_NOT_FOUND;
}

static void count_result(const struct resolver *resolver, enum resolve_result result)
{
    series_add(resolver->results[result], 1);
}

static void on_lookup(uv_getaddrinfo_t *lookup, int error, struct addrinfo *found)
{
    struct resolve_entry *entry = lookup->data;
    struct resolver *resolver = entry->resolver;

    if (resolver == NULL) {
        uv_freeaddrinfo(found);
        free(entry);
        return;
    }
    entry->state = error == 0 ? entry_fill(entry, found) : ENTRY_MISSING;
    uv_freeaddrinfo(found);
    entry->until_ms =
        uv_now(resolver->loop) + (uint64_t)(entry->state == ENTRY_FOUND ? RESOLVE_TTL_MS : RESOLVE_MISSING_TTL_MS);
    while (entry->waits != NULL) {
        struct resolve_wait *wait = entry->waits;

        resolve_forget(wait);
        wait->found(wait->context, entry_status(entry), (struct bytes){entry->addresses, entry->addresses_bytes});
    }
    if (entry->state != ENTRY_FOUND) {
        count_result(resolver, entry->state == ENTRY_DENIED ? RESULT_DENIED : RESULT_MISSING);
    }
}

static enum status entry_look_up(struct resolve_entry *entry)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    entry->addresses_bytes = 0;
    entry->lookup.data = entry;
    if (uv_getaddrinfo(entry->resolver->loop, &entry->lookup, on_lookup, entry->name, NULL, &hints) != 0) {
        entry->state = ENTRY_MISSING; /* only memory can be short here, or a name that IDNA refuses */
        entry->until_ms = 0;
        return STATUS_NOT_FOUND;
    }
    entry->state = ENTRY_LOOKING;
    count_result(entry->resolver, RESULT_LOOKUP);
    return STATUS_OK;
}

/* The place of the entry that was used longest ago and is not being looked up; `count` when there is none. */
static size_t oldest_of(const struct resolver *resolver)
{
    size_t oldest = resolver->count;

    for (size_t index = 0; index < resolver->count; index++) {
        const struct resolve_entry *entry = resolver->entries[index];

        if (entry->state != ENTRY_LOOKING &&
            (oldest == resolver->count || entry->used_ms < resolver->entries[oldest]->used_ms)) {
            oldest = index;
        }
    }
    return oldest;
}

/* A fresh entry for `host`, in the place of the oldest when the table is full. */
static enum status entry_make(struct resolver *resolver, struct bytes host, bool allow_private, struct resolve_entry **out)
{
    size_t place = resolver->count < RESOLVE_NAMES_MAX ? resolver->count : oldest_of(resolver);
    struct resolve_entry *entry;

    if (place == RESOLVE_NAMES_MAX) {
        return STATUS_FULL;
    }
    entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (bytes_copy(host, entry->name, sizeof entry->name) != STATUS_OK) {
        free(entry);
        return STATUS_NOT_FOUND; /* longer than any name can be */
    }
    entry->resolver = resolver;
    entry->allow_private = allow_private;
    entry->state = ENTRY_MISSING;
    if (place == resolver->count) {
        resolver->count++;
    } else {
        free(resolver->entries[place]);
    }
    resolver->entries[place] = entry;
    *out = entry;
    return STATUS_OK;
}

static struct resolve_entry *entry_find(const struct resolver *resolver, struct bytes host, bool allow_private)
{
    for (size_t index = 0; index < resolver->count; index++) {
        struct resolve_entry *entry = resolver->entries[index];

        if (entry->allow_private == allow_private && bytes_equal_nocase(bytes_of(entry->name), host)) {
            return entry;
        }
    }
    return NULL;
}

static enum status wait_queue(struct resolve_wait *wait, struct resolve_entry *entry)
{
    if (entry->wait_count == RESOLVE_WAITERS_MAX) {
        return STATUS_FULL;
    }
    wait->entry = entry;
    wait->previous = NULL;
    wait->next = entry->waits;
    if (wait->next != NULL) {
        wait->next->previous = wait;
    }
    entry->waits = wait;
    entry->wait_count++;
    return STATUS_AGAIN;
}

/* STATUS_OK when `host` is an address in text that may be used, STATUS_DENIED when it may not, STATUS_NOT_FOUND when it is
 * no address. */
static enum status literal_check(struct bytes host, bool allow_private)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in narrow = {.sin_family = AF_INET};
    struct sockaddr_in6 wide = {.sin6_family = AF_INET6};
    const void *address = &narrow;

    if (host.count > 2 && host.data[0] == '[' && host.data[host.count - 1] == ']') {
        if (bytes_copy(bytes_from(bytes_first(host, host.count - 1), 1), text, sizeof text) != STATUS_OK ||
            inet_pton(AF_INET6, text, &wide.sin6_addr) != 1) {
            return STATUS_DENIED; /* a bracket begins nothing else */
        }
        address = &wide;
    } else if (bytes_copy(host, text, sizeof text) != STATUS_OK || inet_pton(AF_INET, text, &narrow.sin_addr) != 1) {
        return STATUS_NOT_FOUND;
    }
    return address_guard_allows(address, allow_private) ? STATUS_OK : STATUS_DENIED;
}

static enum status name_answer(struct resolver *resolver, struct bytes host, bool allow_private, struct resolve_wait *wait,
                               struct bytes *out)
{
    struct resolve_entry *entry = entry_find(resolver, host, allow_private);
    uint64_t now_ms = uv_now(resolver->loop);
    enum status status = STATUS_OK;

    if (entry == NULL) {
        status = entry_make(resolver, host, allow_private, &entry);
    }
    if (status != STATUS_OK) {
        return status;
    }
    entry->used_ms = now_ms;
    if (entry->state != ENTRY_LOOKING && now_ms < entry->until_ms) {
        count_result(resolver, RESULT_CACHED);
        *out = (struct bytes){entry->addresses, entry->addresses_bytes};
        return entry_status(entry);
    }
    if (entry->state != ENTRY_LOOKING) {
        status = entry_look_up(entry);
    }
    return status == STATUS_OK ? wait_queue(wait, entry) : status;
}

enum status resolve_name(struct resolver *resolver, struct bytes host, bool allow_private, struct resolve_wait *wait,
                         struct bytes *out)
{
    enum status status = literal_check(host, allow_private);

    assert(wait->entry == NULL);
    if (status == STATUS_OK) {
        *out = host;
    } else if (status == STATUS_DENIED) {
        count_result(resolver, RESULT_DENIED);
    } else {
        status = name_answer(resolver, host, allow_private, wait, out);
    }
    if (status == STATUS_FULL) {
        count_result(resolver, RESULT_FULL);
    }
    return status;
}

void resolve_forget(struct resolve_wait *wait)
{
    struct resolve_entry *entry = wait->entry;

    if (entry == NULL) {
        return;
    }
    if (wait->next != NULL) {
        wait->next->previous = wait->previous;
    }
    if (wait->previous != NULL) {
        wait->previous->next = wait->next;
    } else {
        entry->waits = wait->next;
    }
    entry->wait_count--;
    wait->entry = NULL;
}
