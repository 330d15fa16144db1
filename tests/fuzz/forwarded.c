/* forwarded: an X-Forwarded-For field a line, from a peer that is trusted. Who is found is the peer or an address that stands
 * there; what stands left of it and how the list is cut into fields change nothing, nor does one more trusted proxy. */
#include "fuzz/fuzz.h"

#include "gateway/forwarded.h"

enum { LINES_MAX = 16 };

static const struct bytes peer = {"10.255.254.253", 14};

static void init(struct forwarded_proxies *proxies)
{
    static const char *const trusted[] = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.1"};
    static struct gateway_settings settings;

    settings.trusted_proxy_count = sizeof trusted / sizeof trusted[0];
    for (size_t index = 0; index < settings.trusted_proxy_count; index++) {
        (void)snprintf(settings.trusted_proxies[index], sizeof settings.trusted_proxies[0], "%s", trusted[index]);
    }
    forwarded_init(proxies, &settings);
}

/* False where no such field can come from a request. */
static bool add(struct fields *fields, struct bytes value)
{
    return fields_add(fields, BYTES("X-Forwarded-For"), fields_trim(value)) == STATUS_OK;
}

static struct bytes next_line(struct bytes *rest)
{
    ptrdiff_t end = bytes_find(*rest, '\n');
    struct bytes line = end < 0 ? *rest : bytes_first(*rest, (size_t)end);

    *rest = end < 0 ? (struct bytes){NULL, 0} : bytes_from(*rest, (size_t)end + 1);
    return line;
}

/* The fields of these lines between two others, or (`cut`) one field an item of them. */
static bool read_fields(struct fields *fields, struct bytes before, struct bytes lines, struct bytes after, bool cut)
{
    bool good = before.count == 0 || add(fields, before);

    while (good && lines.count > 0) {
        struct bytes line = next_line(&lines);

        while (cut && good && bytes_find(line, ',') >= 0) {
            ptrdiff_t comma = bytes_find(line, ',');

            good = add(fields, bytes_first(line, (size_t)comma));
            line = bytes_from(line, (size_t)comma + 1);
        }
        good = good && add(fields, line);
    }
    return good && (after.count == 0 || add(fields, after));
}

static bool find(const struct forwarded_proxies *proxies, struct bytes before, struct bytes lines, struct bytes after, bool cut,
                 char out[INET6_ADDRSTRLEN])
{
    struct fields *fields = NULL;
    char stranger[INET6_ADDRSTRLEN];
    bool good;

    fuzz_hold(fields_open(&fields, 1024, 64 * KIB) == STATUS_OK);
    good = read_fields(fields, before, lines, after, cut);
    if (good) {
        forwarded_address(proxies, peer, fields, out);
        forwarded_address(proxies, BYTES("9.9.9.9"), fields, stranger);
        fuzz_hold(strcmp(stranger, "9.9.9.9") == 0); /* it names nobody */
    }
    fields_close(&fields);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bytes none = {NULL, 0};
    struct bytes lines = fuzz_bytes(data, size);
    struct forwarded_proxies proxies;
    char found[INET6_ADDRSTRLEN];
    char again[INET6_ADDRSTRLEN];
    struct network network;
    bool trusted;

    if (size > 4 * KIB) {
        return 0;
    }
    init(&proxies);
    if (!find(&proxies, none, lines, none, false, found)) {
        return 0;
    }
    fuzz_hold(network_read_address(bytes_of(found), &network));
    trusted = forwarded_trusts(&proxies, bytes_of(found));
    fuzz_hold(bytes_equal(bytes_of(found), peer) || memmem(data, size, found, strlen(found)) != NULL);
    if (!trusted) {
        fuzz_hold(find(&proxies, BYTES("6.6.6.6, x"), lines, none, false, again) && strcmp(again, found) == 0);
    }
    fuzz_hold(find(&proxies, none, lines, BYTES("192.0.2.1, 10.0.0.1"), false, again));
    if (memmem(data, size, peer.data, peer.count) == NULL) { /* where nobody was found, the farthest proxy is */
        fuzz_hold(strcmp(again, bytes_equal(bytes_of(found), peer) ? "192.0.2.1" : found) == 0);
    }
    fuzz_hold(find(&proxies, none, lines, BYTES("5.5.5.5"), false, again) && strcmp(again, "5.5.5.5") == 0);
    fuzz_hold(find(&proxies, none, lines, BYTES("unknown, 10.0.0.1"), false, again) && strcmp(again, "10.0.0.1") == 0);
    if (find(&proxies, none, lines, none, true, again)) {
        fuzz_hold(strcmp(again, found) == 0);
    }
    return 0;
}
