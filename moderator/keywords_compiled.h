/* keywords_compiled: a list as it is scanned with: patterns for vectorscan, and words with an index of their outlines.
 *
 * Internal to moderator/keywords. Thread: constant once it is compiled.
 */
#ifndef MODERATOR_KEYWORDS_COMPILED_H
#define MODERATOR_KEYWORDS_COMPILED_H

#include "moderator/keywords_index.h"
#include "moderator/keywords_list.h"

#include <hs.h>
#include <stddef.h>

struct keywords {
    hs_database_t *patterns;     /* for streams, so that a hit may lie across two chunks; NULL when there are none */
    struct keyword_place *pattern_places; /* owned; one a pattern */
    struct keyword_index *index; /* of the words; NULL when there are none */
    struct keyword_word *words;  /* owned */
    size_t word_count;
    size_t outline_bytes_max; /* of a word */
    size_t count;             /* of keywords and expressions */
    unsigned char digest[SHA256_BYTES];
};

#endif
