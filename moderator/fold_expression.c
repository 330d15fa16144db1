/* fold_expression: folds the characters of a regular expression and leaves its operators alone. */
#include "moderator/fold_expression.h"

#include <stdint.h>
#include <unicode/utf8.h>

enum { FOLDED_CHARACTER_BYTES_MAX = U8_MAX_LENGTH * 11 }; /* see fold.c */

bool fold_is_text(struct bytes text)
{
    int32_t at = 0;

    while ((size_t)at < text.count) {
        UChar32 point;

        U8_NEXT((const uint8_t *)text.data, at, (int32_t)text.count, point);
        if (point <= 0) {
            return false; /* broken (negative), or U+0000 */
        }
    }
    return true;
}

enum status fold_append_plain(struct buffer *out, struct bytes bytes)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < bytes.count; index++) {
        unsigned char byte = (unsigned char)bytes.data[index];

        if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) {
            status = buffer_append(out, (struct bytes){bytes.data + index, 1});
        } else {
            status = buffer_append_format(out, "\\x%02x", byte);
        }
    }
    return status;
}

/* The bytes of the first character of a text that is not empty. */
static struct bytes first_character(struct bytes text)
{
    int32_t count = 0;

    U8_FWD_1((const uint8_t *)text.data, count, (int32_t)text.count);
    return bytes_first(text, (size_t)count);
}

enum status fold_append_expression(struct fold *fold, struct bytes text, struct buffer *out)
{
    char folded_bytes[FOLDED_CHARACTER_BYTES_MAX];
    struct buffer folded = {.data = folded_bytes, .room = sizeof folded_bytes, .max = sizeof folded_bytes};
    enum status status = STATUS_OK;

    while (status == STATUS_OK && text.count > 0) {
        struct bytes character = first_character(text);

        text = bytes_from(text, character.count);
        if (character.count == 1) {
            status = buffer_append(out, character);
            continue;
        }
        buffer_clear(&folded);
        status = fold_append(fold, character, &folded);
        if (status != STATUS_OK) {
            break;
        }
        if (folded.count == 0 || first_character(buffer_view(&folded)).count != folded.count) {
            status = STATUS_UNSUPPORTED;
        } else if (folded.count == 1) {
            status = fold_append_plain(out, buffer_view(&folded)); /* a full-width '*' is no operator */
        } else {
            status = buffer_append(out, buffer_view(&folded));
        }
    }
    return status;
}
