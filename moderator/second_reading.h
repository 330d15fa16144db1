/* second_reading: what a text says beside what stands in it: to who sees it, who reads every code point, and who reads JSON.
 *
 *   U+202E ... U+202C   is shown from right to left (UAX 9): "con", then "nabart" in it is seen as "contraban". All of a text
 *                       that has such a part, each part turned round where it stands
 *   U+E0020 .. U+E007E  tag characters are shown as nothing, and are ASCII to a model: all of a text's in one line
 *   \u6BD2              many writers of JSON escape all that is not ASCII, and what a tool returned is often such JSON, whole or
 *                       cut: each escape as the character it stands for, with KEYWORD_BYTES_MAX of the text on either side
 *
 * Comes in pieces of at most SECOND_READING_BYTES_MAX that overlap by KEYWORD_BYTES_MAX, so that a keyword of that length is
 * whole in one of them. Takes time as long as the text is, however many directions it has.
 * Thread: a second_reading belongs to one thread.
 */
#ifndef MODERATOR_SECOND_READING_H
#define MODERATOR_SECOND_READING_H

#include "proto/bytes.h"
#include "proto/limits.h"

#include <stdbool.h>

enum second_kind { SECOND_SHOWN, SECOND_TAGS, SECOND_ESCAPES };

struct second_reading {
    struct bytes text;     /* borrowed */
    struct bytes rest;     /* of it: to be looked at */
    struct bytes forward;  /* of it: what is left before the next part that is shown from right to left, or the next escape */
    struct bytes backward; /* of it: what is left of that part */
    bool turned;           /* there was one */
    enum second_kind kind; /* of the pieces that come now */
    bool apart;            /* the piece ends behind `forward`, and the next one begins anew */
    bool full;             /* the piece, before the end: the next one begins with its end */
    size_t looked_bytes;   /* so far, of the text: what it costs beside the pieces */
    size_t count;
    char piece[SECOND_READING_BYTES_MAX];
};

/* Borrows `text` until the last second_reading_next. */
void second_reading_begin(struct second_reading *reading, struct bytes text);

/* The next piece, lent until the next call; false when there is none. */
bool second_reading_next(struct second_reading *reading, struct bytes *out);

#endif
