/* skim: reads a JSON text in passing, in constant memory: the values at a few named paths, and how to close what broke off.
 *
 * For texts that are passed on as they come and may be longer than anything that is held. It checks no more than it needs to
 * know where it stands; what it cannot follow (depth above JSON_DEPTH_MAX, no JSON) it reads no further.
 *
 *   names   {"a", "b"}                       path  SKIM_PATH1(1) = a, SKIM_PATH2(1, 2) = a.b; a list adds nothing to a path
 *   text    {"a":[{"b":"x"},{"c":1}]}        values  a.b "x"; what has a name that is not in the list is not told
 *
 * Thread: any, one at a time for each object.
 */
#ifndef GATEWAY_SKIM_H
#define GATEWAY_SKIM_H

#include "proto/bytes.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { SKIM_NAME_BITS = 5, SKIM_NAMES_MAX = (1 << SKIM_NAME_BITS) - 1 };

#define SKIM_PATH1(a) ((uint32_t)(a))
#define SKIM_PATH2(a, b) (SKIM_PATH1(a) << SKIM_NAME_BITS | (uint32_t)(b))
#define SKIM_PATH3(a, b, c) (SKIM_PATH2(a, b) << SKIM_NAME_BITS | (uint32_t)(c))
#define SKIM_PATH4(a, b, c, d) (SKIM_PATH3(a, b, c) << SKIM_NAME_BITS | (uint32_t)(d))

struct skim {
    const char *const *names; /* [1] to [name_count]; borrowed */
    size_t name_count;
    uint64_t objects;               /* bit d: the container of depth d is an object */
    uint32_t paths[SKIM_PATHS_MAX]; /* of the containers that are open, outermost first */
    uint32_t path;                  /* of the value that comes, or is being read */
    unsigned char state;            /* private to skim.c, as the rest */
    unsigned char depth;            /* containers that are open */
    unsigned char kind;             /* of the scalar at hand */
    unsigned char left;             /* digits of an escape, letters of a word, bytes of a code point that are to come */
    unsigned char lead;             /* the first byte of that code point */
    bool is_key;
    size_t value_bytes; /* as many as it has; `value` holds the first ones */
    char value[SKIM_VALUE_BYTES_MAX];
};

struct skim_value {
    uint32_t path; /* 0: of the whole text */
    enum json_type type;
    struct bytes text; /* of a string (not decoded) or number, cut at SKIM_VALUE_BYTES_MAX; lent until the next call */
    bool cut;
};

/* `names[0]` is not looked at. */
void skim_init(struct skim *skim, const char *const *names, size_t name_count);

/* The next value that has a path: a scalar at its end, a list or an object at its beginning. Moves `*input` behind what it has
 * read. False when `*input` is used up. */
bool skim_next(struct skim *skim, struct bytes *input, struct skim_value *out);

/* Whether the text is whole, or is no JSON (the rest of it is not looked at). */
bool skim_is_whole(const struct skim *skim);
bool skim_is_lost(const struct skim *skim);

/* Whether the text stands between two values of its outermost list, or before the first one. */
bool skim_is_between(const struct skim *skim);

/* Appends what a text that broke off needs so that everything inside its outermost list, but not the list, is closed: a string
 * ends as far as it came, what was announced is null. `*again` is whether a further value needs a comma first. Nothing for
 * a text that is whole or lost. Statuses of buffer_append. */
MUST_CHECK enum status skim_close(const struct skim *skim, struct buffer *out, bool *again);

#endif
