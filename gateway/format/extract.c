/* extract: joins pieces of text to segments within one bound, and counts what cannot be judged. */
#include "gateway/format/extract.h"

#include "gateway/format/data_url.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A message is gathered in streams, one for each role; each that is not empty becomes a segment, in this order. */
enum stream {
    STREAM_SYSTEM,
    STREAM_USER,
    STREAM_TOOL,
    STREAM_ASSISTANT,
    STREAM_ANYBODY, /* a role that nobody knows */
    STREAM_DOCUMENT,
    STREAM_UNKNOWN, /* shapes that nobody knows */
    STREAM_COUNT,
};

/* The role that a stream is of, and the one that it is said to be of. */
static const struct {
    unsigned role; /* 0: in scope whatever the profile says */
    uint8_t said;
} streams[STREAM_COUNT] = {
    [STREAM_SYSTEM] = {SCOPE_SYSTEM, SCOPE_SYSTEM},       [STREAM_USER] = {SCOPE_USER, SCOPE_USER},
    [STREAM_TOOL] = {SCOPE_TOOL, SCOPE_TOOL},             [STREAM_ASSISTANT] = {SCOPE_ASSISTANT, SCOPE_ASSISTANT},
    [STREAM_ANYBODY] = {0, SCOPE_USER},                   [STREAM_DOCUMENT] = {SCOPE_DOCUMENT, SCOPE_DOCUMENT},
    [STREAM_UNKNOWN] = {0, SCOPE_USER},
};

struct extract {
    struct extract_options options;
    struct extract_result result;
    enum status status; /* the first failure, or STATUS_OK */
    bool open;          /* between extract_begin and extract_end */
    enum stream at;     /* where text goes */
    struct buffer streams[STREAM_COUNT];
    struct buffer decoded; /* base64 of a file */
};

enum status extract_open(struct extract **out, const struct extract_options *options)
{
    struct extract *extract = calloc(1, sizeof *extract);

    if (extract == NULL) {
        return STATUS_NO_MEMORY;
    }
    extract->options = *options;
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
    free(*extract);
    *extract = NULL;
}

