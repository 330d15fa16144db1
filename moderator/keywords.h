/* keywords: the keyword files of one profile as one vectorscan database, and scanning a text for any of them in one pass.
 *
 * A file is UTF-8, one keyword a line, spaces around it ignored; blank lines and lines that begin with '#' are comments.
 * A keyword matches wherever it stands in a text, however it is spelled (moderator/keywords_shape): in any case and form, with
 * what is invisible in it, in letters that look like its own, with digits put for them, its letters apart, turned round or in
 * tags (moderator/second_reading). One that has neither three letters side by side nor a Chinese character matches as it is, in
 * any case and form. A line "re:..." is a regular expression (vectorscan's PCRE subset), matched without regard to case against
 * the folded text (moderator/fold) and the text's glyphs (moderator/skeleton); it must not match the empty text.
 *
 * Thread: `struct keywords` is constant after keywords_open and shared by all threads; a scanner belongs to one thread.
 * The keyword that was hit is never told: it must reach neither a message nor a log (spec/reliability.md B.1 row 21). Where it
 * stands is known for the operator's own dry run alone (moderator/dry_run).
 */
#ifndef MODERATOR_KEYWORDS_H
#define MODERATOR_KEYWORDS_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/pause.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdio.h>

struct keywords;
struct keyword_scanner;

/* Where a keyword is written down. */
struct keyword_place {
    unsigned file; /* index into the files of keywords_open */
    unsigned line; /* from 1 */
};

/* Appends the keyword that stands in this line of the file, as it is written there. STATUS_NOT_FOUND when the file is shorter by
 * now; statuses of file_read and buffer_append. */
MUST_CHECK enum status keyword_read(const char *file, unsigned line, struct buffer *out);

/* Reads and compiles `file_count` files; with none of them it makes a list that matches nothing. Every problem is a line
 * "file:line: what is wrong" on `errors`, at most KEYWORD_ERRORS_MAX of them. STATUS_MALFORMED when any was found (a missing,
 * unreadable, empty or too large file included), STATUS_UNAVAILABLE when the processor is too old for vectorscan,
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status keywords_open(struct keywords **out, const char files[][PATH_BYTES_MAX + 1], size_t file_count,
                                     FILE *errors);
void keywords_close(struct keywords **keywords);

size_t keywords_count(const struct keywords *keywords);

/* Of the files' bytes (SHA256_BYTES): lists of the same digest find the same. Lent until keywords_close. */
const unsigned char *keywords_digest(const struct keywords *keywords);

/* What one thread needs to scan with any of `lists` (an entry may be NULL). Borrows nothing after the call. */
MUST_CHECK enum status keyword_scanner_open(struct keyword_scanner **out, struct keywords *const *lists, size_t list_count);
void keyword_scanner_close(struct keyword_scanner **scanner);

/* What each scan calls after each few KiB from now on; copied. */
void keyword_scanner_pause(struct keyword_scanner *scanner, const struct pause *pause);

/* Whether `text`, all of it, holds a keyword of the list (NULL = none). STATUS_NO_MEMORY, STATUS_TOO_LARGE (fold), STATUS_TIMEOUT
 * (the pause said to stop): not judged. */
MUST_CHECK enum status keywords_scan(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text,
                                     bool *out_hit);

/* Of the keyword that the last scan hit; one of several when there are more. Means nothing where it did not hit. */
struct keyword_place keyword_scanner_place(const struct keyword_scanner *scanner);

#endif
