/* extract: joins pieces of text to segments within one bound, and counts what cannot be judged. */
#include "gateway/format/extract_inside.h"

#include "gateway/format/data_url.h"

#include <assert.h>
#include <stdlib.h>

/* The role that a stream is of, and the one that it is said to be of. */
static const struct {
    unsigned role; /* 0: in scope whatever the profile says */
    uint8_t said;
} streams[STREAM_COUNT] = {
    [STREAM_SYSTEM] = {SCOPE_SYSTEM, SCOPE_SYSTEM},       [STREAM_USER] = {SCOPE_USER, SCOPE_USER},
    [STREAM_TOOL] = {SCOPE_TOOL, SCOPE_TOOL},             [STREAM_ASSISTANT] = {SCOPE_ASSISTANT, SCOPE_ASSISTANT},
    [STREAM_REASONING] = {SCOPE_REASONING, SCOPE_ASSISTANT},
    [STREAM_TOOL_DEF] = {SCOPE_TOOL_DEF, SCOPE_SYSTEM},   [STREAM_ANYBODY] = {0, SCOPE_USER},
    [STREAM_DOCUMENT] = {SCOPE_DOCUMENT, SCOPE_DOCUMENT}, [STREAM_MEDIA_URL] = {SCOPE_MEDIA_URL, SCOPE_DOCUMENT},
    [STREAM_UNKNOWN] = {0, SCOPE_USER},
};

enum status extract_open(struct extract **out, const struct extract_options *options)
{
    struct extract *extract = calloc(1, sizeof *extract);

    if (extract == NULL) {
        return STATUS_NO_MEMORY;
    }
    extract->options = *options;
    extract->counting = options->since == SINCE_LAST_ASSISTANT;
    json_init(&extract->inner);
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        buffer_init(&extract->streams[stream], options->text_bytes_max);
    }
    buffer_init(&extract->decoded, options->text_bytes_max);
    *out = extract;
    return STATUS_OK;
}

void extract_close(struct extract **extract)
{
    if (*extract == NULL) {
        return;
    }
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        buffer_free(&(*extract)->streams[stream]);
    }
    buffer_free(&(*extract)->decoded);
    json_free(&(*extract)->inner);
    free(*extract);
    *extract = NULL;
}

/* Of the turns that are passed over the system's words are judged all the same. */
bool extract_in_scope(const struct extract *extract, enum stream stream)
{
    bool passed = extract->in_turns && extract->turn <= extract->turns_passed && stream != STREAM_SYSTEM;

    return !extract->counting && !passed &&
           (streams[stream].role == 0 || (streams[stream].role & extract->options.scope_roles) != 0);
}

static enum stream stream_of(unsigned role)
{
    enum stream stream = STREAM_SYSTEM;

    while (streams[stream].role != role) {
        stream++;
        assert(stream < STREAM_UNKNOWN);
    }
    return stream;
}

void extract_charge(struct extract *extract, size_t more, enum status status)
{
    if (status == STATUS_OK && more > extract->options.text_bytes_max - extract->result.text_bytes) {
        status = STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        extract->result.text_bytes += more;
    }
    extract->status = status;
}

void extract_append(struct extract *extract, enum stream stream, struct bytes text)
{
    if (extract->status == STATUS_OK && extract_in_scope(extract, stream)) {
        extract_charge(extract, text.count, buffer_append(&extract->streams[stream], text));
    }
}

/* A string decoded straight into the stream. */
static void append_string(struct extract *extract, enum stream stream, const struct json *json,
                          const struct json_token *string)
{
    struct buffer *buffer = &extract->streams[stream];
    struct bytes text;

    if (extract->status != STATUS_OK || !extract_in_scope(extract, stream)) {
        return;
    }
    if ((string->flags & JSON_ESCAPED) != 0) {
        size_t before = buffer->count;
        enum status status = json_string(json, string, buffer, &text);

        extract_charge(extract, buffer->count - before, status);
    } else {
        extract->status = json_string(json, string, buffer, &text); /* a view: cannot fail */
        extract_append(extract, stream, text);
    }
}

