/* spool: a folder of append-only segments; the reader follows the writer and removes what is done with. */
#include "moderator/spool.h"

#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKSUM_BYTES = 8, HEAD_BYTES = 4 + CHECKSUM_BYTES, NAME_DIGITS = 8 };

_Static_assert(SPOOL_SEGMENT_BYTES >= SPOOL_RECORD_BYTES_MAX + HEAD_BYTES, "the largest record fits an empty segment");

/* One file. first..last of the spool are numbered without a gap after spool_open. */
struct segment {
    uint64_t bytes; /* whole records */
    uint64_t records;
    int fd;
};

/* A place between two records. */
struct place {
    uint64_t number; /* of the segment */
    uint64_t at;     /* byte offset */
    uint64_t record; /* how many records of the segment are before it */
};

struct spool {
    char dir[PATH_BYTES_MAX + 1];
    int lock;
    int folder; /* for fsync after a file was made or removed */
    uint64_t bytes_max;
    uint64_t bytes;
    uint64_t count; /* records behind `done` */
    uint64_t damaged_bytes;
    uint64_t first; /* number of the oldest segment */
    uint64_t end;   /* one past the newest; first == end: none */
    struct segment segments[SPOOL_SEGMENTS_MAX]; /* segment n at n % SPOOL_SEGMENTS_MAX */
    struct place done; /* everything before it is forgotten */
    struct place next; /* what spool_next gives */
    char *record;      /* SPOOL_RECORD_BYTES_MAX bytes, lent by spool_next */
};

static struct segment *segment_of(struct spool *spool, uint64_t number)
{
    return &spool->segments[number % SPOOL_SEGMENTS_MAX];
}

static void path_of(const struct spool *spool, uint64_t number, char out[PATH_BYTES_MAX + 1])
{
    int length = snprintf(out, PATH_BYTES_MAX + 1, "%s/%0*llu.spool", spool->dir, NAME_DIGITS, (unsigned long long)number);

    assert(length > 0 && length <= PATH_BYTES_MAX); /* spool_open left room for it */
}

static void checksum_of(unsigned char out[CHECKSUM_BYTES], struct bytes record)
{
    static const unsigned char key[SECRET_HASH_KEY_BYTES]; /* no secret: it finds damage, not forgers */
    unsigned char whole[TEXT_HASH_BYTES];

    secret_text_hash(whole, key, record);
    memcpy(out, whole, CHECKSUM_BYTES);
}

static void put_length(unsigned char out[4], uint32_t length)
{
    for (unsigned index = 0; index < 4; index++) {
        out[index] = (unsigned char)(length >> (8 * index));
    }
}

static uint32_t get_length(const unsigned char in[4])
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static bool read_at(int fd, uint64_t at, void *out, size_t count)
{
    return pread(fd, out, count, (off_t)at) == (ssize_t)count;
}

/* The record at `at`: its length, with its bytes in spool->record. False when it is torn, damaged or not there. */
static bool read_record(struct spool *spool, int fd, uint64_t at, uint32_t *out_length)
{
    unsigned char head[HEAD_BYTES];
    unsigned char checksum[CHECKSUM_BYTES];
    uint32_t length;

    if (!read_at(fd, at, head, sizeof head)) {
        return false;
    }
    length = get_length(head);
    if (length > SPOOL_RECORD_BYTES_MAX || !read_at(fd, at + HEAD_BYTES, spool->record, length)) {
        return false;
    }
    checksum_of(checksum, (struct bytes){spool->record, length});
    if (memcmp(checksum, head + 4, CHECKSUM_BYTES) != 0) {
        return false;
    }
    *out_length = length;
    return true;
}

/* Opens segment `number` (made when absent) and counts its whole records; what follows the last one is cut off. */
static enum status take_segment(struct spool *spool, uint64_t number)
{
    struct segment *segment = segment_of(spool, number);
    char path[PATH_BYTES_MAX + 1];
    struct stat found;
    uint32_t length;

