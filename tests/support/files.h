/* files: a folder for the files of one test, and writing into it. */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include "support/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEST_PATH_BYTES = 256 };

/* Makes a new folder under TMPDIR or /tmp and puts its path into `out`. */
static inline void make_folder(char out[TEST_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(out, TEST_PATH_BYTES, "%s/prismguard-test-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(out));
}

static inline void path_in(char out[TEST_PATH_BYTES], const char *folder, const char *name)
{
    int count = snprintf(out, TEST_PATH_BYTES, "%s/%s", folder, name);

    assert_in_range(count, 1, TEST_PATH_BYTES - 1);
}

static inline void write_file(const char *folder, const char *name, struct bytes content)
{
    char path[TEST_PATH_BYTES];
    FILE *file;

    path_in(path, folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(content.count, fwrite(content.data, 1, content.count, file));
    assert_int_equal(0, fclose(file));
}

/* Removes a folder that holds files and empty folders only. */
static inline void remove_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    struct dirent *entry;

    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            assert_int_equal(0, unlinkat(dirfd(entries), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0));
        }
    }
    closedir(entries);
    assert_int_equal(0, rmdir(folder));
}

#endif
