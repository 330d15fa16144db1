/* test_log_line: the shape of a line, and that no value can break, forge or lengthen it. */
#include "support/unit.h"

#include "proto/log.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

/* The line of one event with these fields, checked for its bound and its newline; the caller frees it. */
static char *line_of(enum log_format format, const struct log_field *fields, size_t field_count)
{
    struct buffer line;
    char *copy;

    buffer_init(&line, 2 * LOG_LINE_BYTES_MAX);
    assert_status(STATUS_OK, log_format_line(&line, format, "gateway", LOG_INFO, "tested", fields, field_count));
    assert_true(line.count > 0 && line.count <= LOG_LINE_BYTES_MAX);
    assert_int_equal('\n', line.data[line.count - 1]);
    assert_null(memchr(line.data, '\n', line.count - 1));
    copy = malloc(line.count);
    assert_non_null(copy);
    memcpy(copy, line.data, line.count - 1);
    copy[line.count - 1] = '\0';
    buffer_free(&line);
    return copy;
}

/* The string member "value" of a JSON line, as a JSON parser reads it. */
static void assert_json_value(const char *expected, struct bytes value)
{
    const struct log_field field = LOG_BYTES("value", value);
    char *line = line_of(LOG_FORMAT_JSON, &field, 1);
    yyjson_doc *document = yyjson_read(line, strlen(line), 0);
    const char *read;

    assert_non_null(document);
    read = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(document), "value"));
    assert_non_null(read);
    assert_string_equal(expected, read);
    yyjson_doc_free(document);
    free(line);
}

/* Cuts the time off, which no test can know. */
static void assert_line(const char *expected, enum log_format format, const struct log_field *fields, size_t count)
{
    char *line = line_of(format, fields, count);
    const char *rest = line + (format == LOG_FORMAT_JSON ? strlen("{\"time\":\"2026-01-02T03:04:05.678901Z\",")
                                                         : strlen("2026-01-02T03:04:05.678901Z "));

    assert_true(strlen(line) > (size_t)(rest - line));
    assert_string_equal(expected, rest);
    free(line);
}

static void every_kind_of_field_has_its_form_in_json(void **state)
{
    const struct log_field fields[] = {
        LOG_TEXT("text", "a b"),          LOG_BYTES("bytes", BYTES("c")),       LOG_NUMBER("number", -9223372036854775807 - 1),
        LOG_REAL("real", 0.25),           LOG_STATUS("status", STATUS_TIMEOUT), LOG_TEXT("nothing", NULL),
        LOG_REAL("not_a_number", (double)NAN),    LOG_REAL("endless", (double)INFINITY),        LOG_BYTES("empty", ((struct bytes){NULL, 0})),
    };

    (void)state;
    assert_line("\"level\":\"info\",\"service\":\"gateway\",\"event\":\"tested\",\"text\":\"a b\",\"bytes\":\"c\","
                "\"number\":-9223372036854775808,\"real\":0.25,\"status\":\"timeout\",\"nothing\":null,"
                "\"not_a_number\":null,\"endless\":null,\"empty\":\"\"}",
                LOG_FORMAT_JSON, fields, sizeof fields / sizeof fields[0]);
}

static void the_text_format_escapes_alike(void **state)
{
    const struct log_field fields[] = {LOG_TEXT("path", "a\"\nb"), LOG_NUMBER("status", 200)};

    (void)state;
    assert_line("INFO gateway tested path=\"a\\\"\\nb\" status=200", LOG_FORMAT_TEXT, fields, 2);
}

static void the_time_is_utc_with_microseconds(void **state)
{
    const struct log_field field = LOG_NUMBER("x", 1);
    char *line = line_of(LOG_FORMAT_TEXT, &field, 1);
    const char *form = "dddd-dd-ddTdd:dd:dd.ddddddZ ";

    (void)state;
    for (size_t index = 0; form[index] != '\0'; index++) {
        if (form[index] == 'd') {
            assert_true(line[index] >= '0' && line[index] <= '9');
        } else {
            assert_int_equal(form[index], line[index]);
        }
    }
    free(line);
}

static void every_single_byte_survives_or_is_replaced(void **state)
{
    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        char value[] = {'<', (char)byte, '>', '\0'};

        assert_json_value(byte < 0x80 ? value : "<\xEF\xBF\xBD>", (struct bytes){value, 3});
    }
}

static void controls_never_stand_in_a_line_as_they_are(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 0x20; byte++) {
        char value[] = {(char)byte};
        const struct log_field field = LOG_BYTES("value", ((struct bytes){value, 1}));
        char *line = line_of(LOG_FORMAT_JSON, &field, 1);

        for (size_t index = 0; line[index] != '\0'; index++) {
            assert_true((unsigned char)line[index] >= 0x20);
        }
        free(line);
    }
    assert_line("INFO gateway tested v=\"\\u0000\\u001b\\u007f\\u0085\\u2028\\u2029\"", LOG_FORMAT_TEXT,
                &LOG_BYTES("v", BYTES("\0\x1b\x7f\xC2\x85\xE2\x80\xA8\xE2\x80\xA9")), 1);
}

