/* records: what a record of either format may hold, what breaks one, and that a broken one costs only itself. */
#include "support/unit.h"

#include "trainer/records.h"

#include "proto/limits.h"
#include "proto/secret.h"

#include <stdio.h>
#include <stdlib.h>

struct given {
    FILE *file;
    struct records *records;
};

static void give(struct given *given, enum record_format format, struct bytes content)
{
    given->file = fmemopen((void *)(uintptr_t)content.data, content.count, "r");
    assert_non_null(given->file);
    assert_status(STATUS_OK, records_open(&given->records, format, given->file));
}

static void take_back(struct given *given)
{
    records_close(&given->records);
    assert_int_equal(0, fclose(given->file));
}

static void expect(struct given *given, const char *text, int label)
{
    struct record record;

    assert_status(STATUS_OK, records_next(given->records, &record));
    assert_bytes(text, record.text);
    assert_int_equal(label, record.label);
}

static void expect_status(struct given *given, enum status expected)
{
    struct record record;

    assert_status(expected, records_next(given->records, &record));
}

static void a_line_of_json_has_all_that_a_label_has(void **state)
{
    struct given given;
    struct record record;

    (void)state;
    give(&given, RECORD_JSONL,
         BYTES("{\"label\":\"violation\",\"text\":\"a\\n\\u4f60\",\"category\":\"spam\",\"source\":\"person\","
               "\"labelled_us\":1700000000000000,\"else\":{\"text\":1}}\r\n\n  \n{\"text\":\"b\",\"label\":0,\"category\":null}"));
    assert_status(STATUS_OK, records_next(given.records, &record));
    assert_bytes("a\n\xE4\xBD\xA0", record.text);
    assert_int_equal(1, record.label);
    assert_bytes("spam", record.category);
    assert_int_equal(3, record.source);
    assert_true(record.labelled_us == 1700000000000000);
    assert_int_equal(1, records_line(given.records));
    assert_status(STATUS_OK, records_next(given.records, &record));
    assert_true(record.label == 0 && record.category.count == 0 && record.source == 0 && record.labelled_us == 0);
    assert_int_equal(4, records_line(given.records));
    expect_status(&given, STATUS_CLOSED);
    expect_status(&given, STATUS_CLOSED);
    take_back(&given);
}

static void who_labelled_and_when_may_be_passed_over_whatever_they_hold(void **state)
{
    static const struct {
        enum record_format format;
        const char *content;
    } files[] = {
        {RECORD_JSONL, "{\"text\":\"a\",\"label\":1,\"source\":\"nobody\",\"labelled_us\":{\"at\":1}}"},
        {RECORD_CSV, "label,source,text,labelled_us\n1,nobody,a,99999999999999999999\n"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof files / sizeof files[0]; index++) {
        struct given given;
        struct record record;

        give(&given, files[index].format, bytes_of(files[index].content));
        expect_status(&given, STATUS_MALFORMED);
        take_back(&given);
        give(&given, files[index].format, bytes_of(files[index].content));
        records_pass_over_origins(given.records);
        assert_status(STATUS_OK, records_next(given.records, &record));
        assert_bytes("a", record.text);
        assert_true(record.label == 1 && record.source == 0 && record.labelled_us == 0);
        expect_status(&given, STATUS_CLOSED);
        take_back(&given);
    }
}

static void a_line_that_is_broken_is_passed_over(void **state)
{
    static const char *const broken[] = {
        "{\"text\":\"a\"}",
        "{\"label\":1}",
        "{\"text\":\"\",\"label\":1}",
        "{\"text\":\"a\",\"label\":2}",
        "{\"text\":\"a\",\"label\":\"yes\"}",
        "{\"text\":[\"a\"],\"label\":1}",
        "{\"text\":7,\"label\":1}",
        "{\"text\":\"a\\u0000\",\"label\":1}",
        "{\"text\":\"\xFF\",\"label\":1}",
        "{\"text\":\"a\",\"label\":1,\"source\":\"nobody\"}",
        "{\"text\":\"a\",\"label\":1,\"labelled_us\":-1}",
        "{\"text\":\"a\",\"label\":1,\"labelled_us\":99999999999999999}",
        "{\"text\":\"a\",\"label\":1,\"category\":\"a\\u0007\"}",
        "{\"text\":\"a\",\"label\":1,\"category\":\"0123456789012345678901234567890123456789012345678901234567890123x\"}",
        "{\"text\":\"a\",\"label\":1,\"label\":0}",
        "{\"text\":\"a\",\"label\":1",
        "[\"a\",1]",
        "\"a\"",
    };

    (void)state;
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        char content[256];
        struct given given;

        (void)snprintf(content, sizeof content, "%s\n{\"text\":\"next\",\"label\":true}\n", broken[index]);
        give(&given, RECORD_JSONL, bytes_of(content));
        expect_status(&given, STATUS_MALFORMED);
        expect(&given, "next", 1);
        expect_status(&given, STATUS_CLOSED);
        take_back(&given);
    }
}

