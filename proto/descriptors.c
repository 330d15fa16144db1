/* descriptors: /proc/self/fd, and RLIMIT_NOFILE. */
#include "proto/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct descriptors {
    DIR *folder;
};

enum status descriptors_open(struct descriptors **out)
{
    struct descriptors *descriptors = calloc(1, sizeof *descriptors);

    if (descriptors == NULL) {
        return STATUS_NO_MEMORY;
    }
    descriptors->folder = opendir("/proc/self/fd");
    if (descriptors->folder == NULL) {
        enum status status = errno == ENOMEM ? STATUS_NO_MEMORY : STATUS_UNAVAILABLE;

        descriptors_close(&descriptors);
        return status;
    }
    *out = descriptors;
    return STATUS_OK;
}

void descriptors_close(struct descriptors **descriptors)
{
    if (*descriptors != NULL) {
        if ((*descriptors)->folder != NULL) {
            (void)closedir((*descriptors)->folder);
        }
        free(*descriptors);
        *descriptors = NULL;
    }
}

uint64_t descriptors_count(struct descriptors *descriptors)
{
    struct stat told;
    uint64_t count = 0;

    if (fstat(dirfd(descriptors->folder), &told) == 0 && told.st_size > 0) {
        return (uint64_t)told.st_size;
    }
    rewinddir(descriptors->folder);
    for (const struct dirent *entry; (entry = readdir(descriptors->folder)) != NULL;) {
        count += entry->d_name[0] != '.' ? 1 : 0; /* all but "." and ".." */
    }
    return count;
}

uint64_t descriptors_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : UINT64_MAX;
}
