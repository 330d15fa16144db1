/* media_type: reads a media type and its parameters. */
#include "gateway/media_type.h"

#include "gateway/fields.h"

#include <stddef.h>

static void skip_space(struct bytes *rest)
{
    while (rest->count > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        *rest = bytes_from(*rest, 1);
    }
}

/* Up to the first byte of `ends`, or all of it. */
static struct bytes take_until(struct bytes *rest, const char *ends)
{
    struct bytes taken = *rest;

    for (const char *end = ends; *end != '\0'; end++) {
        ptrdiff_t at = bytes_find(taken, *end);

        taken = at < 0 ? taken : bytes_first(taken, (size_t)at);
    }
    *rest = bytes_from(*rest, taken.count);
    return taken;
}

/* A quoted-string, which begins here; what is between its quotes, with its backslashes. */
static bool take_quoted(struct bytes *rest, struct bytes *out)
{
    size_t at = 1;

    while (at < rest->count && rest->data[at] != '"') {
        at += rest->data[at] == '\\' ? 2 : 1;
    }
    if (at >= rest->count) {
        return false;
    }
    *out = (struct bytes){rest->data + 1, at - 1};
    *rest = bytes_from(*rest, at + 1);
    return true;
}

/* name "=" value, with no space between them. */
static bool take_parameter(struct bytes *rest, struct bytes *name, struct bytes *value)
{
    *name = take_until(rest, "=; \t");
    if (!fields_is_token(*name) || !bytes_starts_with(*rest, BYTES("="))) {
        return false;
    }
    *rest = bytes_from(*rest, 1);
    if (bytes_starts_with(*rest, BYTES("\""))) {
        return take_quoted(rest, value);
    }
    *value = take_until(rest, "; \t");
    return fields_is_token(*value);
}

bool media_type_is_json(struct bytes value)
{
    bool charset_seen = false;

    if (!bytes_equal_nocase(take_until(&value, "; \t"), BYTES("application/json"))) {
        return false;
    }
    while (skip_space(&value), value.count > 0) {
        struct bytes name;
        struct bytes word;

        if (value.data[0] != ';') {
            return false;
        }
        value = bytes_from(value, 1);
        skip_space(&value);
        if (value.count == 0 || value.data[0] == ';') {
            continue; /* an empty one is none */
        }
        if (!take_parameter(&value, &name, &word)) {
            return false;
        }
        if (bytes_equal_nocase(bytes_first(name, 7), BYTES("charset"))) {
            if (charset_seen || name.count > 7 || !bytes_equal_nocase(word, BYTES("utf-8"))) {
                return false;
            }
            charset_seen = true;
        }
    }
    return true;
}
