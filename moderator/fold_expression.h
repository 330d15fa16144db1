/* fold_expression: what a keyword file needs of Unicode beside folding: is a line text, and a regular expression folded.
 *
 * Thread: main, at start.
 */
#ifndef MODERATOR_FOLD_EXPRESSION_H
#define MODERATOR_FOLD_EXPRESSION_H

#include "moderator/fold.h"

#include <stdbool.h>

/* Whether `text` is UTF-8 (RFC 3629) without U+0000. */
bool fold_is_text(struct bytes text);

/* Appends bytes so that a regular expression takes them for themselves: a-z and 0-9 as they are, others as \xHH. */
MUST_CHECK enum status fold_append_plain(struct buffer *out, struct bytes bytes);

/* Appends a regular expression (valid UTF-8) as it must be to meet folded texts: ASCII as it is (folding \W would make \w),
 * every other character folded by itself, so accented letters must stand in their composed form. STATUS_UNSUPPORTED for a
 * character that becomes none or several, which an expression cannot say; STATUS_TOO_LARGE past the buffer's bound. */
MUST_CHECK enum status fold_append_expression(struct fold *fold, struct bytes text, struct buffer *out);

#endif
