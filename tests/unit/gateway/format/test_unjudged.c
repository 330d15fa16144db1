/* unjudged: counts are told by name, in one order, and nothing is told of nothing. */
#include "support/unit.h"

#include "gateway/format/unjudged.h"

static void only_what_is_there_is_told(void **state)
{
    const struct extract_result extracted = {.image_count = 2, .file_count = 1};
    struct unjudged unjudged = unjudged_of(&(struct extract_result){0});
    char told[UNJUDGED_TEXT_ROOM] = "x";

    (void)state;
    unjudged_write(&unjudged, told);
    assert_string_equal("", told);
    unjudged = unjudged_of(&extracted);
    unjudged_write(&unjudged, told);
    assert_string_equal("images=2, files=1", told);
    unjudged.counts[UNJUDGED_TEXTS] = 3;
    unjudged_write(&unjudged, told);
    assert_string_equal("texts=3, images=2, files=1", told);
}

static void the_largest_counts_fit(void **state)
{
    struct unjudged unjudged;
    char told[UNJUDGED_TEXT_ROOM];

    (void)state;
    for (size_t kind = 0; kind < UNJUDGED_KINDS; kind++) {
        unjudged.counts[kind] = SIZE_MAX;
    }
    unjudged_write(&unjudged, told);
    assert_non_null(strstr(told, "encoded=18446744073709551615"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_there_is_told),
        cmocka_unit_test(the_largest_counts_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
