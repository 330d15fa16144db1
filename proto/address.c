/* address: splitting and looking up by getaddrinfo; loopback by number. */
#include "proto/address.h"

#include "proto/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

bool address_split(struct bytes text, struct bytes *out_host, struct bytes *out_port)
{
    size_t at = text.count;

    while (at > 0 && text.data[at - 1] != ':' && text.data[at - 1] != ']') {
        at--;
    }
    if (at == 0 || text.data[at - 1] != ':') {
        return false;
    }
    *out_host = bytes_first(text, at - 1);
    *out_port = bytes_from(text, at);
    return true;
}

static struct bytes without_brackets(struct bytes host)
{
    if (host.count > 2 && host.data[0] == '[' && host.data[host.count - 1] == ']') {
        return bytes_from(bytes_first(host, host.count - 1), 1);
    }
    return host;
}

bool address_is_loopback(struct bytes host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;

    if (bytes_copy(without_brackets(host), text, sizeof text) != STATUS_OK) {
        return false;
    }
    if (inet_pton(AF_INET, text, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (inet_pton(AF_INET6, text, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == IN_LOOPBACKNET);
    }
    return strcmp(text, "localhost") == 0;
}

enum status address_find(const char *listen, struct sockaddr_storage *out, socklen_t *out_bytes)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char name[PATH_BYTES_MAX + 1];
    char service[sizeof "65535"];
    unsigned long long number;
    struct bytes host;
    struct bytes port;

    if (!address_split(bytes_of(listen), &host, &port) || host.count == 0 ||
        bytes_number(port, UINT16_MAX, &number) != STATUS_OK || bytes_copy(port, service, sizeof service) != STATUS_OK ||
        bytes_copy(without_brackets(host), name, sizeof name) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    if (getaddrinfo(name, service, &hints, &found) != 0 || found == NULL) {
        return STATUS_NOT_FOUND;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *out_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return STATUS_OK;
}

enum status address_status(int error)
{
    switch (error) {
    case EADDRINUSE:
        return STATUS_IN_USE;
    case EACCES:
    case EPERM:
        return STATUS_DENIED;
    case EADDRNOTAVAIL:
    case ENODEV:
        return STATUS_NOT_FOUND;
    case EMFILE:
    case ENFILE:
        return STATUS_FULL;
    case ENOMEM:
    case ENOBUFS:
        return STATUS_NO_MEMORY;
    default:
        return STATUS_IO;
    }
}
