/* Tests of json: values that are passed over are read as strictly as all others, and nothing is kept of them. */
#include "support/unit.h"

#include "proto/json.h"

#include <stdio.h>

static const char *const steps[] = {"a", NULL, "p"};
static const struct json_path path = {steps, 3};

/* In slices of so many bytes, past what is at the path. */
static enum status read_past(struct json *json, struct bytes source, size_t bytes)
{
    struct json_reader reader;
    enum status status;

    json_reader_begin(&reader, json, source, JSON_REFUSE_DUPLICATES);
    json_reader_pass_over(&reader, &path);
    do {
        status = json_reader_go_on(&reader, bytes);
    } while (status == STATUS_AGAIN);
    return status;
}

/* The tokens of a document, each as it stands there. */
static void assert_tokens(const char *text, const char *const *expected, size_t count)
{
    struct json json;

    json_init(&json);
    for (size_t bytes = 1; bytes <= strlen(text); bytes++) {
        assert_status(STATUS_OK, read_past(&json, bytes_of(text), bytes));
        assert_int_equal(count, json.token_count);
        assert_int_equal(count, json.tokens[0].next);
        for (size_t index = 0; index < count; index++) {
            assert_bytes(expected[index], json_span(&json, &json.tokens[index]));
        }
    }
    json_free(&json);
}

