/* snapshot: a count of holders around settings, routes and callers. */
#include "gateway/snapshot.h"

#include "gateway/url_config.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct snapshot {
    const struct settings *settings;
    struct settings *owned; /* the same, or NULL: they are the program's */
    struct routes *routes;
    struct callers *callers;
    struct forwarded_proxies proxies;
    _Atomic size_t holders;
};

enum status snapshot_check(const struct settings *settings, FILE *errors)
{
    /* A file that was cut short while it was written, or never mounted, would take every route away. */
    if (settings->route_count == 0 && !settings->has_routes && !settings->gateway.url_config) {
        (void)fprintf(errors, "%s: routes: missing; nothing would be served, and 'routes: []' says that it is meant\n",
                      settings->file);
        return STATUS_MALFORMED;
    }
    return url_config_check(settings, errors);
}

enum status snapshot_open(struct snapshot **out, const struct settings *settings, const struct snapshot *before,
                          struct metrics *metrics, FILE *errors)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    const struct route_settings *bad = NULL;
    enum status status;

    if (snapshot == NULL) {
        return STATUS_NO_MEMORY;
    }
    snapshot->settings = settings;
    atomic_init(&snapshot->holders, 1);
    forwarded_init(&snapshot->proxies, &settings->gateway);
    status = routes_open(&snapshot->routes, settings, &bad);
    if (status == STATUS_OK) {
        status = snapshot_check(settings, errors);
    }
    if (status == STATUS_OK) {
        status = callers_open(&snapshot->callers, settings, before == NULL ? NULL : before->callers, metrics);
    }
    if (status != STATUS_OK) {
        if (bad != NULL) {
            (void)fprintf(errors, "%s:%u: route %s: its profile or key file cannot be used: %s\n", settings->file, bad->line,
                          bad->path, status_sentence(status));
        }
        snapshot_release(&snapshot);
        return status;
    }
    *out = snapshot;
    return STATUS_OK;
}

void snapshot_own(struct snapshot *snapshot, struct settings *settings)
{
    assert(snapshot->owned == NULL && settings == snapshot->settings);
    snapshot->owned = settings;
}

struct snapshot *snapshot_hold(struct snapshot *snapshot)
{
    (void)atomic_fetch_add_explicit(&snapshot->holders, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_release(struct snapshot **snapshot)
{
    struct snapshot *released = *snapshot;

    *snapshot = NULL;
    /* Acquire and release: the last holder must see all that the others did with it. */
    if (released != NULL && atomic_fetch_sub_explicit(&released->holders, 1, memory_order_acq_rel) == 1) {
        routes_close(&released->routes);
        callers_close(&released->callers);
        settings_close(&released->owned);
        free(released);
    }
}

const struct settings *snapshot_settings(const struct snapshot *snapshot)
{
    return snapshot->settings;
}

const struct callers *snapshot_callers(const struct snapshot *snapshot)
{
    return snapshot->callers;
}

const struct routes *snapshot_routes(const struct snapshot *snapshot)
{
    return snapshot->routes;
}

const struct forwarded_proxies *snapshot_proxies(const struct snapshot *snapshot)
{
    return &snapshot->proxies;
}
