/* db_values: encodes parameters and decodes numbers, byte by byte, in PostgreSQL's binary format. */
#include "proto/db_values.h"

#include <assert.h>
#include <math.h>
#include <limits.h>
#include <string.h>

/* Object identifiers of PostgreSQL's built-in types (pg_type.dat); they never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_BIGINT = 20,
    OID_SMALLINT = 21,
    OID_INT = 23,
    OID_TEXT = 25,
    OID_REAL = 700,
    OID_DOUBLE = 701,
    OID_BYTEA_ARRAY = 1001,
    OID_SMALLINT_ARRAY = 1005,
    OID_TEXT_ARRAY = 1009,
    OID_BIGINT_ARRAY = 1016,
};

enum { ARRAY_HEAD_NUMBERS = 5, EMPTY_ARRAY_HEAD_NUMBERS = 3 };

static enum status put_number(struct buffer *out, uint64_t number, size_t bytes)
{
    char digits[sizeof number];

    for (size_t index = 0; index < bytes; index++) {
        digits[index] = (char)(unsigned char)(number >> (8 * (bytes - 1 - index)));
    }
    return buffer_append(out, (struct bytes){digits, bytes});
}

static enum status put_array_item(struct buffer *out, const struct db_value *value, size_t index)
{
    size_t width = value->type == DB_BIGINT_ARRAY ? sizeof(int64_t) : sizeof(int16_t);
    enum status status;

    if (value->type == DB_BIGINT_ARRAY || value->type == DB_SMALLINT_ARRAY) {
        status = put_number(out, width, sizeof(int32_t));
        return status != STATUS_OK ? status : put_number(out, (uint64_t)value->numbers[index], width);
    }
    if (value->array[index].data == NULL) {
        return put_number(out, UINT32_MAX, sizeof(int32_t)); /* length -1 is NULL */
    }
    if (value->array[index].count > INT_MAX) {
        return STATUS_TOO_LARGE;
    }
    status = put_number(out, value->array[index].count, sizeof(int32_t));
    return status != STATUS_OK ? status : buffer_append(out, value->array[index]);
}

/* PostgreSQL's array_send: dimensions, "may hold NULL", type of the items; then length and lower bound of the
 * dimension. */
static enum status put_array(struct buffer *out, const struct db_value *value, unsigned item_type)
{
    const uint64_t head[] = {value->array_count > 0, 1, item_type, value->array_count, 1};
    size_t head_count = value->array_count > 0 ? ARRAY_HEAD_NUMBERS : EMPTY_ARRAY_HEAD_NUMBERS;
    enum status status = STATUS_OK;

    if (value->array_count > INT_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t index = 0; status == STATUS_OK && index < head_count; index++) {
        status = put_number(out, head[index], sizeof(int32_t));
    }
    for (size_t index = 0; status == STATUS_OK && index < value->array_count; index++) {
        status = put_array_item(out, value, index);
    }
    return status;
}

static enum status put_value(struct buffer *out, const struct db_value *value)
{
    uint64_t bits;

    switch (value->type) {
    case DB_BIGINT:
        return put_number(out, (uint64_t)value->bigint, sizeof bits);
    case DB_REAL:
        memcpy(&bits, &value->real, sizeof bits);
        return put_number(out, bits, sizeof bits);
    case DB_BIGINT_ARRAY:
        return put_array(out, value, OID_BIGINT);
    case DB_SMALLINT_ARRAY:
        return put_array(out, value, OID_SMALLINT);
    case DB_TEXT_ARRAY:
        return put_array(out, value, OID_TEXT);
    case DB_BYTEA_ARRAY:
        return put_array(out, value, OID_BYTEA);
    case DB_NULL:
    case DB_TEXT:
    case DB_BYTEA:
        break;
    }
    assert(false); /* these are never encoded */
    return STATUS_MALFORMED;
}

