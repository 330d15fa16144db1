/* Tests of memory_bound: every setting that holds memory makes the bound larger, by what it says. */
#include "moderator/memory_bound.h"

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

static void every_setting_that_holds_memory_counts(void **state)
{
#define PLAIN "moderator: { threads: 2, slots: 2 }\n"
    static const char *const larger[] = {
        "moderator: { threads: 3, slots: 2 }\n",
        "moderator: { threads: 2, slots: 3 }\n",
        PLAIN "gateway: { limits: { moderated_text: 5MiB } }\n",
        PLAIN "profiles: { one: { model: { kind: hashlinear } } }\n",
        PLAIN "profiles: { one: { model: { kind: none }, review: { url: 'https://a.example/v1', models: [m] } } }\n",
        "moderator: { threads: 2, slots: 2 }\nprofiles: { one: { model: { kind: none }, cache: { entries: 5000 } } }\n",
        PLAIN "database: { url: 'postgresql://a' }\n",
    };
    uint64_t plain = bound_of(PLAIN);
    const char *reviewed = PLAIN "profiles: { one: { review: { url: 'https://a.example/v1', models: [m] } } }\n";
    const char *tried = PLAIN "profiles: { one: { review: { url: 'https://a.example/v1', models: [m] }, "
                              "training: { canary: 0.1 } } }\n";

    (void)state;
    for (size_t index = 0; index < sizeof larger / sizeof larger[0]; index++) {
        if (bound_of(larger[index]) <= plain) {
            fail_msg("not larger: %s", larger[index]);
        }
    }
    assert_true(bound_of(tried) > bound_of(reviewed)); /* a version on trial beside the live one */
}

static void no_more_models_count_than_may_live(void **state)
{
#define PROFILES "profiles: { one: { model: { kind: hashlinear } }, two: { model: { kind: hashlinear } } }\n"
    (void)state;
    assert_true(bound_of("moderator: { live_models: 2 }\n" PROFILES) > bound_of("moderator: { live_models: 1 }\n" PROFILES));
    assert_int_equal(bound_of("moderator: { live_models: 2 }\n" PROFILES), bound_of("moderator: { live_models: 3 }\n" PROFILES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_that_holds_memory_counts),
        cmocka_unit_test(no_more_models_count_than_may_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
