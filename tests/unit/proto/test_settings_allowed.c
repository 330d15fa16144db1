/* Tests of settings_allowed: numbers in the units of a person, and a sentence for every row. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings_table.h"

static void assert_text(const char *expected, struct buffer *text)
{
    assert_bytes(expected, buffer_view(text));
    buffer_clear(text);
}

static void numbers_are_written_with_the_largest_unit_that_fits(void **state)
{
    static const struct {
        enum setting_type type;
        uint64_t number;
        const char *expected;
    } cases[] = {
        {SETTING_NUMBER, 0, "0"},           {SETTING_NUMBER, 1024, "1024"},     {SETTING_BYTES, 0, "0"},
        {SETTING_BYTES, 1, "1B"},           {SETTING_BYTES, 1023, "1023B"},     {SETTING_BYTES, 1024, "1KiB"},
        {SETTING_BYTES, 1025, "1025B"},     {SETTING_BYTES, MIB - KIB, "1023KiB"}, {SETTING_BYTES, MIB, "1MiB"},
        {SETTING_BYTE_RATE, 1536, "1536B/s"}, {SETTING_BYTE_RATE, 1024, "1KiB/s"}, {SETTING_BYTE_RATE, MIB, "1MiB/s"},
        {SETTING_TIME, 1, "1ms"},           {SETTING_TIME, 1000, "1s"},         {SETTING_TIME, 1001, "1001ms"},
        {SETTING_TIME, 90000, "90s"},       {SETTING_TIME, 60000, "1m"},        {SETTING_TIME, 3600000, "1h"},
        {SETTING_TIME, 25 * 3600000, "25h"}, {SETTING_TIME, 48 * 3600000, "2d"},
    };
    struct buffer text;

    (void)state;
    buffer_init(&text, KIB);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        assert_status(STATUS_OK, setting_number(cases[index].type, cases[index].number, &text));
        assert_text(cases[index].expected, &text);
    }
    buffer_free(&text);
}

static void every_row_says_what_is_allowed(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text, KIB);
    for (size_t index = 0; index < settings_table_count(); index++) {
        assert_status(STATUS_OK, setting_allowed(settings_table_row(index), &text));
        assert_true(text.count > 0);
        buffer_clear(&text);
    }
    assert_status(STATUS_OK, setting_allowed(settings_table_find(BYTES("gateway.limits.body_budget")), &text));
    assert_text("1MiB to 65536MiB (units B, KiB, MiB)", &text);
    assert_status(STATUS_OK, setting_allowed(settings_table_find(BYTES("gateway.limits.drain")), &text));
    assert_text("0 to 1h (units ms, s, m, h, d)", &text);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_with_the_largest_unit_that_fits),
        cmocka_unit_test(every_row_says_what_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
