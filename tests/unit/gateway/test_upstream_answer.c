/* upstream_answer: a head is taken only when a strict reader would take it, and both sides of each of its bounds. */
#include "support/file.h"
#include "support/transfer.h"

#include "proto/limits.h"

/* What a server sends after it has read one request; then it closes. */
struct reply_script {
    struct bytes bytes;
    bool byte_by_byte;
};

static void send_reply(struct server_connection *connection, void *context)
{
    const struct reply_script *script = context;
    struct bytes rest = script->bytes;

    if (!server_read_request(connection)) {
        return;
    }
    while (rest.count > 0) {
        size_t count = script->byte_by_byte ? 1 : rest.count;

        if (!server_write(connection, bytes_first(rest, count))) {
            return;
        }
        rest = bytes_from(rest, count);
    }
}

/* The whole life of one GET that is answered by `bytes`. */
static void answer(struct record *record, struct bytes bytes, bool byte_by_byte)
{
    struct reply_script script = {bytes, byte_by_byte};
    struct server *server = server_open(send_reply, &script);
    struct world world;

    world_open(&world);
    record_get(record, &world, server->port, "/");
    world_close(&world);
    server_close(server);
}

static void expect(enum transfer_failure failure, unsigned heads, const char *text)
{
    struct record record;

    answer(&record, bytes_of(text), false);
    if (record.failure != failure || record.heads != heads) {
        fail_msg("%s: failure %s, heads %u", text, transfer_failure_name(record.failure), record.heads);
    }
    record_free(&record);
}

static bool is(struct bytes field, const char *text)
{
    return bytes_equal(field, bytes_of(text));
}

static void check_verdict(const char *name, struct bytes verdict, struct bytes bytes, bool byte_by_byte)
{
    struct record record;
    bool fits = true;

    answer(&record, bytes, byte_by_byte);
    if (is(verdict, "relay") || is(verdict, "moderate")) {
        fits = record.heads == 1 && record.failure == TRANSFER_OK;
    } else if (is(verdict, "accept")) {
        /* A parser's suite: some stop a line before the end of their body. */
        fits = record.heads == 1 && (record.failure == TRANSFER_OK || record.failure == TRANSFER_BROKEN);
    } else if (is(verdict, "reject") || is(verdict, "bad-gateway")) {
        fits = record.heads == 0 && record.failure != TRANSFER_OK;
    } else if (is(verdict, "truncated")) {
        fits = record.heads == 1 && record.failure == TRANSFER_BROKEN;
    } else if (is(verdict, "incomplete")) {
        /* Either the head never ended, or the close of the connection is the body's end. */
        fits = record.heads == (record.failure == TRANSFER_OK ? 1 : 0);
    } else {
        fits = is(verdict, "either") || is(verdict, "no-poison");
    }
    if (!fits) {
        fail_msg("%s: heads %u, failure %s", name, record.heads, transfer_failure_name(record.failure));
    }
    record_free(&record);
}

static void the_published_answers_get_their_verdicts(void **state)
{
    struct bytes manifest = file_read(TEST_VECTORS "/http-response", "manifest.tsv");
    struct bytes rest = manifest;
    size_t files = 0;

    (void)state;
    (void)file_next_line(&rest); /* the titles */
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        struct bytes field = file_next_field(&line);
        struct bytes content;
        struct bytes verdict;
        char name[200];

        if (field.count == 0) {
            continue;
        }
        assert_status(STATUS_OK, bytes_copy(field, name, sizeof name));
        (void)file_next_field(&line);
        (void)file_next_field(&line);
        verdict = file_next_field(&line);
        content = file_read(TEST_VECTORS "/http-response", name);
        check_verdict(name, verdict, content, false);
        if (content.count < 512) {
            check_verdict(name, verdict, content, true);
        }
        free((char *)(uintptr_t)content.data);
        files++;
    }
    assert_int_equal(38, files);
    free((char *)(uintptr_t)manifest.data);
}

static void a_head_comes_with_its_fields_length_and_kind(void **state)
{
    struct record record;
    struct bytes value;

    (void)state;
    answer(&record,
           BYTES("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nX-A:\t b c \t\r\nX-Empty:\r\n"
                 "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello"),
           false);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(200, record.status);
    assert_int_equal(5, record.announced_bytes);
    assert_true(record.stream);
    assert_int_equal(6, fields_count(record.fields));
    assert_true(fields_find(record.fields, BYTES("x-a"), &value));
    assert_bytes("b c", value);
    assert_true(fields_find(record.fields, BYTES("x-empty"), &value));
    assert_bytes("", value);
    assert_int_equal(2, fields_times(record.fields, BYTES("set-cookie")));
    assert_bytes("hello", buffer_view(&record.body));
    assert_true(record.first_byte_us > 0);
    record_free(&record);
}

