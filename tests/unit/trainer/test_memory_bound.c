/* Tests of memory_bound: every setting that holds memory makes the bound larger, by what it says. */
#include "trainer/memory_bound.h"

#include "support/settings_text.h"
#include "support/unit.h"

static uint64_t bound_of(const char *text)
{
    struct memory_bound bound = {0};
    struct reading reading;
    uint64_t bytes;

    assert_read(&reading, text);
    memory_bound_reckon(reading.settings, &bound);
    bytes = memory_bound_bytes(&bound);
    reading_end(&reading);
    return bytes;
}

#define PROFILE(samples) "profiles: { one: { training: { max_samples: " samples " } } }\n"

static void a_larger_sample_counts_up_to_the_bytes_that_one_may_have(void **state)
{
    uint64_t none = bound_of("");

    (void)state;
    assert_true(bound_of(PROFILE("200")) > none);
    assert_int_equal(2 * (uint64_t)SAMPLE_TEXT_BYTES_MAX * 20 / 4 * 5, bound_of(PROFILE("220")) - bound_of(PROFILE("200")));
    assert_true(bound_of(PROFILE("50000")) == bound_of(PROFILE("100000")));
    /* At most three times the sample's bytes and 128 MiB. */
    assert_true(bound_of(PROFILE("50000")) <= 3 * (uint64_t)TRAIN_BYTES_MAX + 128 * (uint64_t)MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_larger_sample_counts_up_to_the_bytes_that_one_may_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
