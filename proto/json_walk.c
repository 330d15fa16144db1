/* json_walk: from a value to those beside it and inside it, over the tokens that proto/json.c has read. */
#include "proto/json.h"

#include <assert.h>

static bool is_container(const struct json_token *token)
{
    return token->type == JSON_OBJECT || token->type == JSON_ARRAY;
}

const struct json_token *json_first(const struct json *json, const struct json_token *parent)
{
    assert(parent >= json->tokens && parent < json->tokens + json->token_count);
    return is_container(parent) && parent->count > 0 ? parent + 1 : NULL;
}

const struct json_token *json_after(const struct json *json, const struct json_token *parent,
                                    const struct json_token *token)
{
    uint32_t next;

    assert(is_container(parent) && token > parent && token < json->tokens + parent->next);
    next = parent->type == JSON_OBJECT ? json_value(json, token)->next : token->next;
    return next < parent->next ? &json->tokens[next] : NULL;
}

const struct json_token *json_value(const struct json *json, const struct json_token *key)
{
    assert(key->type == JSON_STRING && key + 1 < json->tokens + json->token_count);
    return key + 1;
}

const struct json_token *json_member(const struct json *json, const struct json_token *object, const char *key)
{
    const struct json_token *found = NULL;

    if (object->type != JSON_OBJECT) {
        return NULL;
    }
    /* To the end, so that the last one wins where duplicates were let in. */
    for (const struct json_token *at = json_first(json, object); at != NULL; at = json_after(json, object, at)) {
        if (json_string_is(json, at, key)) {
            found = json_value(json, at);
        }
    }
    return found;
}

size_t json_cut_repeats(struct json *json, char *text)
{
    size_t kept = 0;
    size_t from = 0; /* what is before it stands where it belongs, or goes */
    size_t index = 0;

    assert(text == json->source.data);
    while (index < json->token_count) {
        const struct json_token *key = &json->tokens[index];

        if ((key->flags & JSON_OVERRIDDEN) == 0) {
            index++;
            continue;
        }
        memmove(text + kept, text + from, key->start - 1 - from);
        kept += key->start - 1 - from;
        index = json_value(json, key)->next; /* another key: the last one is never overridden */
        from = json->tokens[index].start - 1;
    }
    memmove(text + kept, text + from, json->source.count - from);
    kept += json->source.count - from;
    json->source = (struct bytes){NULL, 0};
    json->token_count = 0;
    json->has_repeats = false;
    return kept;
}
