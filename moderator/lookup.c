/* lookup: asks for names in turn, makes one list of what they are, and tells who watches when it has changed. */
#include "moderator/lookup.h"

#include "proto/bytes.h"
#include "proto/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { NUMERIC_BYTES_MAX = 80 }; /* an IPv6 address with its zone */

/* One endpoint of the settings. */
struct name {
    char host[PATH_BYTES_MAX + 1]; /* to be asked for; empty: a literal, found once and for all */
    char port[PATH_BYTES_MAX + 1];
    struct addresses found;
    struct log_limiter limiter; /* one name does not hide another */
};

struct lookup_watch {
    struct lookup *lookup;
    struct lookup_watch *next;
    int fd;               /* eventfd */
    uint64_t seen;        /* of lookup->generation */
};

struct lookup {
    enum status (*find)(void *context, const char *host, void (*add)(void *adding, const char *numeric), void *adding);
    void *context;
    uint64_t every_ms;
    struct name names[ENDPOINTS_MAX]; /* the thread's, once it runs */
    size_t name_count;

    pthread_mutex_t lock; /* guards all that follows, but for the generation, which is only written under it */
    pthread_cond_t closing_changed;
    unsigned holders; /* the owner and the thread: the last one frees */
    bool closing;
    struct lookup_watch *watches;
    struct addresses list;
    _Atomic uint64_t generation; /* of the list */

    /* NULL once it is closing. */
    struct series *found_count;
    struct series *results[3];
};

enum result { LOOKUP_OK, LOOKUP_FAILED, LOOKUP_TOO_MANY };

bool addresses_have(const struct addresses *addresses, const char *endpoint)
{
    for (size_t index = 0; index < addresses->count; index++) {
        if (strcmp(addresses->at[index], endpoint) == 0) {
            return true;
        }
    }
    return false;
}

bool addresses_add(struct addresses *addresses, const char *endpoint)
{
    bool fits = addresses->count < ADDRESSES_MAX;
    size_t at = 0;

    assert(strlen(endpoint) <= PATH_BYTES_MAX);
    while (at < addresses->count && strcmp(addresses->at[at], endpoint) < 0) {
        at++;
    }
    if (at < addresses->count && strcmp(addresses->at[at], endpoint) == 0) {
        return true;
    }
    if (at == ADDRESSES_MAX) {
        return false;
    }
    if (fits) {
        addresses->count++;
    }
    memmove(addresses->at[at + 1 < ADDRESSES_MAX ? at + 1 : at], addresses->at[at],
            (addresses->count - at - 1) * sizeof addresses->at[0]);
    memcpy(addresses->at[at], endpoint, strlen(endpoint) + 1);
    return fits;
}

static bool is_numeric(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    return inet_pton(AF_INET, host, &four) == 1 || inet_pton(AF_INET6, host, &six) == 1;
}

/* "tcp://host:port" apart, or the whole as a literal. STATUS_MALFORMED is left to whoever connects to it. */
static enum status read_endpoint(struct name *out, const char *endpoint)
{
    struct bytes rest = bytes_of(endpoint);
    size_t colon;
    enum status status;

    *out = (struct name){0};
    if (rest.count > PATH_BYTES_MAX) {
        return STATUS_MALFORMED;
    }
    if (bytes_starts_with(rest, BYTES("tcp://"))) {
        rest = bytes_from(rest, sizeof "tcp://" - 1);
        for (colon = rest.count; colon > 0 && rest.data[colon - 1] != ':'; colon--) {
        }
        if (colon > 1) {
            status = bytes_copy(bytes_first(rest, colon - 1), out->host, sizeof out->host);
            assert(status == STATUS_OK);
            status = bytes_copy(bytes_from(rest, colon), out->port, sizeof out->port);
            assert(status == STATUS_OK);
        }
    }
    if (out->host[0] == '\0' || out->host[0] == '[' || is_numeric(out->host)) {
        out->host[0] = '\0';
        (void)addresses_add(&out->found, endpoint);
    }
    return STATUS_OK;
}

static enum status ask_system(void *context, const char *host, void (*add)(void *adding, const char *numeric), void *adding)
{
    /* ADDRCONFIG: no address of a family that this machine has not. */
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;

    (void)context;
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return STATUS_NOT_FOUND;
    }
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        char numeric[NUMERIC_BYTES_MAX];

        if (getnameinfo(one->ai_addr, one->ai_addrlen, numeric, sizeof numeric, NULL, 0, NI_NUMERICHOST) == 0) {
            add(adding, numeric);
        }
    }
    freeaddrinfo(found);
    return STATUS_OK;
}

struct adding {
    struct addresses *found;
    const char *port;
    bool all_fit;
};

static void add_numeric(void *context, const char *numeric)
{
    struct adding *adding = context;
    char endpoint[PATH_BYTES_MAX + 1];
    bool six = strchr(numeric, ':') != NULL;
    int length =
        snprintf(endpoint, sizeof endpoint, "tcp://%s%s%s:%s", six ? "[" : "", numeric, six ? "]" : "", adding->port);

    if (length > 0 && length < (int)sizeof endpoint) {
        adding->all_fit = addresses_add(adding->found, endpoint) && adding->all_fit;
    }
}

