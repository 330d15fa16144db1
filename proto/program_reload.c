/* program_reload: settings that cannot be used change nothing, and the log says which line is to blame. */
#include "proto/program_reload.h"

#include "proto/log.h"
#include "proto/settings_keep.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Reads and applies. What is wrong is on `errors`. */
static enum status reread(const struct program_reload *reload, char digest[SETTINGS_DIGEST_BYTES + 1], FILE *errors)
{
    char room[LOG_VALUE_BYTES_MAX];
    struct buffer names = {.data = room, .room = sizeof room, .max = sizeof room};
    struct settings *fresh = NULL;
    enum log_level level;
    enum status status = settings_open(&fresh, reload->started->file, errors);

    if (status != STATUS_OK) {
        return status;
    }
    if (settings_keep(fresh, reload->started, reload->service, &names) > 0) {
        log_event(LOG_WARN, "config_needs_restart", LOG_BYTES("settings", buffer_view(&names)));
    }
    memcpy(digest, fresh->digest, sizeof fresh->digest);
    level = fresh->log.level;
    status = reload->apply(reload->context, &fresh, errors);
    assert((status == STATUS_OK) == (fresh == NULL));
    settings_close(&fresh);
    if (status == STATUS_OK) {
        log_set_level(level);
    }
    return status;
}

static struct bytes first_line(const char *text)
{
    struct bytes whole = bytes_of(text);
    ptrdiff_t end = bytes_find(whole, '\n');

    return end < 0 ? whole : bytes_first(whole, (size_t)end);
}

static void count(const struct program_reload *reload, const char *result, int64_t more)
{
    series_add(metrics_series(reload->metrics, METRIC_COUNTER, "prismguard_config_reloads_total",
                              "Reloads of the configuration, by how they ended", &(struct metric_label){"result", result}, 1),
               more);
}

void program_reload_show(const struct program_reload *reload)
{
    count(reload, "ok", 0);
    count(reload, "failed", 0);
}

void program_reload(const struct program_reload *reload)
{
    char digest[SETTINGS_DIGEST_BYTES + 1] = "";
    enum status status = STATUS_NO_MEMORY;
    char *text = NULL;
    size_t text_bytes;
    FILE *errors;

    if (reload->apply == NULL) {
        log_event(LOG_WARN, "config_reload_failed", LOG_TEXT("error", "this service reads its settings at start only"));
        return;
    }
    errors = open_memstream(&text, &text_bytes);
    if (errors != NULL) {
        status = reread(reload, digest, errors);
        (void)fclose(errors);
    }
    if (status == STATUS_OK) {
        log_event(LOG_INFO, "config_reloaded", LOG_TEXT("config", reload->started->file), LOG_TEXT("digest", digest));
    } else {
        log_event(LOG_ERROR, "config_reload_failed", LOG_STATUS("status", status),
                  LOG_BYTES("error", first_line(text == NULL ? "" : text)));
    }
    count(reload, status == STATUS_OK ? "ok" : "failed", 1);
    free(text);
}
