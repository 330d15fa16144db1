/* metrics_listen: walks two lines side by side. */
#include "proto/metrics_listen.h"

/* Takes what stands before `mark` off *text; all of it where there is none. */
static struct bytes take(struct bytes *text, char mark)
{
    ptrdiff_t end = bytes_find(*text, mark);
    struct bytes taken = end < 0 ? *text : bytes_first(*text, (size_t)end);

    *text = bytes_from(*text, end < 0 ? text->count : (size_t)end + 1);
    return taken;
}

static bool find(struct bytes names, struct bytes numbers, int64_t *out)
{
    unsigned long long number;

    while (names.count > 0 && numbers.count > 0) {
        struct bytes name = take(&names, ' ');
        struct bytes text = take(&numbers, ' ');

        if (bytes_equal(name, BYTES("ListenOverflows"))) {
            if (bytes_number(text, INT64_MAX, &number) != STATUS_OK) {
                return false;
            }
            *out = (int64_t)number;
            return true;
        }
    }
    return false;
}

bool metrics_listen_overflows(struct bytes text, int64_t *out)
{
    while (text.count > 0) {
        struct bytes names = take(&text, '\n');

        if (bytes_starts_with(names, BYTES("TcpExt: "))) {
            return find(names, take(&text, '\n'), out);
        }
    }
    return false;
}
