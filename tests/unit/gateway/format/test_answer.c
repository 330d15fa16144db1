/* Tests of answer: what is no sound JSON is refused in every dialect, and text is bounded from both sides. */
#include "support/answers.h"

static void what_is_no_sound_json_is_refused_in_every_dialect(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "<html>");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "[]");
        answers_assert_refused((enum dialect)dialect, STATUS_MALFORMED, "{\"id\":\"x\"");
        answers_assert_refused((enum dialect)dialect, STATUS_DUPLICATE, "{\"id\":\"x\",\"i\\u0064\":\"y\"}");
        answers_assert_silent((enum dialect)dialect, "{\"n\":1}");
    }
}

static void a_text_of_the_bound_is_read_and_one_byte_more_is_refused(void **state)
{
    static const char body[] = "{\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}"; /* and its line feed */
    struct segments segments;

    (void)state;
    segments_init(&segments);
    assert_status(STATUS_OK, answers_read(DIALECT_CLAUDE_CHAT, body, 6, &segments));
    assert_status(STATUS_TOO_LARGE, answers_read(DIALECT_CLAUDE_CHAT, body, 5, &segments));
    segments_free(&segments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_sound_json_is_refused_in_every_dialect),
        cmocka_unit_test(a_text_of_the_bound_is_read_and_one_byte_more_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