static void bytes_that_are_no_utf8_become_the_replacement_character(void **state)
{
    (void)state;
    assert_json_value("\xC3\xA4\xE4\xB8\xAD\xF0\x9F\x98\x80", BYTES("\xC3\xA4\xE4\xB8\xAD\xF0\x9F\x98\x80"));
    assert_json_value("\xEF\xBF\xBD\xEF\xBF\xBD", BYTES("\xC0\xAF"));                                     /* overlong */
    assert_json_value("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", BYTES("\xED\xA0\x80"));                     /* surrogate */
    assert_json_value("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", BYTES("\xF4\x90\x80\x80"));     /* too high */
    assert_json_value("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", BYTES("\xF0\x80\x80\x80"));     /* overlong */
    assert_json_value("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", BYTES("\xE0\x80\x80"));                     /* overlong */
    for (size_t length = 1; length < 4; length++) { /* every beginning of a longer sequence */
        char expected[16] = "";

        for (size_t index = 0; index < length; index++) {
            memcpy(expected + 3 * index, "\xEF\xBF\xBD", 4);
        }
        assert_json_value(expected, (struct bytes){"\xF0\x9F\x98\x80", length});
    }
}

static void a_value_at_its_bound_is_whole_and_above_it_cut_with_a_mark(void **state)
{
    char value[LOG_VALUE_BYTES_MAX + 2];
    char expected[LOG_VALUE_BYTES_MAX + 40];

    (void)state;
    memset(value, 'x', sizeof value);
    memcpy(expected, value, LOG_VALUE_BYTES_MAX);
    expected[LOG_VALUE_BYTES_MAX] = '\0';
    assert_json_value(expected, (struct bytes){value, LOG_VALUE_BYTES_MAX});
    (void)snprintf(expected + LOG_VALUE_BYTES_MAX, 40, "...[%d bytes]", LOG_VALUE_BYTES_MAX + 1);
    assert_json_value(expected, (struct bytes){value, LOG_VALUE_BYTES_MAX + 1});
}

static void a_cut_falls_between_two_characters(void **state)
{
    char value[LOG_VALUE_BYTES_MAX + 8];
    char expected[LOG_VALUE_BYTES_MAX + 40];

    (void)state;
    for (size_t over = 1; over < 4; over++) { /* the four bytes of the character begin 1, 2, 3 before the bound */
        size_t kept = LOG_VALUE_BYTES_MAX - over;

        memset(value, 'x', sizeof value);
        memcpy(value + kept, "\xF0\x9F\x98\x80", 4);
        memset(expected, 'x', kept);
        (void)snprintf(expected + kept, 40, "...[%zu bytes]", sizeof value);
        assert_json_value(expected, (struct bytes){value, sizeof value});
    }
}

static void fields_beyond_the_line_are_left_out_and_the_line_says_so(void **state)
{
    char value[LOG_VALUE_BYTES_MAX];
    struct log_field fields[64];

    (void)state;
    memset(value, 1, sizeof value); /* each byte takes six in the line */
    for (size_t index = 0; index < 64; index++) {
        fields[index] = LOG_BYTES("value", ((struct bytes){value, sizeof value}));
    }
    for (size_t format = 0; format < 2; format++) {
        char *line = line_of(format == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, fields, 64);
        const char *end = format == 0 ? "\",\"cut\":true}" : "\" cut=true";

        assert_string_equal(end, line + strlen(line) - strlen(end));
        free(line);
    }
}

static void lines_of_every_length_up_to_the_bound_are_well_formed(void **state)
{
    char value[LOG_VALUE_BYTES_MAX];
    struct log_field fields[17];
    size_t longest = 0;
    bool was_cut = false;

    (void)state;
    memset(value, 'x', sizeof value);
    for (size_t count = 0; count < sizeof value; count++) {
        char *line;
        yyjson_doc *document;

        for (size_t index = 0; index < 16; index++) {
            fields[index] = LOG_BYTES("value", ((struct bytes){value, index < 15 ? sizeof value - 16 : count}));
        }
        fields[16] = LOG_NUMBER("last", 1);
        line = line_of(LOG_FORMAT_JSON, fields, 17);
        document = yyjson_read(line, strlen(line), 0);
        assert_non_null(document);
        yyjson_doc_free(document);
        was_cut = was_cut || strstr(line, "\"cut\":true") != NULL;
        longest = strlen(line) > longest ? strlen(line) : longest;
        free(line);
    }
    assert_true(was_cut && longest > LOG_LINE_BYTES_MAX - 64);
}

static void a_buffer_without_room_for_a_line_is_left_as_it_is(void **state)
{
    struct buffer out;
    const struct log_field field = LOG_NUMBER("x", 1);

    (void)state;
    buffer_init(&out, LOG_LINE_BYTES_MAX - 1);
    assert_status(STATUS_TOO_LARGE, log_format_line(&out, LOG_FORMAT_JSON, "gateway", LOG_INFO, "tested", &field, 1));
    assert_int_equal(0, out.count);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_field_has_its_form_in_json),
        cmocka_unit_test(the_text_format_escapes_alike),
        cmocka_unit_test(the_time_is_utc_with_microseconds),
        cmocka_unit_test(every_single_byte_survives_or_is_replaced),
        cmocka_unit_test(controls_never_stand_in_a_line_as_they_are),
        cmocka_unit_test(bytes_that_are_no_utf8_become_the_replacement_character),
        cmocka_unit_test(a_value_at_its_bound_is_whole_and_above_it_cut_with_a_mark),
        cmocka_unit_test(a_cut_falls_between_two_characters),
        cmocka_unit_test(fields_beyond_the_line_are_left_out_and_the_line_says_so),
        cmocka_unit_test(lines_of_every_length_up_to_the_bound_are_well_formed),
        cmocka_unit_test(a_buffer_without_room_for_a_line_is_left_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
