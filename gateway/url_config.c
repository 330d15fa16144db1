/* url_config: a path into policy and target, and the policy's few members into what they may choose. */
#include "gateway/url_config.h"

#include "gateway/path.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHY_BYTES = 96 };

/* One policy being read, and what is wrong with it: words of ours. */
struct reader {
    const struct json *json;
    const struct settings *settings;
    char why[WHY_BYTES];
};

bool url_config_is_form(struct bytes path)
{
    struct bytes begin = bytes_from(path, 1);

    return bytes_starts_with(path, BYTES("/")) &&
           (bytes_starts_with(begin, BYTES("!")) || bytes_equal(bytes_first(begin, 3), BYTES("%21")) ||
            bytes_equal_nocase(bytes_first(begin, 3), BYTES("%7B")));
}

/* Appends `text`, percent signs decoded once; a plus stays one. */
static enum status decode(struct bytes text, struct buffer *out)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; index < text.count && status == STATUS_OK; index++) {
        char byte = text.data[index];

        if (byte == '%') {
            int escaped = bytes_escaped(bytes_from(text, index));

            if (escaped < 0) {
                return STATUS_MALFORMED;
            }
            byte = (char)escaped;
            index += 2;
        }
        status = buffer_append(out, (struct bytes){&byte, 1});
    }
    return status;
}

/* The first thing that is wrong is the one that is told. */
static bool refuse(struct reader *reader, const char *place, const char *what)
{
    if (reader->why[0] == '\0') {
        (void)snprintf(reader->why, sizeof reader->why, "%s: %s", place, what);
    }
    return false;
}

/* A member that is an object, NULL when it is not there. */
static const struct json_token *read_section(struct reader *reader, const char *name)
{
    const struct json_token *section = json_member(reader->json, &reader->json->tokens[0], name);

    if (section == NULL || section->type == JSON_NULL) {
        return NULL;
    }
    if (section->type != JSON_OBJECT) {
        (void)refuse(reader, name, "must be an object");
        return NULL;
    }
    return section;
}

static bool read_flag(struct reader *reader, const struct json_token *section, const char *key)
{
    const struct json_token *value = section == NULL ? NULL : json_member(reader->json, section, key);

    if (value == NULL || value->type == JSON_NULL || value->type == JSON_FALSE) {
        return false;
    }
    return value->type == JSON_TRUE || refuse(reader, key, "must be true or false");
}

static void read_profile(struct reader *reader, struct url_config *config)
{
    const struct json_token *section = read_section(reader, "smart_moderation");
    const struct json_token *value = section == NULL ? NULL : json_member(reader->json, section, "profile");
    struct bytes name = BYTES("default");

    if (!read_flag(reader, section, "enabled")) {
        return;
    }
    if (value != NULL && value->type != JSON_NULL) {
        name = json_span(reader->json, value);
        if (value->type != JSON_STRING || name.count < 2) {
            (void)refuse(reader, "smart_moderation.profile", "must be a string");
            return;
        }
        name = bytes_first(bytes_from(name, 1), name.count - 2); /* no profile's name needs an escape */
    }
    config->profile = settings_profile(reader->settings, name);
    if (config->profile == NULL) {
        (void)refuse(reader, "smart_moderation.profile", "this gateway has no such profile");
    }
}

/* The bits of a format's name; `others` is a name beside those of the dialects, and what it means. */
static unsigned read_format(struct reader *reader, const struct json_token *value, const char *place, const char *other,
                            unsigned meaning)
{
    static const char *const names[DIALECT_COUNT] = {"openai_chat", "openai_responses", "claude_chat", "gemini_chat"};

    if (value->type == JSON_STRING) {
        for (unsigned index = 0; index < DIALECT_COUNT; index++) {
            if (json_string_is(reader->json, value, names[index])) {
                return 1U << index;
            }
        }
        if (json_string_is(reader->json, value, other)) {
            return meaning;
        }
    }
    (void)refuse(reader, place, "is no format that is known here");
    return 0;
}

