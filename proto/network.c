/* network: addresses by inet_pton, prefixes by bits. */
#include "proto/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { MAPPED_BYTES = 12, MAPPED_BITS = 8 * MAPPED_BYTES, ADDRESS_BITS = 8 * NETWORK_BYTES };

/* What IPv4 addresses begin with. */
static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xFF, [11] = 0xFF};

/* `*four`: it is written as IPv4 is. */
static bool read_address(struct bytes text, struct network *out, bool *four)
{
    char room[INET6_ADDRSTRLEN];
    struct network found = {.bits = ADDRESS_BITS};

    if (bytes_find(text, '\0') >= 0 || bytes_copy(text, room, sizeof room) != STATUS_OK) {
        return false;
    }
    memcpy(found.byte, mapped, MAPPED_BYTES);
    *four = inet_pton(AF_INET, room, found.byte + MAPPED_BYTES) == 1;
    if (!*four && inet_pton(AF_INET6, room, found.byte) != 1) {
        return false;
    }
    *out = found;
    return true;
}

bool network_read_address(struct bytes text, struct network *out)
{
    bool four;

    return read_address(text, out, &four);
}

/* Whether the first `bits` of both are the same. */
static bool begins_alike(const uint8_t *left, const uint8_t *right, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    return memcmp(left, right, whole) == 0 && (rest == 0 || (left[whole] ^ right[whole]) >> (8 - rest) == 0);
}

static bool is_zero_behind(const struct network *network)
{
    for (unsigned bit = network->bits; bit < ADDRESS_BITS; bit++) {
        if ((network->byte[bit / 8] & (0x80U >> bit % 8)) != 0) {
            return false;
        }
    }
    return true;
}

bool network_read(struct bytes text, struct network *out)
{
    ptrdiff_t slash = bytes_find(text, '/');
    struct network found;
    unsigned long long bits;
    bool four;

    if (!read_address(slash < 0 ? text : bytes_first(text, (size_t)slash), &found, &four)) {
        return false;
    }
    if (slash >= 0) {
        if (bytes_number(bytes_from(text, (size_t)slash + 1), four ? ADDRESS_BITS - MAPPED_BITS : ADDRESS_BITS, &bits) !=
            STATUS_OK) {
            return false;
        }
        found.bits = (unsigned)bits + (four ? MAPPED_BITS : 0);
    }
    if (!is_zero_behind(&found)) {
        return false;
    }
    *out = found;
    return true;
}

bool network_holds(const struct network *network, const struct network *address)
{
    return begins_alike(network->byte, address->byte, network->bits);
}
