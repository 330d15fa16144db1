/* skim: the values at named paths in every cut of a text, and texts that broke off made whole. */
#include "gateway/skim.h"

#include "support/unit.h"

#include <stdlib.h>
#include <yyjson.h>

enum { NAME_A = 1, NAME_B, NAMES };

static const char *const names[NAMES] = {[NAME_A] = "a", [NAME_B] = "b"};

static void collect(struct skim *skim, struct bytes input, struct buffer *seen)
{
    struct skim_value value;

    while (skim_next(skim, &input, &value)) {
        assert_status(STATUS_OK, buffer_append_format(seen, "%u %u %.*s\n", (unsigned)value.path, (unsigned)value.type,
                                                      (int)value.text.count, value.text.count == 0 ? "" : value.text.data));
    }
    assert_int_equal(0, input.count);
}

static void expect(struct bytes text, const char *expected, bool whole)
{
    for (size_t cut = 0; cut <= text.count; cut++) {
        struct skim skim;
        struct buffer seen;

        buffer_init(&seen, KIB);
        skim_init(&skim, names, NAMES - 1);
        collect(&skim, bytes_first(text, cut), &seen);
        collect(&skim, bytes_from(text, cut), &seen);
        assert_bytes(expected, buffer_view(&seen));
        assert_true(skim_is_whole(&skim) == whole);
        buffer_free(&seen);
    }
}

static void values_are_told_by_their_paths_in_every_cut(void **state)
{
    (void)state;
    expect(BYTES("{\"a\":[{\"b\":\"x\\\"y\\u0041\"},{\"c\":{\"b\":1},\"b\":-2.5e3 }],\"b\":null,\"x\":{\"a\":true}}"),
           "0 6 \n1 5 \n1 6 \n34 4 x\\\"y\\u0041\n1 6 \n34 3 -2.5e3\n2 0 \n", true);
    expect(BYTES(" [1 , {\"a\":false} ,\"\"] \n"), "0 5 \n0 3 1\n0 6 \n1 1 \n0 4 \n", true);
    expect(BYTES("{\"a\":\"b"), "0 6 \n", false);
}

static void what_is_no_json_is_read_no_further(void **state)
{
    static const char *const texts[] = {"]", "{\"a\" 1}", "{a:1}", "[1}", "{]", "x", "[1 2]", "{} {}", "[,]"};

    (void)state;
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct bytes text = bytes_of(texts[index]);
        struct skim_value value;
        struct skim skim;

        skim_init(&skim, names, NAMES - 1);
        while (skim_next(&skim, &text, &value)) {
            assert_in_range(value.path, 0, 34);
        }
        assert_true(skim_is_lost(&skim));
        assert_false(skim_is_whole(&skim));
    }
}

static void depth_has_its_bound(void **state)
{
    (void)state;
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char room[JSON_DEPTH_MAX + 1];
        struct bytes text = {room, depth};
        struct skim_value value;
        struct skim skim;

        memset(room, '[', depth);
        skim_init(&skim, names, NAMES - 1);
        while (skim_next(&skim, &text, &value)) {
            assert_int_equal(0, value.path);
        }
        assert_true(skim_is_lost(&skim) == (depth > JSON_DEPTH_MAX));
    }
}

static void a_long_value_is_cut_and_says_so(void **state)
{
    (void)state;
    for (size_t bytes = SKIM_VALUE_BYTES_MAX; bytes <= SKIM_VALUE_BYTES_MAX + 1; bytes++) {
        char room[SKIM_VALUE_BYTES_MAX + 3];
        struct bytes text = {room, bytes + 2};
        struct skim_value value;
        struct skim skim;

        memset(room, 's', sizeof room);
        room[0] = room[bytes + 1] = '"';
        skim_init(&skim, names, NAMES - 1);
        assert_true(skim_next(&skim, &text, &value));
        assert_int_equal(SKIM_VALUE_BYTES_MAX, value.text.count);
        assert_true(value.cut == (bytes > SKIM_VALUE_BYTES_MAX));
    }
}

static void a_list_that_breaks_off_anywhere_is_made_whole(void **state)
{
    static const char text[] = "[{\"a\":[{\"t\":\"x\\\\ \\u00e9\"},{}],\"n\":-1.5e2,\"f\":[true,false,null,[],0]},\n"
                               "{\"b\":\"\",\"\xC3\xA9\":\"\xE0\xA4\x85\xE5\x8C\x97\xED\x95\x9C\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF.\"}]";

    (void)state;
    for (size_t cut = 1; cut < sizeof text - 2; cut++) {
        struct bytes input = {text, cut};
        struct skim_value value;
        struct skim skim;
        struct buffer whole;
        yyjson_doc *document;
        bool again;

        buffer_init(&whole, KIB);
        assert_status(STATUS_OK, buffer_append(&whole, input));
        skim_init(&skim, names, NAMES - 1);
        for (size_t at = 0; at < input.count; at++) { /* as it comes whole is what the other cuts do */
            struct bytes byte = {text + at, 1};

            while (cut % 2 == 0 && skim_next(&skim, &byte, &value)) {
            }
        }
        while (cut % 2 == 1 && skim_next(&skim, &input, &value)) {
        }
        assert_status(STATUS_OK, skim_close(&skim, &whole, &again));
        assert_status(STATUS_OK, buffer_append_text(&whole, again ? ",7]" : "7]"));
        document = yyjson_read(whole.data, whole.count, 0);
        if (document == NULL) {
            fail_msg("cut %zu: %.*s", cut, (int)whole.count, whole.data);
        }
        assert_int_equal(7, yyjson_get_int(yyjson_arr_get_last(yyjson_doc_get_root(document))));
        yyjson_doc_free(document);
        buffer_free(&whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_told_by_their_paths_in_every_cut),
        cmocka_unit_test(what_is_no_json_is_read_no_further),
        cmocka_unit_test(depth_has_its_bound),
        cmocka_unit_test(a_long_value_is_cut_and_says_so),
        cmocka_unit_test(a_list_that_breaks_off_anywhere_is_made_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