void extract_end_line(struct extract *extract, enum stream stream)
{
    if (segment_lacks_end(buffer_view(&extract->streams[stream]))) {
        extract_append(extract, stream, BYTES(SEGMENT_END));
    }
}

void extract_begin(struct extract *extract, unsigned role)
{
    assert(!extract->open);
    extract->open = true;
    extract->at = stream_of(role);
    if (extract->in_turns) {
        extract->turn++;
        extract->last_assistant = role == SCOPE_ASSISTANT ? extract->turn : extract->last_assistant;
    }
}

void extract_turns(struct extract *extract, bool follow)
{
    extract->in_turns = follow;
}

bool extract_counts_turns(const struct extract *extract)
{
    return extract->counting;
}

void extract_turns_counted(struct extract *extract)
{
    assert(extract->counting && !extract->open && !extract->in_turns);
    extract->counting = false;
    extract->turns_passed = extract->last_assistant;
    extract->turn = 0;
    extract->result = (struct extract_result){0};
}

void extract_end(struct extract *extract)
{
    assert(extract->open);
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        struct buffer *buffer = &extract->streams[stream];

        extract_end_line(extract, (enum stream)stream);
        if (extract->status == STATUS_OK && buffer->count > 0) {
            struct segment segment = {
                .role = streams[stream].said,
                .text = buffer_view(buffer),
            };

            extract->status = extract->options.add(extract->options.context, &segment);
            extract->result.segment_count += extract->status == STATUS_OK ? 1 : 0;
        }
        buffer_clear(buffer);
    }
    extract->open = false;
}

unsigned extract_role(struct extract *extract, unsigned role)
{
    unsigned before = streams[extract->at].role;

    extract->at = stream_of(role);
    return before;
}

void extract_text(struct extract *extract, const struct json *json, const struct json_token *text)
{
    append_string(extract, extract->at, json, text);
}

void extract_line(struct extract *extract, const struct json *json, const struct json_token *text)
{
    extract_end_line(extract, extract->at);
    append_string(extract, extract->at, json, text);
    extract_end_line(extract, extract->at);
}

void extract_file_name(struct extract *extract, const struct json *json, const struct json_token *name)
{
    extract_end_line(extract, STREAM_DOCUMENT);
    append_string(extract, STREAM_DOCUMENT, json, name);
    extract_end_line(extract, STREAM_DOCUMENT);
}

/* Which strings are not taken for text. */
enum passed { PASS_NONE, PASS_ENCODED, PASS_IDENTIFIERS };

bool extract_is_identifier(const struct json *json, const struct json_token *string)
{
    const char *data = json->source.data;

    if (string->end - string->start > IDENTIFIER_BYTES_MAX) {
        return false;
    }
    for (uint32_t at = string->start; at < string->end; at++) {
        if (data[at] <= ' ' || data[at] > '~' || (data[at] == '\\' && data[at + 1] != '/')) {
            return false;
        }
    }
    return true;
}

/* A run of base64, or a data URL: looked into, and not taken for words where it is too long to be some. */
static void take_encoded(struct extract *extract, enum stream stream, const struct json *json, const struct json_token *string)
{
    struct buffer scratch;
    struct bytes text;

    if (extract_decode(extract, json, string, &scratch, &text)) {
        if (!extract_is_data_url(text)) {
            extract_run(extract, text);
        } else if (!extract_data_url(extract, text)) {
            extract_end_line(extract, stream);
            append_string(extract, stream, json, string);
        }
    }
    buffer_free(&scratch);
}

