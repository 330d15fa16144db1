/* sse: the events of the standard out of every cut of the bytes, within bounds; and where a stream stands when it
 * breaks. */
#include "support/file.h"
#include "support/unit.h"

#include "proto/sse.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <yyjson.h>

#define VECTORS TEST_VECTORS "/sse"

enum { EVENT_BYTES = 64 * KIB };

/* Events in a form that compares: "type|data|id\n" a piece. */
static void collect(struct sse *sse, struct bytes input, struct buffer *seen)
{
    struct sse_event event;
    enum status status;

    while ((status = sse_next(sse, &input, &event)) == STATUS_OK) {
        assert_status(STATUS_OK, buffer_append(seen, event.type));
        assert_status(STATUS_OK, buffer_append(seen, BYTES("|")));
        assert_status(STATUS_OK, buffer_append(seen, event.data));
        assert_status(STATUS_OK, buffer_append(seen, BYTES("|")));
        assert_status(STATUS_OK, buffer_append(seen, event.id));
        assert_status(STATUS_OK, buffer_append(seen, BYTES("\n")));
    }
    assert_status(STATUS_AGAIN, status);
    assert_int_equal(0, input.count);
}

static void collect_in_parts(struct bytes source, size_t cut, const struct buffer *expected, int64_t retry_ms)
{
    struct sse *sse = NULL;
    struct buffer seen;

    buffer_init(&seen, MIB);
    assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
    collect(sse, bytes_first(source, cut), &seen);
    collect(sse, bytes_from(source, cut), &seen);
    assert_int_equal(expected->count, seen.count);
    assert_memory_equal(expected->count == 0 ? "" : expected->data, seen.count == 0 ? "" : seen.data, seen.count);
    assert_true(sse_retry_ms(sse) == retry_ms);
    sse_close(&sse);
    assert_null(sse);
    buffer_free(&seen);
}

static void append_member(struct buffer *expected, yyjson_val *event, const char *member, const char *behind)
{
    yyjson_val *value = yyjson_obj_get(event, member);

    assert_status(STATUS_OK, buffer_append(expected, (struct bytes){yyjson_get_str(value), yyjson_get_len(value)}));
    assert_status(STATUS_OK, buffer_append_text(expected, behind));
}

static void the_corpus_gives_the_events_of_the_standard_in_every_cut(void **state)
{
    struct bytes text = file_read(VECTORS, "expected.json");
    yyjson_doc *document = yyjson_read(text.data, text.count, 0);
    size_t index;
    size_t max;
    yyjson_val *key;
    yyjson_val *value;

    (void)state;
    assert_non_null(document);
    assert_int_equal(21, yyjson_obj_size(yyjson_doc_get_root(document)));
    yyjson_obj_foreach(yyjson_doc_get_root(document), index, max, key, value)
    {
        yyjson_val *retry = yyjson_obj_get(value, "retry");
        struct buffer expected;
        struct bytes source;
        char name[64];
        size_t at;
        size_t count;
        yyjson_val *event;

        buffer_init(&expected, MIB);
        yyjson_arr_foreach(yyjson_obj_get(value, "events"), at, count, event)
        {
            append_member(&expected, event, "type", "|");
            append_member(&expected, event, "data", "|");
            append_member(&expected, event, "id", "\n");
        }
        (void)snprintf(name, sizeof name, "%s.sse", yyjson_get_str(key));
        source = file_read(VECTORS, name);
        for (size_t cut = 0; cut <= source.count; cut++) {
            collect_in_parts(source, cut, &expected, yyjson_is_int(retry) ? yyjson_get_sint(retry) : -1);
        }
        free((char *)(uintptr_t)source.data);
        buffer_free(&expected);
    }
    yyjson_doc_free(document);
    free((char *)(uintptr_t)text.data);
}

static void bytes_one_by_one_give_the_same_events(void **state)
{
    static const char source[] =
        "\xEF\xBB\xBF"
        "data: a\r\ndata:b\r\rid: 7\nevent: x\ndata\n\n: note\n\nevent: none\n\ndata: \xE6\x97\xA5\n\n";
    struct sse *sse = NULL;
    struct buffer seen;

    (void)state;
    buffer_init(&seen, KIB);
    assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
    for (size_t at = 0; at < sizeof source - 1; at++) {
        collect(sse, (struct bytes){source + at, 1}, &seen);
    }
    assert_bytes("message|a\nb|\nx||7\nmessage|\xE6\x97\xA5|7\n", buffer_view(&seen));
    sse_close(&sse);
    buffer_free(&seen);
}