    path_of(spool, number, path);
    *segment = (struct segment){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (segment->fd < 0) {
        return STATUS_IO;
    }
    if (fstat(segment->fd, &found) != 0) {
        (void)close(segment->fd);
        return STATUS_IO;
    }
    while (segment->bytes < (uint64_t)found.st_size && read_record(spool, segment->fd, segment->bytes, &length)) {
        segment->bytes += HEAD_BYTES + length;
        segment->records++;
    }
    if (segment->bytes < (uint64_t)found.st_size) {
        spool->damaged_bytes += (uint64_t)found.st_size - segment->bytes;
        if (ftruncate(segment->fd, (off_t)segment->bytes) != 0) {
            (void)close(segment->fd);
            return STATUS_IO;
        }
    }
    spool->bytes += segment->bytes;
    spool->count += segment->records;
    spool->end = number + 1;
    return STATUS_OK;
}

/* Removes the oldest segment. */
static enum status drop_segment(struct spool *spool)
{
    struct segment *segment = segment_of(spool, spool->first);
    char path[PATH_BYTES_MAX + 1];

    path_of(spool, spool->first, path);
    spool->bytes -= segment->bytes;
    (void)close(segment->fd);
    spool->first++;
    return unlink(path) == 0 && fsync(spool->folder) == 0 ? STATUS_OK : STATUS_IO;
}

/* The number of the oldest segment in the folder and one past the newest's; 1 and 1 when there is none. */
static enum status find_segments(const struct spool *spool, uint64_t *first, uint64_t *end)
{
    DIR *folder = opendir(spool->dir);
    const struct dirent *entry;

    if (folder == NULL) {
        return STATUS_IO;
    }
    *first = UINT64_MAX;
    *end = 0;
    while ((entry = readdir(folder)) != NULL) {
        struct bytes name = bytes_of(entry->d_name);
        unsigned long long number;

        if (name.count == NAME_DIGITS + sizeof ".spool" - 1 && bytes_ends_with(name, BYTES(".spool")) &&
            bytes_number(bytes_first(name, NAME_DIGITS), UINT32_MAX, &number) == STATUS_OK) {
            *first = number < *first ? number : *first;
            *end = number >= *end ? number + 1 : *end;
        }
    }
    (void)closedir(folder);
    if (*end == 0) {
        *first = *end = 1;
    }
    return *end - *first > SPOOL_SEGMENTS_MAX ? STATUS_FULL : STATUS_OK;
}

static enum status lock_folder(struct spool *spool)
{
    char path[PATH_BYTES_MAX + 1];
    int length;

    if (mkdir(spool->dir, 0700) != 0 && errno != EEXIST) {
        return STATUS_IO;
    }
    length = snprintf(path, sizeof path, "%s/lock", spool->dir);
    assert(length > 0 && (size_t)length < sizeof path);
    spool->folder = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    spool->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->folder < 0 || spool->lock < 0) {
        return STATUS_IO;
    }
    return flock(spool->lock, LOCK_EX | LOCK_NB) == 0 ? STATUS_OK : STATUS_CONFLICT;
}

enum status spool_open(struct spool **out, const char *dir, uint64_t bytes_max)
{
    struct spool *spool = calloc(1, sizeof *spool);
    uint64_t end = 0;
    enum status status = STATUS_NO_MEMORY;

    if (spool == NULL) {
        return STATUS_NO_MEMORY;
    }
    spool->lock = spool->folder = -1;
    spool->bytes_max = bytes_max;
    spool->record = malloc(SPOOL_RECORD_BYTES_MAX);
    if (spool->record == NULL) {
        goto fail;
    }
    if (strlen(dir) + sizeof "/00000000.spool" > sizeof spool->dir) {
        status = STATUS_TOO_LARGE;
        goto fail;
    }
    status = bytes_copy(bytes_of(dir), spool->dir, sizeof spool->dir);
    if (status == STATUS_OK) {
        status = lock_folder(spool);
    }
    if (status == STATUS_OK) {
        status = find_segments(spool, &spool->first, &end);
    }
    spool->end = spool->first;
    for (uint64_t number = spool->first; status == STATUS_OK && number < end; number++) {
        status = take_segment(spool, number);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    spool->done = spool->next = (struct place){.number = spool->first};
    *out = spool;
    return STATUS_OK;
fail:
    spool_close(&spool);
    return status;
}

void spool_close(struct spool **spool)
{
    struct spool *closing = *spool;

    if (closing == NULL) {
        return;
    }
    for (uint64_t number = closing->first; number < closing->end; number++) {
        (void)close(segment_of(closing, number)->fd);
    }
    if (closing->folder >= 0) {
        (void)close(closing->folder);
    }
    if (closing->lock >= 0) {
        (void)close(closing->lock); /* unlocks */
    }
    free(closing->record);
    free(closing);
    *spool = NULL;
}

static bool write_at(int fd, uint64_t at, const void *data, size_t count)
{
    return pwrite(fd, data, count, (off_t)at) == (ssize_t)count;
}

/* The newest segment when the record still fits it, else a new one. */
static enum status segment_for(struct spool *spool, uint64_t bytes, struct segment **out)
{
    if (spool->end == spool->first || segment_of(spool, spool->end - 1)->bytes + bytes > SPOOL_SEGMENT_BYTES) {
        enum status status;

        if (spool->end - spool->first == SPOOL_SEGMENTS_MAX) {
            return STATUS_FULL;
        }
        status = spool_sync(spool); /* later syncs look at the new one only */
        if (status == STATUS_OK) {
            status = take_segment(spool, spool->end);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (fsync(spool->folder) != 0) {
            return STATUS_IO;
        }
    }
    *out = segment_of(spool, spool->end - 1);
    return STATUS_OK;
}

enum status spool_append(struct spool *spool, struct bytes record)
{
    unsigned char head[HEAD_BYTES];
    struct segment *segment = NULL;
    enum status status;

