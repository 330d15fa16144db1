/* keywords_index: finds every word's outline in the outline of a text, however many words there are.
 *
 *   outline  ..thecontrabandisoverthere..
 *                  ^^^^^ hashed at every other place: a bit says that some word may have these -> table -> whole outline compared
 *
 * Each word is known by six bytes of its outline that the fewest other words have; shorter ones by four, or three, in indices of
 * their own. vectorscan's literals are for any text and take several times as long on texts of letters alone, where ten thousand
 * words fill its tables (measured: tests/bench/keywords).
 *
 * Internal to moderator/keywords. Thread: any; an index is constant once it is open.
 */
#ifndef MODERATOR_KEYWORDS_INDEX_H
#define MODERATOR_KEYWORDS_INDEX_H

#include "moderator/keywords_list.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { KEYWORD_INDEX_SLACK = 5 }; /* bytes behind an outline that may be read, whatever they are */

struct keyword_index;

/* Borrows `words` and their outlines, each of at least KEYWORD_OUTLINE_BYTES_MIN bytes, until keyword_index_close.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status keyword_index_open(struct keyword_index **out, const struct keyword_word *words, size_t count);
void keyword_index_close(struct keyword_index **index);

/* Calls `found` for each place in `outline` where a word's is, with the word's number and the place's end, in no order, until it
 * returns true; returns that. KEYWORD_INDEX_SLACK bytes follow the outline. */
bool keyword_index_search(const struct keyword_index *index, struct bytes outline,
                          bool (*found)(void *context, size_t word, size_t end), void *context);

#endif
