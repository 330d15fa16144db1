/* shelf: one file a profile, replaced whole by rename. */
#include "moderator/shelf.h"

#include "moderator/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_DIGITS = 2 * SHA256_BYTES,
    NUMBER_BYTES = 8,
    AT_VERSION = 8,
    AT_BYTES = AT_VERSION + NUMBER_BYTES,
    AT_SHA256 = AT_BYTES + NUMBER_BYTES,
    AT_CHECK = AT_SHA256 + SHA256_BYTES,
    HEAD_BYTES = AT_CHECK + SHA256_BYTES,
    SUFFIX_BYTES = 8, /* ".model" and ".new" */
};

static const char magic[AT_VERSION] = {'P', 'G', 'M', 'O', 'D', 'E', 'L', '1'};

struct shelf {
    char dir[PATH_BYTES_MAX + 1];
    int folder; /* for fsync after a rename */
    size_t files_max;
    uint64_t bytes_max;
};

struct shelf_path {
    char text[PATH_BYTES_MAX + 1];
};

static struct shelf_path path_of(const struct shelf *shelf, const char *profile, const char *suffix)
{
    unsigned char digest[SHA256_BYTES];
    char name[NAME_DIGITS + 1];
    struct shelf_path path;
    int length;

    secret_sha256(digest, bytes_of(profile));
    secret_hex(name, (struct bytes){(const char *)digest, sizeof digest});
    length = snprintf(path.text, sizeof path.text, "%s/%s%s", shelf->dir, name, suffix);
    assert(length > 0 && (size_t)length < sizeof path.text); /* shelf_open left room for it */
    return path;
}

static void put_number(char out[NUMBER_BYTES], uint64_t number)
{
    for (unsigned index = 0; index < NUMBER_BYTES; index++) {
        out[index] = (char)(unsigned char)(number >> (8 * index));
    }
}

static uint64_t get_number(const char in[NUMBER_BYTES])
{
    uint64_t number = 0;

    for (unsigned index = 0; index < NUMBER_BYTES; index++) {
        number |= (uint64_t)(unsigned char)in[index] << (8 * index);
    }
    return number;
}

static void make_check(unsigned char out[SHA256_BYTES], const char head[HEAD_BYTES], const char *profile)
{
    memset(out, 0, SHA256_BYTES);
    secret_sha256_add(out, (struct bytes){head, AT_CHECK});
    secret_sha256_add(out, bytes_of(profile));
}

static void make_head(char head[HEAD_BYTES], const struct shelf_label *label, size_t bytes)
{
    unsigned char check[SHA256_BYTES];

    memcpy(head, magic, sizeof magic);
    put_number(head + AT_VERSION, label->version);
    put_number(head + AT_BYTES, bytes);
    memcpy(head + AT_SHA256, label->sha256, SHA256_BYTES);
    make_check(check, head, label->profile);
    memcpy(head + AT_CHECK, check, sizeof check);
}

enum status shelf_open(struct shelf **out, const char *dir, size_t files_max, uint64_t bytes_max)
{
    struct shelf *shelf;

    assert(files_max > 0);
    if (strlen(dir) + 1 + NAME_DIGITS + SUFFIX_BYTES > PATH_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return STATUS_IO;
    }
    shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(shelf->dir, sizeof shelf->dir, "%s", dir);
    shelf->files_max = files_max;
    shelf->bytes_max = bytes_max;
    shelf->folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (shelf->folder < 0) {
        free(shelf);
        return STATUS_IO;
    }
    *out = shelf;
    return STATUS_OK;
}

void shelf_close(struct shelf **shelf)
{
    if (*shelf != NULL) {
        (void)close((*shelf)->folder);
        free(*shelf);
        *shelf = NULL;
    }
}

/* What lies there, but for the file named `aside`. */
struct stock {
    size_t files;
    uint64_t bytes;
    char oldest[NAME_DIGITS + SUFFIX_BYTES];
    struct timespec written; /* the oldest one */
};

static bool is_older(struct timespec left, struct timespec right)
{
    return left.tv_sec != right.tv_sec ? left.tv_sec < right.tv_sec : left.tv_nsec < right.tv_nsec;
}

