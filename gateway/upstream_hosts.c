/* upstream_hosts: the records of scheme, host and port; a URL finds its own by its text, a new one is read by libcurl. */
#include "gateway/upstream_inside.h"

#include <stdlib.h>
#include <string.h>

/* Scheme and authority of `url` in lower case into `key`. */
static enum status key_of(struct bytes url, char key[ORIGIN_BYTES_MAX])
{
    size_t bytes;
    enum status status = upstream_origin_bytes(url, &bytes);

    if (status != STATUS_OK || bytes_copy(bytes_first(url, bytes), key, ORIGIN_BYTES_MAX) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    for (char *at = key; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    return STATUS_OK;
}

/* The place of the record that was used longest ago and is not busy; UPSTREAM_HOSTS_MAX when there is none. */
static size_t oldest_of(const struct upstream *upstream)
{
    size_t oldest = UPSTREAM_HOSTS_MAX;

    for (size_t index = 0; index < upstream->host_count; index++) {
        const struct upstream_host *host = upstream->hosts[index];

        if (host->busy == 0 && (oldest == UPSTREAM_HOSTS_MAX || host->used_ms < upstream->hosts[oldest]->used_ms)) {
            oldest = index;
        }
    }
    return oldest;
}

static void host_free(struct upstream *upstream, struct upstream_host *host)
{
    hosts_release(upstream->all_hosts, &host->all);
    free(host);
}

static enum status host_make(struct upstream *upstream, const char *key, struct upstream_host **out)
{
    size_t place = upstream->host_count < UPSTREAM_HOSTS_MAX ? upstream->host_count : oldest_of(upstream);
    struct upstream_host *host;
    enum status status;

    if (place == UPSTREAM_HOSTS_MAX) {
        return STATUS_FULL;
    }
    host = calloc(1, sizeof *host);
    if (host == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(host->key, key, sizeof host->key);
    status = upstream_origin_read(key, &host->origin);
    if (status == STATUS_OK) {
        status = hosts_hold(upstream->all_hosts, key, &host->all);
    }
    if (status != STATUS_OK) {
        free(host);
        return status;
    }
    host->allow_private = settings_allows_private(upstream->private_hosts, bytes_of(host->origin.name));
    if (place == upstream->host_count) {
        upstream->host_count++;
    } else {
        host_free(upstream, upstream->hosts[place]);
    }
    upstream->hosts[place] = host;
    *out = host;
    return STATUS_OK;
}

enum status upstream_hosts_find(struct upstream *upstream, struct bytes url, struct upstream_host **out)
{
    char key[ORIGIN_BYTES_MAX] = "";
    struct upstream_host *host = NULL;
    enum status status = key_of(url, key);

    if (status != STATUS_OK) {
        return status;
    }
    for (size_t index = 0; index < upstream->host_count && host == NULL; index++) {
        if (strcmp(upstream->hosts[index]->key, key) == 0) {
            host = upstream->hosts[index];
        }
    }
    if (host == NULL) {
        status = host_make(upstream, key, &host);
    }
    if (status != STATUS_OK) {
        return status;
    }
    host->used_ms = uv_now(upstream->loop);
    *out = host;
    return STATUS_OK;
}

void upstream_hosts_free(struct upstream *upstream)
{
    for (size_t index = 0; index < upstream->host_count; index++) {
        host_free(upstream, upstream->hosts[index]);
    }
    upstream->host_count = 0;
}
