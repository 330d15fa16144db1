/* Tests of request: every file of the corpus whole, byte by byte and in every two parts; and both sides of every bound. */
#include "gateway/request.h"

#include "proto/limits.h"
#include "support/reading.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 64 * KIB };

static const struct request_limits limits = {.line_bytes = 8192, .header_bytes = 32768, .fields = 100, .body_bytes = MIB};

static struct bytes read_file(const char *name, char *room)
{
    char path[PATH_BYTES_MAX];
    FILE *file;
    size_t count;

    (void)snprintf(path, sizeof path, "%s/http-request/%s", TEST_VECTORS, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    count = fread(room, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    /* The guard that a sanitizer watches stands right behind the last byte. */
    return (struct bytes){memcpy(malloc(count + 1), room, count), count};
}

/* Files that the manifest calls unfinished and that are refused sooner: they have no Host (RFC 9110 section 7.2 says 400). */
static bool is_refused_early(const char *name)
{
    static const char *const names[] = {
        "llhttp/transfer-encoding-Chunk_extensions.bin",
        "llhttp/transfer-encoding-Chunk_extensions_quoting.bin",
    };

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (strcmp(name, names[index]) == 0) {
            return true;
        }
    }
    return false;
}

/* The verdicts of manifest.tsv. "either" and the rest promise no crash and one story only. */
static bool keeps_verdict(const struct reading *reading, const char *name, const char *verdict)
{
    if (is_refused_early(name)) {
        return reading->refused == 1 && reading->done == 0;
    }
    if (strcmp(verdict, "accept") == 0) {
        return reading->refused == 0 && reading->done > 0;
    }
    if (strcmp(verdict, "reject") == 0) {
        return reading->refused == 1 && reading->done == 0;
    }
    if (strcmp(verdict, "reject-late") == 0) {
        return reading->done == 0;
    }
    if (strcmp(verdict, "incomplete") == 0) {
        return reading->refused == 0 && reading->done == 0;
    }
    return reading->refused <= 1;
}

static void every_file_of_the_corpus_gets_its_verdict_in_every_split(void **state)
{
    char path[PATH_BYTES_MAX], line[2048];
    char *room = malloc(FILE_BYTES_MAX);
    size_t files = 0, wrong = 0;
    FILE *manifest;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/http-request/manifest.tsv", TEST_VECTORS);
    manifest = fopen(path, "r");
    assert_non_null(manifest);
    assert_non_null(fgets(line, sizeof line, manifest)); /* the header */
    while (fgets(line, sizeof line, manifest) != NULL) {
        char *rest = line;
        const char *name = strsep(&rest, "\t");
        const char *verdict = (strsep(&rest, "\t"), strsep(&rest, "\t"), strsep(&rest, "\t"));
        struct bytes text = read_file(name, room);
        struct reading reading;

        start(&reading, &limits);
        read_all_ways(&reading, text, &limits);
        if (!keeps_verdict(&reading, name, verdict)) {
            print_message("%s: wanted %s, done %zu, refused %zu: %.*s\n", name, verdict, reading.done, reading.refused,
                          (int)reading.story.count, reading.story.data ? reading.story.data : "");
            wrong++;
        }
        stop(&reading);
        free((void *)(uintptr_t)text.data);
        files++;
    }
    (void)fclose(manifest);
    free(room);
    assert_int_equal(220, files);
    assert_int_equal(0, wrong);
}

/* The refusal of one text, read in one piece. */
static enum request_refusal refusal_in(struct bytes text, const struct request_limits *with)
{
    struct reading reading;
    enum request_refusal refusal;

    start(&reading, with);
    read_part(&reading, text);
    refusal = request_refusal(reading.request);
    stop(&reading);
    return refusal;
}

#define assert_refusal(expected, text)                                                                                 \
    assert_string_equal(refusal_rule(expected), refusal_rule(refusal_in(bytes_of(text), &limits)))

/* prefix, `count` times `fill`, suffix. */
static enum request_refusal refusal_of_fill(const char *prefix, char fill, size_t count, const char *suffix)
{
    struct buffer text;
    enum request_refusal refusal;

