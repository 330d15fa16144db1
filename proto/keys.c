/* keys: the six CURVE files and two random texts, each made only where it is missing. */
#include "proto/keys.h"

#include "proto/limits.h"
#include "proto/secret.h"
#include "proto/wire_security.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_RANDOM_BYTES = 32, GROUP_MAY_READ = 0640, OWNER_ALONE = 0600 };

static enum status path_of(char out[PATH_BYTES_MAX + 1], const char *dir, const char *name)
{
    int length = snprintf(out, PATH_BYTES_MAX + 1, "%s/%s", dir, name);

    return length > 0 && length <= PATH_BYTES_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

/* Half a set cannot be completed: what is missing would not belong to what is there. */
static enum status check_curve_is_whole(const char *dir)
{
    static const char *const names[] = {"gateway.key",   "gateway.pub", "moderator.key",
                                        "moderator.pub", "trainer.key", "trainer.pub"};

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        char path[PATH_BYTES_MAX + 1];
        enum status status = path_of(path, dir, names[index]);

        if (status != STATUS_OK) {
            return status;
        }
        if (access(path, F_OK) != 0) {
            return STATUS_CONFLICT;
        }
    }
    return STATUS_OK;
}

static enum status make_curve(const char *dir, FILE *out)
{
    enum status status = wire_security_make_keys(dir);
    bool kept = status == STATUS_CONFLICT;

    if (kept) {
        status = check_curve_is_whole(dir);
    }
    if (status == STATUS_OK) {
        (void)fprintf(out, "%s: CURVE keys of gateway, moderator and trainer %s\n", dir, kept ? "kept" : "made");
    }
    return status;
}

/* A text of random hexadecimal digits, and a line feed. The mode is set apart from the umask. */
static enum status make_text(const char *dir, const char *name, mode_t mode, FILE *out)
{
    unsigned char random[KEY_RANDOM_BYTES];
    char line[2 * KEY_RANDOM_BYTES + 2];
    char path[PATH_BYTES_MAX + 1];
    enum status status = path_of(path, dir, name);
    bool written;
    int fd;

    if (status != STATUS_OK) {
        return status;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, OWNER_ALONE);
    if (fd < 0 && errno == EEXIST) {
        (void)fprintf(out, "%s: kept\n", path);
        return STATUS_OK;
    }
    if (fd < 0) {
        return STATUS_IO;
    }
    secret_random(random, sizeof random);
    secret_hex(line, (struct bytes){(const char *)random, sizeof random});
    line[2 * KEY_RANDOM_BYTES] = '\n';
    written = write(fd, line, sizeof line - 1) == (ssize_t)sizeof line - 1 && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    explicit_bzero(random, sizeof random);
    explicit_bzero(line, sizeof line);
    if (close(fd) != 0 || !written) {
        (void)unlink(path); /* half a key would be kept for ever */
        return STATUS_IO;
    }
    (void)fprintf(out, "%s: made\n", path);
    return STATUS_OK;
}

enum status keys_make(const char *dir, FILE *out)
{
    enum status status = make_curve(dir, out);

    if (status == STATUS_OK) {
        status = make_text(dir, "hash", OWNER_ALONE, out);
    }
    if (status == STATUS_OK) {
        status = make_text(dir, "database", GROUP_MAY_READ, out);
    }
    return status;
}
