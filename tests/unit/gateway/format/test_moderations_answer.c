/* moderations_answer: OpenAI's form, its 13 categories whatever the verdict, and no flag without a name. */
#include "support/unit.h"

#include "gateway/format/moderations_answer.h"
#include "proto/json.h"

#include <stdio.h>

static const char *const official[] = {
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"};

enum { OFFICIAL = sizeof official / sizeof official[0], ANSWER_BYTES = 8 * KIB };

static struct buffer text;
static struct json json;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&text, ANSWER_BYTES);
    json_init(&json);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&text);
    json_free(&json);
    return 0;
}

static struct moderations_result flagged(const char *category)
{
    struct moderations_result result = {.judged = true, .flagged = true, .category_bytes = (unsigned char)strlen(category)};

    memcpy(result.category, category, result.category_bytes);
    return result;
}

static void write_result(const struct moderations_result *result)
{
    buffer_clear(&text);
    assert_status(STATUS_OK, moderations_answer_result(result, 0, &text));
    assert_status(STATUS_OK, json_read(&json, buffer_view(&text), JSON_REFUSE_DUPLICATES));
}

static const struct json_token *category_in(const char *list, const char *category)
{
    return json_member(&json, json_member(&json, &json.tokens[0], list), category);
}

static bool is_true(const char *category)
{
    const struct json_token *value = category_in("categories", category);

    assert_non_null(value);
    return value->type == JSON_TRUE;
}

/* Exactly these categories are true, in both lists, and each list has `count` of them. */
static void assert_true_are(const struct moderations_result *result, const char *first, const char *second, size_t count)
{
    write_result(result);
    for (size_t index = 0; index < OFFICIAL; index++) {
        bool wanted = (first != NULL && strcmp(first, official[index]) == 0) ||
                      (second != NULL && strcmp(second, official[index]) == 0);
        struct bytes score = json_span(&json, category_in("category_scores", official[index]));

        if (is_true(official[index]) != wanted || bytes_equal(score, BYTES("1.0")) != wanted) {
            fail_msg("%s: %s is %d", first == NULL ? "none" : first, official[index], !wanted);
        }
    }
    assert_int_equal(count, json_member(&json, &json.tokens[0], "categories")->count);
    assert_int_equal(count, json_member(&json, &json.tokens[0], "category_scores")->count);
    assert_int_equal(count, json_member(&json, &json.tokens[0], "category_applied_input_types")->count);
}

static void the_whole_is_one_document(void **state)
{
    const struct moderations_result results[] = {{.judged = true}, flagged("hate")};
    const struct json_token *list;

    (void)state;
    assert_status(STATUS_OK, moderations_answer_begin(BYTES("0123"), &text));
    for (size_t index = 0; index < 2; index++) {
        assert_status(STATUS_OK, moderations_answer_result(&results[index], index, &text));
    }
    assert_status(STATUS_OK, moderations_answer_end(&text));
    assert_status(STATUS_OK, json_read(&json, buffer_view(&text), JSON_REFUSE_DUPLICATES));
    assert_true(json_string_is(&json, json_member(&json, &json.tokens[0], "id"), "modr-0123"));
    assert_true(json_string_is(&json, json_member(&json, &json.tokens[0], "model"), "prismguard"));
    list = json_member(&json, &json.tokens[0], "results");
    assert_int_equal(2, list->count);
    assert_int_equal(JSON_FALSE, json_member(&json, json_first(&json, list), "flagged")->type);
    assert_int_equal(JSON_TRUE, json_member(&json, json_after(&json, list, json_first(&json, list)), "flagged")->type);
}

static void a_verdict_s_category_is_found_by_its_names_and_with_what_it_is_a_part_of(void **state)
{
    static const struct {
        const char *category;
        const char *found;
        const char *whole;
    } cases[] = {
        {"hate", "hate", NULL},
        {"Hate/Threatening", "hate/threatening", "hate"},
        {"self_harm", "self-harm", NULL},
        {"self harm instructions", "self-harm/instructions", "self-harm"},
        {"sexual_minors", "sexual/minors", "sexual"},
        {"VIOLENCE", "violence", NULL},
        {"weapons", "illicit/violent", "illicit"},
        {"suicide", "self-harm", NULL},
        {"threat", "harassment/threatening", "harassment"},
        {"hate-speech", "hate", NULL},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct moderations_result result = flagged(cases[index].category);

        assert_true_are(&result, cases[index].found, cases[index].whole, OFFICIAL);
    }
    for (size_t index = 0; index < OFFICIAL; index++) {
        struct moderations_result result = flagged(official[index]);

        write_result(&result);
        assert_true(is_true(official[index]));
    }
}

static void an_unknown_category_stands_under_its_own_name(void **state)
{
    static const char *const names[] = {"keyword", "model", "undecided", "hat", "hates", "with \"quotes\""};
    char longest[CATEGORY_BYTES_MAX + 1];

    (void)state;
    memset(longest, 'x', CATEGORY_BYTES_MAX);
    longest[CATEGORY_BYTES_MAX] = '\0';
    for (size_t index = 0; index <= sizeof names / sizeof names[0]; index++) {
        const char *name = index < sizeof names / sizeof names[0] ? names[index] : longest;
        struct moderations_result result = flagged(name);

        assert_true_are(&result, NULL, NULL, OFFICIAL + 1);
        assert_true(is_true(name));
        assert_int_equal(1, category_in("category_applied_input_types", name)->count);
    }
}

static void a_verdict_without_a_category_only_flags(void **state)
{
    struct moderations_result result = flagged("");

    (void)state;
    assert_true_are(&result, NULL, NULL, OFFICIAL);
    assert_int_equal(JSON_TRUE, json_member(&json, &json.tokens[0], "flagged")->type);
}

static void what_was_not_judged_names_no_type_of_input(void **state)
{
    struct moderations_result result = {.judged = true};

    (void)state;
    assert_true_are(&result, NULL, NULL, OFFICIAL);
    for (size_t index = 0; index < OFFICIAL; index++) {
        assert_bytes("[\"text\"]", json_span(&json, category_in("category_applied_input_types", official[index])));
    }
    result.judged = false;
    assert_true_are(&result, NULL, NULL, OFFICIAL);
    for (size_t index = 0; index < OFFICIAL; index++) {
        assert_bytes("[]", json_span(&json, category_in("category_applied_input_types", official[index])));
    }
}

static void a_buffer_without_room_stays_as_it_was(void **state)
{
    struct moderations_result result = flagged("keyword");
    struct buffer small;
    size_t whole;

    (void)state;
    assert_status(STATUS_OK, moderations_answer_result(&result, 1, &text));
    whole = text.count;
    for (size_t room = 0; room < whole; room += 97) {
        buffer_init(&small, room);
        assert_status(STATUS_TOO_LARGE, moderations_answer_result(&result, 1, &small));
        assert_int_equal(0, small.count);
        buffer_free(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_whole_is_one_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_verdict_s_category_is_found_by_its_names_and_with_what_it_is_a_part_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_category_stands_under_its_own_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_verdict_without_a_category_only_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_judged_names_no_type_of_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_buffer_without_room_stays_as_it_was, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
