/* prismguard: reads the members of profile.json that mean something here and writes each as its setting. */
#include "trainer/prismguard.h"

#include "proto/json.h"

#include <math.h>

struct reading {
    struct json json;
    struct buffer scratch; /* decoded strings */
    const char *wrong;     /* the first member that is not what it should be; NULL = none */
};

enum { PROFILE_BYTES_MAX = 1024 * 1024 };

/* The member SECTION.KEY, or one of the root where SECTION is NULL; NULL when it is left out. */
static const struct json_token *member(const struct reading *reading, const char *section, const char *key)
{
    const struct json_token *at = reading->json.token_count == 0 ? NULL : &reading->json.tokens[0];

    if (at != NULL && section != NULL) {
        at = json_member(&reading->json, at, section);
    }
    if (at == NULL || at->type != JSON_OBJECT) {
        return NULL;
    }
    at = json_member(&reading->json, at, key);
    return at == NULL || at->type == JSON_NULL ? NULL : at;
}

static double number(struct reading *reading, const char *section, const char *key, double fallback)
{
    const struct json_token *value = member(reading, section, key);
    double found = fallback;

    if (value != NULL && (value->type != JSON_NUMBER || json_real(&reading->json, value, &found) != STATUS_OK)) {
        reading->wrong = reading->wrong == NULL ? key : reading->wrong;
        return fallback;
    }
    return found;
}

static struct bytes text(struct reading *reading, const char *section, const char *key, struct bytes fallback)
{
    const struct json_token *value = member(reading, section, key);
    struct bytes found = fallback;

    if (value != NULL &&
        (value->type != JSON_STRING || json_string(&reading->json, value, &reading->scratch, &found) != STATUS_OK)) {
        reading->wrong = reading->wrong == NULL ? key : reading->wrong;
        return fallback;
    }
    return found;
}

static enum status open_reading(struct reading *reading, struct bytes json)
{
    char *room;
    enum status status;

    *reading = (struct reading){.wrong = NULL};
    json_init(&reading->json);
    buffer_init(&reading->scratch, PROFILE_BYTES_MAX);
    status = buffer_reserve(&reading->scratch, json.count + 1, &room); /* so that views stay where they are */
    if (status == STATUS_OK && json.count > 0) {
        status = json_read(&reading->json, json, JSON_LAST_DUPLICATE_WINS);
    }
    if (status == STATUS_OK && json.count > 0 && reading->json.tokens[0].type != JSON_OBJECT) {
        status = STATUS_MALFORMED;
    }
    return status;
}

static void close_reading(struct reading *reading)
{
    json_free(&reading->json);
    buffer_free(&reading->scratch);
}

/* A string in quotes, which YAML reads as JSON writes it. */
static enum status write_quoted(struct buffer *out, struct bytes value)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_string(&writer, value);
    return writer.status;
}

static struct bytes trimmed(struct bytes value)
{
    while (value.count > 0 && value.data[0] == ' ') {
        value = bytes_from(value, 1);
    }
    while (value.count > 0 && value.data[value.count - 1] == ' ') {
        value.count--;
    }
    return value;
}

/* ai.model is a list with commas. */
static enum status write_models(struct buffer *out, struct bytes list)
{
    enum status status = buffer_append_text(out, "      models: [");
    size_t count = 0;

    while (status == STATUS_OK && list.count > 0 && count < MODELS_MAX) {
        ptrdiff_t comma = bytes_find(list, ',');
        struct bytes one = trimmed(comma < 0 ? list : bytes_first(list, (size_t)comma));

        list = comma < 0 ? (struct bytes){NULL, 0} : bytes_from(list, (size_t)comma + 1);
        if (one.count > 0) {
            status = count++ == 0 ? STATUS_OK : buffer_append_text(out, ", ");
            status = status == STATUS_OK ? write_quoted(out, one) : status;
        }
    }
    return status == STATUS_OK ? buffer_append_text(out, "]\n") : status;
}

static enum status write_url(struct buffer *out, struct bytes base)
{
    struct buffer url;
    enum status status = buffer_append_text(out, "    review:\n      url: ");

    while (bytes_ends_with(base, BYTES("/"))) {
        base.count--;
    }
    buffer_init(&url, PROFILE_BYTES_MAX);
    if (status == STATUS_OK) {
        status = buffer_append(&url, base);
    }
    if (status == STATUS_OK) {
        status = buffer_append(&url, BYTES("/chat/completions"));
    }
    if (status == STATUS_OK) {
        status = write_quoted(out, buffer_view(&url));
    }
    buffer_free(&url);
    return status == STATUS_OK ? buffer_append_text(out, "\n") : status;
}

/* A comment holds one line. */
static enum status write_comment(struct buffer *out, const char *before, struct bytes value, const char *after)
{
    enum status status = buffer_append_text(out, before);

    if (status == STATUS_OK) {
        status = write_quoted(out, value);
    }
    return status == STATUS_OK ? buffer_append_text(out, after) : status;
}

