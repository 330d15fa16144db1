/* json_writer: what it writes is JSON, reads back as what was written, and stays within the buffer's bound. */
#include "support/unit.h"

#include "proto/json.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

static struct buffer buffer;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&buffer, 64 * KIB);
    json_writer_init(&writer, &buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&buffer);
    return 0;
}

static void start_again(void)
{
    buffer_clear(&buffer);
    json_writer_init(&writer, &buffer);
}

static void commas_and_colons_are_where_they_belong(void **state)
{
    (void)state;
    json_write_object_begin(&writer);
    json_write_key(&writer, "a");
    json_write_integer(&writer, -1);
    json_write_key(&writer, "b");
    json_write_array_begin(&writer);
    json_write_text(&writer, "x");
    json_write_array_begin(&writer);
    json_write_array_end(&writer);
    json_write_object_begin(&writer);
    json_write_key(&writer, "c");
    json_write_bool(&writer, true);
    json_write_object_end(&writer);
    json_write_null(&writer);
    json_write_bool(&writer, false);
    json_write_array_end(&writer);
    json_write_key(&writer, "d");
    json_write_raw(&writer, BYTES("{\"raw\": 1.0}"));
    json_write_object_end(&writer);
    assert_status(STATUS_OK, writer.status);
    assert_bytes("{\"a\":-1,\"b\":[\"x\",[],{\"c\":true},null,false],\"d\":{\"raw\": 1.0}}", buffer_view(&buffer));
}

static void a_member_is_a_key_and_its_number(void **state)
{
    (void)state;
    json_write_object_begin(&writer);
    json_write_integer_member(&writer, "a", -7);
    json_write_real_member(&writer, "b", 0.5);
    json_write_real_member(&writer, "c", (double)NAN);
    json_write_object_end(&writer);
    assert_status(STATUS_OK, writer.status);
    assert_bytes("{\"a\":-7,\"b\":0.5,\"c\":null}", buffer_view(&buffer));
}

