/* keywords_list: the lines of keyword files as patterns for vectorscan, with the place of each for errors.
 *
 *   an expression     a pattern for folded texts
 *   a keyword         a word, whose outline is searched for; a pattern too when it has marks, and nothing but that when it is
 *                     not known again by its letters (moderator/keywords_shape)
 *
 * Internal to moderator/keywords. Thread: main, at start.
 */
#ifndef MODERATOR_KEYWORDS_LIST_H
#define MODERATOR_KEYWORDS_LIST_H

#include "moderator/fold.h"
#include "moderator/keywords.h"
#include "moderator/keywords_shape.h"
#include "moderator/skeleton.h"
#include "proto/limits.h"
#include "proto/secret.h"
#include "proto/status.h"

#include <stdio.h>

struct keyword_pattern {
    char *text;     /* owned, terminated, in vectorscan's grammar */
    unsigned flags; /* HS_FLAG_... */
    struct keyword_place place;
};

struct keyword_word {
    struct keyword_shape *shape; /* owned */
    char *outline;               /* owned, not terminated */
    size_t outline_bytes;
    struct keyword_place place;
};

struct keywords_list {
    struct keyword_pattern *patterns; /* owned */
    size_t pattern_count, pattern_room;
    struct keyword_word *words; /* owned */
    size_t word_count, word_room;
    size_t count;            /* lines that hold a keyword or an expression */
    size_t expression_count; /* of them */
    unsigned char digest[SHA256_BYTES]; /* of the bytes of all files that were read */
    size_t error_count; /* problems found, told or not */
};

/* What a reader works with; all borrowed. */
struct keyword_source {
    const char (*files)[PATH_BYTES_MAX + 1];
    struct fold *fold;
    struct skeleton *skeleton;
    FILE *errors;
};

/* Adds the lines of files[file]. What is wrong with the file is told and counted in error_count; the status is only that of the
 * reader itself: STATUS_NO_MEMORY. */
MUST_CHECK enum status keywords_list_read(struct keywords_list *list, const struct keyword_source *source, unsigned file);

/* Tells one more problem, unless KEYWORD_ERRORS_MAX were told; `line` 0 = the file as a whole. */
void keywords_list_error(struct keywords_list *list, const struct keyword_source *source, unsigned file, unsigned line,
                        const char *what);

void keywords_list_free(struct keywords_list *list);

/* Also an array that was taken out of a list. */
void keyword_words_free(struct keyword_word *words, size_t count);

#endif
