/* endpoint: the table of endpoints, what hints at a dialect where it names none, and credentials of each dialect. */
#include "gateway/endpoint.h"

#include "gateway/path.h"
#include "proto/limits.h"

#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct row {
    const char *ending;
    enum dialect dialect;
} judged[] = {
    {"/chat/completions", DIALECT_OPENAI_CHAT},
    {"/responses", DIALECT_OPENAI_RESPONSES},
    {"/responses/input_tokens", DIALECT_OPENAI_RESPONSES},
    {"/messages", DIALECT_CLAUDE_CHAT},
    {"/messages/count_tokens", DIALECT_CLAUDE_CHAT},
    {":generateContent", DIALECT_GEMINI_CHAT},
    {":streamGenerateContent", DIALECT_GEMINI_CHAT},
    {":countTokens", DIALECT_GEMINI_CHAT},
};

/* Where a request belongs that no row names; the first that is found. */
static const struct row parts_of_paths[] = {
    {"/v1beta/", DIALECT_GEMINI_CHAT},
    {"/v1alpha/", DIALECT_GEMINI_CHAT},
    {"/messages/", DIALECT_CLAUDE_CHAT},
    {"/responses/", DIALECT_OPENAI_RESPONSES},
};

static const struct {
    struct bytes name;
    enum dialect dialect;
} marks[] = {
    {{"anthropic-version", 17}, DIALECT_CLAUDE_CHAT},
    {{"x-goog-api-key", 14}, DIALECT_GEMINI_CHAT},
};

static bool contains(struct bytes whole, struct bytes part)
{
    for (size_t at = 0; at + part.count <= whole.count; at++) {
        if (bytes_starts_with(bytes_from(whole, at), part)) {
            return true;
        }
    }
    return false;
}

enum dialect endpoint_dialect(struct bytes path, const struct fields *fields)
{
    struct bytes value;

    for (size_t index = 0; index < COUNT(judged); index++) {
        if (bytes_ends_with(path, bytes_of(judged[index].ending))) {
            return judged[index].dialect;
        }
    }
    for (size_t index = 0; index < COUNT(parts_of_paths); index++) {
        if (contains(path, bytes_of(parts_of_paths[index].ending))) {
            return parts_of_paths[index].dialect;
        }
    }
    for (size_t index = 0; index < COUNT(marks); index++) {
        if (fields_find(fields, marks[index].name, &value)) {
            return marks[index].dialect;
        }
    }
    return DIALECT_OPENAI_CHAT;
}

static bool brings_nothing(struct bytes method)
{
    static const char *const methods[] = {"GET", "HEAD", "DELETE", "OPTIONS"};

    for (size_t index = 0; index < COUNT(methods); index++) {
        if (bytes_equal(method, bytes_of(methods[index]))) {
            return true;
        }
    }
    return false;
}

/* ".../responses/{id}/cancel" */
static bool is_cancel(struct bytes path)
{
    size_t id_end;

    if (!bytes_ends_with(path, BYTES("/cancel"))) {
        return false;
    }
    path.count -= strlen("/cancel");
    id_end = path.count;
    while (path.count > 0 && path.data[path.count - 1] != '/') {
        path.count--;
    }
    return path.count < id_end && bytes_ends_with(path, BYTES("/responses/"));
}

bool endpoint_shows_answers(struct bytes path)
{
    return path_leads_through(path, BYTES("/responses")) || path_leads_through(path, BYTES("/chat/completions")) ||
           path_leads_through(path, BYTES("/conversations"));
}

/* "stream": true, with JSON's spaces; inside a string the quotes would have backslashes before them. */
static bool says_stream(struct bytes text)
{
    static const char name[] = "\"stream\"";
    const char *found;

    while (text.count > 0 && (found = memmem(text.data, text.count, name, sizeof name - 1)) != NULL) {
        size_t spaces = 0;

        text = bytes_from(text, (size_t)(found - text.data) + sizeof name - 1);
        while (spaces < text.count && memchr(" \t\r\n:", text.data[spaces], 5) != NULL) {
            spaces++;
        }
        if (bytes_starts_with(bytes_from(text, spaces), BYTES("true"))) {
            return true;
        }
    }
    return false;
}

bool endpoint_expects_stream(struct bytes path, struct bytes body)
{
    size_t last_at = body.count > STREAM_GUESS_BYTES ? body.count - STREAM_GUESS_BYTES : 0;

    return bytes_ends_with(path, BYTES(":streamGenerateContent")) || says_stream(bytes_first(body, STREAM_GUESS_BYTES)) ||
           (last_at > 0 && says_stream(bytes_from(body, last_at)));
}

struct endpoint endpoint_find(struct bytes method, struct bytes path, bool has_body, const struct fields *fields)
{
    struct endpoint endpoint = {endpoint_dialect(path, fields), ENDPOINT_REFUSED};