/* One name anew; what it had stays when nothing was found. Without the lock: this is what may take its time. */
static enum result ask(struct lookup *lookup, struct name *name)
{
    struct addresses found = {0};
    struct adding adding = {&found, name->port, true};
    enum status status = lookup->find(lookup->context, name->host, add_numeric, &adding);

    if (status != STATUS_OK || found.count == 0) {
        return LOOKUP_FAILED;
    }
    name->found = found;
    return adding.all_fit ? LOOKUP_OK : LOOKUP_TOO_MANY;
}

static bool same(const struct addresses *left, const struct addresses *right)
{
    for (size_t index = 0; left->count == right->count && index < left->count; index++) {
        if (strcmp(left->at[index], right->at[index]) != 0) {
            return false;
        }
    }
    return left->count == right->count;
}

/* All names in one list; false when not all fit. */
static bool join_names(const struct lookup *lookup, struct addresses *out)
{
    bool all_fit = true;

    for (size_t name = 0; name < lookup->name_count; name++) {
        for (size_t index = 0; index < lookup->names[name].found.count; index++) {
            all_fit = addresses_add(out, lookup->names[name].found.at[index]) && all_fit;
        }
    }
    return all_fit;
}

/* Under the lock. */
static void publish(struct lookup *lookup, const struct addresses *list)
{
    series_set(lookup->found_count, (int64_t)list->count);
    if (same(list, &lookup->list)) {
        return;
    }
    lookup->list = *list;
    atomic_fetch_add_explicit(&lookup->generation, 1, memory_order_release);
    for (const struct lookup_watch *watch = lookup->watches; watch != NULL; watch = watch->next) {
        (void)eventfd_write(watch->fd, 1);
    }
    log_event(LOG_INFO, "addresses_changed", LOG_NUMBER("addresses", list->count));
}

/* Under the lock: the logs and series are there only while it is not closing. */
static void tell(struct lookup *lookup, struct name *name, enum result result)
{
    uint64_t suppressed;

    series_add(lookup->results[result], 1);
    if ((result != LOOKUP_FAILED && result != LOOKUP_TOO_MANY) || !log_limiter_pass(&name->limiter, &suppressed)) {
        return;
    }
    if (result == LOOKUP_FAILED) {
        log_event(LOG_WARN, "lookup_failed", LOG_NUMBER("suppressed", suppressed), LOG_TEXT("name", name->host),
                  LOG_NUMBER("kept", name->found.count));
    } else {
        log_event(LOG_WARN, "addresses_left_out", LOG_NUMBER("suppressed", suppressed), LOG_TEXT("name", name->host),
                  LOG_NUMBER("max", ADDRESSES_MAX));
    }
}

/* All names once. False: it is closing, and nothing of it may be touched but the lock. */
static bool turn(struct lookup *lookup)
{
    enum result results[ENDPOINTS_MAX] = {LOOKUP_OK};
    struct addresses list = {0};
    bool closing;

    for (size_t index = 0; index < lookup->name_count; index++) {
        if (lookup->names[index].host[0] != '\0') {
            results[index] = ask(lookup, &lookup->names[index]);
        }
    }
    (void)pthread_mutex_lock(&lookup->lock);
    closing = lookup->closing;
    for (size_t index = 0; !closing && index < lookup->name_count; index++) {
        if (lookup->names[index].host[0] != '\0') {
            tell(lookup, &lookup->names[index], results[index]);
        }
    }
    if (!closing) {
        if (!join_names(lookup, &list)) {
            series_add(lookup->results[LOOKUP_TOO_MANY], 1);
        }
        publish(lookup, &list);
    }
    (void)pthread_mutex_unlock(&lookup->lock);
    return !closing;
}

static void free_lookup(struct lookup *lookup)
{
    (void)pthread_cond_destroy(&lookup->closing_changed);
    (void)pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

/* One holder less; the lock is held, and given back. */
static void let_go(struct lookup *lookup)
{
    bool last = --lookup->holders == 0;

    (void)pthread_mutex_unlock(&lookup->lock);
    if (last) {
        free_lookup(lookup);
    }
}

/* True when it is time for the next turn, false when it is closing. */
static bool wait_for_turn(struct lookup *lookup)
{
    enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };
    struct timespec until;
    int failed = clock_gettime(CLOCK_MONOTONIC, &until);
    bool closing;

    assert(failed == 0);
    until.tv_sec += (time_t)(lookup->every_ms / MS_PER_S);
    until.tv_nsec += (long)(lookup->every_ms % MS_PER_S) * NS_PER_MS;
    if (until.tv_nsec >= NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= NS_PER_S;
    }
    (void)pthread_mutex_lock(&lookup->lock);
    while (!lookup->closing && pthread_cond_timedwait(&lookup->closing_changed, &lookup->lock, &until) == 0) {
    }
    closing = lookup->closing;
    (void)pthread_mutex_unlock(&lookup->lock);
    return !closing;
}

