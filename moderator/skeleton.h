/* skeleton: a text as what it looks like: glyph by glyph, whatever script and form its characters are of.
 *
 *   "сo\u0301ntr\u0430b\u200B\u0430nd", "𝐜𝐨𝐧𝐭𝐫𝐚𝐛𝐚𝐧𝐝", "ⒸⓄⓃⓉⓇⒶⒷⒶⓃⒹ"  ->  c o n t r a b a n d
 *
 * One character is none, one or several glyphs: NFKD, marks and what is invisible dropped, case folded, then what looks like
 * ASCII letters is those, and a traditional Chinese character its simplified one. All of it by a table of our own, so that no
 * version of ICU changes it (house.md D13), a look-up a character; only a mark that is a vowel or a tone asks what it stands on.
 * U+FFFD and bytes that are no UTF-8 are dropped: whoever reads the text reads on (half of a surrogate pair becomes U+FFFD).
 *
 * Thread: any; a skeleton is constant once it is open, a reader belongs to one thread.
 * Source of the rule: spec/reliability.md B.1 row 10.
 */
#ifndef MODERATOR_SKELETON_H
#define MODERATOR_SKELETON_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum glyph_kind {
    GLYPH_LETTER, /* letters and digits; ASCII letters are small ones */
    GLYPH_ALONE,  /* a Chinese character or kana: a word by itself */
    GLYPH_MARK,   /* a vowel or tone on the letter before it, or what follows the first letter of a Hangul syllable */
    GLYPH_GAP,    /* white space, punctuation, a symbol */
};

struct glyph {
    uint32_t point;
    enum glyph_kind kind;
};

enum { SKELETON_GLYPHS_MAX = 18 }; /* of one character: U+FDFA */

struct skeleton;

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status skeleton_open(struct skeleton **out);
void skeleton_close(struct skeleton **skeleton);

/* The glyphs of one code point, in order, into `out`; how many there are. A mark stands here whatever it stands on. */
size_t skeleton_of(const struct skeleton *skeleton, uint32_t point, struct glyph out[SKELETON_GLYPHS_MAX]);

/* The same for a code point that has one glyph or none, in *out_has; false, and nothing said, for any other. Most have one. */
bool skeleton_of_one(const struct skeleton *skeleton, uint32_t point, struct glyph *out, bool *out_has);

/* Reads glyphs from a place in a text to its end, or back to its beginning. A mark on what is not of its own script (Latin under
 * Thai vowels) is dropped. */
struct skeleton_reader {
    const struct skeleton *skeleton; /* borrowed */
    struct bytes text;               /* borrowed */
    size_t at;                       /* where the next character begins; backwards, where the last one began */
    bool backwards;
    uint32_t base; /* forwards: the last letter */
    size_t glyph_count, glyph_next;
    struct glyph glyphs[SKELETON_GLYPHS_MAX]; /* of the character read last */
};

/* `at` lies between two characters of `text`. */
void skeleton_begin(struct skeleton_reader *reader, const struct skeleton *skeleton, struct bytes text, size_t at,
                    bool backwards);

/* False at the end. */
bool skeleton_read(struct skeleton_reader *reader, struct glyph *out);

/* Appends glyphs of a reader that reads forwards as UTF-8 until `out` has `bytes` or more, or the text ends. Statuses of
 * buffer_append. */
MUST_CHECK enum status skeleton_append(struct skeleton_reader *reader, size_t bytes, struct buffer *out);

#endif
