/* file: reads a file to its end or to the bound of the buffer, whichever comes first. */
#include "moderator/file.h"

#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { READ_BYTES = 16 * KIB };

/* One step; STATUS_NOT_FOUND at the end of the file. */
static enum status read_some(int descriptor, struct buffer *out)
{
    size_t left = out->max - out->count;
    char beyond;
    char *at = &beyond;
    ssize_t got;

    /* A full buffer still asks for one byte, to tell a file of exactly the bound from a larger one. */
    if (left > 0) {
        left = left < READ_BYTES ? left : READ_BYTES;
        enum status status = buffer_reserve(out, left, &at);
        if (status != STATUS_OK) {
            return status;
        }
    }
    do {
        got = read(descriptor, at, left > 0 ? left : 1);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return STATUS_IO;
    }
    if (got == 0) {
        return STATUS_NOT_FOUND;
    }
    if (left == 0) {
        return STATUS_TOO_LARGE;
    }
    buffer_used(out, (size_t)got);
    return STATUS_OK;
}

enum status file_read_rest(int descriptor, struct buffer *out)
{
    size_t count_before = out->count;
    enum status status;

    while ((status = read_some(descriptor, out)) == STATUS_OK) {
    }
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    out->count = count_before;
    return status;
}

enum status file_read(const char *path, struct buffer *out)
{
    int descriptor;
    enum status status;

    assert(path != NULL);
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return errno == ENOENT || errno == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO;
    }
    status = file_read_rest(descriptor, out);
    (void)close(descriptor);
    return status;
}
