/* reading: the bytes of a connection through gateway/request, told as a text: two readings are the same when their stories are. */
#ifndef TESTS_SUPPORT_READING_H
#define TESTS_SUPPORT_READING_H

#include "gateway/request.h"
#include "proto/limits.h"
#include "support/unit.h"

enum { STORY_BYTES_MAX = MIB };

/* What a connection's bytes meant, as text: two readings are the same when their stories are. */
struct reading {
    struct request *request;
    struct buffer story;
    size_t done;
    size_t refused;
    bool closed;
    bool begun;
};

static inline enum status keep_body(void *context, struct bytes part)
{
    struct reading *reading = context;

    return buffer_append(&reading->story, part);
}

static inline void start(struct reading *reading, const struct request_limits *with)
{
    struct request_sink sink = {keep_body, reading};

    *reading = (struct reading){0};
    buffer_init(&reading->story, STORY_BYTES_MAX);
    assert_status(STATUS_OK, request_open(&reading->request, with, &sink));
}

static inline void stop(struct reading *reading)
{
    request_close(&reading->request);
    buffer_free(&reading->story);
}

static inline void tell_head(struct reading *reading)
{
    const struct request_head *head = request_head(reading->request);

    assert_status(STATUS_OK, buffer_append_format(&reading->story, "\n%.*s %.*s | %.*s | %d %d %d %ld\n", (int)head->method.count,
                                                  head->method.data, (int)head->path.count, head->path.data,
                                                  (int)head->query.count, head->query.count ? head->query.data : "",
                                                  head->http_1_0, head->keep_alive, head->wants_continue,
                                                  (long)head->body_bytes));
    for (size_t index = 0; index < fields_count(head->fields); index++) {
        struct field field = fields_at(head->fields, index);

        assert_status(STATUS_OK, buffer_append(&reading->story, field.name));
        assert_status(STATUS_OK, buffer_append_text(&reading->story, "="));
        assert_status(STATUS_OK, buffer_append(&reading->story, field.value));
        assert_status(STATUS_OK, buffer_append_text(&reading->story, ";"));
    }
}

/* Reads as a connection does: request after request until one is refused or does not keep the connection. */
static inline void read_part(struct reading *reading, struct bytes in)
{
    while (!reading->closed) {
        size_t used;
        enum request_progress progress = request_read(reading->request, in, &used);

        assert_true(used <= in.count);
        in = bytes_from(in, used);
        switch (progress) {
        case REQUEST_MORE:
            assert_int_equal(0, in.count);
            return;
        case REQUEST_HEAD:
            tell_head(reading);
            break;
        case REQUEST_DONE:
            reading->done++;
            reading->closed = !request_head(reading->request)->keep_alive;
            request_reset(reading->request);
            break;
        case REQUEST_REFUSED:
            reading->refused++;
            reading->closed = true;
            assert_status(STATUS_OK, buffer_append_text(&reading->story, "\n"));
            assert_status(STATUS_OK,
                          buffer_append_text(&reading->story, refusal_rule(request_refusal(reading->request))));
            break;
        }
    }
}

static inline struct bytes piece_of(const char *text, size_t from, size_t to)
{
    return (struct bytes){text + from, to - from};
}

/* Whole, byte by byte and in every two parts: the same story. */
static inline void read_all_ways(struct reading *whole, struct bytes text, const struct request_limits *with)
{
    struct reading parts;

    read_part(whole, text);
    start(&parts, with);
    for (size_t index = 0; index < text.count; index++) {
        read_part(&parts, piece_of(text.data, index, index + 1));
    }
    read_part(&parts, piece_of(text.data, 0, 0));
    assert_true(bytes_equal(buffer_view(&whole->story), buffer_view(&parts.story)));
    for (size_t split = 0; split <= text.count; split++) {
        request_reset(parts.request);
        buffer_clear(&parts.story);
        parts.closed = false;
        read_part(&parts, piece_of(text.data, 0, split));
        read_part(&parts, piece_of(text.data, split, text.count));
        if (!bytes_equal(buffer_view(&whole->story), buffer_view(&parts.story))) {
            fail_msg("split at %zu tells another story", split);
        }
    }
    stop(&parts);
}

#endif