static void an_id_with_a_nul_and_a_retry_that_is_no_number_are_ignored(void **state)
{
    static const char source[] = "id: 1\nid: a\0b\nretry: 5s\nretry: 99999999999999999999\ndata: x\n\n";
    struct sse *sse = NULL;
    struct buffer seen;

    (void)state;
    buffer_init(&seen, KIB);
    assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
    collect(sse, (struct bytes){source, sizeof source - 1}, &seen);
    assert_bytes("message|x|1\n", buffer_view(&seen));
    assert_true(sse_retry_ms(sse) == -1);
    sse_close(&sse);
    buffer_free(&seen);
}

/* `text` at once, or cut in the middle: the bound must not depend on it. */
static enum status read_bounded(const char *text, size_t event_bytes_max, bool cut)
{
    struct sse *sse = NULL;
    struct sse_event event;
    struct bytes whole = bytes_of(text);
    struct bytes first = bytes_first(whole, cut ? whole.count / 2 : 0);
    struct bytes second = bytes_from(whole, first.count);
    enum status status;

    assert_status(STATUS_OK, sse_open(&sse, event_bytes_max));
    status = sse_next(sse, &first, &event);
    if (status == STATUS_AGAIN) {
        status = sse_next(sse, &second, &event);
    }
    if (status != STATUS_OK) {
        assert_status(status, sse_next(sse, &(struct bytes){"\n\n", 2}, &event)); /* it stays so */
    }
    sse_close(&sse);
    return status;
}

static void lines_and_events_are_bounded(void **state)
{
    (void)state;
    for (int cut = 0; cut <= 1; cut++) {
        assert_status(STATUS_OK, read_bounded("data: 2345\n\n", 10, cut != 0));
        assert_status(STATUS_TOO_LARGE, read_bounded("data: 23456\n\n", 10, cut != 0));
        assert_status(STATUS_TOO_LARGE, read_bounded(": a long comment\n\ndata: 1\n\n", 10, cut != 0));
        /* Three lines of three bytes with two line feeds between them. */
        assert_status(STATUS_OK, read_bounded("data:abc\ndata:abc\ndata:abc\n\n", 11, cut != 0));
        assert_status(STATUS_TOO_LARGE, read_bounded("data:abc\ndata:abc\ndata:abcd\n\n", 11, cut != 0));
        /* A replaced byte takes three. */
        assert_status(STATUS_OK, read_bounded("data:\xFF\xFF\n\n", 7, cut != 0));
        assert_status(STATUS_TOO_LARGE, read_bounded("data:\xFF\xFF\xFF\n\n", 8, cut != 0));
    }
}

static void the_type_of_an_event_is_bounded(void **state)
{
    static char text[SSE_NAME_BYTES_MAX + 32];

    (void)state;
    memset(text, 't', sizeof text);
    memcpy(text, "event:", 6);
    memcpy(text + 6 + SSE_NAME_BYTES_MAX, "\ndata:1\n\n", sizeof "\ndata:1\n\n");
    assert_status(STATUS_OK, read_bounded(text, EVENT_BYTES, true));
    memset(text, 't', sizeof text);
    memcpy(text, "event:", 6);
    memcpy(text + 7 + SSE_NAME_BYTES_MAX, "\ndata:1\n\n", sizeof "\ndata:1\n\n");
    assert_status(STATUS_TOO_LARGE, read_bounded(text, EVENT_BYTES, true));
}

static void what_stands_there_at_the_end_can_be_asked_for(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        const char *data;
    } cases[] = {
        {"", STATUS_NOT_FOUND, ""},
        {"data: a\n\n", STATUS_NOT_FOUND, ""},
        {"data: a\n\n: bye", STATUS_NOT_FOUND, ""},
        {"data: a\n\ndata: [DONE]", STATUS_OK, "[DONE]"},
        {"data: a\n\ndata: [DONE]\n", STATUS_OK, "[DONE]"},
        {"data: a\n\ndata: b\r", STATUS_OK, "b"},
        {"data: b\ndata: c", STATUS_OK, "b\nc"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct sse *sse = NULL;
        struct sse_event event = {.data = {NULL, 0}};
        struct buffer seen;

        buffer_init(&seen, KIB);
        assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
        collect(sse, bytes_of(cases[index].text), &seen);
        assert_status(cases[index].status, sse_rest(sse, &event));
        if (cases[index].status == STATUS_OK) {
            assert_bytes(cases[index].data, event.data);
        }
        sse_close(&sse);
        buffer_free(&seen);
    }
}

