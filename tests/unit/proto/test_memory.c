/* Tests of memory: the sum, the limit's two sides, and the words. */
#include "proto/memory.h"

#include "support/unit.h"

#include "proto/limits.h"

#include <stdlib.h>

static void the_bound_is_a_quarter_more_than_its_terms(void **state)
{
    struct memory_bound bound = {0};

    (void)state;
    memory_bound_add(&bound, "one", NULL, 1000);
    memory_bound_add_each(&bound, "many", "a.b", 30, 100);
    memory_bound_add(&bound, "nothing", "a.c", 0);
    assert_int_equal(2, bound.count);
    assert_int_equal(5000, memory_bound_bytes(&bound));
    memory_bound_add_each(&bound, "too many", "a.d", UINT64_MAX, 2);
    assert_true(memory_bound_bytes(&bound) == UINT64_MAX);
}

/* What is told, to be freed. */
static char *refusal_of(const struct memory_bound *bound, enum status expected)
{
    char *told = NULL;
    size_t count;
    FILE *errors = open_memstream(&told, &count);

    assert_non_null(errors);
    assert_status(expected, memory_bound_check(bound, errors));
    assert_int_equal(0, fclose(errors));
    return told;
}

static void above_the_limit_it_is_refused_with_the_setting_that_holds_most(void **state)
{
    struct memory_bound bound = {0};
    char *told;

    (void)state;
    memory_bound_add(&bound, "the program", NULL, 40 * MIB);
    memory_bound_add(&bound, "bodies", "a.bodies", 30 * MIB);
    memory_bound_add(&bound, "streams", "a.streams", 10 * MIB);
    memory_bound_limit(&bound, "a.memory", 100 * MIB);
    told = refusal_of(&bound, STATUS_OK);
    assert_string_equal("", told);
    free(told);
    memory_bound_limit(&bound, "a.memory", 100 * MIB - 1);
    told = refusal_of(&bound, STATUS_TOO_LARGE);
    assert_string_equal("the process may come to hold 100 MiB, but a.memory is 100 MiB: raise it, or lower a.bodies (30 MiB are "
                        "bodies); --check lists all\n",
                        told);
    free(told);
}

static void it_is_explained_term_by_term(void **state)
{
    struct memory_bound bound = {.limit_bytes = MEMORY_UNLIMITED};
    char *words = NULL;
    size_t count;
    FILE *out = open_memstream(&words, &count);

    (void)state;
    assert_non_null(out);
    memory_bound_add(&bound, "the program", NULL, 4 * MIB);
    memory_bound_add(&bound, "bodies", "a.bodies", 4 * MIB);
    memory_bound_explain(&bound, out);
    bound.limit_bytes = 11 * MIB;
    memory_bound_explain(&bound, out);
    assert_int_equal(0, fclose(out));
    assert_string_equal("\nMemory\n  At most 10 MiB, a fifth of it the allocator's own; there is no limit:\n"
                        "       4.0 MiB  the program\n       4.0 MiB  bodies (a.bodies)\n"
                        "\nMemory\n  At most 10 MiB, a fifth of it the allocator's own; the container's limit is 11 MiB:\n"
                        "       4.0 MiB  the program\n       4.0 MiB  bodies (a.bodies)\n",
                        words);
    free(words);
}

static void bound_and_limit_are_exported(void **state)
{
    struct memory_bound bound = {0};
    struct metrics *metrics = NULL;
    struct buffer text;

    (void)state;
    buffer_init(&text, 64 * KIB);
    assert_status(STATUS_OK, metrics_open(&metrics));
    memory_bound_add(&bound, "one", NULL, 4000);
    memory_bound_limit(&bound, "a.memory", 6000);
    memory_bound_export(&bound, metrics);
    assert_status(STATUS_OK, metrics_print(metrics, &text));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    assert_non_null(strstr(text.data, "prismguard_memory_bound_bytes 5000\n"));
    assert_non_null(strstr(text.data, "prismguard_memory_limit_bytes 6000\n"));
    buffer_free(&text);
    metrics_close(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_a_quarter_more_than_its_terms),
        cmocka_unit_test(above_the_limit_it_is_refused_with_the_setting_that_holds_most),
        cmocka_unit_test(it_is_explained_term_by_term),
        cmocka_unit_test(bound_and_limit_are_exported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
