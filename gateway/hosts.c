/* hosts: a list of counted records under a lock. */
#include "gateway/hosts.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct host {
    LIST_ENTRY(host) in_list;
    _Atomic uint64_t taken;
    uint64_t max;
    size_t holders; /* guarded by the lock, as the list is */
    char name[];
};

struct hosts {
    pthread_mutex_t lock;
    LIST_HEAD(host_list, host) list;
    uint64_t requests_max;
};

enum status hosts_open(struct hosts **out, uint64_t requests_max)
{
    struct hosts *hosts = calloc(1, sizeof *hosts);

    if (hosts == NULL || pthread_mutex_init(&hosts->lock, NULL) != 0) {
        free(hosts);
        return STATUS_NO_MEMORY;
    }
    LIST_INIT(&hosts->list);
    hosts->requests_max = requests_max;
    *out = hosts;
    return STATUS_OK;
}

void hosts_close(struct hosts **hosts)
{
    if (*hosts != NULL) {
        assert(LIST_EMPTY(&(*hosts)->list));
        (void)pthread_mutex_destroy(&(*hosts)->lock);
        free(*hosts);
        *hosts = NULL;
    }
}

static struct host *find(const struct hosts *hosts, const char *name)
{
    struct host *host;

    LIST_FOREACH(host, &hosts->list, in_list) {
        if (strcmp(host->name, name) == 0) {
            break;
        }
    }
    return host;
}

static struct host *make(struct hosts *hosts, const char *name)
{
    size_t room = strlen(name) + 1;
    struct host *host = calloc(1, sizeof *host + room);

    if (host != NULL) {
        memcpy(host->name, name, room);
        host->max = hosts->requests_max;
        LIST_INSERT_HEAD(&hosts->list, host, in_list);
    }
    return host;
}

enum status hosts_hold(struct hosts *hosts, const char *name, struct host **out)
{
    struct host *host;

    (void)pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    host = host == NULL ? make(hosts, name) : host;
    if (host != NULL) {
        host->holders++;
        *out = host;
    }
    (void)pthread_mutex_unlock(&hosts->lock);
    return host == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void hosts_release(struct hosts *hosts, struct host **host)
{
    if (*host == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&hosts->lock);
    assert((*host)->holders > 0);
    (*host)->holders--;
    if ((*host)->holders == 0) {
        assert(atomic_load_explicit(&(*host)->taken, memory_order_relaxed) == 0);
        LIST_REMOVE(*host, in_list);
        free(*host);
    }
    (void)pthread_mutex_unlock(&hosts->lock);
    *host = NULL;
}

/* Taken first and looked at then, as in admit. */
enum status host_take(struct host *host)
{
    if (atomic_fetch_add_explicit(&host->taken, 1, memory_order_relaxed) >= host->max) {
        host_give_back(host);
        return STATUS_FULL;
    }
    return STATUS_OK;
}

void host_give_back(struct host *host)
{
    uint64_t before = atomic_fetch_sub_explicit(&host->taken, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

uint64_t hosts_share(uint64_t whole, size_t index, size_t loops)
{
    assert(index < loops);
    return whole / loops + (index < whole % loops ? 1 : 0);
}
