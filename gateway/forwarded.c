/* forwarded: X-Forwarded-For from the right, field by field. */
#include "gateway/forwarded.h"

#include "proto/address.h"

#include <assert.h>

void forwarded_init(struct forwarded_proxies *out, const struct gateway_settings *settings)
{
    *out = (struct forwarded_proxies){0};
    for (size_t index = 0; index < settings->trusted_proxy_count; index++) {
        struct bytes text = bytes_of(settings->trusted_proxies[index]);
        bool read;

        if (bytes_equal(text, BYTES(FORWARDED_UNIX))) {
            out->trusts_unix = true;
            continue;
        }
        read = network_read(text, &out->at[out->count]);
        assert(read);
        out->count++;
    }
}

bool forwarded_trusts(const struct forwarded_proxies *proxies, struct bytes address)
{
    struct network network;

    if (bytes_equal(address, BYTES(FORWARDED_UNIX))) {
        return proxies->trusts_unix;
    }
    if (proxies->count == 0 || !network_read_address(address, &network)) {
        return false;
    }
    for (size_t index = 0; index < proxies->count; index++) {
        if (network_holds(&proxies->at[index], &network)) {
            return true;
        }
    }
    return false;
}

/* An address, as some proxies write it: with a port, in brackets. */
static struct bytes without_port(struct bytes item)
{
    struct network network;
    struct bytes host;
    struct bytes port;

    if (network_read_address(item, &network) || !address_split(item, &host, &port)) {
        host = item;
    }
    if (host.count > 2 && host.data[0] == '[' && host.data[host.count - 1] == ']') {
        host = bytes_from(bytes_first(host, host.count - 1), 1);
    }
    return host;
}

/* The last item of a list, which is cut off; and whether there are more. One that is empty is an item, in a list or alone: some
 * proxy did not say who asked it. */
static struct bytes last_item(struct bytes *list, bool *more)
{
    size_t at = list->count;
    struct bytes item;

    while (at > 0 && list->data[at - 1] != ',') {
        at--;
    }
    item = fields_trim(bytes_from(*list, at));
    *more = at > 0;
    *list = bytes_first(*list, at > 0 ? at - 1 : 0);
    return item;
}

void forwarded_address(const struct forwarded_proxies *proxies, struct bytes peer, const struct fields *fields,
                       char out[INET6_ADDRSTRLEN])
{
    bool trusted = forwarded_trusts(proxies, peer);
    struct network network;
    enum status status;

    for (size_t index = fields_count(fields); trusted && index > 0; index--) {
        struct field field = fields_at(fields, index - 1);
        struct bytes list = field.value;
        bool more = true;

        if (!bytes_equal_nocase(field.name, BYTES("x-forwarded-for"))) {
            continue;
        }
        while (trusted && more) {
            struct bytes address = without_port(last_item(&list, &more));

            trusted = network_read_address(address, &network);
            if (trusted) { /* else nobody knows who stood behind the last proxy */
                peer = address;
                trusted = forwarded_trusts(proxies, address);
            }
        }
    }
    status = bytes_copy(peer, out, INET6_ADDRSTRLEN);
    assert(status == STATUS_OK); /* it is an address as read */
}
