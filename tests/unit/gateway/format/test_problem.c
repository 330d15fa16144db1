/* problem: a sentence that begins with its path, and a path that is null in an answer when there is none. */
#include "support/unit.h"

#include "gateway/format/problem.h"

static void a_sentence_begins_with_its_path(void **state)
{
    struct problem problem;

    (void)state;
    problem_set(&problem, ERROR_INVALID_REQUEST, "messages[3].content", "must be a string");
    assert_int_equal(ERROR_INVALID_REQUEST, problem.kind);
    assert_string_equal("messages[3].content must be a string", problem.sentence);
    assert_string_equal("messages[3].content", problem_param(&problem));
    problem_set(&problem, ERROR_INVALID_JSON, "", "the body is not valid JSON");
    assert_int_equal(ERROR_INVALID_JSON, problem.kind);
    assert_string_equal("the body is not valid JSON", problem.sentence);
    assert_null(problem_param(&problem));
}

static void both_keep_their_bounds(void **state)
{
    struct problem problem;
    char text[2 * PROBLEM_SENTENCE_BYTES_MAX];

    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    problem_set(&problem, ERROR_INVALID_REQUEST, text, text);
    assert_int_equal(PROBLEM_PATH_BYTES_MAX, strlen(problem.path));
    assert_int_equal(PROBLEM_SENTENCE_BYTES_MAX, strlen(problem.sentence));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_begins_with_its_path),
        cmocka_unit_test(both_keep_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
