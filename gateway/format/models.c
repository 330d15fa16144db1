/* models: one list, written in the form of each dialect. */
#include "gateway/format/models.h"

#include "proto/json.h"

#include <assert.h>
#include <stdio.h>

/* Nobody told us when a model came to be; clients want a time. */
#define EPOCH "1970-01-01T00:00:00Z"
#define GEMINI_PREFIX "models/"

static void put(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    if (text == NULL) {
        json_write_null(writer);
    } else {
        json_write_text(writer, text);
    }
}

static void write_openai(struct json_writer *writer, const char *model)
{
    put(writer, "id", model);
    put(writer, "object", "model");
    json_write_key(writer, "created");
    json_write_integer(writer, 0);
    put(writer, "owned_by", "prismguard");
}

static void write_claude(struct json_writer *writer, const char *model)
{
    put(writer, "type", "model");
    put(writer, "id", model);
    put(writer, "display_name", model);
    put(writer, "created_at", EPOCH);
}

static void write_gemini(struct json_writer *writer, const char *model)
{
    char name[sizeof GEMINI_PREFIX + PROFILE_NAME_BYTES_MAX];

    (void)snprintf(name, sizeof name, GEMINI_PREFIX "%s", model);
    put(writer, "name", name);
    put(writer, "displayName", model);
    json_write_key(writer, "supportedGenerationMethods");
    json_write_array_begin(writer);
    json_write_text(writer, "generateContent");
    json_write_text(writer, "countTokens");
    json_write_array_end(writer);
}

static const struct {
    const char *list;
    void (*write)(struct json_writer *writer, const char *model);
} forms[DIALECT_COUNT] = {
    [DIALECT_OPENAI_CHAT] = {"data", write_openai},
    [DIALECT_OPENAI_RESPONSES] = {"data", write_openai},
    [DIALECT_CLAUDE_CHAT] = {"data", write_claude},
    [DIALECT_GEMINI_CHAT] = {"models", write_gemini},
};

/* What Claude's list says of its pages: this is the only one. */
static void write_pages(struct json_writer *writer, const struct route_settings *route)
{
    json_write_key(writer, "has_more");
    json_write_bool(writer, false);
    put(writer, "first_id", route->model_count == 0 ? NULL : route->models[0]);
    put(writer, "last_id", route->model_count == 0 ? NULL : route->models[route->model_count - 1]);
}

enum status models_list(enum dialect dialect, const struct route_settings *route, struct buffer *out)
{
    size_t before = out->count;
    struct json_writer writer;

    assert(dialect < DIALECT_COUNT);
    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    if (forms[dialect].write == write_openai) {
        put(&writer, "object", "list");
    }
    json_write_key(&writer, forms[dialect].list);
    json_write_array_begin(&writer);
    for (size_t index = 0; index < route->model_count; index++) {
        json_write_object_begin(&writer);
        forms[dialect].write(&writer, route->models[index]);
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    if (dialect == DIALECT_CLAUDE_CHAT) {
        write_pages(&writer, route);
    }
    json_write_object_end(&writer);
    if (writer.status != STATUS_OK) {
        out->count = before;
    }
    return writer.status;
}