static enum status write_review(struct reading *reading, const struct prismguard_profile *profile, struct buffer *out)
{
    bool falls_back = false;
    const struct json_token *fallback = member(reading, "probability", "enable_concurrency_limit_fallback");
    struct bytes prompt = text(reading, "prompt", "template_file", BYTES("ai_prompt.txt"));
    enum status status = write_url(out, text(reading, "ai", "base_url", BYTES("https://api.openai.com/v1")));

    falls_back = fallback != NULL && fallback->type == JSON_TRUE;
    if (status == STATUS_OK) {
        status = write_models(out, text(reading, "ai", "model", BYTES("gpt-4o-mini")));
    }
    if (status == STATUS_OK) {
        status = write_comment(out, "      key_file: /run/secrets/review   # the key that was in the environment as ",
                               text(reading, "ai", "api_key_env", BYTES("MOD_AI_API_KEY")), "\n");
    }
    if (status == STATUS_OK && profile->has_prompt) {
        status = buffer_append_text(out, "      prompt: ");
        status = status == STATUS_OK ? write_quoted(out, prompt) : status;
        status = status != STATUS_OK ? status
                                     : buffer_append_text(out, "   # copied to profiles/NAME/, without {{text}} and without what "
                                                               "it says of the answer's form\n");
    }
    if (status == STATUS_OK) {
        status = buffer_append_format(
            out, "      sample_rate: %g\n      timeout: %.0fms\n      retries: %.0f\n      when_full: %s\n",
            number(reading, "probability", "ai_review_rate", 0.3), 1000 * number(reading, "ai", "timeout", 10),
            number(reading, "ai", "max_retries", 2), falls_back ? "undecided" : "block");
    }
    return status;
}

static enum status write_training(struct reading *reading, struct bytes kind, struct buffer *out)
{
    const char *section = bytes_equal(kind, BYTES("bow"))        ? "bow_training"
                          : bytes_equal(kind, BYTES("fasttext")) ? "fasttext_training"
                                                                 : "hashlinear_training";
    struct bytes loading = text(reading, section, "sample_loading", BYTES("balanced_undersample"));
    const char *sampling = bytes_equal(loading, BYTES("latest_full"))   ? "latest"
                           : bytes_equal(loading, BYTES("random_full")) ? "random"
                                                                        : "balanced";
    double kept = number(reading, section, "max_db_items", 100000);

    return buffer_append_format(
        out,
        "    training:\n      min_samples: %.0f\n      every: %.0fm\n      max_samples: %.0f\n      sampling: %s\n"
        "      keep_samples: %.0f\n",
        number(reading, section, "min_samples", 200), number(reading, section, "retrain_interval_minutes", 60),
        number(reading, section, "max_samples", 50000), sampling, kept <= 0 ? 1000000 : kept);
}

static enum status write_profile(struct reading *reading, const struct prismguard_profile *profile, struct buffer *out)
{
    struct bytes kind = text(reading, NULL, "local_model_type", BYTES("bow"));
    enum status status;

    if (!bytes_equal(kind, BYTES("bow")) && !bytes_equal(kind, BYTES("fasttext")) && !bytes_equal(kind, BYTES("hashlinear"))) {
        reading->wrong = "local_model_type";
        return STATUS_MALFORMED;
    }
    status = buffer_append_format(out, "profiles:\n  %s:\n", profile->name);
    if (status == STATUS_OK && profile->has_keywords) {
        status = buffer_append_text(out, "    keywords: [keywords.txt]   # copied to profiles/NAME/\n");
    }
    if (status == STATUS_OK) {
        status = buffer_append_format(out,
                                      "    model: { kind: %.*s, low: %g, high: %g }   # trained anew; its own settings have no "
                                      "counterpart\n",
                                      (int)kind.count, kind.data, number(reading, "probability", "low_risk_threshold", 0.2),
                                      number(reading, "probability", "high_risk_threshold", 0.8));
    }
    if (status == STATUS_OK) {
        status = write_review(reading, profile, out);
    }
    return status == STATUS_OK ? write_training(reading, kind, out) : status;
}

enum status prismguard_prompt(struct bytes json, struct buffer *out)
{
    struct reading reading;
    enum status status = open_reading(&reading, json);

    if (status == STATUS_OK) {
        status = buffer_append(out, text(&reading, "prompt", "template_file", BYTES("ai_prompt.txt")));
    }
    close_reading(&reading);
    return status;
}

enum status prismguard_write(const struct prismguard_profile *profile, struct buffer *out, const char **out_wrong)
{
    struct reading reading;
    enum status status = open_reading(&reading, profile->json);

    if (status == STATUS_OK) {
        status = write_profile(&reading, profile, out);
    }
    if (status == STATUS_OK && reading.wrong != NULL) {
        status = STATUS_MALFORMED;
    }
    *out_wrong = reading.wrong == NULL ? "" : reading.wrong;
    close_reading(&reading);
    return status;
}
