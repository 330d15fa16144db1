/* address_guard: which addresses an upstream may have: the special ranges of RFC 6890, inner addresses unwrapped. */
#include "proto/address_guard.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* One kind of address: an IPv4 address is its mapped form, so that one table and one comparison do for both. */
struct address {
    uint8_t byte[16];
};

enum range_rule {
    RANGE_REFUSED, /* no upstream lives there */
    RANGE_PRIVATE, /* open with allow_private */
    RANGE_INNER,   /* the last four bytes are an IPv4 address: that one decides */
};

struct range {
    struct address network;
    unsigned prefix_bits;
    enum range_rule rule;
};

#define IPV4(a, b, c, d) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, (a), (b), (c), (d)}}
#define IPV4_BITS(bits) (96 + (bits))
/* Four groups are enough: no range is longer than its first 64 bits, but those that name one address or hold one. */
#define GROUP(group) (uint8_t)((group) >> 8), (uint8_t)((group)&0xFF)
#define IPV6(a, b, c, d) {{GROUP(a), GROUP(b), GROUP(c), GROUP(d)}}

/* IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, with RFC 8190 and later entries), the multicast and
 * reserved blocks of RFC 1112, RFC 5771 and RFC 4291, and addresses of clouds that give out a machine's credentials: these are
 * refused where private ones are open too. The first match counts. */
static const struct range ranges[] = {
    {IPV4(0, 0, 0, 0), IPV4_BITS(8), RANGE_REFUSED},        /* this network: RFC 791 */
    {IPV4(10, 0, 0, 0), IPV4_BITS(8), RANGE_PRIVATE},       /* RFC 1918 */
    {IPV4(100, 100, 100, 200), IPV4_BITS(32), RANGE_REFUSED}, /* Alibaba's metadata */
    {IPV4(100, 64, 0, 0), IPV4_BITS(10), RANGE_PRIVATE},    /* shared address space: RFC 6598 */
    {IPV4(127, 0, 0, 0), IPV4_BITS(8), RANGE_PRIVATE},      /* loopback: RFC 1122 */
    {IPV4(168, 63, 129, 16), IPV4_BITS(32), RANGE_REFUSED}, /* Azure's host agent */
    {IPV4(169, 254, 0, 0), IPV4_BITS(16), RANGE_REFUSED},   /* link-local, cloud metadata: RFC 3927 */
    {IPV4(172, 16, 0, 0), IPV4_BITS(12), RANGE_PRIVATE},    /* RFC 1918 */
    {IPV4(192, 0, 0, 0), IPV4_BITS(24), RANGE_REFUSED},     /* protocol assignments: RFC 6890 */
    {IPV4(192, 0, 2, 0), IPV4_BITS(24), RANGE_REFUSED},     /* documentation: RFC 5737 */
    {IPV4(192, 31, 196, 0), IPV4_BITS(24), RANGE_REFUSED},  /* AS112: RFC 7535 */
    {IPV4(192, 52, 193, 0), IPV4_BITS(24), RANGE_REFUSED},  /* AMT: RFC 7450 */
    {IPV4(192, 88, 99, 0), IPV4_BITS(24), RANGE_REFUSED},   /* 6to4 relays: RFC 7526 */
    {IPV4(192, 168, 0, 0), IPV4_BITS(16), RANGE_PRIVATE},   /* RFC 1918 */
    {IPV4(192, 175, 48, 0), IPV4_BITS(24), RANGE_REFUSED},  /* AS112: RFC 7534 */
    {IPV4(198, 18, 0, 0), IPV4_BITS(15), RANGE_REFUSED},    /* benchmarking: RFC 2544 */
    {IPV4(198, 51, 100, 0), IPV4_BITS(24), RANGE_REFUSED},  /* documentation: RFC 5737 */
    {IPV4(203, 0, 113, 0), IPV4_BITS(24), RANGE_REFUSED},   /* documentation: RFC 5737 */
    {IPV4(224, 0, 0, 0), IPV4_BITS(4), RANGE_REFUSED},      /* multicast: RFC 5771 */
    {IPV4(240, 0, 0, 0), IPV4_BITS(4), RANGE_REFUSED},      /* reserved, broadcast: RFC 1112 */
    {{{[15] = 1}}, 128, RANGE_PRIVATE},                     /* loopback: RFC 4291 */
    {{{0}}, 96, RANGE_INNER},                               /* IPv4-compatible, and :: itself: RFC 4291 */
    {{{[8] = 0xFF, [9] = 0xFF}}, 96, RANGE_INNER},          /* IPv4-translated: RFC 2765 */
    {IPV6(0x0064, 0xff9b, 0, 0), 96, RANGE_INNER},          /* NAT64: RFC 6052 */
    {IPV6(0x0064, 0xff9b, 1, 0), 48, RANGE_REFUSED},        /* local NAT64: RFC 8215 */
    {IPV6(0x0100, 0, 0, 0), 64, RANGE_REFUSED},             /* discard: RFC 6666 */
    {IPV6(0x0100, 0, 0, 1), 64, RANGE_REFUSED},             /* dummy prefix: RFC 9780 */
    {IPV6(0x2001, 0, 0, 0), 23, RANGE_REFUSED},             /* protocol assignments, Teredo: RFC 2928 */
    {IPV6(0x2001, 0x0db8, 0, 0), 32, RANGE_REFUSED},        /* documentation: RFC 3849 */
    {IPV6(0x2002, 0, 0, 0), 16, RANGE_REFUSED},             /* 6to4, whatever is inside: RFC 7526 */
    {IPV6(0x2620, 0x004f, 0x8000, 0), 48, RANGE_REFUSED},   /* AS112: RFC 7534 */
    {IPV6(0x3fff, 0, 0, 0), 20, RANGE_REFUSED},             /* documentation: RFC 9637 */
    {IPV6(0x5f00, 0, 0, 0), 16, RANGE_REFUSED},             /* segment routing: RFC 9602 */
    {{{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}}, 128, RANGE_REFUSED}, /* Amazon's metadata */
    {{{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}}, 128, RANGE_REFUSED}, /* Google's metadata */
    {IPV6(0xfc00, 0, 0, 0), 7, RANGE_PRIVATE},              /* unique local: RFC 4193 */
    {IPV6(0xfe80, 0, 0, 0), 10, RANGE_REFUSED},             /* link-local: RFC 4291 */
    {IPV6(0xfec0, 0, 0, 0), 10, RANGE_REFUSED},             /* site-local: RFC 3879 */
    {IPV6(0xff00, 0, 0, 0), 8, RANGE_REFUSED},              /* multicast: RFC 4291 */
};

