/* skeleton_table: the data of moderator/skeleton; skeleton_table.py, beside it, writes skeleton_table.c.
 *
 * All of it is constant, one Unicode version's, whatever ICU is installed: lists and texts are compared by the same table.
 */
#ifndef MODERATOR_SKELETON_TABLE_H
#define MODERATOR_SKELETON_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct skeleton_range {
    uint32_t first, last; /* code points */
};

extern const char *const skeleton_pairs[];     /* up to NULL; each UTF-8: a character and the one it looks like, and so on */
extern const char *const skeleton_sequences[]; /* up to NULL; a character, those it looks like, '\n', and so on */

/* Beyond ASCII, rising; of what is in none of them every code point is a letter. */
extern const struct skeleton_range skeleton_gaps[];
extern const struct skeleton_range skeleton_dropped[];
extern const struct skeleton_range skeleton_marks[];
extern const struct skeleton_range skeleton_alone[];
extern const size_t skeleton_gaps_count;
extern const size_t skeleton_dropped_count;
extern const size_t skeleton_marks_count;
extern const size_t skeleton_alone_count;

#endif
