/* json: our reader and yyjson agree on what is JSON and on every value in it; what our writer writes is read back the same. */
#include "fuzz/fuzz.h"

#include "proto/json.h"

#include <yyjson.h>

static void hold_number(const struct json *json, const struct json_token *token, yyjson_val *value)
{
    char text[JSON_NUMBER_BYTES_MAX + 1];
    struct bytes span = json_span(json, token);
    enum status status;
    yyjson_val judged;
    double number = 0;
    int64_t integer = 0;

    fuzz_hold(yyjson_is_raw(value) && bytes_equal(span, (struct bytes){yyjson_get_raw(value), yyjson_get_len(value)}));
    fuzz_hold(bytes_copy(span, text, sizeof text) == STATUS_OK);
    status = json_real(json, token, &number);
    if (yyjson_read_number(text, &judged, YYJSON_READ_NOFLAG, NULL, NULL) == NULL) {
        fuzz_hold(status == STATUS_TOO_LARGE);
        return;
    }
    fuzz_hold(status == STATUS_OK && yyjson_get_num(&judged) == number);
    status = json_integer(json, token, &integer);
    if (yyjson_is_sint(&judged)) {
        fuzz_hold(status == STATUS_OK && integer == yyjson_get_sint(&judged));
    } else if (yyjson_is_uint(&judged)) {
        fuzz_hold(yyjson_get_uint(&judged) > INT64_MAX ? status == STATUS_TOO_LARGE
                                                       : status == STATUS_OK && (uint64_t)integer == yyjson_get_uint(&judged));
    }
}

static void hold_value(const struct json *json, const struct json_token *token, yyjson_val *value)
{
    struct buffer scratch;
    struct bytes text = {NULL, 0};

    switch (token->type) {
    case JSON_NULL:
        fuzz_hold(yyjson_is_null(value));
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        fuzz_hold(yyjson_is_bool(value) && yyjson_get_bool(value) == (token->type == JSON_TRUE));
        break;
    case JSON_NUMBER:
        hold_number(json, token, value);
        break;
    case JSON_STRING:
        buffer_init(&scratch, 4 * MIB);
        fuzz_hold(yyjson_is_str(value) && json_string(json, token, &scratch, &text) == STATUS_OK);
        fuzz_hold(bytes_equal(text, (struct bytes){yyjson_get_str(value), yyjson_get_len(value)}));
        buffer_free(&scratch);
        break;
    case JSON_ARRAY:
        fuzz_hold(yyjson_is_arr(value) && yyjson_arr_size(value) == token->count);
        break;
    case JSON_OBJECT:
        fuzz_hold(yyjson_is_obj(value) && yyjson_obj_size(value) == token->count);
        break;
    default:
        fuzz_hold(false);
    }
}

/* yyjson keeps all values of a document one behind the other in the order of the source, as our tokens are. */
static void judge(const struct json *json, enum status status, struct bytes source)
{
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)source.data, source.count, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
    bool lone = false;

    for (size_t index = 0; index < json->token_count; index++) {
        lone = lone || (json->tokens[index].flags & JSON_LONE_SURROGATE) != 0;
    }
    if (status == STATUS_OK && !lone) {
        fuzz_hold(document != NULL && yyjson_doc_get_val_count(document) == json->token_count);
        for (size_t index = 0; index < json->token_count; index++) {
            hold_value(json, &json->tokens[index], yyjson_doc_get_root(document) + index);
        }
    } else if (document != NULL) {
        /* Only our bounds, keys that come twice and U+0000 may set us apart. */
        fuzz_hold(status == STATUS_TOO_LARGE || status == STATUS_DUPLICATE ||
                  (source.count >= 6 && memmem(source.data, source.count, "\\u0000", 6) != NULL));
    }
    yyjson_doc_free(document);
}

static void write_scalar(const struct json *json, const struct json_token *token, bool is_key, struct json_writer *writer)
{
    struct buffer scratch;
    struct bytes text;
    char *key;

    if (token->type != JSON_STRING) {
        json_write_raw(writer, json_span(json, token));
        return;
    }
    buffer_init(&scratch, 4 * MIB);
    fuzz_hold(json_string(json, token, &scratch, &text) == STATUS_OK);
    if (is_key) {
        key = malloc(text.count + 1);
        fuzz_hold(key != NULL && bytes_copy(text, key, text.count + 1) == STATUS_OK);
        json_write_key(writer, key);
        free(key);
    } else {
        json_write_string(writer, text);
    }
    buffer_free(&scratch);
}

