/* band: texts of several scripts and lengths, from both sides of each bound. */
#include "support/unit.h"

#include "trainer/band.h"

#include <string.h>

static const char *script_of(const char *text)
{
    return band_name(band_of_script(bytes_of(text)));
}

static void the_script_is_that_of_most_letters(void **state)
{
    (void)state;
    assert_string_equal("other", script_of(""));
    assert_string_equal("other", script_of("12 + 34 = 46 \xF0\x9F\x99\x82"));
    assert_string_equal("latin", script_of("gr\xC3\xBC\xC3\x9F dich"));
    assert_string_equal("latin", script_of("\xEF\xBC\xA1\xEF\xBD\x82")); /* full-width A b */
    assert_string_equal("cyrillic", script_of("\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 ok"));
    assert_string_equal("arabic", script_of("\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7"));
    assert_string_equal("cjk", script_of("\xE4\xBD\xA0\xE5\xA5\xBD"));
    assert_string_equal("cjk", script_of("\xED\x95\x9C\xEA\xB5\xAD o 1 2 3 4"));
    assert_string_equal("cjk", script_of("\xE3\x81\x82\xE3\x82\xA2"));
    assert_string_equal("other", script_of("\xCE\xB1\xCE\xB2\xCE\xB3")); /* Greek */
    assert_string_equal("latin", script_of("\xFF\xFE broken"));
}

static void only_the_beginning_is_looked_at(void **state)
{
    char text[3 * BAND_CODE_POINTS_MAX + 1] = {0};

    (void)state;
    memset(text, '1', BAND_CODE_POINTS_MAX);
    memset(text + BAND_CODE_POINTS_MAX, 'a', BAND_CODE_POINTS_MAX);
    assert_string_equal("other", script_of(text));
    text[BAND_CODE_POINTS_MAX - 1] = 'a';
    assert_string_equal("latin", script_of(text));
}

static void lengths_are_in_bytes(void **state)
{
    static const char text[BAND_MIDDLE_BYTES + 1];

    (void)state;
    assert_string_equal("short", band_name(band_of_length((struct bytes){text, 0})));
    assert_string_equal("short", band_name(band_of_length((struct bytes){text, BAND_SHORT_BYTES})));
    assert_string_equal("middle", band_name(band_of_length((struct bytes){text, BAND_SHORT_BYTES + 1})));
    assert_string_equal("middle", band_name(band_of_length((struct bytes){text, BAND_MIDDLE_BYTES})));
    assert_string_equal("long", band_name(band_of_length((struct bytes){text, BAND_MIDDLE_BYTES + 1})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_script_is_that_of_most_letters),
        cmocka_unit_test(only_the_beginning_is_looked_at),
        cmocka_unit_test(lengths_are_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
