/* json_text: strings decode to UTF-8 within the scratch's bound; numbers are read exactly or not at all. */
#include "support/unit.h"

#include "proto/json.h"

#include <math.h>

static struct json json;
static struct buffer scratch;

static int set_up(void **state)
{
    (void)state;
    json_init(&json);
    buffer_init(&scratch, KIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_free(&json);
    buffer_free(&scratch);
    return 0;
}

static const struct json_token *root(const char *text)
{
    assert_status(STATUS_OK, json_read(&json, bytes_of(text), JSON_REFUSE_DUPLICATES));
    return &json.tokens[0];
}

static void strings_decode(void **state)
{
    static const struct {
        const char *source;
        const char *decoded;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u65E5\"", "A\xC3\xA9\xE6\x97\xA5"},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF"},
        {"\"a\\ud83d\"", "a\xEF\xBF\xBD"},
        {"\"\\ud83d\\n\"", "\xEF\xBF\xBD\n"},
        {"\"\\ud83dx\\ude00\"", "\xEF\xBF\xBDx\xEF\xBF\xBD"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {"\"\xE6\x97\xA5\\n\xE6\x97\xA5\"", "\xE6\x97\xA5\n\xE6\x97\xA5"},
        {"\"\\\\u0041\"", "\\u0041"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct bytes decoded = {NULL, 0};
        const struct json_token *token = root(cases[index].source);

        assert_status(STATUS_OK, json_string(&json, token, &scratch, &decoded));
        assert_bytes(cases[index].decoded, decoded);
        assert_true(json_string_is(&json, token, cases[index].decoded));
        assert_false(json_string_is(&json, token, "something else"));
    }
}

static void a_string_without_escapes_is_a_view_of_the_source(void **state)
{
    struct bytes decoded = {NULL, 0};
    const struct json_token *token = root("\"view\"");

    (void)state;
    assert_status(STATUS_OK, json_string(&json, token, &scratch, &decoded));
    assert_ptr_equal(json.source.data + 1, decoded.data);
    assert_int_equal(0, scratch.count);
}

static void comparing_takes_the_whole_string_and_no_more(void **state)
{
    const struct json_token *token = root("\"a\\u0062c\"");

    (void)state;
    assert_true(json_string_is(&json, token, "abc"));
    assert_false(json_string_is(&json, token, "ab"));
    assert_false(json_string_is(&json, token, "abcd"));
    assert_false(json_string_is(&json, token, ""));
    assert_false(json_string_is(&json, token, "a\\u0062c"));
}

static void decoding_stops_at_the_bound_of_the_scratch(void **state)
{
    struct bytes decoded = {NULL, 0};
    const struct json_token *token = root("\"12\\n4\\u0035\"");
    struct buffer small;

    (void)state;
    buffer_init(&small, 6);
    assert_status(STATUS_OK, buffer_append(&small, BYTES("x")));
    assert_status(STATUS_OK, json_string(&json, token, &small, &decoded));
    assert_bytes("12\n45", decoded);
    assert_bytes("x12\n45", buffer_view(&small));
    small.count = 2;
    decoded = BYTES("untouched");
    assert_status(STATUS_TOO_LARGE, json_string(&json, token, &small, &decoded));
    assert_bytes("untouched", decoded);
    assert_int_equal(2, small.count);
    buffer_free(&small);
}

static void integers_are_exact_or_refused(void **state)
{
    static const struct {
        const char *source;
        enum status status;
        int64_t number;
    } cases[] = {
        {"0", STATUS_OK, 0},
        {"-0", STATUS_OK, 0},
        {"-7", STATUS_OK, -7},
        {"9223372036854775807", STATUS_OK, INT64_MAX},
        {"9223372036854775808", STATUS_TOO_LARGE, 0},
        {"-9223372036854775808", STATUS_OK, INT64_MIN},
        {"-9223372036854775809", STATUS_TOO_LARGE, 0},
        {"99999999999999999999999999", STATUS_TOO_LARGE, 0},
        {"1.0", STATUS_MALFORMED, 0},
        {"1e3", STATUS_MALFORMED, 0},
        {"true", STATUS_MALFORMED, 0},
        {"\"1\"", STATUS_MALFORMED, 0},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        int64_t number = 42;

        assert_status(cases[index].status, json_integer(&json, root(cases[index].source), &number));
        assert_true(number == (cases[index].status == STATUS_OK ? cases[index].number : 42));
    }
}

static void reals_are_finite(void **state)
{
    double number = 0;

    (void)state;
    assert_status(STATUS_OK, json_real(&json, root("-12.5e-1"), &number));
    assert_true(fabs(number + 1.25) < 1e-12);
    assert_status(STATUS_OK, json_real(&json, root("1e-400"), &number));
    assert_true(fabs(number) < 1e-300);
    assert_status(STATUS_OK,
                  json_real(&json, root("7777777777777777777777777777777777777777777777777777777777777777"), &number));
    assert_true(number > 7e63 && number < 8e63);
    number = 42;
    assert_status(STATUS_TOO_LARGE, json_real(&json, root("1e400"), &number));
    assert_status(STATUS_TOO_LARGE, json_real(&json, root("-1e400"), &number));
    assert_status(STATUS_MALFORMED, json_real(&json, root("null"), &number));
    assert_true(fabs(number - 42) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(strings_decode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_string_without_escapes_is_a_view_of_the_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(comparing_takes_the_whole_string_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(decoding_stops_at_the_bound_of_the_scratch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(integers_are_exact_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reals_are_finite, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
