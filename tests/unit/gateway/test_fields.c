/* fields: only bytes that cannot split a message come in, and both bounds hold exactly. */
#include "support/unit.h"

#include "gateway/fields.h"
#include "proto/limits.h"

#include <stdio.h>

static struct fields *open_fields(size_t count_max, size_t bytes_max)
{
    struct fields *fields = NULL;

    assert_status(STATUS_OK, fields_open(&fields, count_max, bytes_max));
    return fields;
}

static void fields_come_back_as_they_went_in(void **state)
{
    struct fields *fields = open_fields(4, 100);
    struct bytes value;

    (void)state;
    assert_status(STATUS_OK, fields_add(fields, BYTES("Content-Type"), BYTES("text/plain")));
    assert_status(STATUS_OK, fields_add(fields, BYTES("X-Empty"), BYTES("")));
    assert_status(STATUS_OK, fields_add(fields, BYTES("content-type"), BYTES("text/html")));
    assert_int_equal(3, fields_count(fields));
    assert_bytes("Content-Type", fields_at(fields, 0).name);
    assert_bytes("text/plain", fields_at(fields, 0).value);
    assert_bytes("X-Empty", fields_at(fields, 1).name);
    assert_bytes("", fields_at(fields, 1).value);
    assert_true(fields_find(fields, BYTES("CONTENT-TYPE"), &value));
    assert_bytes("text/plain", value);
    assert_int_equal(2, fields_times(fields, BYTES("content-Type")));
    assert_int_equal(0, fields_times(fields, BYTES("content")));
    assert_false(fields_find(fields, BYTES("Content-Typ"), &value));
    fields_clear(fields);
    assert_int_equal(0, fields_count(fields));
    assert_false(fields_find(fields, BYTES("X-Empty"), &value));
    fields_close(&fields);
    fields_close(&fields);
}

static void a_name_is_a_token_and_nothing_else(void **state)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct fields *fields = open_fields(1000, 10000);

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char name[3] = {'a', (char)byte, 'b'};
        bool allowed = memchr(tokens, byte, sizeof tokens - 1) != NULL;

        assert_status(allowed ? STATUS_OK : STATUS_MALFORMED,
                      fields_add(fields, (struct bytes){name, sizeof name}, BYTES("v")));
    }
    assert_status(STATUS_MALFORMED, fields_add(fields, BYTES(""), BYTES("v")));
    assert_int_equal(sizeof tokens - 1, fields_count(fields));
    fields_close(&fields);
}

static void a_value_has_no_control_byte_but_tab(void **state)
{
    struct fields *fields = open_fields(1000, 10000);

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7F);

        for (size_t at = 0; at < 19; at++) { /* in each place of two words and of what is left of one */
            char value[19];

            memset(value, at % 2 == 0 ? 'a' : '\xFF', sizeof value);
            value[at] = (char)byte;
            assert_status(allowed ? STATUS_OK : STATUS_MALFORMED,
                          fields_add(fields, BYTES("name"), (struct bytes){value, sizeof value}));
            fields_clear(fields);
        }
    }
    assert_status(STATUS_MALFORMED, fields_add(fields, BYTES("name"), BYTES("a\r\nX-Injected: yes")));
    fields_close(&fields);
}

static void the_number_of_fields_is_bounded(void **state)
{
    struct fields *fields = open_fields(2, 100);

    (void)state;
    assert_status(STATUS_OK, fields_add(fields, BYTES("a"), BYTES("1")));
    assert_status(STATUS_OK, fields_add(fields, BYTES("b"), BYTES("2")));
    assert_status(STATUS_FULL, fields_add(fields, BYTES("c"), BYTES("3")));
    assert_int_equal(2, fields_count(fields));
    fields_clear(fields);
    assert_status(STATUS_OK, fields_add(fields, BYTES("c"), BYTES("3")));
    fields_close(&fields);
}

static void the_bytes_of_names_and_values_together_are_bounded(void **state)
{
    struct fields *fields = open_fields(10, 8);

    (void)state;
    assert_status(STATUS_OK, fields_add(fields, BYTES("ab"), BYTES("cd")));
    assert_status(STATUS_TOO_LARGE, fields_add(fields, BYTES("ab"), BYTES("cde")));
    assert_status(STATUS_TOO_LARGE, fields_add(fields, BYTES("abcdefghi"), BYTES("")));
    assert_status(STATUS_OK, fields_add(fields, BYTES("ab"), BYTES("cd")));
    assert_status(STATUS_TOO_LARGE, fields_add(fields, BYTES("a"), BYTES("")));
    assert_int_equal(2, fields_count(fields));
    assert_bytes("cd", fields_at(fields, 1).value);
    fields_close(&fields);
}

static void growing_moves_no_field(void **state)
{
    struct fields *fields = open_fields(200, 65536);

    (void)state;
    for (int index = 0; index < 200; index++) {
        char value[64];
        int count = snprintf(value, sizeof value, "value number %d", index);

        assert_status(STATUS_OK, fields_add(fields, BYTES("x"), (struct bytes){value, (size_t)count}));
    }
    assert_bytes("value number 0", fields_at(fields, 0).value);
    assert_bytes("value number 199", fields_at(fields, 199).value);
    fields_close(&fields);
}

