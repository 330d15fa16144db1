/* body: no string of a request that can reach the model is a blind spot, in any dialect, wherever it stands.
 *
 * tests/data/requests has a request of each dialect with all that its schema knows. Each string of it is replaced by a needle in
 * turn, and the needle must come out; then requests are drawn at random from the same parts. A value that begins with '~' is
 * outside the default scope.
 */
#include "support/body.h"
#include "support/file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WORD "forbidden-keyword"
#define SENTENCE "a forbidden-keyword in words"

enum {
    SCOPE_ALL = SCOPE_DEFAULT | SCOPE_ASSISTANT | SCOPE_REASONING | SCOPE_TOOL_DEF | SCOPE_MEDIA_URL,
    REQUEST_BYTES_MAX = 256 * KIB,
    DRAWN_REQUESTS = 400,
    DRAWN_DEPTH_MAX = 16,
};

static const char *const files[DIALECT_COUNT] = {
    [DIALECT_OPENAI_CHAT] = "openai_chat.json",
    [DIALECT_OPENAI_RESPONSES] = "openai_responses.json",
    [DIALECT_CLAUDE_CHAT] = "claude_chat.json",
    [DIALECT_GEMINI_CHAT] = "gemini_chat.json",
};

/* Members of the root that no model reads. */
static const char *const settings_of_the_server[] = {
    "model", "stop", "user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "previous_response_id",
    "stop_sequences", "thinking", "safetySettings", "labels", "cachedContent"};

/* One word of ASCII there is an id or one of the schema's own words, and so is not judged; more than a word is. */
static const char *const identifiers[] = {
    "id", "tool_call_id", "tool_use_id", "call_id", "file_id", "container_id", "approval_request_id", "type", "role", "detail",
    "format", "status", "phase", "media_type", "mimeType", "mime_type", "ttl", "mode", "version", "toolType", "language",
    "outcome", "level", "startOffset", "search_context_size", "code", "message", "city", "allowedFunctionNames", "name"};

/* A word there is base64, which is counted. */
static const char *const encoded[] = {"data", "file_data", "result", "signature", "encrypted_content", "thoughtSignature"};

/* A string value of a document, and where it stands. */
struct leaf {
    size_t token;
    bool of_server;     /* under one of those members of the root */
    bool is_setting;    /* under a member of the root that is neither text nor a description, or a part's own settings */
    bool is_identifier; /* the member's name is one of those */
    bool is_encoded;
    bool is_wide; /* outside the default scope */
};

enum { LEAVES_MAX = 16 * KIB };

static struct json parsed;
static struct leaf leaves[LEAVES_MAX];
static size_t leaf_count;

static bool is_one_of(const struct json_token *key, const char *const *names, size_t count)
{
    for (size_t index = 0; key != NULL && index < count; index++) {
        if (json_string_is(&parsed, key, names[index])) {
            return true;
        }
    }
    return false;
}

static bool stands_under(const struct json_token *const *keys, size_t depth, const char *name)
{
    for (size_t index = 0; index < depth; index++) {
        if (is_one_of(keys[index], &name, 1)) {
            return true;
        }
    }
    return false;
}

/* `keys`: the members around the token, outermost first; NULL in a list. */
static void note_leaf(const struct json_token *token, const struct json_token *const *keys, size_t depth)
{
    static const char *const settings[] = {"tool_choice", "web_search_options", "cache_control", "prompt_cache_breakpoint",
                                           "toolConfig", "pending_safety_checks", "acknowledged_safety_checks",
                                           "videoMetadata", "mediaResolution"};
    const struct json_token *last = NULL;
    struct leaf *leaf = &leaves[leaf_count++];

    assert_true(leaf_count < LEAVES_MAX);
    for (size_t index = 0; index < depth; index++) {
        last = keys[index] == NULL ? last : keys[index];
    }
    *leaf = (struct leaf){
        .token = (size_t)(token - parsed.tokens),
        .of_server = is_one_of(keys[0], settings_of_the_server, COUNT(settings_of_the_server)),
        .is_identifier = is_one_of(last, identifiers, COUNT(identifiers)),
        .is_encoded = is_one_of(last, encoded, COUNT(encoded)),
        .is_wide = parsed.source.data[token->start] == '~',
    };
    for (size_t index = 0; index < COUNT(settings); index++) {
        leaf->is_setting = leaf->is_setting || stands_under(keys, depth, settings[index]);
    }
}

/* All string values of a document. */
static void find_leaves(struct bytes document)
{
    const struct json_token *keys[JSON_DEPTH_MAX] = {NULL};
    const struct json_token *open[JSON_DEPTH_MAX];
    size_t depth = 0;

    assert_status(STATUS_OK, json_read(&parsed, document, JSON_REFUSE_DUPLICATES));
    leaf_count = 0;
    for (size_t at = 0; at < parsed.token_count;) {
        const struct json_token *token = &parsed.tokens[at++];

        while (depth > 0 && token == parsed.tokens + open[depth - 1]->next) {
            depth--;
        }
        if (depth > 0 && open[depth - 1]->type == JSON_OBJECT) {
            keys[depth - 1] = token;
            token = &parsed.tokens[at++];
        } else if (depth > 0) {
            keys[depth - 1] = NULL;
        }
        if (token->type == JSON_STRING) {
            note_leaf(token, keys, depth);
        } else if (token->count > 0) {
            open[depth++] = token;
        }
    }
}

