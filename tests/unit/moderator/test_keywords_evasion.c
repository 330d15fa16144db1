/* test_keywords_evasion: the texts of tests/vectors/unicode: what must be found, how much of what should be, and what must not. */
#include "support/file.h"
#include "support/word_list.h"

#include <yyjson.h>

enum { SHOULD_PERCENT = 95 };

#define VECTORS TEST_VECTORS "/unicode"

static struct word_list open_list(const struct folder *home)
{
    struct bytes json = file_read(VECTORS, "keywords.json");
    yyjson_doc *document = yyjson_read(json.data, json.count, 0);
    struct word_list list;
    struct buffer lines;
    yyjson_val *keyword;
    size_t index, max;

    assert_non_null(document);
    buffer_init(&lines, KIB);
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, max, keyword) {
        assert_status(STATUS_OK, buffer_append_format(&lines, "%s\n", yyjson_get_str(keyword)));
    }
    list = word_list_open(home, buffer_view(&lines));
    buffer_free(&lines);
    yyjson_doc_free(document);
    free((char *)(uintptr_t)json.data);
    return list;
}

static const char *member(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

/* Of a level's texts: how many there are, and how many are found. Names what is missed. */
static void count_level(struct word_list *list, const char *level, size_t *out_count, size_t *out_found)
{
    struct bytes file = file_read(VECTORS, "evasion.jsonl");
    struct bytes rest = file;

    *out_count = 0;
    *out_found = 0;
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        yyjson_doc *document = yyjson_read(line.data, line.count, 0);
        yyjson_val *root = yyjson_doc_get_root(document);

        assert_non_null(root);
        if (strcmp(member(root, "level"), level) == 0) {
            yyjson_val *text = yyjson_obj_get(root, "text");
            bool found = word_list_has_bytes(list, (struct bytes){yyjson_get_str(text), yyjson_get_len(text)});

            ++*out_count;
            *out_found += found;
            if (!found) {
                print_message("%s: missed: %s: %s\n", level, member(root, "technique"), member(root, "keyword"));
            }
        }
        yyjson_doc_free(document);
    }
    free((char *)(uintptr_t)file.data);
}

static void every_text_of_level_must_is_found(void **state)
{
    struct word_list list = open_list(*state);
    size_t count, found;

    count_level(&list, "must", &count, &found);
    assert_int_equal(245, count);
    assert_int_equal(count, found);
    word_list_close(&list);
}

static void of_level_should_ninety_five_in_a_hundred_are_found(void **state)
{
    struct word_list list = open_list(*state);
    size_t count, found;

    count_level(&list, "should", &count, &found);
    assert_int_equal(95, count);
    assert_true(100 * found >= SHOULD_PERCENT * count);
    word_list_close(&list);
}

static void every_text_of_level_policy_is_found(void **state)
{
    struct word_list list = open_list(*state);
    size_t count, found;

    count_level(&list, "policy", &count, &found);
    assert_int_equal(8, count);
    assert_int_equal(count, found);
    word_list_close(&list);
}

static void no_benign_text_is(void **state)
{
    struct word_list list = open_list(*state);
    struct bytes file = file_read(VECTORS, "benign.jsonl");
    struct bytes rest = file;
    size_t count = 0;

    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        yyjson_doc *document = yyjson_read(line.data, line.count, 0);
        const char *text = member(yyjson_doc_get_root(document), "text");

        assert_non_null(text);
        if (word_list_has(&list, text)) {
            fail_msg("found in: %s", text);
        }
        count++;
        yyjson_doc_free(document);
    }
    assert_int_equal(26, count);
    free((char *)(uintptr_t)file.data);
    word_list_close(&list);
}

static void no_naughty_string_is(void **state)
{
    struct word_list list = open_list(*state);
    struct bytes file = file_read(VECTORS, "blns.json");
    yyjson_doc *document = yyjson_read(file.data, file.count, 0);
    yyjson_val *text;
    size_t index, max;

    assert_non_null(document);
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, max, text) {
        assert_false(word_list_has_bytes(&list, (struct bytes){yyjson_get_str(text), yyjson_get_len(text)}));
    }
    assert_true(index > 400);
    yyjson_doc_free(document);
    free((char *)(uintptr_t)file.data);
    word_list_close(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_of_level_must_is_found),
        cmocka_unit_test(of_level_should_ninety_five_in_a_hundred_are_found),
        cmocka_unit_test(every_text_of_level_policy_is_found),
        cmocka_unit_test(no_benign_text_is),
        cmocka_unit_test(no_naughty_string_is),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
