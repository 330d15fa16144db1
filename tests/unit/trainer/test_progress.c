/* progress: what stands on a terminal, how often, and that nothing stands anywhere else. */
#include "support/unit.h"

#include "trainer/progress.h"

#include "proto/clock.h"

#include <stdlib.h>

static void a_line_is_written_over_itself(void **state)
{
    char *told = NULL;
    size_t count = 0;
    FILE *to = open_memstream(&told, &count);
    struct progress progress;

    (void)state;
    assert_non_null(to);
    clock_freeze(1000);
    progress_begin(&progress, to, true, "train");
    progress_tell(&progress, 0.5, 7, "rows");
    assert_string_equal("\rtrain [###############---------------]  50 %  7 rows\x1b[K", told);
    clock_freeze(1099);
    progress_tell(&progress, 0.6, 8, "rows"); /* too soon */
    assert_int_equal(strlen("\rtrain [###############---------------]  50 %  7 rows\x1b[K"), count);
    clock_freeze(1100);
    progress_tell(&progress, -1, 9, "rows");
    assert_non_null(strstr(told, "\rtrain  9 rows\x1b[K"));
    clock_freeze(1200);
    progress_tell(&progress, 1.5, 9, "rows");
    assert_non_null(strstr(told, "\rtrain [##############################] 100 %  9 rows\x1b[K"));
    progress_end(&progress);
    progress_end(&progress);
    clock_freeze(0);
    assert_int_equal(0, fclose(to));
    assert_string_equal("rows\x1b[K\r\x1b[K", told + count - strlen("rows\x1b[K\r\x1b[K"));
    free(told);
}

static void a_line_makes_room_and_comes_back(void **state)
{
    char *told = NULL;
    size_t count = 0;
    FILE *to = open_memstream(&told, &count);
    struct progress progress;

    (void)state;
    assert_non_null(to);
    progress_begin(&progress, to, true, "import");
    progress_hide(&progress); /* nothing stands there yet */
    progress_tell(&progress, -1, 1, "rows");
    progress_hide(&progress);
    progress_tell(&progress, -1, 2, "rows");
    progress_end(&progress);
    progress_hide(&progress);
    assert_int_equal(0, fclose(to));
    assert_string_equal("\rimport  1 rows\x1b[K\r\x1b[K\rimport  2 rows\x1b[K\r\x1b[K", told);
    free(told);
}

static void nothing_is_written_elsewhere(void **state)
{
    char *told = NULL;
    size_t count = 0;
    FILE *to = open_memstream(&told, &count);
    struct progress progress;

    (void)state;
    assert_non_null(to);
    progress_begin(&progress, to, false, "train");
    progress_tell(&progress, 0.5, 7, "rows");
    progress_end(&progress);
    progress_begin(&progress, to, true, "train");
    progress_end(&progress); /* nothing was told */
    assert_int_equal(0, fclose(to));
    assert_int_equal(0, count);
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_written_over_itself),
        cmocka_unit_test(a_line_makes_room_and_comes_back),
        cmocka_unit_test(nothing_is_written_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
