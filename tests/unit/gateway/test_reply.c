/* Tests of reply: what answers look like on the wire, for each framing, and how a broken one ends. */
#include "gateway/reply.h"

#include "support/client_world.h"

enum { ANSWER_BYTES_MAX = 4096 };

/* What the owner answers with, once the request is complete. */
struct wish {
    unsigned status;
    int64_t body_bytes;
    const char *parts[4]; /* NULL at the end */
    bool broken;
    struct fields *fields;
    enum status end; /* what reply_end is to say */
};

static struct wish wish;

static void answer(struct world *world)
{
    const struct request_head *head = connection_head(world->connection);
    struct reply reply;

    reply_init(&reply, world->connection, head->http_1_0, bytes_equal(head->method, BYTES("HEAD")),
               connection_may_keep(world->connection));
    assert_status(STATUS_OK, reply_head(&reply, wish.status, wish.fields, wish.body_bytes));
    for (size_t index = 0; wish.parts[index] != NULL; index++) {
        assert_status(STATUS_OK, reply_body(&reply, bytes_of(wish.parts[index])));
    }
    if (wish.broken) {
        reply_break(&reply);
        return;
    }
    assert_status(wish.end, reply_end(&reply));
    if (wish.end != STATUS_OK) {
        reply_break(&reply);
    }
}

/* Asks, and gives back all that comes until the connection ends (or, with `kept`, until nothing comes any more). */
static struct bytes ask(struct world *world, const char *request, char *room, bool kept)
{
    size_t heard = 0;
    int silent = 0;

    world->complete = answer;
    connect_client(world);
    say(world, request);
    while (silent < 200) {
        ssize_t more = recv(world->client, room + heard, ANSWER_BYTES_MAX - heard, 0);

        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
        heard += more > 0 ? (size_t)more : 0;
        silent = more > 0 ? 0 : silent + 1;
        if (more == 0) {
            assert_false(kept);
            break;
        }
    }
    return (struct bytes){room, heard};
}

/* The answer with the value of its Date taken out. */
static struct bytes without_date(struct bytes answer, char *room)
{
    char *date;

    memcpy(room, answer.data, answer.count);
    room[answer.count] = '\0';
    date = strstr(room, "Date: ");
    assert_non_null(date);
    assert_memory_equal(" GMT\r\n", date + 6 + 25, 6);
    memmove(date + 6, date + 6 + 29, strlen(date + 6 + 29) + 1);
    return bytes_of(room);
}

static void assert_answer(struct world *world, const char *request, bool kept, const char *expected)
{
    char room[ANSWER_BYTES_MAX + 1], plain[ANSWER_BYTES_MAX + 1];

    assert_bytes(expected, without_date(ask(world, request, room, kept), plain));
    (void)close(world->client);
    world->client = -1;
}

static const char get[] = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
static const char get_close[] = "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
static const char get_1_0[] = "GET / HTTP/1.0\r\n\r\n";
static const char get_1_0_keep[] = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
static const char head[] = "HEAD / HTTP/1.1\r\nHost: t\r\n\r\n";

static void a_body_of_known_length_is_sent_with_it(void **state)
{
    wish = (struct wish){.status = 200, .body_bytes = 5, .parts = {"he", "", "llo"}};
    assert_answer(*state, get, true, "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\n\r\nhello");
    assert_answer(*state, get_close, false,
                  "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    assert_answer(*state, get_1_0, false,
                  "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    assert_answer(*state, get_1_0_keep, true,
                  "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello");
}

static void a_body_of_unknown_length_is_sent_in_chunks_or_ends_with_the_connection(void **state)
{
    wish = (struct wish){.status = 200, .body_bytes = -1, .parts = {"0123456789abcdef", "x"}};
    assert_answer(*state, get, true,
                  "HTTP/1.1 200 OK\r\nDate: \r\nTransfer-Encoding: chunked\r\n\r\n"
                  "10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n");
    assert_answer(*state, get_1_0_keep, false,
                  "HTTP/1.1 200 OK\r\nDate: \r\nConnection: close\r\n\r\n0123456789abcdefx");
}

