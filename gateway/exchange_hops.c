/* exchange_hops: how many hops an OPTIONS request may still take (RFC 9110 section 7.6.2); TRACE takes none, whatever it says.
 *
 *   Max-Forwards: 0   answered here, as the one it was meant for: 204 and the methods that pass
 *   Max-Forwards: n   passed on with n - 1
 */
#include "gateway/exchange_inside.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

/* STATUS_NOT_FOUND: it has no such field, or a method where it means nothing; STATUS_MALFORMED, STATUS_TOO_LARGE. */
static enum status hops_of(const struct request_head *head, unsigned long long *out)
{
    struct bytes value;

    if (!bytes_equal(head->method, BYTES("OPTIONS")) || !fields_find(head->fields, BYTES("max-forwards"), &value)) {
        return STATUS_NOT_FOUND;
    }
    return bytes_number(value, ULLONG_MAX, out);
}

enum step exchange_choose_hops(struct exchange *exchange)
{
    unsigned long long hops = 0;
    enum status status = hops_of(exchange->head, &hops);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return exchange_problem(exchange, ERROR_INVALID_REQUEST, 0, "Max-Forwards must be a number");
    }
    exchange->after_read = status == STATUS_OK && hops == 0 ? STEP_OPTIONS : STEP_CONNECT;
    return STEP_ADMIT;
}

enum status exchange_forward_hops(struct exchange *exchange)
{
    unsigned long long hops;
    char number[24];

    if (hops_of(exchange->head, &hops) != STATUS_OK) {
        return STATUS_OK;
    }
    assert(hops > 0); /* else it has been answered */
    (void)snprintf(number, sizeof number, "%llu", hops - 1);
    return fields_add(exchange->forwarded, BYTES("Max-Forwards"), bytes_of(number));
}

enum step exchange_options(struct exchange *exchange)
{
    exchange->status = 204;
    reply_init(&exchange->reply, exchange->connection, exchange->head->http_1_0, false,
               connection_may_keep(exchange->connection));
    if (exchange_add_ids(exchange) != STATUS_OK ||
        fields_add(exchange->added, BYTES("Allow"), BYTES(EXCHANGE_METHODS)) != STATUS_OK ||
        reply_head(&exchange->reply, exchange->status, exchange->added, 0) != STATUS_OK ||
        reply_end(&exchange->reply) != STATUS_OK) {
        connection_finish(exchange->connection);
    }
    return STEP_FINISH;
}