static void columns_are_found_by_their_names(void **state)
{
    struct given given;
    struct record record;

    (void)state;
    give(&given, RECORD_CSV,
         BYTES("\xEF\xBB\xBFid,label,category,text,source\r\n7,1,spam,plain,import\r\n8,pass,,\"two\nlines, \"\"quoted\"\"\",\r\n"
               "9,0,,short\n"));
    assert_status(STATUS_OK, records_next(given.records, &record));
    assert_bytes("plain", record.text);
    assert_bytes("spam", record.category);
    assert_true(record.label == 1 && record.source == 1);
    expect(&given, "two\nlines, \"quoted\"", 0);
    expect(&given, "short", 0);
    assert_int_equal(5, records_line(given.records));
    expect_status(&given, STATUS_CLOSED);
    take_back(&given);
}

static void a_row_that_is_broken_is_passed_over(void **state)
{
    static const char *const broken[] = {"in \"the\" middle,1\n", "\"behind\"it,1\n", "no label\n", ",1\n", "a,2\n", "\"never closed,1\n"};

    (void)state;
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        char content[128];
        bool is_last = index == sizeof broken / sizeof broken[0] - 1;
        struct given given;

        (void)snprintf(content, sizeof content, "text,label\n%s%s", broken[index], is_last ? "" : "next,1\n");
        give(&given, RECORD_CSV, bytes_of(content));
        expect_status(&given, STATUS_MALFORMED);
        if (!is_last) {
            expect(&given, "next", 1);
        }
        expect_status(&given, STATUS_CLOSED);
        take_back(&given);
    }
}

/* Each costs its own line, not the rows behind it. */
static void a_stray_quote_costs_its_own_line(void **state)
{
    static const char *const broken[] = {"5\" pipe,0\n", "\"never closed,1\n", "a,1,\"never closed\n", "\"closed\" and,\"anew\n"};

    (void)state;
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        char content[128];
        struct given given;

        (void)snprintf(content, sizeof content, "text,label\n%snext,1\n%s\"two\nlines\",0\nlast,1", broken[index], broken[index]);
        give(&given, RECORD_CSV, bytes_of(content));
        expect_status(&given, STATUS_MALFORMED);
        assert_int_equal(2, records_line(given.records));
        expect(&given, "next", 1);
        assert_int_equal(3, records_line(given.records));
        expect_status(&given, STATUS_MALFORMED);
        expect(&given, "two\nlines", 0);
        expect(&given, "last", 1);
        assert_int_equal(7, records_line(given.records));
        expect_status(&given, STATUS_CLOSED);
        assert_int_equal(strlen(content), records_bytes(given.records));
        take_back(&given);
    }
}

/* As spreadsheets and editors of one system write it. */
static void a_byte_order_mark_is_passed_over(void **state)
{
    static const char *const none[] = {"", "\xEF\xBB\xBF", "\xEF\xBB\xBF\n"};
    static const char *const other[] = {"\xEF", "\xEF\xBB", "\xEF\xBB{", "\xEF\xBB\xBF\xEF\xBB\xBF"};
    struct given given;

    (void)state;
    give(&given, RECORD_JSONL, BYTES("\xEF\xBB\xBF{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":1}"));
    expect(&given, "a", 1);
    assert_int_equal(1, records_line(given.records));
    expect(&given, "b", 1);
    expect_status(&given, STATUS_CLOSED);
    take_back(&given);
    give(&given, RECORD_CSV, BYTES("\xEF\xBB\xBF\"text\",\"la\nbel\",label\na,,1"));
    expect(&given, "a", 1);
    take_back(&given);
    for (size_t index = 0; index < sizeof none / sizeof none[0]; index++) {
        if (none[index][0] != '\0') { /* fmemopen opens no nothing */
            give(&given, RECORD_JSONL, bytes_of(none[index]));
            expect_status(&given, STATUS_CLOSED);
            take_back(&given);
        }
    }
    for (size_t index = 0; index < sizeof other / sizeof other[0]; index++) {
        char content[64];

        (void)snprintf(content, sizeof content, "%s\n{\"text\":\"a\",\"label\":1}", other[index]);
        give(&given, RECORD_JSONL, bytes_of(content));
        expect_status(&given, STATUS_MALFORMED);
        assert_int_equal(1, records_line(given.records));
        expect(&given, "a", 1);
        assert_int_equal(2, records_line(given.records));
        take_back(&given);
    }
}

static void what_is_broken_about_a_record_is_told(void **state)
{
    static const struct {
        const char *row, *word;
    } rows[] = {{"\"a,1", "quote"},        {"a\"b,1", "quotes"},        {",1", "no text"},           {"a", "no label"},
                {"a,yes", "its label"},   {"a\xFF,1", "UTF-8"},        {"a,1,\x07", "category"},    {"a,1,,me", "source"},
                {"a,1,,,-1", "labelled"}};
    struct given given;

    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        char content[128];

        (void)snprintf(content, sizeof content, "text,label,category,source,labelled_us\n%s", rows[index].row);
        give(&given, RECORD_CSV, bytes_of(content));
        expect_status(&given, STATUS_MALFORMED);
        assert_non_null(strstr(records_flaw(given.records), rows[index].word));
        take_back(&given);
    }
    give(&given, RECORD_JSONL, BYTES("{\"text\":\"a\",\"label\":1,}"));
    expect_status(&given, STATUS_MALFORMED);
    assert_non_null(strstr(records_flaw(given.records), "JSON"));
    take_back(&given);
}