static unsigned oid_of(enum db_type type)
{
    switch (type) {
    case DB_BIGINT:
        return OID_BIGINT;
    case DB_REAL:
        return OID_DOUBLE;
    case DB_TEXT:
        return OID_TEXT;
    case DB_BYTEA:
        return OID_BYTEA;
    case DB_BIGINT_ARRAY:
        return OID_BIGINT_ARRAY;
    case DB_SMALLINT_ARRAY:
        return OID_SMALLINT_ARRAY;
    case DB_TEXT_ARRAY:
        return OID_TEXT_ARRAY;
    case DB_BYTEA_ARRAY:
        return OID_BYTEA_ARRAY;
    case DB_NULL:
        break;
    }
    return 0; /* the server infers the type of a NULL */
}

static enum status encode_one(struct db_parameters *parameters, const struct db_value *value, size_t index)
{
    size_t before = parameters->encoded.count;
    enum status status;

    parameters->types[index] = oid_of(value->type);
    parameters->formats[index] = DB_FORMAT_BINARY;
    parameters->offset[index] = SIZE_MAX;
    if (value->type == DB_NULL) {
        return STATUS_OK; /* data NULL is SQL NULL */
    }
    if (value->type == DB_TEXT || value->type == DB_BYTEA) {
        if (value->bytes.count > INT_MAX) {
            return STATUS_TOO_LARGE;
        }
        parameters->data[index] = value->bytes.count == 0 ? "" : value->bytes.data;
        parameters->bytes[index] = (int)value->bytes.count;
        return STATUS_OK;
    }
    status = put_value(&parameters->encoded, value);
    parameters->offset[index] = before;
    parameters->bytes[index] = (int)(parameters->encoded.count - before);
    return status;
}

enum status db_parameters_init(struct db_parameters *parameters, const struct db_value *values, size_t value_count)
{
    _Static_assert(DB_ARRAY_BYTES_MAX < INT_MAX, "a length is an int to libpq");
    assert(value_count <= DB_VALUES_MAX);
    *parameters = (struct db_parameters){0};
    buffer_init(&parameters->encoded, DB_ARRAY_BYTES_MAX);
    for (size_t index = 0; index < value_count; index++) {
        enum status status = encode_one(parameters, &values[index], index);

        if (status != STATUS_OK) {
            db_parameters_free(parameters);
            return status;
        }
    }
    for (size_t index = 0; index < value_count; index++) {
        if (parameters->offset[index] != SIZE_MAX) {
            parameters->data[index] = parameters->encoded.data + parameters->offset[index];
        }
    }
    return STATUS_OK;
}

void db_parameters_free(struct db_parameters *parameters)
{
    buffer_free(&parameters->encoded);
}

static uint64_t get_number(const char *data, size_t bytes)
{
    uint64_t number = 0;

    for (size_t index = 0; index < bytes; index++) {
        number = number << 8 | (unsigned char)data[index];
    }
    return number;
}

int64_t db_value_bigint(unsigned oid, struct bytes data)
{
    switch (oid) {
    case OID_BOOL:
        return data.count == 1 ? data.data[0] : 0;
    case OID_SMALLINT:
        return data.count == sizeof(int16_t) ? (int16_t)get_number(data.data, sizeof(int16_t)) : 0;
    case OID_INT:
        return data.count == sizeof(int32_t) ? (int32_t)get_number(data.data, sizeof(int32_t)) : 0;
    default:
        assert(oid == OID_BIGINT);
        return data.count == sizeof(int64_t) ? (int64_t)get_number(data.data, sizeof(int64_t)) : 0;
    }
}

double db_value_real(unsigned oid, struct bytes data)
{
    uint64_t wide;
    uint32_t narrow;
    double real;
    float small;

    assert(oid == OID_REAL || oid == OID_DOUBLE);
    if (data.count != (oid == OID_REAL ? sizeof small : sizeof real)) {
        return (double)NAN;
    }
    if (oid == OID_REAL) {
        narrow = (uint32_t)get_number(data.data, sizeof narrow);
        memcpy(&small, &narrow, sizeof small);
        return (double)small;
    }
    wide = get_number(data.data, sizeof wide);
    memcpy(&real, &wide, sizeof real);
    return real;
}

bool db_value_is_bytes(unsigned oid)
{
    return oid == OID_TEXT || oid == OID_BYTEA;
}
