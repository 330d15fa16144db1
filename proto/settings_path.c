/* settings_path: paths built from the root down, and found again. */
#include "proto/settings_path.h"

#include "proto/limits.h"
#include "proto/settings_table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The nodes from below the root to `node`, outermost first. */
static size_t ancestry(const struct settings_document *document, size_t node, size_t out[SETTINGS_DEPTH_MAX + 1])
{
    size_t count = 0;

    for (size_t at = node; at != 0; at = document->nodes[at].parent) {
        count++;
    }
    assert(count <= SETTINGS_DEPTH_MAX + 1); /* the reader's bound, and a value inside */
    for (size_t at = node, index = count; at != 0; at = document->nodes[at].parent) {
        out[--index] = at;
    }
    return count;
}

static enum status append_step(struct buffer *path, const struct settings_document *document, size_t node, bool shown)
{
    const struct settings_node *at = &document->nodes[node];

    if (at->key == NULL) {
        return shown ? buffer_append_format(path, "[%u]", at->position) : buffer_append_text(path, "[]");
    }
    if (path->count > 0 && buffer_append_text(path, ".") != STATUS_OK) {
        return STATUS_TOO_LARGE;
    }
    if (!shown && bytes_equal(buffer_view(path), BYTES("profiles."))) {
        return buffer_append_text(path, "*");
    }
    if (!shown && strpbrk(at->key, ".[*") != NULL) {
        return buffer_append_text(path, "?");
    }
    return buffer_append_format(path, "%.*s", (int)PROFILE_NAME_BYTES_MAX, at->key);
}

static void write_path(const struct settings_document *document, size_t node, bool shown, char out[SETTINGS_PATH_BYTES])
{
    struct buffer path = {.data = out, .room = SETTINGS_PATH_BYTES, .max = SETTINGS_PATH_BYTES};
    size_t steps[SETTINGS_DEPTH_MAX + 1];
    size_t count = ancestry(document, node, steps);

    for (size_t index = 0; index < count; index++) {
        if (append_step(&path, document, steps[index], shown) != STATUS_OK) {
            break; /* cut: no row has a path so long */
        }
    }
    out[path.count < SETTINGS_PATH_BYTES ? path.count : SETTINGS_PATH_BYTES - 1] = '\0';
}

void settings_path_of(const struct settings_document *document, size_t node, char out[SETTINGS_PATH_BYTES])
{
    write_path(document, node, false, out);
}

void settings_path_shown(const struct settings_document *document, size_t node, char out[SETTINGS_PATH_BYTES])
{
    write_path(document, node, true, out);
}

/* The line of the node whose path is the longest beginning of `path`; 0 when the file has no part of it. */
static unsigned nearest_line(const struct settings_document *document, const char *path)
{
    struct bytes whole = bytes_of(path);
    size_t longest = 0;
    unsigned line = 0;

    for (size_t node = 1; node < document->count; node++) {
        char shown[SETTINGS_PATH_BYTES];
        struct bytes candidate;

        settings_path_shown(document, node, shown);
        candidate = bytes_of(shown);
        if (candidate.count > longest && bytes_starts_with(whole, candidate) &&
            (candidate.count == whole.count || whole.data[candidate.count] == '.' || whole.data[candidate.count] == '[')) {
            longest = candidate.count;
            line = document->nodes[node].line;
        }
    }
    return line;
}

/* Writes the name of the variable that overrides `path`; false when there is none. */
static bool overridden(const char *path, char out[SETTINGS_PATH_BYTES])
{
    struct buffer name = {.data = out, .room = SETTINGS_PATH_BYTES, .max = SETTINGS_PATH_BYTES};
    const struct setting *row = settings_table_find(bytes_of(path));

    if (row == NULL || setting_scope(row) != SETTING_OF_FILE) {
        return false;
    }
    return setting_environment(row, &name) == STATUS_OK && buffer_append(&name, (struct bytes){"", 1}) == STATUS_OK &&
           getenv(out) != NULL;
}

void settings_path_refuse(struct settings_errors *errors, const struct settings_document *document, const char *path,
                          const char *format, ...)
{
    char source[SETTINGS_PATH_BYTES];
    char text[SETTINGS_VALUE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (overridden(path, source)) {
        settings_errors_add(errors, source, 0, path, "%s", text);
    } else {
        settings_errors_add(errors, NULL, nearest_line(document, path), path, "%s", text);
    }
}
