/* outline: the letters of a text and nothing between them: in it one search for literals finds every keyword, however spelled.
 *
 * Where it finds one, moderator/keywords_shape looks whether it really stands there.
 *
 *   "The c0n-TR a.b\u0430nd!"  ->  "thecontraband"
 *
 * Of each character the glyphs (moderator/skeleton) without gaps and marks, and letters that one digit is put for are one
 * letter: 0 is o, 3 e, 4 a, 5 s, 7 t, 8 b, 6 and 9 g, 2 z; 1, i and l are all i.
 * With `symbols`, @ is a, $ s, ( c, + t, ! and | are i, and the sign of the euro e; without, they are gaps. What a character
 * gives does not depend on what stands beside it, so the outline of a part is a part of the outline.
 *
 * Thread: an outline belongs to one thread.
 */
#ifndef MODERATOR_OUTLINE_H
#define MODERATOR_OUTLINE_H

#include "moderator/skeleton.h"
#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OUTLINE_STEP_BYTES = 64,
    OUTLINE_GROWTH = 10, /* bytes of an outline for one of the text: U+FDFA has 30 for 3 */
    OUTLINE_CHARACTER_BYTES_MAX = SKELETON_GLYPHS_MAX * 4,
    OUTLINE_PAIRS = 128 * 128,
    OUTLINE_SLACK = 8, /* behind the outline, for who looks ahead */
    OUTLINE_ROOM = OUTLINE_BYTES_MAX + OUTLINE_CHUNK_BYTES * OUTLINE_GROWTH + OUTLINE_CHARACTER_BYTES_MAX + OUTLINE_SLACK,
};

/* A place in the text, and how many bytes of the outline are of what stands before it. */
struct outline_step {
    size_t source;
    size_t count;
    bool has_symbols; /* between here and the next step */
};

struct outline {
    const struct skeleton *skeleton; /* borrowed */
    bool symbols;                    /* are letters */
    size_t count;
    size_t step_count;
    struct outline_step steps[OUTLINE_CHUNK_BYTES / OUTLINE_STEP_BYTES + 2];
    uint32_t pairs[OUTLINE_PAIRS]; /* what two characters of ASCII give, see outline.c */
    char bytes[OUTLINE_ROOM];
};

/* Borrows `skeleton` until outline_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status outline_open(struct outline **out, const struct skeleton *skeleton, bool symbols);
void outline_close(struct outline **outline);

/* Forgets all but the last `kept` bytes, at most OUTLINE_BYTES_MAX, and adds the outline of the characters of `text` that begin
 * in [from, from + OUTLINE_CHUNK_BYTES) and before `to`. Returns where the next one begins. */
size_t outline_fill(struct outline *outline, struct bytes text, size_t from, size_t to, size_t kept);

/* Where the character ends that the first `count` bytes of the outline end with or in; count is past what was kept. `text` is
 * that of the last outline_fill. */
size_t outline_source(const struct outline *outline, struct bytes text, size_t count);

/* The bytes of one code point into `out`; how many. */
size_t outline_of(const struct skeleton *skeleton, uint32_t point, bool symbols, char out[OUTLINE_CHARACTER_BYTES_MAX]);

/* Whether the outline has it, symbols aside. */
bool outline_has(struct glyph glyph);

/* What a glyph that it has is in the outline, and a symbol; 0 for any other of ASCII. */
uint32_t outline_letter(uint32_t point, bool symbols);

/* Whether a digit or a symbol is what a writer may put for the letter; never true of letters. */
bool outline_stands_for(uint32_t point, uint32_t letter);

/* Of the outline's text [*at, to), the next word in which symbols may stand for letters: one inside of it ("w!re"), or several
 * with digits ("p@$$word", "+h15"). False when there is none; else *begin and *end are its borders, and *at is behind it. */
bool outline_disguised(const struct outline *outline, struct bytes text, size_t to, size_t *at, size_t *begin, size_t *end);

#endif
