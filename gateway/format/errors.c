/* errors: one table of kinds, and for each dialect what writes a body and a stream's last event from a row of it. */
#include "gateway/format/errors.h"

#include "proto/json.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

struct row {
    unsigned status;
    const char *type;
    const char *code;
};

static const char *const names[ERROR_COUNT] = {
#define ERROR_ROW(enumerator, name, ...) [enumerator] = name,
    ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

#define OPENAI_ROW(enumerator, name, status, type, code, claude_status, claude_type, gemini_status)                    \
    [enumerator] = {status, type, code},
#define CLAUDE_ROW(enumerator, name, status, type, code, claude_status, claude_type, gemini_status)                    \
    [enumerator] = {claude_status, claude_type, NULL},
#define GEMINI_ROW(enumerator, name, status, type, code, claude_status, claude_type, gemini_status)                    \
    [enumerator] = {status, gemini_status, NULL},

static const struct row rows[DIALECT_COUNT][ERROR_COUNT] = {
    [DIALECT_OPENAI_CHAT] = {ERROR_TABLE(OPENAI_ROW)},
    [DIALECT_OPENAI_RESPONSES] = {ERROR_TABLE(OPENAI_ROW)},
    [DIALECT_CLAUDE_CHAT] = {ERROR_TABLE(CLAUDE_ROW)},
    [DIALECT_GEMINI_CHAT] = {ERROR_TABLE(GEMINI_ROW)},
};

static const struct row *row_of(enum dialect dialect, enum error_kind kind)
{
    assert(dialect < DIALECT_COUNT && kind < ERROR_COUNT);
    return &rows[dialect][kind];
}

static void put_text(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    if (text == NULL) {
        json_write_null(writer);
    } else {
        json_write_text(writer, text);
    }
}

static void put_message(struct json_writer *writer, struct bytes message)
{
    json_write_key(writer, "message");
    json_write_string(writer, message);
}

/* What an object says. */
struct telling {
    const struct row *row;
    struct bytes message;
    const char *param;
    struct bytes request_id; /* empty = not known */
    unsigned retry_after_s;  /* 0 = not known */
    struct bytes response_id; /* of a stream of responses, as the next one */
    int64_t sequence;
};

static void write_openai(struct json_writer *writer, const struct telling *telling)
{
    json_write_key(writer, "error");
    json_write_object_begin(writer);
    put_message(writer, telling->message);
    put_text(writer, "type", telling->row->type);
    put_text(writer, "param", telling->param);
    put_text(writer, "code", telling->row->code);
    json_write_object_end(writer);
}

static void write_claude(struct json_writer *writer, const struct telling *telling)
{
    put_text(writer, "type", "error"); /* the message names the place */
    json_write_key(writer, "error");
    json_write_object_begin(writer);
    put_text(writer, "type", telling->row->type);
    put_message(writer, telling->message);
    json_write_object_end(writer);
    json_write_key(writer, "request_id");
    if (telling->request_id.count == 0) {
        json_write_null(writer);
    } else {
        json_write_string(writer, telling->request_id);
    }
}

/* When to come again, as Google's APIs say it (google.rpc.RetryInfo). */
static void write_retry_info(struct json_writer *writer, unsigned retry_after_s)
{
    char delay[16];

    (void)snprintf(delay, sizeof delay, "%us", retry_after_s);
    json_write_key(writer, "details");
    json_write_array_begin(writer);
    json_write_object_begin(writer);
    put_text(writer, "@type", "type.googleapis.com/google.rpc.RetryInfo");
    put_text(writer, "retryDelay", delay);
    json_write_object_end(writer);
    json_write_array_end(writer);
}

static void write_gemini(struct json_writer *writer, const struct telling *telling)
{
    json_write_key(writer, "error"); /* the SDK for Python knows an error by its first key */
    json_write_object_begin(writer);
    json_write_integer_member(writer, "code", telling->row->status);
    put_message(writer, telling->message);
    put_text(writer, "status", telling->row->type);
    if (telling->retry_after_s > 0) {
        write_retry_info(writer, telling->retry_after_s);
    }
    json_write_object_end(writer);
}

/* The published shape is flat, the API nests: this is both. */
static void write_error_event(struct json_writer *writer, const struct telling *telling)
{
    put_text(writer, "type", "error");
    json_write_integer_member(writer, "sequence_number", telling->sequence);
    put_text(writer, "code", telling->row->code);
    put_message(writer, telling->message);
    put_text(writer, "param", telling->param);
    write_openai(writer, telling);
}

static void write_response(struct json_writer *writer, const struct telling *telling, const char *type, const char *status,
                           bool failed)
{
    put_text(writer, "type", type);
    json_write_integer_member(writer, "sequence_number", telling->sequence);
    json_write_key(writer, "response");
    json_write_object_begin(writer);
    json_write_key(writer, "id");
    json_write_string(writer, telling->response_id.count == 0 ? BYTES("resp_failed") : telling->response_id);
    put_text(writer, "object", "response");
    json_write_integer_member(writer, "created_at", 0);
    put_text(writer, "status", status);
    json_write_key(writer, "error");
    if (failed) {
        json_write_object_begin(writer);
        put_text(writer, "code", telling->row->code);
        put_message(writer, telling->message);
        json_write_object_end(writer);
    } else {
        json_write_null(writer);
    }
    put_text(writer, "incomplete_details", NULL);
    json_write_key(writer, "output");
    json_write_array_begin(writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

static void write_created_event(struct json_writer *writer, const struct telling *telling)
{
    write_response(writer, telling, "response.created", "in_progress", false);
}

static void write_failed_event(struct json_writer *writer, const struct telling *telling)
{
    write_response(writer, telling, "response.failed", "failed", true);
}

/* Writes the members of one JSON object. */
struct object {
    const char *before; /* in a stream; a blank line follows */
    void (*write)(struct json_writer *writer, const struct telling *telling);
};

enum { STREAM_OBJECTS_MAX = 3 };

/* What is particular to a dialect beside its column of the table. */
static const struct {
    struct object body;
    struct object stream[STREAM_OBJECTS_MAX];
} shapes[DIALECT_COUNT] = {
    [DIALECT_OPENAI_CHAT] = {{"", write_openai}, {{"data: ", write_openai}}},
    [DIALECT_OPENAI_RESPONSES] = {{"", write_openai},
                                  {{"event: response.created\ndata: ", write_created_event},
                                   {"event: error\ndata: ", write_error_event},
                                   {"event: response.failed\ndata: ", write_failed_event}}},
    [DIALECT_CLAUDE_CHAT] = {{"", write_claude}, {{"event: error\ndata: ", write_claude}}},
    [DIALECT_GEMINI_CHAT] = {{"", write_gemini}, {{"", write_gemini}, {"data: ", write_gemini}}},
};

static enum status append_object(const struct object *object, const struct telling *telling, struct buffer *out)
{
    enum status status = buffer_append_text(out, object->before);
    struct json_writer writer;

    if (status != STATUS_OK) {
        return status;
    }
    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    object->write(&writer, telling);
    json_write_object_end(&writer);
    return writer.status;
}

const char *errors_name(enum error_kind kind)
{
    assert(kind < ERROR_COUNT);
    return names[kind];
}

unsigned errors_status(enum dialect dialect, enum error_kind kind)
{
    return row_of(dialect, kind)->status;
}

enum status errors_body(enum dialect dialect, enum error_kind kind, const struct errors_text *text, struct buffer *out)
{
    enum dialect shape = kind == ERROR_CONFIG ? DIALECT_OPENAI_CHAT : dialect;
    const struct telling telling = {.row = row_of(shape, kind),
                                    .message = text->message,
                                    .param = text->param,
                                    .request_id = text->request_id,
                                    .retry_after_s = text->retry_after_s};
    size_t before = out->count;
    enum status status = append_object(&shapes[shape].body, &telling, out);

    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

enum status errors_stream_event(enum dialect dialect, enum error_kind kind, struct bytes message,
                                const struct errors_place *place, struct buffer *out)
{
    const struct object *objects = shapes[dialect].stream;
    struct telling telling = {.row = row_of(dialect, kind),
                              .message = message,
                              .response_id = place->response_id,
                              .sequence = place->sequence};
    size_t before = out->count;
    enum status status = STATUS_OK;

    assert(bytes_find(message, '{') < 0 && bytes_find(message, '}') < 0);
    for (size_t index = 0; index < STREAM_OBJECTS_MAX && objects[index].write != NULL && status == STATUS_OK; index++) {
        if (objects[index].write == write_created_event && place->created) {
            continue;
        }
        status = append_object(&objects[index], &telling, out);
        if (status == STATUS_OK) {
            status = buffer_append_text(out, "\n\n");
        }
        telling.sequence++;
    }
    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

void errors_refusal(struct errors_refusal *out, const char *what, struct bytes category, struct bytes decision)
{
    category = bytes_first(category, CATEGORY_BYTES_MAX);
    decision = bytes_first(decision, DECISION_ID_BYTES);
    (void)snprintf(out->text, sizeof out->text, ERRORS_REFUSAL_FORMAT, what, (int)category.count,
                   category.count == 0 ? "" : category.data, (int)decision.count,
                   decision.count == 0 ? "" : decision.data);
}