static bool in_scope(const struct extract *extract, enum stream stream)
{
    return streams[stream].role == 0 || (streams[stream].role & extract->options.scope_roles) != 0;
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

/* Charges what a stream has grown by; `status` says how the growing went. */
static void charge(struct extract *extract, size_t more, enum status status)
{
    if (status == STATUS_OK && more > extract->options.text_bytes_max - extract->result.text_bytes) {
        status = STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        extract->result.text_bytes += more;
    }
    extract->status = status;
}

static void append(struct extract *extract, enum stream stream, struct bytes text)
{
    if (extract->status == STATUS_OK && in_scope(extract, stream)) {
        charge(extract, text.count, buffer_append(&extract->streams[stream], text));
    }
}

/* A string decoded straight into the stream. */
static void append_string(struct extract *extract, enum stream stream, const struct json *json,
                          const struct json_token *string)
{
    struct buffer *buffer = &extract->streams[stream];
    struct bytes text;

    if (extract->status != STATUS_OK || !in_scope(extract, stream)) {
        return;
    }
    if ((string->flags & JSON_ESCAPED) != 0) {
        size_t before = buffer->count;
        enum status status = json_string(json, string, buffer, &text);

        charge(extract, buffer->count - before, status);
    } else {
        extract->status = json_string(json, string, buffer, &text); /* a view: cannot fail */
        append(extract, stream, text);
    }
}

static void end_line(struct extract *extract, enum stream stream)
{
    const struct buffer *buffer = &extract->streams[stream];

    if (buffer->count > 0 && buffer->data[buffer->count - 1] != '\n') {
        append(extract, stream, BYTES("\n"));
    }
}

void extract_begin(struct extract *extract, unsigned role)
{
    assert(!extract->open);
    extract->open = true;
    extract->at = stream_of(role);
}

void extract_end(struct extract *extract)
{
    assert(extract->open);
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        struct buffer *buffer = &extract->streams[stream];

        end_line(extract, (enum stream)stream);
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
    end_line(extract, extract->at);
    append_string(extract, extract->at, json, text);
    end_line(extract, extract->at);
}

void extract_file_name(struct extract *extract, const struct json *json, const struct json_token *name)
{
    end_line(extract, STREAM_DOCUMENT);
    append_string(extract, STREAM_DOCUMENT, json, name);
    end_line(extract, STREAM_DOCUMENT);
}

/* One string on a line of its own, unless it is a run of base64 and those are counted. */
static void take_line(struct extract *extract, enum stream stream, const struct json *json,
                      const struct json_token *string, enum encoded encoded)
{
    struct buffer *buffer = &extract->streams[stream];
    size_t before;
    size_t added;

    end_line(extract, stream);
    before = buffer->count;
    append_string(extract, stream, json, string);
    added = buffer->count - before;
    if (extract->status == STATUS_OK && encoded == ENCODED_COUNTED &&
        data_url_is_base64_run(bytes_from(buffer_view(buffer), before))) {
        buffer->count = before;
        extract->result.text_bytes -= added;
        extract->result.encoded_count++;
        return;
    }
    end_line(extract, stream);
}

static void take_strings(struct extract *extract, enum stream stream, const struct json *json,
                         const struct json_token *value, enum encoded encoded)
{
    const struct json_token *open[JSON_DEPTH_MAX]; /* the containers around `at` */
    const struct json_token *end = json->tokens + value->next;
    size_t depth = 0;

    for (const struct json_token *at = value; at < end;) {
        while (depth > 0 && at == json->tokens + open[depth - 1]->next) {
            depth--;
        }
        if (depth > 0 && open[depth - 1]->type == JSON_OBJECT) {
            at = json_value(json, at); /* keys are not text */
        }
        if (at->type == JSON_STRING) {
            take_line(extract, stream, json, at, encoded);
        } else if (at->count > 0) {
            assert(depth < JSON_DEPTH_MAX);
            open[depth++] = at;
        }
        at++;
    }
}

void extract_strings(struct extract *extract, const struct json *json, const struct json_token *value)
{
    take_strings(extract, STREAM_UNKNOWN, json, value, ENCODED_COUNTED);
}

void extract_values(struct extract *extract, const struct json *json, const struct json_token *value,
                    enum encoded encoded)
{
    take_strings(extract, extract->at, json, value, encoded);
}

void extract_count(struct extract *extract, enum media media)
{
    switch (media) {
    case MEDIA_IMAGE:
        extract->result.image_count++;
        break;
    case MEDIA_AUDIO:
        extract->result.audio_count++;
        break;
    case MEDIA_FILE:
        extract->result.file_count++;
        break;
    }
}

/* Text in UTF-16 becomes readable where it is Latin, which is better than not to look at all. */
static void drop_zero_bytes(struct buffer *buffer)
{
    size_t kept = 0;

    for (size_t index = 0; index < buffer->count; index++) {
        if (buffer->data[index] != '\0') {
            buffer->data[kept++] = buffer->data[index];
        }
    }
    buffer->count = kept;
}

/* Whether the decoded bytes are UTF-8 without U+0000. A last sequence may be cut when there is `more` behind them. */
static bool is_readable(struct bytes decoded, bool more)
{
    size_t unsound = decoded.count - utf8_sound_bytes(decoded);

    return bytes_find(decoded, '\0') < 0 && (unsound == 0 || (more && unsound < 4));
}

/* The decoded bytes as a document. */
static void take_document(struct extract *extract)
{
    struct buffer *stream = &extract->streams[STREAM_DOCUMENT];
    size_t before;

    if (!in_scope(extract, STREAM_DOCUMENT)) {
        return;
    }
    drop_zero_bytes(&extract->decoded);
    end_line(extract, STREAM_DOCUMENT);
    before = stream->count;
    if (extract->status == STATUS_OK) {
        enum status status = utf8_append(stream, buffer_view(&extract->decoded));

        charge(extract, stream->count - before, status);
    }
}

/* `labelled`: its media type says that it is text. Otherwise the bytes say it: a wrong label must not hide words. */
static bool take_base64(struct extract *extract, struct bytes base64, bool labelled, enum media media)
{
    struct buffer *decoded = &extract->decoded;
    struct bytes front = bytes_first(base64, BASE64_SNIFF_BYTES);
    enum status status;

    buffer_clear(decoded);
    status = data_url_decode(front, decoded);
    if (status == STATUS_OK && front.count < base64.count && (labelled || is_readable(buffer_view(decoded), true))) {
        buffer_clear(decoded);
        status = data_url_decode(base64, decoded);
    }
    if (status == STATUS_MALFORMED) {
        return false;
    }
    if (!is_readable(buffer_view(decoded), status == STATUS_TOO_LARGE)) {
        extract_count(extract, media);
        if (!labelled) {
            return true;
        }
    }
    if (status != STATUS_OK) {
        extract->status = status;
    } else {
        take_document(extract);
    }
    return true;
}

static bool is_web_url(struct bytes text)
{
    return bytes_equal_nocase(bytes_first(text, 8), BYTES("https://")) ||
           bytes_equal_nocase(bytes_first(text, 7), BYTES("http://"));
}

/* Base64 of which a media type says what it is. */
static bool take_typed(struct extract *extract, struct bytes media_type, struct bytes base64)
{
    if (data_url_is_family(media_type, "image/")) {
        extract_count(extract, MEDIA_IMAGE);
        return true;
    }
    if (data_url_is_family(media_type, "audio/") || data_url_is_family(media_type, "video/")) {
        extract_count(extract, MEDIA_AUDIO);
        return true;
    }
    return take_base64(extract, base64, data_url_is_family(media_type, "text/"), MEDIA_FILE);
}

static bool take_media(struct extract *extract, struct bytes content, enum media media)
{
    struct data_url url;

    if (is_web_url(content)) {
        extract_count(extract, media);
        return true;
    }
    if (!data_url_read(content, &url)) {
        return media != MEDIA_IMAGE && take_base64(extract, content, false, media);
    }
    return url.base64 && take_typed(extract, url.media_type, url.data);
}

/* The string decoded into `scratch`, which the caller frees. False when the extraction is over. */
static bool decode(struct extract *extract, const struct json *json, const struct json_token *string,
                   struct buffer *scratch, struct bytes *out)
{
    buffer_init(scratch, string->end - string->start); /* decoding never makes a string longer */
    if (extract->status == STATUS_OK) {
        extract->status = json_string(json, string, scratch, out);
    }
    return extract->status == STATUS_OK;
}

bool extract_media(struct extract *extract, const struct json *json, const struct json_token *content, enum media media)
{
    struct buffer scratch;
    struct bytes text;
    bool known = !decode(extract, json, content, &scratch, &text) || take_media(extract, text, media);

    buffer_free(&scratch);
    return known;
}

bool extract_encoded(struct extract *extract, const struct json *json, const struct json_token *content,
                     struct bytes media_type)
{
    struct buffer scratch;
    struct bytes text;
    bool known = !decode(extract, json, content, &scratch, &text) || take_typed(extract, media_type, text);

    buffer_free(&scratch);
    return known;
}

enum status extract_finish(const struct extract *extract, struct extract_result *out)
{
    assert(!extract->open);
    if (extract->status == STATUS_OK) {
        *out = extract->result;
    }
    return extract->status;
}