    if (bytes_equal(method, BYTES("POST"))) {
        for (size_t index = 0; index < COUNT(judged); index++) {
            if (bytes_ends_with(path, bytes_of(judged[index].ending))) {
                endpoint.use = ENDPOINT_JUDGED;
            }
        }
        if (!has_body && is_cancel(path)) {
            endpoint.use = ENDPOINT_PASSED;
        }
    } else if (!has_body && brings_nothing(method)) {
        bool list = bytes_equal(method, BYTES("GET")) && bytes_ends_with(path, BYTES("/models"));

        endpoint.use = list ? ENDPOINT_MODELS : ENDPOINT_PASSED;
    }
    return endpoint;
}

enum status endpoint_add_key(enum dialect dialect, struct bytes key, struct fields *fields, struct buffer *scratch)
{
    enum status status;

    if (dialect == DIALECT_CLAUDE_CHAT) {
        return fields_add(fields, BYTES("x-api-key"), key);
    }
    if (dialect == DIALECT_GEMINI_CHAT) {
        return fields_add(fields, BYTES("x-goog-api-key"), key);
    }
    buffer_clear(scratch);
    status = buffer_append_text(scratch, "Bearer ");
    if (status == STATUS_OK) {
        status = buffer_append(scratch, key);
    }
    return status == STATUS_OK ? fields_add(fields, BYTES("Authorization"), buffer_view(scratch)) : status;
}

static const struct bytes credentials[] = {
    {"authorization", 13}, {"x-api-key", 9}, {"x-goog-api-key", 14}, {"api-key", 7}, {"proxy-authorization", 19}};

static bool is_credential(struct bytes name, bool (*is_same)(struct bytes name, struct bytes other))
{
    for (size_t index = 0; index < COUNT(credentials); index++) {
        if (is_same(name, credentials[index])) {
            return true;
        }
    }
    return false;
}

bool endpoint_may_be_credential(struct bytes name)
{
    return is_credential(name, fields_is_alike);
}

bool endpoint_credential(struct field field, struct bytes *out)
{
    struct bytes value = field.value;

    if (!is_credential(field.name, bytes_equal_nocase)) {
        return false;
    }
    if (bytes_equal_nocase(field.name, BYTES("authorization"))) {
        if (!bytes_equal_nocase(bytes_first(value, 7), BYTES("bearer "))) {
            return false;
        }
        value = bytes_from(value, 7);
        while (value.count > 0 && value.data[0] == ' ') {
            value = bytes_from(value, 1);
        }
    }
    *out = value;
    return value.count > 0;
}

/* Where the value of a parameter `key` begins, however its name is written, percent-encoded in part or not; 0: it is another
 * parameter. Its end where it has no value. */
static size_t key_value_at(struct bytes parameter)
{
    const struct bytes name = BYTES("key");
    size_t at = 0;

    for (size_t index = 0; index < name.count; index++) {
        int escaped = bytes_escaped(bytes_from(parameter, at));
        int byte = escaped >= 0 ? escaped : at < parameter.count ? (unsigned char)parameter.data[at] : -1;

        if (byte != (unsigned char)name.data[index]) {
            return 0;
        }
        at += escaped >= 0 ? 3 : 1;
    }
    return at == parameter.count ? at : parameter.data[at] == '=' ? at + 1 : 0;
}

bool endpoint_next_key(struct bytes *query, struct bytes *out)
{
    while (query->count > 0) {
        struct bytes rest = query->data[0] == '?' || query->data[0] == '&' ? bytes_from(*query, 1) : *query;
        ptrdiff_t mark = bytes_find(rest, '&');
        struct bytes parameter = mark < 0 ? rest : bytes_first(rest, (size_t)mark);

        *query = mark < 0 ? (struct bytes){NULL, 0} : bytes_from(rest, (size_t)mark);
        if (key_value_at(parameter) > 0) {
            *out = bytes_from(parameter, key_value_at(parameter));
            return true;
        }
    }
    return false;
}

enum status endpoint_append_query_without_key(struct bytes query, struct buffer *out)
{
    struct bytes rest = bytes_from(query, 1);
    bool first = true;
    enum status status = STATUS_OK;

    while (rest.count > 0 && status == STATUS_OK) {
        ptrdiff_t mark = bytes_find(rest, '&');
        struct bytes parameter = mark < 0 ? rest : bytes_first(rest, (size_t)mark);

        rest = mark < 0 ? (struct bytes){NULL, 0} : bytes_from(rest, (size_t)mark + 1);
        if (key_value_at(parameter) > 0) {
            continue;
        }
        status = buffer_append_text(out, first ? "?" : "&");
        if (status == STATUS_OK) {
            status = buffer_append(out, parameter);
        }
        first = false;
    }
    return status;
}
