/* fold: text in the form in which keywords are compared: NFKC_Casefold (Unicode TR 31), piece by piece.
 *
 *   "Ｆｏｒｂｉｄｄｅｎ" -> "forbidden"      full-width and other compatibility forms become plain ones
 *   "STRASSE", "Straße" -> "strasse"     case is folded
 *   "for<U+200B>bidden" -> "forbidden"   what cannot be seen is dropped
 *
 * A text is folded in chunks of at most FOLD_CHUNK_BYTES, cut where no normalisation reaches across, so that memory does not
 * follow the text; FOLD_MARKS_MAX on one letter end a chunk too, so that time does not follow its square. A chunk of plain
 * ASCII is lent as it is, without ICU: the matcher ignores the case of ASCII letters itself.
 *
 * Keywords are folded by the same function, so both sides always agree. The second form, what a text looks like, is
 * moderator/skeleton.
 * Thread: a fold belongs to one thread. Source of the rule: spec/reliability.md B.1 row 10.
 */
#ifndef MODERATOR_FOLD_H
#define MODERATOR_FOLD_H

#include "proto/bytes.h"
#include "proto/status.h"

struct fold;

/* STATUS_NO_MEMORY; STATUS_UNAVAILABLE when ICU has no normalisation data. */
MUST_CHECK enum status fold_open(struct fold **out);
void fold_close(struct fold **fold);

/* Folds the next chunk of `*rest` (UTF-8; broken bytes become U+FFFD) and moves `*rest` behind it. `*out` is lent until the next
 * call, and may be empty when all of the chunk is invisible. STATUS_NOT_FOUND when `*rest` is empty. */
MUST_CHECK enum status fold_next(struct fold *fold, struct bytes *rest, struct bytes *out);

/* Appends the whole folded text with ASCII letters in lower case: for keywords. STATUS_TOO_LARGE past the buffer's bound. */
MUST_CHECK enum status fold_append(struct fold *fold, struct bytes text, struct buffer *out);

#endif