static void strings_are_escaped_and_always_utf8(void **state)
{
    const struct {
        struct bytes text;
        const char *expected;
    } cases[] = {
        {BYTES(""), "\"\""},
        {{NULL, 0}, "\"\""},
        {BYTES("quote \" backslash \\ slash /"), "\"quote \\\" backslash \\\\ slash /\""},
        {BYTES("\b\f\n\r\t\x01\x1F\x7F"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\""},
        {{"a\0b", 3}, "\"a\\u0000b\""},
        {BYTES("h\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80!"), "\"h\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80!\""},
        {BYTES("a\x80z"), "\"a\xEF\xBF\xBDz\""},
        {BYTES("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {BYTES("cut \xE6\x97"), "\"cut \xEF\xBF\xBD\xEF\xBF\xBD\""},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        start_again();
        json_write_string(&writer, cases[index].text);
        assert_status(STATUS_OK, writer.status);
        assert_bytes(cases[index].expected, buffer_view(&buffer));
    }
}

static void every_string_of_two_bytes_reads_back(void **state)
{
    struct json json;
    struct buffer scratch;

    (void)state;
    json_init(&json);
    buffer_init(&scratch, KIB);
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char text[2] = {(char)(unsigned char)(pair >> 8), (char)(unsigned char)pair};
        struct bytes decoded = {NULL, 0};
        bool ascii = (pair & 0x8080) == 0 && (pair & 0xFF) != 0 && (pair >> 8) != 0;

        start_again();
        json_write_string(&writer, (struct bytes){text, sizeof text});
        assert_status(STATUS_OK, writer.status);
        if ((pair & 0xFF) == 0 || (pair >> 8) == 0) {
            continue; /* our reader refuses U+0000 */
        }
        assert_status(STATUS_OK, json_read(&json, buffer_view(&buffer), JSON_REFUSE_DUPLICATES));
        buffer_clear(&scratch);
        assert_status(STATUS_OK, json_string(&json, &json.tokens[0], &scratch, &decoded));
        if (ascii) {
            assert_int_equal(sizeof text, decoded.count);
            assert_memory_equal(text, decoded.data, sizeof text);
        }
    }
    json_free(&json);
    buffer_free(&scratch);
}

static void numbers_read_back_exactly(void **state)
{
    static const double reals[] = {
        0.0, -0.0, 1.0, 0.1, 1.0 / 3, -2.5e-300, 1.7976931348623157e308, 5e-324, 123456789012345680.0};
    static const int64_t integers[] = {0, -1, INT64_MAX, INT64_MIN};
    struct json json;

    (void)state;
    json_init(&json);
    for (size_t index = 0; index < sizeof reals / sizeof reals[0]; index++) {
        double number = 42;

        start_again();
        json_write_real(&writer, reals[index]);
        assert_status(STATUS_OK, json_read(&json, buffer_view(&buffer), JSON_REFUSE_DUPLICATES));
        assert_status(STATUS_OK, json_real(&json, &json.tokens[0], &number));
        assert_memory_equal(&reals[index], &number, sizeof number);
    }
    for (size_t index = 0; index < sizeof integers / sizeof integers[0]; index++) {
        int64_t number = 42;

        start_again();
        json_write_integer(&writer, integers[index]);
        assert_status(STATUS_OK, json_read(&json, buffer_view(&buffer), JSON_REFUSE_DUPLICATES));
        assert_status(STATUS_OK, json_integer(&json, &json.tokens[0], &number));
        assert_true(integers[index] == number);
    }
    start_again();
    json_write_array_begin(&writer);
    json_write_real(&writer, 0.1);
    json_write_real(&writer, (double)NAN);
    json_write_real(&writer, -(double)INFINITY);
    json_write_array_end(&writer);
    assert_bytes("[0.1,null,null]", buffer_view(&buffer));
    json_free(&json);
}

static void depth_is_bounded_on_both_sides(void **state)
{
    (void)state;
    for (int level = 0; level < JSON_DEPTH_MAX; level++) {
        json_write_array_begin(&writer);
    }
    json_write_integer(&writer, 1);
    json_write_integer(&writer, 2);
    for (int level = 0; level < JSON_DEPTH_MAX; level++) {
        json_write_array_end(&writer);
    }
    assert_status(STATUS_OK, writer.status);
    assert_int_equal(2 * JSON_DEPTH_MAX + 3, buffer.count);
    start_again();
    for (int level = 0; level <= JSON_DEPTH_MAX; level++) {
        json_write_array_begin(&writer);
    }
    assert_status(STATUS_TOO_LARGE, writer.status);
}

static void the_first_failure_stays_and_the_bound_holds(void **state)
{
    struct buffer small;

    (void)state;
    buffer_init(&small, 10);
    json_writer_init(&writer, &small);
    json_write_object_begin(&writer);
    json_write_key(&writer, "key");
    json_write_text(&writer, "too long for it");
    json_write_object_end(&writer);
    json_write_key(&writer, "k");
    json_write_array_end(&writer);
    assert_status(STATUS_TOO_LARGE, writer.status);
    assert_true(small.count <= 10);
    buffer_clear(&small);
    json_writer_init(&writer, &small);
    json_write_text(&writer, "12345678");
    assert_status(STATUS_OK, writer.status);
    assert_int_equal(10, small.count);
    buffer_free(&small);
}

/* Any document of the judge's reading, written again token by token, reads as the same document. */
static void write_value(const struct json *json, const struct json_token *token, struct buffer *scratch)
{
    struct bytes text = {NULL, 0};

    switch (token->type) {
    case JSON_STRING:
        buffer_clear(scratch);
        assert_status(STATUS_OK, json_string(json, token, scratch, &text));
        json_write_string(&writer, text);
        break;
    case JSON_OBJECT:
        json_write_object_begin(&writer);
        break;
    case JSON_ARRAY:
        json_write_array_begin(&writer);
        break;
    default:
        json_write_raw(&writer, json_span(json, token));
    }
}

static void a_document_written_again_is_the_same_to_yyjson(void **state)
{
    static const char source[] =
        "{\"a\":[1,-2.5e3,\"x\\u00e9\\n\\ud83d\\ude00\",{},[],[[null]]],\"\":{\"b\":true,\"c\":{\"d\":\"\"}},\"e\":0}";
    struct json json;
    struct buffer scratch;
    const struct json_token *open[JSON_DEPTH_MAX];
    size_t depth = 0;
    char key[64];
    yyjson_doc *expected;
    yyjson_doc *actual;

    (void)state;
    json_init(&json);
    buffer_init(&scratch, KIB);
    assert_status(STATUS_OK, json_read(&json, BYTES(source), JSON_REFUSE_DUPLICATES));
    for (uint32_t index = 0; index <= json.token_count; index++) {
        while (depth > 0 && open[depth - 1]->next == index) {
            depth--;
            (open[depth]->type == JSON_OBJECT ? json_write_object_end : json_write_array_end)(&writer);
        }
        if (index == json.token_count) {
            break;
        }
        if (depth > 0 && open[depth - 1]->type == JSON_OBJECT) {
            assert_status(STATUS_OK, bytes_copy((struct bytes){source + json.tokens[index].start,
                                                               json.tokens[index].end - json.tokens[index].start},
                                                key, sizeof key));
            json_write_key(&writer, key);
            index++;
        }
        write_value(&json, &json.tokens[index], &scratch);
        if (json.tokens[index].type >= JSON_ARRAY) {
            open[depth++] = &json.tokens[index];
        }
    }
    assert_status(STATUS_OK, writer.status);
    expected = yyjson_read(source, sizeof source - 1, 0);
    actual = yyjson_read(buffer.data, buffer.count, 0);
    assert_non_null(expected);
    assert_non_null(actual);
    assert_true(yyjson_equals(yyjson_doc_get_root(expected), yyjson_doc_get_root(actual)));
    yyjson_doc_free(expected);
    yyjson_doc_free(actual);
    buffer_free(&scratch);
    json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_colons_are_where_they_belong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_member_is_a_key_and_its_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings_are_escaped_and_always_utf8, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_string_of_two_bytes_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_read_back_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_is_bounded_on_both_sides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_failure_stays_and_the_bound_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_written_again_is_the_same_to_yyjson, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
