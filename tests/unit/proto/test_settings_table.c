/* test_settings_table: the table is sound, and what is said about its rows is right. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings_table.h"

static void assert_text(const char *expected, struct buffer *text)
{
    assert_bytes(expected, buffer_view(text));
    buffer_clear(text);
}

static void every_row_is_found_by_its_path_and_none_stands_twice(void **state)
{
    (void)state;
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        assert_ptr_equal(row, settings_table_find(bytes_of(row->path)));
        assert_non_null(row->sentence);
        assert_true(row->required || row->fallback != NULL);
        assert_false(settings_table_is_section(bytes_of(row->path)));
    }
    assert_null(settings_table_find(BYTES("")));
    assert_null(settings_table_find(BYTES("gateway")));
    assert_null(settings_table_find(BYTES("gateway.listen.x")));
    assert_null(settings_table_find(BYTES("gateway.liste")));
}

static void no_two_rows_share_a_variable(void **state)
{
    struct buffer left;
    struct buffer right;

    (void)state;
    buffer_init(&left, KIB);
    buffer_init(&right, KIB);
    for (size_t index = 0; index < settings_table_count(); index++) {
        for (size_t other = 0; other < index; other++) {
            if (setting_scope(settings_table_row(index)) == SETTING_OF_FILE &&
                setting_scope(settings_table_row(other)) == SETTING_OF_FILE) {
                buffer_clear(&left);
                buffer_clear(&right);
                assert_status(STATUS_OK, setting_environment(settings_table_row(index), &left));
                assert_status(STATUS_OK, setting_environment(settings_table_row(other), &right));
                assert_false(bytes_equal(buffer_view(&left), buffer_view(&right)));
            }
        }
    }
    buffer_free(&left);
    buffer_free(&right);
}

static void a_section_is_the_beginning_of_a_path_up_to_a_mark(void **state)
{
    static const char *const sections[] = {"", "gateway", "gateway.limits", "routes", "routes[]", "profiles", "profiles.*",
                                           "profiles.*.training.gate", "curve"};
    static const char *const others[] = {"g", "gateway.", "gateway.limit", "routes[", "profiles.default", "curv", "gateway.listen"};

    (void)state;
    for (size_t index = 0; index < sizeof sections / sizeof sections[0]; index++) {
        assert_true(settings_table_is_section(bytes_of(sections[index])));
    }
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        if (settings_table_is_section(bytes_of(others[index]))) {
            fail_msg("'%s' is no section", others[index]);
        }
    }
}

static void a_section_knows_the_names_in_it(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text, KIB);
    assert_status(STATUS_OK, settings_table_children(BYTES(""), &text));
    assert_text("gateway, routes, moderation, profiles, moderator, trainer, database, curve, log", &text);
    assert_status(STATUS_OK, settings_table_children(BYTES("routes[]"), &text));
    assert_text("path, upstream, serve, key_file, from, to, models, delay_stream_header, moderation", &text);
    assert_status(STATUS_OK, settings_table_children(BYTES("profiles.*.training"), &text));
    assert_text("min_samples, every, max_samples, sampling, storage, keep_samples, gate, canary, canary_labels, canary_time", &text);
    assert_status(STATUS_OK, settings_table_children(BYTES("nothing"), &text));
    assert_text("", &text);
    buffer_free(&text);
    buffer_init(&text, 10);
    assert_status(STATUS_TOO_LARGE, settings_table_children(BYTES("log"), &text));
    buffer_free(&text);
}

static void a_row_belongs_to_the_file_a_route_a_profile_or_a_key(void **state)
{
    (void)state;
    assert_int_equal(SETTING_OF_FILE, setting_scope(settings_table_find(BYTES("gateway.listen"))));
    assert_int_equal(SETTING_OF_ROUTE, setting_scope(settings_table_find(BYTES("routes[].path"))));
    assert_int_equal(SETTING_OF_KEY, setting_scope(settings_table_find(BYTES("gateway.keys[].routes"))));
    assert_int_equal(SETTING_OF_PROFILE, setting_scope(settings_table_find(BYTES("profiles.*.model.low"))));
}

static void a_variable_is_the_path_in_capitals(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text, KIB);
    assert_status(STATUS_OK, setting_environment(settings_table_find(BYTES("gateway.limits.connections_per_address")), &text));
    assert_text("PRISMGUARD_GATEWAY_LIMITS_CONNECTIONS_PER_ADDRESS", &text);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_path_and_none_stands_twice),
        cmocka_unit_test(no_two_rows_share_a_variable),
        cmocka_unit_test(a_section_is_the_beginning_of_a_path_up_to_a_mark),
        cmocka_unit_test(a_section_knows_the_names_in_it),
        cmocka_unit_test(a_row_belongs_to_the_file_a_route_a_profile_or_a_key),
        cmocka_unit_test(a_variable_is_the_path_in_capitals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
