/* test_settings_keep: of every row, what is read at start is kept and named, and what is read at reload is not. */
#include "support/settings_text.h"

#include "proto/settings_keep.h"
#include "proto/settings_table.h"

static const char other_text[] =
    "gateway: { listen: 127.0.0.1:1, threads: 3, open: true, allow_private_upstreams: true,\n"
    "           limits: { connections: 7, idle: 7s, moderated_text: 2KiB } }\n"
    "moderator: { gateways: ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'], slots: 3 }\n"
    "trainer: { check_every: 7s }\n"
    "log: { level: debug, format: text }\n"
    "routes: [ { path: /a, upstream: 'http://a.test', moderation: one } ]\n"
    "profiles: { one: { undecided: block } }\n";

/* What is kept for a service, in the order of the table. */
static void assert_kept(const char *names, const char *service)
{
    struct reading old;
    struct reading fresh;
    struct buffer kept;

    assert_read(&old, "gateway: { listen: 127.0.0.1:8080 }\n");
    assert_read(&fresh, other_text);
    buffer_init(&kept, KIB);
    (void)settings_keep(fresh.settings, old.settings, service, &kept);
    assert_bytes(names, buffer_view(&kept));

    assert_string_equal("127.0.0.1:8080", fresh.settings->gateway.listen);
    assert_int_equal(SETTINGS_AUTO, fresh.settings->gateway.threads);
    assert_false(fresh.settings->gateway.open);
    assert_int_equal(1024, fresh.settings->gateway.limits.connections);
    assert_int_equal(1, fresh.settings->moderator.gateways.count);
    assert_string_equal("tcp://127.0.0.1:5555", fresh.settings->moderator.gateways.at[0]);
    assert_int_equal(LOG_FORMAT_JSON, fresh.settings->log.format);

    assert_int_equal(7000, fresh.settings->gateway.limits.idle_ms);
    assert_int_equal(LOG_DEBUG, fresh.settings->log.level);
    assert_int_equal(1, fresh.settings->route_count);
    assert_int_equal(1, fresh.settings->profile_count);
    assert_int_equal(UNDECIDED_BLOCK, fresh.settings->profiles[0].undecided);
    buffer_free(&kept);
    reading_end(&old);
    reading_end(&fresh);
}

static void what_is_read_at_start_is_kept_and_named_to_those_who_read_it(void **state)
{
    (void)state;
    assert_kept("gateway.listen, gateway.threads, gateway.open, gateway.allow_private_upstreams, gateway.limits.connections, "
                "gateway.limits.moderated_text, log.format",
                "gateway");
    assert_kept("gateway.limits.moderated_text, moderator.gateways, moderator.slots, log.format", "moderator");
    assert_kept("trainer.check_every, log.format", "trainer");
}

static void equal_settings_keep_nothing(void **state)
{
    struct reading old;
    struct reading fresh;
    struct buffer kept;

    (void)state;
    assert_read(&old, other_text);
    assert_read(&fresh, other_text);
    buffer_init(&kept, KIB);
    assert_int_equal(0, settings_keep(fresh.settings, old.settings, "gateway", &kept));
    assert_int_equal(0, kept.count);
    assert_string_equal(old.settings->digest, fresh.settings->digest);
    buffer_free(&kept);
    reading_end(&old);
    reading_end(&fresh);
}

static void names_without_room_are_counted_all_the_same(void **state)
{
    struct reading old;
    struct reading fresh;
    char room[16];
    struct buffer kept = {.data = room, .room = sizeof room, .max = sizeof room};

    (void)state;
    assert_read(&old, "");
    assert_read(&fresh, other_text);
    assert_int_equal(7, settings_keep(fresh.settings, old.settings, "gateway", &kept));
    assert_bytes("gateway.listen", buffer_view(&kept));
    assert_string_not_equal(old.settings->digest, fresh.settings->digest);
    reading_end(&old);
    reading_end(&fresh);
}

static void routes_profiles_and_times_are_live_and_what_memory_is_made_of_is_not(void **state)
{
    (void)state;
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        if (setting_scope(row) != SETTING_OF_FILE) {
            assert_true(setting_is_live(row));
        }
        if (row->type == SETTING_BYTES) {
            assert_false(setting_is_live(row));
        }
    }
    assert_true(setting_is_live(settings_table_find(BYTES("gateway.limits.drain"))));
    assert_false(setting_is_live(settings_table_find(BYTES("gateway.listen"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_at_start_is_kept_and_named_to_those_who_read_it),
        cmocka_unit_test(equal_settings_keep_nothing),
        cmocka_unit_test(names_without_room_are_counted_all_the_same),
        cmocka_unit_test(routes_profiles_and_times_are_live_and_what_memory_is_made_of_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