/* Every token through the writer. */
static void write_all(const struct json *json, struct buffer *out)
{
    const struct json_token *open[JSON_DEPTH_MAX];
    bool key_is_next = false;
    struct json_writer writer;
    size_t depth = 0;

    json_writer_init(&writer, out);
    for (uint32_t index = 0; index <= json->token_count; index++) {
        const struct json_token *token = &json->tokens[index];
        bool is_key;

        while (depth > 0 && open[depth - 1]->next == index) {
            depth--;
            if (open[depth]->type == JSON_OBJECT) {
                json_write_object_end(&writer);
            } else {
                json_write_array_end(&writer);
            }
            key_is_next = depth > 0 && open[depth - 1]->type == JSON_OBJECT;
        }
        if (index == json->token_count) {
            break;
        }
        is_key = key_is_next;
        if (token->type == JSON_OBJECT || token->type == JSON_ARRAY) {
            fuzz_hold(depth < JSON_DEPTH_MAX && !is_key);
            open[depth++] = token;
            key_is_next = token->type == JSON_OBJECT;
            if (token->type == JSON_OBJECT) {
                json_write_object_begin(&writer);
            } else {
                json_write_array_begin(&writer);
            }
            continue;
        }
        write_scalar(json, token, is_key, &writer);
        key_is_next = depth > 0 && open[depth - 1]->type == JSON_OBJECT && !is_key;
    }
    fuzz_hold(depth == 0 && writer.status == STATUS_OK);
}

static void hold_round_trip(const struct json *json)
{
    struct buffer once, twice;
    struct json again;

    buffer_init(&once, 16 * MIB);
    buffer_init(&twice, 16 * MIB);
    json_init(&again);
    write_all(json, &once);
    fuzz_hold(json_read(&again, buffer_view(&once), JSON_REFUSE_DUPLICATES) == STATUS_OK);
    fuzz_hold(again.token_count == json->token_count);
    for (size_t index = 0; index < again.token_count; index++) {
        const struct json_token *left = &json->tokens[index], *right = &again.tokens[index];

        fuzz_hold(left->type == right->type && left->next == right->next && left->count == right->count);
    }
    write_all(&again, &twice);
    fuzz_hold(bytes_equal(buffer_view(&once), buffer_view(&twice)));
    json_free(&again);
    buffer_free(&once);
    buffer_free(&twice);
}

/* Past a member of the root: what is accepted, and where a fault is, are the same; only a bound may be met later. */
static void hold_passed_over(struct bytes source, enum status expected, size_t error_at)
{
    static const char *const steps[] = {"a"};
    static const struct json_path path = {steps, 1};
    struct json_reader reader;
    struct json json;
    enum status status;

    json_init(&json);
    json_reader_begin(&reader, &json, source, JSON_REFUSE_DUPLICATES);
    json_reader_pass_over(&reader, &path);
    do {
        status = json_reader_go_on(&reader, 1 + source.count / 3);
    } while (status == STATUS_AGAIN);
    fuzz_hold(expected == STATUS_TOO_LARGE || (status == expected && json.error_at == error_at));
    fuzz_hold(status != STATUS_OK || json.tokens[0].next == json.token_count);
    json_free(&json);
}

/* What is left of members with the same key is as sound, and has none. */
static void hold_cut(struct bytes source, enum status lax)
{
    char *text = malloc(source.count + 1);
    struct json json;
    enum status status;

    fuzz_hold(text != NULL);
    json_init(&json);
    fuzz_hold(bytes_copy(source, text, source.count + 1) == STATUS_OK);
    status = json_read(&json, (struct bytes){text, source.count}, JSON_MARK_DUPLICATES);
    fuzz_hold(status == lax);
    if (status == STATUS_OK) {
        bool repeats = json.has_repeats;
        size_t left = json_cut_repeats(&json, text);

        fuzz_hold(repeats == (left < source.count));
        fuzz_hold(json_read(&json, (struct bytes){text, left}, JSON_REFUSE_DUPLICATES) == STATUS_OK);
    }
    json_free(&json);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes source = fuzz_bytes(data, size);
    enum status strict, lax;
    struct json json;

    json_init(&json);
    lax = json_read(&json, source, JSON_LAST_DUPLICATE_WINS);
    strict = json_read(&json, source, JSON_REFUSE_DUPLICATES);
    fuzz_hold(strict == lax || strict == STATUS_DUPLICATE);
    fuzz_hold(strict == STATUS_OK ? json.token_count > 0 : json.token_count == 0 && json.error_at <= size);
    hold_cut(source, lax);
    hold_passed_over(source, strict, json.error_at);
    judge(&json, strict, source);
    if (strict == STATUS_OK) {
        hold_round_trip(&json);
    }
    json_free(&json);
    return 0;
}