    buffer_init(&text, MIB);
    assert_status(STATUS_OK, buffer_append_text(&text, prefix));
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, buffer_append(&text, (struct bytes){&fill, 1}));
    }
    assert_status(STATUS_OK, buffer_append_text(&text, suffix));
    refusal = refusal_in(buffer_view(&text), &limits);
    buffer_free(&text);
    return refusal;
}

static enum request_refusal refusal_of_run(const char *prefix, size_t count, const char *suffix)
{
    return refusal_of_fill(prefix, 'a', count, suffix);
}

static void a_request_line_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
    size_t rest = strlen("GET / HTTP/1.1");

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_of_run("GET /", limits.line_bytes - rest, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(REFUSAL_LINE_SIZE,
                     refusal_of_run("GET /", limits.line_bytes - rest + 1, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(REFUSAL_LINE_SIZE, refusal_of_run("GET /", 100000, ""));
}

static void a_field_may_be_twice_as_long_as_the_request_line_and_no_longer(void **state)
{
    size_t most = 2 * limits.line_bytes - strlen("X: ");

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_of_run("GET / HTTP/1.1\r\nHost: a\r\nX: ", most, "\r\n\r\n"));
    assert_int_equal(REFUSAL_FIELD_SIZE, refusal_of_run("GET / HTTP/1.1\r\nHost: a\r\nX: ", most + 1, "\r\n\r\n"));
}

static void all_field_lines_together_have_a_bound(void **state)
{
    struct request_limits small = {.line_bytes = 64, .header_bytes = 40, .fields = 10, .body_bytes = 10};

    (void)state;
    /* "Host: a" 9 with its end, "X: ..." 31 */
    assert_int_equal(REFUSAL_NONE,
                     refusal_in(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 01234567890123456789012345\r\n\r\n"), &small));
    assert_int_equal(REFUSAL_HEADER_SIZE,
                     refusal_in(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 012345678901234567890123456\r\n\r\n"), &small));
    assert_int_equal(REFUSAL_HEADER_SIZE,
                     refusal_in(BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678901234567\r\n\r\n"), &small));
}

static void the_number_of_fields_has_a_bound(void **state)
{
    struct request_limits small = {.line_bytes = 64, .header_bytes = 400, .fields = 3, .body_bytes = 10};

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_in(BYTES("GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\n\r\n"), &small));
    assert_int_equal(REFUSAL_FIELD_COUNT,
                     refusal_in(BYTES("GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nC: c\r\nD: d\r\n\r\n"), &small));
}

static void two_empty_lines_may_stand_before_a_request(void **state)
{
    (void)state;
    assert_refusal(REFUSAL_NONE, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refusal(REFUSAL_EMPTY_LINES, "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void a_body_may_be_as_large_as_its_bound_and_no_larger(void **state)
{
    struct request_limits small = {.line_bytes = 64, .header_bytes = 400, .fields = 3, .body_bytes = 4};

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_in(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"), &small));
    /* refused by its announcement, before any byte of it */
    assert_int_equal(REFUSAL_BODY_SIZE, refusal_in(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), &small));
    assert_int_equal(
        REFUSAL_NONE,
        refusal_in(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"), &small));
    assert_int_equal(
        REFUSAL_BODY_SIZE,
        refusal_in(BYTES("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\n"), &small));
}

static enum request_refusal refusal_of_chunked(const char *before, size_t count, const char *after)
{
    char prefix[200];

    (void)snprintf(prefix, sizeof prefix, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s", before);
    return refusal_of_run(prefix, count, after);
}

static void chunk_extensions_have_a_bound_over_the_whole_message(void **state)
{
    size_t most = CHUNK_EXTENSION_BYTES_MAX;

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_of_chunked("1;", most, "\r\nx\r\n0\r\n\r\n"));
    assert_int_equal(REFUSAL_EXTENSIONS, refusal_of_chunked("1;", most + 1, "\r\nx\r\n0\r\n\r\n"));
    assert_int_equal(REFUSAL_NONE, refusal_of_chunked("1;b\r\nx\r\n1;", most - 1, "\r\nx\r\n0\r\n\r\n"));
    assert_int_equal(REFUSAL_EXTENSIONS, refusal_of_chunked("1;b\r\nx\r\n1;", most, "\r\nx\r\n0\r\n\r\n"));
}

static void trailers_have_bounds(void **state)
{
    struct buffer text;

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_of_chunked("0\r\nX:", TRAILER_BYTES_MAX - 1, "\r\n\r\n"));
    assert_int_equal(REFUSAL_TRAILERS, refusal_of_chunked("0\r\nX:", TRAILER_BYTES_MAX, "\r\n\r\n"));
    buffer_init(&text, KIB);
    for (size_t count = TRAILER_FIELDS_MAX; count <= TRAILER_FIELDS_MAX + 1; count++) {
        buffer_clear(&text);
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, "X: y\r\n"));
        }
        assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"\r\n", 3}));
        assert_int_equal(count <= TRAILER_FIELDS_MAX ? REFUSAL_NONE : REFUSAL_TRAILERS,
                         refusal_of_chunked("0\r\n", 0, text.data));
    }
    buffer_free(&text);
}

static void a_chunk_size_padded_without_end_is_refused(void **state)
{
    const char *prefix = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    (void)state;
    assert_int_equal(REFUSAL_NONE, refusal_of_fill(prefix, '0', 100, "1\r\nx\r\n0\r\n\r\n"));
    assert_int_equal(REFUSAL_CHUNK, refusal_of_fill(prefix, '0', 32768, ""));
}

static void trailer_fields_never_join_the_head(void **state)
{
    struct reading reading;
    struct bytes in = BYTES("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "2\r\nhi\r\n0\r\nX-Late: 1\r\nX: b\r\n\r\n");
    struct bytes value;
    size_t used;

    (void)state;
    start(&reading, &limits);
    assert_int_equal(REQUEST_HEAD, request_read(reading.request, in, &used));
    assert_int_equal(REQUEST_DONE, request_read(reading.request, bytes_from(in, used), &used));
    assert_bytes("hi", buffer_view(&reading.story));
    assert_int_equal(2, fields_count(request_head(reading.request)->fields));
    assert_true(fields_find(request_head(reading.request)->fields, BYTES("host"), &value));
    assert_bytes("a", value);
    stop(&reading);
}

static void an_upgrade_is_ignored(void **state)
{
    struct reading reading;

    (void)state;
    start(&reading, &limits);
    read_part(&reading, BYTES("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                              "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(2, reading.done);
    stop(&reading);
}

static void what_llhttp_forgives_is_refused(void **state)
{
    static const char *const heads[] = {
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent_Length: 2\r\n\r\n",
        "PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    static const char *const bodies[] = {
        "2\nhi\r\n0\r\n\r\n",       "2\r\nhi\n0\r\n\r\n",      "2\r\nhi\r\n0\n\r\n",     "2\r\nhi\r\n0\r\n\n",
        "2 \r\nhi\r\n0\r\n\r\n",     "2\t\r\nhi\r\n0\r\n\r\n",   " 2\r\nhi\r\n0\r\n\r\n",  "2\r\nhi0\r\n\r\n",
        "2\r\nhi\r0\r\n\r\n",       "0x2\r\nhi\r\n0\r\n\r\n",    "2;\r\nhi\r\n0\r\n\r\n",  "2;a\rb\r\nhi\r\n0\r\n\r\n",
        "2;a\x01\r\nhi\r\n0\r\n\r\n", "2;a=\"\n\"\r\nhi\r\n0\r\n\r\n", "2\r\nhi\r\n\r\n",         "\r\n2\r\nhi\r\n0\r\n\r\n",
        "2\r\nhi\r\n0\r\nX: y\n\r\n", "2\r\nhi\r\n0\r\nX : y\r\n\r\n", "2\r\nhi\r\n0\r\nX: y\r\n z\r\n\r\n",
        "2\r\nhi\r\n0\r\nX: \x01\r\n\r\n", "ffffffffffffffff2\r\nhi\r\n", "2 ;a\r\nhi\r\n0\r\n\r\n", "2;a =b\r\nhi\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n", "2;a=\"x\r\nhi\r\n0\r\n\r\n",
    };

    (void)state;
    for (size_t index = 0; index < sizeof heads / sizeof heads[0]; index++) {
        if (refusal_in(bytes_of(heads[index]), &limits) == REFUSAL_NONE) {
            fail_msg("head %zu was taken: %s", index, heads[index]);
        }
    }
    for (size_t index = 0; index < sizeof bodies / sizeof bodies[0]; index++) {
        if (refusal_of_chunked(bodies[index], 0, "") == REFUSAL_NONE) {
            fail_msg("body %zu was taken: %s", index, bodies[index]);
        }
    }
}

static enum status full_sink(void *context, struct bytes part)
{
    (void)context;
    return part.count == 0 ? STATUS_OK : STATUS_FULL;
}

static void a_body_that_finds_no_room_is_refused_with_503(void **state)
{
    struct request_sink sink = {full_sink, NULL};
    struct request *request = NULL;
    struct bytes in = BYTES("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    size_t used;

    (void)state;
    assert_status(STATUS_OK, request_open(&request, &limits, &sink));
    assert_int_equal(REQUEST_HEAD, request_read(request, in, &used));
    in = bytes_from(in, used);
    assert_int_equal(REQUEST_REFUSED, request_read(request, in, &used));
    assert_string_equal("body_budget", refusal_rule(request_refusal(request)));
    assert_int_equal(503, refusal_status(request_refusal(request)));
    assert_int_equal(REQUEST_REFUSED, request_read(request, in, &used));
    assert_int_equal(0, used);
    request_close(&request);
    request_close(&request);
}

/* The head of a request without a body, read whole. */
static const struct request_head *request_head_of(struct reading *reading, struct bytes text)
{
    size_t used;

    assert_int_equal(REQUEST_HEAD, request_read(reading->request, text, &used));
    assert_int_equal(text.count, used);
    return request_head(reading->request);
}

static void empty_lines_are_not_yet_a_request(void **state)
{
    struct reading reading;

    (void)state;
    start(&reading, &limits);
    assert_false(request_begun(reading.request));
    read_part(&reading, BYTES("\r"));
    assert_false(request_begun(reading.request));
    read_part(&reading, BYTES("\n"));
    assert_false(request_begun(reading.request));
    read_part(&reading, BYTES("G"));
    assert_true(request_begun(reading.request));
    stop(&reading);
}

static void a_head_whose_text_is_forgotten_keeps_the_rest_and_the_next_request_has_its_own(void **state)
{
    const struct request_head *head;
    struct reading reading;

    (void)state;
    start(&reading, &limits);
    head = request_head_of(&reading, BYTES("POST /a?b HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"));
    request_forget_text(reading.request);
    assert_bytes("", head->target);
    assert_bytes("", head->path);
    assert_bytes("", head->query);
    assert_bytes("", request_target(reading.request));
    assert_int_equal(0, fields_count(head->fields));
    assert_bytes("POST", head->method);
    assert_true(head->keep_alive && head->http_1_0 && head->body_bytes == 0);
    assert_true(request_is_complete(reading.request));
    request_reset(reading.request);
    head = request_head_of(&reading, BYTES("GET /c HTTP/1.1\r\nHost: y\r\n\r\n"));
    assert_bytes("/c", head->path);
    assert_int_equal(1, fields_count(head->fields));
    stop(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_of_the_corpus_gets_its_verdict_in_every_split),
        cmocka_unit_test(a_request_line_may_be_as_long_as_its_bound_and_no_longer),
        cmocka_unit_test(a_field_may_be_twice_as_long_as_the_request_line_and_no_longer),
        cmocka_unit_test(all_field_lines_together_have_a_bound),
        cmocka_unit_test(the_number_of_fields_has_a_bound),
        cmocka_unit_test(two_empty_lines_may_stand_before_a_request),
        cmocka_unit_test(a_body_may_be_as_large_as_its_bound_and_no_larger),
        cmocka_unit_test(chunk_extensions_have_a_bound_over_the_whole_message),
        cmocka_unit_test(trailers_have_bounds),
        cmocka_unit_test(a_chunk_size_padded_without_end_is_refused),
        cmocka_unit_test(trailer_fields_never_join_the_head),
        cmocka_unit_test(an_upgrade_is_ignored),
        cmocka_unit_test(what_llhttp_forgives_is_refused),
        cmocka_unit_test(a_body_that_finds_no_room_is_refused_with_503),
        cmocka_unit_test(empty_lines_are_not_yet_a_request),
        cmocka_unit_test(a_head_whose_text_is_forgotten_keeps_the_rest_and_the_next_request_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
