/* keywords_compiled: a list as it is scanned with: two databases of vectorscan, and the shape of each word.
 *
 * Two, since each is faster by itself (tests/bench/keywords): literals alone need no state, expressions a stream; and a text is
 * folded for expressions, outlined for literals.
 *
 * Internal to moderator/keywords. Thread: constant once it is compiled.
 */
#ifndef MODERATOR_KEYWORDS_COMPILED_H
#define MODERATOR_KEYWORDS_COMPILED_H

#include "moderator/keywords_list.h"

#include <hs.h>
#include <stddef.h>

struct keywords {
    hs_database_t *patterns;    /* for streams, so that a hit may lie across two chunks; NULL when there are none */
    hs_database_t *outlines;    /* for blocks; a hit's number is that of its word; NULL when there are none */
    struct keyword_word *words; /* owned; without their outlines */
    size_t word_count;
    size_t outline_bytes_max; /* of a word */
    size_t count;             /* of keywords and expressions */
};

#endif
