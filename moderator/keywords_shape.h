/* keywords_shape: a keyword as its glyphs, and whether it stands in a text at a given place, however it is spelled there.
 *
 * The letters of the keyword stand in the text in their order, each as a character that looks like it, or as a digit or symbol
 * that is put for it, at most one for each letter that is none. Between two of them stands
 *   - where the keyword has a gap (space, hyphen, ...): any gap;
 *   - between Chinese characters and kana: nothing, or any gap;
 *   - elsewhere: nothing; or any gap, when all letters around stand alone, four of them or more ("f o r g e d", "f**o**r**g").
 * A digit or a symbol of the keyword is itself only. Symbols at its ends stand in the text as they are (".onion").
 * A gap has at most KEYWORD_GAP_MAX characters, the whole at most KEYWORD_SPAN_BYTES_MAX bytes.
 *
 * Internal to moderator/keywords. Thread: any; a shape is constant. Source of the rule: spec/reliability.md B.1 row 10.
 */
#ifndef MODERATOR_KEYWORDS_SHAPE_H
#define MODERATOR_KEYWORDS_SHAPE_H

#include "moderator/skeleton.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

struct keyword_shape;

enum { KEYWORD_OUTLINE_BYTES_MIN = 3 }; /* a Chinese character, or three letters of ASCII */

/* The shape of a keyword (UTF-8), to be freed; and its outline into `outline`, without symbols. STATUS_UNSUPPORTED when too
 * little of it is letters to know it again otherwise spelled: it has neither three letters side by side nor a Chinese character
 * or kana, or a gap of more than KEYWORD_GAP_MAX; and when its outline is shorter than KEYWORD_OUTLINE_BYTES_MIN or longer than
 * OUTLINE_BYTES_MAX. STATUS_NO_MEMORY. */
MUST_CHECK enum status keyword_shape_make(struct keyword_shape **out, const struct skeleton *skeleton, struct bytes keyword,
                                          struct buffer *outline);
void keyword_shape_free(struct keyword_shape *shape);

/* Whether vowels and tones of it are marks, whose order a text may change: it is to be looked for in folded texts too. */
bool keyword_shape_has_marks(const struct keyword_shape *shape);

/* Whether it stands in `text` with its last letter in the character that ends at `end`. `symbols`: some of them may be put for
 * letters; otherwise all are gaps. */
bool keyword_shape_ends_at(const struct keyword_shape *shape, const struct skeleton *skeleton, struct bytes text, size_t end,
                           bool symbols);

#endif
