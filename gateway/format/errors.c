/* errors: one table of kinds, and for each dialect what writes a body and a stream's last event from a row of it. */
#include "gateway/format/errors.h"

#include "proto/json.h"

#include <assert.h>
#include <stdio.h>

struct row {
    unsigned status;
    const char *type;
    const char *code;
};

static const char *const names[ERROR_COUNT] = {
#define ERROR_ROW(enumerator, name, status, type, code) [enumerator] = name,
    ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

static const struct row rows[DIALECT_COUNT][ERROR_COUNT] = {
    [DIALECT_OPENAI_CHAT] =
        {
#define ERROR_ROW(enumerator, name, status, type, code) [enumerator] = {status, type, code},
            ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
        },
};

static const struct row *row_of(enum dialect dialect, enum error_kind kind)
{
    assert(dialect < DIALECT_COUNT && kind < ERROR_COUNT);
    return &rows[dialect][kind];
}

static void write_text_or_null(struct json_writer *writer, const char *text)
{
    if (text == NULL) {
        json_write_null(writer);
    } else {
        json_write_text(writer, text);
    }
}

static enum status write_chat_body(const struct row *row, struct bytes message, const char *param, struct buffer *out)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    json_write_key(&writer, "error");
    json_write_object_begin(&writer);
    json_write_key(&writer, "message");
    json_write_string(&writer, message);
    json_write_key(&writer, "type");
    json_write_text(&writer, row->type);
    json_write_key(&writer, "param");
    write_text_or_null(&writer, param);
    json_write_key(&writer, "code");
    write_text_or_null(&writer, row->code);
    json_write_object_end(&writer);
    json_write_object_end(&writer);
    return writer.status;
}

/* What is particular to a dialect beside its column of the table. */
static const struct {
    enum status (*write_body)(const struct row *row, struct bytes message, const char *param, struct buffer *out);
    const char *event_begin; /* before the body in a stream */
    const char *event_end;
} writers[DIALECT_COUNT] = {
    [DIALECT_OPENAI_CHAT] = {write_chat_body, "data: ", "\n\n"},
};

const char *errors_name(enum error_kind kind)
{
    assert(kind < ERROR_COUNT);
    return names[kind];
}

unsigned errors_status(enum dialect dialect, enum error_kind kind)
{
    return row_of(dialect, kind)->status;
}

enum status errors_body(enum dialect dialect, enum error_kind kind, struct bytes message, const char *param,
                        struct buffer *out)
{
    size_t before = out->count;
    enum status status = writers[dialect].write_body(row_of(dialect, kind), message, param, out);

    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

enum status errors_stream_event(enum dialect dialect, enum error_kind kind, struct bytes message, struct buffer *out)
{
    size_t before = out->count;
    enum status status = buffer_append_text(out, writers[dialect].event_begin);

    if (status == STATUS_OK) {
        status = errors_body(dialect, kind, message, NULL, out);
    }
    if (status == STATUS_OK) {
        status = buffer_append_text(out, writers[dialect].event_end);
    }
    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

void errors_refusal(struct errors_refusal *out, struct bytes category, struct bytes decision)
{
    category = bytes_first(category, CATEGORY_BYTES_MAX);
    decision = bytes_first(decision, DECISION_ID_BYTES);
    (void)snprintf(out->text, sizeof out->text, ERRORS_REFUSAL_FORMAT, (int)category.count,
                   category.count == 0 ? "" : category.data, (int)decision.count,
                   decision.count == 0 ? "" : decision.data);
}
