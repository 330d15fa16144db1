/* server_unix: bind, and the file's life. */
#include "gateway/server_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr_un *name_of(const struct server_address *address)
{
    return (const struct sockaddr_un *)&address->socket;
}

enum status unix_address(struct server_address *out, struct bytes path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (path.count == 0 || bytes_copy(path, name.sun_path, sizeof name.sun_path) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    memset(&out->socket, 0, sizeof out->socket);
    memcpy(&out->socket, &name, sizeof name);
    out->socket_bytes = sizeof name;
    return STATUS_OK;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Whether the file is a socket on which nobody listens. */
static bool is_left_behind(const struct sockaddr_un *name)
{
    int fd = new_socket();
    struct stat found;
    bool left;

    if (fd < 0) {
        return false;
    }
    left = lstat(name->sun_path, &found) == 0 && S_ISSOCK(found.st_mode) &&
           connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return left;
}

static int bind_to(int fd, const struct sockaddr_un *name)
{
    int result = bind(fd, (const struct sockaddr *)name, sizeof *name);

    if (result != 0 && errno == EADDRINUSE) {
        if (!is_left_behind(name) || unlink(name->sun_path) != 0) {
            errno = EADDRINUSE;
            return -1;
        }
        result = bind(fd, (const struct sockaddr *)name, sizeof *name);
    }
    return result;
}

/* Nobody gets in between bind and chmod: nobody listens yet. */
static int open_shared(struct server_address *address)
{
    const struct sockaddr_un *name = name_of(address);
    int fd = new_socket();
    struct stat found;
    int error;

    if (fd < 0) {
        return -1;
    }
    if (bind_to(fd, name) != 0) {
        error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    if (chmod(name->sun_path, 0660) != 0 || lstat(name->sun_path, &found) != 0) {
        error = errno;
        (void)unlink(name->sun_path);
        (void)close(fd);
        errno = error;
        return -1;
    }
    address->device = found.st_dev;
    address->file = found.st_ino;
    address->shared = fd;
    address->is_shared = true;
    return 0;
}

int unix_socket(struct server_address *address)
{
    if (!address->is_shared && open_shared(address) != 0) {
        return -1;
    }
    return fcntl(address->shared, F_DUPFD_CLOEXEC, 0);
}

void server_address_close(struct server_address *address)
{
    const struct sockaddr_un *name = name_of(address);
    struct stat found;

    if (!address->is_shared) {
        return;
    }
    if (lstat(name->sun_path, &found) == 0 && found.st_dev == address->device && found.st_ino == address->file) {
        (void)unlink(name->sun_path);
    }
    (void)close(address->shared);
    address->is_shared = false;
}
