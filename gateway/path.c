/* path: one pass over path and prefix, escapes undone on the way. */
#include "gateway/path.h"

#include <string.h>

bool path_is_of_uri(struct bytes text)
{
    static const char marks[] = "-._~!$&'()*+,;=:@/?";

    for (size_t index = 0; index < text.count; index++) {
        char byte = text.data[index];
        bool plain = bytes_is_letter_or_digit(byte) || memchr(marks, byte, sizeof marks - 1) != NULL;

        if (!plain && bytes_escaped(bytes_from(text, index)) < 0) {
            return false;
        }
    }
    return true;
}

/* Where a reader of a path is. */
struct walk {
    struct bytes left;
    struct bytes from; /* where the last character stands, and all behind it */
    bool after_slash;
};

/* Takes the next character, escaped or not, off *text; -1 at its end. */
static int take(struct bytes *text)
{
    int escaped = bytes_escaped(*text);
    int byte = escaped >= 0 ? escaped : text->count > 0 ? (unsigned char)text->data[0] : -1;

    *text = bytes_from(*text, escaped >= 0 ? 3 : 1);
    return byte;
}

/* From the ';' that begins a segment's parameters to what ends the segment. */
static struct bytes without_parameters(struct bytes left)
{
    struct bytes from = left;

    while (left.count > 0 && take(&left) != '/') {
        from = left;
    }
    return from;
}

/* The next character of the path as it is read: no parameters, no slash behind a slash. -1 at its end. */
static int step(struct walk *walk)
{
    int byte;

    do {
        if (bytes_starts_with(walk->left, BYTES(";"))) {
            walk->left = without_parameters(walk->left);
        }
        walk->from = walk->left;
        byte = take(&walk->left);
    } while (byte == '/' && walk->after_slash);
    walk->after_slash = byte == '/';
    return byte;
}

void path_front_read(struct path_front *out, struct bytes path)
{
    struct walk walk = {.left = path};
    int byte = 0;

    out->path = path;
    out->count = 0;
    while (byte >= 0) {
        byte = step(&walk);
        out->at[out->count] = (uint32_t)(path.count - walk.from.count);
        if (byte < 0 || out->count == sizeof out->text) {
            return;
        }
        out->text[out->count++] = (char)byte;
    }
}

bool path_begins_with(const struct path_front *front, struct bytes prefix, struct bytes *out_rest)
{
    struct bytes text = {front->text, front->count};

    if (!bytes_starts_with(text, prefix) || (text.count > prefix.count && text.data[prefix.count] != '/')) {
        return false;
    }
    *out_rest = bytes_from(front->path, front->at[prefix.count]);
    return true;
}

/* Whether the slash that was just taken begins `part`. */
static bool is_there(struct walk walk, struct bytes part)
{
    int byte = '/';

    for (size_t index = 1; index < part.count; index++) {
        byte = step(&walk);
        if (byte != (unsigned char)part.data[index]) {
            return false;
        }
    }
    byte = step(&walk);
    return byte < 0 || byte == '/';
}

bool path_leads_through(struct bytes path, struct bytes part)
{
    struct walk walk = {.left = path};
    int byte = 0;

    while (byte >= 0) {
        byte = step(&walk);
        if (byte == '/' && is_there(walk, part)) {
            return true;
        }
    }
    return false;
}