static unsigned read_from(struct reader *reader, const struct json_token *value)
{
    unsigned bits = 0;

    if (value == NULL || value->type == JSON_NULL) {
        return FORMAT_AUTO;
    }
    if (value->type != JSON_ARRAY) {
        return read_format(reader, value, "format_transform.from", "auto", FORMAT_AUTO);
    }
    for (const struct json_token *item = json_first(reader->json, value); item != NULL && reader->why[0] == '\0';
         item = json_after(reader->json, value, item)) {
        bits |= read_format(reader, item, "format_transform.from", "auto", FORMAT_AUTO);
    }
    return bits;
}

static void read_transform(struct reader *reader, struct url_config *config)
{
    const struct json_token *section = read_section(reader, "format_transform");
    const struct json_token *to = section == NULL ? NULL : json_member(reader->json, section, "to");

    config->delays_head = read_flag(reader, section, "delay_stream_header");
    config->transforms = read_flag(reader, section, "enabled");
    if (!config->transforms) {
        return;
    }
    if (read_flag(reader, section, "disable_tools")) {
        (void)refuse(reader, "format_transform.disable_tools", "is not available here");
    }
    config->strict = read_flag(reader, section, "strict_parse");
    config->from = read_from(reader, json_member(reader->json, section, "from"));
    if (to != NULL && to->type != JSON_NULL) {
        config->to = (enum format_choice)read_format(reader, to, "format_transform.to", "pass_through", FORMAT_SAME);
    }
}

/* The policy of one text. On STATUS_MALFORMED `why` says what is wrong. */
static enum status read_policy(struct url_config *out, const struct settings *settings, struct bytes text, struct json *json,
                               char why[WHY_BYTES])
{
    struct reader reader = {.json = json, .settings = settings};
    enum status status =
        text.count > URL_CONFIG_BYTES_MAX ? STATUS_TOO_LARGE : json_read(json, text, JSON_REFUSE_DUPLICATES);

    *out = (struct url_config){.from = FORMAT_AUTO};
    if (status != STATUS_OK) {
        (void)snprintf(why, WHY_BYTES, "%s", status_sentence(status));
        return STATUS_MALFORMED;
    }
    if (json->tokens[0].type != JSON_OBJECT) {
        (void)snprintf(why, WHY_BYTES, "must be an object");
        return STATUS_MALFORMED;
    }
    (void)read_flag(&reader, read_section(&reader, "basic_moderation"), "enabled"); /* the floor's keywords always count */
    read_profile(&reader, out);
    read_transform(&reader, out);
    memcpy(why, reader.why, WHY_BYTES);
    return reader.why[0] == '\0' ? STATUS_OK : STATUS_MALFORMED;
}

static enum status wrong(struct problem *problem, const char *sentence)
{
    problem_set(problem, ERROR_CONFIG, "", sentence);
    return STATUS_MALFORMED;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

/* As much of the name as can be shown, and whether it may be looked up. */
static bool read_name(struct bytes name, char out[URL_CONFIG_NAME_BYTES_MAX + 1])
{
    bool good = name.count <= URL_CONFIG_NAME_BYTES_MAX && bytes_starts_with(name, BYTES(URL_CONFIG_VARIABLE));

    name = bytes_first(name, URL_CONFIG_NAME_BYTES_MAX);
    for (size_t index = 0; index < name.count; index++) {
        out[index] = is_name_byte(name.data[index]) ? name.data[index] : '?';
        good = good && out[index] != '?';
    }
    out[name.count] = '\0';
    return good;
}

static enum status read_variable(struct url_config *out, const struct settings *settings, struct bytes name, struct json *json,
                                 struct problem *problem)
{
    char shown[URL_CONFIG_NAME_BYTES_MAX + 1];
    char sentence[PROBLEM_SENTENCE_BYTES_MAX + 1];
    char why[WHY_BYTES];
    const char *value = read_name(name, shown) ? getenv(shown) : NULL;