static void what_is_written_reads_back(void **state)
{
    struct buffer out;
    struct buffer seen;
    struct sse *sse = NULL;

    (void)state;
    buffer_init(&out, KIB);
    buffer_init(&seen, KIB);
    assert_status(STATUS_OK, sse_write(&out, (struct bytes){NULL, 0}, BYTES("{\"a\":1}")));
    assert_bytes("data: {\"a\":1}\n\n", buffer_view(&out));
    assert_status(STATUS_OK, sse_write(&out, BYTES("error"), BYTES(" a\r\nb\rc\n")));
    assert_status(STATUS_OK, sse_write(&out, BYTES("empty"), (struct bytes){NULL, 0}));
    assert_status(STATUS_MALFORMED, sse_write(&out, BYTES("x\ndata: forged"), BYTES("1")));
    assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
    collect(sse, buffer_view(&out), &seen);
    assert_bytes("message|{\"a\":1}|\nerror| a\nb\nc\n|\nempty||\n", buffer_view(&seen));
    sse_close(&sse);
    buffer_free(&out);
    buffer_free(&seen);
}

static void an_event_that_does_not_fit_is_not_begun(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, strlen("event: e\ndata: 12\n\n"));
    assert_status(STATUS_TOO_LARGE, sse_write(&out, BYTES("e"), BYTES("123")));
    assert_int_equal(0, out.count);
    assert_status(STATUS_OK, sse_write(&out, BYTES("e"), BYTES("12")));
    buffer_free(&out);
}

static const struct {
    const char *sent;
    const char *gap;
} stands[] = {
    {"", ""},
    {"data: a\n\n", ""},
    {"data: a\r\n\r\n", ""},
    {"data: a\r\r", ""},
    {"data: a\r\n\r", ""},
    {"data: a\n\n\n\n", ""},
    {"data: a\n", "\n"},
    {"data: a\r\n", "\n"},
    {"data: a\r", "\n\n"},
    {"data: a", "\n\n"},
    {": ping\n\nda", "\n\n"},
    {"data: a\n\ndata: b\n", "\n"},
    {"\n", ""},
    {"\r\n\r\n", ""},
    {"data: a\n\n: ping\n", "\n"},
};

static void the_boundary_knows_what_is_missing_in_every_cut(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof stands / sizeof stands[0]; index++) {
        struct bytes sent = bytes_of(stands[index].sent);

        for (size_t cut = 0; cut <= sent.count; cut++) {
            struct sse_boundary boundary = {0};

            sse_boundary_follow(&boundary, bytes_first(sent, cut));
            sse_boundary_follow(&boundary, bytes_from(sent, cut));
            assert_bytes(stands[index].gap, sse_boundary_gap(&boundary));
        }
    }
}

/* Whatever was sent before, an event of ours behind the gap is an event by itself. */
static void an_event_behind_the_gap_is_whole(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof stands / sizeof stands[0]; index++) {
        struct sse_boundary boundary = {0};
        struct sse *sse = NULL;
        struct buffer seen;

        buffer_init(&seen, KIB);
        assert_status(STATUS_OK, sse_open(&sse, EVENT_BYTES));
        sse_boundary_follow(&boundary, bytes_of(stands[index].sent));
        collect(sse, bytes_of(stands[index].sent), &seen);
        collect(sse, sse_boundary_gap(&boundary), &seen);
        collect(sse, BYTES("data: ours\n\n"), &seen);
        assert_true(bytes_ends_with(buffer_view(&seen), BYTES("message|ours|\n")));
        sse_close(&sse);
        buffer_free(&seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_corpus_gives_the_events_of_the_standard_in_every_cut),
        cmocka_unit_test(bytes_one_by_one_give_the_same_events),
        cmocka_unit_test(an_id_with_a_nul_and_a_retry_that_is_no_number_are_ignored),
        cmocka_unit_test(lines_and_events_are_bounded),
        cmocka_unit_test(the_type_of_an_event_is_bounded),
        cmocka_unit_test(what_stands_there_at_the_end_can_be_asked_for),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(an_event_that_does_not_fit_is_not_begun),
        cmocka_unit_test(the_boundary_knows_what_is_missing_in_every_cut),
        cmocka_unit_test(an_event_behind_the_gap_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
