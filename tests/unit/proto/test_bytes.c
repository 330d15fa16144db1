/* bytes: views never read past their end; a buffer holds its bound exactly and not one byte more. */
#include "support/unit.h"

static void views_are_cut_within_their_bounds(void **state)
{
    (void)state;
    assert_bytes("lo", bytes_from(BYTES("hello"), 3));
    assert_bytes("", bytes_from(BYTES("hello"), 5));
    assert_bytes("", bytes_from(BYTES("hello"), 99));
    assert_bytes("he", bytes_first(BYTES("hello"), 2));
    assert_bytes("hello", bytes_first(BYTES("hello"), 99));
    assert_int_equal(2, bytes_find(BYTES("hello"), 'l'));
    assert_int_equal(-1, bytes_find(BYTES("hello"), 'x'));
}

static void field_names_compare_without_case_and_nothing_else_does(void **state)
{
    (void)state;
    assert_true(bytes_equal_nocase(BYTES("Content-Type"), BYTES("content-type")));
    assert_false(bytes_equal_nocase(BYTES("@"), BYTES("`")));
    assert_false(bytes_equal(BYTES("A"), BYTES("a")));
    assert_true(bytes_starts_with(BYTES("abc"), BYTES("ab")));
    assert_false(bytes_starts_with(BYTES("a"), BYTES("ab")));
    assert_true(bytes_ends_with(BYTES("abc"), BYTES("bc")));
}

static void a_copy_needs_room_for_its_terminator(void **state)
{
    char out[4] = "xyz";

    (void)state;
    assert_status(STATUS_TOO_LARGE, bytes_copy(BYTES("abcd"), out, sizeof out));
    assert_string_equal("xyz", out);
    assert_status(STATUS_OK, bytes_copy(BYTES("abc"), out, sizeof out));
    assert_string_equal("abc", out);
}

static void numbers_are_digits_up_to_their_maximum(void **state)
{
    unsigned long long number = 5;

    (void)state;
    assert_status(STATUS_OK, bytes_number(BYTES("255"), 255, &number));
    assert_int_equal(255, number);
    assert_status(STATUS_TOO_LARGE, bytes_number(BYTES("256"), 255, &number));
    assert_status(STATUS_TOO_LARGE, bytes_number(BYTES("99999999999999999999999"), ~0ull, &number));
    assert_status(STATUS_OK, bytes_number(BYTES("18446744073709551615"), ~0ull, &number));
    assert_true(number == ~0ull);
    assert_status(STATUS_TOO_LARGE, bytes_number(BYTES("18446744073709551616"), ~0ull, &number));
    assert_status(STATUS_TOO_LARGE, bytes_number(BYTES("7"), 3, &number));
    assert_status(STATUS_MALFORMED, bytes_number(BYTES(""), 255, &number));
    assert_status(STATUS_MALFORMED, bytes_number(BYTES("+1"), 255, &number));
    assert_status(STATUS_MALFORMED, bytes_number(BYTES("1 "), 255, &number));
}

static void a_buffer_takes_its_bound_and_not_one_byte_more(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 5);
    assert_status(STATUS_OK, buffer_append(&buffer, BYTES("1234")));
    assert_status(STATUS_TOO_LARGE, buffer_append(&buffer, BYTES("56")));
    assert_bytes("1234", buffer_view(&buffer));
    assert_status(STATUS_OK, buffer_append(&buffer, BYTES("5")));
    assert_status(STATUS_TOO_LARGE, buffer_append(&buffer, BYTES("6")));
    assert_bytes("12345", buffer_view(&buffer));
    assert_true(buffer.room <= 5);
    buffer_free(&buffer);
    assert_int_equal(0, buffer.room);
}

static void a_buffer_grows_and_gives_from_its_front(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 100000);
    for (int index = 0; index < 10000; index++) {
        assert_status(STATUS_OK, buffer_append_format(&buffer, "%04d", index));
    }
    assert_int_equal(40000, buffer.count);
    buffer_consume(&buffer, 39996);
    assert_bytes("9999", buffer_view(&buffer));
    buffer_consume(&buffer, 4);
    assert_bytes("", buffer_view(&buffer));
    buffer_free(&buffer);
}

static void what_a_large_content_needed_is_given_back_and_what_a_small_one_needed_is_kept(void **state)
{
    struct buffer buffer;
    size_t room;

    (void)state;
    buffer_init(&buffer, 100000);
    assert_status(STATUS_OK, buffer_append(&buffer, BYTES("1234")));
    room = buffer.room;
    buffer_shed(&buffer, room);
    assert_bytes("1234", buffer_view(&buffer));
    buffer_shed(&buffer, room - 1);
    assert_int_equal(0, buffer.room);
    assert_bytes("", buffer_view(&buffer));
    assert_int_equal(100000, buffer.max);
    buffer_free(&buffer);
}

static void a_hexadecimal_digit_has_either_case_and_its_neighbours_none(void **state)
{
    const char *digits = "0123456789abcdefABCDEF";
    const char *others = "/:`g@G%";

    (void)state;
    for (int index = 0; digits[index] != '\0'; index++) {
        assert_int_equal(index < 16 ? index : index - 6, bytes_hex_digit(digits[index]));
    }
    for (size_t index = 0; others[index] != '\0'; index++) {
        assert_int_equal(-1, bytes_hex_digit(others[index]));
    }
    assert_int_equal(-1, bytes_hex_digit('\0'));
    assert_int_equal(0x4A, bytes_escaped(BYTES("%4a%4b")));
    assert_int_equal(0xFF, bytes_escaped(BYTES("%fF")));
    assert_int_equal(-1, bytes_escaped(bytes_first(BYTES("%4a"), 2)));
    assert_int_equal(-1, bytes_escaped(BYTES("%4g")));
    assert_int_equal(-1, bytes_escaped(BYTES("%g4")));
    assert_int_equal(-1, bytes_escaped(BYTES("44a")));
    assert_int_equal(-1, bytes_escaped((struct bytes){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_cut_within_their_bounds),
        cmocka_unit_test(a_hexadecimal_digit_has_either_case_and_its_neighbours_none),
        cmocka_unit_test(field_names_compare_without_case_and_nothing_else_does),
        cmocka_unit_test(a_copy_needs_room_for_its_terminator),
        cmocka_unit_test(numbers_are_digits_up_to_their_maximum),
        cmocka_unit_test(a_buffer_takes_its_bound_and_not_one_byte_more),
        cmocka_unit_test(a_buffer_grows_and_gives_from_its_front),
        cmocka_unit_test(what_a_large_content_needed_is_given_back_and_what_a_small_one_needed_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