static void fields_of_one_hop_are_known_in_any_case(void **state)
{
    static const char *const one_hop[] = {"Connection",       "KEEP-ALIVE",          "Proxy-Authenticate", "Proxy-Connection",
                                          "Transfer-Encoding", "Proxy-Authorization", "tE", "Trailer", "Upgrade"};
    static const char *const passed[] = {"Content-Length", "Content-Type", "Authorization", "Cookie", "Connectio", ""};

    (void)state;
    for (size_t index = 0; index < sizeof one_hop / sizeof one_hop[0]; index++) {
        assert_true(fields_is_one_hop(bytes_of(one_hop[index])));
    }
    for (size_t index = 0; index < sizeof passed / sizeof passed[0]; index++) {
        assert_false(fields_is_one_hop(bytes_of(passed[index])));
    }
}

static void connection_names_fields_of_this_hop_and_takes_none_of_the_other_end_s(void **state)
{
    static const char *const ends[] = {"Authorization",    "x-api-key",         "x-goog-api-key", "Content-Type", "content-encoding",
                                       "anthropic-version", "openai-organization", "accept",         "X-Request-Id", "retry-after"};
    struct fields *fields = open_fields(20, 4096);
    struct buffer list;

    (void)state;
    assert_status(STATUS_OK, fields_add(fields, BYTES("Connection"), BYTES("close,\t X-Hop ,,x-hop2")));
    assert_status(STATUS_OK, fields_add(fields, BYTES("CONNECTION"), BYTES("X-Other")));
    assert_true(fields_is_named_one_hop(fields, BYTES("x-hop")));
    assert_true(fields_is_named_one_hop(fields, BYTES("X-HOP2")));
    assert_true(fields_is_named_one_hop(fields, BYTES("x-other")));
    assert_false(fields_is_named_one_hop(fields, BYTES("x-ho")));
    assert_false(fields_is_named_one_hop(fields, BYTES("x-hop22")));
    for (size_t index = 0; index < sizeof ends / sizeof ends[0]; index++) {
        fields_clear(fields);
        assert_status(STATUS_OK, fields_add(fields, BYTES("Connection"), bytes_of(ends[index])));
        assert_false(fields_is_named_one_hop(fields, bytes_of(ends[index])));
    }
    for (size_t before = CONNECTION_NAMES_MAX - 1; before <= CONNECTION_NAMES_MAX; before++) {
        buffer_init(&list, 1024);
        for (size_t index = 0; index < before; index++) {
            assert_status(STATUS_OK, buffer_append_text(&list, "a, "));
        }
        assert_status(STATUS_OK, buffer_append_text(&list, "x-last"));
        fields_clear(fields);
        assert_status(STATUS_OK, fields_add(fields, BYTES("Connection"), buffer_view(&list)));
        assert_int_equal(before < CONNECTION_NAMES_MAX, fields_is_named_one_hop(fields, BYTES("x-last")));
        buffer_free(&list);
    }
    fields_close(&fields);
}

/* Its room grows with what comes, and can be given back in between. */
static void a_list_keeps_its_bounds_after_it_gave_its_room_back(void **state)
{
    enum { COUNT = 40 };
    struct fields *fields = open_fields(COUNT, COUNT * 8);

    (void)state;
    for (int round = 0; round < 2; round++) {
        char value[16];

        for (int index = 0; index < COUNT; index++) {
            (void)snprintf(value, sizeof value, "%d", index);
            assert_status(STATUS_OK, fields_add(fields, BYTES("name"), bytes_of(value)));
        }
        assert_status(STATUS_FULL, fields_add(fields, BYTES("name"), BYTES("more")));
        for (int index = 0; index < COUNT; index++) {
            (void)snprintf(value, sizeof value, "%d", index);
            assert_bytes(value, fields_at(fields, (size_t)index).value);
        }
        fields_free_room(fields);
        assert_int_equal(0, fields_count(fields));
    }
    fields_close(&fields);
}

static void a_renewed_list_is_empty_whether_or_not_there_was_one(void **state)
{
    struct fields *fields = NULL;
    struct fields *first;

    (void)state;
    assert_status(STATUS_OK, fields_renew(&fields, 1, 100));
    assert_status(STATUS_OK, fields_add(fields, BYTES("a"), BYTES("b")));
    first = fields;
    assert_status(STATUS_OK, fields_renew(&fields, 1, 100));
    assert_ptr_equal(first, fields);
    assert_int_equal(0, fields_count(fields));
    fields_close(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back_as_they_went_in),
        cmocka_unit_test(a_name_is_a_token_and_nothing_else),
        cmocka_unit_test(a_value_has_no_control_byte_but_tab),
        cmocka_unit_test(the_number_of_fields_is_bounded),
        cmocka_unit_test(the_bytes_of_names_and_values_together_are_bounded),
        cmocka_unit_test(growing_moves_no_field),
        cmocka_unit_test(a_list_keeps_its_bounds_after_it_gave_its_room_back),
        cmocka_unit_test(a_renewed_list_is_empty_whether_or_not_there_was_one),
        cmocka_unit_test(fields_of_one_hop_are_known_in_any_case),
        cmocka_unit_test(connection_names_fields_of_this_hop_and_takes_none_of_the_other_end_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