/* One string on a line of its own, which is taken back when it is not to be judged. */
static void take_line(struct extract *extract, enum stream stream, const struct json *json,
                      const struct json_token *string, enum passed passed)
{
    struct buffer *buffer = &extract->streams[stream];
    struct bytes added;
    size_t before;

    if (passed == PASS_IDENTIFIERS && extract_is_identifier(json, string)) {
        return;
    }
    extract_end_line(extract, stream);
    before = buffer->count;
    append_string(extract, stream, json, string);
    added = bytes_from(buffer_view(buffer), before); /* nothing where the stream is not in scope */
    if (extract->status == STATUS_OK && passed == PASS_ENCODED && (data_url_is_base64_run(added) || extract_is_data_url(added))) {
        buffer->count = before;
        extract->result.text_bytes -= added.count;
        take_encoded(extract, stream, json, string);
    }
    extract_end_line(extract, stream);
}

/* Keys are not text, but where they are more than a name. */
static void take_strings(struct extract *extract, enum stream stream, const struct json *json,
                         const struct json_token *value, enum passed passed)
{
    const struct json_token *open[JSON_DEPTH_MAX]; /* the containers around `at` */
    const struct json_token *end = json->tokens + value->next;
    size_t depth = 0;

    for (const struct json_token *at = value; at < end;) {
        while (depth > 0 && at == json->tokens + open[depth - 1]->next) {
            depth--;
        }
        if (depth > 0 && open[depth - 1]->type == JSON_OBJECT) {
            take_line(extract, stream, json, at, PASS_IDENTIFIERS);
            at = json_value(json, at);
        }
        if (at->type == JSON_STRING) {
            take_line(extract, stream, json, at, passed);
        } else if (at->count > 0) {
            assert(depth < JSON_DEPTH_MAX);
            open[depth++] = at;
        }
        at++;
    }
}

void extract_key(struct extract *extract, const struct json *json, const struct json_token *key)
{
    take_line(extract, STREAM_UNKNOWN, json, key, PASS_IDENTIFIERS);
}

void extract_strings(struct extract *extract, const struct json *json, const struct json_token *value)
{
    bool is_beside = !extract->open;

    if (is_beside) {
        extract_begin(extract, 0);
    }
    take_strings(extract, STREAM_UNKNOWN, json, value, PASS_ENCODED);
    if (is_beside) {
        extract_end(extract);
    }
}

void extract_settings(struct extract *extract, const struct json *json, const struct json_token *value)
{
    take_strings(extract, STREAM_UNKNOWN, json, value, PASS_IDENTIFIERS);
}

void extract_values(struct extract *extract, const struct json *json, const struct json_token *value,
                    enum encoded encoded)
{
    take_strings(extract, extract->at, json, value, encoded == ENCODED_COUNTED ? PASS_ENCODED : PASS_NONE);
}

void extract_json_text(struct extract *extract, const struct json *json, const struct json_token *text)
{
    struct json *inner = &extract->inner;
    struct buffer scratch;
    struct bytes source;
    enum status status = STATUS_MALFORMED;

    if (!extract_in_scope(extract, extract->at)) {
        return;
    }
    if (extract_decode(extract, json, text, &scratch, &source)) {
        status = json_read(inner, source, JSON_LAST_DUPLICATE_WINS);
    }
    if (status == STATUS_OK) {
        take_strings(extract, extract->at, inner, &inner->tokens[0], PASS_NONE);
    }
    if (status == STATUS_NO_MEMORY || status == STATUS_UNAVAILABLE) {
        extract->status = extract->status == STATUS_OK ? status : extract->status;
    } else if (status != STATUS_OK || inner->tokens[0].type == JSON_STRING) {
        extract_line(extract, json, text); /* whatever it is, it is sent as it stands */
    }
    buffer_free(&scratch);
}

size_t extract_unjudged(const struct extract_result *result)
{
    return result->image_count + result->audio_count + result->file_count + result->encoded_count;
}

bool extract_refused(const struct extract *extract)
{
    return extract->options.images == IMAGES_BLOCK && extract_unjudged(&extract->result) > 0;
}

enum status extract_finish(const struct extract *extract, struct extract_result *out)
{
    assert(!extract->open);
    if (extract->status == STATUS_OK) {
        *out = extract->result;
    }
    return extract->status;
}