    if (record.count > SPOOL_RECORD_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (spool->bytes_max < spool->bytes || HEAD_BYTES + record.count > spool->bytes_max - spool->bytes) {
        return STATUS_FULL;
    }
    status = segment_for(spool, HEAD_BYTES + record.count, &segment);
    if (status != STATUS_OK) {
        return status;
    }
    put_length(head, (uint32_t)record.count);
    checksum_of(head + 4, record);
    if (!write_at(segment->fd, segment->bytes, head, sizeof head) ||
        !write_at(segment->fd, segment->bytes + HEAD_BYTES, record.data, record.count)) {
        (void)!ftruncate(segment->fd, (off_t)segment->bytes); /* if even that fails, the next start cuts it off */
        return STATUS_IO;
    }
    segment->bytes += HEAD_BYTES + record.count;
    segment->records++;
    spool->bytes += HEAD_BYTES + record.count;
    spool->count++;
    return STATUS_OK;
}

enum status spool_sync(struct spool *spool)
{
    if (spool->end == spool->first) {
        return STATUS_OK;
    }
    return fdatasync(segment_of(spool, spool->end - 1)->fd) == 0 ? STATUS_OK : STATUS_IO;
}

enum status spool_next(struct spool *spool, struct bytes *out)
{
    struct place *next = &spool->next;
    uint32_t length;

    while (next->number < spool->end && next->at == segment_of(spool, next->number)->bytes) {
        if (next->number + 1 == spool->end) {
            return STATUS_NOT_FOUND; /* the writer may still add to this one */
        }
        *next = (struct place){.number = next->number + 1};
    }
    if (next->number >= spool->end) {
        return STATUS_NOT_FOUND;
    }
    if (!read_record(spool, segment_of(spool, next->number)->fd, next->at, &length)) {
        return STATUS_IO; /* it was whole when it was taken in */
    }
    next->at += HEAD_BYTES + length;
    next->record++;
    *out = (struct bytes){spool->record, length};
    return STATUS_OK;
}

enum status spool_forget(struct spool *spool)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && spool->first < spool->next.number) {
        spool->count -= segment_of(spool, spool->first)->records - (spool->done.number == spool->first ? spool->done.record : 0);
        status = drop_segment(spool);
        spool->done = (struct place){.number = spool->first};
    }
    if (status != STATUS_OK) {
        return status;
    }
    spool->count -= spool->next.record - spool->done.record;
    spool->done = spool->next;
    /* All of the newest segment is done with: an empty spool has no file. */
    if (spool->count == 0 && spool->first < spool->end) {
        status = drop_segment(spool);
        spool->done = spool->next = (struct place){.number = spool->first};
    }
    return status;
}

void spool_rewind(struct spool *spool)
{
    spool->next = spool->done;
}

uint64_t spool_count(const struct spool *spool)
{
    return spool->count;
}

uint64_t spool_bytes(const struct spool *spool)
{
    return spool->bytes;
}

uint64_t spool_damaged_bytes(const struct spool *spool)
{
    return spool->damaged_bytes;
}