static void an_answer_to_head_or_without_content_has_no_body(void **state)
{
    wish = (struct wish){.status = 200, .body_bytes = 5, .parts = {"hello"}};
    assert_answer(*state, head, true, "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\n\r\n");
    wish = (struct wish){.status = 200, .body_bytes = -1, .parts = {"hello"}};
    assert_answer(*state, head, true, "HTTP/1.1 200 OK\r\nDate: \r\n\r\n");
    wish = (struct wish){.status = 204, .body_bytes = 0};
    assert_answer(*state, get, true, "HTTP/1.1 204 No Content\r\nDate: \r\n\r\n");
}

static void an_empty_body_is_not_taken_for_an_end(void **state)
{
    wish = (struct wish){.status = 404, .body_bytes = -1, .parts = {"", ""}};
    assert_answer(*state, get, true,
                  "HTTP/1.1 404 Not Found\r\nDate: \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    wish = (struct wish){.status = 599, .body_bytes = 0};
    assert_answer(*state, get, true, "HTTP/1.1 599 Status\r\nDate: \r\nContent-Length: 0\r\n\r\n");
}

static void fields_of_one_hop_are_left_out_and_a_date_is_kept(void **state)
{
    static const char *const names[] = {"Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding", "TE",
                                        "Trailer", "Upgrade", "Proxy-Authenticate", "proxy-connection"};

    wish = (struct wish){.status = 200, .body_bytes = 0};
    assert_status(STATUS_OK, fields_open(&wish.fields, 20, 1000));
    assert_status(STATUS_OK, fields_add(wish.fields, BYTES("X-A"), BYTES("b")));
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        assert_status(STATUS_OK, fields_add(wish.fields, bytes_of(names[index]), BYTES("7")));
    }
    assert_status(STATUS_OK, fields_add(wish.fields, BYTES("Date"), BYTES("Thu, 01 Jan 1970 00:00:00 GMT")));
    assert_status(STATUS_OK, fields_add(wish.fields, BYTES("X-B"), BYTES("")));
    assert_answer(*state, get, true, "HTTP/1.1 200 OK\r\nX-A: b\r\nDate: \r\nX-B: \r\nContent-Length: 0\r\n\r\n");
    fields_close(&wish.fields);
}

static void more_than_the_announced_length_is_refused(void **state)
{
    struct world *world = *state;
    struct reply reply;

    connect_client(world);
    say(world, get);
    turn_until(world->completes == 1);
    reply_init(&reply, world->connection, false, false, true);
    assert_status(STATUS_OK, reply_head(&reply, 200, NULL, 3));
    assert_status(STATUS_OK, reply_body(&reply, BYTES("ab")));
    assert_status(STATUS_MALFORMED, reply_body(&reply, BYTES("cd")));
    assert_status(STATUS_MALFORMED, reply_end(&reply));
    assert_status(STATUS_OK, reply_body(&reply, BYTES("c")));
    assert_status(STATUS_OK, reply_end(&reply));
}

static void a_broken_answer_never_looks_complete(void **state)
{
    wish = (struct wish){.status = 200, .body_bytes = -1, .parts = {"ab"}, .broken = true};
    assert_answer(*state, get, false,
                  "HTTP/1.1 200 OK\r\nDate: \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    wish = (struct wish){.status = 200, .body_bytes = 5, .parts = {"ab"}, .end = STATUS_MALFORMED};
    assert_answer(*state, get, false, "HTTP/1.1 200 OK\r\nDate: \r\nContent-Length: 5\r\n\r\nab");
}

static void a_broken_answer_that_ends_with_the_connection_ends_with_a_reset(void **state)
{
    struct world *world = *state;

    wish = (struct wish){.status = 200, .body_bytes = -1, .parts = {"ab"}, .broken = true};
    world->complete = answer;
    connect_client(world);
    say(world, get_1_0);
    assert_int_equal(ECONNRESET, hear_end(world));
}

int main(void)
{
#define in_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        in_world(a_body_of_known_length_is_sent_with_it),
        in_world(a_body_of_unknown_length_is_sent_in_chunks_or_ends_with_the_connection),
        in_world(an_answer_to_head_or_without_content_has_no_body),
        in_world(an_empty_body_is_not_taken_for_an_end),
        in_world(fields_of_one_hop_are_left_out_and_a_date_is_kept),
        in_world(more_than_the_announced_length_is_refused),
        in_world(a_broken_answer_never_looks_complete),
        in_world(a_broken_answer_that_ends_with_the_connection_ends_with_a_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
