/* trace: three fields, each with the form it must have. */
#include "gateway/trace.h"

#include "proto/limits.h"

enum { TRACE_ID_AT = 3, TRACE_ID_DIGITS = 32, PARENT_ID_AT = 36, PARENT_ID_DIGITS = 16, FLAGS_AT = 53, PARENT_BYTES = 55 };

static bool is_digits(struct bytes text)
{
    for (size_t index = 0; index < text.count; index++) {
        char byte = text.data[index];

        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_zeros(struct bytes text)
{
    while (text.count > 0 && text.data[0] == '0') {
        text = bytes_from(text, 1);
    }
    return text.count == 0;
}

static struct bytes part(struct bytes text, size_t at, size_t count)
{
    return bytes_first(bytes_from(text, at), count);
}

/* A later version may be longer, with a dash before what it adds; ff is none (section 3.2.2.1). */
static bool is_parent(struct bytes value)
{
    struct bytes version = part(value, 0, 2);
    struct bytes trace = part(value, TRACE_ID_AT, TRACE_ID_DIGITS);
    struct bytes parent = part(value, PARENT_ID_AT, PARENT_ID_DIGITS);

    if (value.count < PARENT_BYTES || value.data[TRACE_ID_AT - 1] != '-' || value.data[PARENT_ID_AT - 1] != '-' ||
        value.data[FLAGS_AT - 1] != '-') {
        return false;
    }
    if (value.count > PARENT_BYTES && (is_zeros(version) || value.data[PARENT_BYTES] != '-')) {
        return false;
    }
    return is_digits(version) && !bytes_equal(version, BYTES("ff")) && is_digits(trace) && !is_zeros(trace) &&
           is_digits(parent) && !is_zeros(parent) && is_digits(part(value, FLAGS_AT, 2)) &&
           value.count <= TRACE_STATE_BYTES_MAX;
}

static bool is_visible(struct bytes value, char first)
{
    for (size_t index = 0; index < value.count; index++) {
        if (value.data[index] < first || value.data[index] > '~') {
            return false;
        }
    }
    return value.count > 0;
}

static bool has_parent(const struct fields *fields)
{
    struct bytes value;

    return fields_times(fields, BYTES("traceparent")) == 1 && fields_find(fields, BYTES("traceparent"), &value) &&
           is_parent(value);
}

bool trace_request_id(const struct fields *fields, struct bytes *out)
{
    struct bytes value;

    if (fields_times(fields, BYTES("x-request-id")) != 1 || !fields_find(fields, BYTES("x-request-id"), &value) ||
        value.count > REQUEST_ID_BYTES_MAX || !is_visible(value, '!')) {
        return false;
    }
    *out = value;
    return true;
}

bool trace_may_pass(const struct fields *fields, struct field field)
{
    struct bytes value;

    if (bytes_equal_nocase(field.name, BYTES("traceparent"))) {
        return has_parent(fields);
    }
    if (bytes_equal_nocase(field.name, BYTES("tracestate"))) {
        return has_parent(fields) && field.value.count <= TRACE_STATE_BYTES_MAX && is_visible(field.value, ' ');
    }
    return !bytes_equal_nocase(field.name, BYTES("x-request-id")) || trace_request_id(fields, &value);
}
