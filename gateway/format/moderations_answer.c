/* moderations_answer: verdicts in the form of OpenAI's moderation endpoint; the table of categories. */
#include "gateway/format/moderations_answer.h"

#include "proto/json.h"

#include <assert.h>

enum {
    HARASSMENT,
    HARASSMENT_THREATENING,
    HATE,
    HATE_THREATENING,
    ILLICIT,
    ILLICIT_VIOLENT,
    SELF_HARM,
    SELF_HARM_INSTRUCTIONS,
    SELF_HARM_INTENT,
    SEXUAL,
    SEXUAL_MINORS,
    VIOLENCE,
    VIOLENCE_GRAPHIC,
    CATEGORIES,
};

/* OpenAI's, and which other one each is a part of; its own number where it is none. */
static const struct {
    const char *name;
    unsigned whole;
} categories[CATEGORIES] = {
    [HARASSMENT] = {"harassment", HARASSMENT},
    [HARASSMENT_THREATENING] = {"harassment/threatening", HARASSMENT},
    [HATE] = {"hate", HATE},
    [HATE_THREATENING] = {"hate/threatening", HATE},
    [ILLICIT] = {"illicit", ILLICIT},
    [ILLICIT_VIOLENT] = {"illicit/violent", ILLICIT},
    [SELF_HARM] = {"self-harm", SELF_HARM},
    [SELF_HARM_INSTRUCTIONS] = {"self-harm/instructions", SELF_HARM},
    [SELF_HARM_INTENT] = {"self-harm/intent", SELF_HARM},
    [SEXUAL] = {"sexual", SEXUAL},
    [SEXUAL_MINORS] = {"sexual/minors", SEXUAL},
    [VIOLENCE] = {"violence", VIOLENCE},
    [VIOLENCE_GRAPHIC] = {"violence/graphic", VIOLENCE},
};

/* One word for a violation, as reviewers choose it. */
static const struct {
    const char *name;
    unsigned category;
} others[] = {
    {"bullying", HARASSMENT},       {"threat", HARASSMENT_THREATENING}, {"threats", HARASSMENT_THREATENING},
    {"hateful", HATE},              {"hate speech", HATE},              {"racism", HATE},
    {"crime", ILLICIT},             {"drugs", ILLICIT},                 {"fraud", ILLICIT},
    {"illegal", ILLICIT},           {"weapon", ILLICIT_VIOLENT},        {"weapons", ILLICIT_VIOLENT},
    {"explosives", ILLICIT_VIOLENT}, {"terrorism", ILLICIT_VIOLENT},    {"selfharm", SELF_HARM},
    {"suicide", SELF_HARM},         {"porn", SEXUAL},                   {"pornography", SEXUAL},
    {"minors", SEXUAL_MINORS},      {"csam", SEXUAL_MINORS},            {"child abuse", SEXUAL_MINORS},
    {"violent", VIOLENCE},          {"gore", VIOLENCE_GRAPHIC},         {"incitement", VIOLENCE},
};

static char plain(char byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return (char)(byte - 'A' + 'a');
    }
    return byte == '/' || byte == '_' || byte == ' ' ? '-' : byte;
}

static bool is_called(struct bytes category, const char *name)
{
    struct bytes known = bytes_of(name);

    if (category.count != known.count) {
        return false;
    }
    for (size_t index = 0; index < known.count; index++) {
        if (plain(category.data[index]) != plain(known.data[index])) {
            return false;
        }
    }
    return true;
}

/* CATEGORIES when it is none of OpenAI's. */
static unsigned category_of(struct bytes name)
{
    for (unsigned category = 0; category < CATEGORIES; category++) {
        if (is_called(name, categories[category].name)) {
            return category;
        }
    }
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        if (is_called(name, others[index].name)) {
            return others[index].category;
        }
    }
    return CATEGORIES;
}

static void write_flag(struct json_writer *writer, bool set)
{
    json_write_bool(writer, set);
}

static void write_score(struct json_writer *writer, bool set)
{
    json_write_raw(writer, set ? BYTES("1.0") : BYTES("0.0"));
}

static void write_types(struct json_writer *writer, bool set)
{
    json_write_array_begin(writer);
    if (set) {
        json_write_text(writer, "text");
    }
    json_write_array_end(writer);
}

/* One value a category: `all`, or true where the verdict says so. */
static void write_categories(struct json_writer *writer, const char *key, const struct moderations_result *result, bool all,
                             void (*write)(struct json_writer *writer, bool set))
{
    struct bytes name = {result->category, result->flagged ? result->category_bytes : 0};
    unsigned found = category_of(name);
    unsigned whole = found == CATEGORIES ? CATEGORIES : categories[found].whole;

    json_write_key(writer, key);
    json_write_object_begin(writer);
    for (unsigned category = 0; category < CATEGORIES; category++) {
        json_write_key(writer, categories[category].name);
        write(writer, all || category == found || category == whole);
    }
    if (found == CATEGORIES && name.count > 0) {
        char own[CATEGORY_BYTES_MAX + 1];
        enum status status = bytes_copy(name, own, sizeof own);

        assert(status == STATUS_OK);
        json_write_key(writer, own);
        write(writer, true);
    }
    json_write_object_end(writer);
}

static enum status append_kept(struct buffer *out, size_t before, enum status status)
{
    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

enum status moderations_answer_begin(struct bytes decision, struct buffer *out)
{
    return buffer_append_format(out, "{\"id\":\"modr-%.*s\",\"model\":\"prismguard\",\"results\":[", (int)decision.count,
                                decision.data);
}

enum status moderations_answer_result(const struct moderations_result *result, size_t index, struct buffer *out)
{
    size_t before = out->count;
    enum status status = index > 0 ? buffer_append_text(out, ",") : STATUS_OK;
    struct json_writer writer;

    assert(result->judged || !result->flagged);
    if (status != STATUS_OK) {
        return status;
    }
    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    json_write_key(&writer, "flagged");
    json_write_bool(&writer, result->flagged);
    write_categories(&writer, "categories", result, false, write_flag);
    write_categories(&writer, "category_scores", result, false, write_score);
    write_categories(&writer, "category_applied_input_types", result, result->judged, write_types);
    json_write_object_end(&writer);
    return append_kept(out, before, writer.status);
}

enum status moderations_answer_end(struct buffer *out)
{
    return buffer_append_text(out, "]}");
}