static void a_header_names_text_and_label(void **state)
{
    static const char *const headers[] = {"text,more\n", "label\n", "\"text,label\n", "", "text,label,a\"b\n"};

    (void)state;
    for (size_t index = 0; index < sizeof headers / sizeof headers[0]; index++) {
        FILE *file = headers[index][0] == '\0' ? fopen("/dev/null", "re")
                                               : fmemopen((void *)(uintptr_t)headers[index], strlen(headers[index]), "r");
        struct records *records = NULL;

        assert_non_null(file);
        assert_status(STATUS_MALFORMED, records_open(&records, RECORD_CSV, file));
        assert_null(records);
        assert_int_equal(0, fclose(file));
    }
}

/* A line of JSON whose text is so long, and whose whole is made so long by a key that is passed over; then a sound one. */
static char *long_line(size_t text_bytes, size_t line_bytes, size_t *out_bytes)
{
    static const char head[] = "{\"label\":1,\"text\":\"", middle[] = "\",\"else\":\"", tail[] = "\"}\n{\"text\":\"next\",\"label\":1}\n";
    size_t fixed = sizeof head - 1 + text_bytes + sizeof middle - 1 + 2;
    size_t filling = line_bytes > fixed ? line_bytes - fixed : 0;
    char *line = malloc(fixed + filling + sizeof tail);
    char *at = line;

    assert_non_null(line);
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    memset(at, 'x', text_bytes);
    at += text_bytes;
    memcpy(at, middle, sizeof middle - 1);
    at += sizeof middle - 1;
    memset(at, 'y', filling);
    at += filling;
    memcpy(at, tail, sizeof tail);
    *out_bytes = (size_t)(at - line) + sizeof tail - 1;
    return line;
}

static void texts_and_records_have_a_bound(void **state)
{
    static const struct {
        size_t text_bytes, line_bytes;
        enum status status;
    } rows[] = {
        {SAMPLE_TEXT_BYTES_MAX, 0, STATUS_OK},
        {SAMPLE_TEXT_BYTES_MAX + 1, 0, STATUS_MALFORMED},
        {1, RECORD_BYTES_MAX, STATUS_OK},
        {1, RECORD_BYTES_MAX + 1, STATUS_MALFORMED},
    };

    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        size_t count;
        char *line = long_line(rows[index].text_bytes, rows[index].line_bytes, &count);
        struct given given;

        give(&given, RECORD_JSONL, (struct bytes){line, count});
        expect_status(&given, rows[index].status);
        expect(&given, "next", 1);
        assert_true(records_bytes(given.records) == count);
        expect_status(&given, STATUS_CLOSED);
        take_back(&given);
        free(line);
    }
}

static void what_cannot_be_read_is_told(void **state)
{
    FILE *folder = fopen("/", "re");
    struct records *records = NULL;
    struct record record;

    (void)state;
    assert_non_null(folder);
    assert_status(STATUS_IO, records_open(&records, RECORD_CSV, folder));
    assert_status(STATUS_OK, records_open(&records, RECORD_JSONL, folder));
    assert_status(STATUS_IO, records_next(records, &record));
    records_close(&records);
    assert_int_equal(0, fclose(folder));
}

static void words_have_numbers(void **state)
{
    (void)state;
    assert_int_equal(0, records_label(BYTES("pass")));
    assert_int_equal(1, records_label(BYTES("true")));
    assert_int_equal(-1, records_label(BYTES("")));
    assert_int_equal(-1, records_label(BYTES("Pass")));
    assert_int_equal(2, records_source(bytes_of(records_source_name(2))));
    assert_int_equal(-1, records_source(BYTES("")));
    assert_string_equal("violation", records_label_name(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_json_has_all_that_a_label_has),
        cmocka_unit_test(who_labelled_and_when_may_be_passed_over_whatever_they_hold),
        cmocka_unit_test(a_line_that_is_broken_is_passed_over),
        cmocka_unit_test(columns_are_found_by_their_names),
        cmocka_unit_test(a_row_that_is_broken_is_passed_over),
        cmocka_unit_test(a_stray_quote_costs_its_own_line),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(what_is_broken_about_a_record_is_told),
        cmocka_unit_test(a_header_names_text_and_label),
        cmocka_unit_test(texts_and_records_have_a_bound),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(words_have_numbers),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
