/* Tests of memory_bound: every setting that holds memory makes the bound larger, by what it says. */
#include "gateway/memory_bound.h"

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

static void a_body_budget_counts_once_and_a_quarter(void **state)
{
    (void)state;
    assert_int_equal(400 * (uint64_t)MIB / 4 * 5, bound_of("gateway: { limits: { body_budget: 656MiB } }\n") - bound_of(""));
}

static void every_setting_that_holds_memory_counts(void **state)
{
    static const char *const larger[] = {
        "gateway: { threads: 9 }\n",
        "gateway: { threads: 8, limits: { connections: 1025 } }\n",
        "gateway: { threads: 8, limits: { header_bytes: 33KiB } }\n",
        "gateway: { threads: 8, limits: { header_fields: 101 } }\n",
        "gateway: { threads: 8, limits: { stream_budget: 257MiB } }\n",
        "gateway: { threads: 8, limits: { in_flight: 513 } }\n",
        "gateway: { threads: 8, limits: { upstream_buffer: 129KiB } }\n",
        "gateway: { threads: 8, limits: { decoders: 65 } }\n",
        "gateway: { threads: 8, limits: { request_bytes: 17MiB } }\n",
        "gateway: { threads: 8, limits: { moderated_text: 5MiB } }\n",
        "gateway: { threads: 8 }\nroutes: [ { path: /a, upstream: 'https://a.example', moderation: none } ]\n",
        "gateway: { threads: 8 }\nmoderation: { queue: { bytes: 65MiB } }\n",
        "gateway: { threads: 8 }\nmoderation: { peers: 1025 }\n",
    };
    uint64_t plain = bound_of("gateway: { threads: 8 }\n");

    (void)state;
    for (size_t index = 0; index < sizeof larger / sizeof larger[0]; index++) {
        if (bound_of(larger[index]) <= plain) {
            fail_msg("not larger: %s", larger[index]);
        }
    }
}

static void few_connections_cannot_have_the_whole_stream_budget_unsent(void **state)
{
    (void)state;
    assert_true(bound_of("gateway: { limits: { connections: 1, in_flight: 1, stream_budget: 10240MiB } }\n") ==
                bound_of("gateway: { limits: { connections: 1, in_flight: 1, stream_budget: 20480MiB } }\n"));
}

/* A container is charged for it: of every connection, beside what the gateway itself holds for one. */
static void what_the_kernel_keeps_for_a_client_counts(void **state)
{
    uint64_t one = bound_of("gateway: { limits: { connections: 1025, stream_budget: 1MiB } }\n") -
                   bound_of("gateway: { limits: { connections: 1024, stream_budget: 1MiB } }\n");
    struct reading reading;

    (void)state;
    assert_read(&reading, "");
    assert_in_range(one, (memory_bound_connection_bytes(&reading.settings->gateway.limits) + SOCKET_UNSENT_BYTES) / 4 * 5 - 1,
                    (memory_bound_connection_bytes(&reading.settings->gateway.limits) + SOCKET_UNSENT_BYTES) / 4 * 5 + 2);
    reading_end(&reading);
}

static void the_limit_is_the_setting_or_the_containers(void **state)
{
    struct memory_bound bound = {0};
    struct reading reading;

    (void)state;
    assert_read(&reading, "gateway: { limits: { memory: 4096MiB } }\n");
    memory_bound_reckon(reading.settings, &bound);
    assert_true(bound.limit_bytes == 4096 * (uint64_t)MIB);
    assert_string_equal("gateway.limits.memory", bound.limit_setting);
    reading_end(&reading);
    bound = (struct memory_bound){0};
    assert_read(&reading, "gateway: { threads: 3 }\n");
    memory_bound_reckon(reading.settings, &bound);
    assert_true(bound.limit_bytes == memory_limit_bytes());
    assert_null(bound.limit_setting);
    assert_int_equal(3, memory_bound_loops(reading.settings));
    reading_end(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_budget_counts_once_and_a_quarter),
        cmocka_unit_test(every_setting_that_holds_memory_counts),
        cmocka_unit_test(few_connections_cannot_have_the_whole_stream_budget_unsent),
        cmocka_unit_test(what_the_kernel_keeps_for_a_client_counts),
        cmocka_unit_test(the_limit_is_the_setting_or_the_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