/* Whether a needle in the leaf's place comes out, or the request is refused for it. */
static bool is_seen(enum dialect dialect, const struct leaf *leaf, const char *needle, unsigned scope)
{
    struct bytes source = parsed.source;
    struct json_token token = parsed.tokens[leaf->token];
    struct buffer body;
    enum status status;
    bool seen;

    buffer_init(&body, REQUEST_BYTES_MAX);
    assert_status(STATUS_OK, buffer_append(&body, bytes_first(source, token.start)));
    assert_status(STATUS_OK, buffer_append_text(&body, needle));
    assert_status(STATUS_OK, buffer_append(&body, bytes_from(source, token.end)));
    status = read_as(dialect, buffer_view(&body), UNKNOWN_SCAN, scope, TEXT_BYTES);
    assert_true(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_UNSUPPORTED);
    seen = status != STATUS_OK || holds_keyword(buffer_view(&segments.text));
    buffer_free(&body);
    return seen;
}

static void assert_leaf(enum dialect dialect, const struct leaf *leaf, const char *needle, unsigned scope, bool expected)
{
    if (is_seen(dialect, leaf, needle, scope) != expected) {
        struct bytes shown = bytes_from(parsed.source, parsed.tokens[leaf->token].start);

        fail_msg("dialect %d: '%s' %s in the place of %.60s", dialect, needle, expected ? "passed over" : "judged", shown.data);
    }
}

static void check_leaf(enum dialect dialect, const struct leaf *leaf)
{
    if (leaf->of_server) {
        assert_leaf(dialect, leaf, SENTENCE, SCOPE_ALL, false);
        return;
    }
    assert_leaf(dialect, leaf, SENTENCE, SCOPE_ALL, true);
    assert_leaf(dialect, leaf, SENTENCE, SCOPE_DEFAULT, !leaf->is_wide);
    if (!leaf->is_identifier && !leaf->is_encoded && !leaf->is_setting) {
        assert_leaf(dialect, leaf, WORD, SCOPE_ALL, true);
    }
}

static struct bytes template_of(enum dialect dialect)
{
    return file_read(TEST_DATA "/requests", files[dialect]);
}

static void every_string_of_a_request_is_judged(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct bytes text = template_of((enum dialect)dialect);

        if (read_as((enum dialect)dialect, text, UNKNOWN_BLOCK, SCOPE_ALL, TEXT_BYTES) != STATUS_OK) {
            fail_msg("%s: %s", files[dialect], problem.sentence);
        }
        find_leaves(text);
        assert_true(leaf_count > 50);
        for (size_t index = 0; index < leaf_count; index++) {
            check_leaf((enum dialect)dialect, &leaves[index]);
        }
        free((void *)text.data);
    }
}

static uint32_t draw(uint32_t *random, size_t below)
{
    *random = *random * 1664525u + 1013904223u;
    return (uint32_t)((*random >> 8) % below);
}

/* A value like that of the template: of a list, any of its items in any order and number, one at least. */
static void draw_value(const struct json *from, const struct json_token *value, uint32_t *random, size_t depth, struct buffer *out)
{
    const struct json_token *items[KIB];
    size_t count = 0;
    size_t wanted;

    assert_true(depth < DRAWN_DEPTH_MAX);
    if (value->count == 0) {
        assert_status(STATUS_OK, buffer_append(out, json_span(from, value)));
        return;
    }
    for (const struct json_token *item = json_first(from, value); item != NULL; item = json_after(from, value, item)) {
        items[count++] = item;
    }
    wanted = value->type == JSON_OBJECT ? count : 1 + draw(random, count + 2);
    assert_status(STATUS_OK, buffer_append_text(out, value->type == JSON_OBJECT ? "{" : "["));
    for (size_t index = 0; index < wanted; index++) {
        size_t chosen = value->type == JSON_OBJECT ? index + draw(random, count - index) : draw(random, count);
        const struct json_token *item = items[chosen];

        assert_status(STATUS_OK, buffer_append_text(out, index == 0 ? "" : ","));
        if (value->type == JSON_OBJECT) { /* each member once, in any order */
            items[chosen] = items[index];
            assert_status(STATUS_OK, buffer_append(out, json_span(from, item)));
            assert_status(STATUS_OK, buffer_append_text(out, ":"));
            item = json_value(from, item);
        }
        draw_value(from, item, random, depth + 1, out);
    }
    assert_status(STATUS_OK, buffer_append_text(out, value->type == JSON_OBJECT ? "}" : "]"));
}

static void a_needle_at_any_place_of_any_request_is_found(void **state)
{
    uint32_t random = 20260806;

    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        struct bytes text = template_of((enum dialect)dialect);
        struct buffer drawn;
        struct json whole;

        buffer_init(&drawn, REQUEST_BYTES_MAX);
        json_init(&whole);
        assert_status(STATUS_OK, json_read(&whole, text, JSON_REFUSE_DUPLICATES));
        for (int round = 0; round < DRAWN_REQUESTS; round++) {
            buffer_clear(&drawn);
            draw_value(&whole, &whole.tokens[0], &random, 0, &drawn);
            assert_status(STATUS_OK, read_as((enum dialect)dialect, buffer_view(&drawn), UNKNOWN_BLOCK, SCOPE_ALL, TEXT_BYTES));
            find_leaves(buffer_view(&drawn));
            check_leaf((enum dialect)dialect, &leaves[draw(&random, leaf_count)]);
        }
        json_free(&whole);
        buffer_free(&drawn);
        free((void *)text.data);
    }
}

static int open_all(void **state)
{
    json_init(&parsed);
    return set_up(state);
}

static int close_all(void **state)
{
    json_free(&parsed);
    return tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_string_of_a_request_is_judged, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_needle_at_any_place_of_any_request_is_found, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
