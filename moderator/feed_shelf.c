/* feed_shelf: rows of the table to files and back, and what is counted about it. */
#include "moderator/feed_shelf.h"

#include "moderator/shelf.h"
#include "proto/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum result { KEPT, FAILED, DROPPED, USED, DAMAGED, RESULTS };

struct feed_shelf {
    const struct settings *settings;
    struct shelf *shelf; /* NULL = none */
    struct series *results[RESULTS];
    struct place {
        struct shelf_label label; /* what lies there, as far as we know; version 0 = nothing */
        bool stale;               /* a newer one could not be kept */
    } places[]; /* one a profile */
};

static bool write_dir(char dir[PATH_BYTES_MAX + 1], const char *state_dir)
{
    int length = snprintf(dir, PATH_BYTES_MAX + 1, "%s/models", state_dir);

    return length > 0 && length <= PATH_BYTES_MAX;
}

static void open_folder(struct feed_shelf *shelf)
{
    const char *state_dir = shelf->settings->moderator.state_dir;
    char dir[PATH_BYTES_MAX + 1];
    enum status status = STATUS_TOO_LARGE;

    if (state_dir[0] == '\0') {
        return;
    }
    if (write_dir(dir, state_dir)) {
        status = shelf_open(&shelf->shelf, dir, SHELF_FILES_MAX, SHELF_BYTES_MAX);
    }
    if (status != STATUS_OK) {
        log_event(LOG_WARN, "shelf_off", LOG_STATUS("status", status), LOG_TEXT("state_dir", state_dir));
    }
}

enum status feed_shelf_open(struct feed_shelf **out, const struct settings *settings, struct metrics *metrics)
{
    static const char *const results[RESULTS] = {"kept", "failed", "dropped", "used", "damaged"};
    struct feed_shelf *shelf = calloc(1, sizeof *shelf + settings->profile_count * sizeof *shelf->places);

    if (shelf == NULL) {
        return STATUS_NO_MEMORY;
    }
    shelf->settings = settings;
    for (int result = 0; result < RESULTS; result++) {
        const struct metric_label label = {"result", results[result]};

        shelf->results[result] = metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_models_on_disk_total",
                                                "What became of models on disk", &label, 1);
    }
    open_folder(shelf);
    *out = shelf;
    return STATUS_OK;
}

void feed_shelf_close(struct feed_shelf **shelf)
{
    if (*shelf != NULL) {
        shelf_close(&(*shelf)->shelf);
        free(*shelf);
        *shelf = NULL;
    }
}

void feed_shelf_put(struct feed_shelf *shelf, const struct feed_row *row)
{
    struct shelf_label label = {.profile = shelf->settings->profiles[row->profile].name, .version = row->version};
    struct place *place = &shelf->places[row->profile];
    size_t dropped = 0;
    enum status status;

    memcpy(label.sha256, row->sha256.data, sizeof label.sha256); /* as long as it is: it was checked */
    if (shelf->shelf == NULL ||
        (place->label.version == label.version && memcmp(place->label.sha256, label.sha256, sizeof label.sha256) == 0)) {
        return;
    }
    status = shelf_put(shelf->shelf, &label, row->bytes, &dropped);
    series_add(shelf->results[DROPPED], (int64_t)dropped);
    if (status == STATUS_OK) {
        series_add(shelf->results[KEPT], 1);
        *place = (struct place){.label = label};
    } else if (status != STATUS_CONFLICT) { /* another process keeps it just then */
        series_add(shelf->results[FAILED], 1);
        place->stale = true;
        log_event_limited(LOG_WARN, "model_not_kept", LOG_TEXT("profile", label.profile), LOG_NUMBER("version", label.version),
                          LOG_STATUS("status", status));
    }
}

static struct feed_row row_of(size_t profile, const struct shelf_label *label, const struct buffer *model)
{
    return (struct feed_row){.profile = profile,
                             .from_disk = true,
                             .version = label->version,
                             .bytes = buffer_view(model),
                             .sha256 = {(const char *)label->sha256, sizeof label->sha256}};
}

enum status feed_shelf_read(struct feed_shelf *shelf, size_t profile,
                            enum status (*on_row)(void *context, const struct feed_row *row), void *context)
{
    struct shelf_label label = {.profile = shelf->settings->profiles[profile].name};
    struct buffer model;
    enum status status = STATUS_NOT_FOUND;

    buffer_init(&model, MODEL_FILE_BYTES_MAX);
    if (shelf->shelf != NULL && !shelf->places[profile].stale) {
        status = shelf_read(shelf->shelf, &label, &model);
    }
    if (status != STATUS_NOT_FOUND) {
        struct feed_row row = {.profile = profile, .from_disk = true, .unread = status};

        if (status == STATUS_OK) {
            row = row_of(profile, &label, &model);
        }
        status = on_row(context, &row);
        if (status == STATUS_OK || status == STATUS_FULL) {
            series_add(shelf->results[USED], 1);
        } else if (status != STATUS_NO_MEMORY) { /* which says nothing of the file */
            series_add(shelf->results[DAMAGED], 1);
            shelf->places[profile].label.version = 0; /* so that the same model is written over it when it comes again */
        }
        if (status == STATUS_OK) {
            shelf->places[profile].label = label;
        }
    }
    buffer_free(&model);
    return status;
}

enum status feed_shelf_look(const struct settings *settings, size_t profile,
                            enum status (*on_row)(void *context, const struct feed_row *row), void *context)
{
    struct shelf_label label = {.profile = settings->profiles[profile].name};
    struct shelf *shelf = NULL;
    char dir[PATH_BYTES_MAX + 1];
    struct buffer model;
    enum status status;

    if (settings->moderator.state_dir[0] == '\0' || !write_dir(dir, settings->moderator.state_dir) || access(dir, F_OK) != 0) {
        return STATUS_NOT_FOUND;
    }
    status = shelf_open(&shelf, dir, SHELF_FILES_MAX, SHELF_BYTES_MAX);
    if (status != STATUS_OK) {
        return status;
    }
    buffer_init(&model, MODEL_FILE_BYTES_MAX);
    status = shelf_read(shelf, &label, &model);
    if (status == STATUS_OK) {
        const struct feed_row row = row_of(profile, &label, &model);

        status = on_row(context, &row);
    }
    buffer_free(&model);
    shelf_close(&shelf);
    return status;
}