static void only_the_type_itself_is_a_stream(void **state)
{
    static const struct {
        const char *head;
        bool stream;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\ncontent-type: TEXT/Event-Stream\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream ;x\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-strea\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\n\r\n", false},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct record record;

        answer(&record, bytes_of(cases[index].head), false);
        assert_int_equal(TRANSFER_OK, record.failure);
        assert_int_equal(-1, record.announced_bytes);
        assert_int_equal(cases[index].stream, record.stream);
        record_free(&record);
    }
}

static void a_body_may_be_counted_chunked_or_ended_by_the_close(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 404\r\nContent-Length: 5\r\n\r\nhello",
    };

    (void)state;
    for (size_t index = 0; index < sizeof answers / sizeof answers[0]; index++) {
        struct record record;

        answer(&record, bytes_of(answers[index]), true);
        assert_int_equal(TRANSFER_OK, record.failure);
        assert_bytes("hello", buffer_view(&record.body));
        assert_int_equal(0, fields_times(record.fields, BYTES("x-trailer")));
        assert_int_equal(index == 2 || index == 3, record.until_close);
        record_free(&record);
    }
}

static void a_body_that_ends_too_early_is_broken(void **state)
{
    (void)state;
    expect(TRANSFER_BROKEN, 1, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello");
    expect(TRANSFER_BROKEN, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    expect(TRANSFER_BROKEN, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
#define STREAM "Content-Type: text/event-stream\r\n"

/* libcurl alone takes all of these but the first. */
static void chunks_that_are_none_are_broken_and_at_the_beginning_without_a_head(void **state)
{
    static const char *const lines[] = {"zz", "5 ", "5 x", "5x", "5;", "5;a=\"b", "5;a\001", "5\r", "5;a b", ""};

    (void)state;
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
        char text[128];

        (void)snprintf(text, sizeof text, CHUNKED "\r\n%s\r\nhello\r\n0\r\n\r\n", lines[index]);
        expect(TRANSFER_BROKEN, 0, text);
        (void)snprintf(text, sizeof text, CHUNKED STREAM "\r\n%s\r\nhello\r\n0\r\n\r\n", lines[index]);
        expect(TRANSFER_BROKEN, 1, text);
        (void)snprintf(text, sizeof text, CHUNKED "\r\n1\r\n{\r\n%s\r\nhello\r\n0\r\n\r\n", lines[index]);
        expect(TRANSFER_BROKEN, 1, text);
    }
    expect(TRANSFER_BROKEN, 0, CHUNKED "\r\n5\nhello\r\n0\r\n\r\n");
    expect(TRANSFER_BROKEN, 1, CHUNKED "\r\n5\r\nhello\n0\r\n\r\n");
    expect(TRANSFER_BROKEN, 1, CHUNKED "\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n");
    expect(TRANSFER_BROKEN, 1, CHUNKED "\r\n5\r\nhello\r\n0\r\n\r");
    expect(TRANSFER_BROKEN, 0, CHUNKED "\r\n");
    expect(TRANSFER_OK, 1, CHUNKED "\r\n0\r\n\r\n");
    expect(TRANSFER_OK, 1, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

/* Refuses each part once. */
static bool take_at_the_second_try(struct record *record, struct bytes chunk)
{
    size_t *tries = record->more;

    (void)chunk;
    (*tries)++;
    return *tries % 2 == 0;
}

static void parts_that_were_not_taken_come_again_and_no_others(void **state)
{
    static const char text[] = CHUNKED "\r\n1\r\na\r\n3;x=y\r\nbcd\r\n10\r\n0123456789abcdef\r\n2\r\nef\r\n0\r\nT: u\r\n\r\n";

    (void)state;
    for (int byte_by_byte = 0; byte_by_byte <= 1; byte_by_byte++) {
        struct reply_script script = {bytes_of(text), byte_by_byte == 1};
        struct server *server = server_open(send_reply, &script);
        struct world world;
        struct record record;
        size_t tries = 0;

        record_open(&record, &world);
        record.on_body = take_at_the_second_try;
        record.more = &tries;
        assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", (struct bytes){NULL, 0}));
        while (record.dones == 0) {
            (void)uv_run(&world.loop, UV_RUN_NOWAIT);
            if (tries % 2 == 1) {
                record_resume(&record);
            }
        }
        assert_int_equal(TRANSFER_OK, record.failure);
        assert_bytes("abcd0123456789abcdefef", buffer_view(&record.body));
        record_close(&record, server);
    }
}

static void two_ways_to_frame_a_body_are_one_too_many(void **state)
{
    (void)state;
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 O\033K\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 O\177K\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_OK, 1, "HTTP/1.1 200 O\tK \303\251\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0,
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    expect(TRANSFER_BROKEN, 0,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}");
}

static void an_interim_answer_has_no_body(void **state)
{
    (void)state;
    expect(TRANSFER_OK, 1, "HTTP/1.1 103 A\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 103 A\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 103 A\r\nContent-Length: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    expect(TRANSFER_BROKEN, 0,
           "HTTP/1.1 103 A\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static void lines_that_are_no_fields_are_refused(void **state)
{
    (void)state;
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\n: b\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A: b\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A: b\x01\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\n\r\n");
    expect(TRANSFER_BROKEN, 0, "HTTP/1.1 200 OK\r\nX-A: b\r\n\n");
}

static void status_lines_are_of_http_1_and_three_digits(void **state)
{
    static const char *const bad[] = {
        "HTTP/1.2 200 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",   "HTTP/3 200\r\n\r\n",      "HTTP/1.1 600 X\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",  "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        "ICY 200 OK\r\n\r\n",      "SIP/2.0 200 OK\r\n\r\n", "\r\n\r\n",                "{}",
    };

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        expect(TRANSFER_BROKEN, 0, bad[index]);
    }
    expect(TRANSFER_OK, 1, "HTTP/1.1 599 \r\n\r\n");
    expect(TRANSFER_OK, 1, "HTTP/1.0 200\r\n\r\n");
}

static void interim_answers_are_consumed_up_to_their_bound(void **state)
{
    for (size_t over = 0; over < 2; over++) {
        struct buffer text;
        struct record record;

        (void)state;
        buffer_init(&text, 65536);
        for (size_t index = 0; index < UPSTREAM_INTERIM_MAX + over; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
        }
        assert_status(STATUS_OK, buffer_append_text(&text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
        answer(&record, buffer_view(&text), false);
        assert_int_equal(over == 0 ? TRANSFER_OK : TRANSFER_TOO_LARGE, record.failure);
        assert_int_equal(over == 0 ? 1 : 0, record.heads);
        assert_int_equal(0, fields_times(record.fields, BYTES("link")));
        record_free(&record);
        buffer_free(&text);
    }
}

static void fields_are_bounded_in_number(void **state)
{
    for (size_t over = 0; over < 2; over++) {
        struct buffer text;
        struct record record;

        (void)state;
        buffer_init(&text, 65536);
        assert_status(STATUS_OK, buffer_append_text(&text, "HTTP/1.1 204 No Content\r\n"));
        for (size_t index = 0; index < UPSTREAM_FIELDS_MAX + over; index++) {
            assert_status(STATUS_OK, buffer_append_format(&text, "x-%zu: y\r\n", index));
        }
        assert_status(STATUS_OK, buffer_append_text(&text, "\r\n"));
        answer(&record, buffer_view(&text), false);
        assert_int_equal(over == 0 ? TRANSFER_OK : TRANSFER_TOO_LARGE, record.failure);
        assert_int_equal(over == 0 ? UPSTREAM_FIELDS_MAX : 0, fields_count(record.fields));
        record_free(&record);
        buffer_free(&text);
    }
}

/* A head whose names and values together have `bytes` bytes, in lines of at most `line_bytes`. */
static void make_head(struct buffer *text, size_t bytes, size_t line_bytes)
{
    assert_status(STATUS_OK, buffer_append_text(text, "HTTP/1.1 200 OK\r\n"));
    while (bytes > 0) {
        size_t line = bytes < line_bytes ? bytes : line_bytes;
        char *at;

        assert_status(STATUS_OK, buffer_append_text(text, "x:"));
        assert_status(STATUS_OK, buffer_reserve(text, line - 1, &at));
        memset(at, 'y', line - 1);
        buffer_used(text, line - 1);
        assert_status(STATUS_OK, buffer_append_text(text, "\r\n"));
        bytes -= line;
    }
    assert_status(STATUS_OK, buffer_append_text(text, "\r\n"));
}

static void fields_are_bounded_in_bytes_together_and_alone(void **state)
{
    static const struct {
        size_t bytes;
        size_t line_bytes;
        enum transfer_failure failure;
    } cases[] = {
        {UPSTREAM_FIELDS_BYTES_MAX, 1024, TRANSFER_OK},
        {UPSTREAM_FIELDS_BYTES_MAX + 1, 1024, TRANSFER_TOO_LARGE},
        {UPSTREAM_FIELDS_BYTES_MAX, UPSTREAM_FIELDS_BYTES_MAX, TRANSFER_OK},
        {UPSTREAM_FIELDS_BYTES_MAX + 1, UPSTREAM_FIELDS_BYTES_MAX + 1, TRANSFER_TOO_LARGE},
        {1 << 20, 1 << 20, TRANSFER_TOO_LARGE}, /* libcurl itself holds no line as long as that */
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct buffer text;
        struct record record;

        buffer_init(&text, 4 << 20);
        make_head(&text, cases[index].bytes, cases[index].line_bytes);
        answer(&record, buffer_view(&text), false);
        assert_string_equal(transfer_failure_name(cases[index].failure), transfer_failure_name(record.failure));
        assert_int_equal(cases[index].failure == TRANSFER_OK ? 1 : 0, record.heads);
        record_free(&record);
        buffer_free(&text);
    }
}

static void trailers_are_forgotten_and_bounded(void **state)
{
    for (size_t over = 0; over < 2; over++) {
        size_t trailers = UPSTREAM_FIELDS_BYTES_MAX / 1024 - 1 + 2 * over; /* lines of 1 KiB */
        struct buffer text;
        struct record record;
        char line[1025];

        (void)state;
        memset(line, 'z', sizeof line);
        memcpy(line, "x: ", 3);
        memcpy(line + 1022, "\r\n", 3);
        buffer_init(&text, 1 << 20);
        assert_status(STATUS_OK, buffer_append_text(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                           "2\r\n{}\r\n0\r\n"));
        for (size_t index = 0; index < trailers; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, line));
        }
        assert_status(STATUS_OK, buffer_append_text(&text, "\r\n"));
        answer(&record, buffer_view(&text), false);
        assert_int_equal(1, record.heads);
        assert_int_equal(over == 0 ? TRANSFER_OK : TRANSFER_TOO_LARGE, record.failure);
        record_free(&record);
        buffer_free(&text);
    }
}

static void an_answer_to_head_and_one_without_content_have_no_body(void **state)
{
    struct record record;

    (void)state;
    answer(&record, BYTES("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nPOISON"), false);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(0, record.body_bytes);
    record_free(&record);
    answer(&record, BYTES("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), false);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(5, record.announced_bytes);
    assert_int_equal(0, record.body_bytes);
    record_free(&record);
}

/* Answers once with bytes too many, and to the second request on a new connection with the truth. */
static void send_too_much_once(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, connection->number == 0
                                                ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n"
                                                  "Content-Length: 7\r\n\r\nPOISON!"
                                                : "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntruth");
    }
}

static void bytes_after_an_answer_never_answer_the_next_request(void **state)
{
    struct server *server = server_open(send_too_much_once, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_bytes("{}", buffer_view(&record.body));
    record_free(&record);
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_bytes("truth", buffer_view(&record.body));
    record_close(&record, server);
}

static void send_folded_second(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Last: of the first answer\r\n\r\n{}") &&
        server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\n X-Folded: a\r\nContent-Length: 2\r\n\r\n{}");
    }
}

/* libcurl before 8.1.1 wrote it behind the last field of the answer before, which was freed. */
static void a_first_line_that_is_folded_belongs_to_no_answer_before(void **state)
{
    struct server *server = server_open(send_folded_second, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_OK, record.failure);
    record_free(&record);
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_BROKEN, record.failure);
    assert_int_equal(0, record.heads);
    record_close(&record, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_answers_get_their_verdicts),
        cmocka_unit_test(a_head_comes_with_its_fields_length_and_kind),
        cmocka_unit_test(only_the_type_itself_is_a_stream),
        cmocka_unit_test(a_body_may_be_counted_chunked_or_ended_by_the_close),
        cmocka_unit_test(a_body_that_ends_too_early_is_broken),
        cmocka_unit_test(chunks_that_are_none_are_broken_and_at_the_beginning_without_a_head),
        cmocka_unit_test(parts_that_were_not_taken_come_again_and_no_others),
        cmocka_unit_test(two_ways_to_frame_a_body_are_one_too_many),
        cmocka_unit_test(an_interim_answer_has_no_body),
        cmocka_unit_test(lines_that_are_no_fields_are_refused),
        cmocka_unit_test(status_lines_are_of_http_1_and_three_digits),
        cmocka_unit_test(interim_answers_are_consumed_up_to_their_bound),
        cmocka_unit_test(fields_are_bounded_in_number),
        cmocka_unit_test(fields_are_bounded_in_bytes_together_and_alone),
        cmocka_unit_test(trailers_are_forgotten_and_bounded),
        cmocka_unit_test(an_answer_to_head_and_one_without_content_have_no_body),
        cmocka_unit_test(bytes_after_an_answer_never_answer_the_next_request),
        cmocka_unit_test(a_first_line_that_is_folded_belongs_to_no_answer_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
