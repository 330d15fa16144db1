/* memory_limit: reads the files of the memory controller from the process's own group up to the root. */
#include "proto/memory_limit.h"

#include "proto/bytes.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum {
    NUMBER_BYTES = 32,
    LINE_BYTES = 2 * PATH_BYTES_MAX,
    FOLDER_ROOM = sizeof((struct memory_group *)0)->folder,
    PATH_ROOM = FOLDER_ROOM + NUMBER_BYTES,
};

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

/* Takes the limit of `folder` + `path` and of every folder above it, down to `folder` itself, where it is lower than *out's. */
static void look_for_lower(struct memory_group *out, const char *folder, struct bytes path, bool is_first_version)
{
    const char *file = is_first_version ? "memory.limit_in_bytes" : "memory.max";
    char name[PATH_ROOM];
    char group[FOLDER_ROOM];

    for (;;) {
        int count = snprintf(group, sizeof group, "%s%.*s", folder, (int)path.count, path.count == 0 ? "" : path.data);
        uint64_t limit = MEMORY_UNLIMITED;

        if (count > 0 && (size_t)count < sizeof group) {
            (void)snprintf(name, sizeof name, "%s/%s", group, file);
            limit = read_number(name);
        }
        if (limit < out->limit_bytes) {
            out->limit_bytes = limit;
            out->is_first_version = is_first_version;
            memcpy(out->folder, group, sizeof group);
        }
        if (path.count == 0) {
            return;
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
static void look_at_line(struct memory_group *out, struct bytes line, const char *root)
{
    ptrdiff_t first = bytes_find(line, ':');
    struct bytes rest = first < 0 ? (struct bytes){NULL, 0} : bytes_from(line, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, ':');
    char folder[PATH_BYTES_MAX + 8];
    struct bytes path;

    if (second < 0) {
        return;
    }
    path = bytes_from(rest, (size_t)second + 1);
    if (path.count == 1 || path.count >= PATH_BYTES_MAX) {
        path.count = 0; /* "/", or nothing that we can name: the root tells */
    }
    if (second == 0) {
        look_for_lower(out, root, path, false);
    } else if (has_memory(bytes_first(rest, (size_t)second))) {
        (void)snprintf(folder, sizeof folder, "%.*s/memory", PATH_BYTES_MAX, root);
        look_for_lower(out, folder, path, true);
    }
}

void memory_group_read(struct memory_group *out, const char *groups_file, const char *root)
{
    FILE *in = fopen(groups_file, "re");
    char line[LINE_BYTES];

    *out = (struct memory_group){.limit_bytes = MEMORY_UNLIMITED};
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        look_at_line(out, bytes_first(bytes_of(line), strcspn(line, "\n")), root);
    }
    if (in != NULL) {
        (void)fclose(in);
    }
}

void memory_group_find(struct memory_group *out)
{
    memory_group_read(out, "/proc/self/cgroup", "/sys/fs/cgroup");
}

/* The sum of the numbers behind these two names in a file of lines "name number"; 0 for one that is not there. */
static uint64_t read_pages_of_files(const char *file, const char *inactive, const char *active)
{
    FILE *in = fopen(file, "re");
    uint64_t sum = 0;
    char line[LINE_BYTES];

    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        size_t name = strcspn(line, " ");
        struct bytes found = bytes_first(bytes_of(line), name);
        unsigned long long number;

        line[strcspn(line, "\n")] = '\0';
        if ((bytes_equal(found, bytes_of(inactive)) || bytes_equal(found, bytes_of(active))) && line[name] == ' ' &&
            bytes_number(bytes_of(line + name + 1), NONE_FROM, &number) == STATUS_OK) {
            sum += number;
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return sum;
}

enum status memory_group_used(const struct memory_group *group, uint64_t *out_bytes)
{
    bool first = group->is_first_version;
    char name[PATH_ROOM];
    uint64_t used, files;

    if (group->limit_bytes == MEMORY_UNLIMITED) {
        return STATUS_UNAVAILABLE;
    }
    (void)snprintf(name, sizeof name, "%s/%s", group->folder, first ? "memory.usage_in_bytes" : "memory.current");
    used = read_number(name);
    if (used == MEMORY_UNLIMITED) {
        return STATUS_IO;
    }
    (void)snprintf(name, sizeof name, "%s/memory.stat", group->folder);
    files = read_pages_of_files(name, first ? "total_inactive_file" : "inactive_file",
                                first ? "total_active_file" : "active_file");
    *out_bytes = used > files ? used - files : 0;
    return STATUS_OK;
}

uint64_t memory_limit_read(const char *groups_file, const char *root)
{
    struct memory_group group;

    memory_group_read(&group, groups_file, root);
    return group.limit_bytes;
}

uint64_t memory_limit_bytes(void)
{
    return memory_limit_read("/proc/self/cgroup", "/sys/fs/cgroup");
}