static const struct address mapped = IPV4(0, 0, 0, 0);

static bool is_inside(const struct address *address, const struct range *range)
{
    unsigned whole = range->prefix_bits / 8;
    unsigned rest = range->prefix_bits % 8;

    return memcmp(address->byte, range->network.byte, whole) == 0 &&
           (rest == 0 || (address->byte[whole] ^ range->network.byte[whole]) >> (8 - rest) == 0);
}

/* The first range that holds the address, or NULL. */
static const struct range *range_of(const struct address *address)
{
    for (size_t index = 0; index < sizeof ranges / sizeof ranges[0]; index++) {
        if (is_inside(address, &ranges[index])) {
            return &ranges[index];
        }
    }
    return NULL;
}

bool address_guard_allows(const struct sockaddr *sockaddr, bool allow_private)
{
    struct address address = mapped;
    const struct range *range;

    if (sockaddr->sa_family == AF_INET) {
        memcpy(&address.byte[12], &((const struct sockaddr_in *)(const void *)sockaddr)->sin_addr, 4);
    } else if (sockaddr->sa_family == AF_INET6) {
        memcpy(address.byte, &((const struct sockaddr_in6 *)(const void *)sockaddr)->sin6_addr, 16);
    } else {
        return false;
    }
    range = range_of(&address);
    if (range != NULL && range->rule == RANGE_INNER) {
        memcpy(address.byte, mapped.byte, 12);
        range = range_of(&address);
    }
    return range == NULL || (range->rule == RANGE_PRIVATE && allow_private);
}
