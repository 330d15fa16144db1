/* memory_limit: reads the files of the memory controller from the process's own group up to the root. */
#include "proto/memory_limit.h"

#include "proto/bytes.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { NUMBER_BYTES = 32, LINE_BYTES = 2 * PATH_BYTES_MAX, PATH_ROOM = 4 * PATH_BYTES_MAX };

/* Version 1 writes the largest page-aligned number for "none". */
static const uint64_t NONE_FROM = UINT64_MAX / 4;

static uint64_t read_number(const char *file)
{
    char text[NUMBER_BYTES];
    unsigned long long number;
    FILE *in = fopen(file, "re");
    bool read;

    if (in == NULL) {
        return MEMORY_UNLIMITED;
    }
    read = fgets(text, sizeof text, in) != NULL;
    (void)fclose(in);
    if (!read) {
        return MEMORY_UNLIMITED;
    }
    text[strcspn(text, "\n")] = '\0';
    if (bytes_number(bytes_of(text), UINT64_MAX, &number) != STATUS_OK || number >= NONE_FROM) {
        return MEMORY_UNLIMITED; /* "max" too */
    }
    return number;
}

/* The lowest of `folder` + `path` and every folder above it, down to `folder` itself. */
static uint64_t lowest(const char *folder, struct bytes path, const char *file)
{
    uint64_t found = MEMORY_UNLIMITED;
    char name[PATH_ROOM];

    for (;;) {
        int count = snprintf(name, sizeof name, "%s%.*s/%s", folder, (int)path.count, path.count == 0 ? "" : path.data, file);
        uint64_t limit = count > 0 && (size_t)count < sizeof name ? read_number(name) : MEMORY_UNLIMITED;

        found = limit < found ? limit : found;
        if (path.count == 0) {
            return found;
        }
        do {
            path.count--;
        } while (path.count > 0 && path.data[path.count] != '/');
    }
}

/* Whether "memory" is one of the controllers of a group of version 1: "cpu,memory". */
static bool has_memory(struct bytes controllers)
{
    while (controllers.count > 0) {
        ptrdiff_t comma = bytes_find(controllers, ',');
        struct bytes first = comma < 0 ? controllers : bytes_first(controllers, (size_t)comma);

        if (bytes_equal(first, BYTES("memory"))) {
            return true;
        }
        controllers = bytes_from(controllers, first.count + 1);
    }
    return false;
}

/* One line "number:controllers:path". */
static uint64_t limit_of(struct bytes line, const char *root)
{
    ptrdiff_t first = bytes_find(line, ':');
    struct bytes rest = first < 0 ? (struct bytes){NULL, 0} : bytes_from(line, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, ':');
    char folder[PATH_BYTES_MAX + 8];
    struct bytes path;

    if (second < 0) {
        return MEMORY_UNLIMITED;
    }
    path = bytes_from(rest, (size_t)second + 1);
    if (path.count == 1 || path.count >= PATH_BYTES_MAX) {
        path.count = 0; /* "/", or nothing that we can name: the root tells */
    }
    if (second == 0) {
        return lowest(root, path, "memory.max");
    }
    if (!has_memory(bytes_first(rest, (size_t)second))) {
        return MEMORY_UNLIMITED;
    }
    (void)snprintf(folder, sizeof folder, "%.*s/memory", PATH_BYTES_MAX, root);
    return lowest(folder, path, "memory.limit_in_bytes");
}

uint64_t memory_limit_read(const char *groups_file, const char *root)
{
    uint64_t found = MEMORY_UNLIMITED;
    FILE *in = fopen(groups_file, "re");
    char line[LINE_BYTES];

    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        uint64_t limit = limit_of(bytes_first(bytes_of(line), strcspn(line, "\n")), root);

        found = limit < found ? limit : found;
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return found;
}

uint64_t memory_limit_bytes(void)
{
    return memory_limit_read("/proc/self/cgroup", "/sys/fs/cgroup");
}
