/* folder: a temporary folder for one test program, with files made by the tests, removed whole at the end. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include "support/unit.h"

#include "proto/limits.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[PATH_BYTES_MAX + 1];
};

static inline void folder_open(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/prismguard-test-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

/* The path of `name` in the folder, into `out` of PATH_BYTES_MAX + 1. */
static inline void folder_path(const struct folder *folder, const char *name, char *out)
{
    int length = snprintf(out, PATH_BYTES_MAX + 1, "%s/%s", folder->path, name);

    assert_in_range(length, 1, PATH_BYTES_MAX);
}

/* The path of the only file whose name ends in `suffix`, as folder_path. */
static inline void folder_find(const struct folder *folder, const char *suffix, char *out)
{
    DIR *entries = opendir(folder->path);
    size_t found = 0;

    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (bytes_ends_with(bytes_of(entry->d_name), bytes_of(suffix))) {
            folder_path(folder, entry->d_name, out);
            found++;
        }
    }
    (void)closedir(entries);
    assert_int_equal(1, found);
}

static inline void folder_write(const struct folder *folder, const char *name, struct bytes content)
{
    char path[PATH_BYTES_MAX + 1];
    FILE *file;

    folder_path(folder, name, path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data == NULL ? "" : content.data, 1, content.count, file), content.count);
    assert_int_equal(fclose(file), 0);
}

/* Files only: no test makes a folder inside. */
static inline void folder_close(struct folder *folder)
{
    DIR *entries = opendir(folder->path);
    struct dirent *entry;

    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            assert_int_equal(unlinkat(dirfd(entries), entry->d_name, 0), 0);
        }
    }
    (void)closedir(entries);
    assert_int_equal(rmdir(folder->path), 0);
}

#endif