static void *run(void *context)
{
    struct lookup *lookup = context;

    while (turn(lookup) && wait_for_turn(lookup)) {
    }
    (void)pthread_mutex_lock(&lookup->lock);
    let_go(lookup);
    return NULL;
}

static void find_series(struct lookup *lookup, const struct lookup_options *options)
{
    static const char *const results[] = {"ok", "failed", "too_many"};
    struct metric_label labels[] = {{"of", options->what}, {"result", NULL}};

    for (size_t index = 0; index < sizeof results / sizeof results[0]; index++) {
        labels[1].value = results[index];
        lookup->results[index] = metrics_series(options->metrics, METRIC_COUNTER, "prismguard_moderator_lookups_total",
                                                "Questions for the addresses of a name, by how they ended", labels, 2);
    }
    lookup->found_count = metrics_series(options->metrics, METRIC_GAUGE, "prismguard_moderator_addresses",
                                         "Addresses known of moderator.gateways and moderator.models", labels, 1);
}

static enum status start_thread(struct lookup *lookup)
{
    pthread_attr_t detached;
    pthread_t thread;
    int failed;

    if (pthread_attr_init(&detached) != 0) {
        return STATUS_NO_MEMORY;
    }
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    lookup->holders = 2;
    failed = pthread_create(&thread, &detached, run, lookup);
    if (failed != 0) {
        lookup->holders = 1;
    }
    (void)pthread_attr_destroy(&detached);
    return failed == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status lookup_open(struct lookup **out, const struct lookup_options *options)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    pthread_condattr_t monotonic;
    bool questions = false;
    enum status status = STATUS_OK;

    if (lookup == NULL) {
        return STATUS_NO_MEMORY;
    }
    lookup->find = options->find == NULL ? ask_system : options->find;
    lookup->context = options->context;
    lookup->every_ms = options->every_ms == 0 ? LOOKUP_EVERY_MS : options->every_ms;
    lookup->holders = 1;
    (void)pthread_mutex_init(&lookup->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lookup->closing_changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    find_series(lookup, options);
    for (size_t index = 0; status == STATUS_OK && index < options->endpoints->count; index++) {
        status = read_endpoint(&lookup->names[index], options->endpoints->at[index]);
        questions = questions || lookup->names[index].host[0] != '\0';
        lookup->name_count++;
    }
    if (status == STATUS_OK) {
        (void)join_names(lookup, &lookup->list); /* ADDRESSES_MAX literals fit, and no more can be written down */
        series_set(lookup->found_count, (int64_t)lookup->list.count);
        atomic_init(&lookup->generation, 1);
        status = questions ? start_thread(lookup) : STATUS_OK;
    }
    if (status != STATUS_OK) {
        free_lookup(lookup);
        return status;
    }
    *out = lookup;
    return STATUS_OK;
}

void lookup_close(struct lookup **lookup)
{
    struct lookup *closing = *lookup;

    if (closing == NULL) {
        return;
    }
    *lookup = NULL;
    (void)pthread_mutex_lock(&closing->lock);
    assert(closing->watches == NULL);
    closing->closing = true;
    (void)pthread_cond_signal(&closing->closing_changed);
    let_go(closing);
}

enum status lookup_watch_open(struct lookup_watch **out, struct lookup *lookup)
{
    struct lookup_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL) {
        return STATUS_NO_MEMORY;
    }
    watch->lookup = lookup;
    watch->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* the first list has not been read */
    if (watch->fd < 0) {
        free(watch);
        return STATUS_UNAVAILABLE;
    }
    (void)pthread_mutex_lock(&lookup->lock);
    watch->next = lookup->watches;
    lookup->watches = watch;
    (void)pthread_mutex_unlock(&lookup->lock);
    *out = watch;
    return STATUS_OK;
}

void lookup_watch_close(struct lookup_watch **watch)
{
    struct lookup_watch *closing = *watch;
    struct lookup_watch **link;

    if (closing == NULL) {
        return;
    }
    *watch = NULL;
    (void)pthread_mutex_lock(&closing->lookup->lock);
    for (link = &closing->lookup->watches; *link != closing; link = &(*link)->next) {
    }
    *link = closing->next;
    (void)pthread_mutex_unlock(&closing->lookup->lock);
    (void)close(closing->fd);
    free(closing);
}

int lookup_watch_fd(const struct lookup_watch *watch)
{
    return watch->fd;
}

bool lookup_watch_read(struct lookup_watch *watch, struct addresses *out)
{
    struct lookup *lookup = watch->lookup;
    eventfd_t count;

    if (atomic_load_explicit(&lookup->generation, memory_order_acquire) == watch->seen) {
        return false;
    }
    (void)pthread_mutex_lock(&lookup->lock);
    (void)eventfd_read(watch->fd, &count); /* nothing to read is no fault: it is told under this lock */
    watch->seen = atomic_load_explicit(&lookup->generation, memory_order_relaxed);
    *out = lookup->list;
    (void)pthread_mutex_unlock(&lookup->lock);
    return true;
}
