/* Tests of chunks: what RFC 9112 section 7.1 allows is read in every two parts to the same content, and nothing else is. */
#include "support/unit.h"

#include "gateway/chunks.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads `in` in two parts, the first of `cut` bytes; the content goes into `out`. 1: ended, 0: not yet, negative: a status. */
static int read_cut(struct bytes in, size_t cut, struct buffer *out)
{
    const struct bytes parts[] = {bytes_first(in, cut), bytes_from(in, cut)};
    struct chunks chunks;

    chunks_init(&chunks);
    buffer_clear(out);
    for (size_t index = 0; index < 2; index++) {
        struct bytes rest = parts[index];

        while (rest.count > 0) {
            struct bytes content;
            ptrdiff_t used = chunks_read(&chunks, rest, &content);

            if (used < 0) {
                return (int)used;
            }
            assert_in_range(used, 1, rest.count);
            assert_true(content.count == 0 || chunks.begun);
            assert_status(STATUS_OK, buffer_append(out, content));
            rest = bytes_from(rest, (size_t)used);
        }
    }
    return chunks_ended(&chunks) ? 1 : 0;
}

static void assert_read(const char *text, int expected, const char *content)
{
    struct bytes in = bytes_of(text);
    struct buffer out;

    buffer_init(&out, MIB);
    for (size_t cut = 0; cut <= in.count; cut++) {
        int result = read_cut(in, cut, &out);

        if (result != expected) {
            fail_msg("%s: cut at %zu: wanted %d, got %d", text, cut, expected, result);
        }
        if (content != NULL) {
            assert_bytes(content, buffer_view(&out));
        }
    }
    buffer_free(&out);
}

static void what_the_grammar_allows_is_read_in_every_two_parts(void **state)
{
    (void)state;
    assert_read("0\r\n\r\n", 1, "");
    assert_read("5\r\nhello\r\n0\r\n\r\n", 1, "hello");
    assert_read("5\r\nhello\r\nA\r\n, you all.\r\n000\r\n\r\n", 1, "hello, you all.");
    assert_read("0000000000000000000000005\r\nhello\r\n0\r\n\r\n", 1, "hello");
    assert_read("2;a\r\nhi\r\n0;b\r\n\r\n", 1, "hi");
    assert_read("2;a=b;c=\"d\";e\r\nhi\r\n0\r\n\r\n", 1, "hi");
    assert_read("2;a=\"b\\\"; \\\\\xC3\xA9\t\"\r\nhi\r\n0\r\n\r\n", 1, "hi");
    assert_read("2;a=\"\"\r\nhi\r\n0\r\n\r\n", 1, "hi");
    assert_read("2 ; a\t= \"b\" ; c\r\nhi\r\n0\r\n\r\n", 1, "hi"); /* bad whitespace, which a recipient reads */
    assert_read("2\r\nhi\r\n0\r\nX-T: v w\xFF\t\r\nY:\r\n\r\n", 1, "hi");
    assert_read("2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", 1, "hi"); /* what stands behind the end is dropped */
    assert_read("4\r\n\r\n\r\n\r\n0\r\n\r\n", 1, "\r\n\r\n");
}

static void a_body_that_is_not_whole_has_not_ended(void **state)
{
    static const char whole[] = "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n";

    (void)state;
    for (size_t count = 0; count < sizeof whole - 1; count++) {
        char text[sizeof whole];

        memcpy(text, whole, count);
        text[count] = '\0';
        assert_read(text, 0, NULL);
    }
}

static void what_the_grammar_does_not_allow_is_refused(void **state)
{
    static const char *const lines[] = {
        "2 ",       " 2",      "\t2",    "2\t",      "+2",       "-2",         "0x2",      "2h",      "2.",       "2,",
        "2_0",      "",        ";a",     "2;",       "2; ",      "2;;a",       "2;a;",     "2;=b",    "2;a=",     "2;a= ",
        "2;a==b",   "2;a b",   "2 a",    "2;a ",     "2;a=b ",   "2;a=\"b\" ", "2;a=\"b",  "2;a=\"",  "2;a=\"b\"c", "2;a=b\"c\"",
        "2;a=\"\\", "2;a\x7F", "2;a\x01", "2;a=\x7F", "2;\xC3\xA9", "2;a=\"\x7F\"", "2;a=\"\x01\"", "2;a=\"\\\x01\"", "2\r", "2;a\r",
        "2;a=(b)",  "2(c)",    "2:a",    "g",        "10000000000000002",
    };

    (void)state;
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
        char text[64];

        (void)snprintf(text, sizeof text, "%s\r\nhi\r\n0\r\n\r\n", lines[index]);
        assert_read(text, STATUS_MALFORMED, NULL);
    }
    assert_read("2\nhi\r\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\rhi\r\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2;a\nhi\r\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\r\nhi\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\r\nhi\r0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\r\nhi0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\r\nhis\r\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("2\r\nhi\r\n\r\n0\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\n\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\n\r\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\nX\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\nX : y\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\n X: y\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\nX: y\r\n z\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\nX: y\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\nX: y\x01\r\n\r\n", STATUS_MALFORMED, NULL);
    assert_read("0\r\n: y\r\n\r\n", STATUS_MALFORMED, NULL);
}

static void the_line_of_a_size_and_the_trailers_are_bounded(void **state)
{
    enum { ROOM = UPSTREAM_FIELDS_BYTES_MAX + 64 };
    char *text = malloc(ROOM);
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    for (size_t over = 0; over <= 1; over++) {
        size_t line = UPSTREAM_CHUNK_LINE_BYTES_MAX + over; /* with its CR LF; that of the content counts, too */
        int count;

        memset(text, 'a', ROOM);
        memcpy(text, "2;", 2);
        memcpy(text + line - 4, "\r\nhi\r\n0\r\n\r\n", 11);
        assert_int_equal(over == 0 ? 1 : STATUS_TOO_LARGE, read_cut((struct bytes){text, line + 7}, 0, &out));
        memset(text, 'a', ROOM);
        count = snprintf(text, ROOM, "0\r\nX:");
        text[count] = 'a';
        memcpy(text + UPSTREAM_FIELDS_BYTES_MAX + 3 + over - 4, "\r\n\r\n", 4);
        assert_int_equal(over == 0 ? 1 : STATUS_TOO_LARGE,
                         read_cut((struct bytes){text, UPSTREAM_FIELDS_BYTES_MAX + 3 + over}, 0, &out));
    }
    buffer_free(&out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_read_in_every_two_parts),
        cmocka_unit_test(a_body_that_is_not_whole_has_not_ended),
        cmocka_unit_test(what_the_grammar_does_not_allow_is_refused),
        cmocka_unit_test(the_line_of_a_size_and_the_trailers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
