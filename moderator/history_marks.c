/* history_marks: the last mark seen of each profile, by one select. */
#include "moderator/history_marks.h"

#include "moderator/ladder.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>

struct history_marks {
    struct recent *recent;
    const struct settings *settings;
    uint64_t due_ms;
    bool is_new; /* nothing was read in this session */
    struct bytes *names; /* of the profiles that count */
    size_t name_count;
    int64_t marks[]; /* as settings.profiles; 0 = the profile has no row yet */
};

/* Whether the profile's reviews look for earlier labels. */
static bool counts(const struct profile_settings *profile)
{
    return ladder_has_review(profile) && profile->store != STORE_OFF;
}

enum status history_marks_open(struct history_marks **out, const struct settings *settings, struct recent *recent)
{
    struct history_marks *marks = calloc(1, sizeof *marks + settings->profile_count * sizeof *marks->marks);

    assert(out != NULL);
    if (marks == NULL) {
        return STATUS_NO_MEMORY;
    }
    marks->recent = recent;
    marks->settings = settings;
    marks->names = calloc(settings->profile_count + 1, sizeof *marks->names);
    if (marks->names == NULL) {
        history_marks_close(&marks);
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; recent != NULL && index < settings->profile_count; index++) {
        if (counts(&settings->profiles[index])) {
            marks->names[marks->name_count++] = bytes_of(settings->profiles[index].name);
        }
    }
    *out = marks;
    return STATUS_OK;
}

static void raise_all(const struct history_marks *marks)
{
    for (size_t index = 0; index < marks->name_count; index++) {
        recent_labels_changed(marks->recent, marks->names[index].data); /* of the settings, which end with a zero */
    }
}

void history_marks_close(struct history_marks **marks)
{
    assert(marks != NULL);
    if (*marks == NULL) {
        return;
    }
    raise_all(*marks);
    free((*marks)->names);
    free(*marks);
    *marks = NULL;
}

void history_marks_begin(struct history_marks *marks)
{
    marks->is_new = true;
    marks->due_ms = 0;
}

uint64_t history_marks_due_ms(const struct history_marks *marks)
{
    return marks->name_count == 0 ? UINT64_MAX : marks->due_ms;
}

static void take(struct history_marks *marks, const struct db_rows *rows)
{
    for (size_t row = 0; row < db_rows_count(rows); row++) {
        const struct profile_settings *profile = settings_profile(marks->settings, db_bytes(rows, row, 0));
        int64_t mark = db_bigint(rows, row, 1);

        if (profile != NULL && mark != marks->marks[profile - marks->settings->profiles]) {
            marks->marks[profile - marks->settings->profiles] = mark;
            if (!marks->is_new) {
                recent_labels_changed(marks->recent, profile->name);
            }
        }
    }
}

enum status history_marks_read(struct history_marks *marks, struct db *db)
{
    const struct db_value names = {.type = DB_TEXT_ARRAY, .array = marks->names, .array_count = marks->name_count};
    struct db_rows *rows = NULL;
    enum status status = db_run(db, "select name, xmin::text::bigint from profiles where name = any ($1)", &names, 1, &rows);

    if (status == STATUS_OK) {
        take(marks, rows);
        if (marks->is_new) {
            raise_all(marks);
        }
        marks->is_new = false;
        marks->due_ms = clock_ms() + HISTORY_MARKS_MS;
    }
    db_rows_close(&rows);
    return status;
}
