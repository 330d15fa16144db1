/* band: what kind of text a text is, by its letters and its length: a model may improve on the whole and fail one kind.
 *
 * Script: of which there are most letters among the first BAND_CODE_POINTS_MAX code points. Thread: any.
 */
#ifndef TRAINER_BAND_H
#define TRAINER_BAND_H

#include "proto/bytes.h"

enum band {
    BAND_LATIN,
    BAND_CYRILLIC,
    BAND_ARABIC,
    BAND_CJK, /* Han, Kana, Hangul */
    BAND_OTHER, /* letters of another script, or none */
    BAND_SHORT, /* up to BAND_SHORT_BYTES */
    BAND_MIDDLE, /* up to BAND_MIDDLE_BYTES */
    BAND_LONG,
    BANDS
};

enum { BAND_CODE_POINTS_MAX = 1024, BAND_SHORT_BYTES = 64, BAND_MIDDLE_BYTES = 512 };

/* The two that a text is in: BAND_LATIN to BAND_OTHER, and BAND_SHORT to BAND_LONG. */
enum band band_of_script(struct bytes text);
enum band band_of_length(struct bytes text);

/* "latin", ..., "short", "middle", "long"; static. */
const char *band_name(enum band band);

#endif