#define ASSERT_TOKENS(text, ...) \
    assert_tokens(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void of_what_is_at_the_path_only_its_own_token_is_kept(void **state)
{
    (void)state;
    ASSERT_TOKENS("{\"a\":[{\"p\":[1,{\"x\":[2,\"\\n\"]}],\"q\":[3]},{\"\\u0070\":{\"y\":[[]],\"z\":4}}]}",
                  "{\"a\":[{\"p\":[1,{\"x\":[2,\"\\n\"]}],\"q\":[3]},{\"\\u0070\":{\"y\":[[]],\"z\":4}}]}",
                  "\"a\"", "[{\"p\":[1,{\"x\":[2,\"\\n\"]}],\"q\":[3]},{\"\\u0070\":{\"y\":[[]],\"z\":4}}]",
                  "{\"p\":[1,{\"x\":[2,\"\\n\"]}],\"q\":[3]}", "\"p\"", "[1,{\"x\":[2,\"\\n\"]}]", "\"q\"", "[3]", "3",
                  "{\"\\u0070\":{\"y\":[[]],\"z\":4}}", "\"\\u0070\"", "{\"y\":[[]],\"z\":4}");
}

static void what_is_beside_the_path_is_kept(void **state)
{
    (void)state;
    ASSERT_TOKENS("{\"p\":[1],\"b\":[{\"p\":[2]}]}", "{\"p\":[1],\"b\":[{\"p\":[2]}]}", "\"p\"", "[1]", "1", "\"b\"",
                  "[{\"p\":[2]}]", "{\"p\":[2]}", "\"p\"", "[2]", "2");
    ASSERT_TOKENS("{\"a\":{\"p\":{\"p\":[1]}}}", "{\"a\":{\"p\":{\"p\":[1]}}}", "\"a\"", "{\"p\":{\"p\":[1]}}", "\"p\"",
                  "{\"p\":[1]}", "\"p\"", "[1]", "1");
    ASSERT_TOKENS("{\"a\":[[[1]],{\"p\":2}]}", "{\"a\":[[[1]],{\"p\":2}]}", "\"a\"", "[[[1]],{\"p\":2}]", "[[1]]", "[1]", "1",
                  "{\"p\":2}", "\"p\"", "2");
    ASSERT_TOKENS("[[[1]]]", "[[[1]]]", "[[1]]", "[1]", "1");
}

/* Nobody can walk into it either. */
static void what_is_passed_over_has_nothing_inside(void **state)
{
    struct json json;

    (void)state;
    json_init(&json);
    assert_status(STATUS_OK, read_past(&json, BYTES("{\"a\":[{\"p\":{\"x\":1}},{\"p\":[1,2]}]}"), SIZE_MAX));
    assert_int_equal(JSON_OBJECT, json.tokens[5].type);
    assert_null(json_first(&json, &json.tokens[5]));
    assert_int_equal(JSON_ARRAY, json.tokens[8].type);
    assert_null(json_first(&json, &json.tokens[8]));
    json_free(&json);
}

/* The same verdict at the same byte as without a path. */
static void what_is_passed_over_is_read_as_strictly_as_all_else(void **state)
{
    static const char *const inside[] = {
        "[1,]", "[1 2]", "{\"x\":1,}", "{\"x\":1,\"y\":[{\"z\":2}],\"\\u0078\":3}", "{\"x\" 1}", "[\"\xC0\xAF\"]", "[\"\\u0000\"]",
        "[\"\t\"]", "[01]", "[tru]", "[1}", "{\"x\":1]", "[", "[\"", "[[{\"x\":[", "[1", "[1]]", "[\"\\ud83d\"]", "[{},[],\"\"]",
    };
    struct buffer text;
    struct json json;

    (void)state;
    json_init(&json);
    buffer_init(&text, KIB);
    for (size_t index = 0; index < sizeof inside / sizeof inside[0]; index++) {
        enum status expected;
        size_t error_at;

        buffer_clear(&text);
        assert_status(STATUS_OK, buffer_append_text(&text, "{\"a\":[{\"p\":"));
        assert_status(STATUS_OK, buffer_append_text(&text, inside[index]));
        assert_status(STATUS_OK, buffer_append_text(&text, "}]}"));
        expected = json_read(&json, buffer_view(&text), JSON_REFUSE_DUPLICATES);
        error_at = json.error_at;
        for (size_t bytes = 1; bytes <= text.count; bytes++) {
            assert_status(expected, read_past(&json, buffer_view(&text), bytes));
            assert_int_equal(error_at, json.error_at);
        }
    }
    buffer_free(&text);
    json_free(&json);
}

/* `item` so many times between `open` and `close`; NULL: a member of another name each. */
static enum status read_many(struct json *json, const char *open, const char *item, const char *close, size_t count)
{
    struct buffer text;
    char member[32];
    enum status status;

    buffer_init(&text, 8 * MIB);
    assert_status(STATUS_OK, buffer_append_text(&text, open));
    for (size_t index = 0; index < count; index++) {
        (void)snprintf(member, sizeof member, ",\"%zu\":1", index);
        assert_status(STATUS_OK, buffer_append_text(&text, item == NULL ? member : item));
    }
    assert_status(STATUS_OK, buffer_append_text(&text, close));
    status = read_past(json, buffer_view(&text), SIZE_MAX);
    buffer_free(&text);
    return status;
}

static void items_that_are_passed_over_do_not_count_and_the_members_of_one_object_do(void **state)
{
    enum { AROUND = 6, MEMBERS = (JSON_TOKENS_MAX - AROUND) / 2 }; /* a member is a key and a value */
    struct json json;

    (void)state;
    json_init(&json);
    assert_status(STATUS_OK, read_many(&json, "{\"a\":[{\"p\":[0", ",{\"x\":[1,2]}", "]}]}", JSON_TOKENS_MAX));
    assert_int_equal(AROUND, json.token_count);
    assert_in_range(json.token_room, 1, JSON_TOKENS_KEPT);
    assert_status(STATUS_OK, read_many(&json, "{\"a\":[{\"p\":{\"x\":0", NULL, "}}]}", MEMBERS - 1));
    assert_int_equal(AROUND, json.token_count);
    assert_status(STATUS_TOO_LARGE, read_many(&json, "{\"a\":[{\"p\":{\"x\":0", NULL, "}}]}", MEMBERS));
    json_free(&json);
}

static void depth_is_bounded_inside_too(void **state)
{
    enum { AROUND = 3, LEVELS = JSON_DEPTH_MAX - AROUND };
    char close[JSON_DEPTH_MAX + 4];
    char open[32 + JSON_DEPTH_MAX] = "{\"a\":[{\"p\":";
    struct json json;

    (void)state;
    json_init(&json);
    memset(open + strlen(open), '[', LEVELS);
    memset(close, ']', LEVELS);
    memcpy(close + LEVELS, "}]}", 4);
    assert_status(STATUS_OK, read_many(&json, open, "1", close, 1));
    assert_status(STATUS_TOO_LARGE, read_many(&json, open, "[]", close, 1));
    json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_what_is_at_the_path_only_its_own_token_is_kept),
        cmocka_unit_test(what_is_beside_the_path_is_kept),
        cmocka_unit_test(what_is_passed_over_has_nothing_inside),
        cmocka_unit_test(what_is_passed_over_is_read_as_strictly_as_all_else),
        cmocka_unit_test(items_that_are_passed_over_do_not_count_and_the_members_of_one_object_do),
        cmocka_unit_test(depth_is_bounded_inside_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