    if (value == NULL) {
        (void)snprintf(sentence, sizeof sentence, "Environment variable %s not found", shown);
        return wrong(problem, sentence);
    }
    if (read_policy(out, settings, bytes_of(value), json, why) != STATUS_OK) {
        (void)snprintf(sentence, sizeof sentence, "failed to parse env %s as JSON: %s", shown, why);
        return wrong(problem, sentence);
    }
    return STATUS_OK;
}

static enum status read_config(struct url_config *out, const struct settings *settings, struct bytes text, struct json *json,
                               struct problem *problem)
{
    char sentence[PROBLEM_SENTENCE_BYTES_MAX + 1];
    char why[WHY_BYTES];

    if (bytes_starts_with(text, BYTES("!"))) {
        return read_variable(out, settings, bytes_from(text, 1), json, problem);
    }
    if (read_policy(out, settings, text, json, why) != STATUS_OK) {
        (void)snprintf(sentence, sizeof sentence, "Config parse error: %s", why);
        return wrong(problem, sentence);
    }
    return STATUS_OK;
}

/* Path and query of a client that has encoded the '$', and with it perhaps the URL. */
static enum status split_decoded(struct bytes text, struct bytes *out_config, struct url_target *target,
                                 struct problem *problem)
{
    ptrdiff_t dollar = bytes_find(text, '$');
    struct bytes url = bytes_from(text, (size_t)dollar + 1);
    ptrdiff_t mark = bytes_find(url, '?');

    if (dollar < 0) {
        return wrong(problem, "expected {config}${upstream}");
    }
    *out_config = bytes_first(text, (size_t)dollar);
    target->url = url;
    if (mark >= 0) {
        if (target->query.count > 0 || !path_is_of_uri(bytes_from(url, (size_t)mark))) {
            return wrong(problem, "invalid upstream url: its query is not well formed, or one of two");
        }
        target->url = bytes_first(url, (size_t)mark);
        target->query = bytes_from(url, (size_t)mark);
    }
    return STATUS_OK;
}

enum status url_config_read(struct url_config *out, struct url_target *target, const struct settings *settings,
                            struct bytes path, struct bytes query, struct json *json, struct buffer *decoded,
                            struct problem *problem)
{
    struct bytes text = bytes_from(path, 1);
    ptrdiff_t dollar = bytes_find(text, '$');
    struct bytes config;
    enum status status;

    buffer_clear(decoded);
    *target = (struct url_target){.query = query};
    if (dollar >= 0) {
        target->url = bytes_from(text, (size_t)dollar + 1);
        text = bytes_first(text, (size_t)dollar);
    }
    if (decode(text, decoded) != STATUS_OK) {
        return wrong(problem, "invalid percent encoding");
    }
    config = buffer_view(decoded);
    status = dollar >= 0 ? STATUS_OK : split_decoded(config, &config, target, problem);
    return status == STATUS_OK ? read_config(out, settings, config, json, problem) : status;
}

enum status url_config_admits(const struct url_config *config, enum dialect dialect, struct problem *problem)
{
    unsigned bit = 1U << dialect;

    if (!config->transforms) {
        return STATUS_OK;
    }
    if ((config->from & bit) == 0) {
        return config->strict ? wrong(problem, "Format mismatch: the request is of another format than those in "
                                               "format_transform.from")
                              : STATUS_OK;
    }
    if (config->to != FORMAT_SAME && (unsigned)config->to != bit) {
        return wrong(problem, "Config parse error: format_transform.to: conversion to another format is not available here");
    }
    return STATUS_OK;
}

enum status url_config_check(const struct settings *settings, FILE *errors)
{
    struct json json;
    enum status status = STATUS_OK;

    json_init(&json);
    for (char **entry = environ; settings->gateway.url_config && *entry != NULL; entry++) {
        struct bytes text = bytes_of(*entry);
        ptrdiff_t equals = bytes_find(text, '=');
        struct url_config ignored;
        struct problem problem;

        if (equals > 0 && bytes_starts_with(text, BYTES(URL_CONFIG_VARIABLE)) &&
            read_variable(&ignored, settings, bytes_first(text, (size_t)equals), &json, &problem) != STATUS_OK) {
            (void)fprintf(errors, "%s: gateway.url_config: %s\n", settings->file, problem.sentence);
            status = STATUS_MALFORMED;
        }
    }
    json_free(&json);
    return status;
}
