/* db_values: what is encoded is PostgreSQL's binary format to the byte, and numbers come back as they were. */
#include "support/unit.h"

#include "proto/db_values.h"

#include <math.h>

static struct bytes encoded(const struct db_parameters *parameters, size_t index)
{
    return (struct bytes){parameters->data[index], (size_t)parameters->bytes[index]};
}

#define assert_encoded(expected, parameters, index)                                                                    \
    do {                                                                                                               \
        struct bytes assert_value = encoded((parameters), (index));                                                    \
        assert_int_equal(sizeof(expected) - 1, assert_value.count);                                                    \
        assert_memory_equal((expected), assert_value.data, assert_value.count);                                        \
    } while (0)

static void numbers_travel_in_network_order(void **state)
{
    const struct db_value values[] = {
        {.type = DB_BIGINT, .bigint = 0x0102030405060708},
        {.type = DB_BIGINT, .bigint = -2},
        {.type = DB_REAL, .real = 1.0},
    };
    struct db_parameters parameters;

    (void)state;
    assert_status(STATUS_OK, db_parameters_init(&parameters, values, 3));
    assert_encoded("\x01\x02\x03\x04\x05\x06\x07\x08", &parameters, 0);
    assert_encoded("\xff\xff\xff\xff\xff\xff\xff\xfe", &parameters, 1);
    assert_encoded("\x3f\xf0\0\0\0\0\0\0", &parameters, 2);
    assert_int_equal(20, parameters.types[0]);
    assert_int_equal(701, parameters.types[2]);
    assert_int_equal(DB_FORMAT_BINARY, parameters.formats[2]);
    db_parameters_free(&parameters);
}

static void null_and_empty_are_two_things(void **state)
{
    const struct db_value values[] = {{.type = DB_NULL}, {.type = DB_TEXT}, {.type = DB_BYTEA, .bytes = BYTES("a\0b")}};
    struct db_parameters parameters;

    (void)state;
    assert_status(STATUS_OK, db_parameters_init(&parameters, values, 3));
    assert_null(parameters.data[0]);
    assert_encoded("", &parameters, 1);
    assert_encoded("a\0b", &parameters, 2);
    db_parameters_free(&parameters);
}

static void arrays_carry_their_type_and_their_nulls(void **state)
{
    const int64_t labels[] = {1, 0};
    const struct bytes texts[] = {BYTES("hi"), {NULL, 0}, {"", 0}};
    const struct db_value values[] = {
        {.type = DB_SMALLINT_ARRAY, .numbers = labels, .array_count = 2},
        {.type = DB_TEXT_ARRAY, .array = texts, .array_count = 3},
        {.type = DB_BYTEA_ARRAY},
        {.type = DB_BIGINT_ARRAY, .numbers = labels, .array_count = 1},
    };
    struct db_parameters parameters;

    (void)state;
    assert_status(STATUS_OK, db_parameters_init(&parameters, values, 4));
    assert_encoded("\0\0\0\1\0\0\0\1\0\0\0\x15\0\0\0\2\0\0\0\1\0\0\0\2\0\1\0\0\0\2\0\0", &parameters, 0);
    assert_encoded("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\2hi\xff\xff\xff\xff\0\0\0\0", &parameters, 1);
    assert_encoded("\0\0\0\0\0\0\0\1\0\0\0\x11", &parameters, 2);
    assert_encoded("\0\0\0\1\0\0\0\1\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\x8\0\0\0\0\0\0\0\1", &parameters, 3);
    db_parameters_free(&parameters);
}

static void an_array_beyond_its_bound_is_refused(void **state)
{
    static char big[MIB];
    struct bytes items[DB_ARRAY_BYTES_MAX / MIB];
    struct db_value value = {.type = DB_BYTEA_ARRAY, .array = items};
    struct db_parameters parameters;

    (void)state;
    for (size_t index = 0; index < sizeof items / sizeof items[0]; index++) {
        items[index] = (struct bytes){big, sizeof big};
    }
    value.array_count = sizeof items / sizeof items[0];
    assert_status(STATUS_TOO_LARGE, db_parameters_init(&parameters, &value, 1));
    /* 20 bytes before the first item and 4 before each: with so many bytes less, it fits exactly. */
    items[0].count -= 20 + 4 * value.array_count;
    assert_status(STATUS_OK, db_parameters_init(&parameters, &value, 1));
    assert_int_equal(DB_ARRAY_BYTES_MAX, parameters.bytes[0]);
    db_parameters_free(&parameters);
    items[0].count += 1;
    assert_status(STATUS_TOO_LARGE, db_parameters_init(&parameters, &value, 1));
}

static void results_keep_their_sign_and_size(void **state)
{
    (void)state;
    assert_int_equal(-1, db_value_bigint(21, BYTES("\xff\xff")));
    assert_int_equal(-2, db_value_bigint(23, BYTES("\xff\xff\xff\xfe")));
    assert_true(db_value_bigint(20, BYTES("\x80\0\0\0\0\0\0\0")) == INT64_MIN);
    assert_int_equal(1, db_value_bigint(16, BYTES("\1")));
    assert_true(db_value_real(700, BYTES("\x3f\x80\0\0")) == 1.0);
    assert_true(db_value_real(701, BYTES("\xc0\0\0\0\0\0\0\0")) == -2.0);
    assert_true(isnan(db_value_real(701, BYTES("\x7f\xf8\0\0\0\0\0\0"))));
    assert_true(db_value_is_bytes(17) && db_value_is_bytes(25) && !db_value_is_bytes(20));
}

static void a_length_that_is_not_the_type_s_reads_as_null(void **state)
{
    static const unsigned numbers[] = {16, 21, 23, 20};

    (void)state;
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
        assert_int_equal(0, db_value_bigint(numbers[index], BYTES("")));
        assert_int_equal(0, db_value_bigint(numbers[index], BYTES("123")));
        assert_int_equal(0, db_value_bigint(numbers[index], BYTES("123456789")));
    }
    assert_true(isnan(db_value_real(700, BYTES("123"))) && isnan(db_value_real(700, BYTES("12345"))));
    assert_true(isnan(db_value_real(701, BYTES(""))) && isnan(db_value_real(701, BYTES("1234567"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_travel_in_network_order),
        cmocka_unit_test(null_and_empty_are_two_things),
        cmocka_unit_test(arrays_carry_their_type_and_their_nulls),
        cmocka_unit_test(an_array_beyond_its_bound_is_refused),
        cmocka_unit_test(results_keep_their_sign_and_size),
        cmocka_unit_test(a_length_that_is_not_the_type_s_reads_as_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