static void count_file(const struct shelf *shelf, const char *name, struct stock *stock)
{
    struct stat found;

    if (strlen(name) >= sizeof stock->oldest || fstatat(shelf->folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(found.st_mode)) {
        return;
    }
    stock->bytes += (uint64_t)found.st_size;
    if (stock->files++ == 0 || is_older(found.st_mtim, stock->written)) {
        stock->written = found.st_mtim;
        memcpy(stock->oldest, name, strlen(name) + 1);
    }
}

static enum status take_stock(const struct shelf *shelf, struct bytes aside, struct stock *out)
{
    DIR *folder = opendir(shelf->dir);
    const struct dirent *entry;

    *out = (struct stock){0};
    if (folder == NULL) {
        return STATUS_IO;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (!bytes_starts_with(bytes_of(entry->d_name), aside)) {
            count_file(shelf, entry->d_name, out);
        }
    }
    (void)closedir(folder);
    return STATUS_OK;
}

/* Drops the longest unwritten ones until a file of so many bytes has room beside the others. */
static enum status make_room(const struct shelf *shelf, struct bytes aside, uint64_t bytes, size_t *out_dropped)
{
    struct stock stock;
    enum status status;

    *out_dropped = 0;
    while ((status = take_stock(shelf, aside, &stock)) == STATUS_OK &&
           (stock.files + 1 > shelf->files_max || stock.bytes + bytes > shelf->bytes_max)) {
        if (stock.files == 0) {
            return STATUS_TOO_LARGE;
        }
        if (unlinkat(shelf->folder, stock.oldest, 0) != 0 && errno != ENOENT) {
            return STATUS_IO;
        }
        ++*out_dropped;
    }
    return status;
}

static enum status write_all(int fd, struct bytes bytes)
{
    while (bytes.count > 0) {
        ssize_t count = write(fd, bytes.data, bytes.count);

        if (count < 0 && errno != EINTR) {
            return STATUS_IO;
        }
        bytes = bytes_from(bytes, count < 0 ? 0 : (size_t)count);
    }
    return STATUS_OK;
}

/* One writer of a profile at a time. Whoever had it before us may have renamed it away. */
static enum status lock_file(int fd, const char *path)
{
    struct stat ours;
    struct stat there;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? STATUS_CONFLICT : STATUS_IO;
    }
    if (fstat(fd, &ours) != 0 || stat(path, &there) != 0 || ours.st_ino != there.st_ino) {
        return STATUS_CONFLICT;
    }
    return ftruncate(fd, 0) == 0 ? STATUS_OK : STATUS_IO;
}

enum status shelf_put(struct shelf *shelf, const struct shelf_label *label, struct bytes model, size_t *out_dropped)
{
    struct shelf_path place = path_of(shelf, label->profile, ".model");
    struct shelf_path fresh = path_of(shelf, label->profile, ".new");
    struct bytes name = bytes_first(bytes_from(bytes_of(place.text), strlen(shelf->dir) + 1), NAME_DIGITS);
    char head[HEAD_BYTES];
    enum status status;
    int fd;

    assert(label->version > 0);
    *out_dropped = 0;
    if (HEAD_BYTES + (uint64_t)model.count > shelf->bytes_max) {
        return STATUS_TOO_LARGE;
    }
    status = make_room(shelf, name, HEAD_BYTES + (uint64_t)model.count, out_dropped);
    if (status != STATUS_OK) {
        return status;
    }
    fd = open(fresh.text, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return STATUS_IO;
    }
    make_head(head, label, model.count);
    status = lock_file(fd, fresh.text);
    if (status == STATUS_OK) {
        status = write_all(fd, (struct bytes){head, sizeof head});
    }
    if (status == STATUS_OK) {
        status = write_all(fd, model);
    }
    if (status == STATUS_OK && (fsync(fd) != 0 || rename(fresh.text, place.text) != 0 || fsync(shelf->folder) != 0)) {
        status = STATUS_IO;
    }
    if (status == STATUS_IO) {
        (void)unlink(fresh.text); /* a full disk gets its bytes back */
    }
    (void)close(fd);
    return status;
}

enum status shelf_read(struct shelf *shelf, struct shelf_label *out, struct buffer *model)
{
    struct shelf_path place = path_of(shelf, out->profile, ".model");
    unsigned char check[SHA256_BYTES];
    char head[HEAD_BYTES];
    int fd = open(place.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a pipe has no end to wait for */
    enum status status = STATUS_CORRUPT;

    if (fd < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    buffer_clear(model);
    if (read(fd, head, sizeof head) == (ssize_t)sizeof head && memcmp(head, magic, sizeof magic) == 0) {
        make_check(check, head, out->profile);
        status = memcmp(check, head + AT_CHECK, sizeof check) == 0 ? STATUS_OK : STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        status = file_read_rest(fd, model);
    }
    (void)close(fd);
    if (status == STATUS_OK && (model->count != get_number(head + AT_BYTES) || get_number(head + AT_VERSION) == 0)) {
        status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        buffer_clear(model);
        return status;
    }
    out->version = get_number(head + AT_VERSION);
    memcpy(out->sha256, head + AT_SHA256, SHA256_BYTES);
    return STATUS_OK;
}
