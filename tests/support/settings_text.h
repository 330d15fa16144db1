/* settings_text: prismguard.yaml of a text, read in a folder of its own, and what was told about it. */
#ifndef TESTS_SUPPORT_SETTINGS_TEXT_H
#define TESTS_SUPPORT_SETTINGS_TEXT_H

#include "support/folder.h"
#include "support/unit.h"

#include "proto/settings.h"

/* What one reading gave. */
struct reading {
    struct folder folder;
    char file[PATH_BYTES_MAX + 1];
    enum status status;
    struct settings *settings; /* NULL when it was refused */
    char *told;                /* terminated */
    size_t told_count;
};

static inline void reading_end(struct reading *reading)
{
    settings_close(&reading->settings);
    free(reading->told);
    folder_close(&reading->folder);
}

static inline void reading_begin(struct reading *reading, struct bytes text)
{
    FILE *told;

    *reading = (struct reading){0};
    folder_open(&reading->folder);
    folder_write(&reading->folder, "prismguard.yaml", text);
    folder_path(&reading->folder, "prismguard.yaml", reading->file);
    told = open_memstream(&reading->told, &reading->told_count);
    assert_non_null(told);
    reading->status = settings_open(&reading->settings, reading->file, told);
    assert_int_equal(0, fclose(told));
    assert_int_equal(reading->status == STATUS_OK, reading->settings != NULL);
}

/* Each line of what was told, without the folder: "prismguard.yaml:1: ...". */
static inline void without_folder(struct reading *reading)
{
    size_t count = strlen(reading->folder.path) + 1;
    char *found;

    while ((found = strstr(reading->told, reading->folder.path)) != NULL) {
        memmove(found, found + count, strlen(found + count) + 1);
    }
}

/* The text is refused, and exactly these lines are told. */
static inline void assert_refused_bytes(const char *lines, struct bytes text)
{
    struct reading reading;

    reading_begin(&reading, text);
    without_folder(&reading);
    assert_string_equal(lines, reading.told);
    assert_status(STATUS_MALFORMED, reading.status);
    reading_end(&reading);
}

static inline void assert_refused(const char *lines, const char *text)
{
    assert_refused_bytes(lines, bytes_of(text));
}

/* The text is read without a word; the caller ends the reading. */
static inline void assert_read(struct reading *reading, const char *text)
{
    reading_begin(reading, bytes_of(text));
    assert_string_equal("", reading->told);
    assert_status(STATUS_OK, reading->status);
}

#endif
