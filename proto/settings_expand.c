/* settings_expand: one pass over a value, copying what is no variable. */
#include "proto/settings_expand.h"

#include "proto/limits.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLE_BYTES_MAX = 255 };

static bool is_name(struct bytes name)
{
    for (size_t index = 0; index < name.count; index++) {
        char byte = name.data[index];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';

        if (!letter && (index == 0 || byte < '0' || byte > '9')) {
            return false;
        }
    }
    return name.count > 0 && name.count <= VARIABLE_BYTES_MAX;
}

/* `inside` is what stands between the braces: NAME or NAME:-default. */
static enum status append_variable(struct bytes inside, struct buffer *out)
{
    ptrdiff_t colon = bytes_find(inside, ':');
    bool has_default = colon >= 0 && (size_t)colon + 1 < inside.count && inside.data[colon + 1] == '-';
    struct bytes name = has_default ? bytes_first(inside, (size_t)colon) : inside;
    char terminated[VARIABLE_BYTES_MAX + 1];
    const char *value;

    if (!is_name(name) || bytes_copy(name, terminated, sizeof terminated) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    value = getenv(terminated);
    if (has_default && (value == NULL || value[0] == '\0')) {
        return buffer_append(out, bytes_from(inside, (size_t)colon + 2));
    }
    return value == NULL ? STATUS_NOT_FOUND : buffer_append_text(out, value);
}

enum status settings_expand(struct bytes text, struct buffer *out, struct bytes *out_at)
{
    enum status status = STATUS_OK;

    while (text.count > 0 && status == STATUS_OK) {
        ptrdiff_t dollar = bytes_find(text, '$');
        size_t plain = dollar < 0 ? text.count : (size_t)dollar;
        struct bytes variable = bytes_from(text, plain);
        ptrdiff_t end;

        status = buffer_append(out, bytes_first(text, plain));
        text = variable;
        if (status != STATUS_OK || variable.count == 0) {
            break;
        }
        if (!bytes_starts_with(variable, BYTES("${"))) {
            status = buffer_append_text(out, "$");
            text = bytes_from(text, 1);
            continue;
        }
        end = bytes_find(variable, '}');
        if (end < 0) {
            *out_at = variable;
            return STATUS_MALFORMED;
        }
        status = append_variable((struct bytes){variable.data + 2, (size_t)end - 2}, out);
        if (status == STATUS_MALFORMED || status == STATUS_NOT_FOUND) {
            *out_at = bytes_first(variable, (size_t)end + 1);
        }
        text = bytes_from(text, (size_t)end + 1);
    }
    return status;
}
