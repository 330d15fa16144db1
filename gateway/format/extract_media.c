/* extract_media: what an image, a recording or a file holds: text that is judged, or something that is counted. */
#include "gateway/format/extract_inside.h"

#include "gateway/format/data_url.h"
#include "proto/utf8.h"

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

    if (!extract_in_scope(extract, STREAM_DOCUMENT)) {
        return;
    }
    drop_zero_bytes(&extract->decoded);
    extract_end_line(extract, STREAM_DOCUMENT);
    before = stream->count;
    if (extract->status == STATUS_OK) {
        enum status status = utf8_append(stream, buffer_view(&extract->decoded));

        extract_charge(extract, stream->count - before, status);
    }
}

/* Decodes as much as it takes to know: all of it when it is text. Statuses of data_url_decode; *out_readable says nothing with
 * STATUS_MALFORMED. */
static enum status open_base64(struct extract *extract, struct bytes base64, bool labelled, bool *out_readable)
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
    *out_readable = is_readable(buffer_view(decoded), status == STATUS_TOO_LARGE);
    return status;
}

/* What open_base64 has decoded, as a document. */
static void take_opened(struct extract *extract, enum status status)
{
    if (status != STATUS_OK) {
        extract->status = status;
    } else {
        take_document(extract);
    }
}

/* What is no base64 to us is some to those who skip what is none of its digits: judged as they read it, where that is text. */
static void take_loosely(struct extract *extract, struct bytes base64, bool labelled)
{
    enum status status;

    buffer_clear(&extract->decoded);
    status = data_url_decode_loosely(base64, &extract->decoded);
    if (labelled || is_readable(buffer_view(&extract->decoded), status == STATUS_TOO_LARGE)) {
        take_opened(extract, status);
    }
}

/* `labelled`: its media type says that it is text. Otherwise the bytes say it: a wrong label must not hide words. */
static bool take_base64(struct extract *extract, struct bytes base64, bool labelled, enum media media)
{
    bool readable;
    enum status status = open_base64(extract, base64, labelled, &readable);

    if (status == STATUS_MALFORMED) {
        take_loosely(extract, base64, labelled);
        return false;
    }
    if (!readable) {
        extract_count(extract, media);
    }
    if (readable || labelled) {
        take_opened(extract, status);
    }
    return true;
}

/* What is labelled as no text is counted whatever it holds, and judged too when it is text all the same (image/svg+xml). */
static bool take_counted(struct extract *extract, struct bytes base64, enum media media)
{
    bool readable;
    enum status status = open_base64(extract, base64, false, &readable);

    if (status == STATUS_MALFORMED) {
        take_loosely(extract, base64, false);
        return false;
    }
    extract_count(extract, media);
    if (readable) {
        take_opened(extract, status);
    }
    return true;
}

void extract_run(struct extract *extract, struct bytes base64)
{
    bool readable;
    enum status status = open_base64(extract, base64, false, &readable);

    if (status == STATUS_MALFORMED || !readable) {
        extract->result.encoded_count++;
    } else {
        take_opened(extract, status);
    }
}

static bool is_web_url(struct bytes text)
{
    return bytes_equal_nocase(bytes_first(text, 8), BYTES("https://")) ||
           bytes_equal_nocase(bytes_first(text, 7), BYTES("http://"));
}

/* Whether a media type says that it is no text, and what it is then. */
static bool is_counted(struct bytes media_type, enum media *out)
{
    *out = data_url_is_family(media_type, "image/") ? MEDIA_IMAGE : MEDIA_AUDIO;
    return *out == MEDIA_IMAGE || data_url_is_family(media_type, "audio/") || data_url_is_family(media_type, "video/");
}

/* Base64 of which a media type says what it is. What cannot be read as that counts as it, too. */
static bool take_typed(struct extract *extract, struct bytes media_type, struct bytes base64)
{
    enum media media;
    bool counted = is_counted(media_type, &media);
    bool known;

    media = counted ? media : MEDIA_FILE;
    known = counted ? take_counted(extract, base64, media)
                    : take_base64(extract, base64, data_url_is_family(media_type, "text/"), media);
    if (!known) {
        extract_count(extract, media);
    }
    return known;
}

/* The text of a data URL, to those who do not take it for base64. */
static void take_percent(struct extract *extract, const struct data_url *url)
{
    enum media media;
    enum status status;

    if (is_counted(url->media_type, &media)) {
        extract_count(extract, media);
    }
    buffer_clear(&extract->decoded);
    status = data_url_unescape(url->data, &extract->decoded);
    take_opened(extract, status);
}

/* A data URL that says nothing of base64 in its head, to those who look for the word anywhere. */
static void take_hidden(struct extract *extract, struct bytes content, struct bytes media_type, enum media media)
{
    enum media said;
    struct bytes base64;
    enum status status;

    if (!data_url_find_base64(content, &base64)) {
        return;
    }
    buffer_clear(&extract->decoded);
    status = data_url_decode_loosely(base64, &extract->decoded);
    if (is_readable(buffer_view(&extract->decoded), status == STATUS_TOO_LARGE)) {
        take_opened(extract, status);
    } else if (!is_counted(media_type, &said)) { /* else take_percent has counted it */
        extract_count(extract, media);
    }
}

static void take_url(struct extract *extract, struct bytes url, enum media media)
{
    extract_count(extract, media);
    extract_end_line(extract, STREAM_MEDIA_URL);
    extract_append(extract, STREAM_MEDIA_URL, url);
    extract_end_line(extract, STREAM_MEDIA_URL);
}

static bool take_media(struct extract *extract, struct bytes content, enum media media)
{
    struct data_url url;

    if (is_web_url(content)) {
        take_url(extract, content, media);
        return true;
    }
    if (!data_url_read(content, &url)) {
        bool known = media != MEDIA_IMAGE && take_base64(extract, content, false, media);

        if (!known) {
            extract_count(extract, media); /* somebody may have it by another name: an id, a bucket's URL */
        }
        return known;
    }
    if (url.percent) {
        take_percent(extract, &url);
    }
    if (!url.base64) {
        take_hidden(extract, content, url.media_type, media);
    }
    return !url.base64 || take_typed(extract, url.media_type, url.data);
}

bool extract_is_data_url(struct bytes text)
{
    struct data_url url;
    enum media media;

    return data_url_read(text, &url) && (url.base64 || is_counted(url.media_type, &media));
}

bool extract_data_url(struct extract *extract, struct bytes text)
{
    bool known = take_media(extract, text, MEDIA_FILE);

    return known && text.count >= BASE64_RUN_BYTES_MIN;
}

bool extract_decode(struct extract *extract, const struct json *json, const struct json_token *string,
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
    bool known = !extract_decode(extract, json, content, &scratch, &text) || take_media(extract, text, media);

    buffer_free(&scratch);
    return known;
}

bool extract_encoded(struct extract *extract, const struct json *json, const struct json_token *content,
                     struct bytes media_type)
{
    struct buffer scratch;
    struct bytes text;
    bool known = !extract_decode(extract, json, content, &scratch, &text) || take_typed(extract, media_type, text);

    buffer_free(&scratch);
    return known;
}

bool extract_encoded_as(struct extract *extract, const struct json *json, const struct json_token *content,
                        const struct json_token *media_type)
{
    struct bytes type = {NULL, 0};
    struct buffer scratch;
    bool known;

    if (media_type == NULL || media_type->type != JSON_STRING) {
        return extract_encoded(extract, json, content, type);
    }
    known = !extract_decode(extract, json, media_type, &scratch, &type) || extract_encoded(extract, json, content, type);
    buffer_free(&scratch);
    return known;
}
