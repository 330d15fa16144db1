/* program_reload: one reload of the settings, from the file to the log line about it.
 *
 * Of proto/program.c, which says when. Thread: the main thread.
 */
#ifndef PROTO_PROGRAM_RELOAD_H
#define PROTO_PROGRAM_RELOAD_H

#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

struct program_reload {
    const char *service;
    const struct settings *started; /* those of the start: the keys that are kept */
    enum status (*apply)(void *context, struct settings **fresh, FILE *errors); /* program_on_reload; NULL = none */
    struct metrics *metrics;
    void *context;
};

/* Makes the counters of reloads, at 0. */
void program_reload_show(const struct program_reload *reload);

/* Reads, keeps, applies, counts, and tells config_reloaded or config_reload_failed. */
void program_reload(const struct program_reload *reload);

#endif
