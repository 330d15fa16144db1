/* trace: a field a line: p, s, r or another byte for traceparent, tracestate, x-request-id or another name, and its value. What
 * passes is what the W3C allows, read here once more and in another way; a state never passes without its parent. */
#include "fuzz/fuzz.h"

#include "gateway/trace.h"

#include <ctype.h>

static const char *name_of(char kind)
{
    switch (kind) {
    case 'p':
        return "traceparent";
    case 's':
        return "TraceState";
    case 'r':
        return "X-Request-Id";
    default:
        return "x-other";
    }
}

static bool is_hex(char byte)
{
    return isdigit((unsigned char)byte) || (byte >= 'a' && byte <= 'f');
}

/* W3C Trace Context, section 3.2: 00-<32>-<16>-<2>, and behind a later version's flags a dash and what it adds. */
static bool is_parent(struct bytes value)
{
    static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    static const char zeros[] = "00000000000000000000000000000000";
    size_t count = sizeof form - 1;

    for (size_t at = 0; at < count; at++) {
        if (at >= value.count || (form[at] == 'x' ? !is_hex(value.data[at]) : value.data[at] != '-')) {
            return false;
        }
    }
    if (memcmp(value.data, "ff", 2) == 0 || memcmp(value.data + 3, zeros, 32) == 0 || memcmp(value.data + 36, zeros, 16) == 0) {
        return false;
    }
    return value.count == count ||
           (memcmp(value.data, "00", 2) != 0 && value.data[count] == '-' && value.count <= TRACE_STATE_BYTES_MAX);
}

static bool is_of(struct bytes value, char first)
{
    for (size_t at = 0; at < value.count; at++) {
        if (value.data[at] < first || value.data[at] > '~') {
            return false;
        }
    }
    return value.count > 0;
}

static void hold_field(const struct fields *fields, struct field field, bool has_parent)
{
    bool passes = trace_may_pass(fields, field);
    struct bytes id;

    if (bytes_equal_nocase(field.name, BYTES("traceparent"))) {
        fuzz_hold(passes == has_parent);
    } else if (bytes_equal_nocase(field.name, BYTES("tracestate"))) {
        fuzz_hold(passes == (has_parent && field.value.count <= TRACE_STATE_BYTES_MAX && is_of(field.value, ' ')));
    } else if (bytes_equal_nocase(field.name, BYTES("x-request-id"))) {
        fuzz_hold(passes == trace_request_id(fields, &id));
        fuzz_hold(passes == (fields_times(fields, field.name) == 1 && field.value.count <= REQUEST_ID_BYTES_MAX &&
                             is_of(field.value, '!')));
        fuzz_hold(!passes || bytes_equal(id, field.value));
    } else {
        fuzz_hold(passes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = fuzz_bytes(data, size);
    struct fields *fields = NULL;
    struct bytes parent = {NULL, 0};
    bool has_parent;

    if (size > 4 * KIB) {
        return 0;
    }
    fuzz_hold(fields_open(&fields, 64, 8 * KIB) == STATUS_OK);
    while (rest.count > 0) {
        ptrdiff_t line_end = bytes_find(rest, '\n');
        struct bytes line = line_end < 0 ? rest : bytes_first(rest, (size_t)line_end);
        enum status status = STATUS_OK;

        rest = line_end < 0 ? (struct bytes){NULL, 0} : bytes_from(rest, (size_t)line_end + 1);
        if (line.count > 0) {
            status = fields_add(fields, bytes_of(name_of(line.data[0])), bytes_from(line, 1));
        }
        fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_FULL || status == STATUS_TOO_LARGE);
    }
    has_parent = fields_times(fields, BYTES("traceparent")) == 1 && fields_find(fields, BYTES("traceparent"), &parent) &&
                 is_parent(parent);
    for (size_t index = 0; index < fields_count(fields); index++) {
        hold_field(fields, fields_at(fields, index), has_parent);
    }
    fields_close(&fields);
    return 0;
}
